//! Networks with drawn numbers, from the shapes of their layers.

use crate::reference::{Bend, Conv, Layer, Net, Output, Shortcut, result_size};

/// `SplitMix64`: the same numbers everywhere.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number in `low..=high`.
    pub(crate) fn range(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low + 1).expect("low <= high");
        low + i64::try_from(self.next() % span).expect("small")
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// `n` numbers in `low..=high`.
    pub(crate) fn draw<T: TryFrom<i64>>(&mut self, n: usize, low: i64, high: i64) -> Vec<T> {
        let narrow = |v| T::try_from(v).unwrap_or_else(|_| panic!("{v} is too large"));
        (0..n).map(|_| narrow(self.range(low, high))).collect()
    }
}

/// The shape of a layer; numbers are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    /// Ignored for passes, which keep the channels of the stream.
    pub(crate) cout: usize,
    pub(crate) op: Op,
    pub(crate) shortcut: Shortcut,
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Conv { kernel: usize, stride: usize, bits: usize },
    Pass,
}

pub(crate) const BITS: Output = Output::Bits { flat: false };

pub(crate) const fn conv(cout: usize, kernel: usize, stride: usize, shortcut: Shortcut) -> Spec {
    Spec { cout, op: Op::Conv { kernel, stride, bits: 1 }, shortcut, output: BITS }
}

pub(crate) const fn pass(shortcut: Shortcut, output: Output) -> Spec {
    Spec { cout: 0, op: Op::Pass, shortcut, output }
}

/// A stem; `kernel` 3 has stride 1, `kernel` 7 has stride 2.
pub(crate) const fn stem(cout: usize, kernel: usize, bits: usize) -> Spec {
    let op = Op::Conv { kernel, stride: if kernel == 7 { 2 } else { 1 }, bits };
    Spec { cout, op, shortcut: Shortcut::None, output: BITS }
}

/// A pooled layer and a head.
pub(crate) const fn end(pooled: usize, level_bits: u32, classes: usize) -> [Spec; 2] {
    let output = Output::Pool { bits: level_bits, shift: 6 };
    let op = Op::Conv { kernel: 1, stride: 1, bits: 2 };
    [
        Spec { output, ..conv(pooled, 1, 1, Shortcut::None) },
        Spec { cout: classes, op, shortcut: Shortcut::None, output: Output::None },
    ]
}

/// A map or a stream, while layers are fitted.
#[derive(Clone, Copy)]
struct Shape {
    height: usize,
    width: usize,
    channels: usize,
    flat: bool,
}

/// Fills layers with numbers: a chain that begins at an image of `(height, width, channels)`.
///
/// What does not fit is left out: shortcuts of another size, passes over nothing, and with plain
/// hardware all that it lacks.
pub(crate) fn network(
    size: (usize, usize, usize),
    specs: &[Spec],
    extended: bool,
    numbers: &mut Numbers,
) -> Net {
    let (height, width, channels) = size;
    let mut input = Shape { height, width, channels, flat: false };
    let mut stream = None;
    let mut layers = Vec::new();
    for spec in specs {
        let spec = if extended { *spec } else { plain(spec) };
        let Some((spec, result)) = fit(&spec, input, stream) else { continue };
        let layer = fill(&spec, input.channels, (layers.len(), extended), numbers);
        let Shape { height, width, channels, .. } = result;
        layers.push(Layer { size: (height, width), ..layer });
        match spec.output {
            Output::None => {}
            Output::Bits { flat: true } | Output::Levels { flat: true, .. } => {
                let channels = height * width * channels;
                input = Shape { height: 1, width: 1, channels, flat: true };
            }
            Output::Pool { .. } => input = Shape { height: 1, width: 1, channels, flat: false },
            _ => input = result,
        }
        stream = Some(result);
    }
    Net { height, width, channels, layers }
}

/// Leaves out what plain hardware lacks.
fn plain(spec: &Spec) -> Spec {
    let shortcut = match spec.shortcut {
        Shortcut::Add { stride: 2 } | Shortcut::Extreme { .. } => Shortcut::None,
        other => other,
    };
    let output = match spec.output {
        Output::Bits { .. } | Output::Levels { .. } => BITS,
        other => other,
    };
    Spec { shortcut, output, ..*spec }
}

/// Adapts a layer to what it reads, and returns what it makes.
fn fit(spec: &Spec, input: Shape, stream: Option<Shape>) -> Option<(Spec, Shape)> {
    let mut spec = *spec;
    let made = |shortcut, from: Shape| {
        (result_size(shortcut, from.height), result_size(shortcut, from.width))
    };
    match &mut spec.op {
        Op::Pass => {
            let from = stream.filter(|_| spec.shortcut != Shortcut::None)?;
            let (height, width) = made(spec.shortcut, from);
            spec.cout = from.channels;
            (height * width > 0).then_some((spec, Shape { height, width, ..from }))
        }
        Op::Conv { kernel, stride, .. } => {
            if input.flat {
                (*kernel, *stride) = (1, 1);
            }
            let size = (input.height.div_ceil(*stride), input.width.div_ceil(*stride));
            let fits = |from: Shape| {
                let same = (from.height, from.width) == (input.height, input.width);
                same && !input.flat && made(spec.shortcut, from) == size
            };
            if !stream.is_some_and(fits) {
                spec.shortcut = Shortcut::None;
            }
            let (height, width) = size;
            Some((spec, Shape { height, width, channels: spec.cout, flat: false }))
        }
    }
}

fn fill(spec: &Spec, cin: usize, at: (usize, bool), numbers: &mut Numbers) -> Layer {
    let (index, extended) = at;
    let cout = spec.cout;
    let bend = |numbers: &mut Numbers| {
        let shift = [0, 4, 8, 12][index % 4];
        Bend {
            before: numbers.draw(cout, -900, 900),
            slope: numbers.draw(cout, -(2 << shift), 2 << shift),
            after: numbers.draw(cout, -900, 900),
            shift,
            clip: if index % 3 == 0 { 3000 } else { 32767 },
        }
    };
    let threshold = |numbers: &mut Numbers| {
        if extended {
            (numbers.draw(1, -1500, 1500)[0], numbers.range(0, 1) == 1)
        } else {
            (0, false)
        }
    };
    let conv = match spec.op {
        Op::Pass => None,
        Op::Conv { kernel, stride, bits } => {
            let top: i32 = (1 << bits) - 1;
            let codes = numbers.draw(cout * kernel * kernel * cin, 0, top.into());
            let weights = codes.into_iter().map(|code: i32| 2 * code - top).collect();
            Some(Conv { kernel, stride, bits, weights })
        }
    };
    Layer {
        cout,
        size: (0, 0),
        shortcut: spec.shortcut,
        minimum: numbers.draw(cout, 0, 1).into_iter().map(|v: u8| extended && v == 1).collect(),
        mul: numbers
            .draw(cout, -700, 700)
            .into_iter()
            .map(|v| if conv.is_some() { v } else { 0 })
            .collect(),
        bias: numbers
            .draw(cout, -20_000, 20_000)
            .into_iter()
            .map(|v| if conv.is_some() { v } else { 0 })
            .collect(),
        shift: if index == 0 { 12 } else { 4 },
        clip: if index % 2 == 0 { 32767 } else { 4000 },
        bend: extended.then(|| bend(numbers)),
        thresholds: (0..cout).map(|_| threshold(numbers)).collect(),
        output: spec.output,
        conv,
    }
}
