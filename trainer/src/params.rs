//! Named host arrays: the parameters of a network, and its buffers.
//!
//! Checkpoints, the optimizer, and the gradient hooks all work on one ordered list of arrays; burn
//! tensors are made from it for each step.

/// One named array.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Key in a checkpoint.
    pub name: String,
    /// Sizes.
    pub shape: Vec<usize>,
    /// Values, the last index fastest.
    pub values: Vec<f32>,
}

/// An ordered list of named arrays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arrays {
    /// The arrays; an index into them is stable.
    pub list: Vec<Array>,
}

impl Arrays {
    /// Appends an array and returns its index.
    ///
    /// # Panics
    /// If the shape does not hold the values: a bug.
    pub fn push(&mut self, name: impl Into<String>, shape: &[usize], values: Vec<f32>) -> usize {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "bug: shape of an array");
        self.list.push(Array { name: name.into(), shape: shape.to_vec(), values });
        self.list.len() - 1
    }

    /// Returns the array of that name.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.list.iter().find(|a| a.name == name)
    }

    /// Number of values in all arrays.
    pub fn total(&self) -> usize {
        self.list.iter().map(|a| a.values.len()).sum()
    }

    /// Arrays of the same names and shapes that hold zeros.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        let list = self
            .list
            .iter()
            .map(|a| Array { values: vec![0.0; a.values.len()], ..a.clone() })
            .collect();
        Self { list }
    }
}
