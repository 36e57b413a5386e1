//! Parameters and running statistics of a network, as named host arrays.
//!
//! Checkpoints, gradient hooks, optimizer and resume all work on these arrays in the order of the
//! graph. Tensors are made from them for each step.

use std::collections::BTreeMap;

use heartbit_ir::grid::{Grid, alpha_statistic, range_log2};
use heartbit_model::graph::{Conv, Parameter, Reduce, Role};
use heartbit_model::{Checkpoint, Graph, Method, Norm, Tensor};
use rand::Rng;

use crate::init::Init;
use crate::ops::quantizer::Quantizer;
use crate::ops::unit::BatchStats;
use crate::params::Arrays;

/// Weight of a batch in the running statistics.
const RUNNING_MOMENTUM: f64 = 0.1;

/// A network with its parameters.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its layers.
    pub graph: Graph,
    /// How it is trained, which decides what a weight is compared with and whether alpha is a
    /// parameter.
    pub method: Method,
    /// What the optimizer changes, in the order of [`Graph::parameters`].
    pub params: Arrays,
    /// What each parameter is.
    pub specs: Vec<Parameter>,
    /// Running means and variances, in the order of [`Graph::buffers`].
    pub buffers: Arrays,
}

/// The latent weights of one binary convolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinaryLayer {
    /// Name of the convolution.
    pub name: String,
    /// Index of the weights in the parameters.
    pub index: usize,
    /// Weights of one filter.
    pub fan_in: usize,
}

impl Network {
    /// Draws initial parameters.
    pub fn new(graph: Graph, method: Method, init: &Init, rng: &mut impl Rng) -> Self {
        let mut params = Arrays::default();
        let specs = graph.parameters(method);
        for (spec, values) in specs.iter().zip(init.draw(&specs, rng)) {
            params.push(&spec.key, &spec.shape, values);
        }
        let mut buffers = Arrays::default();
        for (key, channels) in graph.buffers() {
            let value = if key.ends_with("running_var") { 1.0 } else { 0.0 };
            buffers.push(key, &[channels], vec![value; channels]);
        }
        Self { graph, method, params, specs, buffers }
    }

    /// The network of a checkpoint, whose parameters have been checked.
    pub fn from_checkpoint(checkpoint: &Checkpoint) -> Self {
        let graph = checkpoint.graph();
        let values = |key: &str| checkpoint.values(key).to_vec();
        let (mut params, mut buffers) = (Arrays::default(), Arrays::default());
        let specs = graph.parameters(checkpoint.method);
        for Parameter { key, shape, .. } in &specs {
            params.push(key, shape, values(key));
        }
        for (key, channels) in graph.buffers() {
            let values = values(&key);
            buffers.push(key, &[channels], values);
        }
        Self { graph, method: checkpoint.method, params, specs, buffers }
    }

    /// Takes over the parameters and running statistics of a checkpoint, all of them.
    ///
    /// # Errors
    /// Every key that is missing or has another shape; nothing is changed then.
    pub fn start_from(&mut self, checkpoint: &Checkpoint) -> Result<(), String> {
        let arrays = || self.params.list.iter().chain(&self.buffers.list);
        let problem = |array: &crate::params::Array| match checkpoint.tensors.get(&array.name) {
            None => Some(format!("`{}` is missing", array.name)),
            Some(found) if found.shape != array.shape => {
                let (name, found, needed) = (&array.name, &found.shape, &array.shape);
                Some(format!("`{name}` has shape {found:?}, but {needed:?} is needed"))
            }
            Some(_) => None,
        };
        let problems: Vec<String> = arrays().filter_map(problem).collect();
        if !problems.is_empty() {
            return Err(problems.join("; "));
        }
        for array in self.params.list.iter_mut().chain(&mut self.buffers.list) {
            array.values.clone_from(&checkpoint.tensors[&array.name].data);
        }
        Ok(())
    }

    /// The checkpoint of the network.
    pub fn checkpoint(
        &self,
        norm: Norm,
        grid: &Grid,
        provenance: BTreeMap<String, String>,
    ) -> Checkpoint {
        let arrays = self.params.list.iter().chain(&self.buffers.list);
        Checkpoint {
            arch: self.graph.arch,
            sizes: self.graph.sizes.clone(),
            method: self.method,
            norm,
            grid: grid.clone(),
            provenance,
            tensors: arrays
                .map(|a| (a.name.clone(), Tensor::new(&a.shape, a.values.clone())))
                .collect(),
        }
    }

    /// The latent weights of the binary convolutions, in the order of the network.
    pub fn binary_layers(&self) -> Vec<BinaryLayer> {
        self.params
            .list
            .iter()
            .zip(&self.specs)
            .enumerate()
            .filter(|(_, (_, spec))| spec.role == Role::BinaryWeight)
            .map(|(index, (array, _))| BinaryLayer {
                name: array.name.trim_end_matches(".weight").to_owned(),
                index,
                fan_in: array.shape[1..].iter().product(),
            })
            .collect()
    }

    /// The values of a parameter or buffer.
    ///
    /// # Panics
    /// If there is none of that name: a bug.
    pub fn values(&self, key: &str) -> &[f32] {
        let found = self.params.get(key).or_else(|| self.buffers.get(key));
        &found.unwrap_or_else(|| panic!("bug: the network has no `{key}`")).values
    }

    /// The scale of a binary convolution's filters: learned, or the statistic of the weights.
    pub fn alpha(&self, conv: &Conv) -> Vec<f64> {
        if self.method.learns_alpha() {
            self.values(&conv.alpha()).iter().map(|&a| f64::from(a)).collect()
        } else {
            alpha_statistic(self.values(&conv.weight()), conv.fan_in())
        }
    }

    /// How the grid quantizes the classifier's features: sums where the map is pooled.
    pub(crate) fn feature_quantizer(&self, grid: &Grid) -> Quantizer {
        let (bits, frac_bits) = (grid.head_activation_bits, grid.stream_frac_bits);
        let last = self.graph.layers.len() - 1;
        let range = range_log2(self.graph.limited(last), frac_bits);
        let side = self.graph.layers[last].side;
        match self.graph.head.reduce {
            Reduce::GlobalPool => Quantizer::of_sums(side * side, bits, frac_bits, range),
            Reduce::Flatten => Quantizer::new(bits, frac_bits, range),
        }
    }

    /// Moves the running statistics towards those of a batch, which are in the order of
    /// [`Graph::norms`].
    pub fn update_running(&mut self, stats: &[BatchStats]) {
        let buffers = self.buffers.list.chunks_exact_mut(2);
        assert_eq!(buffers.len(), stats.len(), "bug: one set of statistics a normalisation");
        let blend = |old: &mut f32, new: f64| {
            let old_share = (1.0 - RUNNING_MOMENTUM) * f64::from(*old);
            *old = (old_share + RUNNING_MOMENTUM * new) as f32;
        };
        for (pair, stats) in buffers.zip(stats) {
            let [mean, var] = pair else { unreachable!("bug: chunks of two") };
            mean.values.iter_mut().zip(&stats.mean).for_each(|(old, &new)| blend(old, new));
            var.values.iter_mut().zip(&stats.var).for_each(|(old, &new)| blend(old, new));
        }
    }
}
