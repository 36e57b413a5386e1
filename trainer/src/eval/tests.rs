//! The integer network against the formulas of semantics.md, in `i64`, one value at a time.

use rand::Rng;

use super::*;
use crate::data::stream;
use crate::method::{Method, Norm};

/// A network with random normalisation, so that no layer is trivial.
fn network(method: Method) -> ResNet20 {
    let mut rng = stream(31, 0);
    let mut net = ResNet20::new(method, &mut rng);
    let vary = |name: &str, v: &mut f32, r: f32| {
        if name.contains("bn") && name.ends_with("weight") {
            *v = 0.3 + r;
        } else if name.ends_with("bias") || name.ends_with("running_mean") {
            *v = r - 0.5;
        } else if name.ends_with("running_var") {
            *v = if name.starts_with("layer") { 20.0 + 60.0 * r } else { 0.1 + r };
        }
    };
    for array in net.params.list.iter_mut().chain(&mut net.buffers.list) {
        for v in &mut array.values {
            vary(&array.name, v, rng.random());
        }
    }
    net
}

struct Map {
    channels: usize,
    side: usize,
    values: Vec<i64>,
}

impl Map {
    /// Value at a position that may lie outside, where it is 0.
    fn at(&self, c: usize, y: isize, x: isize) -> i64 {
        let side = self.side as isize;
        if (0..side).contains(&y) && (0..side).contains(&x) {
            self.values[(c * self.side + y as usize) * self.side + x as usize]
        } else {
            0
        }
    }
}

/// Section 2.2; `weights` is `[cout, cin, 3, 3]`.
fn convolve(input: &Map, weights: &[i64], cout: usize, stride: usize) -> Map {
    let side = input.side / stride;
    let mut values = Vec::new();
    for o in 0..cout {
        for y in 0..side {
            for x in 0..side {
                let mut z = 0;
                for c in 0..input.channels {
                    for tap in 0..9usize {
                        let iy = (y * stride + tap / 3) as isize - 1;
                        let ix = (x * stride + tap % 3) as isize - 1;
                        z += weights[(o * input.channels + c) * 9 + tap] * input.at(c, iy, ix);
                    }
                }
                values.push(z);
            }
        }
    }
    Map { channels: cout, side, values }
}

/// Section 2.3 with `clip = 2^12`.
fn requantize(z: &Map, r: &Requantizer, shortcut: impl Fn(usize, usize) -> i64) -> Map {
    let plane = z.side * z.side;
    let values = (0..z.values.len())
        .map(|i| {
            let c = i / plane;
            let y = (i64::from(r.mul[c]) * z.values[i] + i64::from(r.bias[c])) >> r.shift;
            (y + shortcut(c, i % plane)).clamp(-4096, 4096)
        })
        .collect();
    Map { values, ..*z }
}

fn reference(net: &ResNet20, norm: Norm, image: &[u8]) -> Vec<i64> {
    let grid = Grid::default();
    let pixels = norm.pixels();
    let mut values: Vec<i64> = image.iter().map(|&p| 2 * i64::from(p) - 255).collect();
    values.extend([255; 1024]);
    let input = Map { channels: 4, side: 32, values };
    let stem = stem_levels(array(net, "conv1.weight"), [16, 3, 3, 3], &pixels.mean, &pixels.std, 4);
    let mut weights = vec![0; 16 * 36];
    for (i, &level) in stem.levels.iter().enumerate() {
        let (o, tap, c) = (i / 36, i % 36 / 4, i % 4);
        weights[(o * 4 + c) * 9 + tap] = i64::from(level);
    }
    let affine = Affine::from_batch_norm(&batch_norm(net, "bn1"), &stem.scale);
    let z = convolve(&input, &weights, 16, 1);
    let mut x = requantize(&z, &requantizer(&affine, 12), |_, _| 0);
    for unit in units() {
        let fan_in = unit.shape.cin * 9;
        let latent = array(net, &format!("{}.weight", unit.conv));
        let mean = |o: usize| -> f64 {
            let filter = &latent[o * fan_in..(o + 1) * fan_in];
            match net.method {
                Method::Recu | Method::RecuOvsw => {
                    filter.iter().map(|&w| f64::from(w)).sum::<f64>() / fan_in as f64
                }
                Method::Vanilla | Method::Ovsw => 0.0,
            }
        };
        let means: Vec<f64> = (0..unit.shape.cout).map(mean).collect();
        let weights: Vec<i64> = latent
            .iter()
            .enumerate()
            .map(|(i, &w)| if f64::from(w) - means[i / fan_in] >= 0.0 { 1 } else { -1 })
            .collect();
        let alpha: Vec<f64> = match net.params.get(&format!("{}.alpha", unit.conv)) {
            Some(alpha) => alpha.values.iter().map(|&a| f64::from(a)).collect(),
            None => alpha_statistic(latent, fan_in),
        };
        let affine = Affine::from_batch_norm(&batch_norm(net, &unit.bn), &alpha);
        let signs = x.values.iter().map(|&v| if v >= 0 { 1 } else { -1 }).collect();
        let signs = Map { values: signs, ..x };
        let z = convolve(&signs, &weights, unit.shape.cout, unit.shape.stride);
        let front = (unit.shape.cout - unit.shape.cin) / 2;
        x = requantize(&z, &requantizer(&affine, 12), |c, at| {
            let Some(c) = c.checked_sub(front).filter(|&c| c < x.channels) else { return 0 };
            if unit.shape.stride == 1 {
                return x.values[c * x.side * x.side + at];
            }
            let (y, xx) = ((at / z.side * 2) as isize, (at % z.side * 2) as isize);
            (x.at(c, y, xx) + x.at(c, y, xx + 1) + x.at(c, y + 1, xx) + x.at(c, y + 1, xx + 1) + 2)
                >> 2
        });
    }
    let head = grid::head(
        array(net, "linear.weight"),
        array(net, "linear.bias"),
        &batch_norm(net, "bn2"),
        64,
        &grid,
    );
    let pooled: Vec<i64> = x
        .values
        .chunks(64)
        .map(|plane| 2 * ((plane.iter().sum::<i64>() >> head.pool_shift) + 128).clamp(0, 255) - 255)
        .collect();
    (0..10)
        .map(|o| {
            let row = &head.levels[o * 64..(o + 1) * 64];
            row.iter().zip(&pooled).map(|(&w, a)| i64::from(w) * a).sum::<i64>()
                + i64::from(head.bias[o])
        })
        .collect()
}

fn images(n: usize) -> Cifar10 {
    let mut rng = stream(32, 0);
    Cifar10 {
        images: (0..n * IMAGE_BYTES).map(|_| rng.random()).collect(),
        labels: (0..n).map(|i| (i % 10) as u8).collect(),
    }
}

#[track_caller]
fn check(method: Method, norm: Norm) {
    let net = network(method);
    let set = images(17);
    let evaluation = IntegerNetwork::new(&net, norm.pixels(), &Grid::default()).evaluate(&set, 17);
    assert_eq!(evaluation.int_logits.len(), 17);
    let mut distinct = evaluation.int_logits.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() > 10, "the logits must depend on the image");
    for i in [0, 15, 16] {
        let expected = reference(&net, norm, set.image(i));
        let actual: Vec<i64> = evaluation.int_logits[i].iter().map(|&l| l.into()).collect();
        assert_eq!(actual, expected, "{method:?}, image {i}");
    }
}

#[test]
fn recu_network_gives_the_logits_of_the_semantics() {
    check(Method::Recu, Norm::Recu);
}

#[test]
fn ovsw_network_gives_the_logits_of_the_semantics() {
    check(Method::Ovsw, Norm::Ovsw);
}

#[test]
fn prediction_is_the_smallest_index_with_the_largest_logit() {
    assert_eq!(first_largest(&[0, 5, 5, 1, 0, 0, 0, 0, 0, 5]), 1);
    assert_eq!(first_largest(&[0; 10]), 0);
}
