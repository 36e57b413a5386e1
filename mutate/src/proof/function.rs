//! Whether a module with a mutation computes what it computes without: by SAT.
//!
//! The search is over everything that the module reads: inputs, registers, words of memories,
//! products. Only limits of the layers are taken from the program where they matter.

use batsat::{BasicSolver, Lit, SolverInterface, lbool};
use heartbit_compiler::schedule::Compiled;
use heartbit_hdl::Module;
use heartbit_hdl::mutate::{Conditions, Literal, Miter, Mutation};
use std::collections::BTreeSet;

/// Gates up to which a search is tried: more are those of the top module.
const MOST_GATES: usize = 200_000;

/// Whether the two agree for all values, or, where results are limited or levels written, for all
/// values with the limits, or the bits of a level, of each layer: while the results of a layer pass,
/// its fields stand (microarchitecture.md, section 5.4), and what passes between layers is written
/// nowhere.
pub(super) fn is_same(compiled: &Compiled, top: &Module, mutation: &Mutation) -> bool {
    if agrees(top, mutation, &[]) {
        return true;
    }
    let layers = &compiled.program.layers;
    if mutation.module == "writer" {
        let bits: BTreeSet<_> = layers.iter().map(|layer| i64::from(layer.level_bits)).collect();
        return bits.into_iter().all(|bits| agrees(top, mutation, &[("level_bits", bits)]));
    }
    let limits: BTreeSet<_> = match mutation.module.as_str() {
        "post" => layers.iter().map(|layer| i64::from(layer.clip)).collect(),
        "nonlinear" => layers.iter().map(|layer| i64::from(layer.value_clip)).collect(),
        _ => return false,
    };
    limits.into_iter().all(|clip| {
        let inputs = [("clip", clip), ("floor", -clip)];
        // Sums are not as large as their registers.
        let conditions = Conditions { inputs: &inputs, after_a_cycle: true, ..Default::default() };
        agrees(top, mutation, &inputs) || agrees_if(top, mutation, &conditions)
    })
}

/// Whether the two agree for all values, with some inputs known.
fn agrees(top: &Module, mutation: &Mutation, inputs: &[(&str, i64)]) -> bool {
    agrees_if(top, mutation, &Conditions { inputs, ..Conditions::default() })
}

/// Whether the two agree for all values under some conditions, as far as that is tried.
pub(super) fn agrees_if(top: &Module, mutation: &Mutation, conditions: &Conditions<'_>) -> bool {
    let miter = Miter::new(top, mutation, conditions);
    miter.is_some_and(|miter| miter.gates.len() <= MOST_GATES && !can_differ(&miter))
}

/// Whether there are values for which some pair differs.
fn can_differ(miter: &Miter) -> bool {
    let mut solver = BasicSolver::default();
    let variables: Vec<_> = miter.gates.iter().map(|_| solver.new_var_default()).collect();
    let literal =
        |literal: Literal| Lit::new(variables[literal as usize / 2], literal.is_multiple_of(2));
    let add = |solver: &mut BasicSolver, clause: &[Lit]| {
        solver.add_clause_reuse(&mut clause.to_vec());
    };
    // Gate 0 is the constant 0.
    add(&mut solver, &[literal(1)]);
    for (gate, operands) in miter.gates.iter().enumerate() {
        let Some([a, b]) = operands.map(|operands| operands.map(literal)) else { continue };
        let gate = Lit::new(variables[gate], true);
        add(&mut solver, &[!gate, a]);
        add(&mut solver, &[!gate, b]);
        add(&mut solver, &[gate, !a, !b]);
    }
    let mut some = Vec::new();
    for pair in &miter.pairs {
        let [a, b] = pair.map(literal);
        let differs = Lit::new(solver.new_var_default(), true);
        add(&mut solver, &[!differs, a, b]);
        add(&mut solver, &[!differs, !a, !b]);
        some.push(differs);
    }
    add(&mut solver, &some);
    solver.solve_limited(&[]) != lbool::FALSE
}

#[cfg(test)]
mod tests {
    use super::{Conditions, Miter, agrees, agrees_if, can_differ};
    use heartbit_hdl::mutate::{Kind, MUTANT, Schemata, mutations};
    use heartbit_hdl::{Builder, Module, Simulator};

    /// Every operator on two values of three bits.
    fn operators() -> Module {
        let m = Builder::new("operators", "All that a miter has gates for.");
        let value = |name| m.input(name, 3, "value").zero_extend(4);
        let (a, b) = (value("a"), value("b"));
        let least = m.mux(a.lt(b), a, b).named("least_now");
        m.output("least", least, "either one if they are equal");
        let signed = m.mux(a.sge(b), a, b).named("largest");
        m.output("clamped", m.mux(least.eq(3), 3, signed), "never both");
        m.output("sum", (a + b).named("sum_now") - (a & least), "sum and difference");
        let either = (a.any() | (a & b).all()).named("either");
        m.output("bits", m.concat(&[either, a.ne(b), a.bit(1).repeat(2) ^ b.keep(0, 2)]), "bits");
        let items = [a, b, least];
        m.output("item", m.select(a.keep(0, 2), &items), "the last one from 2 on");
        m.output("product", a.mul_signed(b), "taken to be anything");
        m.finish()
    }

    /// What the module shows for all values of its inputs.
    fn everything(module: &Module, mutant: u64) -> Vec<Vec<u64>> {
        let mut sim = Simulator::new(module);
        sim.set(MUTANT, mutant);
        let outputs = ["least", "clamped", "sum", "bits", "item", "product"];
        let values = (0..8).flat_map(|a| (0..8).map(move |b| (a, b)));
        values
            .map(|(a, b)| {
                sim.set("a", a);
                sim.set("b", b);
                outputs.iter().map(|name| sim.get(name)).collect()
            })
            .collect()
    }

    #[test]
    fn what_agrees_is_what_agrees_for_all_values() {
        let module = operators();
        let every = mutations(&module);
        let schemata = Schemata::new(&module, &every);
        let intact = everything(&schemata.module, 0);
        let (mut same, mut other) = (0, 0);
        for (number, mutation) in (1..).zip(&schemata.mutants) {
            let agrees = agrees(&module, mutation, &[]);
            assert_eq!(agrees, everything(&schemata.module, number) == intact, "{mutation:?}");
            *(if agrees { &mut same } else { &mut other }) += 1;
        }
        assert!(same > 2 && other > 20, "{same} agree, {other} do not");
    }

    #[test]
    fn what_differs_for_some_limits_only_agrees_for_the_others() {
        let m = Builder::new("clamp", "Limits a value.");
        let x = m.input("x", 7, "value").sign_extend(8);
        let (clip, floor) = (m.input("clip", 8, "most"), m.input("floor", 8, "if negative"));
        let limited = m.mux(clip.slt(x), clip, m.mux(x.msb(), floor, x));
        m.output("y", limited, "value");
        let module = m.finish();
        let every = mutations(&module);
        let limit = every.iter().find(|m| m.kind == Kind::OffByOne).expect("a comparison");
        let of =
            |clip: i64, floor: i64| agrees(&module, limit, &[("clip", clip), ("floor", floor)]);
        // At the limit itself either side gives the limit, unless it is negative.
        assert!(!agrees(&module, limit, &[]));
        assert!(of(50, -50) && of(0, 0) && !of(-5, 5));
        let register = Builder::new("keeper", "Something that is kept.");
        register.output("q", register.pipe("kept", register.input("d", 1, "value")), "later");
        let register = register.finish();
        let drop = mutations(&register).into_iter().find(|m| m.kind == Kind::DropRegister);
        assert!(
            Miter::new(&register, &drop.expect("a register"), &Conditions::default()).is_none()
        );
        let miter = Miter::new(&module, limit, &Conditions::default()).expect("a comparison");
        assert!(can_differ(&miter));
    }

    #[test]
    fn known_registers_and_ignored_bits_make_what_differs_agree() {
        let m = Builder::new("gated", "Counts where it is enabled.");
        let enable = m.pipe("enable_q", m.input("enable", 1, "may count"));
        let data = m.input("data", 3, "value");
        m.output("all", m.concat(&[data.bit(2), data.keep(0, 2) & enable.repeat(2)]), "value");
        let module = m.finish();
        let every = mutations(&module);
        let stuck = |what: &str, kind: Kind| {
            every.iter().find(|m| m.what == what && m.kind == kind).expect("a register").clone()
        };
        let enabled = stuck("net enable_q", Kind::StuckAt1);
        let agrees = |registers: &[(&str, i64)], ignored: Option<(&str, u32)>| {
            let conditions = Conditions { registers, ignored, ..Conditions::default() };
            agrees_if(&module, &enabled, &conditions)
        };
        assert!(agrees(&[("enable_q", 1)], None));
        assert!(!agrees(&[], None) && !agrees(&[("enable_q", 0)], None));
        assert!(!agrees(&[], Some(("all", 0))), "bit 1 differs, too");
        assert!(!agrees(&[], Some(("nothing", 0))), "no such output");
    }
}
