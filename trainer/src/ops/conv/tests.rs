//! The kernels against a naive convolution with real values: all kernels, strides and builds; signs
//! in bits against the kernel on floats.

use rand::Rng;

use super::*;
use crate::lanes::Signs;
use crate::ops::passes;
use crate::rng::stream;
use crate::simd::on_each_build;

/// Random padded map with a border of zeros.
fn random_map(channels: usize, padded: usize, pad: usize, seed: u64) -> Vec<Lanes> {
    let mut rng = stream(seed, 0);
    let mut map = vec![Lanes::ZERO; channels * padded * padded];
    for v in &mut map {
        *v = Lanes(std::array::from_fn(|_| rng.random::<f32>() - 0.5));
    }
    clear_border(&mut map, channels, padded, pad);
    map
}

/// Calls `f(output, weight, input)` with the indices of every product of the convolution;
/// `output` and `input` index padded maps.
fn each_product(shape: ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    let (p, q, k) = (shape.padded(), shape.padded_side(), shape.kernel);
    for o in 0..shape.cout {
        for y in 0..shape.side() {
            for x in 0..shape.side() {
                for i in 0..shape.cin {
                    for tap in 0..shape.taps() {
                        let (ky, kx) = (tap / k, tap % k);
                        f(
                            (o * q + y + shape.pad()) * q + x + shape.pad(),
                            (o * shape.cin + i) * shape.taps() + tap,
                            (i * p + y * shape.stride + ky) * p + x * shape.stride + kx,
                        );
                    }
                }
            }
        }
    }
}

/// The three results of one convolution: output, input's gradient, weights' gradient.
#[derive(PartialEq)]
struct Results {
    output: Vec<Lanes>,
    input: Vec<Lanes>,
    weights: Vec<f32>,
}

fn run(shape: ConvShape, weights: &[f32], input: &[Lanes], grad: &[Lanes]) -> Results {
    // What the kernels do not write would show.
    let mut output = vec![Lanes([f32::NAN; LANES]); shape.output()];
    forward(input, &pack_forward(weights, shape), &mut output, shape);
    let mut grad_input = vec![Lanes([f32::NAN; LANES]); shape.input()];
    backward_input(grad, &pack_backward(weights, shape), &mut grad_input, shape);
    let mut sums = zeroed_weights(shape);
    let mut scratch = vec![Lanes([f32::NAN; LANES]); 8];
    backward_weights(input, grad, &mut sums, &mut scratch, shape);
    Results { output, input: grad_input, weights: finish_weights(&sums, shape) }
}

/// Sums of up to some thousand products below 1/4.
#[track_caller]
fn check_close(actual: f32, expected: f64) {
    assert!((f64::from(actual) - expected).abs() < 5e-4, "{actual} is not {expected}");
}

/// Checks the interior of a padded map of expected values in one lane.
#[track_caller]
fn check_map(actual: &[Lanes], expected: &[f64], lane: usize, side: usize, pad: usize) {
    let p = side + 2 * pad;
    for (n, v) in actual.iter().enumerate() {
        let (c, y, x) = (n / (side * side), n / side % side, n % side);
        check_close(v.0[lane], expected[(c * p + y + pad) * p + x + pad]);
    }
}

#[track_caller]
fn check(shape: ConvShape) {
    let mut rng = stream(3, 0);
    let weights: Vec<f32> = (0..shape.weights()).map(|_| rng.random::<f32>() - 0.5).collect();
    let input = random_map(shape.cin, shape.padded(), shape.pad(), 1);
    let grad = random_map(shape.cout, shape.padded_side(), shape.pad(), 2);
    let lane = 11;
    let mut out = vec![0.0f64; grad.len()];
    let mut grad_in = vec![0.0f64; input.len()];
    let mut grad_w = vec![0.0f64; weights.len()];
    each_product(shape, |o, w, i| {
        out[o] += f64::from(weights[w]) * f64::from(input[i].0[lane]);
        grad_in[i] += f64::from(weights[w]) * f64::from(grad[o].0[lane]);
        grad_w[w] +=
            (0..LANES).map(|k| f64::from(grad[o].0[k]) * f64::from(input[i].0[k])).sum::<f64>();
    });
    for actual in on_each_build(1, || run(shape, &weights, &input, &grad)) {
        check_map(&actual.output, &out, lane, shape.side(), shape.pad());
        check_map(&actual.input, &grad_in, lane, shape.in_side, shape.pad());
        assert_eq!(actual.weights.len(), grad_w.len());
        for (actual, expected) in actual.weights.iter().zip(&grad_w) {
            check_close(*actual, *expected);
        }
    }
}

#[test]
fn kernels_agree_with_naive_convolution() {
    for kernel in [1, 3, 7] {
        for stride in [1, 2] {
            for in_side in [1, 2, 4, 7, 8, 14] {
                check(ConvShape { cin: 4, cout: 8, kernel, stride, in_side });
            }
        }
    }
}

#[test]
fn kernels_agree_with_naive_convolution_for_channels_beside_the_blocks() {
    for (cin, cout) in [(1, 1), (3, 5), (18, 17), (7, 33), (33, 64)] {
        check(ConvShape { cin, cout, kernel: 3, stride: 1, in_side: 5 });
        check(ConvShape { cin, cout, kernel: 3, stride: 2, in_side: 6 });
        check(ConvShape { cin, cout, kernel: 1, stride: 2, in_side: 6 });
    }
}

#[test]
fn builds_agree_bit_for_bit_on_signs() {
    for (kernel, stride, cout) in [(3, 1, 64), (3, 2, 32), (1, 2, 24), (3, 1, 16)] {
        let shape = ConvShape { cin: 20, cout, kernel, stride, in_side: 10 };
        let mut rng = stream(5, 0);
        let mut sign = || if rng.random() { 1.0 } else { -1.0 };
        let weights: Vec<f32> = (0..shape.weights()).map(|_| sign()).collect();
        let mut input = vec![Lanes::ZERO; shape.padded_input()];
        for v in &mut input {
            *v = Lanes(std::array::from_fn(|_| sign()));
        }
        clear_border(&mut input, shape.cin, shape.padded(), shape.pad());
        let grad = random_map(shape.cout, shape.padded_side(), shape.pad(), 6);
        let results = on_each_build(1, || run(shape, &weights, &input, &grad));
        assert!(
            results.windows(2).all(|pair| pair[0] == pair[1]),
            "products with signs are exact, so neither the build nor FMA changes a bit: {shape:?}"
        );
    }
}

/// Counting the bits of signs is the convolution of ±1, whatever the channels, borders and build.
#[track_caller]
fn check_signs(shape: ConvShape) {
    let mut rng = stream(7, 0);
    let mut sign = || if rng.random() { 1.0 } else { -1.0 };
    let weights: Vec<f32> = (0..shape.weights()).map(|_| sign()).collect();
    let shifted = shape.cin.is_multiple_of(2);
    let shift: Vec<f32> =
        (0..shape.cin).map(|_| if shifted { rng.random::<f32>() - 0.5 } else { 0.0 }).collect();
    // Multiples of 1/2: without a shift many a value is 0. One is NaN, whose sign is -1.
    let mut x: Vec<[f32; LANES]> = (0..shape.input())
        .map(|_| std::array::from_fn(|_| f32::from(rng.random_range(-2i8..=2)) / 2.0))
        .collect();
    x[0][0] = f32::NAN;
    let mut floats = vec![Lanes::ZERO; shape.padded_input()];
    let planes = x.chunks_exact(shape.in_side * shape.in_side).zip(&shift);
    for ((x, &shift), map) in planes.zip(floats.chunks_exact_mut(shape.padded() * shape.padded())) {
        passes::write_signs(x, shift, map, shape.in_side, shape.pad());
    }
    let mut expected = vec![Lanes::ZERO; shape.output()];
    forward(&floats, &pack_forward(&weights, shape), &mut expected, shape);
    for actual in on_each_build(1, || convolve_signs(&x, &shift, &weights, shape)) {
        assert!(actual == expected, "{shape:?}");
    }
}

fn convolve_signs(
    x: &[[f32; LANES]],
    shift: &[f32],
    weights: &[f32],
    shape: ConvShape,
) -> Vec<Lanes> {
    // What is not written would show.
    let mut map = vec![Signs([0xff; 2 * LANES]); shape.sign_input()];
    pack_signs(x, shift, &mut map, shape);
    let mut out = vec![Lanes([f32::NAN; LANES]); shape.output()];
    forward_signs(&map, &pack_sign_weights(weights, shape), &mut out, shape);
    out
}

#[test]
fn signs_are_convolved_as_floats_are() {
    for kernel in [1, 3, 7] {
        for stride in [1, 2] {
            for in_side in [1, 2, 5, 8] {
                for (cin, cout) in [(16, 16), (1, 1), (3, 5), (20, 7), (33, 8)] {
                    check_signs(ConvShape { cin, cout, kernel, stride, in_side });
                }
            }
        }
    }
}

/// All products are -1: the most that the counters of 8 and of 16 bits hold.
#[test]
fn counts_of_signs_do_not_wrap() {
    for (kernel, cin) in [(7, 16), (7, 1337), (3, 7281), (1, 65_535)] {
        let shape = ConvShape { cin, cout: 1, kernel, stride: 1, in_side: kernel };
        let x = vec![[-1.0; LANES]; shape.input()];
        let (shift, weights) = (vec![0.0; cin], vec![1.0; shape.weights()]);
        for out in on_each_build(1, || convolve_signs(&x, &shift, &weights, shape)) {
            let middle = out[shape.output() / 2];
            assert_eq!(middle, Lanes([-(shape.fan_in() as f32); LANES]), "{shape:?}");
        }
    }
}
