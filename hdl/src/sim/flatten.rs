//! Flattening: from a module with instances to one store and one instruction list.
//!
//! Nets that only rename (ports, wires, zero extension) share the words of what they rename. The
//! store starts with all state, then the state after the next edge in the same layout, so that a
//! clock edge is one copy; whatever is read on the edge has been sampled before.

use std::collections::{BTreeMap, HashMap};

use super::instr::{Code, Instr};
use crate::build::Module;
use crate::build::node::{Binary, NodeId, Op, Unary, top_mask, words};

const UNSET: u32 = u32::MAX;

/// A value in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u32,
    pub(super) width: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) path: String,
    pub(super) width: u32,
    pub(super) depth: u32,
    pub(super) data: Vec<u64>,
    pub(super) write_enable: u32,
    pub(super) write_address: u32,
    pub(super) write_data: u32,
    pub(super) read_enable: Option<u32>,
    pub(super) read_address: u32,
    /// In the state; the sampled value goes to the same place of the next state.
    pub(super) read_data: u32,
}

/// One instance of a module in the hierarchy.
struct Scope {
    module: Module,
    parent: usize,
    inst: usize,
    /// `a.b.`, empty for the top.
    prefix: String,
    children: Vec<usize>,
    slots: Vec<u32>,
    mem_data: Vec<u32>,
    /// Resets besides the common one: its own, if any, and those of the scopes around it.
    resets: Vec<(usize, NodeId)>,
}

#[derive(Default)]
pub(super) struct Flat {
    pub(super) code: Vec<Instr>,
    pub(super) tables: Vec<u32>,
    pub(super) store: Vec<u64>,
    pub(super) state_words: usize,
    /// Word and reset value, for all words of registers with reset.
    pub(super) resets: Vec<(u32, u64)>,
    pub(super) mems: Vec<Memory>,
    pub(super) inputs: Vec<Place>,
    pub(super) outputs: Vec<Place>,
    /// Registers, ports and named nets that take part in the simulation, by path.
    pub(super) names: BTreeMap<String, Place>,
    /// Paths of the registers and read data, which [`super::Simulator::poke`] may change.
    pub(super) state: BTreeMap<String, Place>,
}

pub(super) fn flatten(top: &Module) -> Flat {
    let mut f = Flattener::default();
    f.scope(top, 0, 0, "");
    f.state();
    f.inputs();
    f.roots();
    f.next_state();
    f.memories();
    f.results();
    f.out
}

#[derive(Default)]
struct Flattener {
    scopes: Vec<Scope>,
    out: Flat,
    /// Where the value of a node goes if it is the next value of a register.
    prefer: HashMap<(usize, NodeId), u32>,
    consts: HashMap<Vec<u64>, u32>,
}

fn small(n: usize) -> u32 {
    u32::try_from(n).expect("bug: a design of more than 2^32 words")
}

impl Flattener {
    fn scope(&mut self, module: &Module, parent: usize, inst: usize, prefix: &str) -> usize {
        let me = self.scopes.len();
        let draft = &module.data.draft;
        let mut resets = Vec::new();
        if me != parent {
            let around = &self.scopes[parent];
            let own = around.module.data.draft.insts[inst].reset;
            resets.clone_from(&around.resets);
            resets.extend(own.map(|id| (parent, id)));
        }
        self.scopes.push(Scope {
            module: module.clone(),
            parent,
            inst,
            prefix: prefix.into(),
            children: Vec::new(),
            slots: vec![UNSET; draft.nodes.len()],
            mem_data: vec![UNSET; draft.mems.len()],
            resets,
        });
        for (i, child) in draft.insts.iter().enumerate() {
            let id = self.scope(&child.module, me, i, &format!("{prefix}{}.", child.name));
            self.scopes[me].children.push(id);
        }
        me
    }

    fn alloc(&mut self, width: u32) -> u32 {
        let at = self.out.store.len();
        self.out.store.resize(at + words(width), 0);
        small(at)
    }

    fn state(&mut self) {
        for s in 0..self.scopes.len() {
            let module = self.scopes[s].module.clone();
            let draft = &module.data.draft;
            for reg in &draft.regs {
                let width = draft.nodes[reg.node].width;
                let at = self.alloc(width);
                self.scopes[s].slots[reg.node] = at;
                let words = reg.reset.iter().flatten().enumerate();
                self.out.resets.extend(words.map(|(k, word)| (at + small(k), *word)));
                self.name(s, &reg.name, Place { at, width }, true);
            }
            for (i, mem) in draft.mems.iter().enumerate() {
                let at = self.alloc(mem.width);
                self.scopes[s].mem_data[i] = at;
                if let Some(read) = &mem.read {
                    self.scopes[s].slots[read.node] = at;
                }
                self.name(s, &format!("{}_q", mem.name), Place { at, width: mem.width }, true);
            }
        }
        self.out.state_words = self.out.store.len();
        self.out.store.resize(2 * self.out.state_words, 0);
        // Where a reset may replace the next state, others may still need the value before that.
        for s in (0..self.scopes.len()).filter(|s| self.scopes[*s].resets.is_empty()) {
            let module = self.scopes[s].module.clone();
            for reg in &module.data.draft.regs {
                if let (Some(next), None) = (reg.next, reg.enable) {
                    let at = self.scopes[s].slots[reg.node] + small(self.out.state_words);
                    self.prefer.entry((s, next)).or_insert(at);
                }
            }
        }
    }

    fn name(&mut self, scope: usize, name: &str, place: Place, state: bool) {
        let path = format!("{}{name}", self.scopes[scope].prefix);
        if state {
            self.out.state.insert(path.clone(), place);
        }
        self.out.names.insert(path, place);
    }

    fn inputs(&mut self) {
        let module = self.scopes[0].module.clone();
        for input in &module.data.draft.inputs {
            let place = Place { at: self.alloc(input.width), width: input.width };
            self.scopes[0].slots[input.node] = place.at;
            self.out.inputs.push(place);
        }
    }

    fn roots(&mut self) {
        let top = self.scopes[0].module.clone();
        for output in &top.data.draft.outputs {
            self.compile(0, output.source);
        }
        for s in 0..self.scopes.len() {
            let module = self.scopes[s].module.clone();
            let draft = &module.data.draft;
            let regs = draft.regs.iter().flat_map(|r| r.next.into_iter().chain(r.enable));
            regs.for_each(|id| self.compile(s, id));
            draft.insts.iter().filter_map(|i| i.reset).for_each(|id| self.compile(s, id));
            for mem in &draft.mems {
                let write = mem.write.iter().flat_map(|w| [w.enable, w.address, w.data]);
                let read = mem.read.iter().flat_map(|r| r.enable.into_iter().chain([r.address]));
                write.chain(read).for_each(|id| self.compile(s, id));
            }
        }
    }

    fn next_state(&mut self) {
        let shift = small(self.out.state_words);
        for s in 0..self.scopes.len() {
            let module = self.scopes[s].module.clone();
            let draft = &module.data.draft;
            for reg in &draft.regs {
                let next = reg.next.expect("bug: registers are driven");
                let width = draft.nodes[reg.node].width;
                let slots = &self.scopes[s].slots;
                let (q, from) = (slots[reg.node], slots[next]);
                let to = q + shift;
                if let Some(enable) = reg.enable {
                    let enable = slots[enable];
                    self.emit(Code::Mux, Code::WideMux, width, to, enable, from, q);
                } else if from != to {
                    self.emit(Code::Copy, Code::WideCopy, width, to, from, 0, 0);
                }
                if let Some(value) = &reg.reset {
                    for (around, id) in self.scopes[s].resets.clone() {
                        let (when, value) = (self.scopes[around].slots[id], self.constant(value));
                        self.emit(Code::Mux, Code::WideMux, width, to, when, value, to);
                    }
                }
            }
        }
    }

    fn memories(&mut self) {
        for scope in &self.scopes {
            let draft = &scope.module.data.draft;
            for (i, mem) in draft.mems.iter().enumerate() {
                let (Some(write), Some(read)) = (&mem.write, &mem.read) else {
                    unreachable!("bug: memories have both ports");
                };
                self.out.mems.push(Memory {
                    path: format!("{}{}", scope.prefix, mem.name),
                    width: mem.width,
                    depth: mem.depth,
                    data: vec![0; words(mem.width) * mem.depth as usize],
                    write_enable: scope.slots[write.enable],
                    write_address: scope.slots[write.address],
                    write_data: scope.slots[write.data],
                    read_enable: read.enable.map(|id| scope.slots[id]),
                    read_address: scope.slots[read.address],
                    read_data: scope.mem_data[i],
                });
            }
        }
    }

    fn results(&mut self) {
        for s in 0..self.scopes.len() {
            let module = self.scopes[s].module.clone();
            let draft = &module.data.draft;
            let inputs = draft.inputs.iter().map(|p| (&p.name, p.node));
            let outputs = draft.outputs.iter().map(|p| (&p.name, p.source));
            let wires = draft.wires.iter().map(|w| (&w.name, w.node));
            let labels = draft.nodes.iter().enumerate();
            let labels = labels.filter_map(|(id, n)| n.label.as_ref().map(|label| (label, id)));
            for (name, id) in inputs.chain(outputs).chain(wires).chain(labels) {
                let at = self.scopes[s].slots[id];
                if at != UNSET {
                    self.name(s, name, Place { at, width: draft.nodes[id].width }, false);
                }
            }
        }
        let draft = &self.scopes[0].module.data.draft;
        let slots = &self.scopes[0].slots;
        let place =
            |o: &crate::build::node::OutputDecl| Place { at: slots[o.source], width: o.width };
        self.out.outputs = draft.outputs.iter().map(place).collect();
    }

    /// Makes the instructions for a node and all that it needs.
    fn compile(&mut self, scope: usize, node: NodeId) {
        let mut stack = vec![(scope, node)];
        let mut wanted = Vec::new();
        while let Some(&(s, id)) = stack.last() {
            if self.scopes[s].slots[id] != UNSET {
                stack.pop();
                continue;
            }
            let module = self.scopes[s].module.clone();
            let nodes = &module.data.draft.nodes;
            wanted.clear();
            let alias = self.alias(s, id);
            match (&alias, xnor(nodes, id)) {
                (Some(target), _) => wanted.push(*target),
                (None, Some((a, b))) => wanted.extend([(s, a), (s, b)]),
                (None, None) => nodes[id].op.operands(|operand| wanted.push((s, operand))),
            }
            wanted.retain(|(s, id)| self.scopes[*s].slots[*id] == UNSET);
            if !wanted.is_empty() {
                stack.append(&mut wanted);
                continue;
            }
            let at = match alias {
                Some((s, id)) => self.scopes[s].slots[id],
                None => self.instructions(&module, s, id),
            };
            self.scopes[s].slots[id] = at;
            stack.pop();
        }
    }

    /// The value that a node only renames.
    fn alias(&self, s: usize, id: NodeId) -> Option<(usize, NodeId)> {
        let scope = &self.scopes[s];
        let draft = &scope.module.data.draft;
        match &draft.nodes[id].op {
            Op::Input(i) => {
                let parent = &self.scopes[scope.parent].module.data.draft;
                let value = parent.insts[scope.inst].inputs[*i];
                Some((scope.parent, value.expect("bug: instance inputs are driven")))
            }
            Op::Wire(i) => Some((s, draft.wires[*i].source.expect("bug: wires are driven"))),
            Op::InstOut(i, port) => {
                let child = scope.children[*i];
                Some((child, self.scopes[child].module.data.draft.outputs[*port].source))
            }
            Op::Concat(parts) => match parts.as_slice() {
                // Zero extension that needs no further word.
                [zero, value]
                    if matches!(&draft.nodes[*zero].op, Op::Const(v) if v.iter().all(|w| *w == 0))
                        && words(draft.nodes[*value].width) == words(draft.nodes[id].width) =>
                {
                    Some((s, *value))
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn instructions(&mut self, module: &Module, s: usize, id: NodeId) -> u32 {
        let nodes = &module.data.draft.nodes;
        let node = &nodes[id];
        let width = node.width;
        if let Op::Const(value) = &node.op {
            return self.constant(value);
        }
        let to = self.prefer.get(&(s, id)).copied();
        let to = to.unwrap_or_else(|| self.alloc(width));
        let slots = std::mem::take(&mut self.scopes[s].slots);
        let at = |id: &NodeId| slots[*id];
        let operand = |id: &NodeId| (slots[*id], nodes[*id].width);
        match &node.op {
            Op::Unary(Unary::Not, a) => match xnor(nodes, id) {
                Some((a, b)) => self.emit(Code::Xnor, Code::Xnor, width, to, at(&a), at(&b), 0),
                None => self.emit(Code::Not, Code::WideNot, width, to, at(a), 0, 0),
            },
            Op::Unary(op, a) => self.reduction(*op, to, operand(a)),
            Op::Binary(op, a, b) => self.binary(*op, to, operand(a), at(b)),
            Op::Mux(c, a, b) => {
                self.emit(Code::Mux, Code::WideMux, width, to, at(c), at(a), at(b));
            }
            Op::Select(index, items) => {
                let table = small(self.out.tables.len());
                self.out.tables.extend(items.iter().map(at));
                let len = small(items.len());
                self.emit(Code::Select, Code::WideSelect, width, to, at(index), table, len);
            }
            Op::Slice(of, lo) => self.slice(to, width, operand(of), *lo),
            Op::Repeat(a) if words(width) == 1 && nodes[*a].width == 1 => {
                self.emit(Code::Fill, Code::Fill, width, to, at(a), 0, 0);
            }
            Op::Repeat(a) => {
                let parts = vec![operand(a); (width / nodes[*a].width) as usize];
                self.join(to, width, &parts);
            }
            Op::Concat(parts) => {
                let parts: Vec<_> = parts.iter().rev().map(operand).collect();
                self.join(to, width, &parts);
            }
            op => unreachable!("bug: {op:?} is an alias or state"),
        }
        self.scopes[s].slots = slots;
        to
    }

    /// Where a literal's words are.
    fn constant(&mut self, value: &[u64]) -> u32 {
        if let Some(at) = self.consts.get(value) {
            return *at;
        }
        let at = small(self.out.store.len());
        self.out.store.extend_from_slice(value);
        self.consts.insert(value.to_vec(), at);
        at
    }

    fn binary(&mut self, op: Binary, to: u32, (a, width): (u32, u32), b: u32) {
        let (one, wide) = match op {
            Binary::And => (Code::And, Code::WideAnd),
            Binary::Or => (Code::Or, Code::WideOr),
            Binary::Xor => (Code::Xor, Code::WideXor),
            Binary::Add => (Code::Add, Code::WideAdd),
            Binary::Sub => (Code::Sub, Code::WideSub),
            Binary::MulSigned => (Code::Mul, Code::WideMul),
            Binary::Lt => (Code::Lt, Code::WideLt),
            Binary::Ge => (Code::Ge, Code::WideGe),
            Binary::Eq => (Code::Eq, Code::WideEq),
            Binary::Ne => (Code::Ne, Code::WideNe),
            Binary::SignedLt => (Code::SignedLt, Code::WideSignedLt),
            Binary::SignedGe => (Code::SignedGe, Code::WideSignedGe),
        };
        let c = if width <= 64 { 64 - width } else { (width - 1) % 64 };
        self.emit(one, wide, width, to, a, b, c);
    }

    fn reduction(&mut self, op: Unary, to: u32, (a, width): (u32, u32)) {
        let (one, wide) = match op {
            Unary::All => (Code::All, Code::WideAll),
            Unary::Any => (Code::Any, Code::WideAny),
            Unary::Parity => (Code::Parity, Code::WideParity),
            Unary::Not => unreachable!("bug: not a reduction"),
        };
        self.emit(one, wide, width, to, a, 0, small(words(width)));
    }

    fn slice(&mut self, to: u32, width: u32, (a, of): (u32, u32), lo: u32) {
        let (word, shift) = (lo / 64, lo % 64);
        if words(width) > 1 {
            let count = small(words(of));
            self.emit(Code::WideSlice, Code::WideSlice, width, to, a, lo, count);
        } else if shift + width <= 64 {
            self.emit(Code::Slice, Code::Slice, width, to, a + word, shift, 0);
        } else {
            self.emit(Code::SliceTwo, Code::SliceTwo, width, to, a + word, shift, 0);
        }
    }

    /// Concatenation of `(address, width)`, lowest part first.
    fn join(&mut self, to: u32, width: u32, parts: &[(u32, u32)]) {
        let mut low = 0;
        if words(width) == 1 {
            let mut so_far = parts[0].0;
            low = parts[0].1;
            for (at, bits) in &parts[1..] {
                self.emit(Code::Join, Code::Join, width, to, *at, so_far, low);
                so_far = to;
                low += bits;
            }
            return;
        }
        let total = small(words(width));
        self.emit(Code::WideZero, Code::WideZero, width, to, 0, 0, 0);
        for (at, bits) in parts {
            self.emit(Code::WideInsert, Code::WideInsert, *bits, to, *at, total, low);
            low += bits;
        }
    }

    #[expect(
        clippy::too_many_arguments,
        clippy::many_single_char_names,
        reason = "the fields of one instruction"
    )]
    fn emit(&mut self, one: Code, wide: Code, width: u32, d: u32, a: u32, b: u32, c: u32) {
        let n = small(words(width));
        let code = if n == 1 { one } else { wide };
        self.out.code.push(Instr { code, d, a, b, c, n, mask: top_mask(width) });
    }
}

/// The operands of a one-word `!(a ^ b)`.
fn xnor(nodes: &[crate::build::node::Node], id: NodeId) -> Option<(NodeId, NodeId)> {
    match nodes[id].op {
        Op::Unary(Unary::Not, x) if nodes[id].width <= 64 => match nodes[x].op {
            Op::Binary(Binary::Xor, a, b) => Some((a, b)),
            _ => None,
        },
        _ => None,
    }
}
