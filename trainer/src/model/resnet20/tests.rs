//! Sizes and gradients of the whole network.

use super::*;
use crate::data::stream;
use crate::method::{Norm, Parts};
use crate::ops::head::cross_entropy;

#[test]
fn parameter_totals_are_those_of_the_specification() {
    for (method, total) in
        [(Method::Vanilla, 269_850), (Method::Ovsw, 269_850), (Method::Recu, 270_522)]
    {
        let net = ResNet20::new(method, &mut stream(1, 0));
        assert_eq!(net.params.total(), total, "{method:?}");
        let binary: usize =
            net.binary_layers().iter().map(|&(i, _)| net.params.list[i].values.len()).sum();
        assert_eq!(binary, 267_264);
        assert_eq!(net.buffers.total(), 1_504);
    }
}

#[test]
fn binary_multiplications_are_those_of_the_specification() {
    let macs: usize = units().iter().map(|u| u.shape.macs()).sum();
    assert_eq!(macs, 40_108_032);
}

#[test]
fn names_and_shapes_are_those_of_a_recu_checkpoint() {
    let net = ResNet20::new(Method::Recu, &mut stream(1, 0));
    for (name, shape) in [
        ("conv1.weight", vec![16, 3, 3, 3]),
        ("layer1.0.conv1.alpha", vec![16, 1, 1]),
        ("layer2.0.conv1.weight", vec![32, 16, 3, 3]),
        ("layer3.2.bn2.bias", vec![64]),
        ("bn2.weight", vec![64]),
        ("linear.weight", vec![10, 64]),
        ("linear.bias", vec![10]),
    ] {
        assert_eq!(net.params.get(name).map(|a| &a.shape), Some(&shape), "{name}");
    }
    assert!(net.buffers.get("layer3.2.bn2.running_var").is_some());
}

#[test]
fn initial_weights_have_the_specified_spread() {
    let net = ResNet20::new(Method::Recu, &mut stream(1, 0));
    let weights = &net.params.get("layer3.2.conv2.weight").expect("named").values;
    let var: f64 =
        weights.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / weights.len() as f64;
    // 36,864 draws: the deviation's own relative error is 0.4 %.
    assert!((var.sqrt() / (2.0f64 / 576.0).sqrt() - 1.0).abs() < 0.02, "{var}");
    let alpha = &net.params.get("layer1.0.conv1.alpha").expect("named").values;
    assert!(alpha.iter().all(|a| (0.0..1.0).contains(a)));
}

/// Loss of a batch, and the gradient of every parameter.
fn loss_and_gradients(net: &ResNet20, mode: &ForwardMode, pixels: &[u8]) -> (f64, Vec<Vec<f32>>) {
    let labels: Vec<u8> = (0..pixels.len() / IMAGE_BYTES).map(|i| (i % 10) as u8).collect();
    let forward = net.forward(Arc::new(pixels.to_vec()), mode);
    let loss = cross_entropy(forward.logits, &labels);
    let mut gradients = loss.backward();
    let grads = forward
        .tensors
        .iter()
        .map(|t| host_values(t.grad_remove(&mut gradients).expect("every parameter")))
        .collect();
    (f64::from(host_values(loss)[0]), grads)
}

fn pixels(images: usize) -> Vec<u8> {
    let mut rng = stream(4, 0);
    (0..images * IMAGE_BYTES).map(|_| rng.random()).collect()
}

/// Off the grid, everything after the last sign is smooth, so the last parameters have honest
/// derivatives: the last normalisation, its alpha, and the head.
#[test]
fn gradients_after_the_last_sign_are_central_differences() {
    let net = ResNet20::new(Method::Recu, &mut stream(2, 0));
    let mode = ForwardMode {
        parts: Parts::published(Method::Recu, 0.9),
        grid: None,
        norm: Norm::Recu.pixels(),
    };
    let pixels = pixels(16);
    let (_, grads) = loss_and_gradients(&net, &mode, &pixels);
    for name in [
        "layer3.2.conv2.alpha",
        "layer3.2.bn2.weight",
        "layer3.2.bn2.bias",
        "bn2.weight",
        "bn2.bias",
        "linear.weight",
        "linear.bias",
    ] {
        let i = net.params.list.iter().position(|a| a.name == name).expect("named");
        // The loss is an `f32`, so a step of 1e-2 leaves errors of 1e-5 from rounding, and the
        // curvature adds as much again.
        let step = 1e-2;
        let at = |d: f32| {
            let mut moved = net.clone();
            moved.params.list[i].values[3] += d;
            loss_and_gradients(&moved, &mode, &pixels).0
        };
        let expected = (at(step) - at(-step)) / (2.0 * f64::from(step));
        let actual = f64::from(grads[i][3]);
        assert!(
            (actual - expected).abs() < 2e-4 + 0.02 * expected.abs(),
            "{name}: {actual} {expected}"
        );
    }
}

#[test]
fn running_statistics_move_a_tenth_towards_the_batch() {
    let mut net = ResNet20::new(Method::Ovsw, &mut stream(2, 0));
    let stats: Vec<BatchStats> = net
        .buffers
        .list
        .chunks(2)
        .map(|pair| {
            let n = pair[0].values.len();
            BatchStats { mean: vec![2.0; n], var: vec![3.0; n] }
        })
        .collect();
    net.update_running(&stats);
    let value = |name: &str| net.buffers.get(name).expect("named").values[0];
    assert!((value("bn1.running_mean") - 0.2).abs() < 1e-6);
    assert!((value("bn1.running_var") - 1.2).abs() < 1e-6);
}

#[test]
fn every_method_gives_finite_gradients_on_and_off_the_grid() {
    let pixels = pixels(3);
    for method in [Method::Vanilla, Method::Recu] {
        let net = ResNet20::new(method, &mut stream(3, 0));
        for grid in [None, Some(Grid::default())] {
            let mode = ForwardMode {
                parts: Parts::published(method, 0.9),
                grid,
                norm: Norm::Ovsw.pixels(),
            };
            let (loss, grads) = loss_and_gradients(&net, &mode, &pixels);
            assert!(loss.is_finite());
            assert!(grads.iter().flatten().all(|g| g.is_finite()));
            assert!(grads.iter().all(|g| g.iter().any(|&g| g != 0.0)), "{method:?}");
        }
    }
}
