//! Other words than those of the loaded program: layers that make no sense, of which only the
//! beginning is watched, and layers whose logits are sent.
//!
//! Not here: which words make no sense (microarchitecture.md, section 5.4).

use super::{Accelerator, LoadWord, RUN};
use crate::Error;
use heartbit_ir::program::Execution;
use std::sync::Arc;

/// Cycles from the last pixel of an image to the first step, at most: `Idle` and `Fetch`.
const BEGIN_LIMIT: u64 = 200;
/// Cycles for which a refused layer is watched.
const WATCHED: u64 = 100;

/// What became of the first layer of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Its steps are issued.
    Begun,
    /// `error` is 1, stays 1, and nothing is sent.
    Refused,
    /// Neither: no step and no `error`, or an `error` that ends, or that comes with a result.
    Neither,
}

impl Accelerator {
    /// Resets, writes words behind the loaded program, sends an image, and says whether the first
    /// layer begins. The words stay; the accelerator is of no use until it is reset and they are
    /// written back.
    ///
    /// # Errors
    /// [`Error::NoProgram`]; [`Error::Image`] for a wrong number of bytes; [`Error::Stopped`]. An
    /// image that is not accepted is [`Beginning::Neither`].
    pub fn try_layer(&mut self, words: &[LoadWord], image: &[u8]) -> Result<Beginning, Error> {
        let program = Arc::clone(self.program.as_ref().ok_or(Error::NoProgram)?);
        self.rewrite(words)?;
        match self.send_image(image, &program, &mut || false) {
            Err(Error::Hang { .. } | Error::Halted { .. }) => return Ok(Beginning::Neither),
            result => result?,
        }
        self.model.set(self.ports.out_ready, 1);
        let state = self.model.port("mon_state")?;
        for _ in 0..BEGIN_LIMIT {
            self.model.eval()?;
            if self.model.get(self.ports.error) == 1 {
                return self.stays_refused();
            }
            if self.model.get(state) == u64::from(RUN) {
                return Ok(Beginning::Begun);
            }
            self.model.tick()?;
        }
        Ok(Beginning::Neither)
    }

    /// Resets, writes words behind the loaded program, none of whose weights are streamed any more,
    /// runs an image, and looks at the output port only. The words stay, as after
    /// [`Accelerator::try_layer`].
    ///
    /// # Errors
    /// As [`Accelerator::run_logits`].
    pub fn run_words(&mut self, words: &[LoadWord], image: &[u8]) -> Result<Execution, Error> {
        self.rewrite(words)?;
        self.run_logits(image)
    }

    /// Resets and writes words.
    fn rewrite(&mut self, words: &[LoadWord]) -> Result<(), Error> {
        self.model.set_source(None);
        self.reset()?;
        for word in words {
            self.load_word(word.target, word.index, word.address, &word.limbs)?;
        }
        self.model.set(self.ports.load[0], 0);
        Ok(())
    }

    fn stays_refused(&mut self) -> Result<Beginning, Error> {
        for _ in 0..WATCHED {
            let [error, sends] = [self.ports.error, self.ports.out_valid];
            if self.model.get(error) == 0 || self.model.get(sends) == 1 {
                return Ok(Beginning::Neither);
            }
            self.model.tick()?;
            self.model.eval()?;
        }
        Ok(Beginning::Refused)
    }
}
