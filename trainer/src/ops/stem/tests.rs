//! The stem against central differences, and its levels against the normalised image.

use rand::Rng;

use super::*;
use crate::data::stream;
use crate::method::Norm;

fn stem(images: usize, grid: Option<Grid>) -> Stem {
    let mut rng = stream(21, 0);
    let pixels = (0..images * IMAGE_BYTES).map(|_| rng.random()).collect();
    Stem {
        cout: 4,
        pixels: Arc::new(pixels),
        norm: Norm::Recu.pixels(),
        grid,
        stats: StatsSlot::default(),
    }
}

fn inputs() -> [Vec<f32>; 3] {
    let mut rng = stream(22, 0);
    let mut draw = |n: usize| (0..n).map(|_| rng.random::<f32>() - 0.5).collect();
    [draw(4 * 27), draw(4), draw(4)]
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
    let stem = stem(16, None);
    let inputs = inputs();
    let (y, saved) = run(&stem, &inputs);
    let mut rng = stream(23, 0);
    let grad: Vec<f32> = y.iter().map(|_| rng.random::<f32>() - 0.5).collect();
    let grads = saved.backward(&grad);
    let loss = |inputs: &[Vec<f32>; 3]| -> f64 {
        run(&stem, inputs).0.iter().zip(&grad).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum()
    };
    for (input, index) in [(0, 0), (0, 13), (0, 30), (0, 107), (1, 0), (1, 3), (2, 2)] {
        let step = 1e-2f32;
        let at = |d: f32| {
            let mut moved = inputs.clone();
            moved[input][index] += d;
            loss(&moved)
        };
        let expected = (at(step) - at(-step)) / (2.0 * f64::from(step));
        let actual = f64::from(values(&grads[input])[index]);
        // 65,536 outputs with f32 rounding, and the curvature over the step.
        assert!(
            (actual - expected).abs() < 0.05 + 0.02 * expected.abs(),
            "{input} {index}: {actual} {expected}"
        );
    }
}

/// With zero padding after normalisation, a convolution of the normalised image is `z`.
#[test]
fn folded_weights_convolve_the_normalised_image() {
    let stem = stem(1, None);
    let [latent, ..] = inputs();
    let folded = stem.fold(&latent);
    let padded = SIDE + 2;
    let mut map = vec![Lanes::ZERO; STEM_CHANNELS * padded * padded];
    write_pixels(&stem.pixels, 0, &mut map);
    let shape = stem_shape(4);
    let mut z = vec![Lanes::ZERO; shape.output()];
    conv::forward(&map, &conv::pack_forward(&folded.weights, shape), &mut z, shape);
    let PixelStatistics { mean, std } = stem.norm;
    for (o, y, x) in [(0, 0, 0), (1, 31, 5), (3, 16, 16)] {
        let mut expected = 0.0;
        for c in 0..3 {
            for tap in 0..TAPS {
                let (iy, ix) = (y + tap / 3, x + tap % 3);
                if (1..=SIDE).contains(&iy) && (1..=SIDE).contains(&ix) {
                    let p = stem.pixels[(c * SIDE + iy - 1) * SIDE + ix - 1];
                    let value = (f64::from(p) / 255.0 - mean[c]) / std[c];
                    expected += value * f64::from(latent[(o * 3 + c) * TAPS + tap]);
                }
            }
        }
        let actual = f64::from(z[(o * SIDE + y) * SIDE + x].0[0]);
        assert!((actual - expected).abs() < 1e-5, "{actual} {expected}");
    }
}

#[test]
fn stem_on_the_grid_is_near_the_real_one_and_on_steps() {
    let inputs = inputs();
    let (real, _) = run(&stem(16, None), &inputs);
    let (grid, _) = run(&stem(16, Some(Grid::default())), &inputs);
    assert!(grid.iter().all(|v| (v * 4096.0).fract() == 0.0));
    let error: f64 = real.iter().zip(&grid).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>()
        / real.len() as f64;
    // Levels of 4 bits and a sign keep a weight within 1/31 of the largest.
    assert!(error < 0.05, "{error}");
}
