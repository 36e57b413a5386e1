//! The worked example of docs/timing.md: a network of four pixels by two on an array of 2x2x4.
//!
//! Weights and image are such that a word says where it comes from: the weight word of tap `k` is
//! `k` in column 0 and `7 + k` in column 1, and no two pixels of the map have the same word. So
//! what a drawing says of a word has been read from the word.

use heartbit_compiler::schedule::{Compiled, Target, compile};
use heartbit_ir::interp::{Interpreter, Map};
use heartbit_ir::levels::Levels;
use heartbit_ir::network::{Network, OpKind, Threshold};
use heartbit_ir::program::{ArrayShape, LayerDescriptor};
use heartbit_tests::problem::{After, Block, Problem, Read};
use std::collections::BTreeSet;

/// Layers of the program that are drawn: a 3x3 and a 1x1 convolution.
pub(crate) const LAYERS: [&str; 2] = ["block0", "block1"];

/// Channels of the map that the 3x3 convolution reads, and of its result.
const CHANNELS: (usize, usize) = (4, 2);

/// A compiled network with an image.
pub(crate) struct Example {
    pub(crate) compiled: Compiled,
    network: Network,
    pub(crate) image: Vec<u8>,
    /// The interpreter's.
    values: Vec<Map>,
}

impl Example {
    /// Compiles the network and finds the image.
    pub(crate) fn new() -> Self {
        let problem = problem();
        let mut network = problem.network();
        number_weights(&mut network);
        compare_with_one(&mut network);
        let shape = ArrayShape { rows: 2, cols: 2, lanes: 4 };
        let target = Target { taps: Some(1), lines: Some(1), ..Target::sized_for_network(shape) };
        let compiled = compile(&network, &target).expect("bug: a small network fits");
        let interpreter = Interpreter::new(&network).expect("bug: a valid network");
        let values = |image: &[u8]| interpreter.run(image).expect("bug: an image of its size");
        let images = problem.images(1000);
        let image = images.into_iter().find(|image| {
            let values = values(image);
            let map = Convolution::of(&compiled, &network, &values, LAYERS[0]).map;
            let words: BTreeSet<_> = pixels(map).map(|(y, x)| word(map, y, x)).collect();
            words.len() == pixels(map).count()
        });
        let image = image.expect("bug: one image in a thousand has eight different words");
        let values = values(&image);
        Self { compiled, network, image, values }
    }

    /// One of [`LAYERS`].
    pub(crate) fn convolution(&self, layer: &str) -> Convolution<'_> {
        Convolution::of(&self.compiled, &self.network, &self.values, layer)
    }
}

fn problem() -> Problem {
    let block = |kernel, after| Block {
        channels: CHANNELS.1,
        kernel,
        stride: 1,
        read: Read::Sign,
        after,
        prelu: false,
        pool: None,
    };
    Problem {
        height: 2,
        width: 4,
        image_channels: 1,
        stem: (CHANNELS.0, 1),
        wide_stem: false,
        blocks: vec![block(3, After::Threshold), block(1, After::Stream)],
        flatten: false,
        head_levels: 8,
        classes: 2,
        head_bits: 1,
        seed: SEED,
        port: None,
    }
}

/// Of the parameters and images.
const SEED: u64 = 3;

/// Makes the weight words of the 3x3 convolution numbers of its taps.
fn number_weights(network: &mut Network) {
    let op = network.ops.iter_mut().find(|op| op.name == LAYERS[0]).expect("bug: its name");
    let OpKind::Conv { weights, .. } = &mut op.kind else { unreachable!("bug: a convolution") };
    let words = (0..9).chain(7..16);
    let signs: Vec<bool> = words
        .flat_map(|word: u64| (0..CHANNELS.0).map(move |lane| word >> lane & 1 == 1))
        .collect();
    *weights = Levels::from_signs(weights.rows(), CHANNELS.0, &signs);
}

/// Makes the thresholds behind the 3x3 convolution small, one of each kind, so that bits differ.
fn compare_with_one(network: &mut Network) {
    let name = format!("{}.bits", LAYERS[0]);
    let op = network.ops.iter_mut().find(|op| op.name == name).expect("bug: its name");
    let OpKind::Threshold { thresholds, .. } = &mut op.kind else {
        unreachable!("bug: thresholds")
    };
    *thresholds = vec![Threshold::AtLeast(1), Threshold::AtMost(-1)];
}

/// A convolution of the example: what the hardware is told, and what must come of it.
#[derive(Clone, Copy)]
pub(crate) struct Convolution<'e> {
    /// Place among the layers of the program.
    pub(crate) index: usize,
    pub(crate) descriptor: &'e LayerDescriptor,
    pub(crate) kernel: usize,
    pub(crate) weights: &'e Levels,
    /// What is read, as ±1.
    pub(crate) map: &'e Map,
    /// The interpreter's sums.
    pub(crate) sums: &'e Map,
    /// The bits that are written, as ±1; the stream where there are none.
    pub(crate) result: &'e Map,
}

impl<'e> Convolution<'e> {
    fn of(compiled: &'e Compiled, network: &'e Network, values: &'e [Map], name: &str) -> Self {
        let layers = &compiled.plan.layers;
        let index = layers.iter().position(|layer| layer.name == name).expect("bug: its name");
        let ids = layers[index].convolution.as_ref().expect("bug: a convolution");
        let OpKind::Conv { input, weights, kernel, .. } = &network.ops[ids.conv].kind else {
            unreachable!("bug: a convolution")
        };
        let (map, sums, result) = (&values[*input], &values[ids.conv], &values[ids.affine]);
        let descriptor = &compiled.program.layers[index];
        Self { index, descriptor, kernel: *kernel, weights, map, sums, result }
    }

    /// Row and column of a tap relative to the pixel.
    pub(crate) fn tap(&self, tap: usize) -> (isize, isize) {
        let pad = self.kernel.cast_signed() / 2;
        ((tap / self.kernel).cast_signed() - pad, (tap % self.kernel).cast_signed() - pad)
    }

    /// The pixel of the map that a tap of an output pixel reads, or nothing outside the map.
    pub(crate) fn read(&self, (y, x): (usize, usize), tap: usize) -> Option<(usize, usize)> {
        let (dy, dx) = self.tap(tap);
        let at = (y.checked_add_signed(dy)?, x.checked_add_signed(dx)?);
        pixels(self.map).find(|pixel| *pixel == at)
    }

    /// The word of a tap's weights for an output channel, lanes without a channel 1.
    pub(crate) fn weight_word(&self, channel: usize, tap: usize) -> u64 {
        let values = self.weights.to_values();
        let row = channel * self.kernel * self.kernel + tap;
        let channels = self.weights.cols();
        let ones = (values[row * channels..].iter().take(channels)).enumerate();
        ones.filter(|(_, weight)| **weight > 0).map(|(lane, _)| 1 << lane).sum::<u64>()
            | 0xF << channels & 0xF
    }
}

/// Positions of a map, in raster order.
pub(crate) fn pixels(map: &Map) -> impl Iterator<Item = (usize, usize)> {
    let (height, width, _) = map.dim();
    (0..height).flat_map(move |y| (0..width).map(move |x| (y, x)))
}

/// The bits of a pixel.
pub(crate) fn word(map: &Map, y: usize, x: usize) -> u64 {
    let (_, _, channels) = map.dim();
    (0..channels).filter(|&c| map[[y, x, c]] > 0).map(|c| 1 << c).sum()
}
