//! The builder of one module: ports, wires, registers, instances.
//!
//! A mistake in a description is a bug of the program that describes, so it panics with a message
//! that starts with "bug:", at the line of the description (`#[track_caller]`). What can only be
//! seen when the module is complete is checked by [`Builder::finish`], which reports everything.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::panic::Location;

use super::check;
use super::error::DescriptionError;
use super::fold::fold;
use super::memory::Memory;
use super::module::Module;
use super::names;
use super::node::{
    Draft, InputDecl, InstDecl, MemDecl, Node, NodeId, Op, OutputDecl, Place, RegDecl, WireDecl,
    fit_words, top_mask, words,
};
use super::sig::{Operand, Sig};

/// Largest width of a signal.
pub const MAX_WIDTH: u32 = 1 << 16;

/// A module being described. Handles ([`Sig`], [`Reg`], [`Instance`], [`Memory`]) borrow it.
///
/// ```
/// use heartbit_hdl::{Builder, Simulator, emit};
///
/// let m = Builder::new("accumulator", "Adds `x` on every enabled edge.");
/// let en = m.input("en", 1, "add on this edge");
/// let x = m.input("x", 16, "addend");
/// let sum = m.reg("sum", 16, 0);
/// sum.next_when(en, *sum + x);
/// m.output("total", *sum, "sum so far");
/// let module = m.finish();
///
/// let mut sim = Simulator::new(&module);
/// sim.set("en", 1);
/// sim.set("x", 5);
/// sim.step();
/// sim.step();
/// assert_eq!(sim.get("total"), 10);
/// assert!(emit(&module)[0].text.contains("else if (en) sum <= sum + x;"));
/// ```
#[derive(Debug)]
pub struct Builder {
    pub(crate) draft: RefCell<Draft>,
}

impl Builder {
    /// Starts a module. `doc` becomes the comment at the head of its text.
    #[track_caller]
    pub fn new(name: &str, doc: &str) -> Self {
        if let Some(why) = names::refuse(name) {
            panic!("bug: module name `{name}` is refused: {why}");
        }
        let draft = Draft {
            name: name.into(),
            doc: doc.into(),
            clock: "clk".into(),
            reset: "rst".into(),
            place: Location::caller(),
            nodes: Vec::new(),
            known: HashMap::new(),
            names: HashMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            wires: Vec::new(),
            regs: Vec::new(),
            mems: Vec::new(),
            insts: Vec::new(),
            discards: Vec::new(),
        };
        Self { draft: RefCell::new(draft) }
    }

    /// Gives clock and reset other names than `clk` and `rst`, for a module at the top.
    #[track_caller]
    pub fn name_clock(&self, clock: &str, reset: &str) {
        self.claim(clock);
        self.claim(reset);
        let mut draft = self.draft.borrow_mut();
        (draft.clock, draft.reset) = (clock.into(), reset.into());
    }

    /// Declares an input port.
    #[track_caller]
    pub fn input(&self, name: &str, width: u32, doc: &str) -> Sig<'_> {
        self.claim(name);
        let index = self.draft.borrow().inputs.len();
        let sig = self.add(Op::Input(index), width);
        let decl = InputDecl { name: name.into(), width, doc: doc.into(), node: sig.id };
        self.draft.borrow_mut().inputs.push(decl);
        sig
    }

    /// Declares an output port and what drives it.
    #[track_caller]
    pub fn output<'m>(&'m self, name: &str, value: impl Operand<'m>, doc: &str) {
        let value = value.sig(self);
        self.claim(name);
        self.draft.borrow_mut().outputs.push(OutputDecl {
            name: name.into(),
            width: value.width(),
            doc: doc.into(),
            source: value.id,
        });
    }

    /// Declares a net whose driver comes later ([`Wire::assign`]), for feedback through
    /// instances and for values that are read before they are described.
    #[track_caller]
    pub fn wire(&self, name: &str, width: u32) -> Wire<'_> {
        self.claim(name);
        let index = self.draft.borrow().wires.len();
        let sig = self.add(Op::Wire(index), width);
        self.draft.borrow_mut().wires.push(WireDecl {
            name: name.into(),
            source: None,
            node: sig.id,
        });
        Wire { sig, index }
    }

    /// Declares a register with a synchronous reset to `reset` (zero-extended).
    #[track_caller]
    pub fn reg(&self, name: &str, width: u32, reset: u64) -> Reg<'_> {
        assert!(
            width > 64 || reset & !top_mask(width) == 0,
            "bug: reset value {reset:#x} of `{name}` does not fit {width} bits"
        );
        self.add_reg(name, width, Some(fit_words(&[reset], width)))
    }

    /// Declares a register that no reset touches: its value is unknown until the first load.
    #[track_caller]
    pub fn reg_without_reset(&self, name: &str, width: u32) -> Reg<'_> {
        self.add_reg(name, width, None)
    }

    /// `value` one cycle later, through a register without reset.
    #[track_caller]
    pub fn pipe<'m>(&'m self, name: &str, value: impl Operand<'m>) -> Sig<'m> {
        let value = value.sig(self);
        let reg = self.add_reg(name, value.width(), None);
        reg.next(value);
        *reg
    }

    /// Like [`Builder::pipe`], loading only on edges where `enable` is 1.
    #[track_caller]
    pub fn pipe_when<'m>(
        &'m self,
        name: &str,
        enable: Sig<'m>,
        value: impl Operand<'m>,
    ) -> Sig<'m> {
        let value = value.sig(self);
        let reg = self.add_reg(name, value.width(), None);
        reg.next_when(enable, value);
        *reg
    }

    /// Declares a simple dual port memory; see [`Memory`]. `depth` is a power of two, so every
    /// address exists.
    #[track_caller]
    pub fn memory(&self, name: &str, width: u32, depth: u32) -> Memory<'_> {
        assert!(
            depth >= 2 && depth.is_power_of_two(),
            "bug: memory `{name}` has depth {depth}, which is not a power of two of at least 2"
        );
        check_width(name, width);
        self.claim(name);
        self.claim(&format!("{name}_q"));
        let mut draft = self.draft.borrow_mut();
        draft.mems.push(MemDecl {
            name: name.into(),
            width,
            depth,
            old_data: false,
            write: None,
            read: None,
            place: Location::caller(),
        });
        Memory { m: self, index: draft.mems.len() - 1 }
    }

    /// Adds an instance of `module`; its nets are called `{name}_{port}`.
    #[track_caller]
    pub fn inst(&self, name: &str, module: &Module) -> Instance<'_> {
        self.claim(name);
        for port in &module.data.draft.outputs {
            self.claim(&format!("{name}_{}", port.name));
        }
        let mut draft = self.draft.borrow_mut();
        draft.insts.push(InstDecl {
            name: name.into(),
            module: module.clone(),
            inputs: vec![None; module.data.draft.inputs.len()],
            outputs: vec![None; module.data.draft.outputs.len()],
            reset: None,
            place: Location::caller(),
        });
        Instance { m: self, index: draft.insts.len() - 1 }
    }

    /// Says that these bits are meant to be unused.
    #[track_caller]
    pub fn discard<'m>(&'m self, value: impl Operand<'m>) {
        let value = value.sig(self);
        self.draft.borrow_mut().discards.push(value.id);
    }

    /// Checks the module and closes it.
    ///
    /// # Panics
    /// With every problem and its line, if [`Builder::try_finish`] would return an error.
    #[track_caller]
    pub fn finish(self) -> Module {
        match self.try_finish() {
            Ok(module) => module,
            Err(error) => panic!("bug: {error}"),
        }
    }

    /// Checks the module and closes it.
    ///
    /// # Errors
    /// All of: undriven wires, registers, memory ports and instance inputs; inputs, nets and bits
    /// that nothing uses and no [`Builder::discard`] names; combinational loops.
    pub fn try_finish(self) -> Result<Module, DescriptionError> {
        check::finish(self.draft.into_inner())
    }

    #[track_caller]
    pub(crate) fn claim(&self, name: &str) {
        if let Some(why) = names::refuse(name) {
            panic!("bug: name `{name}` is refused: {why}");
        }
        let mut draft = self.draft.borrow_mut();
        if let Some(first) = draft.names.insert(name.into(), Location::caller()) {
            panic!("bug: name `{name}` is already used in module `{}` at {first}", draft.name);
        }
    }

    /// Adds a node; equal pure expressions share one.
    #[track_caller]
    pub(crate) fn add(&self, op: Op, width: u32) -> Sig<'_> {
        check_width("expression", width);
        let place: Place = Location::caller();
        let mut draft = self.draft.borrow_mut();
        let draft = &mut *draft;
        let op = fold(draft, &op, width).map_or(op, Op::Const);
        let next: NodeId = draft.nodes.len();
        let id = *draft.known.entry((op.clone(), width)).or_insert(next);
        if id == next {
            draft.nodes.push(Node { op, width, place, label: None });
        }
        Sig::new(self, id, width)
    }

    #[track_caller]
    fn add_reg(&self, name: &str, width: u32, reset: Option<Vec<u64>>) -> Reg<'_> {
        self.claim(name);
        let index = self.draft.borrow().regs.len();
        let sig = self.add(Op::Reg(index), width);
        self.draft.borrow_mut().regs.push(RegDecl {
            name: name.into(),
            reset,
            enable: None,
            next: None,
            node: sig.id,
        });
        Reg { sig, index }
    }
}

#[track_caller]
fn check_width(what: &str, width: u32) {
    assert!(
        (1..=MAX_WIDTH).contains(&width),
        "bug: {what} has {width} bits, outside 1..={MAX_WIDTH}"
    );
    debug_assert!(words(width) > 0, "bug: no words");
}

/// A net that is driven later. Reads like a [`Sig`].
#[derive(Clone, Copy, Debug)]
pub struct Wire<'m> {
    sig: Sig<'m>,
    index: usize,
}

impl<'m> Wire<'m> {
    /// Drives the wire. Once only.
    #[track_caller]
    pub fn assign(self, value: impl Operand<'m>) {
        let m = self.sig.builder();
        let value = value.sig_of(m, self.sig.width());
        let mut draft = m.draft.borrow_mut();
        let wire = &mut draft.wires[self.index];
        assert!(wire.source.is_none(), "bug: wire `{}` has two drivers", wire.name);
        wire.source = Some(value.id);
    }
}

impl<'m> Deref for Wire<'m> {
    type Target = Sig<'m>;
    fn deref(&self) -> &Sig<'m> {
        &self.sig
    }
}

/// A register. Reads like a [`Sig`]: `*acc` is its present value.
#[derive(Clone, Copy, Debug)]
pub struct Reg<'m> {
    sig: Sig<'m>,
    index: usize,
}

impl<'m> Reg<'m> {
    /// Sets the value after the next edge. Once only.
    #[track_caller]
    pub fn next(self, value: impl Operand<'m>) {
        self.drive(None, value);
    }

    /// Sets the value after the next edge where `enable` is 1; otherwise the register keeps it.
    #[track_caller]
    pub fn next_when(self, enable: Sig<'m>, value: impl Operand<'m>) {
        let enable = self.sig.builder().enable("register enable", enable);
        self.drive(enable, value);
    }

    #[track_caller]
    fn drive(self, enable: Option<NodeId>, value: impl Operand<'m>) {
        let m = self.sig.builder();
        let value = value.sig_of(m, self.sig.width());
        let mut draft = m.draft.borrow_mut();
        let reg = &mut draft.regs[self.index];
        assert!(reg.next.is_none(), "bug: register `{}` has two drivers", reg.name);
        reg.next = Some(value.id);
        reg.enable = enable;
    }
}

impl<'m> Deref for Reg<'m> {
    type Target = Sig<'m>;
    fn deref(&self) -> &Sig<'m> {
        &self.sig
    }
}

/// An instance of another module.
#[derive(Clone, Copy, Debug)]
pub struct Instance<'m> {
    m: &'m Builder,
    index: usize,
}

impl<'m> Instance<'m> {
    /// Connects an input port.
    #[expect(clippy::return_self_not_must_use, reason = "a chain may end in `set`")]
    #[track_caller]
    pub fn set(self, port: &str, value: impl Operand<'m>) -> Self {
        let found = {
            let draft = self.m.draft.borrow();
            let child = &draft.insts[self.index].module.data.draft;
            child.inputs.iter().position(|p| p.name == port).map(|i| (i, child.inputs[i].width))
        };
        let Some((index, width)) = found else { self.no_port("input", port) };
        let value = value.sig_of(self.m, width);
        let mut draft = self.m.draft.borrow_mut();
        let inst = &mut draft.insts[self.index];
        assert!(inst.inputs[index].is_none(), "bug: `{}.{port}` has two drivers", inst.name);
        inst.inputs[index] = Some(value.id);
        drop(draft);
        self
    }

    /// Resets the instance, synchronously, on edges where `when` is 1, besides the common reset.
    /// Once only.
    #[expect(clippy::return_self_not_must_use, reason = "a chain may end here, as in `set`")]
    #[track_caller]
    pub fn reset_when(self, when: Sig<'m>) -> Self {
        self.m.check_bit("reset", when);
        let mut draft = self.m.draft.borrow_mut();
        let inst = &mut draft.insts[self.index];
        assert!(inst.module.data.needs_rst, "bug: `{}` has nothing to reset", inst.name);
        assert!(inst.reset.is_none(), "bug: `{}` has two resets", inst.name);
        inst.reset = Some(when.id);
        drop(draft);
        self
    }

    /// An output port's net. May be asked for before the inputs are set.
    #[track_caller]
    pub fn out(self, port: &str) -> Sig<'m> {
        let found = {
            let draft = self.m.draft.borrow();
            let child = &draft.insts[self.index].module.data.draft;
            child.outputs.iter().position(|p| p.name == port).map(|i| (i, child.outputs[i].width))
        };
        let Some((index, width)) = found else { self.no_port("output", port) };
        let sig = self.m.add(Op::InstOut(self.index, index), width);
        self.m.draft.borrow_mut().insts[self.index].outputs[index] = Some(sig.id);
        sig
    }

    #[track_caller]
    fn no_port(&self, direction: &str, port: &str) -> ! {
        let draft = self.m.draft.borrow();
        let module = draft.insts[self.index].module.name();
        panic!("bug: module `{module}` has no {direction} `{port}`");
    }
}
