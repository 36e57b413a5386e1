//! Worked examples, and operations against references that are written in another way.

use super::*;
use crate::grid::{MUL_MAX, PRELU_OFFSET_MAX, STREAM_MAX, max_level};
use crate::levels::Levels;
use crate::network::Op;
use proptest::prelude::*;

fn op(name: &str, kind: OpKind) -> Op {
    Op { name: name.to_owned(), kind }
}

/// A 2x2 grey image through a 3x3 convolution, worked out by hand.
#[test]
fn padded_taps_contribute_nothing() {
    // Weights: the pixel counts +1 at every tap, the constant -1.
    let weights = Levels::from_values(1, 9, 2, &[1, -1].repeat(9));
    let network = Network {
        arch: "by-hand".to_owned(),
        frac_bits: 4,
        logit_scale: 1.0,
        provenance: std::collections::BTreeMap::new(),
        ops: vec![
            op("image", OpKind::Image { height: 2, width: 2, channels: 1 }),
            op("conv", OpKind::Conv { input: 0, weights, kernel: 3, stride: 1 }),
            op(
                "requantize",
                OpKind::Requantize {
                    input: 1,
                    shortcut: None,
                    mul: vec![3],
                    bias: vec![8],
                    shift: 4,
                    clip: 100,
                },
            ),
            op("pool", OpKind::GlobalPool { input: 2, shift: 2, bits: 4 }),
            op(
                "linear",
                OpKind::Conv {
                    input: 3,
                    weights: Levels::from_values(2, 2, 1, &[3, -1]),
                    kernel: 1,
                    stride: 1,
                },
            ),
            op("logits", OpKind::Logits { input: 4, bias: vec![5, 0] }),
        ],
    };
    let values = Interpreter::new(&network).expect("valid").run(&[128, 127, 255, 0]).expect("size");
    // 2p - 255: 1, -1, 255, -255; all four pixels are under every window: 0 - 4·255.
    assert!(values[1].iter().all(|&z| z == -1020));
    // floor((3·-1020 + 8) / 16) = floor(-190.75).
    assert!(values[2].iter().all(|&r| r == -100));
    // floor(-400 / 4) + 8 < 0.
    assert_eq!(values[3][[0, 0, 0]], -15);
    assert_eq!(values[5].iter().copied().collect::<Vec<_>>(), [-40, 15]);
    assert_eq!(predicted_class(&[-40, 15]), 1);
}

#[test]
fn first_of_equal_logits_is_the_class() {
    assert_eq!(predicted_class(&[3, 7, 7]), 1);
}

/// Stream values and the operations that a test adds to them.
#[derive(Clone, Debug)]
struct Source {
    height: usize,
    width: usize,
    channels: usize,
    pixels: Vec<u8>,
    /// Two 8-bit levels for each channel: of the pixel, of the constant.
    weights: Vec<i32>,
    mul: Vec<i32>,
    bias: Vec<i32>,
    clip: i32,
}

/// The value that holds the stream of a [`Source`].
const STREAM: usize = 2;

impl Source {
    /// Runs `kinds` as the values after [`STREAM`]; returns all values.
    #[track_caller]
    fn run(&self, kinds: Vec<OpKind>) -> Vec<Map> {
        let network = self.network(kinds);
        Interpreter::new(&network).expect("valid").run(&self.pixels).expect("the right size")
    }

    /// A network with `kinds` as the values after [`STREAM`].
    fn network(&self, kinds: Vec<OpKind>) -> Network {
        let c = self.channels;
        let weights = Levels::from_values(8, c, 2, &self.weights);
        let mut all = vec![
            OpKind::Image { height: self.height, width: self.width, channels: 1 },
            OpKind::Conv { input: 0, weights, kernel: 1, stride: 1 },
            OpKind::Requantize {
                input: 1,
                shortcut: None,
                mul: self.mul.clone(),
                bias: self.bias.clone(),
                shift: 4,
                clip: self.clip,
            },
        ];
        all.extend(kinds);
        let n = all.len();
        let weights = Levels::from_signs(1, c, &vec![true; c]);
        all.push(OpKind::GlobalPool { input: STREAM, shift: 0, bits: 1 });
        all.push(OpKind::Conv { input: n, weights, kernel: 1, stride: 1 });
        all.push(OpKind::Logits { input: n + 1, bias: vec![0] });
        Network {
            arch: "test".to_owned(),
            frac_bits: 8,
            logit_scale: 1.0,
            provenance: std::collections::BTreeMap::new(),
            ops: all.into_iter().enumerate().map(|(i, kind)| op(&i.to_string(), kind)).collect(),
        }
    }
}

fn source(side: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Source> {
    (side.clone(), side, 1usize..=4, 1..=STREAM_MAX).prop_flat_map(
        |(height, width, channels, clip)| {
            let of_channels = |range| prop::collection::vec(range, channels);
            (
                prop::collection::vec(any::<u8>(), height * width),
                prop::collection::vec(odd_levels(8), 2 * channels),
                of_channels(-200..=200),
                of_channels(-100_000..=100_000),
            )
                .prop_map(move |(pixels, weights, mul, bias)| Source {
                    height,
                    width,
                    channels,
                    pixels,
                    weights,
                    mul,
                    bias,
                    clip,
                })
        },
    )
}

fn odd_levels(bits: u32) -> impl Strategy<Value = i32> {
    (0..1 << bits).prop_map(move |code: i32| 2 * code - max_level(bits))
}

/// The first `n` of a list that is long enough for every [`Source`].
fn first<T: Clone>(list: &[T], n: usize) -> Vec<T> {
    list[..n].to_vec()
}

fn extremes() -> impl Strategy<Value = Vec<Extreme>> {
    prop::collection::vec(prop_oneof![Just(Extreme::Max), Just(Extreme::Min)], 4)
}

/// Lets every element replace what the windows over it hold so far.
fn scattered_pool(input: &Map, window: [usize; 3], take: &[Extreme]) -> Map {
    let [kernel, stride, padding] = window;
    let (height, width, channels) = input.dim();
    let side = |n: usize| (n + 2 * padding - kernel) / stride + 1;
    let mut best = Array3::<Option<i32>>::default((side(height), side(width), channels));
    for ((y, x, c), &v) in input.indexed_iter() {
        for ((oy, ox, oc), held) in best.indexed_iter_mut() {
            let covers =
                |o: usize, i: usize| (o * stride..o * stride + kernel).contains(&(i + padding));
            if oc != c || !covers(oy, y) || !covers(ox, x) {
                continue;
            }
            *held = Some(match (*held, take[c]) {
                (None, _) => v,
                (Some(h), Extreme::Max) => {
                    if v > h {
                        v
                    } else {
                        h
                    }
                }
                (Some(h), Extreme::Min) => {
                    if v < h {
                        v
                    } else {
                        h
                    }
                }
            });
        }
    }
    best.mapv(|held| held.expect("a window over the map"))
}

/// Adds the products of every element to the sums that it reaches.
fn scattered_conv(input: &Map, weights: &[i32], [cout, kernel, stride]: [usize; 3]) -> Map {
    let (height, width, cin) = input.dim();
    let side = |n: usize| 1 + (n - 1) / stride;
    let mut sums = Map::zeros((side(height), side(width), cout));
    for ((oy, ox, o), sum) in sums.indexed_iter_mut() {
        for ((y, x, c), &v) in input.indexed_iter() {
            let pad = kernel / 2;
            let (ky, kx) =
                ((y + pad).wrapping_sub(oy * stride), (x + pad).wrapping_sub(ox * stride));
            if ky < kernel && kx < kernel {
                *sum += v * weights[((o * kernel + ky) * kernel + kx) * cin + c];
            }
        }
    }
    sums
}

/// The level nearest to `v`, the upper one of two, where a level `l` lies at `l · 2^(shift - 1)`.
fn nearest_level(v: i32, shift: u32, bits: u32) -> i32 {
    let place = |level: i32| f64::from(level) * 2f64.powi(shift.cast_signed() - 1);
    let distance = |level: i32| (place(level) - f64::from(v)).abs();
    (0..1 << bits)
        .map(|code: i32| 2 * code - max_level(bits))
        .reduce(|best, level| if distance(level) <= distance(best) { level } else { best })
        .expect("two levels at least")
}

/// `prelu` in `f64`, which holds every one of its integers.
fn float_prelu(v: i32, [before, slope, after]: [i32; 3], shift: u32, clip: i32) -> f64 {
    let u = f64::from(v) + f64::from(before);
    let half = if shift == 0 { 0.0 } else { 0.5 };
    let w = if u < 0.0 {
        (u * f64::from(slope) / 2f64.powi(shift.cast_signed()) + half).floor()
    } else {
        u
    };
    (w + f64::from(after)).min(f64::from(clip)).max(-f64::from(clip))
}

proptest! {
    #[test]
    fn thresholds_compare_streams(source in source(1..=6), shift in prop::collection::vec(-300i32..300, 4)) {
        let n = source.channels;
        let thresholds = |f: fn(i32) -> Threshold| shift[..n].iter().map(|&b| f(b)).collect();
        let kinds = vec![
            OpKind::Threshold { input: STREAM, thresholds: thresholds(|b| Threshold::AtLeast(-b)) },
            OpKind::Threshold { input: STREAM, thresholds: thresholds(|b| Threshold::AtMost(-b)) },
            OpKind::Threshold { input: STREAM, thresholds: thresholds(|b| Threshold::Constant(b > 0)) },
        ];
        let values = source.run(kinds);
        for ((y, x, c), &v) in values[STREAM].indexed_iter() {
            // The sign of the shifted stream, sign(0) being +1.
            let shifted = (v + shift[c]).signum();
            prop_assert_eq!(values[3][[y, x, c]], if shifted == 0 { 1 } else { shifted });
            prop_assert_eq!(values[4][[y, x, c]], if shifted == 0 { 1 } else { -shifted });
            prop_assert_eq!(values[5][[y, x, c]], if shift[c] > 0 { 1 } else { -1 });
        }
    }

    #[test]
    fn quantize_takes_the_nearest_level(source in source(1..=6), shift in 0u32..=20, bits in 1u32..=8) {
        let values = source.run(vec![OpKind::Quantize { input: STREAM, shift, bits }]);
        let expected = values[STREAM].mapv(|v| nearest_level(v, shift, bits));
        prop_assert_eq!(&values[3], &expected);
    }

    /// One position is pooled as it is quantized.
    #[test]
    fn global_pool_of_one_position_is_quantize(source in source(1..=1), shift in 0u32..=31, bits in 1u32..=8) {
        let values = source.run(vec![
            OpKind::Quantize { input: STREAM, shift, bits },
            OpKind::GlobalPool { input: STREAM, shift, bits },
        ]);
        prop_assert_eq!(&values[3], &values[4]);
    }

    #[test]
    fn max_pool_keeps_the_extreme_of_each_window(
        source in source(3..=8),
        kernel in 2usize..=3,
        stride in 1usize..=2,
        padding in 0usize..=1,
        take in extremes(),
        bits in 1u32..=8,
    ) {
        let take = first(&take, source.channels);
        let pool = |input| OpKind::MaxPool { input, kernel, stride, padding, take: take.clone() };
        let quantize = OpKind::Quantize { input: STREAM, shift: 5, bits };
        let values = source.run(vec![pool(STREAM), quantize, pool(4)]);
        let window = [kernel, stride, padding];
        prop_assert_eq!(&values[3], &scattered_pool(&values[STREAM], window, &take));
        prop_assert_eq!(&values[5], &scattered_pool(&values[4], window, &take));
    }

    /// Pooling bits instead of what they were compared from: the maximum where the comparison
    /// rises, the minimum where it falls.
    #[test]
    fn max_pool_commutes_with_thresholds(
        source in source(2..=6),
        t in prop::collection::vec(-2_000i32..2_000, 4),
        falls in prop::collection::vec(any::<bool>(), 4),
    ) {
        let n = source.channels;
        let thresholds: Vec<Threshold> = (0..n)
            .map(|c| if falls[c] { Threshold::AtMost(t[c]) } else { Threshold::AtLeast(t[c]) })
            .collect();
        let bits_take = (0..n).map(|c| if falls[c] { Extreme::Min } else { Extreme::Max }).collect();
        let pool = |input, take| OpKind::MaxPool { input, kernel: 2, stride: 2, padding: 0, take };
        let values = source.run(vec![
            OpKind::Threshold { input: STREAM, thresholds: thresholds.clone() },
            pool(3, bits_take),
            pool(STREAM, vec![Extreme::Max; n]),
            OpKind::Threshold { input: 5, thresholds },
        ]);
        prop_assert_eq!(&values[4], &values[6]);
    }

    #[test]
    fn flatten_moves_nothing(source in source(1..=6), bits in 1u32..=8) {
        let values = source.run(vec![
            OpKind::Quantize { input: STREAM, shift: 5, bits },
            OpKind::Flatten { input: 3 },
        ]);
        prop_assert_eq!(values[4].len(), values[3].len());
        for ((y, x, c), &v) in values[3].indexed_iter() {
            let element = (y * source.width + x) * source.channels + c;
            prop_assert_eq!(values[4][[0, 0, element]], v);
        }
    }

    #[test]
    fn prelu_is_the_rounded_float_function(
        source in source(1..=6),
        offsets in prop::collection::vec(-PRELU_OFFSET_MAX..=PRELU_OFFSET_MAX, 8),
        near in any::<bool>(),
        slope in prop::collection::vec(-MUL_MAX..=MUL_MAX, 4),
        shift in 0u32..=7,
        clip in 1..=STREAM_MAX,
    ) {
        let (n, shift) = (source.channels, 4 * shift);
        // Offsets of the stream's own size do not decide the sign alone.
        let offsets: Vec<i32> = offsets.iter().map(|o| if near { o / 256 } else { *o }).collect();
        let (before, after) = (first(&offsets, n), first(&offsets[4..], n));
        let values = source.run(vec![OpKind::Prelu {
            input: STREAM,
            before: before.clone(),
            slope: first(&slope, n),
            shift,
            after: after.clone(),
            clip,
        }]);
        for ((y, x, c), &v) in values[STREAM].indexed_iter() {
            let expected = float_prelu(v, [before[c], slope[c], after[c]], shift, clip);
            let actual = values[3][[y, x, c]];
            prop_assert!((f64::from(actual) - expected).abs() < 0.5, "{}: {}, not {}", v, actual, expected);
        }
    }

    /// With and without added channels; plain average pooling adds none.
    #[test]
    fn shortcut_pool_is_the_rounded_mean(half in source(1..=3), front in 0usize..3, behind in 0usize..3) {
        let (height, width) = (2 * half.height, 2 * half.width);
        let pixels = half.pixels.iter().flat_map(|&p| [p, p / 2, !p, 7]).collect();
        let source = Source { height, width, pixels, ..half };
        let channels = front + source.channels + behind;
        let pool = |front, channels| OpKind::ShortcutPool { input: STREAM, front, channels };
        let values = source.run(vec![pool(front, channels), pool(0, source.channels)]);
        let mut means = Array3::<f64>::zeros((height / 2, width / 2, source.channels));
        for ((y, x, c), &v) in values[STREAM].indexed_iter() {
            means[[y / 2, x / 2, c]] += f64::from(v) / 4.0;
        }
        for ((y, x, o), &v) in values[3].indexed_iter() {
            let pooled = (front..front + source.channels).contains(&o);
            let expected = if pooled { (means[[y, x, o - front]] + 0.5).floor() } else { 0.0 };
            prop_assert!((f64::from(v) - expected).abs() < 0.25, "{} at {:?}", v, (y, x, o));
        }
        for ((y, x, c), &v) in values[4].indexed_iter() {
            prop_assert_eq!(v, values[3][[y, x, front + c]]);
        }
    }

    /// Several bits on both sides: downsampling convolutions, stems, classifiers.
    #[test]
    fn conv_of_levels_is_exact(
        source in source(1..=9),
        kernel in prop_oneof![Just(1usize), Just(3), Just(7)],
        stride in 1usize..=2,
        bits in 1u32..=8,
        (weight_bits, levels) in (1u32..=8).prop_flat_map(|bits| {
            (Just(bits), prop::collection::vec(odd_levels(bits), 3 * 7 * 7 * 4))
        }),
    ) {
        let (cout, cin) = (3, source.channels);
        let levels = first(&levels, cout * kernel * kernel * cin);
        let weights = Levels::from_values(weight_bits, cout * kernel * kernel, cin, &levels);
        let values = source.run(vec![
            OpKind::Quantize { input: STREAM, shift: 6, bits },
            OpKind::Conv { input: 3, weights, kernel, stride },
        ]);
        prop_assert_eq!(&values[4], &scattered_conv(&values[3], &levels, [cout, kernel, stride]));
    }
}

/// A source of one channel whose stream is the given value everywhere.
fn constant(value: i32, height: usize, width: usize) -> Source {
    Source {
        height,
        width,
        channels: 1,
        // 2·127 - 255 = -1, which the constant 255 = -255 · -1 meets.
        pixels: vec![127; height * width],
        weights: vec![255, 1],
        mul: vec![1],
        bias: vec![16 * value],
        clip: STREAM_MAX,
    }
}

#[test]
fn largest_intermediate_of_prelu_is_exact() {
    let run = |slope, shift| {
        let prelu = OpKind::Prelu {
            input: STREAM,
            before: vec![-PRELU_OFFSET_MAX],
            slope: vec![slope],
            shift,
            after: vec![PRELU_OFFSET_MAX],
            clip: STREAM_MAX,
        };
        constant(-STREAM_MAX, 1, 1).run(vec![prelu])[3][[0, 0, 0]]
    };
    assert_eq!(run(MUL_MAX, 0), -STREAM_MAX);
    assert_eq!(run(-MUL_MAX, 0), STREAM_MAX);
    // floor((-1081343·4096 + 2048) / 4096) + 1048576.
    assert_eq!(run(4096, 12), -STREAM_MAX);
    // floor((-1081343·4000 + 2048) / 4096) + 1048576 = -1055999 + 1048576.
    assert_eq!(run(4000, 12), -7423);
}

#[test]
fn prelu_rounds_halves_up() {
    let run = |value| {
        let prelu = OpKind::Prelu {
            input: STREAM,
            before: vec![0],
            slope: vec![8],
            shift: 4,
            after: vec![0],
            clip: 100,
        };
        constant(value, 1, 1).run(vec![prelu])[3][[0, 0, 0]]
    };
    let cases = [(-4, -2), (-3, -1), (-1, 0), (0, 0), (5, 5), (101, 100), (-300, -100)];
    for (value, expected) in cases {
        assert_eq!(run(value), expected, "{value}");
    }
}

#[test]
fn max_pool_ignores_the_padding() {
    let pool = |take| OpKind::MaxPool {
        input: STREAM,
        kernel: 3,
        stride: 2,
        padding: 1,
        take: vec![take],
    };
    for value in [-9, 9] {
        let values = constant(value, 4, 5).run(vec![pool(Extreme::Max), pool(Extreme::Min)]);
        assert_eq!(values[3].dim(), (2, 3, 1));
        assert!(values[3].iter().chain(&values[4]).all(|&v| v == value));
    }
}

proptest! {
    #[test]
    fn tail_gives_the_logits_of_the_whole(source in source(1..=4)) {
        let network = source.network(Vec::new());
        let values = Interpreter::new(&network).expect("valid").run(&source.pixels).expect("size");
        let logits: Vec<i32> = values[values.len() - 1].iter().copied().collect();
        for (value, map) in values.iter().enumerate().skip(STREAM) {
            let tail = Tail::new(&network, value).expect("a chain");
            prop_assert_eq!(&tail.logits(map.clone()).expect("shape"), &logits, "after {}", value);
        }
    }
}

#[test]
fn tail_is_refused_where_more_than_its_value_is_read() {
    let source = constant(3, 2, 2);
    let network = source.network(vec![OpKind::Sign { input: STREAM }]);
    let error = Tail::new(&network, STREAM + 1).err().expect("the pooling reads the stream");
    assert_eq!(error.to_string(), "operation `4` reads `2`, which comes before `3`");
    let error = Tail::new(&network, 7).err().expect("values 0 to 6");
    assert_eq!(error.to_string(), "the network has 7 operations, so none is number 7");
    let tail = Tail::new(&network, STREAM).expect("nothing reads the image or the sums");
    let error = tail.logits(Map::zeros((2, 1, 1))).expect_err("not 2x2");
    let message = "the value has the shape (2, 1, 1), but the network computes (2, 2, 1)";
    assert_eq!(error.to_string(), message);
}
