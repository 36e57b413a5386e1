//! From the keys of a file to the parameters of an architecture.
//!
//! The architectures' own keys are those of ReCU and `OvSW`, so only `ReActNet`'s differ. An
//! architecture is recognised by having all its parameters in the file; of two that both have, the
//! one with more parameters is meant (ResNet-34 has all of ResNet-18's keys).
//!
//! Not here: values.

use crate::arch::{Arch, Sizes};
use crate::graph::{Graph, LayerKind, Reduce};
use crate::import::ImportError;
use crate::import::raw::RawTensor;
use crate::method::{Method, Norm};
use std::collections::{BTreeMap, BTreeSet};

/// What data-parallel training puts before every key, once for each wrapper.
const PREFIX: &str = "module.";

/// Whose keys a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// ReCU's: every binary convolution has `alpha`.
    Recu,
    /// `OvSW`'s.
    Ovsw,
    /// That of `ReActNet`'s own program: `binary_conv`, `prelu`.
    ReActNet,
}

impl Layout {
    /// Returns the layout that keys are of.
    pub(crate) fn of(keys: &Keys<'_>) -> Self {
        if keys.has_part("binary_conv") {
            Self::ReActNet
        } else if keys.has_part("alpha") {
            Self::Recu
        } else {
            Self::Ovsw
        }
    }

    /// Returns the name for messages and provenance.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recu => "ReCU",
            Self::Ovsw => "OvSW",
            Self::ReActNet => "ReActNet",
        }
    }

    /// Returns the file's key of a parameter.
    pub(crate) fn key(self, key: &str) -> String {
        if self != Self::ReActNet {
            return key.to_owned();
        }
        let in_block = key.starts_with("layer");
        let part = |part| match part {
            "conv" if in_block => "binary_conv",
            "conv" => "conv1",
            "bn" => "bn1",
            "nonlinear" => "prelu",
            other => other,
        };
        key.split('.').map(part).collect::<Vec<_>>().join(".")
    }
}

/// The entries of a state dictionary without the prefix of data-parallel training.
#[derive(Debug)]
pub(crate) struct Keys<'a> {
    /// The key in the file, and the tensor where it is one.
    entries: BTreeMap<&'a str, (&'a str, Option<&'a RawTensor<'a>>)>,
}

/// Removes the prefix from every key.
///
/// # Errors
/// `Duplicate` where two keys become one.
pub(crate) fn without_prefix<'a>(
    state: &'a BTreeMap<String, Option<RawTensor<'a>>>,
) -> Result<Keys<'a>, ImportError> {
    let mut entries = BTreeMap::new();
    for (original, tensor) in state {
        let mut key = original.as_str();
        while let Some(rest) = key.strip_prefix(PREFIX) {
            key = rest;
        }
        if let Some((first, _)) = entries.insert(key, (original.as_str(), tensor.as_ref())) {
            let (first, second) = (str::to_owned(first), original.clone());
            return Err(ImportError::Duplicate { first, second });
        }
    }
    Ok(Keys { entries })
}

impl<'a> Keys<'a> {
    /// Returns the tensor of a key, `None` where there is none.
    pub(crate) fn tensor(&self, key: &str) -> Option<&'a RawTensor<'a>> {
        self.entries.get(key)?.1
    }

    /// Returns the key as it is in the file.
    pub(crate) fn original(&self, key: &str) -> String {
        self.entries.get(key).map_or(key, |(original, _)| original).to_owned()
    }

    /// Returns all keys with what they hold, sorted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a RawTensor<'a>>)> {
        self.entries.iter().map(|(key, (_, tensor))| (*key, *tensor))
    }

    /// Whether a key has this part between its dots.
    fn has_part(&self, part: &str) -> bool {
        self.entries.keys().any(|key| key.split('.').any(|p| p == part))
    }

    fn missing(&self, layout: Layout, graph: &Graph, method: Method) -> Vec<String> {
        let keys = needed(graph, method).into_iter().map(|(key, _)| layout.key(&key));
        keys.filter(|key| self.tensor(key).is_none()).collect()
    }
}

/// Returns every parameter and buffer of a network with its shape.
pub(crate) fn needed(graph: &Graph, method: Method) -> Vec<(String, Vec<usize>)> {
    let parameters = graph.parameters(method).into_iter().map(|p| (p.key, p.shape));
    parameters.chain(graph.buffers().into_iter().map(|(key, n)| (key, vec![n]))).collect()
}

/// Returns the file's keys that are known and do not matter for evaluation.
pub(crate) fn not_needed(graph: &Graph, layout: Layout) -> BTreeSet<String> {
    let counts = graph.norms().into_iter().map(|(norm, _)| format!("{norm}.num_batches_tracked"));
    let of_conv =
        |name: &str| ["tau", "weight_prev", "tracker"].map(|buffer| format!("{name}.{buffer}"));
    let buffers = graph.binary_convs().flat_map(|conv| of_conv(&conv.name));
    counts.chain(buffers).map(|key| layout.key(&key)).collect()
}

/// Returns the method: what was asked for, which must fit the scales in the file, or what these say.
///
/// # Errors
/// `Method` where they do not fit.
pub(crate) fn method(keys: &Keys<'_>, asked: Option<Method>) -> Result<Method, ImportError> {
    let has_alpha = keys.has_part("alpha");
    let method = asked.unwrap_or(if has_alpha { Method::Recu } else { Method::Ovsw });
    if has_alpha && !method.learns_alpha() {
        return Err(ImportError::Method { method, found: "ReCU's learned scales (`alpha`)" });
    }
    if keys.has_part("scaling_factor") && method.learns_alpha() {
        return Err(ImportError::Method {
            method,
            found: "OvSW's learned scales (`scaling_factor`)",
        });
    }
    Ok(method)
}

/// Returns the architecture: what was asked for, or the one whose parameters the file has.
///
/// # Errors
/// `Missing` where the one that was asked for lacks parameters, `NoArchitecture` or `Ambiguous`.
pub(crate) fn architecture(
    keys: &Keys<'_>,
    layout: Layout,
    method: Method,
    asked: Option<Arch>,
) -> Result<Arch, ImportError> {
    if let Some(arch) = asked {
        let missing = keys.missing(layout, &arch.graph(), method);
        return if missing.is_empty() {
            Ok(arch)
        } else {
            Err(ImportError::Missing { arch, missing })
        };
    }
    let graphs = Arch::ALL.map(Arch::graph);
    let size = |graph: &Graph| needed(graph, method).len();
    let complete = |graph: &&Graph| keys.missing(layout, graph, method).is_empty();
    let most = graphs.iter().filter(complete).map(size).max();
    let found: Vec<Arch> = graphs
        .iter()
        .filter(|graph| Some(size(graph)) == most)
        .filter(complete)
        .map(|graph| graph.arch)
        .collect();
    match found[..] {
        [arch] => Ok(arch),
        [] => {
            // By the share that is missing, so that a small network is not closest to everything.
            let lacking = graphs.iter().map(|graph| (graph, keys.missing(layout, graph, method)));
            let (graph, missing) = lacking
                .min_by_key(|(graph, missing)| missing.len() * 10_000 / size(graph))
                .expect("bug: there are architectures");
            Err(ImportError::NoArchitecture { arch: graph.arch, missing })
        }
        _ => Err(ImportError::Ambiguous { candidates: found }),
    }
}

/// Returns the sizes that the shapes say.
///
/// # Errors
/// `Features` where the classifier does not fit a square map.
pub(crate) fn sizes(
    keys: &Keys<'_>,
    layout: Layout,
    arch: Arch,
    image_side: Option<usize>,
) -> Result<Sizes, ImportError> {
    let graph = arch.graph();
    let size = |key: &str, axis: usize| {
        let tensor = keys.tensor(&layout.key(key)).expect("bug: missing keys were reported");
        tensor.shape().get(axis).copied().unwrap_or(1)
    };
    let mut sizes = arch.published();
    let widths = stages(&graph).into_iter().map(|conv| size(&format!("{conv}.weight"), 0));
    sizes.widths = widths.collect();
    let classifier = format!("{}.weight", graph.head.linear);
    sizes.classes = size(&classifier, 0);
    if let Some(side) = image_side {
        sizes.image_side = side;
    } else if graph.head.reduce == Reduce::Flatten {
        let channels = sizes.widths.last().copied().unwrap_or(0);
        let features = size(&classifier, 1);
        let side = features.checked_div(channels).map_or(0, usize::isqrt);
        if channels.checked_mul(side * side) != Some(features) {
            let key = keys.original(&classifier);
            return Err(ImportError::Features { key, features, channels });
        }
        sizes.image_side = side.saturating_mul(arch.reduction());
    }
    Ok(sizes)
}

/// Returns, for each width of the architecture, the convolution whose output channels it is.
fn stages(graph: &Graph) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut last = String::new();
    for layer in &graph.layers {
        let name = match &layer.kind {
            LayerKind::Binary { conv, .. } | LayerKind::Stem { conv, .. } => &conv.name,
            _ => continue,
        };
        // Residual networks: the first convolution of a `layerN`; others: every convolution.
        let stage = name.split('.').next().unwrap_or(name);
        let stem = matches!(layer.kind, LayerKind::Stem { .. });
        if stage != last && !(stem && graph.head.reduce == Reduce::GlobalPool) {
            names.push(name.clone());
            stage.clone_into(&mut last);
        }
    }
    assert_eq!(names.len(), graph.sizes.widths.len(), "bug: stages of {}", graph.arch);
    names
}

/// Returns the pixel statistics of the publication: on ImageNet both methods take ImageNet's.
pub(crate) fn default_norm(arch: Arch, method: Method) -> Norm {
    match arch {
        Arch::ResNet18ImageNet | Arch::ResNet34ImageNet | Arch::ReActNet18 => Norm::Recu,
        _ => method.default_norm(),
    }
}
