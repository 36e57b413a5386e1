//! Untrained networks with realistic statistics, for tests and sizing.
//!
//! Weights are normal, alpha as initialised by ReCU, and the running statistics are those that a
//! random bipolar sum has: so the signs are balanced and no layer saturates.
//!
//! Not here: accuracy. The predictions mean nothing.

use heartbit_ir::grid::Grid;
use heartbit_model::arch::InvalidSizes;
use heartbit_model::graph::{Graph, LayerKind, Parameter, Role};
use heartbit_model::{Arch, Checkpoint, Method, Sizes, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Returns an untrained checkpoint; the same seed gives the same bytes everywhere.
///
/// # Errors
/// [`InvalidSizes`].
pub fn checkpoint(arch: Arch, sizes: &Sizes, seed: u64) -> Result<Checkpoint, InvalidSizes> {
    let graph = arch.graph_with(sizes)?;
    let method = method(arch);
    let mut source = Source { rng: ChaCha8Rng::seed_from_u64(seed), tensors: BTreeMap::new() };
    for parameter in graph.parameters(method) {
        source.parameter(&parameter);
    }
    for (norm, channels) in graph.norms() {
        source.running(norm, channels, deviation(&graph, norm));
    }
    let provenance = [("seed", seed.to_string()), ("trained", "no: random weights".to_owned())];
    Ok(Checkpoint {
        arch,
        sizes: sizes.clone(),
        method,
        norm: method.default_norm(),
        grid: Grid::default(),
        provenance: provenance.map(|(key, value)| (key.to_owned(), value)).into(),
        tensors: source.tensors,
    })
}

/// The method whose publication has the architecture.
fn method(arch: Arch) -> Method {
    match arch {
        Arch::ResNet18Ovsw | Arch::VggSmallOvsw => Method::Ovsw,
        _ => Method::Recu,
    }
}

/// About the standard deviation of what a batch normalisation sees.
fn deviation(graph: &Graph, norm: &str) -> f32 {
    let layer = graph.layers.iter().find(|layer| layer.norm() == Some(norm));
    match layer.map(|layer| &layer.kind) {
        // Weights of variance 2/n on normalised pixels.
        Some(LayerKind::Stem { .. }) => 1.4,
        Some(LayerKind::Real { .. }) => 0.8,
        Some(LayerKind::Binary { conv, .. }) => 0.6 * small_float(conv.fan_in()).sqrt(),
        // The normalisation of the pooled vector.
        _ => 0.3,
    }
}

struct Source {
    rng: ChaCha8Rng,
    tensors: BTreeMap<String, Tensor>,
}

impl Source {
    fn insert(
        &mut self,
        key: &str,
        shape: &[usize],
        mut value: impl FnMut(&mut ChaCha8Rng) -> f32,
    ) {
        let n = shape.iter().product();
        let data = (0..n).map(|_| value(&mut self.rng)).collect();
        self.tensors.insert(key.to_owned(), Tensor::new(shape, data));
    }

    fn parameter(&mut self, parameter: &Parameter) {
        let Parameter { key, shape, role } = parameter;
        match role {
            Role::BinaryWeight | Role::StemWeight | Role::RealWeight => {
                let std = (2.0 / small_float(shape[1..].iter().product())).sqrt();
                self.insert(key, shape, |rng| {
                    // The sum of twelve uniforms is close to normal and the same everywhere.
                    std * ((0..12).map(|_| rng.random_range(0.0..1.0f32)).sum::<f32>() - 6.0)
                });
            }
            Role::Alpha => self.insert(key, shape, |rng| rng.random_range(0.25..1.0)),
            Role::NormScale | Role::HeadNormScale => self.insert(key, shape, |rng| {
                let sign = if rng.random_bool(0.1) { -1.0 } else { 1.0 };
                sign * rng.random_range(0.4..1.2)
            }),
            Role::NormOffset | Role::HeadNormOffset => self.uniform(key, shape, 0.4),
            Role::Bias => self.uniform(key, shape, 0.2),
            Role::Slope => self.insert(key, shape, |rng| rng.random_range(0.05..0.5)),
            Role::ClassifierWeight | Role::ClassifierBias => self.uniform(key, shape, 0.125),
        }
    }

    /// Uniform in `±range`.
    fn uniform(&mut self, key: &str, shape: &[usize], range: f32) {
        self.insert(key, shape, |rng| rng.random_range(-range..range));
    }

    /// Running statistics of values with about this standard deviation.
    fn running(&mut self, norm: &str, channels: usize, std: f32) {
        self.uniform(&format!("{norm}.running_mean"), &[channels], 0.3 * std);
        self.insert(&format!("{norm}.running_var"), &[channels], |rng| {
            (std * rng.random_range(0.7..1.3)).powi(2)
        });
    }
}

#[expect(clippy::cast_precision_loss, reason = "fan-ins are small")]
fn small_float(n: usize) -> f32 {
    n as f32
}
