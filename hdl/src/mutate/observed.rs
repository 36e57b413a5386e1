//! Which bits the outputs of a design depend on, now or later: their cone of influence, bit by bit.
//!
//! A bit outside of it can be anything. The cone is a bound from above: instances of one module are
//! taken together (but for the last step, into the one of a mutation), a memory is one word, and only bits of a choice's index that are literals
//! exclude items.

use super::{InstanceName, Mutation, Target};
use crate::build::Module;
use crate::build::node::{Binary, Draft, NodeId, Op, Unary, fit_words, slice_words, words};
use crate::text;
use std::collections::{BTreeMap, HashMap};

/// The bits of each node that an output depends on.
type Live = Vec<Vec<u64>>;

/// The bits of a design that its outputs depend on.
#[derive(Clone, Debug)]
pub struct Observed {
    modules: BTreeMap<String, (Module, Live)>,
}

impl Observed {
    /// What the outputs of the top module depend on.
    pub fn of_outputs(top: &Module) -> Self {
        Self::of_outputs_but(top, &[])
    }

    /// What its outputs depend on, but for those with some names.
    pub fn of_outputs_but(top: &Module, but: &[&str]) -> Self {
        let names = text::names(top);
        let order = text::modules(top);
        let none = |module: &Module| {
            module.data.draft.nodes.iter().map(|node| vec![0; words(node.width)]).collect()
        };
        let new = |(name, m): &(String, Module)| (name.clone(), (m.clone(), none(m)));
        let mut observed = Self { modules: order.iter().map(new).collect() };
        let (module, live) = observed.modules.get_mut(top.name()).expect("bug: the top is there");
        let outputs = module.data.draft.outputs.iter();
        for port in outputs.filter(|port| !but.contains(&port.name.as_str())) {
            all(&module.data.draft, live, port.source);
        }
        loop {
            // Parents first: what they read of their children is spread there in the same round.
            let rounds = order.iter().rev().map(|(name, _)| observed.sweep(name, &names));
            if !rounds.fold(false, |any, changed| any | changed) {
                return observed;
            }
        }
    }

    /// Whether an output depends on what a mutation changes.
    pub fn contains(&self, mutation: &Mutation) -> bool {
        let Some((module, live)) = self.modules.get(&mutation.module) else { return true };
        let own =
            mutation.instance.as_ref().and_then(|instance| self.of_instance(module, instance));
        let live = own.as_ref().unwrap_or(live);
        let draft = &module.data.draft;
        let any = |id: NodeId| live[id].iter().any(|word| *word != 0);
        match mutation.target {
            Target::Register(i) | Target::RegisterEnable(i) => any(draft.regs[i].node),
            Target::WriteEnable(i) | Target::ReadEnable(i) => {
                draft.mems[i].read.as_ref().is_some_and(|read| any(read.node))
            }
            Target::Bit(id, bit) => live[id][(bit / 64) as usize] >> (bit % 64) & 1 == 1,
            Target::Operand(id, _) | Target::Node(id) => any(id),
        }
    }

    /// What outputs depend on in one instance of a module. Its own instances are taken to show all that
    /// they read.
    fn of_instance(&self, module: &Module, instance: &InstanceName) -> Option<Live> {
        let (parent, of_parent) = self.modules.get(&instance.parent)?;
        let inst = parent.data.draft.insts.iter().find(|inst| inst.name == instance.name)?;
        let draft = &module.data.draft;
        let mut live: Live = draft.nodes.iter().map(|node| vec![0; words(node.width)]).collect();
        for (port, node) in draft.outputs.iter().zip(&inst.outputs) {
            join(&mut live[port.source], node.map_or(&[][..], |id| &of_parent[id]));
        }
        for inst in &draft.insts {
            inst.inputs
                .iter()
                .flatten()
                .chain(&inst.reset)
                .for_each(|id| all(draft, &mut live, *id));
        }
        loop {
            let before = live.clone();
            for id in module.data.order.iter().rev() {
                if live[*id].iter().any(|word| *word != 0) {
                    spread(draft, &mut live, *id);
                }
            }
            if live == before {
                return Some(live);
            }
        }
    }

    /// Whether an output of the design depends on a bit of an output of a module, as its file is
    /// called; `None` if there is no such output. Bits that the output does not have are not observed.
    pub fn output(&self, module: &str, port: &str, bit: u32) -> Option<bool> {
        let (module, live) = self.modules.get(module)?;
        let draft = &module.data.draft;
        let port = draft.outputs.iter().find(|output| output.name == port)?;
        Some(bit < port.width && is_set(&live[port.source], bit))
    }

    /// Spreads within a module, and into its instances. Whether there was more.
    fn sweep(&mut self, name: &str, names: &HashMap<usize, String>) -> bool {
        let (module, mut live) = self.modules[name].clone();
        let before = live.clone();
        let draft = &module.data.draft;
        for id in module.data.order.iter().rev() {
            if live[*id].iter().any(|word| *word != 0) {
                spread(draft, &mut live, *id);
            }
        }
        let mut changed = false;
        for inst in &draft.insts {
            let child = self.modules.get_mut(&names[&inst.module.address()]);
            let (child, of_child) = child.expect("bug: every module is there");
            let ports = &child.data.draft;
            for (port, node) in ports.outputs.iter().zip(&inst.outputs) {
                let read = node.map_or(&[][..], |id| &live[id]);
                changed |= join(&mut of_child[port.source], read);
            }
            for (port, value) in ports.inputs.iter().zip(&inst.inputs) {
                join(&mut live[value.expect("bug: inputs are driven")], &of_child[port.node]);
            }
            if let Some(reset) = inst.reset {
                all(draft, &mut live, reset);
            }
        }
        changed |= live != before;
        self.modules.insert(name.to_owned(), (module.clone(), live));
        changed
    }
}

/// Spreads the bits of a node to what it is made of.
fn spread(draft: &Draft, live: &mut Live, id: NodeId) {
    let bits = live[id].clone();
    let node = &draft.nodes[id];
    match &node.op {
        Op::Input(_) | Op::InstOut(..) | Op::Const(_) => {}
        Op::Wire(i) => {
            join(&mut live[draft.wires[*i].source.expect("bug: wires are driven")], &bits);
        }
        Op::Reg(i) => {
            let reg = &draft.regs[*i];
            join(&mut live[reg.next.expect("bug: registers are driven")], &bits);
            reg.enable.into_iter().for_each(|id| all(draft, live, id));
        }
        Op::MemRead(i) => {
            let mem = &draft.mems[*i];
            if let (Some(write), Some(read)) = (&mem.write, &mem.read) {
                join(&mut live[write.data], &bits);
                let whole = [write.enable, write.address, read.address].into_iter();
                whole.chain(read.enable).for_each(|id| all(draft, live, id));
            }
        }
        Op::Unary(Unary::Not, a) => {
            join(&mut live[*a], &bits);
        }
        Op::Unary(_, a) => all(draft, live, *a),
        Op::Binary(op, a, b) => match op {
            Binary::And | Binary::Or | Binary::Xor => {
                join(&mut live[*a], &bits);
                join(&mut live[*b], &bits);
            }
            Binary::Add | Binary::Sub | Binary::MulSigned => {
                let below = below(&bits);
                join(&mut live[*a], &below);
                join(&mut live[*b], &below);
            }
            _ => {
                all(draft, live, *a);
                all(draft, live, *b);
            }
        },
        Op::Concat(parts) => {
            let mut at = 0;
            for part in parts.iter().rev() {
                let width = draft.nodes[*part].width;
                join(&mut live[*part], &slice_words(&bits, at, width));
                at += width;
            }
        }
        Op::Repeat(part) => {
            let width = draft.nodes[*part].width;
            for copy in 0..node.width / width {
                join(&mut live[*part], &slice_words(&bits, copy * width, width));
            }
        }
        Op::Slice(of, lo) => {
            for bit in (0..node.width).filter(|bit| is_set(&bits, *bit)) {
                live[*of][((lo + bit) / 64) as usize] |= 1 << ((lo + bit) % 64);
            }
        }
        Op::Mux(condition, one, zero) => {
            all(draft, live, *condition);
            join(&mut live[*one], &bits);
            join(&mut live[*zero], &bits);
        }
        Op::Select(index, items) => {
            all(draft, live, *index);
            let (known, value) = literal_bits(draft, *index);
            let last = items.len() - 1;
            for at in (0..1_u64 << draft.nodes[*index].width).filter(|at| at & known == value) {
                let item = usize::try_from(at).map_or(last, |at| at.min(last));
                join(&mut live[items[item]], &bits);
            }
        }
    }
}

/// The bits of an index that are literals, and their values.
fn literal_bits(draft: &Draft, id: NodeId) -> (u64, u64) {
    let node = &draft.nodes[id];
    match &node.op {
        Op::Const(value) => (u64::MAX >> (64 - node.width.min(64)), value[0]),
        Op::Concat(parts) => {
            let mut at = 0;
            parts.iter().rev().fold((0, 0), |(known, value), part| {
                let (of_part, its) = literal_bits(draft, *part);
                let joined = (known | of_part << at, value | its << at);
                at += draft.nodes[*part].width;
                joined
            })
        }
        _ => (0, 0),
    }
}

fn all(draft: &Draft, live: &mut Live, id: NodeId) {
    let width = draft.nodes[id].width;
    live[id] = fit_words(&vec![u64::MAX; words(width)], width);
}

/// Adds bits; whether there were new ones.
fn join(to: &mut [u64], bits: &[u64]) -> bool {
    let mut changed = false;
    for (word, more) in to.iter_mut().zip(bits) {
        changed |= more & !*word != 0;
        *word |= more;
    }
    changed
}

/// All bits up to the highest one: those that carry into them.
fn below(bits: &[u64]) -> Vec<u64> {
    let top = bits.iter().rposition(|word| *word != 0).expect("bug: some bit is set");
    let word = |(at, word): (usize, &u64)| match at.cmp(&top) {
        std::cmp::Ordering::Less => u64::MAX,
        std::cmp::Ordering::Equal => u64::MAX >> word.leading_zeros(),
        std::cmp::Ordering::Greater => 0,
    };
    bits.iter().enumerate().map(word).collect()
}

fn is_set(bits: &[u64], bit: u32) -> bool {
    bits[(bit / 64) as usize] >> (bit % 64) & 1 == 1
}
