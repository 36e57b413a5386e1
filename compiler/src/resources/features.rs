//! What the logic of each module grows with.
//!
//! One row a module: how many instances an array has, and the terms whose sum, each times a fitted
//! number, is the logic or the flip-flops of one of them. The terms are read off the modules'
//! descriptions in `hdl`: a term is there because a port, a register or a loop has that many bits.

use super::measured::CONTROL;
use super::{Design, Wrapper};

/// What joins the modules: synthesis works across their borders, and the monitor is left open.
pub(super) const BORDERS: &str = "*";

/// One module of the array.
pub(super) struct Term {
    /// Its name in the Verilog.
    pub(super) module: &'static str,
    /// How many there are.
    pub(super) instances: usize,
    /// What one of them grows with.
    pub(super) features: Vec<f64>,
}

/// All modules of a design, and [`BORDERS`].
#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
pub(super) fn terms(design: &Design) -> Vec<Term> {
    let Design { array, depths, wrapper } = design;
    let flag = |b: bool| if b { 1.0 } else { 0.0 };
    let f = |n: usize| n as f64;
    let (rows, cols, lanes) = (f(array.rows), f(array.cols), f(array.lanes));
    let (taps, acc) = (f(array.taps), f(array.acc_bits as usize));
    let extended = flag(array.extended);
    let (groups, folds) = (flag(array.taps > 1), flag(array.lines > 1));
    let planes = f(array.stem_planes());
    let window = f(array.window_pixels());
    let slices = f(array.slices_per_word());
    let row_bits = f(bits_for(array.rows - 1));
    let beats = flag(array.write_beats() > 1);
    let levels = f(array.lanes.next_power_of_two().trailing_zeros() as usize);
    let count_bits = f(bits_for(array.lanes));
    // Registers that delay row r by r cycles, and column c by C - 1 - c.
    let (row_skew, col_skew) = (rows * (rows - 1.0) / 2.0, cols * (cols - 1.0) / 2.0);

    let mut all = Vec::new();
    let mut module = |module, instances, features: &[f64]| {
        all.push(Term { module, instances, features: features.to_vec() });
    };
    let pes = array.rows * array.cols;
    module("pe", pes, &[1.0, lanes, acc, taps, count_bits]);
    module("popcount", pes, &[1.0, lanes, taps - 1.0, levels, lanes / levels]);
    module("count_cell", array.rows, &[1.0, acc, taps - 1.0]);
    module(
        "array",
        1,
        &[1.0, rows, row_skew * lanes, (col_skew + cols) * acc, row_skew * taps, rows * taps],
    );
    module("activations", 1, &[1.0, rows, rows * slices, taps * rows]);
    module("addresses", 1, &[1.0, row_bits, folds, extended]);
    module("beats", 1, &[1.0, extended]);
    module("borders", 1, &[1.0]);
    module(CONTROL, 1, &[1.0, extended, groups, folds]);
    module("drain", 1, &[1.0, rows]);
    module("epilogue", 1, &[1.0, row_bits, beats, extended]);
    module(
        "feeder",
        1,
        &[1.0, rows, rows * lanes, rows * taps, rows * taps * folds, rows * lanes * folds, lanes],
    );
    module("header", 1, &[1.0, extended]);
    module("heartbit", 1, &[1.0, cols, rows]);
    module("image", 1, &[1.0, planes * window]);
    module("levels", if array.extended { array.cols } else { 0 }, &[1.0]);
    module("nonlinear", if array.extended { array.cols } else { 0 }, &[1.0]);
    module("logits", 1, &[1.0, cols]);
    module("parameters", 1, &[1.0, cols, cols * extended]);
    module("pool", array.cols, &[1.0]);
    module("position", 1, &[1.0, row_bits, folds, rows * folds]);
    module("post", array.cols, &[1.0, acc, extended, flag(array.acc_bits > 18)]);
    module("program_words", 1, &[1.0]);
    module("reader", 1, &[1.0, cols, extended, folds, rows * folds]);
    module("sender", 1, &[1.0, cols]);
    module("shortcut", array.cols, &[1.0, extended]);
    module("stem", 1, &[1.0, rows, rows * lanes, planes, planes * window, extended * rows]);
    module("steps", 1, &[1.0, taps]);
    module("streams", 2, &[1.0]);
    module("weights", 1, &[1.0, cols]);
    if let Some(ring) = depths.ring {
        let address = f(bits_for(ring.words - 1));
        module("weight_ring", 1, &[1.0, cols, address, f(ring.port_cols) * lanes]);
    }
    module("windows", 1, &[1.0, window, planes * window, extended * window]);
    module(
        "writer",
        1,
        &[1.0, cols, rows, slices, beats * cols, extended, extended * cols, groups * slices, folds],
    );
    let load = f(array.load_bits());
    match wrapper {
        Wrapper::None => {}
        Wrapper::Uart => module(wrapper.module(), 1, &[1.0, load, extended]),
        Wrapper::Axi32 | Wrapper::Axi64 => {
            let port = depths.ring.map_or(0.0, |ring| f(ring.port_cols) * lanes);
            let ring = flag(depths.ring.is_some());
            module(wrapper.module(), 1, &[1.0, load, extended, ring, port]);
        }
    }
    let joined = [1.0, cols, cols * acc, cols * extended];
    module(BORDERS, 1, &joined);
    all
}

/// Bits that hold `0..=max`, at least one.
fn bits_for(max: usize) -> usize {
    (usize::BITS - max.leading_zeros()).max(1) as usize
}
