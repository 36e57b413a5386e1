//! Proofs that a mutant cannot change anything that is compared, whatever the image.
//!
//! Each is an argument from docs/microarchitecture.md about this build, as code that looks at the
//! build; none rests on what was observed of images, but for [`Proof::SameControl`], which says why
//! one observation is enough.

mod data;
mod field;
mod sums;

use crate::fate::Proof;
use crate::fields::Memory;
use crate::memory::MemoryMutant;
use heartbit_compiler::schedule::Compiled;
use heartbit_hdl::mutate::{Cone, Mutation, Observed};

/// Why a mutant of a memory makes no difference, if there is a proof.
pub fn memory(compiled: &Compiled, mutant: &MemoryMutant) -> Option<Proof> {
    match mutant.memory {
        Memory::Weights | Memory::WeightStream => data::weight(compiled, mutant),
        Memory::Parameters => data::parameter(compiled, mutant),
        Memory::Steps => field::step(compiled, mutant),
        Memory::Program => field::program(compiled, mutant),
    }
}

/// Why a mutant of the hardware makes no difference, if there is a proof, given whether it made one
/// where it is while the images ran.
///
/// What no output depends on can be anything. If the mutant made no difference, every signal had the value that it has without the mutant, in every cycle. If,
/// besides, the pixels have no influence on what the mutant changes, those values are the same for
/// every image: the program is the same, and the host neither waits nor makes the accelerator wait.
/// With streamed weights images begin in different cycles, so nothing is claimed.
pub fn hardware(
    compiled: &Compiled,
    mutation: &Mutation,
    made_a_difference: bool,
    cone: &Cone,
    observed: &Observed,
) -> Option<Proof> {
    if !observed.contains(mutation) {
        return Some(Proof::Unobserved);
    }
    let streams = compiled.program.weight_stream.as_ref().is_some_and(|s| !s.is_empty());
    (!made_a_difference && !streams && !cone.contains(mutation)).then_some(Proof::SameControl)
}
