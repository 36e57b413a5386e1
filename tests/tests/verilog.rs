//! The emitted Verilog of the accelerator is clean for every tool, without waivers.
//!
//! A missing tool fails these tests; it never skips them.

use heartbit_cosim::{
    Design, Toolchain, accelerator_design, elaborate_icarus, elaborate_yosys, lint, uart_design,
};
use heartbit_hdl::uart::UartConfig;
use heartbit_ir::program::{ArrayConfig, MemoryDepths, WeightRing};

/// Shapes that differ in what the text contains: one row, one column, more columns than lanes,
/// several slices a word, lanes that are no power of two, words wider than a machine word.
/// Rows, columns, lanes, lane groups, lines, accumulator bits, extensions.
const SHAPES: [(usize, usize, usize, usize, usize, u32, bool); 9] = [
    (1, 1, 4, 1, 1, 1, true),
    (2, 2, 4, 2, 2, 12, false),
    (3, 7, 4, 1, 1, 14, true),
    (4, 3, 37, 1, 4, 20, false),
    (1, 5, 8, 1, 1, 31, true),
    (5, 1, 64, 4, 1, 5, true),
    (2, 3, 100, 1, 1, 24, true),
    (2, 4, 32, 4, 2, 20, true),
    (8, 8, 16, 1, 4, 14, false),
];

/// Words of the weight ring of each shape, if it has one, and columns of the port.
const RINGS: [Option<(usize, usize)>; 9] = [
    Some((2, 1)),
    None,
    Some((2048, 1)),
    Some((256, 3)),
    None,
    None,
    Some((4, 3)),
    Some((512, 2)),
    None,
];

fn designs() -> impl Iterator<Item = Design> {
    let depths = MemoryDepths {
        image: 128,
        activation: 600,
        weight: 2100,
        parameter: 1,
        stream: 1024,
        logit: 1,
        step: 200,
        program: 82,
        ring: None,
    };
    let shapes = SHAPES.into_iter().zip(RINGS);
    shapes.map(move |((rows, cols, lanes, taps, lines, acc_bits, extended), ring)| {
        let array = ArrayConfig { rows, cols, lanes, taps, lines, acc_bits, extended };
        let ring = ring.map(|(words, port_cols)| WeightRing { words, port_cols });
        accelerator_design(&array, &MemoryDepths { ring, ..depths })
    })
}

/// Behind a serial line, at the fewest clocks a bit and at a usual rate.
fn behind_lines() -> impl Iterator<Item = (Design, u32)> {
    [(48_000_000, 12_000_000), (12_000_000, 115_200)].into_iter().zip([0, 1]).map(
        |((clock_hz, baud), shape)| {
            let (rows, cols, lanes, taps, lines, acc_bits, extended) = SHAPES[shape];
            let array = ArrayConfig { rows, cols, lanes, taps, lines, acc_bits, extended };
            let uart = UartConfig::new(clock_hz, baud).expect("a rate that the clock gives");
            (uart_design(&array, &MemoryDepths::uniform(64), uart), baud)
        },
    )
}

#[test]
fn serial_line_is_clean_for_every_tool() {
    let toolchain = Toolchain::detect()
        .unwrap_or_else(|error| panic!("{error}: {}", error.help().unwrap_or_default()));
    for (design, baud) in behind_lines() {
        lint(&toolchain, &design).unwrap_or_else(|error| panic!("{baud}: {error:#?}"));
        elaborate_yosys(None, &design).unwrap_or_else(|error| panic!("{baud}: {error:#?}"));
        elaborate_icarus(None, &design).unwrap_or_else(|error| panic!("{baud}: {error:#?}"));
    }
}

#[test]
fn verilator_has_no_warning() {
    let toolchain = Toolchain::detect()
        .unwrap_or_else(|error| panic!("{error}: {}", error.help().unwrap_or_default()));
    for (design, shape) in designs().zip(SHAPES) {
        lint(&toolchain, &design).unwrap_or_else(|error| panic!("{shape:?}: {error:#?}"));
    }
}

#[test]
fn yosys_finds_no_problem() {
    for (design, shape) in designs().zip(SHAPES) {
        elaborate_yosys(None, &design).unwrap_or_else(|error| panic!("{shape:?}: {error:#?}"));
    }
}

#[test]
fn icarus_has_no_warning() {
    for (design, shape) in designs().zip(SHAPES) {
        elaborate_icarus(None, &design).unwrap_or_else(|error| panic!("{shape:?}: {error:#?}"));
    }
}
