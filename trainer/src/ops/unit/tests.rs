//! The fused unit against a naive one: values image by image, every gradient by its formula.
//!
//! The reference works in `f64` on one image at a time, with none of the unit's code, and
//! differentiates batch normalisation and the attached deviation numerically where the formula is
//! the thing under test.

use rand::Rng;

use super::*;
use crate::rng::stream;
use crate::simd::on_each_build;

/// A small unit with random inputs, and 21 images: one full group and a partial one.
struct Problem {
    unit: Unit,
    inputs: Vec<Vec<f32>>,
    grad: Vec<f32>,
}

const IMAGES: usize = 21;

/// A unit as the networks use it, but for its size; `shape` has its own shortcut by default.
fn unit(shape: ConvShape, std_gradient: StdGradient) -> Unit {
    let fit = if shape.stride == 1 { Fit::Identity } else { Fit::PoolZeroChannels };
    Unit {
        shape,
        images: IMAGES,
        grid_scale: None,
        std_gradient,
        stats: StatsSlot::default(),
        shift: false,
        pool: false,
        shortcut: Shortcut::Input(fit),
        limit: Limit::Hardtanh,
    }
}

fn recu(shape: ConvShape) -> Unit {
    unit(shape, StdGradient::Attached)
}

fn ovsw(shape: ConvShape) -> Unit {
    unit(shape, StdGradient::Detached)
}

/// Sizes of the shortcut's map, `[channels, side]`; a pooled one of another map has 2 channels.
fn shortcut_size(unit: &Unit) -> Option<[usize; 2]> {
    match unit.shortcut {
        Shortcut::None => None,
        Shortcut::Input(_) => Some([unit.shape.cin, unit.shape.in_side]),
        Shortcut::Other(Fit::Identity) => Some([unit.shape.cout, unit.out_side()]),
        Shortcut::Other(Fit::PoolZeroChannels) => Some([2, 2 * unit.out_side()]),
    }
}

impl Problem {
    fn new(unit: Unit) -> Self {
        let mut rng = stream(11, 0);
        let groups = groups_of(IMAGES);
        let shape = unit.shape;
        let mut random = |n: usize, low: f32, high: f32| -> Vec<f32> {
            (0..n).map(|_| low + (high - low) * rng.random::<f32>()).collect()
        };
        let mut inputs = vec![
            random(groups * shape.input() * LANES, -1.0, 1.0),
            random(shape.weights(), -0.5, 0.5).iter().map(|w| 1f32.copysign(*w)).collect(),
            // ReCU's alpha may be negative.
            random(shape.cout, -0.5, 0.9),
            random(shape.cout, -1.0, 1.5),
            random(shape.cout, -0.5, 0.5),
        ];
        if unit.shift {
            inputs.push(random(shape.cin, -0.3, 0.3));
        }
        if let (Shortcut::Other(_), Some([channels, side])) = (unit.shortcut, shortcut_size(&unit))
        {
            inputs.push(random(groups * channels * side * side * LANES, -1.0, 1.0));
        }
        if let Some(scale) = unit.grid_scale {
            // The maps are on the grid, the shift is not.
            let other = matches!(unit.shortcut, Shortcut::Other(_));
            let last = inputs.len() - 1;
            for i in std::iter::once(0).chain(other.then_some(last)) {
                inputs[i].iter_mut().for_each(|v| *v = (*v * scale).round() / scale);
            }
        }
        let grad = random(groups * unit.out_lanes() * LANES, -1.0, 1.0);
        let mut problem = Self { unit, inputs, grad };
        problem.kill_dead_gradients();
        problem
    }

    /// Dead lanes receive gradient 0 in a network.
    fn kill_dead_gradients(&mut self) {
        let per_group = self.unit.out_lanes() * LANES;
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

    /// One image of a map as `f64`.
    fn image(map: &[f32], len: usize, n: usize) -> Vec<f64> {
        (0..len).map(|e| Self::pick(map, len, n, e)).collect()
    }

    fn vector(&self, i: usize) -> Vec<f64> {
        self.inputs[i].iter().map(|&v| f64::from(v)).collect()
    }
}

/// What the reference computes: values and gradients of every image, gradients of parameters.
struct Reference {
    y: Vec<Vec<f64>>,
    /// Weights, alpha, gamma, beta, and the shift if there is one.
    grads: Vec<Vec<f64>>,
    grad_x: Vec<Vec<f64>>,
    /// Of another shortcut map; zeros of one element where there is none.
    grad_other: Vec<Vec<f64>>,
}

fn sign(v: f64) -> f64 {
    if v >= 0.0 { 1.0 } else { -1.0 }
}

fn snap(unit: &Unit, v: f64) -> f64 {
    match unit.grid_scale.map(f64::from) {
        None => v,
        Some(scale) => (v * scale + 0.5).floor() / scale,
    }
}

/// The elements of a shortcut's map that are averaged into output `(c, at)`; none for zeros.
fn taps_of_shortcut(unit: &Unit, c: usize, at: usize) -> Vec<usize> {
    let Some([channels, side]) = shortcut_size(unit) else { return Vec::new() };
    let front = (unit.shape.cout - channels) / 2;
    if c < front || c >= front + channels {
        return Vec::new();
    }
    let plane = (c - front) * side * side;
    let fit = match unit.shortcut {
        Shortcut::Input(fit) | Shortcut::Other(fit) => fit,
        Shortcut::None => unreachable!("bug: there is a map"),
    };
    let (y, x) = (at / unit.out_side(), at % unit.out_side());
    match fit {
        Fit::Identity => vec![plane + at],
        Fit::PoolZeroChannels => {
            [0, 1, side, side + 1].map(|d| plane + 2 * y * side + 2 * x + d).to_vec()
        }
    }
}

/// Every product of the convolution as (output, weight, input).
fn products(shape: ConvShape) -> Vec<(usize, usize, usize)> {
    let (side, wide, k) = (shape.side(), shape.in_side, shape.kernel);
    let mut products = Vec::new();
    for o in 0..shape.output() {
        let (c, y, x) = (o / (side * side), o / side % side, o % side);
        for w in 0..shape.fan_in() {
            let (i, ky, kx) = (w / shape.taps(), w % shape.taps() / k, w % k);
            let (iy, ix) = (y * shape.stride + ky, x * shape.stride + kx);
            let inside = shape.pad()..wide + shape.pad();
            if inside.contains(&iy) && inside.contains(&ix) {
                let at = (i * wide + iy - shape.pad()) * wide + ix - shape.pad();
                products.push((o, c * shape.fan_in() + w, at));
            }
        }
    }
    products
}

/// For each output, the sum that it is made of.
fn pooled_sums(unit: &Unit, z: &[f64], alpha: &[f64]) -> Vec<usize> {
    let (side, out) = (unit.shape.side(), unit.out_side());
    (0..unit.out_lanes())
        .map(|e| {
            let (c, y, x) = (e / (out * out), e / out % out, e % out);
            if !unit.pool {
                return e;
            }
            let corner = (c * side + 2 * y) * side + 2 * x;
            let block = [0, 1, side, side + 1].map(|d| corner + d);
            block.into_iter().fold(corner, |best, at| {
                if alpha[c] * z[at] > alpha[c] * z[best] { at } else { best }
            })
        })
        .collect()
}

/// The shift of each channel as it is applied.
fn shifts(p: &Problem) -> Vec<f64> {
    if !p.unit.shift {
        return vec![0.0; p.unit.shape.cin];
    }
    p.vector(5).iter().map(|&s| snap(&p.unit, s)).collect()
}

/// The shortcut's map of each image.
fn shortcut_maps(p: &Problem, x: &[Vec<f64>], len: usize) -> Vec<Vec<f64>> {
    match p.unit.shortcut {
        Shortcut::None => vec![vec![0.0]; IMAGES],
        Shortcut::Input(_) => x.to_vec(),
        Shortcut::Other(_) => {
            let map = p.inputs.last().expect("inputs");
            (0..IMAGES).map(|n| Problem::image(map, len, n)).collect()
        }
    }
}

fn reference(p: &Problem) -> Reference {
    let unit = &p.unit;
    let shape = unit.shape;
    let plane = unit.out_side() * unit.out_side();
    let signs = &p.inputs[1];
    let [alpha, gamma, beta] = [2, 3, 4].map(|i| p.vector(i));
    let in_plane = shape.in_side * shape.in_side;
    let shift = shifts(p);
    let x: Vec<Vec<f64>> =
        (0..IMAGES).map(|n| Problem::image(&p.inputs[0], shape.input(), n)).collect();
    let u: Vec<Vec<f64>> = x
        .iter()
        .map(|x| x.iter().enumerate().map(|(e, x)| x + shift[e / in_plane]).collect())
        .collect();
    let shortcut_len = shortcut_size(unit).map_or(1, |[c, side]| c * side * side);
    let shortcut = shortcut_maps(p, &x, shortcut_len);
    let products = products(shape);
    let sums: Vec<Vec<f64>> = u
        .iter()
        .map(|u| {
            let mut z = vec![0.0; shape.output()];
            for &(o, w, i) in &products {
                z[o] += f64::from(signs[w]) * sign(u[i]);
            }
            z
        })
        .collect();
    let from: Vec<Vec<usize>> = sums.iter().map(|z| pooled_sums(unit, z, &alpha)).collect();
    let n = (IMAGES * plane) as f64;
    let bound = f64::from(unit.limit.bound());
    let mut y = vec![vec![0.0; unit.out_lanes()]; IMAGES];
    let mut grad_z = vec![vec![0.0; shape.output()]; IMAGES];
    let mut grad_shortcut = vec![vec![0.0; shortcut_len]; IMAGES];
    let zeros = vec![0.0; shape.cout];
    let (mut ga, mut gg, mut gb) = (zeros.clone(), zeros.clone(), zeros);
    for c in 0..shape.cout {
        let z: Vec<f64> = (0..IMAGES)
            .flat_map(|image| (0..plane).map(move |at| (image, c * plane + at)))
            .map(|(image, e)| sums[image][from[image][e]])
            .collect();
        let out: Vec<f64> = z.iter().map(|z| alpha[c] * z).collect();
        let mean = out.iter().sum::<f64>() / n;
        let var = out.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let inv = 1.0 / (var + 1e-5).sqrt();
        let hat: Vec<f64> = out.iter().map(|v| (v - mean) * inv).collect();
        let mut g = vec![0.0; out.len()];
        for (k, h) in hat.iter().enumerate() {
            let (image, at) = (k / plane, k % plane);
            let taps = taps_of_shortcut(unit, c, at);
            let total: f64 = taps.iter().map(|&t| shortcut[image][t]).sum();
            let direct = snap(unit, total / taps.len().max(1) as f64);
            let r = snap(unit, gamma[c] * h + beta[c]) + direct;
            y[image][c * plane + at] = r.clamp(-bound, bound);
            if r.abs() < bound {
                g[k] = Problem::pick(&p.grad, unit.out_lanes(), image, c * plane + at);
            }
            for &t in &taps {
                grad_shortcut[image][t] += g[k] / taps.len() as f64;
            }
        }
        gb[c] = g.iter().sum();
        gg[c] = g.iter().zip(&hat).map(|(g, h)| g * h).sum();
        for k in 0..out.len() {
            let g_out = gamma[c] * inv * (g[k] - gb[c] / n - hat[k] * gg[c] / n);
            let image = k / plane;
            grad_z[image][from[image][c * plane + k % plane]] += alpha[c] * g_out;
            ga[c] += g_out * z[k];
        }
    }
    let mut grad_w = vec![0.0; shape.weights()];
    let mut grad_shift = vec![0.0; shape.cin];
    let mut grad_x = Vec::new();
    for image in 0..IMAGES {
        let mut g_sign = vec![0.0; shape.input()];
        for &(o, w, i) in &products {
            grad_w[w] += grad_z[image][o] * sign(u[image][i]);
            g_sign[i] += grad_z[image][o] * f64::from(signs[w]);
        }
        let mut g = activation_gradient(&u[image], &g_sign, unit.std_gradient);
        for (e, g) in g.iter_mut().enumerate() {
            grad_shift[e / in_plane] += *g;
            if matches!(unit.shortcut, Shortcut::Input(_)) {
                *g += grad_shortcut[image][e];
            }
        }
        grad_x.push(g);
    }
    let mut grads = vec![grad_w, ga, gg, gb];
    if unit.shift {
        grads.push(grad_shift);
    }
    Reference { y, grads, grad_x, grad_other: grad_shortcut }
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

/// Compares the map of all images with the reference's.
#[track_caller]
fn check_map(name: &str, actual: &[f32], expected: &[Vec<f64>], scale: impl Fn(&[f64]) -> f64) {
    let len = expected[0].len();
    assert_eq!(actual.len(), groups_of(IMAGES) * len * LANES);
    for (n, expected) in expected.iter().enumerate() {
        let scale = scale(expected);
        for (e, &expected) in expected.iter().enumerate() {
            check_close(name, Problem::pick(actual, len, n, e), expected, scale);
        }
    }
}

#[track_caller]
fn check(unit: Unit) {
    let problem = Problem::new(unit);
    let (y, grads) = problem.run();
    let expected = reference(&problem);
    let largest = |v: &[f64]| v.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
    // A value within f32's rounding of the middle of two steps may be rounded to either.
    let tie = problem.unit.grid_scale.map_or(1.0, |scale| 1e5 / f64::from(scale));
    check_map("y", &y, &expected.y, |v| tie * largest(v));
    check_map("x", &grads[0], &expected.grad_x, largest);
    let names = ["weight", "alpha", "gamma", "beta", "shift"];
    for (name, (actual, expected)) in names.iter().zip(grads[1..].iter().zip(&expected.grads)) {
        let scale = largest(expected);
        assert_eq!(actual.len(), expected.len());
        for (a, e) in actual.iter().zip(expected) {
            check_close(name, f64::from(*a), *e, scale);
        }
    }
    assert_eq!(grads.len(), problem.inputs.len());
    if matches!(problem.unit.shortcut, Shortcut::Other(_)) {
        check_map("shortcut", &grads[grads.len() - 1], &expected.grad_other, largest);
    }
}

const SAME: ConvShape = ConvShape { cin: 4, cout: 4, kernel: 3, stride: 1, in_side: 8 };
const HALF: ConvShape = ConvShape { cin: 4, cout: 8, kernel: 3, stride: 2, in_side: 8 };

/// Each kind of unit of the networks, small.
fn kinds() -> Vec<Unit> {
    let wide = ConvShape { cout: 8, ..SAME };
    let none = |unit: Unit| Unit { shortcut: Shortcut::None, ..unit };
    let other = |unit: Unit, fit| Unit { shortcut: Shortcut::Other(fit), ..unit };
    vec![
        // ResNet-20 and ImageNet's first layers.
        recu(SAME),
        recu(HALF),
        ovsw(SAME),
        // CIFAR's ResNet-18: a block's first and second convolution, and OvSW's 1×1 shortcut.
        none(recu(HALF)),
        other(recu(SAME), Fit::Identity),
        other(recu(SAME), Fit::PoolZeroChannels),
        Unit { limit: Limit::Saturate(1.5), ..none(ovsw(ConvShape { kernel: 1, ..HALF })) },
        // ImageNet's downsampling blocks.
        other(ovsw(HALF), Fit::Identity),
        // VGG-small.
        Unit { pool: true, ..none(recu(wide)) },
        Unit { pool: true, limit: Limit::Open, ..none(ovsw(wide)) },
        // ReActNet.
        Unit { shift: true, limit: Limit::Open, ..recu(SAME) },
        Unit { shift: true, limit: Limit::Saturate(1.5), ..other(ovsw(HALF), Fit::Identity) },
    ]
}

#[test]
fn every_kind_of_unit_agrees_with_the_reference() {
    for unit in kinds() {
        check(unit);
    }
}

#[test]
fn every_kind_of_unit_agrees_with_the_reference_on_the_grid() {
    for unit in kinds() {
        check(Unit { grid_scale: Some(4096.0), ..unit });
    }
}

#[test]
fn unit_on_the_grid_gives_multiples_of_the_step() {
    for unit in kinds() {
        let bound = unit.limit.bound();
        let (y, _) = Problem::new(Unit { grid_scale: Some(4096.0), ..unit }).run();
        assert!(y.iter().all(|v| (v * 4096.0).fract() == 0.0 && v.abs() <= bound));
    }
}

#[test]
fn unit_gives_the_same_bits_on_any_number_of_threads_and_in_every_build() {
    for unit in kinds() {
        // More groups than one chunk of weight gradients.
        let images = 3 * LANES + 5;
        let mut problem = Problem::new(unit);
        problem.unit.images = images;
        for (i, input) in problem.inputs.iter_mut().enumerate() {
            if i == 0 || i == 4 + usize::from(problem.unit.shift) + 1 {
                *input = input.iter().copied().cycle().take(2 * input.len()).collect();
            }
        }
        problem.grad = problem.grad.iter().copied().cycle().take(2 * problem.grad.len()).collect();
        let on = |threads: usize| on_each_build(threads, || problem.run());
        let one = on(1);
        assert!(one.windows(2).all(|pair| pair[0] == pair[1]), "products with signs are exact");
        assert!(one == on(2) && one == on(3), "chunks are fixed");
    }
}
