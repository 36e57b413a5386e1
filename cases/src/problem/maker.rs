//! Operations with random weights and parameters.

use super::{After, Block, MaxPool, Problem, Read, Value};
use heartbit_ir::levels::Levels;
use heartbit_ir::network::{Extreme, Network, Op, OpKind, Threshold, ValueId};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Fraction bits of the random networks.
const FRAC_BITS: u32 = 12;

/// Adds one operation after the other.
pub(super) struct Maker {
    rng: ChaCha8Rng,
    ops: Vec<Op>,
    seed: u64,
    /// Rows and columns of the last value.
    side: (usize, usize),
}

impl Maker {
    pub(super) fn new(seed: u64, side: (usize, usize)) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), ops: Vec::new(), seed, side }
    }

    pub(super) fn into_network(self) -> Network {
        Network {
            arch: "random".to_owned(),
            frac_bits: FRAC_BITS,
            logit_scale: 1.0,
            provenance: BTreeMap::from([("seed".to_owned(), self.seed.to_string())]),
            ops: self.ops,
        }
    }

    pub(super) fn push(&mut self, name: &str, kind: OpKind) -> ValueId {
        self.ops.push(Op { name: name.to_owned(), kind });
        self.ops.len() - 1
    }

    /// One convolution with what is around it.
    pub(super) fn block(&mut self, name: &str, block: &Block, before: Value) -> Value {
        let (cin, side) = (before.channels, self.side);
        let (stride, even) = (block.stride, side.0 % 2 == 0 && side.1 % 2 == 0);
        let stream = Some(before.id).filter(|_| before.is_stream);
        let identity = stream.filter(|_| block.after == After::Shortcut && stride == 1);
        let pooled = stream.filter(|_| block.after == After::Shortcut && stride == 2 && even);
        let projected = stream.filter(|_| block.after == After::Projection);
        let channels = match (identity, pooled) {
            (Some(_), _) => cin,
            (_, Some(_)) => cin.max(block.channels),
            _ => block.channels,
        };
        let shortcut = if let Some(id) = projected {
            Some(self.projection(name, id, (cin, channels), block))
        } else if let Some(id) = pooled {
            Some(self.shortcut_pool(name, id, channels - cin, channels))
        } else {
            identity
        };
        self.side = side;
        let (input, bits) = match stream {
            Some(id) => self.read(name, id, block.read, cin),
            None => (before.id, 1),
        };
        let sums = self.conv(name, input, (cin, channels), block.kernel, stride, bits);
        let fan_in = cin * block.kernel * block.kernel * if bits > 1 { 16 } else { 1 };
        let is_stream = block.after != After::Threshold;
        let mut id = if is_stream {
            self.stream(name, sums, channels, fan_in, shortcut)
        } else {
            self.threshold(&format!("{name}.bits"), sums, channels, fan_in)
        };
        if is_stream && block.prelu {
            id = self.prelu(&format!("{name}.prelu"), id, channels);
        }
        if let Some(pool) = block.pool.filter(|pool| self.holds(pool)) {
            id = self.max_pool(&format!("{name}.pool"), id, channels, pool);
        }
        Value { id, is_stream, channels }
    }

    /// A 1×1 convolution of the stream, of its sign or of its levels.
    fn projection(
        &mut self,
        name: &str,
        stream: ValueId,
        (cin, channels): (usize, usize),
        block: &Block,
    ) -> ValueId {
        let name = format!("{name}.projection");
        // A second reader of the same kind is not supported; the sign is the block's own.
        let read = match block.read {
            Read::Levels(bits) => Read::Levels(bits),
            Read::Sign | Read::Threshold => Read::Levels(8),
        };
        let plain = block.read == Read::Sign && !block.prelu && block.pool.is_none();
        let (input, bits) = if plain {
            self.read(&name, stream, Read::Sign, cin)
        } else {
            self.read(&name, stream, read, cin)
        };
        let sums = self.conv(&name, input, (cin, channels), 1, block.stride, bits);
        self.stream(&name, sums, channels, cin, None)
    }

    /// The bits or levels of a stream; returns the bits of the weights that fit them.
    fn read(&mut self, name: &str, stream: ValueId, read: Read, channels: usize) -> (ValueId, u32) {
        let name = format!("{name}.input");
        // The sign of a stream exists once.
        let sign = OpKind::Sign { input: stream };
        match read {
            Read::Sign => {
                let known = self.ops.iter().position(|op| op.kind == sign);
                (known.unwrap_or_else(|| self.push(&name, sign)), 1)
            }
            Read::Threshold => (self.threshold(&name, stream, channels, 1 << FRAC_BITS), 1),
            Read::Levels(bits) => {
                let shift = self.rng.random_range(8 - bits..=16);
                (self.push(&name, OpKind::Quantize { input: stream, shift, bits }), 2)
            }
        }
    }

    fn holds(&self, pool: &MaxPool) -> bool {
        let smallest = pool.kernel - 2 * pool.padding;
        self.side.0 >= smallest && self.side.1 >= smallest
    }

    fn max_pool(&mut self, name: &str, input: ValueId, channels: usize, pool: MaxPool) -> ValueId {
        let MaxPool { kernel, stride, padding } = pool;
        let take = (0..channels)
            .map(|_| if self.rng.random_bool(0.7) { Extreme::Max } else { Extreme::Min })
            .collect();
        let along = |size: usize| (size + 2 * padding - kernel) / stride + 1;
        self.side = (along(self.side.0), along(self.side.1));
        self.push(name, OpKind::MaxPool { input, kernel, stride, padding, take })
    }

    fn prelu(&mut self, name: &str, input: ValueId, channels: usize) -> ValueId {
        let shift = 4 * self.rng.random_range(0..=4u32);
        let unit = 1 << FRAC_BITS;
        let mut numbers =
            |range: i32| (0..channels).map(|_| self.rng.random_range(-range..=range)).collect();
        let before = numbers(unit);
        let slope = numbers(if shift == 0 { 2 } else { 1 << shift.min(14) });
        let after = numbers(unit);
        let clip = if self.rng.random_bool(0.5) { unit } else { 32_767 };
        self.push(name, OpKind::Prelu { input, before, slope, shift, after, clip })
    }

    pub(super) fn conv(
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
    pub(super) fn stream(
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

    fn threshold(&mut self, name: &str, input: ValueId, channels: usize, range: usize) -> ValueId {
        let range = i32::try_from(range).expect("bug: small");
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
        self.push(name, OpKind::Threshold { input, thresholds })
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

    /// What makes logits of the last stream.
    pub(super) fn classifier(&mut self, problem: &Problem, last: Value) {
        let bits = problem.head_levels;
        let mut channels = last.channels;
        let levels = if problem.flatten {
            let shift = self.rng.random_range(8 - bits..=10);
            let input = self.push("levels", OpKind::Quantize { input: last.id, shift, bits });
            channels *= self.side.0 * self.side.1;
            self.push("flatten", OpKind::Flatten { input })
        } else {
            let shift = self.rng.random_range(4..=14);
            self.push("pool", OpKind::GlobalPool { input: last.id, shift, bits })
        };
        self.side = (1, 1);
        let sums = self.conv("head", levels, (channels, problem.classes), 1, 1, problem.head_bits);
        let bias = (0..problem.classes).map(|_| self.rng.random_range(-5_000..5_000)).collect();
        self.push("logits", OpKind::Logits { input: sums, bias });
    }
}
