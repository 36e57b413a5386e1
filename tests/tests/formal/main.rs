//! Proofs about the emitted Verilog, for every input and every run, not only for those that were
//! simulated: processing element, count column, post-processing and pooling equal their
//! specification, and no handshake loses or repeats a beat, changes an offer or waits for ever.
//!
//! `properties/` is the specification, in Verilog that is written from docs/microarchitecture.md
//! and docs/axi.md; docs/formal.md says what is proven and how. The text that is proven is read
//! from the files that `heartbit compile` writes.
//!
//! Each proof stands beside a run in which its assertions have something to say (`reach`) and
//! beside broken texts that do not pass (`mutants`). Tests that are ignored here are the other
//! configurations: `make formal`.

mod cuts;
mod mutants;
#[path = "../support/mutate.rs"]
mod mutate;
mod prover;
mod subjects;

use heartbit_hdl::axi::AxiConfig;
use heartbit_ir::program::ArrayConfig;
use prover::Proof;
use subjects::{
    behind_axi, count_cell, design, element, fetch, levels, lite, pixels, pool, post,
    processing_element, reader, results, sender, weight_reader, weight_ring,
};

const BUS_64: AxiConfig = AxiConfig { data_bits: 64, address_bits: 32 };
const BUS_32: AxiConfig = AxiConfig { data_bits: 32, address_bits: 40 };

#[track_caller]
fn check(proof: &Proof) {
    proof.prove();
    proof.reach();
}

/// Lanes, lane groups and accumulator bits.
#[track_caller]
fn check_elements(shapes: &[(usize, usize, u32)]) {
    for &(lanes, taps, acc_bits) in shapes {
        let array = element(lanes, taps, acc_bits);
        let design = design(&array);
        processing_element(&design, &array).prove();
        count_cell(&design, &array).prove();
    }
}

#[test]
fn narrow_processing_elements_count_equal_bits() {
    let shapes = [(4, 1, 12), (5, 1, 3), (8, 1, 14), (8, 2, 14), (16, 1, 14), (16, 4, 20)];
    check_elements(&shapes);
    check_elements(&[(24, 2, 14), (32, 1, 14), (32, 4, 14), (36, 2, 14), (37, 1, 1)]);
}

#[test]
fn wide_processing_elements_count_equal_bits() {
    check_elements(&[(48, 1, 14), (64, 1, 14), (64, 2, 14), (64, 4, 14), (128, 1, 14)]);
}

#[test]
fn processing_elements_can_do_what_is_proven_of_them() {
    for (lanes, taps) in [(4, 1), (16, 4)] {
        let array = element(lanes, taps, 14);
        let design = design(&array);
        processing_element(&design, &array).reach();
        count_cell(&design, &array).reach();
    }
}

#[test]
#[ignore = "minutes: make formal"]
fn every_processing_element_of_the_search_counts_equal_bits() {
    let shapes: Vec<_> = (1..=32)
        .flat_map(|n| [1, 2, 4].map(|taps| (4 * n, taps, 14)))
        .filter(|(lanes, taps, _)| lanes % taps == 0)
        .collect();
    check_elements(&shapes);
    check_elements(&[(100, 1, 31), (101, 1, 24), (127, 1, 9), (256, 1, 20), (256, 4, 20)]);
}

#[track_caller]
fn check_post(acc_bits: u32, extended: bool) -> Proof {
    let array = ArrayConfig { extended, ..element(8, 1, acc_bits) };
    let proof = post(&design(&array), &array);
    proof.prove();
    proof
}

#[test]
fn post_processing_is_wide_arithmetic() {
    check_post(14, false).reach();
    check_post(20, false);
}

#[test]
fn extended_post_processing_is_wide_arithmetic() {
    check_post(14, true);
}

#[test]
#[ignore = "minutes: make formal"]
fn extended_post_processing_can_do_what_is_proven_of_it() {
    check_post(5, true).reach();
}

#[test]
#[ignore = "minutes: make formal"]
fn post_processing_of_every_accumulator_is_wide_arithmetic() {
    for acc_bits in 1..=31 {
        check_post(acc_bits, false);
        check_post(acc_bits, true);
    }
}

#[test]
fn pooling_and_levels_are_wide_arithmetic() {
    let array = ArrayConfig { extended: true, ..element(8, 1, 14) };
    let design = design(&array);
    check(&levels(&design));
    check(&pool(&design));
}

#[test]
fn sender_sends_every_logit_once_and_the_class() {
    for cols in [1, 2, 5, 8] {
        sender(cols).prove();
    }
    sender(2).reach();
}

#[test]
fn descriptors_are_fetched_word_by_word() {
    check(&fetch(&design(&element(8, 1, 14))));
}

#[test]
fn control_port_answers_every_request_once() {
    check(&lite(&behind_axi(BUS_64)));
}

#[test]
fn streams_lose_and_repeat_nothing() {
    let axi = behind_axi(BUS_64);
    check(&pixels(&axi));
    check(&results(&axi));
}

#[test]
fn every_beat_of_an_order_is_read_once() {
    let axi = behind_axi(BUS_64);
    check(&reader(&axi, BUS_64, 8));
    check(&weight_reader(&axi, BUS_64, 8));
}

#[test]
#[ignore = "minutes: make formal"]
fn every_beat_of_a_long_order_is_read_once() {
    for bus in [BUS_64, BUS_32] {
        let axi = behind_axi(bus);
        reader(&axi, bus, 16).prove();
        weight_reader(&axi, bus, 16).prove();
    }
}

#[test]
fn weight_ring_keeps_the_order_of_words() {
    check(&weight_ring(4, 2));
    weight_ring(1, 1).prove();
    weight_ring(6, 1).prove();
}
