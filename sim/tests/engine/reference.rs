//! Networks as chains of layers, and what they compute: semantics.md over `i64`, no tricks.

/// How the stream joins a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortcut {
    None,
    /// The element at the pixel times the stride.
    Add {
        stride: usize,
    },
    /// The rounded average of 2x2 elements.
    Average,
    /// The largest or smallest element of a window.
    Extreme {
        window: usize,
        stride: usize,
        padding: usize,
    },
}

/// What a layer leaves for the next convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Nothing: the next convolution reads what an earlier layer left.
    None,
    Bits {
        flat: bool,
    },
    /// The highest `bits` bits of 8-bit levels.
    Levels {
        bits: u32,
        shift: u32,
        flat: bool,
    },
    /// The same of the sums over all pixels.
    Pool {
        bits: u32,
        shift: u32,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Conv {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    /// Bits of a weight.
    pub(crate) bits: usize,
    /// Odd levels, `[cout, kernel, kernel, cin]`.
    pub(crate) weights: Vec<i32>,
}

/// `PReLU` between two offsets, per channel.
#[derive(Clone, Debug)]
pub(crate) struct Bend {
    pub(crate) before: Vec<i32>,
    pub(crate) slope: Vec<i16>,
    pub(crate) after: Vec<i32>,
    pub(crate) shift: u32,
    pub(crate) clip: u16,
}

/// A convolution with all that follows it, or a pass over the stream.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) cout: usize,
    /// Rows and columns of its result; only the compiler uses them.
    pub(crate) size: (usize, usize),
    pub(crate) conv: Option<Conv>,
    pub(crate) shortcut: Shortcut,
    /// Which channels take the smallest element of a window.
    pub(crate) minimum: Vec<bool>,
    pub(crate) mul: Vec<i16>,
    pub(crate) bias: Vec<i64>,
    pub(crate) shift: u32,
    pub(crate) clip: u16,
    pub(crate) bend: Option<Bend>,
    /// The bit is 1 from the threshold on, or up to it.
    pub(crate) thresholds: Vec<(i32, bool)>,
    pub(crate) output: Output,
}

/// A chain of layers; the last one gives the logits.
#[derive(Clone, Debug)]
pub(crate) struct Net {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) layers: Vec<Layer>,
}

/// A map, channel fastest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Map {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) values: Vec<i64>,
}

impl Map {
    pub(crate) fn at(&self, y: usize, x: usize, c: usize) -> i64 {
        self.values[(y * self.width + x) * self.channels + c]
    }

    /// Applies a function of channel and value.
    fn map(&self, f: impl Fn(usize, i64) -> i64) -> Self {
        let values = self.values.iter().enumerate().map(|(i, &v)| f(i % self.channels, v));
        Self { values: values.collect(), ..*self }
    }

    fn flattened(self, flat: bool) -> Self {
        if !flat {
            return self;
        }
        Self { height: 1, width: 1, channels: self.values.len(), values: self.values }
    }
}

/// What a layer computes.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    pub(crate) sums: Map,
    pub(crate) shortcut: Map,
    pub(crate) logits: Map,
    pub(crate) stream: Map,
    pub(crate) value: Map,
    pub(crate) bits: Map,
    pub(crate) levels: Map,
    pub(crate) pooled: Vec<i64>,
}

/// Returns the values of every layer.
pub(crate) fn run(net: &Net, image: &[u8]) -> Vec<Values> {
    let mut input = Map {
        height: net.height,
        width: net.width,
        channels: net.channels,
        values: image.iter().map(|&b| 2 * i64::from(b) - 255).collect(),
    };
    let mut stream = Map::default();
    let mut all = Vec::new();
    for layer in &net.layers {
        let values = compute(layer, &input, &stream);
        stream = values.value.clone();
        // The highest bits of a level, as an odd number.
        let odd = |q: i64, bits: u32| 2 * (q >> (8 - bits)) - ((1 << bits) - 1);
        match layer.output {
            Output::None => {}
            Output::Bits { flat } => {
                input = values.bits.map(|_, bit| 2 * bit - 1).flattened(flat);
            }
            Output::Levels { bits, flat, .. } => {
                input = values.levels.map(|_, q| odd(q, bits)).flattened(flat);
            }
            Output::Pool { bits, .. } => {
                let values = values.pooled.iter().map(|&q| odd(q, bits)).collect();
                input = Map { height: 1, width: 1, channels: layer.cout, values };
            }
        }
        all.push(values);
    }
    all
}

fn compute(layer: &Layer, input: &Map, stream: &Map) -> Values {
    let sums = match &layer.conv {
        Some(conv) => convolve(conv, layer.cout, input),
        None => pass_size(layer, stream),
    };
    let shortcut = shortcut(layer, &sums, stream);
    let mul = |c: usize, z: i64| (i64::from(layer.mul[c]) * z + layer.bias[c]) >> layer.shift;
    let logits = sums.map(mul);
    let clip = i64::from(layer.clip);
    let mut result = logits.clone();
    for (r, s) in result.values.iter_mut().zip(&shortcut.values) {
        *r = (*r + s).clamp(-clip, clip);
    }
    let value = match &layer.bend {
        Some(bend) => result.map(|c, r| bend_value(bend, c, r)),
        None => result.clone(),
    };
    let bits = value.map(|c, v| {
        let (threshold, at_most) = layer.thresholds[c];
        i64::from(if at_most { v <= threshold.into() } else { v >= threshold.into() })
    });
    let level = |v: i64, shift: u32| ((v >> shift) + 128).clamp(0, 255);
    let mut levels = Map::default();
    let mut pooled = vec![];
    if let Output::Levels { shift, .. } = layer.output {
        levels = value.map(|_, v| level(v, shift));
    }
    if let Output::Pool { shift, .. } = layer.output {
        let sum = |c: usize| value.values.iter().skip(c).step_by(layer.cout).sum();
        pooled = (0..layer.cout).map(|c| level(sum(c), shift)).collect();
    }
    Values { sums, shortcut, logits, stream: result, value, bits, levels, pooled }
}

fn bend_value(bend: &Bend, c: usize, r: i64) -> i64 {
    let u = r + i64::from(bend.before[c]);
    let half = if bend.shift == 0 { 0 } else { 1 << (bend.shift - 1) };
    let negative = (u * i64::from(bend.slope[c]) + half) >> bend.shift;
    let v = if u < 0 { negative } else { u } + i64::from(bend.after[c]);
    v.clamp(-i64::from(bend.clip), bend.clip.into())
}

fn convolve(conv: &Conv, cout: usize, input: &Map) -> Map {
    let (height, width) = (input.height.div_ceil(conv.stride), input.width.div_ceil(conv.stride));
    let mut values = Vec::new();
    let (k, pad, cin) = (conv.kernel, (conv.kernel - 1) / 2, input.channels);
    for (y, x, o) in
        (0..height).flat_map(|y| (0..width).flat_map(move |x| (0..cout).map(move |o| (y, x, o))))
    {
        let mut z = 0;
        for (ky, kx) in (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx))) {
            let (iy, ix) = (y * conv.stride + ky, x * conv.stride + kx);
            if iy < pad || ix < pad || iy - pad >= input.height || ix - pad >= input.width {
                continue;
            }
            for c in 0..cin {
                let weight = conv.weights[((o * k + ky) * k + kx) * cin + c];
                z += i64::from(weight) * input.at(iy - pad, ix - pad, c);
            }
        }
        values.push(z);
    }
    Map { height, width, channels: cout, values }
}

/// The sums of a pass, all 0, in the size of its result.
fn pass_size(layer: &Layer, stream: &Map) -> Map {
    let size = |n: usize| result_size(layer.shortcut, n);
    let (height, width) = (size(stream.height), size(stream.width));
    Map { height, width, channels: layer.cout, values: vec![0; height * width * layer.cout] }
}

/// Positions along a side of what a shortcut makes of a stream with `n`.
pub(crate) fn result_size(shortcut: Shortcut, n: usize) -> usize {
    match shortcut {
        Shortcut::None => n,
        Shortcut::Add { stride } => n.div_ceil(stride),
        Shortcut::Average => n / 2,
        Shortcut::Extreme { window, stride, padding } => {
            (n + 2 * padding).checked_sub(window).map_or(0, |free| free / stride + 1)
        }
    }
}

fn shortcut(layer: &Layer, sums: &Map, stream: &Map) -> Map {
    let mut result = sums.map(|_, _| 0);
    for (i, value) in result.values.iter_mut().enumerate() {
        let (c, pixel) = (i % layer.cout, i / layer.cout);
        let (y, x) = (pixel / sums.width, pixel % sums.width);
        if c >= stream.channels {
            continue;
        }
        *value = match layer.shortcut {
            Shortcut::None => 0,
            Shortcut::Add { stride } => stream.at(y * stride, x * stride, c),
            Shortcut::Average => {
                let at = |dy, dx| stream.at(2 * y + dy, 2 * x + dx, c);
                (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1) + 2).div_euclid(4)
            }
            Shortcut::Extreme { window, stride, padding } => {
                let rows = (y * stride..y * stride + window).filter_map(|y| y.checked_sub(padding));
                let inside = rows.filter(|&y| y < stream.height).flat_map(|y| {
                    let columns = x * stride..x * stride + window;
                    let columns = columns.filter_map(|x| x.checked_sub(padding));
                    columns.filter(|&x| x < stream.width).map(move |x| (y, x))
                });
                let words = inside.map(|(y, x)| stream.at(y, x, c));
                if layer.minimum[c] { words.min() } else { words.max() }.expect("one is inside")
            }
        };
    }
    result
}
