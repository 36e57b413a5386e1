//! Networks as chains of layers, and what they compute: semantics.md over `i64`, no tricks.

/// Where the residual comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortcut {
    None,
    Identity,
    Pool,
}

/// A convolution with all that follows it.
#[derive(Clone, Debug)]
pub(crate) struct Conv {
    pub(crate) cout: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    /// Bits of a weight.
    pub(crate) bits: usize,
    /// Odd levels, `[cout, kernel, kernel, cin]`.
    pub(crate) weights: Vec<i32>,
    pub(crate) shortcut: Shortcut,
    pub(crate) mul: Vec<i16>,
    pub(crate) bias: Vec<i32>,
    pub(crate) shift: u32,
    pub(crate) clip: u16,
    pub(crate) write_stream: bool,
    /// `pool_shift`: the next layer reads pooled 8-bit levels instead of signs.
    pub(crate) pool: Option<u32>,
}

/// A chain of layers; the last one gives the logits.
#[derive(Clone, Debug)]
pub(crate) struct Net {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) convs: Vec<Conv>,
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

    fn map(&self, f: impl Fn(i64) -> i64) -> Self {
        Self { values: self.values.iter().map(|&v| f(v)).collect(), ..self.clone() }
    }
}

/// What a layer computes.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    pub(crate) sums: Map,
    pub(crate) shortcut: Map,
    pub(crate) logits: Map,
    pub(crate) stream: Map,
    pub(crate) pooled: Vec<i64>,
}

/// Returns the values of every layer.
pub(crate) fn run(net: &Net, image: &[u8]) -> Vec<Values> {
    let mut input = image_map(net, image);
    let mut stream = Map::default();
    let mut all = Vec::new();
    for conv in &net.convs {
        let values = layer(conv, &input, &stream);
        if conv.write_stream {
            stream = values.stream.clone();
        }
        input = match conv.pool {
            None => values.stream.map(|r| if r >= 0 { 1 } else { -1 }),
            Some(_) => Map {
                height: 1,
                width: 1,
                channels: conv.cout,
                values: values.pooled.iter().map(|q| 2 * q - 255).collect(),
            },
        };
        all.push(values);
    }
    all
}

fn image_map(net: &Net, image: &[u8]) -> Map {
    let pixel =
        |p: &[u8]| p.iter().map(|&b| 2 * i64::from(b) - 255).chain([255]).collect::<Vec<_>>();
    Map {
        height: net.height,
        width: net.width,
        channels: net.channels + 1,
        values: image.chunks(net.channels).flat_map(pixel).collect(),
    }
}

fn layer(conv: &Conv, input: &Map, stream: &Map) -> Values {
    let sums = convolve(conv, input);
    let shortcut = shortcut(conv, &sums, stream);
    let mut logits = sums.clone();
    for (i, y) in logits.values.iter_mut().enumerate() {
        let c = i % conv.cout;
        *y = (i64::from(conv.mul[c]) * *y + i64::from(conv.bias[c])) >> conv.shift;
    }
    let clip = i64::from(conv.clip);
    let mut result = logits.clone();
    for (r, s) in result.values.iter_mut().zip(&shortcut.values) {
        *r = (*r + s).clamp(-clip, clip);
    }
    let level = |c: usize, shift: u32| {
        let sum: i64 = result.values.iter().skip(c).step_by(conv.cout).sum();
        ((sum >> shift) + 128).clamp(0, 255)
    };
    let pooled = conv.pool.map_or(vec![], |s| (0..conv.cout).map(|c| level(c, s)).collect());
    Values { sums, shortcut, logits, stream: result, pooled }
}

fn convolve(conv: &Conv, input: &Map) -> Map {
    let (height, width) = (input.height.div_ceil(conv.stride), input.width.div_ceil(conv.stride));
    let mut values = Vec::new();
    let (k, pad, cin) = (conv.kernel, (conv.kernel - 1) / 2, input.channels);
    for (y, x, o) in (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| (0..conv.cout).map(move |o| (y, x, o))))
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
    Map { height, width, channels: conv.cout, values }
}

fn shortcut(conv: &Conv, sums: &Map, stream: &Map) -> Map {
    let mut result = sums.map(|_| 0);
    for (i, value) in result.values.iter_mut().enumerate() {
        let (c, pixel) = (i % conv.cout, i / conv.cout);
        let (y, x) = (pixel / sums.width, pixel % sums.width);
        if c >= stream.channels {
            continue;
        }
        *value = match conv.shortcut {
            Shortcut::None => 0,
            Shortcut::Identity => stream.at(y, x, c),
            Shortcut::Pool => {
                let at = |dy, dx| stream.at(2 * y + dy, 2 * x + dx, c);
                (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1) + 2).div_euclid(4)
            }
        };
    }
    result
}
