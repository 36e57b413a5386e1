//! The end of a network: what it makes of one value that was computed elsewhere.
//!
//! Networks that differ in their last operations only need what comes before just once.
//!
//! Not here: where the value comes from.

use super::{Interpreter, Map};
use crate::network::{InvalidNetwork, Network, ValueId, ValueType};

/// The operations behind a value, with their weights decoded.
pub struct Tail<'a> {
    interpreter: Interpreter<'a>,
    value: ValueId,
}

/// Why a network has no such tail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TailError {
    /// It is no valid network.
    #[error(transparent)]
    Invalid(#[from] InvalidNetwork),
    /// There is no such value.
    #[error("the network has {operations} operations, so none is number {value}")]
    NoValue {
        /// What was asked for.
        value: ValueId,
        /// What there is.
        operations: usize,
    },
    /// More than the value crosses the cut.
    #[error("operation `{reader}` reads `{read}`, which comes before `{value}`")]
    NotACut {
        /// The operation behind the value.
        reader: String,
        /// What it reads.
        read: String,
        /// The value.
        value: String,
    },
}

/// The value has another shape than the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value has the shape {actual:?}, but the network computes {expected:?}")]
pub struct ShapeError {
    expected: (usize, usize, usize),
    actual: (usize, usize, usize),
}

impl<'a> Tail<'a> {
    /// Validates the network, and that nothing behind `value` reads anything before it.
    ///
    /// # Errors
    /// [`TailError`].
    pub fn new(network: &'a Network, value: ValueId) -> Result<Self, TailError> {
        let types = network.validate()?;
        let operations = network.ops.len();
        if value >= operations {
            return Err(TailError::NoValue { value, operations });
        }
        let name = |id: ValueId| network.ops[id].name.clone();
        for (id, op) in network.ops.iter().enumerate().skip(value + 1) {
            if let Some(read) = op.kind.operands().into_iter().find(|read| *read < value) {
                return Err(TailError::NotACut {
                    reader: name(id),
                    read: name(read),
                    value: name(value),
                });
            }
        }
        Ok(Self { interpreter: Interpreter::decode(network, types, value + 1), value })
    }

    /// Computes the logits of an image from the value.
    ///
    /// # Errors
    /// [`ShapeError`].
    pub fn logits(&self, value: Map) -> Result<Vec<i32>, ShapeError> {
        let ValueType { height, width, channels, .. } = self.interpreter.types[self.value];
        let (expected, actual) = ((height, width, channels), value.dim());
        if expected != actual {
            return Err(ShapeError { expected, actual });
        }
        // Nothing reads what comes before.
        let mut values = vec![Map::default((0, 0, 0)); self.value];
        values.push(value);
        let last = self.interpreter.complete(values).pop().expect("bug: it was pushed");
        Ok(last.into_iter().collect())
    }
}
