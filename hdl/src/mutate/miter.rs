//! A module beside itself with a mutation, as and gates: is there anything for which they differ?
//!
//! The two share all inputs, registers, words that memories show, outputs of instances, and
//! products; whatever those are, and they are taken to be arbitrary. They differ where an output, the next
//! value or the enable of a register, a port of a memory or an input of an instance does. So what is
//! found not to differ does the same in every cycle of every run. What is found to differ may do so
//! only for values that never occur.
//!
//! Not here: the search (`heartbit_mutate::proof`), and mutations of registers and of enables, which
//! differ in every cycle that matters.

use super::rewrite::Rewriter;
use super::{Mutation, Target};
use crate::build::Module;
use crate::build::node::{Binary, Draft, NodeId, Op, Unary};
use crate::text;
use std::collections::{BTreeMap, HashMap};

/// A value of a gate or variable: twice its number, plus one if it is inverted. Number 0 is the
/// constant 0.
pub type Literal = u32;

const FALSE: Literal = 0;
const TRUE: Literal = 1;

/// And gates over variables.
#[derive(Clone, Debug, Default)]
pub struct Miter {
    /// The two operands of a gate; `None` for a variable. Operands come first.
    pub gates: Vec<Option<[Literal; 2]>>,
    /// Pairs of bits of which at least one must differ.
    pub pairs: Vec<[Literal; 2]>,
    known: HashMap<[Literal; 2], Literal>,
    /// Products, by their operands: equal ones are equal.
    products: HashMap<[Vec<Literal>; 2], Vec<Literal>>,
}

/// A register that is to become, with the mutation, what it becomes without it for the other value
/// of an input of one bit.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The input.
    pub input: &'a str,
    /// The register.
    pub register: &'a str,
}

/// For which values two sides are compared, and what of them is not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions<'a> {
    /// Inputs that are known, by their names and low bits.
    pub inputs: &'a [(&'a str, i64)],
    /// Registers that are known.
    pub registers: &'a [(&'a str, i64)],
    /// A register that is compared for the other value of an input.
    pub exchange: Option<Exchange<'a>>,
    /// A bit of an output that may differ.
    pub ignored: Option<(&'a str, u32)>,
    /// Registers without enable and reset hold what the module makes of some cycle before, not just
    /// anything: as long as nothing has differed yet, both sides have come there without the mutation.
    pub after_a_cycle: bool,
}

impl Miter {
    /// Compares a module of a design with itself with a mutation; `None` if the mutation is of a
    /// register or an enable, if what is compared otherwise does not exist, or if something else is
    /// the same node.
    pub fn new(top: &Module, mutation: &Mutation, conditions: &Conditions<'_>) -> Option<Self> {
        let modules = text::modules(top);
        let (_, module) = modules.iter().find(|(name, _)| *name == mutation.module)?;
        if !matches!(mutation.target, Target::Bit(..) | Target::Operand(..) | Target::Node(_)) {
            return None;
        }
        let original = &module.data.draft;
        let mut rewriter = Rewriter::new(original);
        rewriter.apply(1, mutation);
        let draft = rewriter.draft;
        let mut miter = Self { gates: vec![None], ..Self::default() };
        let mut shared = miter.shared(&draft, conditions);
        if conditions.after_a_cycle {
            let before = std::mem::take(&mut shared);
            shared = miter.shared(&draft, conditions);
            let mut logic =
                Logic { draft: &draft, active: 0, shared: &before, known: HashMap::new() };
            for (id, node) in draft.nodes.iter().enumerate() {
                let Op::Reg(i) = node.op else { continue };
                let reg = &draft.regs[i];
                if let (None, None, Some(next)) = (&reg.enable, &reg.reset, reg.next) {
                    shared.insert(id, logic.bits(&mut miter, next));
                }
            }
        }
        let mut points = points(original);
        let mut other = None;
        if let Some(exchange) = conditions.exchange {
            let (at, input) = exchange.nodes(original)?;
            take(&mut points, at)?;
            let mut inverted = shared.clone();
            inverted.get_mut(&input)?.iter_mut().for_each(|bit| *bit ^= 1);
            other = Some((at, inverted));
        }
        let mut ignored = None;
        if let Some((name, bit)) = conditions.ignored {
            let at = original.outputs.iter().find(|output| output.name == name)?.source;
            take(&mut points, at)?;
            ignored = Some((at, bit as usize));
        }
        points.sort_unstable();
        points.dedup();
        let [intact, broken] = [0, 1].map(|active| {
            let mut logic = Logic { draft: &draft, active, shared: &shared, known: HashMap::new() };
            let bits = points.iter().map(|id| logic.bits(&mut miter, *id));
            let mut bits = bits.collect::<Vec<_>>();
            if let Some((at, bit)) = ignored {
                let mut others = logic.bits(&mut miter, at);
                others.remove(bit);
                bits.push(others);
            }
            if let Some((at, inverted)) = &other {
                let shared = if active == 0 { inverted } else { &shared };
                let mut logic = Logic { draft: &draft, active, shared, known: HashMap::new() };
                bits.push(logic.bits(&mut miter, *at));
            }
            bits
        });
        let pairs = intact.into_iter().zip(broken).flat_map(|(a, b)| a.into_iter().zip(b));
        let pairs: Vec<_> = pairs.filter(|(a, b)| a != b).map(<[_; 2]>::from).collect();
        Some(Self { pairs, ..miter })
    }

    /// Variables for what the two sides share; constants for what is known.
    fn shared(
        &mut self,
        draft: &Draft,
        conditions: &Conditions<'_>,
    ) -> BTreeMap<NodeId, Vec<Literal>> {
        let mut shared = BTreeMap::new();
        for (id, node) in draft.nodes.iter().enumerate() {
            let of = |known: &[(&str, i64)], name: &str| {
                known.iter().find(|known| known.0 == name).map(|known| known.1)
            };
            let known = match &node.op {
                Op::Input(i) => of(conditions.inputs, &draft.inputs[*i].name),
                Op::Reg(i) => of(conditions.registers, &draft.regs[*i].name),
                Op::MemRead(_) | Op::InstOut(..) => None,
                _ => continue,
            };
            let bits = match known {
                Some(value) => {
                    let bit = |bit: u32| Literal::from(value >> bit.min(63) & 1 == 1);
                    (0..node.width).map(bit).collect()
                }
                None => self.variables(node.width),
            };
            shared.insert(id, bits);
        }
        shared
    }

    fn variables(&mut self, n: u32) -> Vec<Literal> {
        let first = self.gates.len();
        self.gates.extend((0..n).map(|_| None));
        (first..self.gates.len()).map(positive).collect()
    }

    fn and(&mut self, a: Literal, b: Literal) -> Literal {
        let [a, b] = if a < b { [a, b] } else { [b, a] };
        if a == FALSE || a == b ^ 1 {
            return FALSE;
        }
        if a == TRUE || a == b {
            return b;
        }
        if let Some(gate) = self.known.get(&[a, b]) {
            return *gate;
        }
        self.gates.push(Some([a, b]));
        let gate = positive(self.gates.len() - 1);
        self.known.insert([a, b], gate);
        gate
    }

    fn or(&mut self, a: Literal, b: Literal) -> Literal {
        self.and(a ^ 1, b ^ 1) ^ 1
    }

    fn mux(&mut self, condition: Literal, one: Literal, zero: Literal) -> Literal {
        if one == zero {
            return one;
        }
        let (one, zero) = (self.and(condition, one), self.and(condition ^ 1, zero));
        self.or(one, zero)
    }

    fn xor(&mut self, a: Literal, b: Literal) -> Literal {
        self.mux(a, b ^ 1, b)
    }

    /// Sum and carry.
    fn add(&mut self, a: &[Literal], b: &[Literal], mut carry: Literal) -> (Vec<Literal>, Literal) {
        let mut sum = Vec::new();
        for (&a, &b) in a.iter().zip(b) {
            let either = self.xor(a, b);
            sum.push(self.xor(either, carry));
            carry = self.mux(either, carry, a);
        }
        (sum, carry)
    }

    fn all(&mut self, bits: &[Literal]) -> Literal {
        bits.iter().fold(TRUE, |all, bit| self.and(all, *bit))
    }

    fn equal(&mut self, a: &[Literal], b: &[Literal]) -> Literal {
        let same: Vec<_> = a.iter().zip(b).map(|(a, b)| self.xor(*a, *b) ^ 1).collect();
        self.all(&same)
    }

    /// `a < b`, without signs.
    fn less(&mut self, a: &[Literal], b: &[Literal]) -> Literal {
        let not_b: Vec<_> = b.iter().map(|bit| bit ^ 1).collect();
        self.add(a, &not_b, TRUE).1 ^ 1
    }

    fn binary(&mut self, op: Binary, a: &[Literal], b: &[Literal]) -> Vec<Literal> {
        let signed = |bits: &[Literal]| {
            let mut bits = bits.to_vec();
            *bits.last_mut().expect("bug: a node has bits") ^= 1;
            bits
        };
        let each = |miter: &mut Self, f: fn(&mut Self, Literal, Literal) -> Literal| {
            a.iter().zip(b).map(|(a, b)| f(miter, *a, *b)).collect()
        };
        match op {
            Binary::And => each(self, Self::and),
            Binary::Or => each(self, Self::or),
            Binary::Xor => each(self, Self::xor),
            Binary::Add => self.add(a, b, FALSE).0,
            Binary::Sub => {
                let not_b: Vec<_> = b.iter().map(|bit| bit ^ 1).collect();
                self.add(a, &not_b, TRUE).0
            }
            Binary::MulSigned => {
                let operands = [a.to_vec(), b.to_vec()];
                if let Some(product) = self.products.get(&operands) {
                    return product.clone();
                }
                let product = self.variables(u32::try_from(a.len()).expect("bug: a width"));
                self.products.insert(operands, product.clone());
                product
            }
            Binary::Lt => vec![self.less(a, b)],
            Binary::Ge => vec![self.less(a, b) ^ 1],
            Binary::SignedLt => vec![self.less(&signed(a), &signed(b))],
            Binary::SignedGe => vec![self.less(&signed(a), &signed(b)) ^ 1],
            Binary::Eq => vec![self.equal(a, b)],
            Binary::Ne => vec![self.equal(a, b) ^ 1],
        }
    }
}

fn positive(gate: usize) -> Literal {
    2 * Literal::try_from(gate).expect("bug: fewer gates than that")
}

/// What a module does in a cycle, as the nodes that say it; what does two things is there twice.
fn points(draft: &Draft) -> Vec<NodeId> {
    let mut points: Vec<NodeId> = draft.outputs.iter().map(|output| output.source).collect();
    points.extend(draft.regs.iter().flat_map(|reg| reg.next.into_iter().chain(reg.enable)));
    for mem in &draft.mems {
        points.extend(mem.write.iter().flat_map(|port| [port.enable, port.address, port.data]));
        points
            .extend(mem.read.iter().flat_map(|port| port.enable.into_iter().chain([port.address])));
    }
    points.extend(
        draft.insts.iter().flat_map(|inst| inst.inputs.iter().flatten().chain(&inst.reset)),
    );
    points
}

/// Takes a node out of the points; `None` if it is there twice.
fn take(points: &mut Vec<NodeId>, at: NodeId) -> Option<()> {
    let before = points.len();
    points.retain(|id| *id != at);
    (points.len() + 1 == before).then_some(())
}

impl Exchange<'_> {
    /// What the register becomes, and the input.
    fn nodes(&self, draft: &Draft) -> Option<(NodeId, NodeId)> {
        let register = draft.regs.iter().find(|reg| reg.name == self.register)?;
        let input = draft.inputs.iter().find(|input| input.name == self.input)?;
        Some((register.next?, input.node))
    }
}

/// One side: the module with the mutation active or not.
struct Logic<'a> {
    draft: &'a Draft,
    active: u64,
    shared: &'a BTreeMap<NodeId, Vec<Literal>>,
    known: HashMap<NodeId, Vec<Literal>>,
}

impl Logic<'_> {
    /// The bits of a node, the least significant first.
    fn bits(&mut self, miter: &mut Miter, id: NodeId) -> Vec<Literal> {
        if let Some(bits) = self.known.get(&id) {
            return bits.clone();
        }
        let bits = self.made(miter, id);
        debug_assert_eq!(bits.len(), self.draft.nodes[id].width as usize, "bug: a width");
        self.known.insert(id, bits.clone());
        bits
    }

    fn made(&mut self, miter: &mut Miter, id: NodeId) -> Vec<Literal> {
        let (draft, node) = (self.draft, &self.draft.nodes[id]);
        match &node.op {
            // The last input is the rewriter's own: which mutation is active.
            Op::Input(i) if *i + 1 == draft.inputs.len() => {
                (0..node.width).map(|bit| Literal::from(self.active >> bit & 1 == 1)).collect()
            }
            Op::Input(_) | Op::Reg(_) | Op::MemRead(_) | Op::InstOut(..) => {
                self.shared[&id].clone()
            }
            Op::Wire(i) => self.bits(miter, draft.wires[*i].source.expect("bug: wires are driven")),
            Op::Const(words) => {
                let bit = |bit: u32| words[(bit / 64) as usize] >> (bit % 64) & 1 == 1;
                (0..node.width).map(|at| Literal::from(bit(at))).collect()
            }
            Op::Unary(op, a) => {
                let a = self.bits(miter, *a);
                let inverted: Vec<_> = a.iter().map(|bit| bit ^ 1).collect();
                match op {
                    Unary::Not => inverted,
                    Unary::All => vec![miter.all(&a)],
                    Unary::Any => vec![miter.all(&inverted) ^ 1],
                    Unary::Parity => vec![a.iter().fold(FALSE, |odd, bit| miter.xor(odd, *bit))],
                }
            }
            Op::Binary(op, a, b) => {
                let (a, b) = (self.bits(miter, *a), self.bits(miter, *b));
                miter.binary(*op, &a, &b)
            }
            Op::Concat(parts) => {
                parts.iter().rev().flat_map(|part| self.bits(miter, *part)).collect()
            }
            Op::Repeat(part) => {
                let part = self.bits(miter, *part);
                part.iter().copied().cycle().take(node.width as usize).collect()
            }
            Op::Slice(of, low) => {
                let of = self.bits(miter, *of);
                of[*low as usize..(low + node.width) as usize].to_vec()
            }
            Op::Mux(condition, one, zero) => {
                let condition = self.bits(miter, *condition)[0];
                let (one, zero) = (self.bits(miter, *one), self.bits(miter, *zero));
                choose(miter, condition, &one, &zero)
            }
            Op::Select(index, items) => {
                let index = self.bits(miter, *index);
                let items: Vec<_> = items.iter().map(|item| self.bits(miter, *item)).collect();
                select(miter, &index, &items)
            }
        }
    }
}

fn choose(
    miter: &mut Miter,
    condition: Literal,
    one: &[Literal],
    zero: &[Literal],
) -> Vec<Literal> {
    one.iter().zip(zero).map(|(one, zero)| miter.mux(condition, *one, *zero)).collect()
}

/// The item of an index; the last one for an index behind it.
fn select(miter: &mut Miter, index: &[Literal], items: &[Vec<Literal>]) -> Vec<Literal> {
    let (last, before) = items.split_last().expect("bug: a choice has items");
    let mut chosen = last.clone();
    for (at, item) in before.iter().enumerate() {
        let is: Vec<_> = index
            .iter()
            .enumerate()
            .map(|(bit, literal)| literal ^ Literal::from(at >> bit & 1 == 0))
            .collect();
        let is = miter.all(&is);
        chosen = choose(miter, is, item, &chosen);
    }
    chosen
}
