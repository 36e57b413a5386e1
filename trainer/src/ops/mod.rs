//! Operations of the training graph, fused for the CPU, each with its hand-written gradient.
//!
//! * [`conv`]: the convolution kernels; [`passes`]: the elementwise loops around them;
//! * [`norm`]: batch normalisation in closed form, `normalised`: of the sums of a real convolution;
//!   [`stats`]: sums over a batch; [`quantizer`]: streams to levels;
//! * [`binarize_weight`], [`binarize_activation`]: the binarizers;
//! * [`stem`], [`mod@unit`], [`real_unit`], [`map_pool`], [`rprelu`], [`flatten`], [`pool`]: the layers
//!   of a network;
//! * [`host`]: how they hang into burn's autodiff.

pub mod binarize_activation;
pub mod binarize_weight;
pub mod conv;
pub mod flatten;
pub mod host;
pub mod map_pool;
pub mod norm;
mod normalised;
pub mod passes;
pub mod pool;
pub mod quantizer;
pub mod real_unit;
pub mod rprelu;
pub mod stats;
pub mod stem;
pub mod unit;
