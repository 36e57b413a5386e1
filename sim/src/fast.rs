//! The fast engine: executes a program layer by layer instead of cycle by cycle.
//!
//! It is a second reading of the same program: steps, addresses, weights and parameters are those of
//! the memories, so it verifies what the compiler made, and its results are those of
//! [`Simulator`](crate::Simulator) on every tensor.
//!
//! * When a program is loaded, steps become lists of `copies` and bits (`map`), or small integers that
//!   multiply pixels (`stem`) or levels (`levels`) and are packed by `products`; other weights are
//!   packed for [`crate::kernels`]; what border classes and invalid taps change becomes `tables`;
//!   written slices become lists of moves (`output`). The sequencer is run without data for the
//!   cycles and the check below.
//! * For an image, chunks of a layer's lines are gathered into panels and multiplied; then a kernel
//!   or `line` makes results of them, 8 columns of a line at a time, and `stream` and `output` write
//!   them. A shortcut lies where its results go, mostly in the stream memory itself.
//!   Nothing is allocated unless results are recorded.
//!
//! **What it assumes.** All results of a layer are written before the next one reads, a chunk of
//! lines is read before its results are written, and lines follow each other from top to bottom.
//! A program is executed only if that makes no difference: `order` compares, once for a program,
//! what every read sees in the order of the hardware and in this one. A program in which a step reads
//! what is not written yet, or what was overwritten meanwhile, is refused with [`Error::Fast`], and
//! so are addresses that wrap around 2^16; the simulator executes both.
//! Memory that was never written reads as 0, and memories keep their contents, as in the simulator.
//!
//! Not here: overflows of accumulators are wrapped as in hardware, but not counted.

mod blocks;
mod copies;
mod levels;
mod line;
mod lines;
mod map;
mod order;
mod output;
mod plan;
mod products;
mod record;
mod run;
mod stem;
mod stream;
mod tables;
mod timing;
mod weights;

use crate::error::Error;
use crate::image::channels;
use crate::kernels::{Kernels, LANES, SumBlock};
use heartbit_ir::program::{Execution, LayerOutput, Program};
use lines::Lines;
use plan::{FastPlan, Layer, Source};
use products::Panel;
use run::Run;
use std::sync::Arc;
use stem::Image;
use stream::StreamMemory;
use timing::Timing;

/// A program that is executed layer by layer: [`Simulator`](crate::Simulator)'s results, faster.
///
/// Clones share the program and have their own memories, so that threads can work on images
/// independently.
#[derive(Clone, Debug)]
pub struct Engine {
    plan: Arc<FastPlan>,
    kernels: Kernels,
    memory: Memory,
    scratch: Scratch,
    /// Where weights are streamed.
    timing: Option<Timing>,
}

/// What an image changes.
#[derive(Clone, Debug)]
struct Memory {
    image: Image,
    activation: Vec<u8>,
    stream: StreamMemory,
    /// Of every column of all column tiles.
    logit: Vec<i32>,
}

/// Buffers that are as large as the largest layer needs.
#[derive(Clone, Debug)]
struct Scratch {
    words: Vec<u64>,
    panel: Panel,
    /// `x`: pixel `p` of block `b` at `b·pixels + p`.
    sums: Vec<SumBlock>,
    pools: Vec<[i64; LANES]>,
    /// `r` of a line.
    stream: Vec<[i16; LANES]>,
    lines: Lines,
}

impl Engine {
    /// Prepares a program for the fastest kernels of this processor.
    ///
    /// # Errors
    /// Those of [`Simulator::new`](crate::Simulator::new), and [`Error::Fast`] for what only the
    /// simulator executes.
    pub fn new(program: &Program) -> Result<Self, Error> {
        Self::with_kernels(program, Kernels::best())
    }

    /// Prepares a program for some kernels.
    ///
    /// # Errors
    /// The same as [`Engine::new`].
    pub fn with_kernels(program: &Program, kernels: Kernels) -> Result<Self, Error> {
        let plan = FastPlan::new(program)?;
        Ok(Self {
            memory: Memory::new(&plan),
            scratch: Scratch::new(&plan),
            timing: plan.streamed.clone().map(Timing::new),
            plan: Arc::new(plan),
            kernels,
        })
    }

    /// Executes one image and returns everything that the layers produced; `image` is as for
    /// [`Simulator::run`](crate::Simulator::run).
    ///
    /// # Errors
    /// [`Error::Image`] if the number of bytes is wrong; [`Error::Start`] as the simulator.
    pub fn run(&mut self, image: &[u8]) -> Result<Execution, Error> {
        let cols = self.plan.array.cols;
        let output = |layer: &Layer| LayerOutput::for_layer(&layer.d, cols);
        let mut layers: Vec<LayerOutput> = self.plan.layers.iter().map(output).collect();
        self.execute(image, Some(&mut layers))?;
        self.execution(layers)
    }

    /// Like [`Engine::run`], but records no layers: [`Execution::layers`] is empty.
    ///
    /// # Errors
    /// The same as [`Engine::run`].
    pub fn run_logits(&mut self, image: &[u8]) -> Result<Execution, Error> {
        self.execute(image, None)?;
        self.execution(Vec::new())
    }

    fn execution(&mut self, layers: Vec<LayerOutput>) -> Result<Execution, Error> {
        let logits = self.memory.logit[..self.plan.header.classes.into()].to_vec();
        let largest = logits.iter().max();
        let class = logits.iter().position(|logit| Some(logit) == largest).unwrap_or(0);
        let (start, (layer_cycles, send_cycles)) = match &mut self.timing {
            Some(timing) => timing.image()?,
            None => (0, self.plan.cycles.clone()),
        };
        Ok(Execution { layers, logits, class, start, layer_cycles, send_cycles })
    }

    fn execute(
        &mut self,
        image: &[u8],
        mut records: Option<&mut [LayerOutput]>,
    ) -> Result<(), Error> {
        let channels = channels(&self.plan.header, image.len())?;
        self.memory.image.load(image, channels);
        for (index, layer) in self.plan.layers.iter().enumerate() {
            let record = records.as_deref_mut().map(|records| &mut records[index]);
            let run = Run {
                layer,
                kernels: self.kernels,
                memory: &mut self.memory,
                scratch: &mut self.scratch,
                record,
            };
            run.run();
        }
        Ok(())
    }
}

impl Memory {
    fn new(plan: &FastPlan) -> Self {
        let stems = plan.layers.iter().filter(|layer| layer.d.flags.source_image);
        let widths = stems.map(|layer| layer.size().1);
        Self {
            image: Image::new(&plan.header, widths.max().unwrap_or(0)),
            activation: vec![0; plan.extent.activation * plan.array.rows * plan.limbs * 8],
            stream: StreamMemory::new(plan.extent.stream, plan.layers[0].blocks.of_tile),
            logit: vec![0; plan.extent.logit * plan.array.cols],
        }
    }
}

impl Scratch {
    fn new(plan: &FastPlan) -> Self {
        let most = |of: fn(&Layer) -> usize| plan.layers.iter().map(of).max().unwrap_or(0);
        let words = |layer: &Layer| match &layer.source {
            Source::Map(map) => map.words() * layer.pixels,
            Source::Image(_) => 0,
        };
        let products = |layer| Some((Layer::products(layer)?, layer.pixels));
        let sums = |layer: &Layer| layer.blocks.len() * layer.pixels;
        let width = most(|layer| layer.size().1);
        Self {
            words: vec![0; most(words)],
            panel: Panel::new(plan.layers.iter().filter_map(products)),
            sums: vec![[0; LANES]; most(sums)],
            pools: vec![[0; LANES]; most(|layer| layer.blocks.len())],
            stream: vec![[0; LANES]; width],
            lines: Lines::new(width),
        }
    }
}
