//! The fused unit against a naive one: values image by image, every gradient by its formula.
//!
//! The reference works in `f64` on one image at a time, with none of the unit's code, and
//! differentiates batch normalisation and the attached deviation numerically where the formula is
//! the thing under test.

use rand::Rng;

use super::*;
use crate::data::stream;
use crate::ops::binarize_weight::{Identity, Recu};

/// A small unit with random inputs, and 21 images: one full group and a partial one.
struct Problem {
    unit: Unit,
    inputs: Vec<Vec<f32>>,
    grad: Vec<f32>,
}

const IMAGES: usize = 21;

impl Problem {
    fn new(
        shape: ConvShape,
        std_gradient: StdGradient,
        binarizer: Arc<dyn WeightBinarizer>,
    ) -> Self {
        let mut rng = stream(11, 0);
        let groups = groups_of(IMAGES);
        let mut random = |n: usize, low: f32, high: f32| -> Vec<f32> {
            (0..n).map(|_| low + (high - low) * rng.random::<f32>()).collect()
        };
        let inputs = vec![
            random(groups * shape.input() * LANES, -1.0, 1.0),
            random(shape.weights(), -0.5, 0.5),
            random(shape.cout, 0.1, 0.9),
            random(shape.cout, -1.0, 1.5),
            random(shape.cout, -0.5, 0.5),
        ];
        let grad = random(groups * shape.output() * LANES, -1.0, 1.0);
        let unit = Unit {
            shape,
            images: IMAGES,
            grid_scale: None,
            std_gradient,
            binarizer,
            stats: StatsSlot::default(),
        };
        let mut problem = Self { unit, inputs, grad };
        problem.kill_dead_gradients();
        problem
    }

    /// Dead lanes receive gradient 0 in a network.
    fn kill_dead_gradients(&mut self) {
        let per_group = self.unit.shape.output() * LANES;
        for (i, g) in self.grad.iter_mut().enumerate() {
            if (i / per_group) * LANES + i % LANES >= IMAGES {
                *g = 0.0;
            }
        }
    }

    fn run(&self) -> (Vec<f32>, Vec<Vec<f32>>) {
        let tensors: Vec<FlexTensor> =
            self.inputs.iter().map(|v| host_tensor(v.clone(), [v.len()])).collect();
        let (y, saved) = self.unit.forward(&tensors);
        let grads = saved.backward(&self.grad);
        (values(&y).to_vec(), grads.iter().map(|g| values(g).to_vec()).collect())
    }

    /// Value of image `n`, element `e` of a map of `len` elements.
    fn pick(map: &[f32], len: usize, n: usize, e: usize) -> f64 {
        f64::from(map[((n / LANES) * len + e) * LANES + n % LANES])
    }
}

/// What the reference computes: `z` and `y` for each image, and what the gradients need.
struct Reference {
    y: Vec<Vec<f64>>,
    grads: Vec<Vec<f64>>,
    grad_x: Vec<Vec<f64>>,
}

fn sign(v: f64) -> f64 {
    if v >= 0.0 { 1.0 } else { -1.0 }
}

fn shortcut(shape: ConvShape, x: &[f64], c: usize, at: usize) -> f64 {
    let front = (shape.cout - shape.cin) / 2;
    if c < front || c >= front + shape.cin {
        return 0.0;
    }
    let plane = &x[(c - front) * shape.in_side().pow(2)..];
    if shape.stride == 1 {
        return plane[at];
    }
    let (y, x, w) = (at / shape.side * 2, at % shape.side * 2, shape.in_side());
    (plane[y * w + x] + plane[y * w + x + 1] + plane[(y + 1) * w + x] + plane[(y + 1) * w + x + 1])
        / 4.0
}

fn reference(p: &Problem) -> Reference {
    let shape = p.unit.shape;
    let (side, wide) = (shape.side, shape.in_side());
    let plane = side * side;
    let fan_in = shape.cin * TAPS;
    let signs = p.unit.binarizer.forward(&p.inputs[1], fan_in);
    let [alpha, gamma, beta] =
        [2, 3, 4].map(|i| p.inputs[i].iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
    let x: Vec<Vec<f64>> = (0..IMAGES)
        .map(|n| {
            (0..shape.input()).map(|e| Problem::pick(&p.inputs[0], shape.input(), n, e)).collect()
        })
        .collect();
    // Every product of the convolution as (output, weight, input).
    let mut products = Vec::new();
    for o in 0..shape.output() {
        let (c, y, xx) = (o / plane, o / side % side, o % side);
        for w in 0..fan_in {
            let (i, ky, kx) = (w / TAPS, w % TAPS / 3, w % 3);
            let (iy, ix) = (y * shape.stride + ky, xx * shape.stride + kx);
            if (1..=wide).contains(&iy) && (1..=wide).contains(&ix) {
                products.push((o, c * fan_in + w, (i * wide + iy - 1) * wide + ix - 1));
            }
        }
    }
    let z: Vec<Vec<f64>> = x
        .iter()
        .map(|x| {
            let mut z = vec![0.0; shape.output()];
            for &(o, w, i) in &products {
                z[o] += f64::from(signs[w]) * sign(x[i]);
            }
            z
        })
        .collect();
    let n = (IMAGES * plane) as f64;
    let mut y = vec![vec![0.0; shape.output()]; IMAGES];
    let mut grad_z = vec![vec![0.0; shape.output()]; IMAGES];
    let (mut ga, mut gg, mut gb) =
        (vec![0.0; shape.cout], vec![0.0; shape.cout], vec![0.0; shape.cout]);
    let mut direct = vec![vec![0.0; shape.output()]; IMAGES];
    for c in 0..shape.cout {
        let span = c * plane..(c + 1) * plane;
        let out: Vec<f64> = z.iter().flat_map(|z| &z[span.clone()]).map(|z| alpha[c] * z).collect();
        let mean = out.iter().sum::<f64>() / n;
        let var = out.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let inv = 1.0 / (var + 1e-5).sqrt();
        let hat: Vec<f64> = out.iter().map(|v| (v - mean) * inv).collect();
        let mut g = vec![0.0; out.len()];
        for (k, h) in hat.iter().enumerate() {
            let (image, at) = (k / plane, k % plane);
            let r = gamma[c] * h + beta[c] + shortcut(shape, &x[image], c, at);
            y[image][c * plane + at] = r.clamp(-1.0, 1.0);
            if r.abs() < 1.0 {
                g[k] = Problem::pick(&p.grad, shape.output(), image, c * plane + at);
            }
            direct[image][c * plane + at] = g[k];
        }
        gb[c] = g.iter().sum();
        gg[c] = g.iter().zip(&hat).map(|(g, h)| g * h).sum();
        for k in 0..out.len() {
            let g_out = gamma[c] * inv * (g[k] - gb[c] / n - hat[k] * gg[c] / n);
            let (image, at) = (k / plane, c * plane + k % plane);
            grad_z[image][at] = alpha[c] * g_out;
            ga[c] += g_out * z[image][at];
        }
    }
    let mut grad_w = vec![0.0; shape.weights()];
    let mut grad_x = Vec::new();
    for image in 0..IMAGES {
        let mut g_sign = vec![0.0; shape.input()];
        for &(o, w, i) in &products {
            grad_w[w] += grad_z[image][o] * sign(x[image][i]);
            g_sign[i] += grad_z[image][o] * f64::from(signs[w]);
        }
        let mut g = activation_gradient(&x[image], &g_sign, p.unit.std_gradient);
        let front = (shape.cout - shape.cin) / 2;
        for (e, g) in g.iter_mut().enumerate() {
            let (c, yy, xx) = (e / (wide * wide), e / wide % wide, e % wide);
            let s = shape.stride;
            let from = (front + c) * plane + yy / s * side + xx / s;
            *g += direct[image][from] / (s * s) as f64;
        }
        grad_x.push(g);
    }
    let grad_w: Vec<f32> = grad_w.iter().map(|&g| g as f32).collect();
    let latent = p.unit.binarizer.backward(&p.inputs[1], fan_in, &grad_w);
    let latent = latent.iter().map(|&g| f64::from(g)).collect();
    Reference { y, grads: vec![latent, ga, gg, gb], grad_x }
}

/// Gradient of the signs' input: the triangle, then the deviation by central differences.
fn activation_gradient(x: &[f64], g_sign: &[f64], rule: StdGradient) -> Vec<f64> {
    let deviation = |x: &[f64]| {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        (x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) + 1e-5).sqrt()
    };
    let s = deviation(x);
    let g1: Vec<f64> =
        x.iter().zip(g_sign).map(|(x, g)| g * (2.0 - 2.0 * (x / s).abs()).max(0.0)).collect();
    let step = 1e-6;
    (0..x.len())
        .map(|i| {
            let moved = |d: f64| {
                let mut moved = x.to_vec();
                moved[i] += d;
                let s = match rule {
                    StdGradient::Attached => deviation(&moved),
                    StdGradient::Detached => s,
                };
                moved.iter().zip(&g1).map(|(x, g)| g * x / s).sum::<f64>()
            };
            (moved(step) - moved(-step)) / (2.0 * step)
        })
        .collect()
}

/// `f32` sums of up to some thousand terms of order 1, relative to the largest gradient.
#[track_caller]
fn check_close(name: &str, actual: f64, expected: f64, scale: f64) {
    assert!((actual - expected).abs() <= 2e-5 * scale, "{name}: {actual} is not {expected}");
}

#[track_caller]
fn check(shape: ConvShape, rule: StdGradient, binarizer: Arc<dyn WeightBinarizer>) {
    let problem = Problem::new(shape, rule, binarizer);
    let (y, grads) = problem.run();
    let expected = reference(&problem);
    let largest = |v: &[f64]| v.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
    for n in 0..IMAGES {
        for e in 0..shape.output() {
            let actual = Problem::pick(&y, shape.output(), n, e);
            check_close("y", actual, expected.y[n][e], 1.0);
        }
        let scale = largest(&expected.grad_x[n]);
        for e in 0..shape.input() {
            let actual = Problem::pick(&grads[0], shape.input(), n, e);
            check_close("x", actual, expected.grad_x[n][e], scale);
        }
    }
    for (name, (actual, expected)) in
        ["weight", "alpha", "gamma", "beta"].iter().zip(grads[1..].iter().zip(&expected.grads))
    {
        let scale = largest(expected);
        assert_eq!(actual.len(), expected.len());
        for (a, e) in actual.iter().zip(expected) {
            check_close(name, f64::from(*a), *e, scale);
        }
    }
}

#[test]
fn recu_unit_agrees_with_the_reference() {
    let shape = ConvShape { cin: 4, cout: 4, side: 8, stride: 1 };
    check(shape, StdGradient::Attached, Arc::new(Recu { tau: 0.85 }));
}

#[test]
fn recu_unit_that_halves_the_map_agrees_with_the_reference() {
    let shape = ConvShape { cin: 4, cout: 8, side: 4, stride: 2 };
    check(shape, StdGradient::Attached, Arc::new(Recu { tau: 0.85 }));
}

#[test]
fn ovsw_unit_agrees_with_the_reference() {
    let shape = ConvShape { cin: 4, cout: 4, side: 8, stride: 1 };
    check(shape, StdGradient::Detached, Arc::new(Identity));
}

#[test]
fn unit_on_the_grid_gives_multiples_of_the_step() {
    let shape = ConvShape { cin: 4, cout: 8, side: 4, stride: 2 };
    let mut problem = Problem::new(shape, StdGradient::Attached, Arc::new(Identity));
    problem.unit.grid_scale = Some(4096.0);
    for v in &mut problem.inputs[0] {
        *v = (*v * 4096.0).round() / 4096.0;
    }
    let (y, _) = problem.run();
    assert!(y.iter().all(|v| (v * 4096.0).fract() == 0.0 && v.abs() <= 1.0));
}

#[test]
fn unit_gives_the_same_bits_on_any_number_of_threads() {
    let shape = ConvShape { cin: 4, cout: 8, side: 4, stride: 2 };
    let problem = Problem::new(shape, StdGradient::Attached, Arc::new(Recu { tau: 0.9 }));
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        pool.install(|| problem.run())
    };
    assert!(on(1) == on(3), "chunks are fixed");
}
