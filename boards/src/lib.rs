//! Boards: what they have, what a program asks of one, and their top levels.
//!
//! * [`board`]: board files, which are data, and their rules; [`packages`]: the pins there are;
//! * [`pll`], [`pads`], [`top`], [`constraints`]: a board's top level and its project files;
//! * [`synthesis`]: yosys on the emitted Verilog, to which the resource model is fitted.
//!
//! Not here: the accelerator and its link (`hdl`), the schedule, the resource model and the search
//! (`compiler`).

pub mod board;
pub mod constraints;
pub mod packages;
pub mod pads;
pub mod pll;
pub mod synthesis;
pub mod top;

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
