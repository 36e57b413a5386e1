//! Accelerators with something wrong in them: a mutant of the design, or a word of a memory.

use super::design::design_of;
use super::{Accelerator, LoadTarget};
use crate::watch::accelerator_data;
use crate::{Design, Error, Model, Simulation};
use heartbit_hdl::mutate::{CLEAR, ESCAPED, INFECTED, MUTANT, Schemata};
use heartbit_ir::program::Program;

/// Returns the design of an accelerator with mutants: its Verilog files and port table.
pub fn mutant_design(schemata: &Schemata) -> Design {
    design_of(&schemata.module, accelerator_data)
}

/// A word for the load port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadWord {
    /// The memory.
    pub target: LoadTarget,
    /// Column or lane group.
    pub index: usize,
    /// Where in it.
    pub address: usize,
    /// Its bits, least significant first.
    pub limbs: Vec<u64>,
}

impl Accelerator {
    /// Resets a model of a [`mutant_design`] in which the mutant of this number is active from the
    /// first cycle on, 0 for none.
    ///
    /// # Errors
    /// [`Error::UnknownPort`] if the model has no mutants; [`Error::Stopped`].
    pub fn with_mutant(mut model: Model, mutant: u16) -> Result<Self, Error> {
        let [number, clear, reset] = [MUTANT, CLEAR, "rst"].map(|name| model.port(name));
        let (clear, reset) = (clear?, reset?);
        model.set(number?, mutant.into());
        // What was before the first cycle of the reset is arbitrary, with a mutant or without.
        model.set(reset, 1);
        model.set(clear, 1);
        model.tick()?;
        model.set(clear, 0);
        Self::new(model)
    }

    /// Whether the active mutant has made a difference where it is.
    ///
    /// # Errors
    /// [`Error::UnknownPort`] if the model has no mutants.
    pub fn is_infected(&self) -> Result<bool, Error> {
        Ok(self.model.get(self.model.port(INFECTED)?) == 1)
    }

    /// Whether the difference has left the mutant's module ([`ESCAPED`]).
    ///
    /// # Errors
    /// [`Error::UnknownPort`] if the model has no mutants.
    pub fn has_escaped(&self) -> Result<bool, Error> {
        Ok(self.model.get(self.model.port(ESCAPED)?) == 1)
    }

    /// Like [`Accelerator::load`], but with other words in the memories, which are written last.
    ///
    /// # Errors
    /// As [`Accelerator::load`].
    pub fn load_with(&mut self, program: &Program, words: &[LoadWord]) -> Result<(), Error> {
        self.load_memories(program)?;
        for word in words {
            self.load_word(word.target, word.index, word.address, &word.limbs)?;
        }
        self.loaded(program)
    }

    /// Sets the cycles after which an image that is not finished is said to hang, for programs that
    /// are loaded already.
    pub fn set_cycle_limit(&mut self, cycles: u64) {
        self.cycle_limit = cycles;
    }
}
