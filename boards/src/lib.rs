//! Boards: what they have, what a program asks of one, and the way from a build to a bitstream.
//!
//! * [`board`]: board files, which are data, and their rules; [`packages`]: the pins there are;
//! * [`pll`], [`pads`], [`top`], [`constraints`]: a board's top level and its project files;
//! * [`pnr`]: place-and-route with the open tools, and their reports;
//! * [`synthesis`]: yosys on the emitted Verilog, to which the resource model is fitted;
//! * [`catalogue`]: the page of boards and results.
//!
//! Not here: the accelerator and its link (`hdl`), the schedule, the resource model and the search
//! (`compiler`).

pub mod board;
pub mod catalogue;
pub mod constraints;
pub mod packages;
pub mod pads;
pub mod pll;
pub mod pnr;
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
