//! The accelerator as a whole: sequencer, array, post-processing and memories.

use crate::array::Array;
use crate::check::check;
use crate::error::Error;
use crate::image::channels;
use crate::memory::Memories;
use crate::plan::{LayerPlan, Plan, SEEN_BY_STEP};
use crate::post::Post;
use crate::ring::Ring;
use crate::sequencer::{Cycle, Issue, Sequencer};
use heartbit_ir::program::{Execution, LayerOutput, Program};
use std::sync::Arc;

/// An accelerator that has been loaded with a program.
///
/// Clones share the program and have their own memories, so that threads can work on images
/// independently. Results do not depend on the images before unless the program reads memory
/// that it did not write.
///
/// Cycles do not depend on them either, unless weights are streamed. Then how long steps wait
/// follows from what the weight ring holds, and from the cycle in which an image begins. The weight
/// port goes on between two images; cycles are counted from the first one after the program was
/// loaded, when the ring is empty. Clones have their own rings.
#[derive(Clone, Debug)]
pub struct Simulator {
    plan: Arc<Plan>,
    memories: Memories,
    array: Array,
    post: Post,
    ring: Ring,
    overflows: u64,
}

impl Simulator {
    /// Loads a program into a new accelerator, whose memories are 0.
    ///
    /// # Errors
    /// [`Error`] for the first rule of microarchitecture.md that the program breaks: sizes that
    /// are zero or too large, addresses outside of a memory, tables that are too short, flags that
    /// exclude each other, gaps too short for drains and descriptors, weights that do not pass
    /// through the weight ring, more than [`crate::MAX_CYCLES`] cycles or [`crate::MAX_RESULTS`]
    /// results an image.
    pub fn new(program: &Program) -> Result<Self, Error> {
        let extent = check(program)?;
        let plan = Plan::new(program, extent);
        Ok(Self {
            memories: Memories::new(&plan),
            array: Array::new(&plan),
            post: Post::new(plan.cols),
            ring: Ring::new(plan.port.as_ref()),
            overflows: 0,
            plan: Arc::new(plan),
        })
    }

    /// Executes one image and returns everything that the layers produced.
    ///
    /// `image` holds 1 to 3 bytes for each pixel, row by row, channel fastest; channels that are
    /// missing are 0. Where weights are streamed, the image begins in the first cycle in which it
    /// can and in which the weight ring is full.
    ///
    /// # Errors
    /// [`Error::Image`] if the number of bytes is none of these, [`Error::Start`] if the image
    /// would begin after cycle [`crate::MAX_START`].
    pub fn run(&mut self, image: &[u8]) -> Result<Execution, Error> {
        self.execute(image, None, self.outputs(), |_, _| {})
    }

    /// Like [`Simulator::run`], but the image begins in cycle `start`: it is the first one of
    /// `Fetch`.
    ///
    /// The first image may begin in cycle 0, each other one after the last cycle of `Send` of the
    /// one before and one cycle of `Idle`. Where no weights are streamed, no cycle is unlike
    /// another: `start` makes no difference, and [`Execution::start`] is 0.
    ///
    /// # Errors
    /// [`Error::Image`] as [`Simulator::run`], [`Error::Start`] if the image cannot begin so early,
    /// or if `start` is after [`crate::MAX_START`].
    pub fn run_at(&mut self, image: &[u8], start: u64) -> Result<Execution, Error> {
        self.execute(image, Some(start), self.outputs(), |_, _| {})
    }

    /// Like [`Simulator::run`], but records no layers: [`Execution::layers`] is empty.
    ///
    /// # Errors
    /// The same as [`Simulator::run`].
    pub fn run_logits(&mut self, image: &[u8]) -> Result<Execution, Error> {
        self.execute(image, None, Vec::new(), |_, _| {})
    }

    /// Restarts the accelerator as if the program was loaded again: the weight ring is empty, and
    /// the next cycle is cycle 0. Memories keep their contents.
    pub fn restart(&mut self) {
        self.ring = Ring::new(self.plan.port.as_ref());
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

    /// Returns outputs of all layers, all zero.
    fn outputs(&self) -> Vec<LayerOutput> {
        let output = |layer: &LayerPlan| LayerOutput::for_layer(&layer.d, self.plan.cols);
        self.plan.layers.iter().map(output).collect()
    }

    /// The program.
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Executes one image; `observe` sees the array after every step.
    pub(crate) fn execute(
        &mut self,
        image: &[u8],
        start: Option<u64>,
        layers: Vec<LayerOutput>,
        mut observe: impl FnMut(&Issue, &mut Array),
    ) -> Result<Execution, Error> {
        self.load(image)?;
        let Self { plan, memories, array, post, ring, .. } = self;
        let start = plan.port.as_ref().map_or(Ok(0), |port| ring.begin(port, start))?;
        let layer_cycles = vec![0; plan.layers.len()];
        let mut execution = Execution { layers, start, layer_cycles, ..Execution::default() };
        let mut sequencer = Sequencer::new();
        sequencer.start();
        let mut now = 0;
        loop {
            let layer = sequencer.layer();
            let cycle = sequencer.tick(plan, Some(ring), now);
            let Execution { layer_cycles, send_cycles, .. } = &mut execution;
            let cycles = cycle.count(layer, layer_cycles, send_cycles);
            match cycle {
                Cycle::Idle => break,
                Cycle::Issue(at) => {
                    // The words are read in cycle `now + 3`, after the writes up to `now + 2`,
                    // which may be those of the layer before. All are of tiles that `post` has.
                    post.advance(now + SEEN_BY_STEP, plan, memories, &mut execution.layers);
                    array.step(plan, &plan.layers[at.layer], &at, memories);
                    observe(&at, array);
                    if at.last {
                        post.push(now, &at, array, plan);
                    }
                }
                Cycle::End => post.finish(now, plan, memories, &mut execution.layers),
                Cycle::SendLogit(index) => send(&mut execution, index, memories.logit[index]),
                _ => {}
            }
            now += cycles;
        }
        if let Some(port) = &plan.port {
            ring.end(port, now);
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
