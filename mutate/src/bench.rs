//! Runs mutants: on the RTL, then, where it is only data that are wrong, on the simulator.

use crate::fate::{Catch, Check, Fate, Outcome};
use crate::fields::Memory;
use crate::judge::{Expected, Judge, Scope};
use crate::layers::{self, Layer};
use crate::logits;
use crate::memory::MemoryMutant;
use crate::plan::{Mutant, Plan};
use crate::proof::{self, Reach};
use crate::trials;
use heartbit_compiler::predict::predict;
use heartbit_cosim::{Accelerator, Compiled as Model, Initial};
use heartbit_hdl::Module;
use heartbit_ir::program::Program;
use heartbit_sim::Simulator;
use rayon::prelude::*;

/// Cycles that an image may take beyond those predicted: a hundredth of them and so many more.
const PATIENCE: u64 = 5_000;
/// Images that the simulator runs before it looks which mutants are caught.
const BATCH: usize = 8;

/// Why mutants cannot be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The checks fail without a mutant.
    #[error("the intact build fails its own checks: image {image}, {detail}")]
    Intact {
        /// The image, by its place among those that were run.
        image: usize,
        /// What differs.
        detail: String,
    },
    /// Verilator or the model.
    #[error(transparent)]
    Cosim(#[from] heartbit_cosim::Error),
}

/// The models that mutants run on.
#[derive(Debug)]
pub struct Engines {
    /// The build's own Verilog.
    pub intact: Model,
    /// The design with mutants in it, if there are some of the hardware.
    pub mutants: Option<Model>,
}

/// Runs and judges mutants.
pub struct Bench<'a> {
    judge: &'a Judge<'a>,
    engines: &'a Engines,
    rtl: Vec<Expected<'a>>,
    sim: &'a [Vec<u8>],
    hardware: proof::Hardware,
    /// Random layers for the hardware.
    layers: Vec<Layer>,
    /// Most cycles of an image.
    limit: u64,
}

/// What the RTL found.
struct Seen {
    catch: Option<Catch>,
    reach: Reach,
}

impl<'a> Bench<'a> {
    /// Prepares images for the RTL, and more images for the simulator.
    pub fn new(
        judge: &'a Judge<'a>,
        hardware: &Module,
        engines: &'a Engines,
        rtl: &'a [Vec<u8>],
        sim: &'a [Vec<u8>],
    ) -> Self {
        let program = &judge.compiled().program;
        let cycles = predict(program).total().0;
        let layers = rtl.first().map_or_else(Vec::new, |image| layers::layers(program, image));
        Self {
            layers,
            judge,
            engines,
            rtl: rtl.iter().map(|image| judge.expected(image)).collect(),
            sim,
            hardware: proof::Hardware::new(hardware),
            limit: cycles + cycles / 100 + PATIENCE,
        }
    }

    /// Runs mutants of a plan, named by their places in it, and says what became of each, in the order of the
    /// names. `done` is called after each.
    ///
    /// # Errors
    /// [`Error::Intact`] if a check fails without a mutant: then nothing that a mutant does means
    /// anything. [`Error::Cosim`].
    pub fn run(
        &self,
        plan: &Plan,
        which: &[usize],
        done: impl Fn() + Sync,
    ) -> Result<Vec<Outcome>, Error> {
        self.check_intact()?;
        let mut outcomes: Vec<Outcome> = which
            .par_iter()
            .map(|&index| {
                let mutant = &plan.mutants[index];
                let seen = self.run_rtl(mutant)?;
                done();
                let mut fate = self.fate(mutant, seen);
                if let (Mutant::Memory(mutant), Fate::Survived { .. }) = (mutant, &fate) {
                    fate = self.shown(mutant)?.map_or(fate, Fate::Caught);
                }
                Ok(Outcome {
                    number: index + 1,
                    family: mutant.family().name().to_owned(),
                    kind: mutant.kind(),
                    place: mutant.place(self.judge.compiled()),
                    fate,
                })
            })
            .collect::<Result<_, Error>>()?;
        self.simulate(plan, which, &mut outcomes);
        Ok(outcomes)
    }

    fn fate(&self, mutant: &Mutant, seen: Seen) -> Fate {
        if let Some(catch) = seen.catch {
            return Fate::Caught(catch);
        }
        let (compiled, hardware) = (self.judge.compiled(), &self.hardware);
        let proof = match mutant {
            Mutant::Memory(mutant) => proof::memory(compiled, hardware, mutant),
            Mutant::Rtl(mutation, _) => proof::hardware(compiled, hardware, mutation, seen.reach),
        };
        let made_a_difference = seen.reach != Reach::Nowhere;
        proof.map_or(Fate::Survived { made_a_difference }, Fate::Equivalent)
    }

    /// Runs everything without a mutant, on both models.
    fn check_intact(&self) -> Result<(), Error> {
        let program = &self.judge.compiled().program;
        let mut models =
            vec![Accelerator::new(self.engines.intact.instantiate(Initial::Random(1))?)?];
        if let Some(mutants) = &self.engines.mutants {
            models.push(Accelerator::with_mutant(mutants.instantiate(Initial::Random(1))?, 0)?);
        }
        for mut accelerator in models {
            accelerator.load(program)?;
            if let Some(catch) = self.first_catch(&mut accelerator)? {
                return Err(Error::Intact { image: catch.image, detail: catch.detail });
            }
            if let Some(catch) = self.first_trial(&mut accelerator)? {
                return Err(Error::Intact { image: catch.image, detail: catch.detail });
            }
        }
        Ok(())
    }

    fn run_rtl(&self, mutant: &Mutant) -> Result<Seen, Error> {
        let program = &self.judge.compiled().program;
        match mutant {
            Mutant::Memory(mutant) => {
                let model = self.engines.intact.instantiate(Initial::Random(1))?;
                let mut accelerator = Accelerator::new(model)?;
                load(&mut accelerator, program, mutant)?;
                let catch = self.first_catch(&mut accelerator)?;
                Ok(Seen { catch, reach: Reach::Beyond })
            }
            Mutant::Rtl(_, number) => {
                let seen = self.run_hardware(*number, Initial::Random(1))?;
                if seen.catch.is_some() || seen.reach == Reach::Nowhere {
                    return Ok(seen);
                }
                // What it made of the random bits before they are written for the first time is
                // no difference that counts: so once more without them.
                self.run_hardware(*number, Initial::Zero)
            }
        }
    }

    fn run_hardware(&self, number: u16, initial: Initial) -> Result<Seen, Error> {
        let model = self.engines.mutants.as_ref().expect("bug: a model without mutants");
        let mut accelerator = Accelerator::with_mutant(model.instantiate(initial)?, number)?;
        accelerator.load(&self.judge.compiled().program)?;
        let mut catch = self.first_catch(&mut accelerator)?;
        let reach = match (accelerator.is_infected()?, accelerator.has_escaped()?) {
            (false, _) => Reach::Nowhere,
            (true, false) => Reach::Module,
            (true, true) => Reach::Beyond,
        };
        if catch.is_none() {
            catch = self.first_trial(&mut accelerator)?;
        }
        Ok(Seen { catch, reach })
    }

    /// Tries what images do not show, on an accelerator whose images pass: when the results go on to
    /// another layer, random layers, logits that decide every bit of the class, and layers that must
    /// not begin.
    fn first_trial(&self, accelerator: &mut Accelerator) -> Result<Option<Catch>, Error> {
        let program = &self.judge.compiled().program;
        let Some(expected) = self.rtl.first() else { return Ok(None) };
        if self.judge.scope() == Scope::Logits {
            return Ok(None);
        }
        let caught = |check, detail| Catch { check, engine: "rtl".to_owned(), image: 0, detail };
        if let Some(detail) = trials::result_layers(accelerator, program, expected.image)? {
            return Ok(Some(caught(Check::Cycles, detail)));
        }
        if let Some(detail) = layers::run(accelerator, &self.layers, expected.image)? {
            return Ok(Some(caught(Check::Tensors, detail)));
        }
        if let Some(detail) = logits::run(accelerator, program, expected.image)? {
            return Ok(Some(caught(Check::Tensors, detail)));
        }
        let wrong = trials::run(accelerator, program, expected.image)?;
        Ok(wrong.map(|detail| caught(Check::Status, detail)))
    }

    /// Shows a mutant of a parameter by a layer that computes with it.
    fn shown(&self, mutant: &MemoryMutant) -> Result<Option<Catch>, Error> {
        let program = &self.judge.compiled().program;
        let Some(expected) = self.rtl.first().filter(|_| self.judge.scope() != Scope::Logits)
        else {
            return Ok(None);
        };
        if mutant.memory != Memory::Parameters {
            return Ok(None);
        }
        let mut accelerator =
            Accelerator::new(self.engines.intact.instantiate(Initial::Random(1))?)?;
        load(&mut accelerator, program, mutant)?;
        let layers = layers::with_parameters(program, mutant.address, expected.image);
        let wrong = layers::run(&mut accelerator, &layers, expected.image)?;
        let (check, engine) = (Check::Tensors, "rtl".to_owned());
        Ok(wrong.map(|detail| Catch { check, engine, image: 0, detail }))
    }

    /// Runs the images until a check fails.
    fn first_catch(&self, accelerator: &mut Accelerator) -> Result<Option<Catch>, Error> {
        accelerator.set_cycle_limit(self.limit);
        let mut predictor = self.judge.predictor();
        for (image, expected) in self.rtl.iter().enumerate() {
            let caught = |(check, detail)| {
                Ok(Some(Catch { check, engine: "rtl".to_owned(), image, detail }))
            };
            let (mut judged, mut differs) = (0, None);
            let result = if self.judge.scope() == Scope::Logits {
                accelerator.run_logits(expected.image).map(Some)
            } else {
                accelerator.run_while(expected.image, |so_far, complete| {
                    while judged < complete && differs.is_none() {
                        differs = self.judge.layer(expected, judged, so_far);
                        judged += 1;
                    }
                    differs.is_none()
                })
            };
            let execution = match result {
                Ok(Some(execution)) => execution,
                Ok(None) => {
                    let detail = differs.expect("bug: it stopped because something differs");
                    return caught((Check::Tensors, detail));
                }
                Err(heartbit_cosim::Error::Hang { cycles, .. }) => {
                    return caught((Check::Hang, format!("no result after {cycles} cycles")));
                }
                Err(
                    error @ (heartbit_cosim::Error::PoolCycle { .. }
                    | heartbit_cosim::Error::PixelCycle { .. }
                    | heartbit_cosim::Error::LayerNumber { .. }),
                ) => return caught((Check::Cycles, error.to_string())),
                Err(heartbit_cosim::Error::Halted { layer }) => {
                    return caught((Check::Status, format!("halted before layer {layer}")));
                }
                Err(error @ heartbit_cosim::Error::BeatBehindClass) => {
                    return caught((Check::Status, error.to_string()));
                }
                Err(error) => return Err(error.into()),
            };
            if let Some(failed) = self.judge.check(expected, &mut predictor, &execution) {
                return caught(failed);
            }
        }
        Ok(None)
    }

    /// Runs mutants of data that survived so far on the simulator, with more images.
    fn simulate(&self, plan: &Plan, which: &[usize], outcomes: &mut [Outcome]) {
        let mut left: Vec<(usize, Simulator)> = Vec::new();
        for (at, outcome) in outcomes.iter().enumerate() {
            let Mutant::Memory(mutant) = &plan.mutants[which[at]] else { continue };
            let survived = matches!(outcome.fate, Fate::Survived { .. });
            let program = mutant.applied(&self.judge.compiled().program).filter(|_| survived);
            // A program that the simulator refuses has been on the RTL only.
            left.extend(program.and_then(|p| Simulator::new(&p).ok()).map(|s| (at, s)));
        }
        for (batch, images) in self.sim.chunks(BATCH).enumerate() {
            if left.is_empty() {
                return;
            }
            let caught: Vec<Vec<Option<(Check, String)>>> = images
                .par_iter()
                .map(|image| {
                    let expected = self.judge.expected(image);
                    left.iter().map(|(_, simulator)| self.simulated(simulator, &expected)).collect()
                })
                .collect();
            let mut index = 0;
            left.retain(|(at, _)| {
                let first =
                    caught.iter().enumerate().find_map(|(i, c)| Some((i, c[index].clone()?)));
                index += 1;
                if let Some((i, (check, detail))) = first {
                    let (engine, image) = ("sim".to_owned(), batch * BATCH + i);
                    outcomes[*at].fate = Fate::Caught(Catch { check, engine, image, detail });
                    return false;
                }
                true
            });
        }
    }

    fn simulated(&self, simulator: &Simulator, expected: &Expected<'_>) -> Option<(Check, String)> {
        let mut simulator = simulator.clone();
        let execution = simulator.run(expected.image).expect("bug: an image of the right size");
        self.judge.check(expected, &mut self.judge.predictor(), &execution)
    }
}

fn load(
    accelerator: &mut Accelerator,
    program: &Program,
    mutant: &MemoryMutant,
) -> Result<(), heartbit_cosim::Error> {
    if let Some(word) = mutant.load_word(program) {
        return accelerator.load_with(program, &[word]);
    }
    debug_assert_eq!(mutant.memory, Memory::WeightStream, "bug: the others are loaded");
    accelerator.load(&mutant.applied(program).expect("bug: a stream can hold it"))
}
