//! The two reads of an average in the other order: microarchitecture.md, section 5.3, *Shortcut*.
//!
//! An average reads two words of one line in its first beat and two of the next line in its second
//! one; pixel, column tile and fields are those of both beats. The shortcut is a quarter of the sum
//! of the four words, and a sum has no order. So a mutant of `reader` makes no difference if in each
//! of the two beats it reads what is read in the other one, and all else is the same: by SAT, as in
//! [`super::function`].
//!
//! Not here: extended hardware, whose windows count their positions.

use super::function::agrees_if;
use heartbit_compiler::schedule::Compiled;
use heartbit_hdl::Module;
use heartbit_hdl::mutate::{Conditions, Exchange, Mutation};
use heartbit_ir::program::Join;

/// The input that is 1 in the first beat, and the register of the address that depends on it.
const BEATS: Exchange<'static> = Exchange { input: "first_beat", register: "line_0" };

/// Whether a mutant exchanges the reads of averages, and changes nothing of other shortcuts.
pub(super) fn is_exchanged(compiled: &Compiled, top: &Module, mutation: &Mutation) -> bool {
    let program = &compiled.program;
    if mutation.module != "reader" || program.array.extended {
        return false;
    }
    program.layers.iter().all(|layer| {
        let same = |join: i64, exchange: Option<Exchange<'_>>| {
            let inputs = [("shortcut", join)];
            agrees_if(
                top,
                mutation,
                &Conditions { inputs: &inputs, exchange, ..Default::default() },
            )
        };
        match layer.shortcut.join {
            Join::None => same(0, None),
            Join::Add => same(1, None),
            Join::Average => same(2, None) || same(2, Some(BEATS)),
            Join::Extreme => false,
        }
    })
}
