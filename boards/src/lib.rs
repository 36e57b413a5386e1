//! Boards: what they have, what a program asks of one, and the way from a build to a bitstream.
//!
//! * [`board`]: board files, which are data, and their rules; [`packages`]: the pins there are;
//! * [`pll`], [`pads`], [`top`], [`constraints`]: a board's top level and its project files;
//! * [`mod@bench`]: the test bench of a top level, with a model of its PLL;
//! * [`pnr`]: place-and-route with the open tools, and their reports;
//! * [`netlist`]: the netlist of a top level with models of its cells;
//! * [`synthesis`]: yosys on the emitted Verilog, to which the resource model is fitted;
//! * [`asic`]: area in standard cells;
//! * [`catalogue`]: the page of boards and results.
//!
//! Not here: the accelerator and its link (`hdl`), the schedule, the resource model and the search
//! (`compiler`).

pub mod asic;
pub mod bench;
pub mod board;
pub mod catalogue;
pub mod constraints;
pub mod netlist;
pub mod packages;
pub mod pads;
pub mod pll;
pub mod pnr;
pub mod synthesis;
pub mod top;

use heartbit_ir::program::{ArrayConfig, MemoryDepths, Program};

/// A memory of the accelerator: banks or columns of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Its name in microarchitecture.md, section 2.
    pub name: &'static str,
    /// Banks, columns or lane groups, which are alike.
    pub banks: usize,
    /// Bits of a word of one of them.
    pub word_bits: usize,
    /// Words of one of them.
    pub words: usize,
}

impl Memory {
    /// All bits.
    pub fn bits(&self) -> u64 {
        (self.banks * self.word_bits * self.words) as u64
    }
}

/// The memories of an array, or of the parts of them that are in use.
pub fn memories(a: &ArrayConfig, words: &MemoryDepths) -> [Memory; 8] {
    let memory = |name, banks, word_bits, words| Memory { name, banks, word_bits, words };
    [
        memory("image", 3 * a.stem_planes(), 3 * a.window_pixels(), words.image),
        memory("activation", a.rows, a.lanes, words.activation),
        memory("weight", a.cols, a.lanes, words.weight),
        memory("parameter", a.cols, a.parameter_bits(), words.parameter),
        memory("stream", 2 * a.cols, 16, words.stream),
        memory("logit", a.cols, 32, words.logit),
        memory("step", a.taps, 32, words.step),
        memory("program", 1, 32, words.program),
    ]
}

/// Bits of all memories of the accelerator that a program was compiled for.
pub fn memory_bits(program: &Program) -> u64 {
    memories(&program.array, &program.depths).iter().map(Memory::bits).sum()
}
