//! Handles to values: literals, choices, and what changes a width.
//!
//! Widths change only in concatenations and slices; a slice of a slice, of a concatenation or of a
//! literal is resolved when it is made. The operators are in `ops`.

use super::builder::{Builder, Reg, Wire};
use super::node::{NodeId, Op, fit_words, slice_words, top_mask, words};

/// A value of a fixed width in a module under construction.
#[derive(Clone, Copy, Debug)]
#[must_use = "a value that nothing uses does nothing"]
pub struct Sig<'m> {
    pub(super) m: &'m Builder,
    pub(crate) id: NodeId,
    pub(super) width: u32,
}

/// What may stand where a value is wanted: a signal, a register, or a `u64` literal, which takes
/// the width of its surroundings.
pub trait Operand<'m>: Copy {
    /// Its width, if it has one of its own.
    fn own_width(self) -> Option<u32>;

    /// The value at `width` bits.
    ///
    /// # Panics
    /// If it has another width, does not fit, or belongs to another module.
    #[track_caller]
    fn sig_of(self, m: &'m Builder, width: u32) -> Sig<'m>;

    /// The value at its own width.
    ///
    /// # Panics
    /// If it is a literal, which has none, or belongs to another module.
    #[track_caller]
    fn sig(self, m: &'m Builder) -> Sig<'m> {
        let width = self.own_width().expect("bug: a literal needs a width here: use `lit`");
        self.sig_of(m, width)
    }
}

impl<'m> Operand<'m> for Sig<'m> {
    fn own_width(self) -> Option<u32> {
        Some(self.width)
    }

    fn sig_of(self, m: &'m Builder, width: u32) -> Sig<'m> {
        m.own(self);
        assert!(
            self.width == width,
            "bug: {} has {} bits where {width} are needed",
            self.describe(),
            self.width
        );
        self
    }
}

impl<'m> Operand<'m> for Reg<'m> {
    fn own_width(self) -> Option<u32> {
        Some(self.width)
    }
    fn sig_of(self, m: &'m Builder, width: u32) -> Sig<'m> {
        (*self).sig_of(m, width)
    }
}

impl<'m> Operand<'m> for Wire<'m> {
    fn own_width(self) -> Option<u32> {
        Some(self.width)
    }
    fn sig_of(self, m: &'m Builder, width: u32) -> Sig<'m> {
        (*self).sig_of(m, width)
    }
}

impl<'m> Operand<'m> for u64 {
    fn own_width(self) -> Option<u32> {
        None
    }
    fn sig_of(self, m: &'m Builder, width: u32) -> Sig<'m> {
        m.lit(width, self)
    }
}

impl Builder {
    /// A literal of `width` bits.
    #[track_caller]
    pub fn lit(&self, width: u32, value: u64) -> Sig<'_> {
        assert!(
            width >= 64 || value & !top_mask(width) == 0,
            "bug: literal {value:#x} does not fit {width} bits"
        );
        self.lit_words(width, &[value])
    }

    /// A literal from 64-bit words, least significant first; missing words are zero.
    #[track_caller]
    pub fn lit_words(&self, width: u32, value: &[u64]) -> Sig<'_> {
        let fitted = fit_words(value, width);
        assert!(
            value.iter().enumerate().all(|(i, w)| fitted.get(i).copied().unwrap_or(0) == *w),
            "bug: literal does not fit {width} bits"
        );
        self.add(Op::Const(fitted), width)
    }

    /// All ones.
    #[track_caller]
    pub fn ones(&self, width: u32) -> Sig<'_> {
        let value = fit_words(&vec![u64::MAX; words(width)], width);
        self.add(Op::Const(value), width)
    }

    /// `condition ? one : zero`.
    #[track_caller]
    pub fn mux<'m>(
        &'m self,
        condition: Sig<'m>,
        one: impl Operand<'m>,
        zero: impl Operand<'m>,
    ) -> Sig<'m> {
        self.check_bit("condition", condition);
        let width = one.own_width().or(zero.own_width());
        let width = width.expect("bug: two literals in a mux have no width: use `lit`");
        let (one, zero) = (one.sig_of(self, width), zero.sig_of(self, width));
        if one.id == zero.id {
            return one;
        }
        match self.constant(condition) {
            Some(value) => [zero, one][usize::from(value[0] == 1)],
            None => self.add(Op::Mux(condition.id, one.id, zero.id), width),
        }
    }

    /// `items[index]`; an index beyond the last item selects the last item.
    #[track_caller]
    pub fn select<'m>(&'m self, index: Sig<'m>, items: &[Sig<'m>]) -> Sig<'m> {
        self.own(index);
        let first = *items.first().expect("bug: `select` needs at least one item");
        assert!(
            index.width <= 16 && items.len() <= 1 << index.width,
            "bug: an index of {} bits for {} items",
            index.width,
            items.len()
        );
        let ids: Vec<_> = items.iter().map(|item| item.sig_of(self, first.width).id).collect();
        if ids.iter().all(|id| *id == first.id) {
            return first;
        }
        if let Some(value) = self.constant(index) {
            let at = usize::try_from(value[0]).unwrap_or(usize::MAX).min(items.len() - 1);
            return items[at];
        }
        self.add(Op::Select(index.id, ids), first.width)
    }

    /// Joins values, the most significant first.
    #[track_caller]
    pub fn concat<'m>(&'m self, parts: &[Sig<'m>]) -> Sig<'m> {
        let mut ids = Vec::new();
        let mut width = 0;
        for part in parts {
            self.own(*part);
            width += part.width;
            match &self.draft.borrow().nodes[part.id].op {
                Op::Concat(inner) => ids.extend_from_slice(inner),
                _ => ids.push(part.id),
            }
        }
        match parts {
            [] => panic!("bug: `concat` needs at least one part"),
            [one] => *one,
            _ => self.add(Op::Concat(ids), width),
        }
    }

    #[track_caller]
    pub(crate) fn own(&self, sig: Sig<'_>) {
        assert!(
            std::ptr::eq(self, sig.m),
            "bug: {} belongs to module `{}`, not to `{}`",
            sig.describe(),
            sig.m.draft.borrow().name,
            self.draft.borrow().name
        );
    }

    #[track_caller]
    pub(crate) fn check_bit(&self, what: &str, sig: Sig<'_>) {
        self.own(sig);
        assert!(sig.width == 1, "bug: a {what} has {} bits instead of one", sig.width);
    }

    /// The node of an enable, or none for one that is always 1.
    #[track_caller]
    pub(crate) fn enable(&self, what: &str, sig: Sig<'_>) -> Option<NodeId> {
        self.check_bit(what, sig);
        let value = self.constant(sig);
        assert!(value != Some(vec![0]), "bug: a {what} that is always 0");
        if value.is_some() { None } else { Some(sig.id) }
    }

    pub(super) fn constant(&self, sig: Sig<'_>) -> Option<Vec<u64>> {
        match &self.draft.borrow().nodes[sig.id].op {
            Op::Const(value) => Some(value.clone()),
            _ => None,
        }
    }

    pub(super) fn all_ones(&self, sig: Sig<'_>) -> bool {
        self.constant(sig).is_some_and(|v| v == fit_words(&vec![u64::MAX; v.len()], sig.width))
    }
}

impl<'m> Sig<'m> {
    pub(crate) fn new(m: &'m Builder, id: NodeId, width: u32) -> Self {
        Self { m, id, width }
    }

    /// The module under construction that the value belongs to.
    pub fn builder(self) -> &'m Builder {
        self.m
    }

    /// Bits.
    pub fn width(self) -> u32 {
        self.width
    }

    /// Gives a value a name in the text. What has a name already, or is a literal, gets a further
    /// net.
    #[track_caller]
    pub fn named(self, name: &str) -> Self {
        {
            let draft = self.m.draft.borrow();
            let node = &draft.nodes[self.id];
            if node.label.is_some() || node.op.is_net() || matches!(node.op, Op::Const(_)) {
                drop(draft);
                let wire = self.m.wire(name, self.width);
                wire.assign(self);
                return *wire;
            }
        }
        self.m.claim(name);
        self.m.draft.borrow_mut().nodes[self.id].label = Some(name.into());
        self
    }

    /// Bits `lo..lo + width`.
    #[track_caller]
    pub fn slice(self, lo: u32, width: u32) -> Self {
        assert!(
            width > 0 && lo + width <= self.width,
            "bug: bits {lo}..{} of {}, which has {} bits",
            lo + width,
            self.describe(),
            self.width
        );
        if width == self.width {
            return self;
        }
        let op = self.m.draft.borrow().nodes[self.id].op.clone();
        match op {
            Op::Slice(of, at) => self.m.add(Op::Slice(of, at + lo), width),
            Op::Const(value) => self.m.lit_words(width, &slice_words(&value, lo, width)),
            Op::Concat(parts) => self.slice_of_parts(&parts, lo, width),
            Op::Repeat(part) => {
                let part_width = self.m.draft.borrow().nodes[part].width;
                if part_width == 1 {
                    return Sig::new(self.m, part, 1).repeat(width);
                }
                let parts = vec![part; (self.width / part_width) as usize];
                self.slice_of_parts(&parts, lo, width)
            }
            _ => self.m.add(Op::Slice(self.id, lo), width),
        }
    }

    #[track_caller]
    fn slice_of_parts(self, parts: &[NodeId], lo: u32, width: u32) -> Self {
        let mut kept = Vec::new();
        let mut at = 0;
        for id in parts.iter().rev() {
            let part = Sig::new(self.m, *id, self.m.draft.borrow().nodes[*id].width);
            let from = lo.max(at);
            let to = (lo + width).min(at + part.width);
            if from < to {
                kept.push(part.slice(from - at, to - from));
            }
            at += part.width;
        }
        kept.reverse();
        self.m.concat(&kept)
    }

    /// One bit.
    #[track_caller]
    pub fn bit(self, at: u32) -> Self {
        self.slice(at, 1)
    }

    /// The most significant bit, the sign of a two's complement value.
    #[track_caller]
    pub fn msb(self) -> Self {
        self.bit(self.width - 1)
    }

    /// Bits `lo..lo + width`, and says that the others are meant to be unused.
    #[track_caller]
    pub fn keep(self, lo: u32, width: u32) -> Self {
        let kept = self.slice(lo, width);
        if lo > 0 {
            self.m.discard(self.slice(0, lo));
        }
        if lo + width < self.width {
            self.m.discard(self.slice(lo + width, self.width - lo - width));
        }
        kept
    }

    /// Zeroes above, up to `width` bits.
    #[track_caller]
    pub fn zero_extend(self, width: u32) -> Self {
        assert!(width >= self.width, "bug: {} bits do not extend to {width}", self.width);
        if width == self.width {
            return self;
        }
        self.m.concat(&[self.m.lit(width - self.width, 0), self])
    }

    /// Copies of the sign bit above, up to `width` bits.
    #[track_caller]
    pub fn sign_extend(self, width: u32) -> Self {
        assert!(width >= self.width, "bug: {} bits do not extend to {width}", self.width);
        if width == self.width {
            return self;
        }
        self.m.concat(&[self.msb().repeat(width - self.width), self])
    }

    /// The value `times` times, side by side.
    #[track_caller]
    pub fn repeat(self, times: u32) -> Self {
        assert!(times > 0, "bug: `repeat` needs at least one copy");
        if times == 1 {
            return self;
        }
        self.m.add(Op::Repeat(self.id), self.width * times)
    }

    /// Arithmetic shift right by a constant within the same width; the low bits are discarded.
    #[track_caller]
    pub fn sar(self, by: u32) -> Self {
        let by = by.min(self.width - 1);
        if by == 0 { self } else { self.keep(by, self.width - by).sign_extend(self.width) }
    }

    /// Name or kind, for messages.
    pub(crate) fn describe(self) -> String {
        let draft = self.m.draft.borrow();
        let node = &draft.nodes[self.id];
        match &node.op {
            Op::Input(i) => format!("input `{}`", draft.inputs[*i].name),
            Op::Wire(i) => format!("wire `{}`", draft.wires[*i].name),
            Op::Reg(i) => format!("register `{}`", draft.regs[*i].name),
            _ => match &node.label {
                Some(name) => format!("`{name}`"),
                None => format!("the value made at {}", node.place),
            },
        }
    }
}
