//! The program: what the accelerator's sequencer executes, field by field and bit by bit.
//!
//! This is the contract of microarchitecture.md, sections 1 to 3, as data: the compiler writes it,
//! the simulator reads the fields, the RTL reads the encoded words. [`Execution`] is what an
//! engine gives back, in the physical channel order of the array.
//!
//! Not here: how a program is made (`compiler`), what it does in a cycle (`sim`, `hdl`).

mod array;
mod depths;
mod descriptor;
mod execution;
mod header;
mod lane_memory;
mod limits;
mod parameter;
mod pe_trace;
mod step;
mod stream;
mod window;

pub use array::{ArrayConfig, ArrayShape, ParseArrayError};
pub use depths::{MemoryDepths, WeightRing};
pub use descriptor::{DESCRIPTOR_WORDS, FRONT_WORDS, LayerDescriptor, LayerFlags};
pub use execution::{Execution, LayerOutput};
pub use header::{HEADER_WORDS, Header};
pub use lane_memory::LaneMemory;
pub use limits::{MAX_LAYERS, ProgramError};
pub use parameter::Parameter;
pub use pe_trace::{PePlace, PeTrace, StepTrace, Tokens};
pub use step::{ImageStep, Step};
pub use stream::{PortSlots, WeightStream};
pub use window::{Borders, Join, Shortcut};

/// Channels of an image pixel.
pub const IMAGE_CHANNELS: usize = 3;

/// Everything that is loaded into the accelerator before it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The array it was compiled for.
    pub array: ArrayConfig,
    /// The memories it was compiled for.
    pub depths: MemoryDepths,
    /// Image and classes.
    pub header: Header,
    /// Layers in order of execution.
    pub layers: Vec<LayerDescriptor>,
    /// The step memory of each lane group: encoded [`Step`]s and [`ImageStep`]s.
    pub steps: Vec<Vec<u32>>,
    /// Weight words of each column that are resident, from the end of the weight ring on.
    pub weights: Vec<LaneMemory>,
    /// Weights that come through the weight port; `None` without a weight ring.
    pub weight_stream: Option<WeightStream>,
    /// Parameters of each column.
    pub parameters: Vec<Vec<Parameter>>,
}

impl Program {
    /// Returns the contents of the program memory.
    pub fn encode(&self) -> Vec<u32> {
        let mut words = self.header.encode().to_vec();
        words.extend(self.layers.iter().flat_map(LayerDescriptor::encode));
        words
    }
}

fn pack(low: u16, high: u16) -> u32 {
    u32::from(low) | u32::from(high) << 16
}

fn unpack(word: u32) -> (u16, u16) {
    let bytes = word.to_le_bytes();
    (u16::from_le_bytes([bytes[0], bytes[1]]), u16::from_le_bytes([bytes[2], bytes[3]]))
}
