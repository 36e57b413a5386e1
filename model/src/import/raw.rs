//! A tensor whose elements are still bytes of the file.
//!
//! Not here: containers, and which tensors a network needs.

use crate::import::element::Element;
use crate::tensors::Tensor;

/// A tensor in a file: some elements of a storage, every one of which is there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RawTensor<'a> {
    element: Element,
    storage: &'a [u8],
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// Why a tensor cannot be made of its storage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it has shape {shape:?}, strides {strides:?} and offset {offset}, but its storage has {len} elements"
)]
pub struct OutOfStorage {
    /// Sizes.
    pub shape: Vec<usize>,
    /// Strides.
    pub strides: Vec<usize>,
    /// First element.
    pub offset: usize,
    /// Elements that are there.
    pub len: usize,
}

impl<'a> RawTensor<'a> {
    /// Takes a view of a storage, which must hold every element of it, and at least as many
    /// elements as the view has.
    ///
    /// The second rule refuses views that repeat elements (strides of 0), with which few bytes
    /// could claim any size; parameters have no such strides.
    ///
    /// # Errors
    /// [`OutOfStorage`].
    pub(crate) fn new(
        element: Element,
        storage: &'a [u8],
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> Result<Self, OutOfStorage> {
        let len = storage.len() / element.bytes();
        let end = end(offset, &shape, &strides);
        if end.is_some_and(|end| end <= len) && count(&shape).is_some_and(|n| n <= len) {
            Ok(Self { element, storage, offset, shape, strides })
        } else {
            Err(OutOfStorage { shape, strides, offset, len })
        }
    }

    /// Takes a whole storage, the last index fastest.
    ///
    /// # Errors
    /// [`OutOfStorage`].
    pub(crate) fn contiguous(
        element: Element,
        storage: &'a [u8],
        shape: &[usize],
    ) -> Result<Self, OutOfStorage> {
        let mut strides = vec![1usize; shape.len()];
        for i in (1..shape.len()).rev() {
            strides[i - 1] = strides[i].saturating_mul(shape[i]);
        }
        Self::new(element, storage, 0, shape.to_vec(), strides)
    }

    /// Sizes, slowest first.
    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Type of the elements.
    pub(crate) fn element(&self) -> Element {
        self.element
    }

    /// Returns the elements in `f32`, `None` where their type is no float.
    pub(crate) fn read(&self) -> Option<Tensor> {
        let bytes = self.element.bytes();
        let len = count(&self.shape).expect("bug: checked when it was made");
        let mut data = Vec::with_capacity(len);
        let mut index = vec![0; self.shape.len()];
        for _ in 0..len {
            let strided: usize = index.iter().zip(&self.strides).map(|(i, s)| i * s).sum();
            let at = (self.offset + strided) * bytes;
            data.push(self.element.decode(&self.storage[at..at + bytes])?);
            advance(&mut index, &self.shape);
        }
        Some(Tensor::new(&self.shape, data))
    }
}

/// Goes to the next index, the last one fastest.
fn advance(index: &mut [usize], shape: &[usize]) {
    for (i, size) in index.iter_mut().zip(shape).rev() {
        *i += 1;
        if *i < *size {
            return;
        }
        *i = 0;
    }
}

/// Number of elements, `None` where it overflows.
pub(crate) fn count(shape: &[usize]) -> Option<usize> {
    // A size of 0 makes a tensor empty, whatever the others are.
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1usize, |n, size| n.checked_mul(*size))
}

/// The element after the last one of a view, `None` where it overflows.
fn end(offset: usize, shape: &[usize], strides: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(offset);
    }
    let last = shape
        .iter()
        .zip(strides)
        .try_fold(offset, |at, (size, stride)| at.checked_add((size - 1).checked_mul(*stride)?))?;
    last.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn floats(n: u8) -> Vec<u8> {
        (0..n).flat_map(|v| f32::from(v).to_le_bytes()).collect()
    }

    #[test]
    fn strides_and_offset_choose_the_elements() {
        let bytes = floats(7);
        let view = |offset, shape: &[usize], strides: &[usize]| {
            RawTensor::new(Element::F32, &bytes, offset, shape.to_vec(), strides.to_vec())
        };
        let transposed = view(1, &[3, 2], &[1, 3]).expect("six elements from the second");
        let tensor = transposed.read().expect("floats");
        assert_eq!((tensor.shape, tensor.data), (vec![3, 2], vec![1., 4., 2., 5., 3., 6.]));
        let scalar = view(6, &[], &[]).expect("the last").read().expect("a float");
        assert_eq!((scalar.shape, scalar.data), (vec![], vec![6.0]));
        let empty = view(7, &[0, 5], &[5, 1]).expect("nothing is read");
        assert_eq!(empty.read().expect("no element").data, [0.0; 0]);
    }

    #[test]
    fn what_the_storage_does_not_have_is_refused() {
        let bytes = floats(4);
        let refused: [(usize, &[usize], &[usize]); 6] = [
            (0, &[5], &[1]),
            (4, &[], &[]),
            (1, &[2, 2], &[2, 1]),
            (0, &[1 << 40, 2], &[0, 0]),
            (0, &[4, 4], &[1 << 62, 1 << 62]),
            (usize::MAX, &[1], &[1]),
        ];
        for (offset, shape, strides) in refused {
            let view =
                RawTensor::new(Element::F32, &bytes, offset, shape.to_vec(), strides.to_vec());
            assert!(view.is_err(), "{offset} {shape:?} {strides:?}");
        }
        assert!(RawTensor::contiguous(Element::F64, &bytes, &[3]).is_err(), "two doubles");
    }

    proptest! {
        #[test]
        fn accepted_views_can_be_read(
            offset in 0usize..40,
            dims in prop::collection::vec((0usize..5, 0usize..12), 0..4),
        ) {
            let bytes = floats(30);
            let (shape, strides): (Vec<_>, Vec<_>) = dims.into_iter().unzip();
            if let Ok(view) = RawTensor::new(Element::F32, &bytes, offset, shape, strides) {
                view.read().expect("floats");
            }
        }
    }
}
