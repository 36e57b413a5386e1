//! Checkpoints: the float parameters of a network, with what the numbers do not say themselves.
//!
//! A checkpoint is a `.safetensors` file with the keys of the reference implementations. Its
//! metadata, all text, are `heartbit.schema` = 1, `arch`, `method`, `norm`, `grid` (JSON),
//! `classes`, where they are not the published ones `widths` (comma-separated) and `image_side`,
//! and provenance such as `epoch` and `seed`.
//!
//! Not here: foreign formats, optimizer state.

use crate::arch::{Arch, InvalidSizes, Sizes, UnknownArch};
use crate::graph::Graph;
use crate::method::{Method, Norm};
use crate::tensors::{Tensor, TensorFile, TensorFileError};
use heartbit_ir::grid::Grid;
use std::collections::BTreeMap;

/// Version of the metadata.
const SCHEMA: &str = "1";

/// Float parameters by key, with the metadata that gives them meaning.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Architecture.
    pub arch: Arch,
    /// Its sizes.
    pub sizes: Sizes,
    /// Training method.
    pub method: Method,
    /// Pixel statistics.
    pub norm: Norm,
    /// The deployed precision.
    pub grid: Grid,
    /// Everything else that the file says about itself.
    pub provenance: BTreeMap<String, String>,
    /// Parameters.
    pub tensors: BTreeMap<String, Tensor>,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Not a file of float tensors.
    #[error(transparent)]
    File(#[from] TensorFileError),
    /// A metadata entry is missing.
    #[error("the metadata lacks `{key}`: not a heartbit checkpoint")]
    MissingMetadata {
        /// The entry.
        key: &'static str,
    },
    /// A metadata entry has a value that this program does not know.
    #[error("metadata `{key}` is `{value}`, but must be {expected}")]
    Metadata {
        /// The entry.
        key: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        expected: String,
    },
    /// The architecture is not known.
    #[error(transparent)]
    Arch(#[from] UnknownArch),
    /// The architecture does not have these sizes.
    #[error(transparent)]
    Sizes(#[from] InvalidSizes),
    /// A tensor that the architecture needs is not there.
    #[error("parameter `{key}` is missing")]
    MissingTensor {
        /// The tensor.
        key: String,
    },
    /// A tensor has another shape than the architecture's.
    #[error("parameter `{key}` has shape {actual:?}, but {expected:?} is needed")]
    Shape {
        /// The tensor.
        key: String,
        /// What the architecture needs.
        expected: Vec<usize>,
        /// What the file has.
        actual: Vec<usize>,
    },
    /// A parameter is NaN or infinite, or a variance negative.
    #[error("parameter `{key}` holds {value}, which is not a valid value")]
    Value {
        /// The tensor.
        key: String,
        /// The value.
        value: f32,
    },
}

impl Checkpoint {
    /// Reads a checkpoint from memory and checks its parameters.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Self::from_file(TensorFile::from_bytes(bytes)?)
    }

    /// Gives the contents of a file their meaning, and checks every parameter of the network.
    ///
    /// Tensors that the architecture does not have are kept.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn from_file(file: TensorFile) -> Result<Self, CheckpointError> {
        let mut text = Metadata(file.metadata);
        let schema = text.take("heartbit.schema")?;
        if schema != SCHEMA {
            return Err(invalid("heartbit.schema", &schema, SCHEMA));
        }
        let arch = Arch::from_name(&text.take("arch")?)?;
        let method = text.take("method")?;
        let norm = text.take("norm")?;
        let grid = text.take("grid")?;
        let checkpoint = Self {
            arch,
            sizes: sizes(&mut text, arch)?,
            method: Method::from_name(&method)
                .ok_or_else(|| invalid("method", &method, list(Method::ALL.map(Method::name))))?,
            norm: Norm::from_name(&norm)
                .ok_or_else(|| invalid("norm", &norm, list(Norm::ALL.map(Norm::name))))?,
            grid: serde_json::from_str(&grid)
                .ok()
                .filter(Grid::is_valid)
                .ok_or_else(|| invalid("grid", &grid, "bit widths within the hardware's"))?,
            provenance: text.0,
            tensors: file.tensors,
        };
        checkpoint.check()?;
        Ok(checkpoint)
    }

    /// Returns the contents of the checkpoint's file.
    pub fn to_file(&self) -> TensorFile {
        let mut metadata = self.provenance.clone();
        let grid = serde_json::to_string(&self.grid).expect("bug: a grid is plain data");
        let mut set = |key: &str, value: &str| metadata.insert(key.to_owned(), value.to_owned());
        set("heartbit.schema", SCHEMA);
        set("arch", self.arch.name());
        set("method", self.method.name());
        set("norm", self.norm.name());
        set("grid", &grid);
        set("classes", &self.sizes.classes.to_string());
        let published = self.arch.published();
        if self.sizes.widths != published.widths {
            let widths: Vec<_> = self.sizes.widths.iter().map(ToString::to_string).collect();
            set("widths", &widths.join(","));
        }
        if self.sizes.image_side != published.image_side {
            set("image_side", &self.sizes.image_side.to_string());
        }
        TensorFile { metadata, tensors: self.tensors.clone() }
    }

    /// Writes the checkpoint to memory; the same checkpoint gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_file().to_bytes()
    }

    /// Returns the network whose parameters these are.
    pub fn graph(&self) -> Graph {
        self.arch.graph_with(&self.sizes).expect("bug: the sizes were checked")
    }

    /// Returns a parameter or buffer of the network.
    ///
    /// # Panics
    /// If the network has none of that key: a bug, since all were checked.
    pub fn values(&self, key: &str) -> &[f32] {
        &self.tensors.get(key).unwrap_or_else(|| panic!("bug: the network has no `{key}`")).data
    }

    /// Checks that every parameter and buffer is there, has its shape, and holds valid values.
    ///
    /// # Errors
    /// `Sizes`, `MissingTensor`, `Shape` or `Value`, of the first one in the network's order.
    pub fn check(&self) -> Result<(), CheckpointError> {
        let graph = self.arch.graph_with(&self.sizes)?;
        for parameter in graph.parameters(self.method) {
            self.check_tensor(&parameter.key, &parameter.shape)?;
        }
        for (key, channels) in graph.buffers() {
            let values = self.check_tensor(&key, &[channels])?;
            let negative = values.iter().find(|v| key.ends_with("running_var") && **v < 0.0);
            if let Some(&value) = negative {
                return Err(CheckpointError::Value { key, value });
            }
        }
        Ok(())
    }

    fn check_tensor(&self, key: &str, shape: &[usize]) -> Result<&[f32], CheckpointError> {
        let key = key.to_owned();
        let Some(tensor) = self.tensors.get(&key) else {
            return Err(CheckpointError::MissingTensor { key });
        };
        if tensor.shape != shape {
            let (expected, actual) = (shape.to_vec(), tensor.shape.clone());
            return Err(CheckpointError::Shape { key, expected, actual });
        }
        if let Some(&value) = tensor.data.iter().find(|v| !v.is_finite()) {
            return Err(CheckpointError::Value { key, value });
        }
        Ok(&tensor.data)
    }
}

/// Metadata entries that have not been read yet.
struct Metadata(BTreeMap<String, String>);

impl Metadata {
    fn take(&mut self, key: &'static str) -> Result<String, CheckpointError> {
        self.0.remove(key).ok_or(CheckpointError::MissingMetadata { key })
    }
}

fn sizes(text: &mut Metadata, arch: Arch) -> Result<Sizes, CheckpointError> {
    let number = |key, value: &str| {
        value.trim().parse::<usize>().map_err(|_| invalid(key, value, "a number"))
    };
    let mut sizes = arch.published();
    sizes.classes = number("classes", &text.take("classes")?)?;
    if let Some(widths) = text.0.remove("widths") {
        sizes.widths = widths.split(',').map(|w| number("widths", w)).collect::<Result<_, _>>()?;
    }
    if let Some(side) = text.0.remove("image_side") {
        sizes.image_side = number("image_side", &side)?;
    }
    Ok(sizes)
}

fn list<const N: usize>(names: [&str; N]) -> String {
    format!("one of {}", names.join(", "))
}

fn invalid(key: &'static str, value: &str, expected: impl Into<String>) -> CheckpointError {
    CheckpointError::Metadata { key, value: value.to_owned(), expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(arch: Arch, sizes: Sizes) -> Checkpoint {
        let graph = arch.graph_with(&sizes).expect("valid");
        let mut tensors: BTreeMap<String, Tensor> = graph
            .parameters(Method::Recu)
            .into_iter()
            .map(|p| (p.key.clone(), Tensor::new(&p.shape, vec![0.5; p.len()])))
            .collect();
        for (key, channels) in graph.buffers() {
            tensors.insert(key, Tensor::new(&[channels], vec![1.0; channels]));
        }
        Checkpoint {
            arch,
            sizes,
            method: Method::Recu,
            norm: Norm::Recu,
            grid: Grid::default(),
            provenance: BTreeMap::from([("seed".to_owned(), "7".to_owned())]),
            tensors,
        }
    }

    fn narrow() -> Checkpoint {
        let sizes = Sizes { widths: vec![4, 8, 16], classes: 3, ..Arch::ResNet20.published() };
        checkpoint(Arch::ResNet20, sizes)
    }

    #[test]
    fn checkpoint_round_trips() {
        let checkpoint = narrow();
        let read = Checkpoint::from_bytes(&checkpoint.to_bytes()).expect("just written");
        assert_eq!(read, checkpoint);
        let published = checkpoint_of_published();
        assert!(!published.to_file().metadata.contains_key("widths"));
    }

    fn checkpoint_of_published() -> Checkpoint {
        checkpoint(Arch::ResNet20, Arch::ResNet20.published())
    }

    #[track_caller]
    fn check(change: impl Fn(&mut TensorFile), message: &str) {
        let mut file = narrow().to_file();
        change(&mut file);
        let error = Checkpoint::from_file(file).expect_err("damaged");
        assert!(error.to_string().contains(message), "{error}");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        check(
            |f| drop(f.tensors.remove("layer2.1.bn1.running_var")),
            "parameter `layer2.1.bn1.running_var` is missing",
        );
        check(
            |f| drop(f.tensors.insert("linear.bias".into(), Tensor::new(&[2], vec![0.0; 2]))),
            "parameter `linear.bias` has shape [2], but [3] is needed",
        );
        check(
            |f| f.tensors.get_mut("conv1.weight").expect("there").data[3] = f32::NAN,
            "parameter `conv1.weight` holds NaN",
        );
        check(
            |f| f.tensors.get_mut("bn1.running_var").expect("there").data[0] = -1.0,
            "parameter `bn1.running_var` holds -1",
        );
        check(|f| drop(f.metadata.remove("arch")), "the metadata lacks `arch`");
        check(
            |f| drop(f.metadata.insert("arch".into(), "alexnet".into())),
            "unknown architecture `alexnet`; known: resnet20, resnet18",
        );
        check(
            |f| drop(f.metadata.insert("widths".into(), "4,x,16".into())),
            "metadata `widths` is `x`, but must be a number",
        );
        check(
            |f| drop(f.metadata.insert("widths".into(), "4,8".into())),
            "`resnet20` cannot have widths [4, 8]",
        );
        check(
            |f| drop(f.metadata.insert("method".into(), "xnor".into())),
            "must be one of vanilla, recu, ovsw, recu+ovsw",
        );
        check(|f| drop(f.metadata.insert("grid".into(), "{}".into())), "metadata `grid`");
    }
}
