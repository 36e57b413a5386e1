//! What a register that is dropped shows instead: what its next value depends on in the same cycle.

use super::{Mutation, Target};
use crate::build::Module;
use crate::build::node::{Draft, NodeId, Op};
use crate::text;

/// What the next value of a register without an enable depends on in the same cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bypass {
    /// Inputs of the module, by name.
    pub inputs: Vec<String>,
    /// Registers of the module, by name.
    pub registers: Vec<String>,
}

impl Bypass {
    /// Of the register that a mutation drops; `None` if it drops none, if the register has an enable,
    /// or if the value depends on a memory or an instance.
    pub fn of(top: &Module, mutation: &Mutation) -> Option<Self> {
        let modules = text::modules(top);
        let (_, module) = modules.iter().find(|(name, _)| *name == mutation.module)?;
        let draft = &module.data.draft;
        let Target::Register(register) = mutation.target else { return None };
        let register = &draft.regs[register];
        if register.enable.is_some() {
            return None;
        }
        let mut bypass = Self::default();
        let mut seen = vec![false; draft.nodes.len()];
        let mut work = vec![register.next?];
        while let Some(id) = work.pop() {
            if std::mem::replace(&mut seen[id], true) {
                continue;
            }
            match &draft.nodes[id].op {
                Op::Input(i) => bypass.inputs.push(draft.inputs[*i].name.clone()),
                Op::Reg(i) => bypass.registers.push(draft.regs[*i].name.clone()),
                Op::MemRead(_) | Op::InstOut(..) => return None,
                Op::Wire(i) => work.push(draft.wires[*i].source?),
                op => op.operands(|operand| work.push(operand)),
            }
        }
        bypass.inputs.sort_unstable();
        bypass.registers.sort_unstable();
        Some(bypass)
    }
}

/// Whether an input of a module is, in every instance, the output of the same name of another module.
pub fn is_driven_by(top: &Module, module: &str, input: &str, source: &str) -> bool {
    let names = text::names(top);
    let mut any = false;
    for (_, parent) in text::modules(top) {
        let draft = &parent.data.draft;
        for inst in draft.insts.iter().filter(|i| names[&i.module.address()] == module) {
            any = true;
            let port = inst.module.data.draft.inputs.iter().position(|port| port.name == input);
            let driver = port.and_then(|port| inst.inputs[port]);
            let driver = driver.and_then(|id| output_of(draft, id));
            let is_right = driver.is_some_and(|(inst, port)| {
                let child = &draft.insts[inst].module;
                names[&child.address()] == source && child.data.draft.outputs[port].name == input
            });
            if !is_right {
                return false;
            }
        }
    }
    any
}

/// The instance and the port of it that a node shows as it is.
fn output_of(draft: &Draft, id: NodeId) -> Option<(usize, usize)> {
    match &draft.nodes[id].op {
        Op::Wire(i) => output_of(draft, draft.wires[*i].source?),
        Op::InstOut(inst, port) => Some((*inst, *port)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Bypass, is_driven_by};
    use crate::Builder;
    use crate::mutate::{Kind, mutations};

    #[test]
    fn a_bypass_is_what_the_next_value_depends_on() {
        let m = Builder::new("child", "Two registers.");
        let (a, b) = (m.input("a", 4, "value"), m.input("b", 4, "value"));
        let first = m.pipe("first", a + b);
        let second = m.pipe("second", first ^ a);
        m.output("q", second, "later");
        m.output("kept", m.pipe_when("kept_q", a.bit(0), b), "sometimes");
        let child = m.finish();
        let m = Builder::new("fields", "Two fields.");
        m.output("a", m.input("x", 4, "value"), "field");
        m.output("c", m.lit(4, 3), "field");
        let fields = m.finish();
        let m = Builder::new("top", "Both.");
        let fields = m.inst("source", &fields).set("x", m.input("x", 4, "value"));
        let child = m.inst("child", &child).set("a", fields.out("a")).set("b", fields.out("c"));
        m.output("q", child.out("q"), "later");
        m.output("kept", child.out("kept"), "sometimes");
        let top = m.finish();
        let of = |what: &str| {
            let all = mutations(&top);
            let drop = all.iter().find(|m| m.kind == Kind::DropRegister && m.what == what);
            Bypass::of(&top, drop.expect("a register"))
        };
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let first = Bypass { inputs: names(&["a", "b"]), registers: Vec::new() };
        assert_eq!(of("register first"), Some(first));
        let second = Bypass { inputs: names(&["a"]), registers: names(&["first"]) };
        assert_eq!(of("register second"), Some(second));
        assert_eq!(of("register kept_q"), None);
        assert!(is_driven_by(&top, "child", "a", "fields"));
        assert!(!is_driven_by(&top, "child", "b", "fields"), "another name");
        assert!(!is_driven_by(&top, "child", "a", "child"));
        assert!(!is_driven_by(&top, "nobody", "a", "fields"));
    }
}
