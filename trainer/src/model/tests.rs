//! Fused against composite operations, network by network.
//!
//! With the feature of a GPU backend, also the composite operations of the CPU against those of the
//! GPU.

use std::sync::Arc;

use burn::tensor::Device;
use heartbit_dataset::DatasetKind;
use heartbit_ir::grid::Grid;
use heartbit_model::{Arch, Method, Sizes};
use rand::Rng;

use crate::config::Stage;
use crate::loss::cross_entropy;
use crate::method::Parts;
use crate::model::forward::{Engine, ForwardMode, host_values};
use crate::model::network::Network;
use crate::presets::preset;
use crate::rng::stream;

/// A narrow network with varied normalisation, so that no layer is trivial.
fn network(arch: Arch, method: Method) -> Network {
    let published = arch.published();
    let widths = published.widths.iter().map(|w| (w / 16).next_multiple_of(4).max(8)).collect();
    let sizes = Sizes { image_side: 32, classes: 10, widths };
    let graph = arch.graph_with(&sizes).expect("valid sizes");
    let mut rng = stream(71, 0);
    let init = preset(arch, method, DatasetKind::Cifar10, Stage::Binary).init;
    let mut net = Network::new(graph, method, &init, &mut rng);
    for array in &mut net.params.list {
        let gain = array.name.ends_with("weight") && array.shape.len() == 1;
        for v in &mut array.values {
            if gain {
                *v = if rng.random_bool(0.1) { -0.7 } else { rng.random_range(0.5..1.2) };
            } else if array.name.ends_with("bias") {
                *v = rng.random_range(-0.3..0.3);
            }
        }
    }
    net
}

fn mode(method: Method, grid: bool) -> ForwardMode {
    ForwardMode {
        parts: Parts::published(method, 0.9),
        grid: grid.then(Grid::default),
        pixels: method.default_norm().pixels(),
        real_weights: false,
    }
}

/// Loss, and the gradients by parameter.
type StepResult = (f32, Vec<(String, Vec<f32>)>);

/// One batch, drawn from a seed.
fn step(
    net: &Network,
    mode: &ForwardMode,
    engine: &Engine,
    images: usize,
    seed: u64,
) -> StepResult {
    let mut rng = stream(seed, 0);
    let side = net.graph.sizes.image_side;
    let pixels = Arc::new((0..images * 3 * side * side).map(|_| rng.random()).collect::<Vec<u8>>());
    let labels: Vec<u32> = (0..images as u32).map(|i| i % 10).collect();
    let forward = net.forward(pixels, mode, engine);
    let loss = cross_entropy(forward.logits.clone(), &labels, 0.0);
    let mut gradients = loss.backward();
    let grads = net.take_gradients(forward, &mut gradients, mode);
    let names = net.params.list.iter().map(|a| a.name.clone());
    (host_values(loss)[0], names.zip(grads).collect())
}

fn norm(v: impl Iterator<Item = f64>) -> f64 {
    v.map(|v| v * v).sum::<f64>().sqrt()
}

/// Largest distances from `expected` to `found`: of the loss, as a part of it, and of a gradient,
/// in norm, as a part of its own or of `floor` times the largest gradient's.
fn distances(expected: &StepResult, found: &StepResult, floor: f64) -> (f32, (f64, String)) {
    let loss = (found.0 - expected.0).abs() / expected.0;
    let size = |grad: &[f32]| norm(grad.iter().map(|&g| f64::from(g)));
    let largest = expected.1.iter().map(|(_, grad)| size(grad)).fold(0.0, f64::max);
    let far = found.1.iter().zip(&expected.1).map(|((name, found), (_, expected))| {
        let far = norm(found.iter().zip(expected).map(|(a, b)| f64::from(a - b)));
        (far / size(expected).max(floor * largest), name.clone())
    });
    (loss, far.max_by(|a, b| a.0.total_cmp(&b.0)).expect("a network has parameters"))
}

/// Batches of which one must agree.
///
/// Two engines add in another order, and burn's own differs from processor to processor. A value so
/// close to a boundary that this decides turns a sign, and with it the rest of its image. An
/// operation that is wrong differs in all batches.
const BATCHES: u64 = 3;

/// How far apart loss and gradients of two engines may be: see [`distances`].
struct Limits {
    floor: f64,
    loss: f32,
    gradient: f64,
}

/// Takes a step of the same network on two engines.
#[track_caller]
fn check_engines(
    engines: [&Engine; 2],
    (arch, method, grid): (Arch, Method, bool),
    images: usize,
    limits: &Limits,
) {
    let (net, mode) = (network(arch, method), mode(method, grid));
    let mut all = Vec::new();
    for seed in 1..=BATCHES {
        let [expected, found] = engines.map(|engine| step(&net, &mode, engine, images, seed));
        let (loss, (far, name)) = distances(&expected, &found, limits.floor);
        if loss < limits.loss && far < limits.gradient {
            return;
        }
        all.push(format!("loss by {loss:.1e}, `{name}` by {far:.1e}"));
    }
    panic!("{arch} {method:?}, grid {grid}: every batch differs: {all:?}");
}

fn check_all(engines: [&Engine; 2], grid: bool, images: usize, limits: &Limits) {
    for arch in Arch::ALL {
        for method in [Method::Recu, Method::Ovsw] {
            check_engines(engines, (arch, method, grid), images, limits);
        }
    }
}

/// Of a group of images and a part of one.
fn check_fused(grid: bool) {
    // A batch normalisation cancels most of the gradient of the scale before it, so what is left of
    // it is rounding; it is measured against the network's largest gradient.
    let limits = Limits { floor: 1e-3, loss: 5e-6, gradient: 1e-3 };
    check_all([&Engine::Composite(Device::flex()), &Engine::Fused], grid, 19, &limits);
}

/// burn's operations on a GPU backend against those on the CPU. wgpu's adapter may be a renderer in
/// software (`scripts/setup.sh gpu`).
#[cfg(any(feature = "cuda", feature = "wgpu"))]
mod gpu {
    use super::*;

    fn check_device(device: &str, grid: bool) {
        let gpu = crate::device::open(device, Stage::Binary).expect("a device");
        let limits = Limits { floor: 1e-2, loss: 1e-4, gradient: 1e-3 };
        check_all([&Engine::Composite(Device::flex()), &gpu.engine], grid, 6, &limits);
    }

    #[cfg(feature = "wgpu")]
    #[test]
    fn layers_on_wgpu_agree_with_the_cpu_in_real_arithmetic() {
        check_device("wgpu", false);
    }

    #[cfg(feature = "wgpu")]
    #[test]
    fn layers_on_wgpu_agree_with_the_cpu_on_the_grid() {
        check_device("wgpu", true);
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn layers_on_cuda_agree_with_the_cpu_in_real_arithmetic() {
        check_device("cuda", false);
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn layers_on_cuda_agree_with_the_cpu_on_the_grid() {
        check_device("cuda", true);
    }
}

#[test]
fn fused_and_composite_layers_agree_in_real_arithmetic() {
    check_fused(false);
}

#[test]
fn fused_and_composite_layers_agree_on_the_grid() {
    check_fused(true);
}
