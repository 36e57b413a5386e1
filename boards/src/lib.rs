//! Boards: for now, what a program asks of one.
//!
//! Nearly empty on purpose: a board will be a data file, and this crate its reader, the top levels
//! and the place-and-route flows.
//!
//! Not here: the accelerator (`hdl`), the schedule (`compiler`).

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
