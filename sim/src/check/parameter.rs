//! Parameters: section 3.3 of microarchitecture.md.

use crate::error::Error;
use heartbit_ir::program::{Parameter, Program};

/// Checks the first `words` parameters of every column.
pub(super) fn check(program: &Program, words: usize) -> Result<(), Error> {
    for (column, parameters) in program.parameters.iter().enumerate() {
        for (word, parameter) in parameters[..words].iter().enumerate() {
            for (field, value, bits) in fields(parameter) {
                let (low, high) = (-1 << (bits - 1), (1 << (bits - 1)) - 1);
                if value < low || value > high {
                    return Err(Error::Parameter { column, word, field, value, low, high });
                }
            }
            if !program.array.extended && !parameter.is_plain() {
                return Err(Error::PlainParameter { column, word });
            }
        }
    }
    Ok(())
}

/// Name, value and width of the fields that do not have the width of their type.
fn fields(parameter: &Parameter) -> [(&'static str, i64, u32); 4] {
    [
        ("bias", parameter.bias, 40),
        ("before", parameter.before.into(), 22),
        ("after", parameter.after.into(), 22),
        ("threshold", parameter.threshold.into(), 17),
    ]
}
