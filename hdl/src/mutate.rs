//! Mutants of a design: the same modules, each with one thing wrong, to see that it is noticed.
//!
//! [`mutations`] lists what can be broken in a design. [`Schemata`] is the design with many of them
//! in it: it has one more input, `mutant`, which says which of them is active, so one text and one
//! model of it serve all. With 0 it is the design itself. The technique is known as *mutant
//! schemata*.
//!
//! Mutations are changes of the expression graph, not of the text: they have the same place in
//! text, native simulation and `RustHDL` block. A mutation is active in all instances of its module,
//! or in one of them.
//!
//! Also here: [`Cone`], what depends on an input at all, [`Observed`], what an output depends on,
//! [`Miter`], a module beside itself with a mutation, and [`Bypass`], what a dropped register shows.
//!
//! Not here: which mutants are run and what becomes of them; the reset values of registers and the
//! contents of memories, which are no part of the graph.

mod bypass;
mod catalog;
mod cone;
mod miter;
mod observed;
mod rewrite;
mod schemata;
mod shadow;

pub use bypass::{Bypass, is_driven_by};
pub use catalog::{instances, mutations};
pub use cone::Cone;
pub use miter::{Conditions, Exchange, Literal, Miter};
pub use observed::Observed;
pub use schemata::{CLEAR, ESCAPED, INFECTED, MUTANT, MUTANT_BITS, Schemata};

use crate::build::Module;
use crate::build::node::NodeId;
use crate::text;

/// What a mutation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A register is a wire: its value is there a cycle early, and is not kept.
    DropRegister,
    /// A register or memory port works where it should not, and does not where it should.
    NegateEnable,
    /// One bit of a net is always 0.
    StuckAt0,
    /// One bit of a net is always 1.
    StuckAt1,
    /// An operand of a logic gate is inverted.
    InvertOperand,
    /// A comparison is with a number that is larger by one.
    OffByOne,
    /// A choice takes the other value.
    ExchangeChoice,
    /// Another operator: sum and difference, and and or.
    OtherOperator,
}

impl Kind {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::DropRegister,
        Self::NegateEnable,
        Self::StuckAt0,
        Self::StuckAt1,
        Self::InvertOperand,
        Self::OffByOne,
        Self::ExchangeChoice,
        Self::OtherOperator,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DropRegister => "drop-register",
            Self::NegateEnable => "negate-enable",
            Self::StuckAt0 => "stuck-at-0",
            Self::StuckAt1 => "stuck-at-1",
            Self::InvertOperand => "invert-operand",
            Self::OffByOne => "off-by-one",
            Self::ExchangeChoice => "exchange-choice",
            Self::OtherOperator => "other-operator",
        }
    }
}

/// One thing that can be broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mutation {
    /// What is done.
    pub kind: Kind,
    /// The module, as its file is called.
    pub module: String,
    /// To what: a register, a net, or an operator and the line that describes it.
    pub what: String,
    /// In which instance only; in all of them if `None`.
    pub instance: Option<InstanceName>,
    target: Target,
}

impl Mutation {
    /// The same in one instance only.
    #[must_use]
    pub fn in_instance(self, instance: InstanceName) -> Self {
        Self { instance: Some(instance), ..self }
    }
}

/// The module of a design that a mutation is of, by itself; `None` if the design has no such module.
pub fn module_of(top: &Module, mutation: &Mutation) -> Option<Module> {
    let mut modules = text::modules(top).into_iter();
    modules.find(|(name, _)| *name == mutation.module).map(|(_, module)| module)
}

/// An instance of a module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceName {
    /// The module that it is in, as its file is called.
    pub parent: String,
    /// Its name there.
    pub name: String,
}

/// Where in the graph of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Target {
    /// A register.
    Register(usize),
    /// The enable of a register.
    RegisterEnable(usize),
    /// The write enable of a memory.
    WriteEnable(usize),
    /// The read enable of a memory.
    ReadEnable(usize),
    /// A bit of a node.
    Bit(NodeId, u32),
    /// An operand of a node, the first or the second.
    Operand(NodeId, bool),
    /// What a node does.
    Node(NodeId),
}
