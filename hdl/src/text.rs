//! Verilog text of a module and of everything inside it.
//!
//! Plain Verilog-2005: one file per module, equal text is one module, a name that stands for
//! different texts gets a number (`pe`, `pe_2`). The text has no parameters and no generate blocks;
//! every literal is sized. Clean under `verilator --lint-only -Wall`, `yosys check -assert` and
//! `iverilog -g2005`, which `tests/tools.rs` asserts on random modules.

mod body;
mod state;

pub use state::{Condition, State, StateMemory, StateRegister, state};

use std::collections::HashMap;

use crate::build::Module;

/// One file of the emitted design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerilogFile {
    /// Name of the module, and of the file without `.v`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Prints `top` and all modules inside it, children before parents, `top` last.
///
/// Deterministic: the same description gives the same bytes.
pub fn emit(top: &Module) -> Vec<VerilogFile> {
    let mut emitter = Emitter::default();
    emitter.taken.insert(top.name().into(), 1);
    emitter.children(top);
    let names = emitter.child_names(top);
    let text = wrap(top.name(), &body::body(top, &names));
    emitter.files.push(VerilogFile { name: top.name().into(), text });
    emitter.files
}

/// The modules of the design and the names of their files, in the order of [`emit`]: of those that
/// share a file the first one.
pub(crate) fn modules(top: &Module) -> Vec<(String, Module)> {
    let mut emitter = Emitter::default();
    emitter.taken.insert(top.name().into(), 1);
    emitter.children(top);
    emitter.modules.push((top.name().into(), top.clone()));
    emitter.modules
}

/// The file of each module inside a design, by the address of its description.
pub(crate) fn names(top: &Module) -> HashMap<usize, String> {
    let mut emitter = Emitter::default();
    emitter.taken.insert(top.name().into(), 1);
    emitter.children(top);
    emitter.by_address
}

#[derive(Default)]
struct Emitter {
    files: Vec<VerilogFile>,
    /// What the files describe.
    modules: Vec<(String, Module)>,
    /// Final name of each description already printed, by address.
    by_address: HashMap<usize, String>,
    /// Final name by given name and text.
    by_text: HashMap<(String, String), String>,
    /// How many texts carry a given name.
    taken: HashMap<String, usize>,
}

impl Emitter {
    fn children(&mut self, module: &Module) {
        for inst in &module.data.draft.insts {
            self.visit(&inst.module);
        }
    }

    fn visit(&mut self, module: &Module) {
        let address = module.address();
        if self.by_address.contains_key(&address) {
            return;
        }
        self.children(module);
        let text = body::body(module, &self.child_names(module));
        let key = (module.name().to_owned(), text);
        let name = if let Some(name) = self.by_text.get(&key) {
            name.clone()
        } else {
            let name = self.fresh(module.name());
            self.files.push(VerilogFile { name: name.clone(), text: wrap(&name, &key.1) });
            self.modules.push((name.clone(), module.clone()));
            self.by_text.insert(key, name.clone());
            name
        };
        self.by_address.insert(address, name);
    }

    fn fresh(&mut self, base: &str) -> String {
        let mut count = self.taken.get(base).copied().unwrap_or(0);
        loop {
            count += 1;
            self.taken.insert(base.into(), count);
            let name = if count == 1 { base.to_owned() } else { format!("{base}_{count}") };
            // `pe_2` may be a given name too.
            if count == 1 || self.taken.insert(name.clone(), 1).is_none() {
                return name;
            }
        }
    }

    fn child_names(&self, module: &Module) -> Vec<String> {
        let name = |m: &Module| self.by_address[&m.address()].clone();
        module.data.draft.insts.iter().map(|inst| name(&inst.module)).collect()
    }
}

/// `body` starts with its comment, then `module @ (`.
fn wrap(name: &str, body: &str) -> String {
    let body = body.replacen("module @ ", &format!("module {name} "), 1);
    format!("`default_nettype none\n\n{body}\n`default_nettype wire\n")
}
