//! What depends on an input of a design: its cone of influence, through registers and memories.
//!
//! What is outside of the cone has the same values whatever the input is. The cone is a bound from
//! above: instances of one module are taken together, and a memory is one value.

use super::{Mutation, Target};
use crate::build::Module;
use crate::build::node::{Draft, MemDecl, NodeId, Op};
use crate::text;
use std::collections::{BTreeMap, HashMap};

/// The nodes that depend on an input of the top module.
#[derive(Clone, Debug)]
pub struct Cone {
    modules: BTreeMap<String, (Module, Vec<bool>)>,
}

impl Cone {
    /// The cone of influence of an input; empty if there is no such input.
    pub fn of_input(top: &Module, input: &str) -> Self {
        let names = text::names(top);
        let order = text::modules(top);
        let new = |(name, module): &(String, Module)| {
            let inside = vec![false; module.data.draft.nodes.len()];
            (name.clone(), (module.clone(), inside))
        };
        let mut cone = Self { modules: order.iter().map(new).collect() };
        let (module, inside) = cone.modules.get_mut(top.name()).expect("bug: the top is there");
        for port in module.data.draft.inputs.iter().filter(|port| port.name == input) {
            inside[port.node] = true;
        }
        loop {
            // Parents first: what they drive reaches their children in the same round.
            let rounds = order.iter().rev().map(|(name, _)| cone.sweep(name, &names));
            if !rounds.fold(false, |any, changed| any | changed) {
                return cone;
            }
        }
    }

    /// Whether what a mutation changes, or what it is changed to, depends on the input.
    pub fn contains(&self, mutation: &Mutation) -> bool {
        let Some((module, inside)) = self.modules.get(&mutation.module) else { return true };
        let draft = &module.data.draft;
        match mutation.target {
            Target::Register(i) | Target::RegisterEnable(i) => inside[draft.regs[i].node],
            Target::WriteEnable(i) | Target::ReadEnable(i) => memory(&draft.mems[i], inside),
            Target::Bit(id, _) | Target::Operand(id, _) | Target::Node(id) => inside[id],
        }
    }

    /// What a module makes of its signals outside of the cone, if it is in the design: those that
    /// outputs show, and those that nodes, registers and memories within the cone use. While all of
    /// them have the values that they should have, so has everything else that leaves the module.
    pub(super) fn frontier(&self, module: &str) -> Vec<NodeId> {
        let Some((module, inside)) = self.modules.get(module) else { return Vec::new() };
        let draft = &module.data.draft;
        let mut used: Vec<NodeId> = draft.outputs.iter().map(|output| output.source).collect();
        for id in module.data.order.iter().filter(|id| inside[**id]) {
            match &draft.nodes[*id].op {
                Op::Wire(i) => used.extend(draft.wires[*i].source),
                Op::Reg(i) => used.extend(draft.regs[*i].next.iter().chain(&draft.regs[*i].enable)),
                Op::MemRead(i) => used.extend(ports(&draft.mems[*i])),
                op => op.operands(|operand| used.push(operand)),
            }
        }
        used.sort_unstable();
        used.dedup();
        used.retain(|id| !inside[*id] && !matches!(draft.nodes[*id].op, Op::Const(_)));
        used
    }

    /// Spreads the cone within a module, and into its instances. Whether it grew.
    fn sweep(&mut self, name: &str, names: &HashMap<usize, String>) -> bool {
        let (module, mut inside) = self.modules[name].clone();
        let draft = &module.data.draft;
        let mut changed = false;
        for id in &module.data.order {
            let depends = inside[*id] || self.depends(draft, *id, &inside, names);
            changed |= depends != inside[*id];
            inside[*id] = depends;
        }
        for inst in &draft.insts {
            let child = self.modules.get_mut(&names[&inst.module.address()]);
            let (child, of_child) = child.expect("bug: every module is there");
            for (port, value) in child.data.draft.inputs.iter().zip(&inst.inputs) {
                let reached =
                    value.is_some_and(|id| inside[id]) || inst.reset.is_some_and(|id| inside[id]);
                changed |= reached && !of_child[port.node];
                of_child[port.node] |= reached;
            }
        }
        self.modules.insert(name.to_owned(), (module.clone(), inside));
        changed
    }

    fn depends(
        &self,
        draft: &Draft,
        id: NodeId,
        inside: &[bool],
        names: &HashMap<usize, String>,
    ) -> bool {
        match &draft.nodes[id].op {
            Op::Wire(i) => draft.wires[*i].source.is_some_and(|id| inside[id]),
            Op::Reg(i) => {
                let reg = &draft.regs[*i];
                reg.next.into_iter().chain(reg.enable).any(|id| inside[id])
            }
            Op::MemRead(i) => memory(&draft.mems[*i], inside),
            Op::InstOut(i, port) => {
                let (child, of_child) = &self.modules[&names[&draft.insts[*i].module.address()]];
                of_child[child.data.draft.outputs[*port].source]
            }
            op => {
                let mut any = false;
                op.operands(|operand| any |= inside[operand]);
                any
            }
        }
    }
}

/// Whether what a memory holds or shows depends on the input.
fn memory(mem: &MemDecl, inside: &[bool]) -> bool {
    ports(mem).any(|id| inside[id])
}

/// What drives the ports of a memory.
fn ports(mem: &MemDecl) -> impl Iterator<Item = NodeId> {
    let write = mem.write.iter().flat_map(|port| [port.enable, port.address, port.data]);
    let read = mem.read.iter().flat_map(|port| port.enable.into_iter().chain([port.address]));
    write.chain(read)
}
