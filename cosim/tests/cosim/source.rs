//! The source of a valid/ready port.

use heartbit_cosim::{Design, Port, PortId, Simulation, Source};
use heartbit_ir::program::PortSlots;

use crate::model;

/// Takes a beat in two of five cycles, and shows its inputs.
pub(crate) fn sink() -> Design {
    let verilog = "module sink(input clk, input valid, input [39:0] data, output ready,\n\
                   output seen_valid, output [39:0] seen, output reg [15:0] taken,\n\
                   output reg [39:0] sum);\n\
                   reg [2:0] phase;\n\
                   initial begin phase = 0; taken = 0; sum = 0; end\n\
                   assign ready = phase == 3'd1 || phase == 3'd2;\n\
                   assign seen_valid = valid;\n\
                   assign seen = data;\n\
                   always @(posedge clk) begin\n\
                   phase <= phase == 3'd4 ? 3'd0 : phase + 3'd1;\n\
                   if (valid && ready) begin taken <= taken + 16'd1; sum <= sum * 3 + data; end\n\
                   end\n\
                   endmodule\n";
    Design::new("sink")
        .file("sink.v", verilog)
        .port(Port::input("clk", 1))
        .port(Port::input("valid", 1))
        .port(Port::input("data", 40))
        .port(Port::output("ready", 1))
        .port(Port::output("seen_valid", 1))
        .port(Port::output("seen", 40))
        .port(Port::output("taken", 16))
        .port(Port::output("sum", 40))
}

fn port(model: &dyn Simulation, name: &str) -> PortId {
    model.port(name).expect("bug: the port exists")
}

/// Beats of 40 bits.
fn beats(n: u32) -> Vec<u32> {
    (0..n).flat_map(|i| [i.wrapping_mul(0x9e37_79b9), (i * 7) & 0xff]).collect()
}

fn value(beats: &[u32], index: usize) -> u64 {
    let at = 2 * index % beats.len();
    u64::from(beats[at]) | u64::from(beats[at + 1]) << 32
}

/// Every cycle of several sources against the words of `Source`.
#[track_caller]
pub(crate) fn check_sources(model: &mut dyn Simulation) {
    check_source(model, 7, &PortSlots { latency: 0, pattern: vec![true] });
    check_source(model, 3, &PortSlots { latency: 13, pattern: vec![true] });
    check_source(model, 1, &PortSlots::at_rate(2, 3, 7));
}

#[track_caller]
fn check_source(model: &mut dyn Simulation, n_beats: u32, slots: &PortSlots) {
    let [valid, ready, data] = ["valid", "ready", "data"].map(|name| port(model, name));
    let [seen_valid, seen, taken] = ["seen_valid", "seen", "taken"].map(|name| port(model, name));
    let beats = beats(n_beats);
    let before = model.get(taken);
    model.set_source(Some(&Source { valid, ready, data, beats: &beats, slots }));
    model.eval().expect("bug: the design does not stop");
    let (mut offering, mut accepted) = (false, 0);
    for cycle in 0..200 {
        offering |= slots.is_slot(cycle);
        assert_eq!(model.get(seen_valid), u64::from(offering), "cycle {cycle}");
        if offering {
            assert_eq!(model.get(seen), value(&beats, accepted), "beat {accepted}");
        }
        if offering && model.get(ready) == 1 {
            offering = false;
            accepted += 1;
        }
        model.tick().expect("bug: the design does not stop");
    }
    assert_eq!(model.get(taken) - before, accepted as u64);
    assert!(accepted > beats.len() / 2, "the sequence is repeated");
}

#[test]
fn source_offers_in_slots_until_a_beat_is_accepted() {
    let mut model = model(sink());
    check_sources(&mut model);
    // Ended in the middle of an offer.
    let seen_valid = port(&model, "seen_valid");
    model.set_source(None);
    model.tick().expect("bug: the design does not stop");
    assert_eq!(model.get(seen_valid), 0);
    let taken = model.get(port(&model, "taken"));
    model.run(50).expect("bug: the design does not stop");
    assert_eq!(model.get(port(&model, "taken")), taken);
}

#[test]
fn source_is_driven_alike_however_the_clock_is_run() {
    let slots = PortSlots::at_rate(3, 1, 3);
    let beats = beats(5);
    let sums = |cycles: &[u64]| {
        let mut model = model(sink());
        let [valid, ready, data] = ["valid", "ready", "data"].map(|name| port(&model, name));
        model.set_source(Some(&Source { valid, ready, data, beats: &beats, slots: &slots }));
        for &n in cycles {
            model.run(n).expect("bug: the design does not stop");
        }
        model.get(port(&model, "sum"))
    };
    let once = sums(&[90]);
    assert_ne!(once, 0);
    assert_eq!(sums(&[1; 90]), once);
    assert_eq!(sums(&[13, 40, 37]), once);
}

#[test]
#[should_panic(expected = "wider than its port")]
fn beats_of_too_many_bits_are_refused() {
    let mut model = model(sink());
    let [valid, ready, data] = ["valid", "ready", "data"].map(|name| port(&model, name));
    let slots = PortSlots::at_rate(0, 1, 1);
    model.set_source(Some(&Source { valid, ready, data, beats: &[0, 1 << 8], slots: &slots }));
}
