//! What a module and all modules inside it remember, and what decides whether they do: for
//! simulators that know X.
//!
//! The expressions are those of the text, in which each name is a path from the top module on, as a
//! test bench beside the design writes it.
//!
//! Not here: which of it has to be known when.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::body::{Printer, bare};
use crate::build::Module;

/// The state of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Instance names from the top module on, joined by points.
    pub path: String,
    /// Registers, the read registers of memories included.
    pub registers: Vec<StateRegister>,
    /// Memories.
    pub memories: Vec<StateMemory>,
    /// What decides whether registers and memories take what is at their inputs.
    pub conditions: Vec<Condition>,
}

/// A register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRegister {
    /// Its name in the instance.
    pub name: String,
    /// Bits.
    pub width: u32,
    /// Whether `rst` gives it a value.
    pub has_reset: bool,
}

/// A memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateMemory {
    /// Its name in the instance.
    pub name: String,
    /// Bits of a word.
    pub width: u32,
    /// Words.
    pub depth: u32,
}

/// An expression that must be known in every clock edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The register or memory of the instance that it is for, and what it is of it.
    pub of: String,
    /// Verilog, with paths for names.
    pub expression: String,
}

/// Returns the state of `top` and of every instance inside it that has any, parents first.
pub fn state(top: &Module) -> Vec<State> {
    let mut states = Vec::new();
    collect(top, top.name(), &mut HashMap::new(), &mut states);
    states
}

/// Adds the instance at `path` and those inside; `known` holds the state of descriptions by address,
/// with the names of an instance without a path.
fn collect(
    module: &Module,
    path: &str,
    known: &mut HashMap<usize, State>,
    states: &mut Vec<State>,
) {
    let address = Arc::as_ptr(&module.data).addr();
    let own = known.entry(address).or_insert_with(|| of_module(module)).clone();
    if !own.registers.is_empty() {
        let qualify = |condition: Condition| Condition {
            expression: qualified(&condition.expression, path),
            ..condition
        };
        states.push(State {
            path: path.to_owned(),
            conditions: own.conditions.into_iter().map(qualify).collect(),
            ..own
        });
    }
    for inst in &module.data.draft.insts {
        collect(&inst.module, &format!("{path}.{}", inst.name), known, states);
    }
}

fn of_module(module: &Module) -> State {
    let printer = Printer::with_expressions(module);
    let draft = &module.data.draft;
    let text = |node: usize| bare(printer.text(node)).to_owned();
    let mut state = State::default();
    let mut seen = BTreeSet::new();
    let mut condition = |of: String, expression: String| {
        // Registers often share their enable.
        (is_variable(&expression) && seen.insert(expression.clone()))
            .then_some(Condition { of, expression })
    };
    for reg in &draft.regs {
        state.registers.push(StateRegister {
            name: reg.name.clone(),
            width: draft.nodes[reg.node].width,
            has_reset: reg.reset.is_some(),
        });
        let enable = reg.enable.map(text);
        let of = format!("enable of `{}`", reg.name);
        state.conditions.extend(enable.and_then(|enable| condition(of, enable)));
    }
    for mem in &draft.mems {
        let (name, width) = (mem.name.clone(), mem.width);
        let port = format!("{name}_q");
        state.registers.push(StateRegister { name: port.clone(), width, has_reset: false });
        if let Some(write) = &mem.write {
            let (enable, address) = (text(write.enable), text(write.address));
            let address = format!("({enable}) & (^({address}))");
            let of = format!("write enable of `{name}`");
            state.conditions.extend(condition(of, enable));
            state.conditions.extend(condition(format!("write address of `{name}`"), address));
        }
        let enable = mem.read.as_ref().and_then(|read| read.enable).map(text);
        let of = format!("enable of `{port}`");
        state.conditions.extend(enable.and_then(|enable| condition(of, enable)));
        state.memories.push(StateMemory { name, width, depth: mem.depth });
    }
    for inst in &draft.insts {
        let reset = inst.reset.map(text);
        let of = format!("reset of `{}`", inst.name);
        state.conditions.extend(reset.and_then(|reset| condition(of, reset)));
    }
    state
}

/// Whether an expression has a name.
fn is_variable(expression: &str) -> bool {
    qualified(expression, "") != expression
}

/// Puts `path` and a point before every name of an expression.
fn qualified(expression: &str, path: &str) -> String {
    let mut out = String::with_capacity(expression.len() * 2);
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut before = ' ';
    for c in expression.chars() {
        // `8'hff`, `$signed` and the numbers of slices are no names, nor are the words' other letters.
        let begins = c.is_ascii_alphabetic() || c == '_';
        if begins && !is_word(before) && before != '\'' && before != '$' {
            out.push_str(path);
            out.push('.');
        }
        out.push(c);
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{qualified, state};
    use crate::Builder;

    #[test]
    fn every_name_and_nothing_else_gets_the_path() {
        assert_eq!(
            qualified("((a_1[3:0] + 4'hf) == t2) & ($signed(b) < 8'd3)", "top.x"),
            "((top.x.a_1[3:0] + 4'hf) == top.x.t2) & ($signed(top.x.b) < 8'd3)"
        );
    }

    #[test]
    fn state_of_an_instance_has_its_path_and_the_conditions_of_its_text() {
        let m = Builder::new("inner", "");
        let (go, data) = (m.input("go", 1, ""), m.input("data", 8, ""));
        let memory = m.memory("words", 8, 4);
        memory.write(go, data.slice(0, 2), data);
        let kept = m.pipe_when("kept", go, memory.read(data.slice(2, 2)));
        m.output("out", kept, "");
        let inner = m.finish();
        let m = Builder::new("outer", "");
        let part = m.inst("part", &inner);
        part.set("go", m.input("go", 1, "")).set("data", m.input("data", 8, ""));
        m.output("out", part.out("out"), "");
        let states = state(&m.finish());
        let [state] = states.as_slice() else { panic!("{states:#?}") };
        assert_eq!(state.path, "outer.part");
        let names: Vec<&str> = state.registers.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["kept", "words_q"]);
        let texts: Vec<&str> = state.conditions.iter().map(|c| c.expression.as_str()).collect();
        // The enable is one of the register and of the memory.
        assert_eq!(texts, ["outer.part.go", "(outer.part.go) & (^(outer.part.data[1:0]))"]);
    }
}
