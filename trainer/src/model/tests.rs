//! Fused against composite operations, network by network.

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

/// Loss, and the gradients by parameter, of one batch.
fn step(net: &Network, mode: &ForwardMode, engine: &Engine) -> (f32, Vec<(String, Vec<f32>)>) {
    let mut rng = stream(if mode.grid.is_some() { 75 } else { 72 }, 0);
    let images = 19;
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

#[track_caller]
fn check(arch: Arch, method: Method, grid: bool) {
    let net = network(arch, method);
    let mode = mode(method, grid);
    let (fused_loss, fused) = step(&net, &mode, &Engine::Fused);
    let (loss, composite) = step(&net, &mode, &Engine::Composite(Device::flex()));
    assert!((fused_loss - loss).abs() < 1e-5, "{arch}: loss {fused_loss} and {loss}");
    let size = |grad: &[f32]| norm(grad.iter().map(|&g| f64::from(g)));
    let largest = composite.iter().map(|(_, grad)| size(grad)).fold(0.0, f64::max);
    for ((name, fused), (_, composite)) in fused.iter().zip(&composite) {
        let far = norm(fused.iter().zip(composite).map(|(a, b)| f64::from(a - b)));
        // A batch normalisation cancels most of the gradient of the scale before it, so what is
        // left of it is rounding; it is measured against the network's largest gradient.
        let far = far / size(composite).max(1e-3 * largest);
        assert!(far < 1e-3, "{arch} {method:?}, grid {grid}: `{name}` differs by {far:.1e}");
    }
}

#[test]
fn fused_and_composite_layers_agree_in_real_arithmetic() {
    for arch in Arch::ALL {
        for method in [Method::Recu, Method::Ovsw] {
            check(arch, method, false);
        }
    }
}

/// The batch is one in which no value falls so close to the boundary of two grid cells that
/// `f32` rounding decides: such a value turns a sign, and with it the rest of its image.
#[test]
fn fused_and_composite_layers_agree_on_the_grid() {
    for arch in Arch::ALL {
        for method in [Method::Recu, Method::Ovsw] {
            check(arch, method, true);
        }
    }
}
