//! The outer formats of checkpoint files, told apart by content.
//!
//! Each reader turns a file into a [`Source`]: the entries of its state dictionary, and what it says
//! about its training. Elements stay where they are in the file until they are needed.
//!
//! Not here: what the keys mean.

use crate::import::element::Element;
use crate::import::legacy;
use crate::import::pickle::{Pickle, PickleError, Storage, Value};
use crate::import::raw::{OutOfStorage, RawTensor};
use crate::import::zip;
use safetensors::tensor::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::fmt;

/// Where a tar archive says that it is one.
const TAR_MAGIC: (usize, &[u8]) = (257, b"ustar");

/// Keys under which programs keep the accuracy of their best epoch.
const BEST: [&str; 3] = ["best_prec1", "best_acc1", "best_top1_acc"];

/// An outer format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// A zip archive of a pickle and its storages: PyTorch 1.6 and later.
    Zip,
    /// A stream of pickles and storages: PyTorch 0.1.10 to 1.5.
    Legacy,
    /// A JSON header and tensors.
    Safetensors,
}

/// What a file contains.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    /// Its outer format.
    pub container: Container,
    /// The state dictionary; `None` for what is no tensor.
    pub entries: BTreeMap<String, Option<RawTensor<'a>>>,
    /// Epoch and best accuracy, where the file has them.
    pub notes: BTreeMap<&'static str, String>,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// Not a format that is known.
    #[error("neither a PyTorch checkpoint nor a safetensors file: it begins with {0:02x?}")]
    Unknown(Vec<u8>),
    /// A tar archive.
    #[error("a tar archive; PyTorch wrote such checkpoints before 0.1.10 only")]
    Tar,
    /// A safetensors file that is damaged.
    #[error("not a readable safetensors file")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// A checkpoint of this program.
    #[error("already a heartbit checkpoint")]
    AlreadyImported,
    /// A zip archive that is damaged.
    #[error("not a readable zip archive")]
    Zip(#[source] ::zip::result::ZipError),
    /// A zip archive that no PyTorch wrote.
    #[error("not PyTorch's archive: {0}")]
    Archive(String),
    /// A checksum that does not fit.
    #[error(
        "entry `{entry}` of the archive has checksum {actual:08x}, but {expected:08x} is recorded: the file is damaged"
    )]
    Checksum {
        /// The entry.
        entry: String,
        /// What the archive says.
        expected: u32,
        /// What the bytes have.
        actual: u32,
    },
    /// A pickle that cannot be read.
    #[error("not a readable pickle")]
    Pickle(#[from] PickleError),
    /// A pickle that is no checkpoint.
    #[error("a pickle, but not PyTorch's: {0}")]
    Stream(&'static str),
    /// The bytes of numbers are in the other order.
    #[error("written on a big-endian machine; only little-endian files are read")]
    BigEndian,
    /// A storage is not there, or not whole.
    #[error("storage `{key}` claims {claimed} bytes, but {actual}")]
    Storage {
        /// The storage.
        key: String,
        /// Bytes that it should have.
        claimed: u128,
        /// What is there.
        actual: String,
    },
    /// A tensor does not fit its storage.
    #[error("tensor `{key}` is not in its storage")]
    Tensor {
        /// The tensor.
        key: String,
        /// How it does not fit.
        source: OutOfStorage,
    },
    /// No tensors.
    #[error("no tensors, neither under `state_dict` nor at the top")]
    NoTensors,
}

impl Container {
    /// Returns the name for messages and provenance.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zip => "PyTorch zip",
            Self::Legacy => "PyTorch legacy",
            Self::Safetensors => "safetensors",
        }
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads a file of any known format.
///
/// # Errors
/// [`ContainerError`].
pub(crate) fn read(bytes: &[u8]) -> Result<Source<'_>, ContainerError> {
    if bytes.starts_with(b"PK\x03\x04") {
        zip::read(bytes)
    } else if looks_like_safetensors(bytes) {
        safetensors(bytes)
    } else if bytes.get(TAR_MAGIC.0..).is_some_and(|rest| rest.starts_with(TAR_MAGIC.1)) {
        Err(ContainerError::Tar)
    } else if bytes.first() == Some(&0x80) {
        legacy::read(bytes)
    } else {
        Err(ContainerError::Unknown(bytes[..bytes.len().min(8)].to_vec()))
    }
}

/// A length, then JSON.
fn looks_like_safetensors(bytes: &[u8]) -> bool {
    let length = bytes.first_chunk().map(|b| u64::from_le_bytes(*b));
    let fits = |length| u64::try_from(bytes.len()).is_ok_and(|len| length <= len);
    length.is_some_and(fits) && bytes.get(8) == Some(&b'{')
}

fn safetensors(bytes: &[u8]) -> Result<Source<'_>, ContainerError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    if metadata.contains_key("heartbit.schema") {
        return Err(ContainerError::AlreadyImported);
    }
    let mut entries = BTreeMap::new();
    for (key, view) in SafeTensors::deserialize(bytes)?.iter() {
        let element = element(view.dtype(), view.dtype().bitsize());
        let tensor = RawTensor::contiguous(element, view.data(), view.shape())
            .map_err(|source| ContainerError::Tensor { key: key.to_owned(), source })?;
        entries.insert(key.to_owned(), Some(tensor));
    }
    if entries.is_empty() {
        return Err(ContainerError::NoTensors);
    }
    let note = |key: &str| metadata.get(key).cloned();
    let best = BEST.iter().find_map(|key| note(key));
    let notes = [("epoch", note("epoch")), ("best_accuracy", best)];
    let notes = notes.into_iter().filter_map(|(key, text)| Some((key, text?))).collect();
    Ok(Source { container: Container::Safetensors, entries, notes })
}

fn element(dtype: Dtype, bits: usize) -> Element {
    match dtype {
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        _ => Element::Other { name: "no float", bytes: bits.div_ceil(8).max(1) },
    }
}

/// Makes the source of a pickled dictionary, whose storages are found by `bytes_of`.
///
/// # Errors
/// [`ContainerError`]: of `bytes_of`, of a tensor that is not in its storage, or of a file without
/// tensors.
pub(crate) fn from_pickle<'a>(
    container: Container,
    pickle: &Pickle<'a>,
    bytes_of: impl FnMut(&Storage<'a>) -> Result<&'a [u8], ContainerError>,
) -> Result<Source<'a>, ContainerError> {
    let root = pickle.root();
    let state = pickle.entry(root, "state_dict").unwrap_or(root);
    let Value::Dict(state) = state else { return Err(ContainerError::NoTensors) };
    let mut reader = Reader { bytes_of };
    let mut entries = BTreeMap::new();
    for (key, value) in state {
        if let Value::Text(key) = *pickle.get(*key) {
            entries.insert(key.to_owned(), reader.tensor(key, pickle.get(*value))?);
        }
    }
    if !entries.values().any(Option::is_some) {
        return Err(ContainerError::NoTensors);
    }
    let best = BEST.iter().find_map(|key| pickle.entry(root, key));
    let mut notes = BTreeMap::new();
    for (key, value) in [("epoch", pickle.entry(root, "epoch")), ("best_accuracy", best)] {
        if let Some(value) = value {
            notes.extend(reader.number(key, value)?.map(|text| (key, text)));
        }
    }
    Ok(Source { container, entries, notes })
}

/// Reads tensors of a pickle.
struct Reader<F> {
    bytes_of: F,
}

impl<'a, F: FnMut(&Storage<'a>) -> Result<&'a [u8], ContainerError>> Reader<F> {
    /// Returns the tensor that a value is, `None` where it is none.
    fn tensor(
        &mut self,
        key: &str,
        value: &Value<'a>,
    ) -> Result<Option<RawTensor<'a>>, ContainerError> {
        let Value::Tensor(view) = value else { return Ok(None) };
        let bytes = (self.bytes_of)(&view.storage)?;
        let (shape, strides) = (view.shape.clone(), view.strides.clone());
        let tensor = RawTensor::new(view.storage.element, bytes, view.offset, shape, strides);
        tensor.map(Some).map_err(|source| ContainerError::Tensor { key: key.to_owned(), source })
    }

    /// Returns the text of a number or of a tensor of one element, `None` where it is neither.
    fn number(&mut self, key: &str, value: &Value<'a>) -> Result<Option<String>, ContainerError> {
        Ok(match value {
            Value::Int(value) => Some(value.to_string()),
            Value::Float(value) => Some(value.to_string()),
            value => self
                .tensor(key, value)?
                .filter(|tensor| tensor.shape().iter().all(|size| *size == 1))
                .and_then(|tensor| tensor.read())
                .map(|tensor| tensor.data[0].to_string()),
        })
    }
}
