//! A network as the host has it: memory image, images, and the results to expect.

use super::pins::DEPTHS;
use heartbit_compiler::predict::predict;
use heartbit_compiler::schedule::{Target, compile};
use heartbit_hdl::axi::{memory_image, weight_image};
use heartbit_ir::interp::{Interpreter, predicted_class};
use heartbit_ir::network::Network;
use heartbit_ir::program::{ArrayConfig, MemoryDepths, PortSlots, Program, WeightRing};
use heartbit_tests::problem::Problem;
use heartbit_tests::streamed::streamed;

fn compile_for(network: &Network, array: &ArrayConfig, depths: MemoryDepths) -> Program {
    compile(network, &Target::for_hardware(array, depths)).expect("it fits").program
}

/// An image, and the packet that is its result.
pub(crate) struct Image {
    pub(crate) pixels: Vec<u32>,
    pub(crate) result: Vec<u32>,
}

pub(crate) struct Loaded {
    pub(crate) image: Vec<u8>,
    pub(crate) images: Vec<Image>,
    /// What the cycle model predicts for an image whose weights are all resident.
    pub(crate) cycles: u64,
    /// The weights that are streamed, as they are in memory.
    pub(crate) weights: Vec<u8>,
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
        Self { cycles: predict(&resident).total().0, weights: weight_image(&program), ..loaded }
    }

    /// A network that was compiled.
    pub(crate) fn of(network: &Network, program: &Program, images: &[Vec<u8>]) -> Self {
        let header = &program.header;
        let n_pixels = usize::from(header.image_height) * usize::from(header.image_width);
        let interpreter = Interpreter::new(network).expect("a valid network");
        let images = images
            .iter()
            .map(|bytes| {
                let logits = interpreter.logits(bytes).expect("an image of the right size");
                let mut result: Vec<u32> = logits.iter().map(|l| l.cast_unsigned()).collect();
                result.push(u32::try_from(predicted_class(&logits)).expect("few classes"));
                let pixels = bytes.chunks_exact(bytes.len() / n_pixels);
                let word = |p: &[u8]| p.iter().rev().fold(0, |w, &b| w << 8 | u32::from(b));
                // The top byte does not count.
                Image { pixels: pixels.map(|p| 0xc300_0000 | word(p)).collect(), result }
            })
            .collect();
        let array = &program.array;
        let wide = |bits: usize| bits.div_ceil(64);
        Self {
            image: memory_image(program),
            images,
            cycles: predict(program).total().0,
            weights: Vec::new(),
            units: [1, 1, wide(array.lanes), wide(if array.extended { 135 } else { 56 })],
        }
    }

    /// Units of 64 bits of a word of this target.
    pub(crate) fn units(&self, target: u8) -> usize {
        self.units[usize::from(target)]
    }
}
