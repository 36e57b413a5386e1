//! The kernels against a naive convolution with real values, both strides, all three directions.

use rand::Rng;

use super::*;
use crate::data::stream;

/// Random padded map with a border of zeros.
fn random_map(channels: usize, padded: usize, step: usize, seed: u64) -> Vec<Lanes> {
    let mut rng = stream(seed, 0);
    let mut map = vec![Lanes::ZERO; channels * padded * padded];
    for plane in map.chunks_exact_mut(padded * padded) {
        for y in (1..padded - 1).step_by(step) {
            for x in (1..padded - 1).step_by(step) {
                plane[y * padded + x] = Lanes(std::array::from_fn(|_| rng.random::<f32>() - 0.5));
            }
        }
    }
    map
}

/// Calls `f(output, weight, input)` with the indices of every product of the convolution;
/// `output` indexes the padded gradient map.
fn each_product(shape: ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    let p = shape.padded();
    for o in 0..shape.cout {
        for y in 0..shape.side {
            for x in 0..shape.side {
                for i in 0..shape.cin {
                    for tap in 0..TAPS {
                        let (ky, kx) = (tap / 3, tap % 3);
                        f(
                            (o * p + y * shape.stride + 1) * p + x * shape.stride + 1,
                            (o * shape.cin + i) * TAPS + tap,
                            (i * p + y * shape.stride + ky) * p + x * shape.stride + kx,
                        );
                    }
                }
            }
        }
    }
}

/// Sums of up to 576 products below 1/4: `f32` rounding stays below 1e-4.
#[track_caller]
fn check_close(actual: f32, expected: f64) {
    assert!((f64::from(actual) - expected).abs() < 1e-4, "{actual} is not {expected}");
}

#[track_caller]
fn check(shape: ConvShape) {
    let mut rng = stream(3, 0);
    let weights: Vec<f32> = (0..shape.weights()).map(|_| rng.random::<f32>() - 0.5).collect();
    let input = random_map(shape.cin, shape.padded(), 1, 1);
    let grad = random_map(shape.cout, shape.padded(), shape.stride, 2);
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

    let mut actual = vec![Lanes::ZERO; shape.output()];
    forward(&input, &pack_forward(&weights, shape), &mut actual, shape);
    let p = shape.padded();
    for (n, v) in actual.iter().enumerate() {
        let (o, y, x) =
            (n / (shape.side * shape.side), n / shape.side % shape.side, n % shape.side);
        check_close(v.0[lane], out[(o * p + y * shape.stride + 1) * p + x * shape.stride + 1]);
    }
    let mut actual = vec![Lanes::ZERO; shape.input()];
    backward_input(&grad, &pack_backward(&weights, shape), &mut actual, shape);
    let side = shape.in_side();
    for (n, v) in actual.iter().enumerate() {
        let (i, y, x) = (n / (side * side), n / side % side, n % side);
        check_close(v.0[lane], grad_in[(i * p + y + 1) * p + x + 1]);
    }
    let mut lanes = vec![Lanes::ZERO; shape.weights()];
    backward_weights(&input, &grad, &mut lanes, shape);
    for (actual, expected) in reduce_weights(&lanes, shape).iter().zip(&grad_w) {
        // 64 to 1,024 positions of 16 images a weight.
        assert!((f64::from(*actual) - expected).abs() < 1e-3, "{actual} is not {expected}");
    }
}

#[test]
fn kernels_agree_with_naive_convolution_at_stride_1() {
    check(ConvShape { cin: 4, cout: 8, side: 16, stride: 1 });
    check(ConvShape { cin: 8, cout: 4, side: 8, stride: 1 });
}

#[test]
fn kernels_agree_with_naive_convolution_at_stride_2() {
    check(ConvShape { cin: 4, cout: 8, side: 8, stride: 2 });
    check(ConvShape { cin: 8, cout: 12, side: 16, stride: 2 });
}

#[test]
fn builds_agree_bit_for_bit_on_signs() {
    let shape = ConvShape { cin: 16, cout: 16, side: 8, stride: 1 };
    let mut rng = stream(5, 0);
    let weights: Vec<f32> =
        (0..shape.weights()).map(|_| if rng.random() { 1.0 } else { -1.0 }).collect();
    let grad = random_map(shape.cout, shape.padded(), 1, 6);
    let packed = pack_backward(&weights, shape);
    let mut best = vec![Lanes::ZERO; shape.input()];
    let mut portable = best.clone();
    backward_input(&grad, &packed, &mut best, shape);
    forward_body::<false, 1, 1>(&grad, &packed, &mut portable, shape);
    assert!(best == portable, "products with signs are exact, so FMA changes nothing");
}
