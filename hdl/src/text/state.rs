//! What a module and all modules inside it remember, and what decides whether they do: for
//! simulators that know X.
//!
//! The expressions are those of the text, in which each name is a path from the top module on, as a
//! test bench beside the design writes it.
//!
//! Not here: which of it has to be known when.

use std::collections::HashMap;
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
    /// The register that it enables and the value that this then takes, as Verilog with paths; where
    /// both are the same it does not matter what the condition is. `None` for what always matters.
    pub effect: Option<[String; 2]>,
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
            of: condition.of,
            expression: qualified(&condition.expression, path),
            effect: condition.effect.map(|texts| texts.map(|text| qualified(&text, path))),
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
    let always = |of: String, expression: String| Condition { of, expression, effect: None };
    let mut state = State::default();
    for reg in &draft.regs {
        let name = &reg.name;
        state.registers.push(StateRegister {
            name: name.clone(),
            width: draft.nodes[reg.node].width,
            has_reset: reg.reset.is_some(),
        });
        state.conditions.extend(reg.enable.map(|enable| Condition {
            of: format!("enable of `{name}`"),
            expression: text(enable),
            effect: reg.next.map(|next| [name.clone(), text(next)]),
        }));
    }
    for mem in &draft.mems {
        let (name, width) = (mem.name.clone(), mem.width);
        let port = format!("{name}_q");
        if let Some(write) = &mem.write {
            let (enable, address) = (text(write.enable), text(write.address));
            let address = format!("({enable}) & (^({address}))");
            state.conditions.push(always(format!("write enable of `{name}`"), enable));
            state.conditions.push(always(format!("write address of `{name}`"), address));
        }
        let enable = mem.read.as_ref().and_then(|read| read.enable).map(text);
        state.conditions.extend(enable.map(|enable| always(format!("enable of `{port}`"), enable)));
        state.registers.push(StateRegister { name: port, width, has_reset: false });
        state.memories.push(StateMemory { name, width, depth: mem.depth });
    }
    for inst in &draft.insts {
        let of = || format!("reset of `{}`", inst.name);
        state.conditions.extend(inst.reset.map(|reset| always(of(), text(reset))));
    }
    state.conditions.retain(|condition| is_variable(&condition.expression));
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
        let address = "(outer.part.go) & (^(outer.part.data[1:0]))";
        assert_eq!(texts, ["outer.part.go", "outer.part.go", address]);
        let effect = ["outer.part.kept", "outer.part.words_q"].map(str::to_owned);
        assert_eq!(state.conditions[0].effect, Some(effect));
    }
}
