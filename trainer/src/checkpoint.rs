//! Checkpoints: one `.safetensors` file with a ReCU checkpoint's keys.
//!
//! The metadata says what the tensors do not: architecture, method, pixel statistics and grid.
//! The optimizer's state is in a second file, `state.safetensors`, which alone is enough to resume.
//! Files are written to a temporary name and renamed, so a crash leaves the previous one intact,
//! and the same contents give the same bytes.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use heartbit_ir::grid::Grid;
use safetensors::{Dtype, SafeTensors};
use serde_json::json;

use crate::Error;
use crate::method::{AlphaSource, Method, Norm};
use crate::model::resnet20::ResNet20;
use crate::params::Arrays;

/// Version of the metadata.
pub const SCHEMA: &str = "1";
/// Name of the architecture.
pub const ARCH: &str = "resnet20";
/// Largest file that is read.
const MAX_BYTES: u64 = 1 << 30;

/// A file's arrays and metadata.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Parameters and buffers.
    pub arrays: Arrays,
    /// Metadata strings.
    pub metadata: BTreeMap<String, String>,
}

impl Checkpoint {
    /// The checkpoint of a network after `epoch` epochs.
    pub fn of(net: &ResNet20, norm: Norm, grid: &Grid, epoch: usize, seed: u64) -> Self {
        let mut arrays = net.params.clone();
        arrays.list.extend(net.buffers.list.iter().cloned());
        arrays.list.sort_by(|a, b| a.name.cmp(&b.name));
        let grid = json!(grid).to_string();
        let metadata = [
            ("heartbit.schema", SCHEMA.to_owned()),
            ("arch", ARCH.to_owned()),
            ("method", net.method.name().to_owned()),
            ("norm", norm.name().to_owned()),
            ("grid", grid),
            ("classes", "10".to_owned()),
            ("epoch", epoch.to_string()),
            ("seed", seed.to_string()),
        ];
        let metadata = metadata.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        Self { arrays, metadata }
    }

    /// Writes the file atomically.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        write_atomically(path, &self.to_bytes())
    }

    /// The file's bytes: a little-endian `u64` length, a JSON header of that length, the tensors.
    fn to_bytes(&self) -> Vec<u8> {
        let mut header = serde_json::Map::new();
        header.insert("__metadata__".to_owned(), json!(self.metadata));
        let mut offset = 0;
        for array in &self.arrays.list {
            let end = offset + array.values.len() * size_of::<f32>();
            let entry =
                json!({"dtype": "F32", "shape": array.shape, "data_offsets": [offset, end]});
            header.insert(array.name.clone(), entry);
            offset = end;
        }
        let mut json = serde_json::Value::Object(header).to_string().into_bytes();
        json.resize(json.len().next_multiple_of(8), b' ');
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json);
        for array in &self.arrays.list {
            bytes.extend(array.values.iter().flat_map(|v| v.to_le_bytes()));
        }
        bytes
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Checkpoint`] if it is not a safetensors file of `f32` tensors.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let wrong = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let size = std::fs::metadata(path).map_err(io)?.len();
        if size > MAX_BYTES {
            return Err(wrong(format!("it has {size} bytes, more than {MAX_BYTES}")));
        }
        let bytes = std::fs::read(path).map_err(io)?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| wrong(e.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| wrong(e.to_string()))?;
        let metadata =
            header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let mut tensors = file.tensors();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        let mut arrays = Arrays::default();
        for (name, view) in tensors {
            if view.dtype() != Dtype::F32 {
                return Err(wrong(format!("tensor `{name}` is {:?}, not F32", view.dtype())));
            }
            let (words, _) = view.data().as_chunks::<4>();
            let values = words.iter().map(|w| f32::from_le_bytes(*w)).collect();
            arrays.push(name, view.shape(), values);
        }
        Ok(Self { arrays, metadata })
    }

    /// Returns a metadata string.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if it is missing.
    pub fn text(&self, key: &str, path: &Path) -> Result<&str, Error> {
        self.metadata.get(key).map(String::as_str).ok_or_else(|| Error::Checkpoint {
            path: path.to_owned(),
            reason: format!("metadata `{key}` is missing"),
        })
    }
}

/// What the metadata of a checkpoint say.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Training method.
    pub method: Method,
    /// Pixel statistics.
    pub norm: Norm,
    /// Precision.
    pub grid: Grid,
}

/// Reads and checks the metadata of a ResNet-20 checkpoint.
///
/// # Errors
/// [`Error::Checkpoint`] that names the entry.
pub fn describe(checkpoint: &Checkpoint, path: &Path) -> Result<Description, Error> {
    let wrong = |key: &str, value: &str| Error::Checkpoint {
        path: path.to_owned(),
        reason: format!("metadata `{key}` is `{value}`, which this version does not know"),
    };
    for (key, expected) in [("heartbit.schema", SCHEMA), ("arch", ARCH), ("classes", "10")] {
        let value = checkpoint.text(key, path)?;
        if value != expected {
            return Err(wrong(key, value));
        }
    }
    let (method, norm) = (checkpoint.text("method", path)?, checkpoint.text("norm", path)?);
    let grid = checkpoint.text("grid", path)?;
    Ok(Description {
        method: Method::from_name(method).ok_or_else(|| wrong("method", method))?,
        norm: Norm::from_name(norm).ok_or_else(|| wrong("norm", norm))?,
        grid: serde_json::from_str(grid).map_err(|_| wrong("grid", grid))?,
    })
}

/// Copies arrays of the same names and shapes from a checkpoint into `target`.
///
/// # Errors
/// [`Error::Checkpoint`] that names the first missing, misshapen or non-finite array.
pub fn fill(
    target: &mut Arrays,
    source: &Checkpoint,
    prefix: &str,
    path: &Path,
) -> Result<(), Error> {
    for array in &mut target.list {
        let name = format!("{prefix}{}", array.name);
        let wrong = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let found =
            source.arrays.get(&name).ok_or_else(|| wrong(format!("tensor `{name}` is missing")))?;
        if found.shape != array.shape {
            return Err(wrong(format!(
                "tensor `{name}` has shape {:?}, not {:?}",
                found.shape, array.shape
            )));
        }
        if found.values.iter().any(|v| !v.is_finite()) {
            return Err(wrong(format!("tensor `{name}` holds a value that is not finite")));
        }
        array.values.clone_from(&found.values);
    }
    Ok(())
}

/// Makes the network of a checkpoint, with the metadata's description.
///
/// # Errors
/// As [`describe`] and [`fill`].
pub fn network(checkpoint: &Checkpoint, path: &Path) -> Result<(ResNet20, Description), Error> {
    let description = describe(checkpoint, path)?;
    let mut net = ResNet20::new(description.method, &mut crate::data::stream(0, 0));
    fill(&mut net.params, checkpoint, "", path)?;
    fill(&mut net.buffers, checkpoint, "", path)?;
    let learned = checkpoint.arrays.list.iter().any(|a| a.name.rsplit('.').next() == Some("alpha"));
    if learned != (AlphaSource::of(description.method) == AlphaSource::Learned) {
        return Err(Error::Checkpoint {
            path: path.to_owned(),
            reason: format!("method `{}` and `alpha` tensors disagree", description.method.name()),
        });
    }
    Ok((net, description))
}

/// Writes a file under a temporary name and renames it.
///
/// # Errors
/// [`Error::Io`].
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".heartbit-")
        .permissions(permissions())
        .tempfile_in(dir)
        .map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}

/// Permissions of a new file, before the process's mask.
fn permissions() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(0o666)
}

#[cfg(test)]
mod tests;
