//! Random small residual networks and images.
//!
//! A [`Problem`] is a description that proptest can shrink; [`Problem::network`] fills in weights
//! and parameters from its seed. Channels need not be multiples of anything, sides may be odd,
//! and every kind of layer and shortcut occurs.
//!
//! Not here: references, for the interpreter is the reference; arrays and hosts ([`crate::case`]).

mod maker;
mod port;

pub use port::{Port, ports};

use heartbit_compiler::schedule::Target;
use heartbit_ir::network::{Network, OpKind, ValueId};
use maker::Maker;
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What follows a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum After {
    /// Thresholds; the stream ends here.
    Threshold,
    /// A stream without a shortcut.
    Stream,
    /// A stream with its input's stream added: as it is, or pooled, where the shapes allow it.
    Shortcut,
    /// A stream with a 1×1 convolution of its input's stream added.
    Projection,
}

/// How a convolution reads the stream before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Read {
    /// Its sign.
    Sign,
    /// Compared with thresholds; extended.
    Threshold,
    /// Levels of so many bits, which weights of two bits meet; extended.
    Levels(u32),
}

/// A maximum pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool {
    /// 2 or 3.
    pub kernel: usize,
    /// 1 or 2.
    pub stride: usize,
    /// 0 or 1.
    pub padding: usize,
}

/// One convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Output channels; those of the input with an identity shortcut.
    pub channels: usize,
    /// 1 or 3.
    pub kernel: usize,
    /// 1 or 2.
    pub stride: usize,
    /// How it reads a stream.
    pub read: Read,
    /// What follows.
    pub after: After,
    /// A nonlinearity behind the stream; extended.
    pub prelu: bool,
    /// A pooling behind the stream or the thresholds, where the map is not too small; extended.
    pub pool: Option<MaxPool>,
}

/// A network to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Rows of the image.
    pub height: usize,
    /// Columns of the image.
    pub width: usize,
    /// Channels of the image, 1 to 3.
    pub image_channels: usize,
    /// Output channels and bits of the stem.
    pub stem: (usize, u32),
    /// Whether the stem's kernel is 7×7 with stride 2, not 3×3; extended.
    pub wide_stem: bool,
    /// Convolutions.
    pub blocks: Vec<Block>,
    /// Whether the classifier reads the flattened map, not its average; extended.
    pub flatten: bool,
    /// Bits of the levels that the classifier reads; fewer than 8 are extended.
    pub head_levels: u32,
    /// Classes.
    pub classes: usize,
    /// Bits of the head's weights.
    pub head_bits: u32,
    /// Weights, parameters and images.
    pub seed: u64,
    /// How weights are streamed, by engines that have a port for them.
    pub port: Option<Port>,
}

/// Returns a strategy for problems with at most so many channels, for an array with or without
/// extensions.
pub fn problems(max_channels: usize, extended: bool) -> impl Strategy<Value = Problem> {
    (
        (1..=9usize, 1..=9usize, 1..=3usize),
        (1..=max_channels, 1..=4u32),
        any::<bool>(),
        prop::collection::vec(blocks(max_channels, extended), 0..=4),
        (any::<bool>(), 5..=8u32),
        (1..=7usize, 1..=6u32),
        (any::<u64>(), prop::option::weighted(0.4, ports())),
    )
        .prop_map(
            move |(image, stem, wide, blocks, (flatten, levels), (classes, bits), (seed, port))| {
                let (height, width, image_channels) = image;
                Problem {
                    height,
                    width,
                    image_channels,
                    stem,
                    wide_stem: extended && wide,
                    blocks,
                    flatten: extended && flatten,
                    head_levels: if extended { levels } else { 8 },
                    classes,
                    head_bits: bits,
                    seed,
                    port,
                }
            },
        )
}

fn blocks(max_channels: usize, extended: bool) -> impl Strategy<Value = Block> {
    let after = prop_oneof![
        Just(After::Threshold),
        Just(After::Stream),
        Just(After::Shortcut),
        Just(After::Shortcut),
        Just(After::Projection),
    ];
    let read = prop_oneof![
        2 => Just(Read::Sign),
        1 => Just(Read::Threshold),
        1 => (1..=4u32).prop_map(Read::Levels),
    ];
    let pool = prop::option::weighted(
        0.3,
        (2..=3usize, 1..=2usize, 0..=1usize).prop_map(|(kernel, stride, padding)| MaxPool {
            kernel,
            stride,
            padding,
        }),
    );
    let kernel = prop_oneof![Just(1usize), Just(3)];
    (1..=max_channels, kernel, 1..=2usize, read, after, any::<bool>(), pool).prop_map(
        move |(channels, kernel, stride, read, after, prelu, pool)| Block {
            channels,
            kernel,
            stride,
            read: if extended { read } else { Read::Sign },
            after,
            prelu: extended && prelu,
            pool: pool.filter(|_| extended),
        },
    )
}

impl Problem {
    /// Returns `n` images of random bytes.
    pub fn images(&self, n: usize) -> Vec<Vec<u8>> {
        let mut rng = ChaCha8Rng::seed_from_u64(!self.seed);
        let bytes = self.height * self.width * self.image_channels;
        (0..n).map(|_| (0..bytes).map(|_| rng.random()).collect()).collect()
    }

    /// Returns a target with the problem's weight port, if it has one.
    pub fn target(&self, network: &Network, target: Target) -> Target {
        match &self.port {
            Some(port) => port.fitted(network, &target),
            None => target,
        }
    }

    /// Returns the network; it is valid.
    pub fn network(&self) -> Network {
        let mut maker = Maker::new(self.seed, (self.height, self.width));
        let image =
            OpKind::Image { height: self.height, width: self.width, channels: self.image_channels };
        let image = maker.push("image", image);
        let (channels, bits) = self.stem;
        let (kernel, stride) = if self.wide_stem { (7, 2) } else { (3, 1) };
        let fan_in = (self.image_channels + 1) * kernel * kernel;
        let sums =
            maker.conv("stem", image, (self.image_channels + 1, channels), kernel, stride, bits);
        let stream = maker.stream("stem", sums, channels, fan_in * 16_000, None);
        let mut last = Value { id: stream, is_stream: true, channels };
        for (index, block) in self.blocks.iter().enumerate() {
            last = maker.block(&format!("block{index}"), block, last);
        }
        if !last.is_stream {
            // Only a stream is pooled.
            let sums = maker.conv("end", last.id, (last.channels, last.channels), 1, 1, 1);
            last.id = maker.stream("end", sums, last.channels, last.channels, None);
        }
        maker.classifier(self, last);
        maker.into_network()
    }
}

/// The last value of a network so far.
#[derive(Clone, Copy)]
struct Value {
    id: ValueId,
    /// A stream, or else bits.
    is_stream: bool,
    channels: usize,
}
