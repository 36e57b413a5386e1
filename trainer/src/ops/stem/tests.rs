//! The stem against central differences, and its levels against the normalised image.

use rand::Rng;

use super::*;
use crate::method::Norm;
use crate::rng::stream;

/// The CIFAR stem, smaller, and the ImageNet stem, smaller.
const SHAPES: [ConvShape; 2] = [
    ConvShape { cin: STEM_CHANNELS, cout: 4, kernel: 3, stride: 1, in_side: 16 },
    ConvShape { cin: STEM_CHANNELS, cout: 5, kernel: 7, stride: 2, in_side: 20 },
];
const LIMITS: [Limit; 2] = [Limit::Hardtanh, Limit::Saturate(7.999)];

fn stem(variant: usize, images: usize, grid: Option<Grid>) -> Stem {
    let mut rng = stream(21, 0);
    let shape = SHAPES[variant];
    let pixels = (0..images * image_bytes(shape.in_side)).map(|_| rng.random()).collect();
    Stem {
        shape,
        pixels: Arc::new(pixels),
        norm: Norm::Recu.pixels(),
        grid,
        snap: true,
        limit: LIMITS[variant],
        stats: StatsSlot::default(),
    }
}

fn inputs(shape: ConvShape) -> [Vec<f32>; 3] {
    let mut rng = stream(22, 0);
    let mut draw = |n: usize| (0..n).map(|_| rng.random::<f32>() - 0.5).collect();
    [draw(shape.cout * PIXELS * shape.taps()), draw(shape.cout), draw(shape.cout)]
}

fn run(stem: &Stem, inputs: &[Vec<f32>; 3]) -> (Vec<f32>, Arc<dyn HostBackward>) {
    let tensors: Vec<FlexTensor> =
        inputs.iter().map(|v| host_tensor(v.clone(), [v.len()])).collect();
    let (y, saved) = stem.forward(&tensors);
    (values(&y).to_vec(), saved)
}

/// Off the grid the stem is smooth but for the hardtanh's corners.
#[test]
fn gradients_are_central_differences_off_the_grid() {
    for variant in 0..SHAPES.len() {
        // One full group and a partial one, whose dead lanes get no gradient.
        let images = 19;
        let stem = stem(variant, images, None);
        let shape = stem.shape;
        let inputs = inputs(shape);
        let (y, saved) = run(&stem, &inputs);
        let mut rng = stream(23, 0);
        let per_group = shape.output() * LANES;
        let grad: Vec<f32> = (0..y.len())
            .map(|i| match i / per_group * LANES + i % LANES {
                image if image < images => rng.random::<f32>() - 0.5,
                _ => 0.0,
            })
            .collect();
        let grads = saved.backward(&grad);
        let loss = |inputs: &[Vec<f32>; 3]| -> f64 {
            let y = run(&stem, inputs).0;
            y.iter().zip(&grad).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum()
        };
        let last = shape.cout * PIXELS * shape.taps() - 1;
        for (input, index) in [(0, 0), (0, 13), (0, 30), (0, last), (1, 0), (1, 3), (2, 2)] {
            let step = 1e-2f32;
            let at = |d: f32| {
                let mut moved = inputs.clone();
                moved[input][index] += d;
                loss(&moved)
            };
            let expected = (at(step) - at(-step)) / (2.0 * f64::from(step));
            let actual = f64::from(values(&grads[input])[index]);
            // Some 10,000 outputs with f32 rounding, and the curvature over the step.
            assert!(
                (actual - expected).abs() < 0.05 + 0.02 * expected.abs(),
                "{shape:?} {input} {index}: {actual} {expected}"
            );
        }
    }
}

/// With zero padding after normalisation, a convolution of the normalised image is `z`.
#[test]
fn folded_weights_convolve_the_normalised_image() {
    for variant in 0..SHAPES.len() {
        let stem = stem(variant, 1, None);
        let shape = stem.shape;
        let [latent, ..] = inputs(shape);
        let folded = stem.fold(&latent);
        let mut map = vec![Lanes::ZERO; shape.padded_input()];
        write_pixels(&stem.pixels, 0, &mut map, shape);
        let mut z = vec![Lanes::ZERO; shape.output()];
        conv::forward(&map, &conv::pack_forward(&folded.weights, shape), &mut z, shape);
        let PixelStatistics { mean, std } = stem.norm;
        let (side, wide, k) = (shape.side(), shape.in_side, shape.kernel);
        for (o, y, x) in [(0, 0, 0), (1, side - 1, 5), (3, 4, 4)] {
            let mut expected = 0.0;
            for c in 0..PIXELS {
                for tap in 0..shape.taps() {
                    let (iy, ix) = (y * shape.stride + tap / k, x * shape.stride + tap % k);
                    let inside = shape.pad()..shape.pad() + wide;
                    if inside.contains(&iy) && inside.contains(&ix) {
                        let (iy, ix) = (iy - shape.pad(), ix - shape.pad());
                        let p = stem.pixels[(c * wide + iy) * wide + ix];
                        let value = (f64::from(p) / 255.0 - mean[c]) / std[c];
                        let weight = latent[(o * PIXELS + c) * shape.taps() + tap];
                        expected += value * f64::from(weight);
                    }
                }
            }
            let actual = f64::from(z[(o * side + y) * side + x].0[0]);
            assert!((actual - expected).abs() < 5e-5, "{actual} {expected}");
        }
    }
}

#[test]
fn stem_on_the_grid_is_near_the_real_one_and_on_steps() {
    for variant in 0..SHAPES.len() {
        let inputs = inputs(SHAPES[variant]);
        let (real, _) = run(&stem(variant, 16, None), &inputs);
        let (grid, _) = run(&stem(variant, 16, Some(Grid::default())), &inputs);
        assert!(grid.iter().all(|v| (v * 4096.0).fract() == 0.0));
        let error: f64 = real.iter().zip(&grid).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>()
            / real.len() as f64;
        // Levels of 4 bits and a sign keep a weight within 1/31 of the largest.
        assert!(error < 0.05, "{error}");
    }
}

#[test]
fn stem_gives_the_same_bits_on_any_number_of_threads() {
    let stem = stem(1, 70, Some(Grid::default()));
    let inputs = inputs(stem.shape);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        pool.install(|| {
            let (y, saved) = run(&stem, &inputs);
            let grads = saved.backward(&y);
            (y, grads.iter().map(|g| values(g).to_vec()).collect::<Vec<_>>())
        })
    };
    let one = on(1);
    assert!(one == on(2) && one == on(3), "chunks are fixed");
}
