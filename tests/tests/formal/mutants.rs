//! Broken texts: each proof must fail on them, because a run of the broken text breaks an
//! assertion.

use crate::BUS_64;
use crate::mutate::mutate;
use crate::prover::Proof;
use crate::subjects::{
    behind_axi, count_cell, design, element, fetch, levels, lite, pixels, pool, post,
    processing_element, results, sender,
};
use heartbit_ir::program::ArrayConfig;

/// Refutes the proof for each replacement of a text that occurs once in a module.
#[track_caller]
fn check(proof: &Proof, cycles: u32, mutations: &[(&str, &str, &str)]) {
    for &(module, from, to) in mutations {
        let file = format!("{module}.v");
        let mut broken = proof.clone();
        broken.design = mutate(broken.design, &file, from, to);
        broken.subject = format!("{} with `{to}` for `{from}`", proof.subject);
        broken.refute(cycles);
    }
}

#[test]
fn broken_processing_element_is_refuted() {
    let array = element(16, 2, 14);
    let design = design(&array);
    let mutations = [
        ("pe", "~(a_q ^ w_q)", "(a_q ^ w_q)"),
        ("pe", "{acc[12:0], 1'b0}", "acc"),
        ("pe", "tokens[2] ? sum : north", "tokens[2] ? acc : north"),
        ("pe", "tokens[2] | shift", "tokens[2] & shift"),
        ("pe", "w_q <= w;", "w_q <= a;"),
        // The first adder level loses a carry, a later one a lane; a group is not skipped.
        ("popcount", "16'h5555) + (", "16'h5555) ^ ("),
        ("popcount", "16'h3333) + (", "16'h3332) + ("),
        ("popcount", "skip[1] ?", "skip[0] ?"),
    ];
    check(&processing_element(&design, &array), 8, &mutations);
    let mutations = [
        ("count_cell", "tokens[0] ? 14'h0", "tokens[0] ? fan_in"),
        ("count_cell", "{fan_in[12:0], 1'b0}", "fan_in"),
    ];
    check(&count_cell(&design, &array), 6, &mutations);
}
