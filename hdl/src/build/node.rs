//! The data that a module is: expression nodes, registers, memories, instances.
//!
//! Everything here is private to the crate. Users build it through [`super::Builder`]; the text
//! (`text`), the simulation (`sim`) and the checks (`check`) read it.

use std::collections::HashMap;
use std::panic::Location;

use super::module::Module;

/// Index of a node in [`Draft::nodes`].
pub(crate) type NodeId = usize;
/// Where the user wrote something.
pub(crate) type Place = &'static Location<'static>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Unary {
    Not,
    All,
    Any,
    Parity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Binary {
    And,
    Or,
    Xor,
    Add,
    Sub,
    /// Operands already sign-extended to the result's width.
    MulSigned,
    Lt,
    Ge,
    Eq,
    Ne,
    SignedLt,
    SignedGe,
}

impl Binary {
    /// The operator in Verilog; signed ones have signed operands there.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::And => "&",
            Self::Or => "|",
            Self::Xor => "^",
            Self::Add => "+",
            Self::Sub => "-",
            Self::MulSigned => "*",
            Self::Lt | Self::SignedLt => "<",
            Self::Ge | Self::SignedGe => ">=",
            Self::Eq => "==",
            Self::Ne => "!=",
        }
    }
}

/// What a node computes. Operands have the result's width except where a comment says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Input(usize),
    Wire(usize),
    Reg(usize),
    MemRead(usize),
    /// Instance, output port of its module.
    InstOut(usize, usize),
    /// Words, least significant first.
    Const(Vec<u64>),
    Unary(Unary, NodeId),
    Binary(Binary, NodeId, NodeId),
    /// Most significant part first.
    Concat(Vec<NodeId>),
    /// The operand, as often as it fits.
    Repeat(NodeId),
    /// Operand and lowest bit.
    Slice(NodeId, u32),
    /// Condition, value if 1, value if 0.
    Mux(NodeId, NodeId, NodeId),
    /// Index and items; an index beyond the last item selects the last item.
    Select(NodeId, Vec<NodeId>),
}

impl Op {
    /// Whether the node is a net of its own in the text, whatever its use.
    pub(crate) fn is_net(&self) -> bool {
        matches!(self, Op::Input(_) | Op::Wire(_) | Op::Reg(_) | Op::MemRead(_) | Op::InstOut(..))
    }

    /// The operands inside the expression; registers, wires and instances have none here.
    pub(crate) fn operands(&self, mut f: impl FnMut(NodeId)) {
        match self {
            Op::Unary(_, a) | Op::Repeat(a) | Op::Slice(a, _) => f(*a),
            Op::Binary(_, a, b) => {
                f(*a);
                f(*b);
            }
            Op::Concat(parts) => parts.iter().copied().for_each(f),
            Op::Mux(c, a, b) => {
                f(*c);
                f(*a);
                f(*b);
            }
            Op::Select(index, items) => {
                f(*index);
                items.iter().copied().for_each(f);
            }
            Op::Input(_)
            | Op::Wire(_)
            | Op::Reg(_)
            | Op::MemRead(_)
            | Op::InstOut(..)
            | Op::Const(_) => {}
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) width: u32,
    pub(crate) place: Place,
    /// Name given by [`super::Sig::named`].
    pub(crate) label: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct InputDecl {
    pub(crate) name: String,
    pub(crate) width: u32,
    pub(crate) doc: String,
    pub(crate) node: NodeId,
}

#[derive(Clone, Debug)]
pub(crate) struct OutputDecl {
    pub(crate) name: String,
    pub(crate) width: u32,
    pub(crate) doc: String,
    pub(crate) source: NodeId,
}

#[derive(Clone, Debug)]
pub(crate) struct WireDecl {
    pub(crate) name: String,
    pub(crate) source: Option<NodeId>,
    pub(crate) node: NodeId,
}

#[derive(Clone, Debug)]
pub(crate) struct RegDecl {
    pub(crate) name: String,
    /// Words of the reset value; none for a register without reset.
    pub(crate) reset: Option<Vec<u64>>,
    pub(crate) enable: Option<NodeId>,
    pub(crate) next: Option<NodeId>,
    pub(crate) node: NodeId,
}

#[derive(Clone, Debug)]
pub(crate) struct WritePort {
    pub(crate) enable: NodeId,
    pub(crate) address: NodeId,
    pub(crate) data: NodeId,
}

#[derive(Clone, Debug)]
pub(crate) struct ReadPort {
    pub(crate) enable: Option<NodeId>,
    pub(crate) address: NodeId,
    pub(crate) node: NodeId,
}

#[derive(Clone, Debug)]
pub(crate) struct MemDecl {
    pub(crate) name: String,
    pub(crate) width: u32,
    pub(crate) depth: u32,
    /// Leave out `no_rw_check`: the hardware then returns old data on a collision too.
    pub(crate) old_data: bool,
    pub(crate) write: Option<WritePort>,
    pub(crate) read: Option<ReadPort>,
    pub(crate) place: Place,
}

#[derive(Clone, Debug)]
pub(crate) struct InstDecl {
    pub(crate) name: String,
    pub(crate) module: Module,
    /// By input port of the module.
    pub(crate) inputs: Vec<Option<NodeId>>,
    /// By output port of the module: the node that reads it, once asked for.
    pub(crate) outputs: Vec<Option<NodeId>>,
    /// Resets the instance besides the common reset.
    pub(crate) reset: Option<NodeId>,
    pub(crate) place: Place,
}

/// A module under construction, and, once checked, the content of a [`Module`].
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) clock: String,
    pub(crate) reset: String,
    pub(crate) place: Place,
    pub(crate) nodes: Vec<Node>,
    /// Equal expressions are one node.
    pub(crate) known: HashMap<(Op, u32), NodeId>,
    pub(crate) names: HashMap<String, Place>,
    pub(crate) inputs: Vec<InputDecl>,
    pub(crate) outputs: Vec<OutputDecl>,
    pub(crate) wires: Vec<WireDecl>,
    pub(crate) regs: Vec<RegDecl>,
    pub(crate) mems: Vec<MemDecl>,
    pub(crate) insts: Vec<InstDecl>,
    pub(crate) discards: Vec<NodeId>,
}

/// Words needed for `width` bits.
pub(crate) fn words(width: u32) -> usize {
    width.div_ceil(64) as usize
}

/// The ones of the most significant word of a `width`-bit value.
pub(crate) fn top_mask(width: u32) -> u64 {
    match width % 64 {
        0 => u64::MAX,
        bits => (1 << bits) - 1,
    }
}

/// `value` cut or zero-extended to the words of `width` bits.
pub(crate) fn fit_words(value: &[u64], width: u32) -> Vec<u64> {
    let mut out = value.to_vec();
    out.resize(words(width), 0);
    if let Some(top) = out.last_mut() {
        *top &= top_mask(width);
    }
    out
}

/// Bits `lo..lo + width` of `value`.
pub(crate) fn slice_words(value: &[u64], lo: u32, width: u32) -> Vec<u64> {
    let shift = lo % 64;
    let first = (lo / 64) as usize;
    let word = |i: usize| value.get(i).copied().unwrap_or(0);
    let out: Vec<u64> = (first..first + words(width))
        .map(|i| if shift == 0 { word(i) } else { word(i) >> shift | word(i + 1) << (64 - shift) })
        .collect();
    fit_words(&out, width)
}
