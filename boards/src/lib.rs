//! Boards: what they have, what a program asks of one, and the area of an array by synthesis.
//!
//! * [`board`]: board files, which are data, and their rules;
//! * [`synthesis`]: yosys on the emitted Verilog, to which the resource model is fitted.
//!
//! Not here: the accelerator (`hdl`), the schedule, the resource model and the search (`compiler`);
//! pins, top levels and place-and-route are still to come.

pub mod board;
pub mod synthesis;

use heartbit_ir::program::Program;

/// Bits of all memories of the accelerator that a program was compiled for.
pub fn memory_bits(program: &Program) -> u64 {
    let (a, d) = (&program.array, &program.depths);
    let bits = |words: usize, width: usize| (words * width) as u64;
    bits(d.image, 3 * a.window_pixels() * 3 * a.stem_planes())
        + bits(d.activation, a.lanes * a.rows)
        + bits(d.weight, a.lanes * a.cols)
        + bits(d.parameter, a.parameter_bits() * a.cols)
        + bits(d.stream, 2 * 16 * a.cols)
        + bits(d.logit, 32 * a.cols)
        + bits(d.step * a.taps + d.program, 32)
}
