//! Proofs that a mutant cannot change anything that is compared, whatever the image.
//!
//! Each is an argument from docs/microarchitecture.md about this build, as code that looks at the
//! build; none rests on what was observed of images, but for [`Proof::SameControl`] and
//! [`Proof::StaysInside`]: [`hardware`] says why one observation is enough.

mod between;
mod chain;
mod data;
mod field;
mod function;
mod pair;
mod standing;
mod sums;

use crate::fate::Proof;
use crate::fields::Memory;
use crate::memory::MemoryMutant;
use heartbit_compiler::schedule::Compiled;
use heartbit_hdl::Module;
use heartbit_hdl::mutate::{Cone, Kind, Mutation, Observed};
use heartbit_ir::program::{DESCRIPTOR_WORDS, FRONT_WORDS, HEADER_WORDS};

/// What the hardware makes of its signals, whatever they are.
#[derive(Clone, Debug)]
pub struct Hardware {
    top: Module,
    /// What the pixels have influence on.
    cone: Cone,
    /// What the outputs depend on.
    observed: Observed,
    /// What they depend on but for the one that says when the test bench looks.
    compared: Observed,
}

impl Hardware {
    /// Looks at a design.
    pub fn new(top: &Module) -> Self {
        Self {
            top: top.clone(),
            cone: Cone::of_input(top, "in_data"),
            observed: Observed::of_outputs(top),
            compared: Observed::of_outputs_but(top, &["mon_event"]),
        }
    }

    /// Whether no output depends on a bit of a field of a descriptor, which is an output of the
    /// module with the front's fields or of that with the results'.
    fn ignores(&self, mutant: &MemoryMutant) -> bool {
        let word = (mutant.address - HEADER_WORDS) % DESCRIPTOR_WORDS;
        let module = if word < FRONT_WORDS { "front_fields" } else { "result_fields" };
        let field = mutant.field.split_once('.').map_or(mutant.field, |(_, field)| field);
        let bit = u32::try_from(mutant.bit_of_field()).expect("bug: at most 16 bits");
        self.observed.output(module, field, bit) == Some(false)
    }
}

/// Why a mutant of a memory makes no difference, if there is a proof.
pub fn memory(compiled: &Compiled, hardware: &Hardware, mutant: &MemoryMutant) -> Option<Proof> {
    match mutant.memory {
        Memory::Weights | Memory::WeightStream => data::weight(compiled, mutant),
        Memory::Parameters => data::parameter(compiled, mutant),
        Memory::Steps => field::step(compiled, mutant),
        Memory::Program if mutant.layer.is_some() && hardware.ignores(mutant) => {
            Some(Proof::Unobserved)
        }
        Memory::Program => field::program(compiled, mutant),
    }
}

/// How far what a mutant of the hardware changes was seen to reach, while the images ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// What it changes had the value that it has without the mutant, in every cycle.
    Nowhere,
    /// No further than its module: what is outside of the pixels' influence and leaves it, or is
    /// used within it by what is inside, had the value that it has without the mutant.
    Module,
    /// Further.
    Beyond,
}

/// Why a mutant of the hardware makes no difference, if there is a proof, given how far it was seen
/// to reach while the images ran.
///
/// What no output depends on can be anything. A module that computes the same does the same.
///
/// If the mutant reached nowhere, every signal had
/// the value that it has without the mutant, in every cycle. If, besides, the pixels have no
/// influence on what the mutant changes, those values are the same for every image: the program is
/// the same, and the host neither waits nor makes the accelerator wait. If it reached no further than
/// its module, the same holds for every signal but some within the module that nothing outside sees.
/// With streamed weights images begin in different cycles, so nothing is claimed. What was in
/// registers and memories before they are written for the first time does not matter, with the
/// mutant or without: it ran from random bits, too, and nothing differed.
pub fn hardware(
    compiled: &Compiled,
    hardware: &Hardware,
    mutation: &Mutation,
    reach: Reach,
) -> Option<Proof> {
    if !hardware.observed.contains(mutation) {
        return Some(Proof::Unobserved);
    }
    // All that only `mon_event` depends on is or-ed there.
    if mutation.kind == Kind::StuckAt1 && !hardware.compared.contains(mutation) {
        return Some(Proof::LooksMoreOften);
    }
    let streams = compiled.program.weight_stream.as_ref().is_some_and(|s| !s.is_empty());
    if !streams && !hardware.cone.contains(mutation) {
        match reach {
            Reach::Nowhere => return Some(Proof::SameControl),
            Reach::Module => return Some(Proof::StaysInside),
            Reach::Beyond => {}
        }
    }
    if let Some(proof) = field::stuck(compiled, mutation) {
        return Some(proof);
    }
    if function::is_same(compiled, &hardware.top, mutation) {
        return Some(Proof::SameFunction);
    }
    if pair::is_exchanged(compiled, &hardware.top, mutation) {
        return Some(Proof::SameSum);
    }
    if between::is_between_tiles(compiled, &hardware.top, mutation) {
        return Some(Proof::BetweenTiles);
    }
    if standing::stands(compiled, &hardware.top, mutation) {
        return Some(Proof::StandsAnyway);
    }
    chain::stands(compiled, &hardware.top, mutation).then_some(Proof::PassesThrough)
}
