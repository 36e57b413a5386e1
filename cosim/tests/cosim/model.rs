//! Ports, clock, and recorder of a model.

use std::fmt::Write as _;

use heartbit_cosim::{Design, Error, Initial, Model, Port, PortId, Simulation};

use crate::{build, counter, model, toolchain};

/// A reproducible stream of 32-bit words (Knuth's 64-bit linear congruential generator).
struct Words(u64);

impl Iterator for Words {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some(u32::try_from(self.0 >> 32).expect("bug: 32 bits are left"))
    }
}

fn accumulator() -> Design {
    let verilog = "module accumulator(input clk, input clear, input [31:0] west,\n\
                   input [31:0] north, output reg [15:0] acc);\n\
                   wire [5:0] n_equal = 6'($countones(west ~^ north));\n\
                   always @(posedge clk) acc <= (clear ? 16'd0 : acc) + {10'd0, n_equal};\n\
                   endmodule\n";
    Design::new("accumulator")
        .file("accumulator.sv", verilog)
        .port(Port::input("clk", 1))
        .port(Port::input("clear", 1))
        .port(Port::input("west", 32))
        .port(Port::input("north", 32))
        .port(Port::output("acc", 16))
}

#[test]
fn accumulator_agrees_with_rust_popcount_every_cycle() {
    let mut model = model(accumulator());
    let port = |name| model.port(name).expect("bug: the port exists");
    let (clear, west, north, acc) = (port("clear"), port("west"), port("north"), port("acc"));
    let mut words = Words(1);
    let mut expected: u16 = 0;
    for cycle in 0..1_000 {
        let (a, b) = (words.next().unwrap_or(0), words.next().unwrap_or(0));
        let is_clear = cycle % 50 == 0;
        model.set(clear, u64::from(is_clear));
        model.set(west, u64::from(a));
        model.set(north, u64::from(b));
        model.tick().expect("bug: the design does not stop");
        let matches = u16::try_from((!(a ^ b)).count_ones()).expect("bug: at most 32");
        expected = matches.wrapping_add(if is_clear { 0 } else { expected });
        assert_eq!(model.get(acc), u64::from(expected), "cycle {cycle}");
    }
    assert_eq!(model.cycle(), 1_000);
}

#[test]
fn ports_of_every_storage_class_carry_all_bits_and_no_more() {
    const WIDTHS: [u32; 14] = [1, 7, 8, 9, 16, 17, 32, 33, 63, 64, 65, 100, 512, 1024];
    let mut list = String::from("input clk");
    let mut body = String::new();
    let mut design = Design::new("wide").port(Port::input("clk", 1));
    for width in WIDTHS {
        let top = width - 1;
        write!(list, ",\ninput [{top}:0] d{width}, output reg [{top}:0] q{width}")
            .and_then(|()| writeln!(body, "always @(posedge clk) q{width} <= ~d{width};"))
            .expect("bug: writing to a string");
        design = design
            .port(Port::input(format!("d{width}"), width))
            .port(Port::output(format!("q{width}"), width));
    }
    let mut model =
        model(design.file("wide.v", format!("module wide({list});\n{body}endmodule\n")));
    let mut random = Words(2);
    for round in 0..50 {
        let mut expected = Vec::new();
        for width in WIDTHS {
            let mask = if width % 32 == 0 { u32::MAX } else { (1 << (width % 32)) - 1 };
            let n_words = width.div_ceil(32) as usize;
            let mut value: Vec<u32> = random.by_ref().take(n_words).collect();
            value[n_words - 1] &= mask;
            let port = model.port(&format!("d{width}")).expect("bug: the port exists");
            model.poke(port, &value);
            let mut inverse: Vec<u32> = value.iter().map(|word| !word).collect();
            inverse[n_words - 1] &= mask;
            expected.push(inverse);
        }
        model.tick().expect("bug: the design does not stop");
        for (width, expected) in WIDTHS.iter().zip(&expected) {
            let port = model.port(&format!("q{width}")).expect("bug: the port exists");
            let mut found = vec![0xdead_beef; expected.len()];
            model.peek(port, &mut found);
            assert_eq!(&found, expected, "{width} bits, round {round}");
        }
    }
}

#[test]
#[should_panic(expected = "more than the 33 bits")]
fn poke_of_a_bit_above_the_width_panics() {
    let design = Design::new("odd")
        .file("odd.v", "module odd(input [32:0] a, output [32:0] y); assign y = ~a; endmodule\n")
        .port(Port::input("a", 33))
        .port(Port::output("y", 33));
    let mut model = model(design);
    let a = model.port("a").expect("bug: the port exists");
    model.poke(a, &[0, 2]);
}

#[test]
fn combinational_design_evaluates_and_refuses_to_tick() {
    let design = Design::new("odd")
        .file("odd.v", "module odd(input [32:0] a, output [32:0] y); assign y = ~a; endmodule\n")
        .port(Port::input("a", 33))
        .port(Port::output("y", 33));
    let mut model = model(design);
    let (a, y) = (model.port("a"), model.port("y"));
    let (a, y) = (a.expect("bug: the port exists"), y.expect("bug: the port exists"));
    model.set(a, 0x1_0000_00ff);
    model.eval().expect("bug: the design does not stop");
    assert_eq!(model.get(y), 0xffff_ff00);
    assert!(matches!(model.tick(), Err(Error::NoClock { .. })));
    assert!(matches!(model.port("b"), Err(Error::UnknownPort { name, .. }) if name == "b"));
}

#[test]
fn combinational_output_after_tick_shows_new_state_with_present_inputs() {
    let verilog = "module mealy(input clk, input [7:0] a, output reg [7:0] q, output [7:0] y);\n\
                   always @(posedge clk) q <= a;\n\
                   assign y = q + a;\n\
                   endmodule\n";
    let design = Design::new("mealy")
        .file("mealy.v", verilog)
        .port(Port::input("clk", 1))
        .port(Port::input("a", 8))
        .port(Port::output("q", 8))
        .port(Port::output("y", 8));
    let mut model = model(design);
    let port = |name| model.port(name).expect("bug: the port exists");
    let (a, q, y) = (port("a"), port("q"), port("y"));
    model.set(a, 5);
    model.tick().expect("bug: the design does not stop");
    assert_eq!((model.get(q), model.get(y)), (5, 10));
    model.set(a, 7);
    assert_eq!(model.get(y), 10, "an input takes effect at the next evaluation");
    model.eval().expect("bug: the design does not stop");
    assert_eq!((model.get(q), model.get(y)), (5, 12));
}

#[test]
fn random_initial_state_shows_a_register_without_reset() {
    let verilog = "module forgot(input clk, input en, output reg [31:0] q);\n\
                   always @(posedge clk) if (en) q <= 32'd1;\n\
                   endmodule\n";
    let design = Design::new("forgot")
        .file("forgot.v", verilog)
        .port(Port::input("clk", 1))
        .port(Port::input("en", 1))
        .port(Port::output("q", 32));
    let compiled = build(design).compile(&toolchain()).expect("bug: the design is right");
    let value = |initial| {
        let mut model = compiled.instantiate(initial).expect("bug: the model loads");
        model.tick().expect("bug: the design does not stop");
        model.get(model.port("q").expect("bug: the port exists"))
    };
    assert_eq!(value(Initial::Zero), 0);
    assert_ne!(value(Initial::Random(1)), value(Initial::Random(2)));
    assert_eq!(value(Initial::Random(1)), value(Initial::Random(1)));
}

/// A generator whose strobe is irregular, with a wide and a narrow watched port.
fn monitored() -> Design {
    let verilog = "module monitored(input clk, input start, output strobe, output reg [15:0] x,\n\
                   output [99:0] bus, output rare, output stop);\n\
                   reg [31:0] n;\n\
                   initial begin x = 16'hace1; n = 0; end\n\
                   always @(posedge clk) if (start) begin\n\
                   x <= {x[14:0], x[15] ^ x[13] ^ x[12] ^ x[10]};\n\
                   n <= n + 1;\n\
                   end\n\
                   assign strobe = x[3] & x[0];\n\
                   assign bus = {n[3:0], n, x, ~x, n};\n\
                   assign rare = n[11:0] == 12'd77;\n\
                   assign stop = n == 30000;\n\
                   endmodule\n";
    Design::new("monitored")
        .file("monitored.v", verilog)
        .port(Port::input("clk", 1))
        .port(Port::input("start", 1))
        .port(Port::output("strobe", 1))
        .port(Port::output("x", 16))
        .port(Port::output("bus", 100))
        .port(Port::output("rare", 1))
        .port(Port::output("stop", 1))
}

fn started(model: &mut Model) -> [PortId; 5] {
    let start = model.port("start").expect("bug: the port exists");
    model.set(start, 1);
    ["strobe", "x", "bus", "rare", "stop"]
        .map(|name| model.port(name).expect("bug: the port exists"))
}

#[test]
fn recorder_equals_peeks_after_every_cycle() {
    let compiled = build(monitored()).compile(&toolchain()).expect("bug: the design is right");
    let mut slow = compiled.instantiate(Initial::Zero).expect("bug: the model loads");
    let [strobe, x, bus, rare, stop] = started(&mut slow);
    let mut expected = Vec::new();
    let mut n_cycles = 0;
    loop {
        slow.tick().expect("bug: the design does not stop");
        n_cycles += 1;
        if slow.get(strobe) != 0 || slow.get(rare) != 0 {
            let mut words = [0; 4];
            slow.peek(bus, &mut words);
            expected.extend([n_cycles, 0]);
            expected.extend(words);
            expected.push(u32::try_from(slow.get(x)).expect("bug: 16 bits"));
        }
        if slow.get(stop) != 0 {
            break;
        }
    }
    assert!(expected.len() > 30_000, "more than one chunk is needed to test the seam");

    let mut fast = compiled.instantiate(Initial::Zero).expect("bug: the model loads");
    let ports = started(&mut fast);
    assert_eq!(ports, [strobe, x, bus, rare, stop]);
    let mut found = Vec::new();
    let mut run = |n| {
        fast.run_recorded(n, &[strobe, rare], &[bus, x], Some(stop), &mut found)
            .expect("bug: the design does not stop")
    };
    let first = run(1_000);
    assert_eq!((first.cycles, first.is_stopped), (1_000, false));
    let second = run(100_000);
    assert_eq!((second.cycles, second.is_stopped), (u64::from(n_cycles) - 1_000, true));
    assert!(found == expected, "the records differ");
}

#[test]
fn recorder_with_strobe_in_every_cycle_fills_several_chunks() {
    let mut model = model(counter(""));
    let (step, count) = (model.port("step"), model.port("count"));
    let (step, count) = (step.expect("bug: the port exists"), count.expect("bug: the port exists"));
    model.set(step, 1);
    let mut found = Vec::new();
    let end = model
        .run_recorded(60_000, &[count], &[count], None, &mut found)
        .expect("bug: the design does not stop");
    assert_eq!((end.cycles, end.is_stopped), (60_000, false));
    let expected: Vec<u32> = (1..=60_000).flat_map(|n| [n, 0, n]).collect();
    assert!(found == expected, "the records differ");
}

#[test]
fn models_in_two_threads_and_a_moved_model_give_the_same_result() {
    let compiled = build(monitored()).compile(&toolchain()).expect("bug: the design is right");
    let run = |mut model: Model| {
        let [strobe, x, bus, ..] = started(&mut model);
        let mut found = Vec::new();
        for _ in 0..200 {
            model
                .run_recorded(50, &[strobe], &[x, bus], None, &mut found)
                .expect("bug: the design does not stop");
        }
        found
    };
    let new = || compiled.instantiate(Initial::Zero).expect("bug: the model loads");
    let moved = new();
    let (a, b, c) = std::thread::scope(|scope| {
        let a = scope.spawn(|| run(new()));
        let b = scope.spawn(|| run(moved));
        let c = run(new());
        (
            a.join().expect("bug: the thread panicked"),
            b.join().expect("bug: the thread panicked"),
            c,
        )
    });
    assert!(!a.is_empty());
    assert!(a == b && b == c, "the records differ");
}
