//! The accelerator as a whole: sequencer, array, post-processing and memories.

use crate::array::Array;
use crate::check::check;
use crate::error::Error;
use crate::image::channels;
use crate::memory::Memories;
use crate::plan::{LayerPlan, Plan};
use crate::post::Post;
use crate::sequencer::{Cycle, Sequencer};
use heartbit_ir::program::{Execution, LayerOutput, Program};
use std::sync::Arc;

/// An accelerator that has been loaded with a program.
///
/// Clones share the program and have their own memories, so that threads can work on images
/// independently. Results do not depend on the images before unless the program reads memory
/// that it did not write.
#[derive(Clone, Debug)]
pub struct Simulator {
    plan: Arc<Plan>,
    memories: Memories,
    array: Array,
    post: Post,
    overflows: u64,
}

impl Simulator {
    /// Loads a program into a new accelerator, whose memories are 0.
    ///
    /// # Errors
    /// [`Error`] for the first rule of microarchitecture.md that the program breaks: sizes that
    /// are zero or too large, addresses outside of a memory, tables that are too short, flags that
    /// exclude each other, gaps too short for drains and descriptors, more than
    /// [`crate::MAX_CYCLES`] cycles or [`crate::MAX_RESULTS`] results an image.
    pub fn new(program: &Program) -> Result<Self, Error> {
        let extent = check(program)?;
        let plan = Plan::new(program, extent);
        Ok(Self {
            memories: Memories::new(&plan),
            array: Array::new(&plan),
            post: Post::new(plan.cols),
            overflows: 0,
            plan: Arc::new(plan),
        })
    }

    /// Executes one image and returns everything that the layers produced.
    ///
    /// `image` holds 1 to 3 bytes for each pixel, row by row, channel fastest; channels that are
    /// missing are 0.
    ///
    /// # Errors
    /// [`Error::Image`] if the number of bytes is none of these.
    pub fn run(&mut self, image: &[u8]) -> Result<Execution, Error> {
        let output = |layer: &LayerPlan| LayerOutput::for_layer(&layer.d, self.plan.cols);
        let layers = self.plan.layers.iter().map(output).collect();
        self.execute(image, layers)
    }

    /// Like [`Simulator::run`], but records no layers: [`Execution::layers`] is empty.
    ///
    /// # Errors
    /// The same as [`Simulator::run`].
    pub fn run_logits(&mut self, image: &[u8]) -> Result<Execution, Error> {
        self.execute(image, Vec::new())
    }

    /// Returns how many results of the last run came from an accumulator that wrapped around.
    ///
    /// The compiler sizes `acc_bits` so that there are none; the results are those of the
    /// hardware all the same.
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    fn load(&mut self, image: &[u8]) -> Result<(), Error> {
        let channels = channels(&self.plan.header, image.len())?;
        self.memories.image.load(image, channels);
        Ok(())
    }

    fn execute(&mut self, image: &[u8], layers: Vec<LayerOutput>) -> Result<Execution, Error> {
        self.load(image)?;
        let Self { plan, memories, array, post, .. } = self;
        let mut execution =
            Execution { layers, layer_cycles: vec![0; plan.layers.len()], ..Execution::default() };
        let mut sequencer = Sequencer::new();
        sequencer.start();
        for now in 0.. {
            let layer = sequencer.layer();
            let cycle = sequencer.tick(plan);
            match cycle {
                Cycle::Idle => break,
                Cycle::Fetch | Cycle::Issue(_) | Cycle::Gap | Cycle::End => {
                    execution.layer_cycles[layer] += 1;
                }
                Cycle::ReadLogits | Cycle::SendLogit(_) | Cycle::SendClass => {
                    execution.send_cycles += 1;
                }
            }
            match cycle {
                Cycle::Issue(at) => {
                    // The words are read in cycle `now + 1`, after the writes up to `now`, which
                    // may be those of the layer before.
                    post.advance(now, plan, memories, &mut execution.layers);
                    array.step(plan, &plan.layers[at.layer], &at, memories);
                    if at.last {
                        post.push(now, &at, array, plan);
                    }
                }
                Cycle::End => post.finish(now, plan, memories, &mut execution.layers),
                Cycle::SendLogit(index) => send(&mut execution, index, memories.logit[index]),
                _ => {}
            }
        }
        self.overflows = self.post.take_overflows();
        Ok(execution)
    }
}

/// Sends a logit and keeps the class: the smallest index with the largest logit.
fn send(execution: &mut Execution, index: usize, logit: i32) {
    execution.logits.push(logit);
    if logit > execution.logits[execution.class] {
        execution.class = index;
    }
}
