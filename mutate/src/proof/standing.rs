//! Registers that are looked at only when their value has stood for a cycle: microarchitecture.md,
//! sections 5.3 and 5.4.
//!
//! Without such a register the value is there a cycle early, and changes a cycle early. The fields
//! of the results stand from before a layer's first result until after its last one is written, and
//! what is computed of nothing else does, too, a cycle earlier as well. Whether the front makes sense
//! is asked where `Run` would begin, when it has stood for two cycles or more. The feeder looks at the
//! front up to five cycles after a step, so up to the fifth one of `Gap`; a field changes in the
//! sixth at the earliest, and stands two cycles before the next step. The level of a pooled sum is
//! read while planes are written: that begins two cycles after the last shift, and the sum stands
//! until the next column tile's first pixel.

use heartbit_compiler::schedule::Compiled;
use heartbit_hdl::Module;
use heartbit_hdl::mutate::{Bypass, Mutation, is_driven_by};
use heartbit_sim::Simulator as Rules;

/// Whether what a mutant shows instead of a register it drops stands when it is looked at.
pub(super) fn stands(compiled: &Compiled, top: &Module, mutation: &Mutation) -> bool {
    let Some(Bypass { inputs, registers }) = Bypass::of(top, mutation) else { return false };
    let module = mutation.module.as_str();
    let of_front = matches!(module, "legality" | "feeder");
    let source = if of_front { "front_fields" } else { "result_fields" };
    let is_field = |input: &String| is_driven_by(top, module, input, source);
    let of_fields = registers.is_empty() && !inputs.is_empty() && inputs.iter().all(is_field);
    let of_pool = module == "pool" && inputs.is_empty() && registers == ["sum"];
    // A program that the simulator takes keeps the rules.
    (of_fields || of_pool) && Rules::new(&compiled.program).is_ok()
}
