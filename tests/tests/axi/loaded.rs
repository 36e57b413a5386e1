//! A network as the host has it: memory image, images, and the results to expect.

use super::pins::DEPTHS;
use heartbit_compiler::predict::predict;
use heartbit_compiler::schedule::{Target, compile};
use heartbit_hdl::axi::{memory_image, weight_image};
use heartbit_ir::interp::Interpreter;
use heartbit_ir::network::Network;
use heartbit_ir::program::{ArrayConfig, MemoryDepths, PortSlots, Program, WeightRing};
use heartbit_tests::packet::Image;
use heartbit_tests::problem::Problem;
use heartbit_tests::streamed::streamed;

fn compile_for(network: &Network, array: &ArrayConfig, depths: MemoryDepths) -> Program {
    compile(network, &Target::for_hardware(array, depths)).expect("it fits").program
}

/// A program, images, and what is expected of both.
pub(crate) struct Loaded {
    pub(crate) image: Vec<u8>,
    pub(crate) images: Vec<Image>,
    /// What the cycle model predicts for an image whose weights are all resident.
    pub(crate) cycles: u64,
    /// The weights that are streamed, as they are in memory.
    pub(crate) weights: Vec<u8>,
    /// Units of 8 bytes into which the beats of one image go.
    pub(crate) sequence_units: usize,
    units: [usize; 4],
}

impl Loaded {
    /// A random network for an array whose memories are [`DEPTHS`].
    pub(crate) fn new(problem: &Problem, array: &ArrayConfig, n_images: usize) -> Self {
        let network = problem.network();
        let program = compile_for(&network, array, DEPTHS);
        Self::of(&network, &program, &problem.images(n_images))
    }

    /// The same with the weights of some layers streamed, those with a bit in `layers`.
    pub(crate) fn streamed(
        problem: &Problem,
        array: &ArrayConfig,
        ring: WeightRing,
        layers: u32,
    ) -> Self {
        let network = problem.network();
        let weight = DEPTHS.weight - ring.words;
        let resident = compile_for(&network, array, MemoryDepths { weight, ..DEPTHS });
        // The source is a memory, whose slots nobody knows.
        let slots = PortSlots::at_rate(0, 1, 1);
        let choose = |layer: usize| layers >> (layer % 32) & 1 == 1;
        let program = streamed(&resident, ring, slots, choose);
        let loaded = Self::of(&network, &program, &problem.images(2));
        Self {
            cycles: predict(&resident).total().0,
            weights: weight_image(&program),
            sequence_units: sequence_units(&program, ring),
            ..loaded
        }
    }

    /// A network that was compiled.
    pub(crate) fn of(network: &Network, program: &Program, images: &[Vec<u8>]) -> Self {
        let interpreter = Interpreter::new(network).expect("a valid network");
        let image = |bytes: &Vec<u8>| Image::new(&interpreter, &program.header, bytes);
        let images = images.iter().map(image).collect();
        let array = &program.array;
        let wide = |bits: usize| bits.div_ceil(64);
        Self {
            image: memory_image(program),
            images,
            cycles: predict(program).total().0,
            weights: Vec::new(),
            sequence_units: 0,
            units: [1, 1, wide(array.lanes), wide(if array.extended { 135 } else { 56 })],
        }
    }

    /// Units of 64 bits of a word of this target.
    pub(crate) fn units(&self, target: u8) -> usize {
        self.units[usize::from(target)]
    }
}

/// Units of 64 bits that hold the beats of an image side by side, or each beat by itself.
fn sequence_units(program: &Program, ring: WeightRing) -> usize {
    let stream = program.weight_stream.as_ref().expect("bug: streamed");
    let (beats, bits) =
        (stream.beats(ring.port_cols).count(), ring.port_cols * program.array.lanes);
    if bits > 64 { beats * bits.div_ceil(64) } else { beats.div_ceil(64 / bits) }
}
