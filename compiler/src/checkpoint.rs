//! Checkpoints: float parameters and metadata in a `.safetensors` file, read without burn.
//!
//! Keys are those of the reference implementation. Metadata (all text):
//! `heartbit.schema` = 1, `arch`, `method` (`recu`, `ovsw`, `vanilla`), `norm` (`recu`, `ovsw`),
//! `grid` (JSON), `classes`, and provenance such as `epoch` and `seed`.
//!
//! Not here: foreign formats, optimizer state.

use heartbit_ir::grid::{self, Centering, Grid, PixelStatistics};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::json;
use std::collections::BTreeMap;

/// Version of the metadata.
const SCHEMA: &str = "1";

/// Float parameters by key, with the metadata that gives them meaning.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Architecture.
    pub arch: String,
    /// Training method.
    pub method: Method,
    /// Pixel statistics.
    pub norm: Norm,
    /// The deployed precision.
    pub grid: Grid,
    /// Number of classes.
    pub classes: usize,
    /// Everything else that the file says about itself.
    pub provenance: BTreeMap<String, String>,
    /// Parameters.
    pub tensors: BTreeMap<String, Tensor>,
}

/// One float tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Sizes, slowest first.
    pub shape: Vec<usize>,
    /// Elements.
    pub data: Vec<f32>,
}

/// How weights are binarized and scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `sign(w)`, alpha from the weights.
    Vanilla,
    /// `sign(w - mean)`, alpha learned.
    Recu,
    /// As vanilla; the difference is in training.
    Ovsw,
}

impl Method {
    /// Returns what a weight is compared with.
    pub fn centering(self) -> Centering {
        match self {
            Self::Recu => Centering::FilterMean,
            Self::Vanilla | Self::Ovsw => Centering::None,
        }
    }

    /// Returns the name in the metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vanilla => "vanilla",
            Self::Recu => "recu",
            Self::Ovsw => "ovsw",
        }
    }
}

/// Pixel statistics by the name of the repository that trains with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// ReCU uses ImageNet's on CIFAR-10.
    Recu,
    /// OvSW uses CIFAR-10's own.
    Ovsw,
}

impl Norm {
    /// Returns the statistics.
    pub fn statistics(self) -> PixelStatistics {
        match self {
            Self::Recu => grid::RECU_PIXELS,
            Self::Ovsw => grid::OVSW_PIXELS,
        }
    }

    /// Returns the name in the metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recu => "recu",
            Self::Ovsw => "ovsw",
        }
    }
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Not a safetensors file.
    #[error("not a readable safetensors file")]
    Container(#[from] safetensors::SafeTensorError),
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
        expected: &'static str,
    },
    /// A tensor is not 32-bit float.
    #[error("tensor `{key}` has element type {dtype}, but parameters are F32")]
    ElementType {
        /// The tensor.
        key: String,
        /// Its type.
        dtype: String,
    },
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
    /// Reads a checkpoint from memory.
    ///
    /// # Errors
    /// [`CheckpointError`]; parameters are looked up only when they are used.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let mut text: BTreeMap<String, String> =
            metadata.metadata().clone().unwrap_or_default().into_iter().collect();
        let mut take =
            |key: &'static str| text.remove(key).ok_or(CheckpointError::MissingMetadata { key });
        let invalid = |key, value: &str, expected| CheckpointError::Metadata {
            key,
            value: value.to_owned(),
            expected,
        };
        let schema = take("heartbit.schema")?;
        if schema != SCHEMA {
            return Err(invalid("heartbit.schema", &schema, "1"));
        }
        let arch = take("arch")?;
        let method = match take("method")?.as_str() {
            "vanilla" => Method::Vanilla,
            "recu" => Method::Recu,
            "ovsw" => Method::Ovsw,
            other => return Err(invalid("method", other, "vanilla, recu or ovsw")),
        };
        let norm = match take("norm")?.as_str() {
            "recu" => Norm::Recu,
            "ovsw" => Norm::Ovsw,
            other => return Err(invalid("norm", other, "recu or ovsw")),
        };
        let grid_text = take("grid")?;
        let grid: Grid = serde_json::from_str(&grid_text)
            .ok()
            .filter(valid_grid)
            .ok_or_else(|| invalid("grid", &grid_text, "bit widths within the hardware's"))?;
        let classes_text = take("classes")?;
        let classes = classes_text
            .parse()
            .ok()
            .filter(|n| (1..=4_096).contains(n))
            .ok_or_else(|| invalid("classes", &classes_text, "1 to 4096"))?;
        let tensors = SafeTensors::deserialize(bytes)?
            .tensors()
            .into_iter()
            .map(|(key, view)| Ok((key.clone(), read_tensor(&key, &view)?)))
            .collect::<Result<_, CheckpointError>>()?;
        Ok(Self { arch, method, norm, grid, classes, provenance: text, tensors })
    }

    /// Writes the checkpoint to memory; the same checkpoint gives the same bytes.
    ///
    /// The container is a little-endian `u64` length, a JSON header of that length, and the
    /// tensors. The library's own writer puts the metadata in the order of a hash map.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut metadata = self.provenance.clone();
        let grid = serde_json::to_string(&self.grid).expect("bug: a grid is plain data");
        for (key, value) in [
            ("heartbit.schema", SCHEMA),
            ("arch", &self.arch),
            ("method", self.method.name()),
            ("norm", self.norm.name()),
            ("grid", &grid),
            ("classes", &self.classes.to_string()),
        ] {
            metadata.insert(key.to_owned(), value.to_owned());
        }
        let mut header = BTreeMap::from([("__metadata__", json!(metadata))]);
        let mut end = 0;
        for (key, tensor) in &self.tensors {
            let begin = end;
            end += size_of_val(tensor.data.as_slice());
            let entry =
                json!({ "dtype": "F32", "shape": tensor.shape, "data_offsets": [begin, end] });
            header.insert(key, entry);
        }
        let mut json = serde_json::to_vec(&header).expect("bug: a header is plain data");
        json.resize(json.len().next_multiple_of(8), b' ');
        let data = self.tensors.values().flat_map(|t| &t.data).flat_map(|v| v.to_le_bytes());
        (json.len() as u64).to_le_bytes().into_iter().chain(json).chain(data).collect()
    }

    /// Returns a parameter of a known shape, all values finite.
    ///
    /// # Errors
    /// `MissingTensor`, `Shape` or `Value`.
    pub fn tensor(&self, key: &str, shape: &[usize]) -> Result<&[f32], CheckpointError> {
        let tensor = self
            .tensors
            .get(key)
            .ok_or_else(|| CheckpointError::MissingTensor { key: key.to_owned() })?;
        if tensor.shape != shape {
            return Err(CheckpointError::Shape {
                key: key.to_owned(),
                expected: shape.to_vec(),
                actual: tensor.shape.clone(),
            });
        }
        if let Some(&value) = tensor.data.iter().find(|v| !v.is_finite()) {
            return Err(CheckpointError::Value { key: key.to_owned(), value });
        }
        Ok(&tensor.data)
    }
}

fn valid_grid(grid: &Grid) -> bool {
    (1..=14).contains(&grid.stream_frac_bits)
        && (1..=8).contains(&grid.stem_weight_bits)
        && (1..=8).contains(&grid.head_weight_bits)
        && (1..=8).contains(&grid.head_activation_bits)
}

fn read_tensor(key: &str, view: &TensorView<'_>) -> Result<Tensor, CheckpointError> {
    let data = match view.dtype() {
        Dtype::F32 => {
            view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        }
        other => {
            return Err(CheckpointError::ElementType {
                key: key.to_owned(),
                dtype: format!("{other:?}"),
            });
        }
    };
    Ok(Tensor { shape: view.shape().to_vec(), data })
}
