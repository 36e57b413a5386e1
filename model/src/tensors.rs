//! Named float arrays and text metadata in a `.safetensors` file.
//!
//! The container is a little-endian `u64` length, a JSON header of that length, and the tensors.
//! Everything is written in the order of the keys, so the same contents give the same bytes; the
//! `safetensors` library writes metadata in the order of a hash map, so it only reads here.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::json;
use std::collections::BTreeMap;

/// One float tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Sizes, slowest first.
    pub shape: Vec<usize>,
    /// Elements, the last index fastest.
    pub data: Vec<f32>,
}

impl Tensor {
    /// Puts elements in a shape.
    ///
    /// # Panics
    /// If the shape does not hold the elements: a bug.
    pub fn new(shape: &[usize], data: Vec<f32>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "bug: shape of a tensor");
        Self { shape: shape.to_vec(), data }
    }
}

/// The contents of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TensorFile {
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
    /// Tensors.
    pub tensors: BTreeMap<String, Tensor>,
}

/// Why bytes are not such a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorFileError {
    /// Not a safetensors file.
    #[error("not a readable safetensors file")]
    Container(#[from] safetensors::SafeTensorError),
    /// A tensor is not 32-bit float.
    #[error("tensor `{key}` has element type {dtype}, but parameters are F32")]
    ElementType {
        /// The tensor.
        key: String,
        /// Its type.
        dtype: String,
    },
}

impl TensorFile {
    /// Reads a file from memory.
    ///
    /// # Errors
    /// [`TensorFileError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TensorFileError> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let tensors = SafeTensors::deserialize(bytes)?
            .tensors()
            .into_iter()
            .map(|(key, view)| Ok((key.clone(), read_tensor(key, &view)?)))
            .collect::<Result<_, TensorFileError>>()?;
        Ok(Self { metadata, tensors })
    }

    /// Writes the file to memory; the same contents give the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut header = BTreeMap::from([("__metadata__", json!(self.metadata))]);
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
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.reserve(json.len() + end);
        bytes.extend(json);
        for tensor in self.tensors.values() {
            bytes.extend(tensor.data.iter().flat_map(|v| v.to_le_bytes()));
        }
        bytes
    }
}

fn read_tensor(key: String, view: &TensorView<'_>) -> Result<Tensor, TensorFileError> {
    match view.dtype() {
        Dtype::F32 => {
            let data =
                view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            Ok(Tensor { shape: view.shape().to_vec(), data })
        }
        other => Err(TensorFileError::ElementType { key, dtype: format!("{other:?}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file() -> TensorFile {
        TensorFile {
            metadata: BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".into(), "1".into())]),
            tensors: BTreeMap::from([
                ("w".to_owned(), Tensor::new(&[2, 2], vec![1.0, -2.0, 0.5, f32::MIN_POSITIVE])),
                ("empty".to_owned(), Tensor::new(&[0], vec![])),
            ]),
        }
    }

    #[test]
    fn file_round_trips_and_has_one_form() {
        let bytes = file().to_bytes();
        assert_eq!(TensorFile::from_bytes(&bytes).expect("just written"), file());
        assert_eq!(file().to_bytes(), bytes);
    }

    proptest! {
        #[test]
        fn damaged_files_are_errors_or_other_contents(at in 0usize..300, with in any::<u8>(), cut in 0usize..300) {
            let mut bytes = file().to_bytes();
            let at = at % bytes.len();
            bytes[at] = with;
            let _ = TensorFile::from_bytes(&bytes);
            bytes.truncate(cut.min(bytes.len()));
            let _ = TensorFile::from_bytes(&bytes);
        }
    }
}
