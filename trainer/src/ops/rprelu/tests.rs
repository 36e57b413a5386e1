//! The activation against central differences, and against the integers of semantics.md.

use rand::Rng;

use super::*;
use crate::rng::stream;

const CHANNELS: usize = 3;
const SIDE: usize = 3;
const IMAGES: usize = 19;

fn op(grid: Option<Grid>, limit: Limit) -> Rprelu {
    Rprelu { channels: CHANNELS, side: SIDE, images: IMAGES, grid, limit }
}

fn inputs() -> Vec<Vec<f32>> {
    let mut rng = stream(31, 0);
    let mut draw = |n: usize, size: f32| -> Vec<f32> {
        (0..n).map(|_| size * (2.0 * rng.random::<f32>() - 1.0)).collect()
    };
    let map = groups_of(IMAGES) * CHANNELS * SIDE * SIDE * LANES;
    vec![draw(map, 2.0), draw(CHANNELS, 0.6), draw(CHANNELS, 0.5), draw(CHANNELS, 0.5)]
}

fn run(op: &Rprelu, inputs: &[Vec<f32>]) -> (Vec<f32>, Arc<dyn HostBackward>) {
    let tensors: Vec<FlexTensor> =
        inputs.iter().map(|v| host_tensor(v.clone(), [v.len()])).collect();
    let (y, saved) = op.forward(&tensors);
    (values(&y).to_vec(), saved)
}

/// Whether an element of a map belongs to an image.
fn living(i: usize) -> bool {
    i / (CHANNELS * SIDE * SIDE * LANES) * LANES + i % LANES < IMAGES
}

#[test]
fn gradients_are_those_of_the_formula() {
    for limit in [Limit::Open, Limit::Hardtanh] {
        let op = op(None, limit);
        let inputs = inputs();
        let (y, saved) = run(&op, &inputs);
        let mut rng = stream(32, 0);
        let grad: Vec<f32> =
            (0..y.len()).map(|i| if living(i) { rng.random::<f32>() - 0.5 } else { 0.0 }).collect();
        let grads: Vec<Vec<f32>> =
            saved.backward(&grad).iter().map(|g| values(g).to_vec()).collect();
        let mut sums = [[0.0f64; CHANNELS]; 3];
        for (i, &x) in inputs[0].iter().enumerate() {
            let c = i / (SIDE * SIDE * LANES) % CHANNELS;
            let [slope, before, after] = [1, 2, 3].map(|n| f64::from(inputs[n][c]));
            let u = f64::from(x) + before;
            let value = if u > 0.0 { u } else { slope * u } + after;
            let bound = f64::from(limit.bound());
            assert!((f64::from(y[i]) - value.clamp(-bound, bound)).abs() < 1e-6);
            let g = if value.abs() < bound { f64::from(grad[i]) } else { 0.0 };
            let inner = if u > 0.0 { g } else { slope * g };
            assert!((f64::from(grads[0][i]) - inner).abs() < 1e-6);
            sums[0][c] += if u > 0.0 { 0.0 } else { g * u };
            sums[1][c] += inner;
            sums[2][c] += g;
        }
        for (actual, expected) in grads[1..].iter().zip(&sums) {
            for (a, e) in actual.iter().zip(expected) {
                assert!((f64::from(*a) - e).abs() < 1e-4, "{a} is not {e}");
            }
        }
    }
}

#[test]
fn values_on_the_grid_are_the_integers_of_the_semantics() {
    let grid = Grid::default();
    let scale = f64::from(1u32 << grid.stream_frac_bits);
    let mut inputs = inputs();
    for v in &mut inputs[0] {
        *v = ((f64::from(*v) * scale).round() / scale) as f32;
    }
    let integers = prelu(&inputs[1], &inputs[2], &inputs[3], grid.stream_frac_bits);
    let (y, _) = run(&op(Some(grid), Limit::Hardtanh), &inputs);
    for (i, &x) in inputs[0].iter().enumerate() {
        let c = i / (SIDE * SIDE * LANES) % CHANNELS;
        let u = (f64::from(x) * scale) as i64 + i64::from(integers.before[c]);
        let half = if integers.shift == 0 { 0 } else { 1i64 << (integers.shift - 1) };
        let w = match u {
            0.. => u,
            _ => (u * i64::from(integers.slope[c]) + half) >> integers.shift,
        };
        let expected = (w + i64::from(integers.after[c])).clamp(-4096, 4096);
        assert_eq!(f64::from(y[i]) * scale, expected as f64);
    }
}
