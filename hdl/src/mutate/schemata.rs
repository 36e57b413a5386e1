//! A design with many mutations in it, of which an input chooses.

use super::rewrite::Rewriter;
use super::{Cone, InstanceName, Kind, Mutation};
use crate::build::node::{Draft, InputDecl, Op, OutputDecl, RegDecl};
use crate::build::{DescriptionError, Module, check};
use crate::text;
use std::collections::{BTreeMap, HashMap};

/// The input that says which mutant is active, 0 for none.
pub const MUTANT: &str = "mutant";
/// Its bits.
pub const MUTANT_BITS: u32 = 16;
/// The input that forgets what [`INFECTED`] shows.
pub const CLEAR: &str = "mutant_clear";
/// The output that is 1 from the first cycle on in which the active mutant made a difference where
/// it is: a net had another value, or an enable. As long as it is 0, the design has done what it
/// would have done without the mutant.
pub const INFECTED: &str = "infected";
/// The output that is 1 from the first cycle on in which that difference left the module of the
/// active mutant. As long as it is 0, all that is not within [`Cone::of_input`] of the pixels has done
/// outside of the module what it would have done without the mutant; and so has the rest, if what
/// is mutated is not within that cone.
///
/// In modules with memories or instances whatever is infected has left. Of mutants within the cone
/// it says nothing.
pub const ESCAPED: &str = "escaped";
/// The input of which the cone is meant.
pub(crate) const PIXELS: &str = "in_data";

/// A design with mutations in it.
#[derive(Clone, Debug)]
pub struct Schemata {
    /// The design, with the inputs [`MUTANT`] and [`CLEAR`] and the outputs [`INFECTED`] and
    /// [`ESCAPED`] besides its own.
    pub module: Module,
    /// Mutant `i + 1` is the mutation `mutants[i]`.
    pub mutants: Vec<Mutation>,
    /// Mutations that are not in the design: without the register, and with the registers that
    /// others drop bypassed, there would be a combinational loop.
    pub left_out: Vec<Mutation>,
}

impl Schemata {
    /// Puts mutations into a design.
    ///
    /// # Panics
    /// If there are none, more than 30,000, or some that are not of this design.
    pub fn new(top: &Module, mutations: &[Mutation]) -> Self {
        assert!((1..=30_000).contains(&mutations.len()), "bug: {} mutants", mutations.len());
        let parts = Parts::new(top);
        // Only a register that is dropped adds a path, and so perhaps a loop.
        let (drops, others): (Vec<_>, Vec<_>) =
            mutations.iter().cloned().partition(|m| m.kind == Kind::DropRegister);
        let (mut mutants, mut left_out) = (others, Vec::new());
        parts.add(&mut mutants, drops, &mut left_out);
        let module = parts.build(&mutants).expect("bug: a loop without a dropped register");
        Self { module, mutants, left_out }
    }
}

/// The modules of a design.
struct Parts {
    /// With the names of their files, children before parents.
    modules: Vec<(String, Module)>,
    /// The file of each, by the address of its description.
    names: HashMap<usize, String>,
    cone: Cone,
    top: String,
}

impl Parts {
    fn new(top: &Module) -> Self {
        let (modules, names) = (text::modules(top), text::names(top));
        Self { modules, names, cone: Cone::of_input(top, PIXELS), top: top.name().to_owned() }
    }

    /// Adds those mutations with which there is no loop: all, or else some of each half.
    fn add(&self, to: &mut Vec<Mutation>, mut more: Vec<Mutation>, left_out: &mut Vec<Mutation>) {
        let before = to.len();
        to.extend_from_slice(&more);
        if more.is_empty() || self.build(to).is_ok() {
            return;
        }
        to.truncate(before);
        if more.len() == 1 {
            left_out.append(&mut more);
            return;
        }
        let second = more.split_off(more.len() / 2);
        self.add(to, more, left_out);
        self.add(to, second, left_out);
    }

    fn build(&self, mutations: &[Mutation]) -> Result<Module, DescriptionError> {
        let numbers = Numbers::new(mutations);
        let mut done: HashMap<&str, Module> = HashMap::new();
        for (name, module) in &self.modules {
            let draft = &module.data.draft;
            let child = |inst: usize| self.names[&draft.insts[inst].module.address()].as_str();
            let touched: Vec<usize> =
                (0..draft.insts.len()).filter(|i| done.contains_key(child(*i))).collect();
            let own = numbers.own.get(name.as_str());
            if own.is_none() && touched.is_empty() {
                continue;
            }
            let mut rewriter = Rewriter::new(draft);
            for (id, mutation) in own.into_iter().flatten() {
                rewriter.apply(*id, mutation);
            }
            if let Some(own) = own {
                let is_control = own.iter().any(|(_, mutation)| !self.cone.contains(mutation));
                let watched = is_control && draft.insts.is_empty();
                let nodes = if watched { self.cone.frontier(name) } else { Vec::new() };
                rewriter.watch(draft, &nodes);
            }
            for inst in touched {
                rewriter.draft.insts[inst].module = done[child(inst)].clone();
                let instance =
                    InstanceName { parent: name.clone(), name: draft.insts[inst].name.clone() };
                let gates = numbers.gates.get(&(child(inst).to_owned(), instance));
                rewriter.connect(inst, gates.map_or(&[], Vec::as_slice));
            }
            let draft = if *name == self.top { observed(rewriter) } else { rewriter.into_draft() };
            done.insert(name, check::finish(draft)?);
        }
        Ok(done.remove(self.top.as_str()).expect("bug: no mutation is of this design"))
    }
}

/// Closes the top module: what it shows is kept in registers.
fn observed(mut rewriter: Rewriter) -> Draft {
    let seen = rewriter.seen();
    let place = rewriter.draft.place;
    let clear = rewriter.push(Op::Input(rewriter.draft.inputs.len()), 1);
    let zero = rewriter.push(Op::Const(vec![0]), 1);
    let shown = [
        (INFECTED, "the active mutant has made a difference"),
        (ESCAPED, "the difference has left its module"),
    ];
    for ((name, doc), any) in shown.into_iter().zip(seen) {
        let kept = rewriter.push(Op::Reg(rewriter.draft.regs.len()), 1);
        let set = rewriter.push(Op::Binary(crate::build::node::Binary::Or, kept, any), 1);
        let next = rewriter.push(Op::Mux(clear, zero, set), 1);
        // No reset: what a mutant does during the reset counts.
        rewriter.draft.regs.push(RegDecl {
            name: format!("{name}_q"),
            reset: None,
            enable: None,
            next: Some(next),
            node: kept,
        });
        rewriter.draft.outputs.push(OutputDecl {
            name: name.to_owned(),
            width: 1,
            doc: doc.to_owned(),
            source: kept,
        });
    }
    let mut draft = rewriter.draft;
    debug_assert_eq!(draft.place, place, "bug: another module");
    draft.inputs.push(InputDecl {
        name: CLEAR.to_owned(),
        width: 1,
        doc: "forget earlier differences".to_owned(),
        node: clear,
    });
    draft
}

/// Which number activates what in which module.
struct Numbers<'a> {
    /// The mutations of a module and their numbers within it.
    own: BTreeMap<&'a str, Vec<(u16, &'a Mutation)>>,
    /// For an instance of a module: from the number of the design to that within the module.
    gates: BTreeMap<(String, InstanceName), Vec<(u16, u16)>>,
}

impl<'a> Numbers<'a> {
    fn new(mutations: &'a [Mutation]) -> Self {
        let mut numbers = Self { own: BTreeMap::new(), gates: BTreeMap::new() };
        // Mutations of one instance share a number within the module that none of the design has.
        let mut shared: BTreeMap<(&str, Kind, super::Target), u16> = BTreeMap::new();
        let mut next = number(mutations.len() + 1);
        for (index, mutation) in mutations.iter().enumerate() {
            let id = number(index + 1);
            let Some(instance) = &mutation.instance else {
                numbers.own.entry(&mutation.module).or_default().push((id, mutation));
                continue;
            };
            let key = (mutation.module.as_str(), mutation.kind, mutation.target);
            let inside = *shared.entry(key).or_insert_with(|| {
                numbers.own.entry(&mutation.module).or_default().push((next, mutation));
                next += 1;
                next - 1
            });
            let gate = (mutation.module.clone(), instance.clone());
            numbers.gates.entry(gate).or_default().push((id, inside));
        }
        numbers
    }
}

fn number(of: usize) -> u16 {
    u16::try_from(of).expect("bug: at most 30,000 mutants")
}
