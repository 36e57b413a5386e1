//! Other words than those of the loaded program: layers that make no sense, of which only the
//! beginning is watched, and programs of one layer. And when the results go on to another layer.
//!
//! Not here: which words make no sense (microarchitecture.md, section 5.4).

use super::{Accelerator, FETCH, GAP, LoadWord, RUN};
use crate::Error;
use heartbit_ir::program::{Execution, Program};
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

    /// Resets, writes the words in which a program differs from the loaded one, and runs an image
    /// with it, without streamed weights. Words and program stay.
    ///
    /// # Errors
    /// As [`Accelerator::run`].
    pub fn run_alone(
        &mut self,
        program: &Program,
        words: &[LoadWord],
        image: &[u8],
    ) -> Result<Execution, Error> {
        self.rewrite(words)?;
        self.program = Some(Arc::new(program.clone()));
        self.run(image)
    }

    /// Runs an image and returns when the registers of the results go on to another layer: the
    /// layer, and the cycle, counted from the first one of `Fetch` for layer 0, from that of `Gap`
    /// of the layer before for others (microarchitecture.md, section 5.4). Layers that stand
    /// already are not among them.
    ///
    /// # Errors
    /// As [`Accelerator::run`].
    pub fn result_layers(&mut self, image: &[u8]) -> Result<Vec<(usize, u64)>, Error> {
        let program = Arc::clone(self.program.as_ref().ok_or(Error::NoProgram)?);
        let [state, layer] = ["mon_state", "mon_result_layer"].map(|name| self.model.port(name));
        let (state, layer) = (state?, layer?);
        self.send_image(image, &program, &mut || false)?;
        self.model.set(self.ports.out_ready, 1);
        let (mut before, mut known, mut since) = (0, None, 0);
        let mut changes = Vec::new();
        for _ in 0..self.cycle_limit {
            self.model.eval()?;
            let (now, shown) = (self.model.get(state), self.model.get(layer));
            if now != before && (now == u64::from(FETCH) || now == u64::from(GAP)) {
                since = self.model.cycle();
            }
            before = now;
            if known.is_some_and(|known| known != shown) {
                let index = usize::try_from(shown).expect("bug: 8 bits");
                changes.push((index, self.model.cycle() - since));
            }
            known = Some(shown);
            let over = self.model.get(self.ports.out_last) == 1;
            self.model.tick()?;
            if over {
                return Ok(changes);
            }
        }
        Err(self.no_result(self.cycle_limit, 0))
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
