//! Foreign checkpoints: those of the reference programs of ReCU, `OvSW` and `ReActNet`.
//!
//! `container` reads the file (PyTorch's two formats, or safetensors), `layout` finds the
//! architecture and where each of its parameters is, `scale` expresses scales that our methods do
//! not have, and [`import`] puts them together. Nothing in a file is executed, and nothing is
//! allocated on a file's word: see docs/adr/0008.
//!
//! Not here: reading or writing files, training state.

mod container;
mod element;
mod layout;
mod legacy;
mod pickle;
mod raw;
mod scale;
mod zip;

pub use container::{Container, ContainerError};
pub use layout::Layout;
pub use pickle::{PickleError, PickleProblem};
pub use raw::OutOfStorage;

use crate::arch::{Arch, InvalidSizes};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::graph::Graph;
use crate::method::{Method, Norm};
use crate::tensors::Tensor;
use heartbit_ir::grid::{Centering, Grid};
use raw::RawTensor;
use std::collections::{BTreeMap, BTreeSet};

/// Most elements of a network: 4 GiB.
const MAX_ELEMENTS: usize = 1 << 30;

/// What a file does not say, or what is to be taken instead of what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The architecture; otherwise the one whose parameters the file has.
    pub arch: Option<Arch>,
    /// The method; otherwise ReCU where the file has its scales, else `OvSW`.
    pub method: Option<Method>,
    /// The pixel statistics; otherwise those of the method's publication.
    pub norm: Option<Norm>,
    /// Height and width of the image; otherwise the published one, or that of the classifier's
    /// shape where the last map is flattened.
    pub image_side: Option<usize>,
}

/// A file that was imported.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The network, every parameter of which was checked.
    pub checkpoint: Checkpoint,
    /// The file's outer format.
    pub container: Container,
    /// Whose keys it has.
    pub layout: Layout,
    /// Float parameters of the network.
    pub parameters: usize,
    /// Keys that are known and do not matter for evaluation, sorted.
    pub not_needed: Vec<String>,
    /// Keys that nothing uses, sorted.
    pub unused: Vec<String>,
    /// Binary weights that are exactly what they are compared with: PyTorch takes 0 for their sign,
    /// and we take +1.
    pub zeros: usize,
    /// Whether scales that are no parameter of the method were moved into normalisations.
    pub scales_moved: bool,
}

/// Why a file cannot be imported. Keys are those of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// Two keys are the same without `module.`.
    #[error("keys `{first}` and `{second}` name the same parameter")]
    Duplicate {
        /// One key.
        first: String,
        /// The other.
        second: String,
    },
    /// No architecture has all its parameters in the file.
    #[error(
        "no architecture has all its parameters in the file; `{arch}` is closest and lacks {}",
        list(missing)
    )]
    NoArchitecture {
        /// The one that lacks fewest.
        arch: Arch,
        /// What it lacks.
        missing: Vec<String>,
    },
    /// More than one architecture has all its parameters in the file.
    #[error("the parameters are those of more than one architecture: {}", list(candidates))]
    Ambiguous {
        /// Those architectures.
        candidates: Vec<Arch>,
    },
    /// Parameters are missing.
    #[error("`{arch}` needs parameters that the file lacks: {}", list(missing))]
    Missing {
        /// The architecture.
        arch: Arch,
        /// All of them.
        missing: Vec<String>,
    },
    /// The file has convolutions that the architecture lacks.
    #[error("the file has convolutions that `{arch}` lacks: {}", list(extra))]
    OtherNetwork {
        /// The architecture.
        arch: Arch,
        /// Their weights.
        extra: Vec<String>,
    },
    /// The method does not have the scales that the file has.
    #[error("the file has {found}, which method `{}` does not", method.name())]
    Method {
        /// The method.
        method: Method,
        /// What was found.
        found: &'static str,
    },
    /// The architecture does not have the sizes of the file.
    #[error(transparent)]
    Sizes(#[from] InvalidSizes),
    /// A classifier that belongs to no square map.
    #[error("`{key}` has {features} columns, but {channels} channels of a square map are needed")]
    Features {
        /// The classifier's weight.
        key: String,
        /// Its columns.
        features: usize,
        /// Channels of the last map.
        channels: usize,
    },
    /// Parameters have other shapes than the architecture's.
    #[error("parameters have other shapes than `{arch}` needs: {}", list(wrong))]
    Shapes {
        /// The architecture.
        arch: Arch,
        /// All of them.
        wrong: Vec<WrongShape>,
    },
    /// A parameter is not float.
    #[error("parameter `{key}` has element type {element}, but parameters are float")]
    ElementType {
        /// The parameter.
        key: String,
        /// Its type.
        element: &'static str,
    },
    /// A network larger than the limit.
    #[error("the network has {elements} parameters, more than {MAX_ELEMENTS}")]
    TooLarge {
        /// Parameters.
        elements: usize,
    },
    /// A scale that cannot be moved into the normalisation.
    #[error("filter {filter} of `{key}` is constant, so its scale {scale} cannot be expressed")]
    ConstantFilter {
        /// The weights.
        key: String,
        /// The filter.
        filter: usize,
        /// Its scale.
        scale: f32,
    },
    /// A value that no parameter may have.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// A parameter with another shape than the architecture's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongShape {
    /// Key in the file.
    pub key: String,
    /// What the architecture needs.
    pub expected: Vec<usize>,
    /// What the file has.
    pub actual: Vec<usize>,
}

impl std::fmt::Display for WrongShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, expected, actual } = self;
        write!(f, "`{key}` has {actual:?}, needed {expected:?}")
    }
}

/// Makes a checkpoint of a foreign file. `name` is recorded as its name.
///
/// Parameters in 16 bits are widened exactly, those in 64 bits rounded to the nearest `f32`.
///
/// # Errors
/// [`ImportError`].
pub fn import(bytes: &[u8], name: &str, options: &Options) -> Result<Imported, ImportError> {
    let source = container::read(bytes)?;
    let keys = layout::without_prefix(&source.entries)?;
    let layout = Layout::of(&keys);
    let method = layout::method(&keys, options.method)?;
    let arch = layout::architecture(&keys, layout, method, options.arch)?;
    let sizes = layout::sizes(&keys, layout, arch, options.image_side)?;
    let graph = arch.graph_with(&sizes)?;
    let file = File { keys: &keys, layout, method, graph: &graph };
    let mut tensors = file.tensors()?;
    let zeros = file.zeros(&tensors);
    let scales_moved = scale::move_into_norms(&file, &mut tensors)?;
    let (not_needed, unused) = file.left_over()?;
    let mut provenance: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in [
        ("file", name.to_owned()),
        ("container", source.container.name().to_owned()),
        ("layout", layout.name().to_owned()),
        ("blake3", blake3::hash(bytes).to_hex().to_string()),
    ] {
        provenance.insert(format!("import.{key}"), value);
    }
    for (key, value) in source.notes {
        provenance.insert(format!("import.{key}"), value);
    }
    let norm = options.norm.unwrap_or_else(|| layout::default_norm(arch, method));
    let grid = Grid::default();
    let checkpoint = Checkpoint { arch, sizes, method, norm, grid, provenance, tensors };
    checkpoint.check()?;
    let parameters = graph.parameters(method).iter().map(crate::graph::Parameter::len).sum();
    let container = source.container;
    Ok(Imported {
        checkpoint,
        container,
        layout,
        parameters,
        not_needed,
        unused,
        zeros,
        scales_moved,
    })
}

/// A file whose architecture is known.
struct File<'a> {
    keys: &'a layout::Keys<'a>,
    layout: Layout,
    method: Method,
    graph: &'a Graph,
}

impl File<'_> {
    /// Reads every parameter and buffer of the network, under its own key.
    fn tensors(&self) -> Result<BTreeMap<String, Tensor>, ImportError> {
        let arch = self.graph.arch;
        let needed = layout::needed(self.graph, self.method);
        let wrong: Vec<WrongShape> =
            needed.iter().filter_map(|(key, shape)| self.wrong_shape(key, shape)).collect();
        if !wrong.is_empty() {
            return Err(ImportError::Shapes { arch, wrong });
        }
        let elements = needed.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        if elements > MAX_ELEMENTS {
            return Err(ImportError::TooLarge { elements });
        }
        needed.into_iter().map(|(key, shape)| Ok((key.clone(), self.read(&key, &shape)?))).collect()
    }

    fn raw(&self, key: &str) -> &RawTensor<'_> {
        self.keys.tensor(&self.layout.key(key)).expect("bug: missing keys were reported")
    }

    fn wrong_shape(&self, key: &str, shape: &[usize]) -> Option<WrongShape> {
        let actual = self.raw(key).shape();
        // Sizes of 1 say nothing: `[N, C, 1, 1]` is the classifier `[N, C]`.
        let significant =
            |shape: &[usize]| shape.iter().copied().filter(|s| *s != 1).collect::<Vec<_>>();
        (significant(actual) != significant(shape)).then(|| WrongShape {
            key: self.keys.original(&self.layout.key(key)),
            expected: shape.to_vec(),
            actual: actual.to_vec(),
        })
    }

    fn read(&self, key: &str, shape: &[usize]) -> Result<Tensor, ImportError> {
        let raw = self.raw(key);
        let tensor = raw.read().ok_or_else(|| ImportError::ElementType {
            key: self.keys.original(&self.layout.key(key)),
            element: raw.element().name(),
        })?;
        Ok(Tensor::new(shape, tensor.data))
    }

    /// Counts the binary weights that equal what they are compared with, in `f32`.
    #[expect(clippy::float_cmp, reason = "equality is what is counted")]
    fn zeros(&self, tensors: &BTreeMap<String, Tensor>) -> usize {
        let count = |conv: &crate::graph::Conv| {
            tensors[&conv.weight()]
                .data
                .chunks(conv.fan_in())
                .map(|filter| {
                    let mean = match self.method.centering() {
                        Centering::None => 0.0,
                        Centering::FilterMean => mean(filter),
                    };
                    filter.iter().filter(|w| **w == mean).count()
                })
                .sum::<usize>()
        };
        self.graph.binary_convs().map(count).sum()
    }

    /// Returns the keys that do not matter, and those that nothing uses.
    fn left_over(&self) -> Result<(Vec<String>, Vec<String>), ImportError> {
        let needed: BTreeSet<String> = layout::needed(self.graph, self.method)
            .into_iter()
            .map(|(key, _)| self.layout.key(&key))
            .chain(scale::keys(self))
            .collect();
        let not_needed = layout::not_needed(self.graph, self.layout);
        let mut lists = (Vec::new(), Vec::new());
        let mut extra = Vec::new();
        for (key, tensor) in self.keys.iter() {
            if needed.contains(key) {
                continue;
            }
            let original = self.keys.original(key);
            if not_needed.contains(key) {
                lists.0.push(original);
                continue;
            }
            let conv = key.strip_suffix(".weight").is_some();
            if conv && tensor.is_some_and(|t| t.shape().len() == 4) {
                extra.push(original.clone());
            }
            lists.1.push(original);
        }
        if extra.is_empty() {
            Ok(lists)
        } else {
            Err(ImportError::OtherNetwork { arch: self.graph.arch, extra })
        }
    }
}

/// The mean, rounded to `f32`.
#[expect(clippy::cast_precision_loss, reason = "fan-ins are far below 2^53")]
fn mean(filter: &[f32]) -> f32 {
    element::narrow(filter.iter().map(|&w| f64::from(w)).sum::<f64>() / filter.len() as f64)
}

/// Writes a list for a message.
fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
