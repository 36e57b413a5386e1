//! Predictions of one checkpoint on many grids.
//!
//! Grids that differ in the head only share a body. It is simulated once for each image, and each
//! head goes on from the stream at its end by the interpreter's own operations. The simulator
//! equals the interpreter on every tensor, so the logits are the normative ones.

use crate::failure::{Code, Failure, Outcome};
use crate::inputs::Images;
use crate::output::progress;
use heartbit_compiler::compare::stream;
use heartbit_compiler::fold::{fold_on, head_input};
use heartbit_compiler::schedule::{Compiled, Target, compile};
use heartbit_compiler::widths::Width;
use heartbit_ir::grid::Grid;
use heartbit_ir::interp::{Tail, predicted_class};
use heartbit_ir::network::{Network, ValueId};
use heartbit_model::Checkpoint;
use heartbit_sim::Simulator;
use indicatif::ProgressBar;
use rayon::prelude::*;

/// What is measured, and on what.
pub(super) struct Measure<'a> {
    checkpoint: &'a Checkpoint,
    images: &'a Images,
    target: Target,
}

/// Grids of one body, ready to run.
struct Body<'a> {
    networks: &'a [Network],
    compiled: Compiled,
    /// The stream that the heads read.
    end: ValueId,
    tails: Vec<Tail<'a>>,
}

impl<'a> Measure<'a> {
    pub(super) fn new(checkpoint: &'a Checkpoint, images: &'a Images, target: Target) -> Self {
        Self { checkpoint, images, target }
    }

    /// The predicted class of each image on each grid; those of one body have to be neighbours.
    pub(super) fn predictions(&self, grids: &[Grid]) -> Outcome<Vec<Vec<usize>>> {
        let groups: Vec<&[Grid]> = grids.chunk_by(share_a_body).collect();
        let bar = progress("measure", groups.len() * self.images.len());
        let mut all = Vec::with_capacity(grids.len());
        for group in groups {
            let networks = group.iter().map(|grid| fold_on(self.checkpoint, grid));
            let networks: Vec<Network> = networks.collect::<Result<_, _>>()?;
            all.extend(self.body(&networks)?.predictions(self.images, &bar)?);
        }
        bar.finish_and_clear();
        Ok(all)
    }

    /// Prepares networks of one body.
    fn body<'n>(&self, networks: &'n [Network]) -> Outcome<Body<'n>> {
        let compiled = compile(&networks[0], &self.target)?;
        let end = head_input(&networks[0], &compiled.plan.types)
            .expect("bug: every architecture pools or flattens a stream");
        let body = |network: &Network| network.ops[..=end] == networks[0].ops[..=end];
        assert!(networks.iter().all(body), "bug: these grids differ in the head only");
        let tail = |network| Tail::new(network, end).expect("bug: the head reads one stream");
        let tails = networks.iter().map(tail).collect();
        Ok(Body { networks, compiled, end, tails })
    }
}

impl Body<'_> {
    fn predictions(&self, images: &Images, bar: &ProgressBar) -> Outcome<Vec<Vec<usize>>> {
        let simulator = Simulator::new(&self.compiled.program)?;
        let of_images: Vec<Vec<usize>> = (0..images.len())
            .into_par_iter()
            .map_init(
                || simulator.clone(),
                |simulator, index| {
                    let classes = self.classes(simulator, &images.image(index)?);
                    bar.inc(1);
                    classes
                },
            )
            .collect::<Outcome<_>>()?;
        let of_grid = |grid: usize| of_images.iter().map(|classes| classes[grid]).collect();
        Ok((0..self.networks.len()).map(of_grid).collect())
    }

    /// The predicted class on each grid.
    fn classes(&self, simulator: &mut Simulator, image: &[u8]) -> Outcome<Vec<usize>> {
        let execution = simulator.run(image)?;
        let end = stream(&self.compiled, &execution, self.end).ok_or_else(|| {
            Failure::new(Code::Bug, "the simulator did not record the last stream of the body")
        })?;
        let class = |tail: &Tail<'_>| {
            predicted_class(&tail.logits(end.clone()).expect("bug: the plan has its shape"))
        };
        Ok(self.tails.iter().map(class).collect())
    }
}

fn share_a_body(a: &Grid, b: &Grid) -> bool {
    let of_the_body = |width: &Width| !width.is_of_the_head();
    Width::ALL.into_iter().filter(of_the_body).all(|width| width.of(a) == width.of(b))
}
