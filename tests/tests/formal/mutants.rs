//! Broken texts: each proof must fail on them. Some run of the broken text breaks an assertion: the
//! proof does not fail for want of an invariant.

use crate::BUS_64;
use crate::mutate::mutate;
use crate::prover::Proof;
use crate::subjects::{
    behind_axi, count_cell, design, element, fetch, levels, lite, pixels, pool, post,
    processing_element, reader, results, sender, weight_reader, weight_ring,
};
use heartbit_ir::program::ArrayConfig;

/// A module, a text that occurs once in it, and what takes its place.
type Mutation = (&'static str, &'static str, &'static str);

/// The proofs of broken texts.
fn broken(proof: &Proof, mutations: &[Mutation]) -> impl Iterator<Item = Proof> {
    mutations.iter().map(|&(module, from, to)| {
        let mut broken = proof.clone();
        broken.design = mutate(broken.design, &format!("{module}.v"), from, to);
        broken.subject = format!("{} with `{to}` for `{from}`", proof.subject);
        broken
    })
}

/// Every broken text is refuted, and breaks an assertion within so many cycles.
#[track_caller]
fn check(proof: &Proof, cycles: u32, mutations: &[Mutation]) {
    for broken in broken(proof, mutations) {
        broken.refute();
        broken.break_within(cycles);
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
        // The first adder level loses its carries, the second one a field, a group its gate.
        ("popcount", "(x[7:0] & 8'd85) + (", "(x[7:0] & 8'd85) ^ ("),
        ("popcount", "(t3 & 8'd51)", "(t3 & 8'd49)"),
        ("popcount", "skip[1] ?", "skip[0] ?"),
    ];
    check(&processing_element(&design, &array), 8, &mutations);
    let mutations = [
        ("count_cell", "{fan_in[12:0], 1'b0}", "fan_in"),
        ("count_cell", "acc <= sum;", "acc <= north;"),
    ];
    check(&count_cell(&design, &array), 6, &mutations);
}

#[test]
fn broken_post_processing_is_refuted() {
    let array = element(8, 1, 5);
    let proof = post(&design(&array), &array);
    let mutations = [
        ("post", "- {1'b0, products}", "+ {1'b0, products}"),
        ("post", "floor : sum_6[15:0]", "clip : sum_6[15:0]"),
        // The bit of a value of 0.
        ("post", "~r_7[15]", "(~r_7[15]) & (|r_7)"),
        // A quarter is rounded the other way.
        ("shortcut", "& total[1]", "& total[0]"),
        ("shortcut", "{18{~first_word}}", "{18{first_word}}"),
    ];
    check(&proof, 10, &mutations);
}

const NONLINEARITY: [Mutation; 2] = [
    ("nonlinear", "$signed(t9) >= $signed(threshold)", "$signed(t9) > $signed(threshold)"),
    // Positive values are rounded, too.
    ("nonlinear", "t5 & u_9[22]", "t5"),
];

fn extended_post() -> Proof {
    let array = ArrayConfig { extended: true, ..element(8, 1, 5) };
    post(&design(&array), &array)
}

#[test]
fn broken_nonlinearity_is_refuted() {
    for broken in broken(&extended_post(), &NONLINEARITY) {
        broken.refute();
    }
}

#[test]
#[ignore = "minutes: make formal"]
fn broken_nonlinearity_breaks_an_assertion() {
    for broken in broken(&extended_post(), &NONLINEARITY) {
        broken.break_within(16);
    }
}

#[test]
fn broken_levels_and_pooling_are_refuted() {
    let array = ArrayConfig { extended: true, ..element(8, 1, 5) };
    let design = design(&array);
    check(&levels(&design), 2, &[("levels", "{8{~t4[15]}}", "{8{t4[15]}}")]);
    let mutations = [
        ("pool", "{32{~fresh}}", "32'hffffffff"),
        ("pool", "{sum[31], sum[31:1]}", "{1'b0, sum[31:1]}"),
    ];
    check(&pool(&design), 4, &mutations);
}

#[test]
fn broken_handshakes_are_refuted() {
    let axi = behind_axi(BUS_64);
    let mutations = [
        // A beat is overwritten while it waits, or dropped, or offered twice.
        ("axi_results", "(~valid_q) | m_axis_tready", "1'b1"),
        ("axi_results", "if (free_now) valid_q", "if (free_now | kill) valid_q"),
        ("axi_results", "if (free_now) valid_q", "if (t2) valid_q"),
        // A packet that was cut off has no end.
        ("axi_results", "(kill & begun) & t0", "1'b0"),
        ("axi_results", "closing | out_last", "out_last"),
    ];
    check(&results(&axi), 8, &mutations);
    let mutations = [
        ("axi_lite", "(aw_full & w_full) & ((~answered) | s_axi_bready)", "aw_full & w_full"),
        ("axi_lite", "(answered & s_axi_bready)", "answered"),
        ("axi_lite", "wire t2 = ~ar_full;", "wire t2 = 1'b1;"),
        ("axi_lite", "act & w_whole", "act"),
    ];
    check(&lite(&axi), 8, &mutations);
    let mutations = [
        ("axi_pixels", "accept | discarding_q", "1'b1"),
        ("axi_pixels", "accept | discarding_q", "accept"),
        ("axi_pixels", "~(last_pixel & t8)", "1'b1"),
        ("axi_pixels", "(kill & receiving_q)", "1'b0"),
    ];
    check(&pixels(&axi), 10, &mutations);
    let mutations = [
        // An address that waits is dropped or changes, a burst crosses a block, a beat too few.
        ("axi_reader", "if (ask | m_axi_arready) ar_valid", "if (1'b1) ar_valid"),
        ("axi_reader", "if (ask) ar_index", "if (1'b1) ar_index"),
        ("axi_reader", "5'd16 - {1'b0, index[3:0]}", "5'd16"),
        ("axi_reader", "left_to_come == 30'h1", "left_to_come == 30'h2"),
    ];
    check(&reader(&axi, BUS_64, 8), 6, &mutations);
    let mutations = [
        // There is no room; a burst is said to be asked for that is not; an error is not seen.
        ("axi_weight_reader", "wire ask = t2 & room;", "wire ask = t2;"),
        ("axi_weight_reader", "ask ? length : 5'd0", "length"),
        ("axi_weight_reader", "m_axi_rlast != ends", "m_axi_rlast & (~ends)"),
    ];
    check(&weight_reader(&axi, BUS_64, 8), 6, &mutations);
}

#[test]
fn broken_sequences_are_refuted() {
    let mutations = [
        // A beat is not waited for; the last of equal logits wins; a negative one is above a
        // positive one; a word's first logit is skipped.
        ("sender", "valid_now & out_ready", "valid_now"),
        ("sender", "h80000000) < (sent_logit", "h80000000) <= (sent_logit"),
        ("sender", "(best ^ 32'h80000000) < (sent_logit ^ 32'h80000000)", "best < sent_logit"),
        ("sender", "2'd0 : (column", "2'd1 : (column"),
    ];
    check(&sender(4), 9, &mutations);
    let mutations = [
        // A word too few or too many.
        ("fetch", "4'd8", "4'd7"),
        ("fetch", "4'd11", "4'd12"),
        ("fetch", "if (results_over_d2) layer_q", "if (results_over_d1) layer_q"),
    ];
    check(&fetch(&design(&element(8, 1, 14))), 30, &mutations);
}

#[test]
fn broken_weight_ring_is_refuted() {
    let mutations = [
        // A word is free a cycle early, a step does not wait, a beat goes to another group.
        ("weight_ring", "{3'd0, used_6}", "{3'd0, used_5}"),
        ("weight_ring", "(~(|fresh))", "1'b0"),
        ("weight_ring", "(group == 1'b0)", "1'b1"),
    ];
    check(&weight_ring(4, 2), 12, &mutations);
    // Words are accepted that have no place.
    check(&weight_ring(4, 2), 19, &[("weight_ring", "t0 & (~held[3])", "t0")]);
}
