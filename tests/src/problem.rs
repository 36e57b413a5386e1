//! Random small residual networks and images.
//!
//! A [`Problem`] is a description that proptest can shrink; [`Problem::network`] fills in weights
//! and parameters from its seed. Channels need not be multiples of anything, sides may be odd,
//! and every kind of layer and shortcut occurs.
//!
//! Not here: references. The interpreter is the reference.

use heartbit_ir::levels::Levels;
use heartbit_ir::network::{Network, Op, OpKind, Threshold, ValueId};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Fraction bits of the random networks.
const FRAC_BITS: u32 = 12;

/// What follows a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Thresholds; the stream ends here.
    Threshold,
    /// A stream without a shortcut.
    Stream,
    /// A stream with its input's stream added: as it is, or pooled, where the shapes allow it.
    Shortcut,
}

/// One binary convolution.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Output channels; those of the input with an identity shortcut.
    pub channels: usize,
    /// 1 or 3.
    pub kernel: usize,
    /// 1 or 2.
    pub stride: usize,
    /// What follows.
    pub after: After,
}

/// A network to be made.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Rows of the image.
    pub height: usize,
    /// Columns of the image.
    pub width: usize,
    /// Channels of the image, 1 to 3.
    pub image_channels: usize,
    /// Output channels, kernel, and bits of the stem.
    pub stem: (usize, usize, u32),
    /// Binary convolutions.
    pub blocks: Vec<Block>,
    /// Classes.
    pub classes: usize,
    /// Bits of the head's weights.
    pub head_bits: u32,
    /// Weights, parameters and images.
    pub seed: u64,
}

/// Returns a strategy for problems with at most so many channels.
pub fn problems(max_channels: usize) -> impl Strategy<Value = Problem> {
    let after = prop_oneof![
        Just(After::Threshold),
        Just(After::Stream),
        Just(After::Shortcut),
        Just(After::Shortcut),
    ];
    let block = (1..=max_channels, prop_oneof![Just(1usize), Just(3)], 1..=2usize, after)
        .prop_map(|(channels, kernel, stride, after)| Block { channels, kernel, stride, after });
    (
        (1..=9usize, 1..=9usize, 1..=3usize),
        (1..=max_channels, prop_oneof![Just(1usize), Just(3)], 1..=4u32),
        prop::collection::vec(block, 0..=4),
        (1..=7usize, 1..=6u32),
        any::<u64>(),
    )
        .prop_map(
            |((height, width, image_channels), stem, blocks, (classes, head_bits), seed)| Problem {
                height,
                width,
                image_channels,
                stem,
                blocks,
                classes,
                head_bits,
                seed,
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

    /// Returns the network; it is valid.
    pub fn network(&self) -> Network {
        let mut maker = Maker {
            rng: ChaCha8Rng::seed_from_u64(self.seed),
            ops: Vec::new(),
            side: (self.height, self.width),
        };
        let image =
            OpKind::Image { height: self.height, width: self.width, channels: self.image_channels };
        let image = maker.push("image", image);
        let (mut channels, kernel, bits) = self.stem;
        let sums = maker.conv("stem", image, (self.image_channels + 1, channels), kernel, 1, bits);
        let fan_in = (self.image_channels + 1) * kernel * kernel;
        let mut stream = Some(maker.stream("stem", sums, channels, fan_in * 16_000, None));
        for (index, block) in self.blocks.iter().enumerate() {
            let name = format!("block{index}");
            let input = stream.map_or(maker.ops.len() - 1, |s| maker.sign(&name, s));
            let (height, width) = maker.side;
            let identity = block.after == After::Shortcut && block.stride == 1;
            let pooled = block.after == After::Shortcut
                && block.stride == 2
                && height % 2 == 0
                && width % 2 == 0;
            let cin = channels;
            channels = match stream {
                Some(_) if identity => cin,
                Some(_) if pooled => cin.max(block.channels),
                _ => block.channels,
            };
            let (kernel, stride) = (block.kernel, block.stride);
            let shortcut = stream.filter(|_| identity || pooled).map(|s| {
                if identity { s } else { maker.shortcut_pool(&name, s, channels - cin, channels) }
            });
            let sums = maker.conv(&name, input, (cin, channels), kernel, stride, 1);
            let last = index + 1 == self.blocks.len();
            stream = if block.after == After::Threshold && !last {
                maker.threshold(&name, sums, channels, cin * kernel * kernel);
                None
            } else {
                Some(maker.stream(&name, sums, channels, cin * kernel * kernel, shortcut))
            };
        }
        let input = stream.expect("bug: the last block writes a stream");
        let shift = maker.rng.random_range(4..=14);
        let pool = maker.push("pool", OpKind::GlobalPool { input, shift, bits: 8 });
        let sums = maker.conv("head", pool, (channels, self.classes), 1, 1, self.head_bits);
        let bias = (0..self.classes).map(|_| maker.rng.random_range(-5_000..5_000)).collect();
        maker.push("logits", OpKind::Logits { input: sums, bias });
        Network {
            arch: "random".to_owned(),
            frac_bits: FRAC_BITS,
            logit_scale: 1.0,
            provenance: BTreeMap::from([("seed".to_owned(), self.seed.to_string())]),
            ops: maker.ops,
        }
    }
}

struct Maker {
    rng: ChaCha8Rng,
    ops: Vec<Op>,
    /// Rows and columns of the last value.
    side: (usize, usize),
}

impl Maker {
    fn push(&mut self, name: &str, kind: OpKind) -> ValueId {
        self.ops.push(Op { name: name.to_owned(), kind });
        self.ops.len() - 1
    }

    fn conv(
        &mut self,
        name: &str,
        input: ValueId,
        (cin, cout): (usize, usize),
        kernel: usize,
        stride: usize,
        bits: u32,
    ) -> ValueId {
        let limit = heartbit_ir::grid::max_level(bits);
        let rows = cout * kernel * kernel;
        let values: Vec<i32> =
            (0..rows * cin).map(|_| 2 * self.rng.random_range(0..=limit) - limit).collect();
        let weights = Levels::from_values(bits, rows, cin, &values);
        self.side = (self.side.0.div_ceil(stride), self.side.1.div_ceil(stride));
        self.push(name, OpKind::Conv { input, weights, kernel, stride })
    }

    /// Requantizes sums of about this magnitude to about ±1, now and then far beyond.
    fn stream(
        &mut self,
        name: &str,
        input: ValueId,
        channels: usize,
        magnitude: usize,
        shortcut: Option<ValueId>,
    ) -> ValueId {
        let shift = 4 * self.rng.random_range(0..=4u32);
        let unit = f64::from(1u32 << (FRAC_BITS + shift));
        let spread = f64::from(u32::try_from(magnitude).expect("bug: small")).sqrt();
        let mut mul = Vec::new();
        let mut bias = Vec::new();
        for _ in 0..channels {
            let slope = self.rng.random_range(-2.0..2.0) * unit / spread;
            #[expect(clippy::cast_possible_truncation, reason = "clamped to 16 bits")]
            mul.push(slope.clamp(-32_767.0, 32_767.0) as i32);
            let range = 1 << (FRAC_BITS + shift);
            bias.push(self.rng.random_range(-range..range));
        }
        let clip = if self.rng.random_bool(0.7) { 1 << FRAC_BITS } else { 32_767 };
        let kind = OpKind::Requantize { input, shortcut, mul, bias, shift, clip };
        self.push(&format!("{name}.stream"), kind)
    }

    fn threshold(&mut self, name: &str, input: ValueId, channels: usize, fan_in: usize) {
        let range = i32::try_from(fan_in).expect("bug: small");
        let thresholds = (0..channels)
            .map(|_| {
                let t = self.rng.random_range(-range..=range) / 2;
                match self.rng.random_range(0..8) {
                    0 => Threshold::Constant(t > 0),
                    1..=3 => Threshold::AtMost(t),
                    _ => Threshold::AtLeast(t),
                }
            })
            .collect();
        self.push(&format!("{name}.sign"), OpKind::Threshold { input, thresholds });
    }

    fn sign(&mut self, name: &str, input: ValueId) -> ValueId {
        self.push(&format!("{name}.input"), OpKind::Sign { input })
    }

    fn shortcut_pool(
        &mut self,
        name: &str,
        input: ValueId,
        added: usize,
        channels: usize,
    ) -> ValueId {
        let front = self.rng.random_range(0..=added);
        let kind = OpKind::ShortcutPool { input, front, channels };
        self.push(&format!("{name}.shortcut"), kind)
    }
}
