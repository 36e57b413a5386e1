//! The architectures of the ReCU and OvSW papers, and the files that hold their parameters.
//!
//! * [`arch`]: the names on the command line; [`graph`]: what is computed from what, layer by
//!   layer, with the parameters, their keys and shapes; [`method`]: how weights become bits.
//! * [`tensors`]: named float arrays in a `.safetensors` file; [`checkpoint`]: such a file with the
//!   metadata that gives it meaning.
//!
//! * [`import`]: checkpoints of the reference programs, in PyTorch's formats or safetensors.
//! * [`float`]: what a checkpoint computes in real arithmetic, slowly: the oracle of imports and of
//!   the trainer.
//!
//! The trainer, the folder and the importer all read a network from here, so that a layer has one
//! name and one shape. Not here: fast arithmetic. How a layer is computed is written separately in
//! the trainer, and again in `heartbit_ir`.

pub mod arch;
pub mod checkpoint;
pub mod file;
pub mod float;
pub mod graph;
pub mod import;
pub mod method;
mod networks;
pub mod tensors;

pub use arch::{Arch, Sizes, UnknownArch};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use graph::Graph;
pub use method::{Method, Norm};
pub use tensors::{Tensor, TensorFile};
