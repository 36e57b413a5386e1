//! The layer against central differences off the grid, and the grid against the layer off it.

use rand::Rng;

use super::*;
use crate::rng::stream;

const IMAGES: usize = 19;
const SHAPES: [ConvShape; 2] = [
    ConvShape { cin: 6, cout: 5, kernel: 1, stride: 2, in_side: 6 },
    ConvShape { cin: 3, cout: 4, kernel: 1, stride: 1, in_side: 3 },
];

fn unit(shape: ConvShape, grid: Option<Grid>, limit: Limit) -> RealUnit {
    RealUnit { shape, images: IMAGES, grid, range_log2: 0, limit, stats: StatsSlot::default() }
}

fn draw(seed: u64, n: usize) -> Vec<f32> {
    let mut rng = stream(seed, 0);
    (0..n).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect()
}

fn inputs(shape: ConvShape) -> Vec<Vec<f32>> {
    let map = draw(51, groups_of(IMAGES) * shape.input() * LANES);
    let map = map.into_iter().map(|v| (v * 4096.0).round() / 4096.0).collect();
    vec![map, draw(52, shape.weights()), draw(53, shape.cout), draw(54, shape.cout)]
}

/// A random gradient of the output; dead lanes get 0, as in a network.
fn gradient(shape: ConvShape) -> Vec<f32> {
    let per_group = shape.output() * LANES;
    let mut grad = draw(55, groups_of(IMAGES) * per_group);
    for (i, g) in grad.iter_mut().enumerate() {
        if i / per_group * LANES + i % LANES >= IMAGES {
            *g = 0.0;
        }
    }
    grad
}

fn run(unit: &RealUnit, inputs: &[Vec<f32>], grad: &[f32]) -> (Vec<f32>, Vec<Vec<f32>>) {
    let tensors: Vec<FlexTensor> =
        inputs.iter().map(|v| host_tensor(v.clone(), [v.len()])).collect();
    let (y, saved) = unit.forward(&tensors);
    let grads = saved.backward(grad).iter().map(|g| values(g).to_vec()).collect();
    (values(&y).to_vec(), grads)
}

#[test]
fn gradients_are_central_differences_off_the_grid() {
    for shape in SHAPES {
        let unit = unit(shape, None, Limit::Open);
        let (inputs, grad) = (inputs(shape), gradient(shape));
        let grads = run(&unit, &inputs, &grad).1;
        let loss = |inputs: &[Vec<f32>]| -> f64 {
            let y = run(&unit, inputs, &grad).0;
            y.iter().zip(&grad).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum()
        };
        for (input, index) in [(0, 0), (0, 40), (0, 35 * LANES + 2), (1, 1), (1, 9), (2, 3), (3, 1)]
        {
            let step = 1e-2f32;
            let at = |d: f32| {
                let mut moved = inputs.clone();
                let index = index % moved[input].len();
                moved[input][index] += d;
                loss(&moved)
            };
            let expected = (at(step) - at(-step)) / (2.0 * f64::from(step));
            let actual = f64::from(grads[input][index % inputs[input].len()]);
            // f32 rounding of some thousand outputs over the step, and the curvature.
            assert!(
                (actual - expected).abs() < 5e-3 + 5e-3 * expected.abs(),
                "{shape:?} {input} {index}: {actual} is not {expected}"
            );
        }
    }
}

/// On the grid the layer is the real one of the quantized input and weights, and its gradients
/// pass straight through both quantizations.
#[test]
fn grid_is_the_real_layer_of_quantized_values() {
    for shape in SHAPES {
        let on = unit(shape, Some(Grid::default()), Limit::Open);
        let (inputs, grad) = (inputs(shape), gradient(shape));
        let (y, grads) = run(&on, &inputs, &grad);
        assert!(y.iter().all(|v| (v * 4096.0).fract() == 0.0));
        let quantizer = on.quantizer().expect("on the grid");
        let (levels, scale) = on.weights(&inputs[1]);
        let mut quantized = inputs.clone();
        for v in &mut quantized[0] {
            let rounded = (quantizer.level((*v).into()) * quantizer.unit) as f32;
            assert!((rounded - *v).abs() <= quantizer.unit as f32, "within half a cell");
            *v = rounded;
        }
        for (i, v) in quantized[1].iter_mut().enumerate() {
            let rounded = (f64::from(levels[i]) * scale[i / shape.cin]) as f32;
            assert!((f64::from(rounded - *v)).abs() <= 1.001 * scale[i / shape.cin]);
            *v = rounded;
        }
        let (real, real_grads) = run(&unit(shape, None, Limit::Open), &quantized, &grad);
        for (y, real) in y.iter().zip(&real) {
            assert!((y - real).abs() < 0.6 / 4096.0, "{y} is not {real} on the grid");
        }
        for (actual, expected) in grads.iter().zip(&real_grads) {
            let largest = expected.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
            for (a, e) in actual.iter().zip(expected) {
                assert!((a - e).abs() < 1e-4 * largest, "{a} is not {e}");
            }
        }
    }
}

#[test]
fn layer_gives_the_same_bits_on_any_number_of_threads() {
    let shape = SHAPES[0];
    let mut unit = unit(shape, Some(Grid::default()), Limit::Saturate(0.5));
    unit.images = 4 * LANES - 3;
    let mut inputs = inputs(shape);
    inputs[0] = draw(56, 4 * shape.input() * LANES);
    let grad = draw(57, 4 * shape.output() * LANES);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        pool.install(|| run(&unit, &inputs, &grad))
    };
    let one = on(1);
    assert!(one == on(2) && one == on(3), "chunks are fixed");
    assert!(one.0.iter().all(|v| v.abs() <= 0.5));
}
