//! What can be broken in a design.

use super::{InstanceName, Kind, Mutation, Target};
use crate::build::Module;
use crate::build::check::needs;
use crate::build::node::{Binary, Draft, NodeId, Op, Place, fit_words, words};
use crate::text;

/// Lists everything that can be broken in a design, in all instances of a module: module by module,
/// in the order of the files.
///
/// Left out are registers that their own next value depends on, as counters: without them the value
/// would depend on itself.
pub fn mutations(top: &Module) -> Vec<Mutation> {
    let mut found = Vec::new();
    for (name, module) in text::modules(top) {
        let catalog = Catalog { name: &name, draft: &module.data.draft };
        catalog.registers(&mut found);
        catalog.memories(&mut found);
        for id in &module.data.order {
            catalog.node(*id, &mut found);
        }
    }
    found
}

/// Lists the instances of a module, where there is more than one in the design.
pub fn instances(top: &Module, module: &str) -> Vec<InstanceName> {
    let names = text::names(top);
    let mut found = Vec::new();
    for (parent, data) in text::modules(top) {
        for inst in &data.data.draft.insts {
            if names[&inst.module.address()] == module {
                found.push(InstanceName { parent: parent.clone(), name: inst.name.clone() });
            }
        }
    }
    if found.len() > 1 { found } else { Vec::new() }
}

struct Catalog<'a> {
    name: &'a str,
    draft: &'a Draft,
}

impl Catalog<'_> {
    fn push(&self, found: &mut Vec<Mutation>, kind: Kind, what: String, target: Target) {
        found.push(Mutation { kind, module: self.name.to_owned(), what, instance: None, target });
    }

    fn registers(&self, found: &mut Vec<Mutation>) {
        for (index, reg) in self.draft.regs.iter().enumerate() {
            let what = format!("register {}", reg.name);
            if !self.depends_on_itself(index) {
                self.push(found, Kind::DropRegister, what.clone(), Target::Register(index));
            }
            if reg.enable.is_some() {
                self.push(found, Kind::NegateEnable, what, Target::RegisterEnable(index));
            }
        }
    }

    /// Whether the next value of a register depends on the present one.
    fn depends_on_itself(&self, index: usize) -> bool {
        let reg = &self.draft.regs[index];
        let mut seen = vec![false; self.draft.nodes.len()];
        let mut work: Vec<NodeId> = reg.next.into_iter().collect();
        while let Some(id) = work.pop() {
            if !std::mem::replace(&mut seen[id], true) {
                needs(self.draft, id, |operand| work.push(operand));
            }
        }
        seen[reg.node]
    }

    fn memories(&self, found: &mut Vec<Mutation>) {
        for (index, mem) in self.draft.mems.iter().enumerate() {
            let port = |port: &str| format!("{port} port of memory {}", mem.name);
            if mem.write.is_some() {
                self.push(found, Kind::NegateEnable, port("write"), Target::WriteEnable(index));
            }
            if mem.read.as_ref().is_some_and(|read| read.enable.is_some()) {
                self.push(found, Kind::NegateEnable, port("read"), Target::ReadEnable(index));
            }
        }
    }

    fn node(&self, id: NodeId, found: &mut Vec<Mutation>) {
        let node = &self.draft.nodes[id];
        if let Some(name) = self.net(id) {
            for bit in 0..node.width {
                let what = if node.width == 1 {
                    format!("net {name}")
                } else {
                    format!("net {name}[{bit}]")
                };
                let target = Target::Bit(id, bit);
                self.push(found, Kind::StuckAt0, what.clone(), target);
                self.push(found, Kind::StuckAt1, what, target);
            }
        }
        match &node.op {
            Op::Binary(op @ (Binary::And | Binary::Or), ..) => {
                let what = operator(*op, node.place);
                for second in [false, true] {
                    let what =
                        format!("{} operand of {what}", ["left", "right"][usize::from(second)]);
                    self.push(found, Kind::InvertOperand, what, Target::Operand(id, second));
                }
                self.push(found, Kind::OtherOperator, what, Target::Node(id));
            }
            Op::Binary(Binary::Xor, ..) => {
                let what = format!("left operand of {}", operator(Binary::Xor, node.place));
                self.push(found, Kind::InvertOperand, what, Target::Operand(id, false));
            }
            Op::Binary(op @ (Binary::Add | Binary::Sub), ..) => {
                let what = operator(*op, node.place);
                self.push(found, Kind::OtherOperator, what, Target::Node(id));
            }
            Op::Binary(
                op @ (Binary::Eq
                | Binary::Ne
                | Binary::Lt
                | Binary::Ge
                | Binary::SignedLt
                | Binary::SignedGe),
                _,
                than,
            ) if self.has_successor(*than) => {
                let what = operator(*op, node.place);
                self.push(found, Kind::OffByOne, what, Target::Node(id));
            }
            Op::Mux(..) => {
                let what = format!("choice at {}", line(node.place));
                self.push(found, Kind::ExchangeChoice, what, Target::Node(id));
            }
            _ => {}
        }
    }

    /// The name of a node that has one in the text and that this module makes.
    fn net(&self, id: NodeId) -> Option<&str> {
        let node = &self.draft.nodes[id];
        Some(match node.op {
            Op::Reg(i) => &self.draft.regs[i].name,
            Op::Wire(i) => &self.draft.wires[i].name,
            Op::MemRead(i) => &self.draft.mems[i].name,
            Op::Input(_) | Op::InstOut(..) | Op::Const(_) => return None,
            _ => node.label.as_ref()?,
        })
    }

    /// Whether a number that is larger by one is another one, signed or not.
    fn has_successor(&self, id: NodeId) -> bool {
        let node = &self.draft.nodes[id];
        let Op::Const(value) = &node.op else { return node.width > 1 };
        let all = vec![u64::MAX; words(node.width)];
        let ones = |bits: u32| fit_words(&fit_words(&all, bits), node.width);
        node.width > 1 && *value != ones(node.width) && *value != ones(node.width - 1)
    }
}

fn operator(op: Binary, place: Place) -> String {
    format!("{} at {}", op.sign(), line(place))
}

/// File and line below the sources of this crate.
fn line(place: Place) -> String {
    let file = place.file();
    let file = file.split_once("hdl/src/").map_or(file, |(_, file)| file);
    format!("{file}:{}", place.line())
}
