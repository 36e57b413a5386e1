//! `widths`: bit widths of stem, shortcuts and head, by measured accuracy and exact cycles.
//!
//! Not here: which combinations are measured and which is chosen ([`heartbit_compiler::widths`]).

mod measure;
mod report;

use crate::args::{DEFAULT_ARRAY, Format, FpgaArgs, WidthsArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::fpga::Fpga;
use crate::inputs::{self, Images};
use crate::output::{self, check_writable, progress};
use heartbit_compiler::fold::{fold, fold_on};
use heartbit_compiler::plan::plan;
use heartbit_compiler::schedule::{ScheduleError, Target, outline};
use heartbit_compiler::widths::{self, SearchError, Space, SpaceError, Width};
use heartbit_ir::grid::Grid;
use heartbit_ir::network::Network;
use heartbit_ir::program::{ArrayConfig, ArrayShape};
use heartbit_model::Checkpoint;
use measure::Measure;
use report::Report;
use std::path::Path;

pub(crate) fn run(args: &WidthsArgs, format: Format) -> Outcome {
    let checkpoint = checkpoint(&args.checkpoint)?;
    let own = fold(&checkpoint)
        .map_err(|e| Failure::from(e).context(format!("in `{}`", args.checkpoint.display())))?;
    let space = space(args, &checkpoint)?;
    let images = Images::test(&args.data)?;
    images.check_size(&own)?;
    images.check_classes(&own)?;
    let hardware = Hardware::new(args, &own)?;
    args.out.as_deref().map(check_writable).transpose()?;
    let bar = progress("schedule", space.combinations());
    let cycles = |grid: &Grid| {
        bar.inc(1);
        hardware.cycles(&fold_on(&checkpoint, grid).ok()?)
    };
    let measure = Measure::new(&checkpoint, &images, hardware.target.clone());
    let labels: Vec<usize> = (0..images.len()).map(|index| images.label(index)).collect();
    let found = widths::search(&space, &labels, args.tolerance / 100.0, cycles, |grids| {
        bar.finish_and_clear();
        measure.predictions(grids)
    });
    let found = found.map_err(|error| match error {
        SearchError::Measure(failure) => failure,
        other => unreachable!("bug: the own grid was scheduled: {other:?}"),
    })?;
    if let Some(out) = &args.out {
        let network = fold_on(&checkpoint, &found.chosen().grid)?;
        network.write(out).map_err(|e| Failure::from(e).context(cannot_write(out)))?;
    }
    let arch = checkpoint.arch.name();
    let report = Report { args, arch, space: &space, found: &found, hardware: &hardware };
    output::result(format, &report.json(), || report.text())
}

/// Reads the checkpoint; a folded network gets an answer of its own.
fn checkpoint(path: &Path) -> Outcome<Checkpoint> {
    if path.extension().is_some_and(|extension| extension == "hbn") {
        let message = format!("`{}` is a folded network, whose widths are fixed", path.display());
        return Err(Failure::new(Code::BadInput, message)
            .help("give the checkpoint (.safetensors) that it was folded from"));
    }
    inputs::checkpoint(path)
}

fn cannot_write(out: &Path) -> String {
    format!("cannot write `{}`", out.display())
}

/// The combinations that the command line leaves.
fn space(args: &WidthsArgs, checkpoint: &Checkpoint) -> Outcome<Space> {
    let mut space = Space::of(checkpoint);
    let c = &args.choices;
    for (width, bits) in [
        (Width::StemWeight, &c.stem_weights),
        (Width::DownsampleActivation, &c.shortcut_levels),
        (Width::DownsampleWeight, &c.shortcut_weights),
        (Width::HeadActivation, &c.head_levels),
        (Width::HeadWeight, &c.head_weights),
    ] {
        if !bits.is_empty() {
            space.restrict(width, bits)?;
        }
    }
    Ok(space)
}

impl From<SpaceError> for Failure {
    fn from(error: SpaceError) -> Self {
        Self::from_error(Code::Usage, error).help("leave the option out")
    }
}

/// What the networks are scheduled for.
struct Hardware {
    target: Target,
    fpga: Option<Fpga>,
    /// The array that the own grid takes.
    array: ArrayConfig,
}

impl Hardware {
    /// The array and the board that were asked for, which execute the own grid.
    fn new(args: &WidthsArgs, own: &Network) -> Outcome<Self> {
        let board = || Some(FpgaArgs { board: Some(args.board.clone()?), ..FpgaArgs::default() });
        let fpga = board().map(|args| Fpga::new(&args)).transpose()?;
        let target = match (&fpga, args.array) {
            (Some(fpga), None) => {
                let a = super::search::best(own, fpga)?.array;
                let shape = ArrayShape { rows: a.rows, cols: a.cols, lanes: a.lanes };
                let (taps, lines) = (Some(a.taps), Some(a.lines));
                Target { taps, lines, ..Target::sized_for_network(shape) }
            }
            (_, array) => Target::sized_for_network(array.unwrap_or(DEFAULT_ARRAY)),
        };
        let outline = outline(own, &plan(own).map_err(ScheduleError::from)?, &target)?;
        fpga.as_ref().map(|f| f.fit(&outline.array, &outline.depths)).transpose()?;
        Ok(Self { target, fpga, array: outline.array })
    }

    /// Cycles of an image, or `None` where the hardware does not execute the network.
    fn cycles(&self, network: &Network) -> Option<u64> {
        let outline = outline(network, &plan(network).ok()?, &self.target).ok()?;
        let fits = self.fpga.as_ref().is_none_or(|fpga| fpga.fits(&outline.array, &outline.depths));
        fits.then(|| outline.cycles().total().0)
    }
}
