//! Addresses that grow with the tile counters, so that nothing is multiplied.
//!
//! Every product of a counter and a number of words in the page is a register, which takes another
//! step when `position` says that the counter does.

use crate::build::{Builder, Reg, Sig};

/// The events of the tile counters, of one stage.
#[derive(Clone, Copy)]
pub(super) struct Events<'m> {
    pub(super) load: Sig<'m>,
    pub(super) line_end: Sig<'m>,
    pub(super) ct_end: Sig<'m>,
}

impl<'m> Events<'m> {
    /// Declares the inputs `load`, `line_end` and `ct_end`.
    pub(super) fn inputs(m: &'m Builder) -> Self {
        Self {
            load: m.input("load", 1, "the layer begins"),
            line_end: m.input("line_end", 1, "last cycle of a line"),
            ct_end: m.input("ct_end", 1, "last cycle of a column tile"),
        }
    }

    /// A base that grows by `step` with each column tile; returns its next value.
    pub(super) fn of_ct(&self, reg: Reg<'m>, base: Sig<'m>, step: Sig<'m>) -> Sig<'m> {
        let m = base.builder();
        let next = *reg + step;
        reg.next_when(self.load | self.ct_end, m.mux(self.load, base, next));
        next
    }

    /// A base that grows by `step` with each line and begins anew, at `ct_next`, with each column
    /// tile; returns its next value.
    pub(super) fn of_line(
        &self,
        reg: Reg<'m>,
        base: Sig<'m>,
        step: Sig<'m>,
        ct_next: Sig<'m>,
    ) -> Sig<'m> {
        let m = base.builder();
        let next = m.mux(self.ct_end, ct_next, *reg + step);
        reg.next_when(self.load | self.line_end, m.mux(self.load, base, next));
        next
    }
}
