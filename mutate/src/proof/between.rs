//! What happens between tiles: microarchitecture.md, sections 5.1 and 5.2.
//!
//! Without a weight ring the steps of a tile are issued one a cycle. So in a cycle without a step
//! no sum is being made: `first` will start the accumulators from 0, and `last` has taken what they
//! held. A mutant of the feeder that agrees in every cycle with a step makes no difference.
//!
//! The bottom row's drain register is shown until the last beat of row 0, and then no more before
//! `last` of the next tile writes it, which comes before `shift`. While no other row moves, which is
//! from row 0 of a tile until row `R-1` of the next one is shown, it may move or not.

use super::function::agrees_if;
use heartbit_compiler::schedule::Compiled;
use heartbit_hdl::Module;
use heartbit_hdl::mutate::{Conditions, Mutation};

/// Rows whose thermometers are tried.
const MOST_ROWS: usize = 62;

/// Whether a mutant makes no difference but between tiles.
pub(super) fn is_between_tiles(compiled: &Compiled, top: &Module, mutation: &Mutation) -> bool {
    let program = &compiled.program;
    match mutation.module.as_str() {
        "feeder" => program.depths.ring.is_none() && agrees(top, mutation, ("issue_d4", 1), None),
        "drain" => {
            let rows = program.array.rows;
            let bottom = u32::try_from(rows - 1).expect("bug: at most 256 rows");
            // The rows from some `k` on move, or none.
            rows <= MOST_ROWS
                && (1..rows).all(|k| agrees(top, mutation, ("below", -1 << k), None))
                && agrees(top, mutation, ("below", 0), Some(("shift", bottom)))
        }
        _ => false,
    }
}

/// Whether module and mutant agree while a register has a value, apart from a bit of an output.
fn agrees(
    top: &Module,
    mutation: &Mutation,
    register: (&str, i64),
    ignored: Option<(&str, u32)>,
) -> bool {
    let registers = [register];
    agrees_if(top, mutation, &Conditions { registers: &registers, ignored, ..Default::default() })
}
