//! Puts mutations into one module.
//!
//! Every change is a choice by the input `mutant`. A node that is mutated keeps its number, so all
//! that read it now read the choice; what it was moves to a new node.

use super::schemata::{ESCAPED, INFECTED, MUTANT, MUTANT_BITS};
use super::{Kind, Mutation, Target, shadow};
use crate::build::node::{
    Binary, Draft, InputDecl, Node, NodeId, Op, OutputDecl, Unary, fit_words, words,
};

/// A module that gets mutations.
pub(super) struct Rewriter {
    pub(super) draft: Draft,
    /// What the nodes were.
    original: Vec<Node>,
    /// The input `mutant`.
    mutant: NodeId,
    /// For each mutation and each instance with some, 1 where it makes a difference.
    infected: Vec<NodeId>,
    /// For the module and each instance with mutations, 1 where the difference leaves it.
    escaped: Vec<NodeId>,
}

impl Rewriter {
    pub(super) fn new(draft: &Draft) -> Self {
        let mut draft = draft.clone();
        let original = draft.nodes.clone();
        let place = draft.place;
        let op = Op::Input(draft.inputs.len());
        draft.nodes.push(Node { op, width: MUTANT_BITS, place, label: None });
        let mutant = draft.nodes.len() - 1;
        draft.inputs.push(InputDecl {
            name: MUTANT.to_owned(),
            width: MUTANT_BITS,
            doc: "active mutant, 0 none".to_owned(),
            node: mutant,
        });
        Self { draft, original, mutant, infected: Vec::new(), escaped: Vec::new() }
    }

    /// Adds a mutation that is active where the input is `id`.
    pub(super) fn apply(&mut self, id: u16, mutation: &Mutation) {
        let active = self.is_active(id);
        match mutation.target {
            Target::Register(i) => {
                let next = self.draft.regs[i].next.expect("bug: registers are driven");
                let before = self.moved(self.original_reg(i));
                self.choose(self.original_reg(i), active, next, before);
            }
            Target::RegisterEnable(i) => {
                let enable = self.draft.regs[i].enable.expect("bug: it has an enable");
                self.draft.regs[i].enable = Some(self.negated(enable, active));
            }
            Target::WriteEnable(i) => {
                let write = self.draft.mems[i].write.as_ref().expect("bug: it is driven");
                let negated = self.negated(write.enable, active);
                self.draft.mems[i].write.as_mut().expect("bug: it is driven").enable = negated;
            }
            Target::ReadEnable(i) => {
                let read = self.draft.mems[i].read.as_ref().expect("bug: it is driven");
                let negated = self.negated(read.enable.expect("bug: it has an enable"), active);
                self.draft.mems[i].read.as_mut().expect("bug: it is driven").enable = Some(negated);
            }
            Target::Bit(id, bit) => {
                let before = self.moved(id);
                let stuck = self.stuck(before, bit, mutation.kind == Kind::StuckAt1);
                self.choose(id, active, stuck, before);
            }
            Target::Operand(id, _) | Target::Node(id) => {
                let before = self.moved(id);
                let wrong = self.wrong(id, mutation.target);
                let wrong = self.push(wrong, self.width(before));
                self.choose(id, active, wrong, before);
            }
        }
    }

    /// Connects an instance of a module that has mutations: it gets the module's own number where
    /// one of its `gates` is active, `(number, module's own number)`.
    pub(super) fn connect(&mut self, inst: usize, gates: &[(u16, u16)]) {
        let mut number = self.mutant;
        for (outside, inside) in gates {
            let active = self.is_active(*outside);
            let inside = self.literal(&[u64::from(*inside)], MUTANT_BITS);
            number = self.push(Op::Mux(active, inside, number), MUTANT_BITS);
        }
        self.draft.insts[inst].inputs.push(Some(number));
        for shown in 0..2 {
            let port = self.draft.insts[inst].outputs.len();
            let seen = self.push(Op::InstOut(inst, port), 1);
            self.draft.insts[inst].outputs.push(Some(seen));
            [&mut self.infected, &mut self.escaped][shown].push(seen);
        }
    }

    /// Watches what leaves the module: some of its nodes, beside those of an intact copy. Without
    /// nodes, and where there can be no copy, every difference leaves it.
    pub(super) fn watch(&mut self, original: &Draft, nodes: &[NodeId]) {
        let own = self.infected.clone();
        let copies = if nodes.is_empty() { None } else { shadow::copy(self, original, nodes) };
        let Some(copies) = copies else {
            self.escaped.extend(own);
            return;
        };
        for (node, copy) in nodes.iter().zip(copies) {
            if *node != copy {
                let differs = self.push(Op::Binary(Binary::Ne, *node, copy), 1);
                self.escaped.push(differs);
            }
        }
    }

    /// Closes the module with its outputs `infected` and `escaped`.
    pub(super) fn into_draft(mut self) -> Draft {
        let [infected, escaped] = self.seen();
        let mut output = |name: &str, doc: &str, source: NodeId| {
            let (name, doc) = (name.to_owned(), doc.to_owned());
            self.draft.outputs.push(OutputDecl { name, width: 1, doc, source });
        };
        output(INFECTED, "the active mutant makes a difference", infected);
        output(ESCAPED, "the difference leaves its module", escaped);
        self.draft
    }

    /// Whether the active mutation makes a difference, and whether that leaves its module.
    pub(super) fn seen(&mut self) -> [NodeId; 2] {
        let lists = [std::mem::take(&mut self.infected), std::mem::take(&mut self.escaped)];
        lists.map(|list| {
            let none = self.literal(&[0], 1);
            list.into_iter().fold(none, |any, term| self.push(Op::Binary(Binary::Or, any, term), 1))
        })
    }

    pub(super) fn push(&mut self, op: Op, width: u32) -> NodeId {
        self.draft.nodes.push(Node { op, width, place: self.draft.place, label: None });
        self.draft.nodes.len() - 1
    }

    fn literal(&mut self, value: &[u64], width: u32) -> NodeId {
        self.push(Op::Const(fit_words(value, width)), width)
    }

    fn width(&self, id: NodeId) -> u32 {
        self.draft.nodes[id].width
    }

    fn original_reg(&self, index: usize) -> NodeId {
        let found = self.original.iter().position(|node| node.op == Op::Reg(index));
        found.expect("bug: a register has a node")
    }

    fn is_active(&mut self, id: u16) -> NodeId {
        let literal = self.literal(&[u64::from(id)], MUTANT_BITS);
        self.push(Op::Binary(Binary::Eq, self.mutant, literal), 1)
    }

    /// Moves what a node is to a new one, of which declarations then speak.
    fn moved(&mut self, id: NodeId) -> NodeId {
        let node = self.draft.nodes[id].clone();
        self.draft.nodes[id].label = None;
        self.draft.nodes.push(node);
        let new = self.draft.nodes.len() - 1;
        match self.draft.nodes[new].op {
            Op::Wire(i) => self.draft.wires[i].node = new,
            Op::Reg(i) => self.draft.regs[i].node = new,
            Op::MemRead(i) => {
                self.draft.mems[i].read.as_mut().expect("bug: it is driven").node = new;
            }
            Op::Input(_) | Op::InstOut(..) => unreachable!("bug: no mutation is of another's net"),
            _ => {}
        }
        new
    }

    /// Makes a node that was moved the choice between what is wrong and what it was.
    fn choose(&mut self, id: NodeId, active: NodeId, wrong: NodeId, before: NodeId) {
        self.draft.nodes[id].op = Op::Mux(active, wrong, before);
        let differs = self.push(Op::Binary(Binary::Ne, wrong, before), 1);
        let infected = self.push(Op::Binary(Binary::And, active, differs), 1);
        self.infected.push(infected);
    }

    fn negated(&mut self, enable: NodeId, active: NodeId) -> NodeId {
        self.infected.push(active);
        self.push(Op::Binary(Binary::Xor, enable, active), 1)
    }

    fn stuck(&mut self, of: NodeId, bit: u32, at: bool) -> NodeId {
        let width = self.width(of);
        let mut mask = vec![0; words(width)];
        mask[(bit / 64) as usize] = 1 << (bit % 64);
        if width == 1 {
            return self.literal(&[u64::from(at)], 1);
        }
        if at {
            let mask = self.literal(&mask, width);
            return self.push(Op::Binary(Binary::Or, of, mask), width);
        }
        let mask: Vec<u64> = mask.iter().map(|word| !word).collect();
        let mask = self.literal(&mask, width);
        self.push(Op::Binary(Binary::And, of, mask), width)
    }

    /// What a node does under a mutation of its expression.
    fn wrong(&mut self, id: NodeId, target: Target) -> Op {
        match (self.original[id].op.clone(), target) {
            (Op::Binary(op, a, b), Target::Operand(_, second)) => {
                let operand = if second { b } else { a };
                let inverted = self.push(Op::Unary(Unary::Not, operand), self.width(operand));
                if second { Op::Binary(op, a, inverted) } else { Op::Binary(op, inverted, b) }
            }
            (Op::Binary(op, a, b), _) => match op {
                Binary::And => Op::Binary(Binary::Or, a, b),
                Binary::Or => Op::Binary(Binary::And, a, b),
                Binary::Add => Op::Binary(Binary::Sub, a, b),
                Binary::Sub => Op::Binary(Binary::Add, a, b),
                _ => {
                    let width = self.width(b);
                    let more = if let Op::Const(value) = &self.original[b].op {
                        let value = successor(value);
                        self.literal(&value, width)
                    } else {
                        let one = self.literal(&[1], width);
                        self.push(Op::Binary(Binary::Add, b, one), width)
                    };
                    Op::Binary(op, a, more)
                }
            },
            (Op::Mux(condition, one, zero), _) => Op::Mux(condition, zero, one),
            (op, _) => unreachable!("bug: {op:?} has no mutation"),
        }
    }
}

fn successor(value: &[u64]) -> Vec<u64> {
    let mut carry = true;
    let word = |word: &u64| {
        let (sum, over) = word.overflowing_add(u64::from(carry));
        carry = over;
        sum
    };
    value.iter().map(word).collect()
}
