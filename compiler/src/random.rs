//! Untrained networks with realistic statistics, for tests and sizing.
//!
//! Weights are normal, alpha as initialised by ReCU, and the running statistics are those that a
//! random bipolar sum has: so the signs are balanced and no layer saturates.
//!
//! Not here: accuracy. The predictions mean nothing.

use crate::arch::{self, ConvLayer, UnknownArchitecture};
use crate::checkpoint::{Checkpoint, Method, Norm, Tensor};
use heartbit_ir::grid::Grid;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Returns an untrained checkpoint; the same seed gives the same bytes everywhere.
///
/// # Errors
/// [`UnknownArchitecture`].
pub fn checkpoint(
    arch_name: &str,
    classes: usize,
    seed: u64,
) -> Result<Checkpoint, UnknownArchitecture> {
    let arch = arch::by_name(arch_name)?;
    let mut source = Source { rng: ChaCha8Rng::seed_from_u64(seed), tensors: BTreeMap::new() };
    for (index, layer) in arch.layers.iter().enumerate() {
        source.conv(layer, index == 0);
    }
    let channels = arch.head_channels();
    source.batch_norm(arch.head_norm, channels, 0.3);
    source.uniform(&format!("{}.weight", arch.head_linear), &[classes, channels], 0.125);
    source.uniform(&format!("{}.bias", arch.head_linear), &[classes], 0.125);
    Ok(Checkpoint {
        arch: arch.name.to_owned(),
        method: Method::Recu,
        norm: Norm::Recu,
        grid: Grid::default(),
        classes,
        provenance: BTreeMap::from([
            ("seed".to_owned(), seed.to_string()),
            ("trained".to_owned(), "no: random weights".to_owned()),
        ]),
        tensors: source.tensors,
    })
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
        self.tensors.insert(key.to_owned(), Tensor { shape: shape.to_vec(), data });
    }

    /// Uniform in `±range`.
    fn uniform(&mut self, key: &str, shape: &[usize], range: f32) {
        self.insert(key, shape, |rng| rng.random_range(-range..range));
    }

    fn conv(&mut self, layer: &ConvLayer, stem: bool) {
        let ConvLayer { cin, cout, kernel, .. } = *layer;
        let fan_in = small_float(cin * kernel * kernel);
        let shape = [cout, cin, kernel, kernel];
        let std = (2.0 / fan_in).sqrt();
        self.insert(&format!("{}.weight", layer.name), &shape, |rng| {
            // The sum of twelve uniforms is close to normal and the same on every platform.
            std * ((0..12).map(|_| rng.random_range(0.0..1.0f32)).sum::<f32>() - 6.0)
        });
        if stem {
            // Real-valued weights of standard deviation `std` on normalised pixels.
            self.batch_norm(&layer.norm, cout, 1.4);
        } else {
            self.insert(&format!("{}.alpha", layer.name), &[cout, 1, 1], |rng| {
                rng.random_range(0.25..1.0)
            });
            self.batch_norm(&layer.norm, cout, 0.6 * fan_in.sqrt());
        }
    }

    /// Batch normalisation of inputs with about this standard deviation.
    fn batch_norm(&mut self, prefix: &str, channels: usize, std: f32) {
        let shape = [channels];
        self.insert(&format!("{prefix}.weight"), &shape, |rng| {
            let sign = if rng.random_bool(0.1) { -1.0 } else { 1.0 };
            sign * rng.random_range(0.4..1.2)
        });
        self.uniform(&format!("{prefix}.bias"), &shape, 0.4);
        self.uniform(&format!("{prefix}.running_mean"), &shape, 0.3 * std);
        self.insert(&format!("{prefix}.running_var"), &shape, |rng| {
            (std * rng.random_range(0.7..1.3)).powi(2)
        });
    }
}

#[expect(clippy::cast_precision_loss, reason = "fan-ins are small")]
fn small_float(n: usize) -> f32 {
    n as f32
}
