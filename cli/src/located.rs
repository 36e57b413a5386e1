//! What a located difference looks like, for people and as JSON.
//!
//! Not here: locating it (`divergence`).

use crate::output::grouped;
use heartbit_compiler::diagnose::{Cause, Part};
use heartbit_compiler::locate::TileCycles;
use heartbit_cosim::PeSignals;
use heartbit_ir::program::PePlace;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where a difference is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Located {
    /// Tile and processing element; `None` where the output port differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pe: Option<PePlace>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cycles: Option<TileCycles>,
    /// The module of the Verilog: instance names from the top module on.
    pub(crate) module: String,
    /// What is wrong there, as far as it can be told.
    pub(crate) cause: Option<Cause>,
    /// The signal of the Verilog that differs.
    pub(crate) signal: Option<String>,
    /// What else there is to know.
    pub(crate) notes: Vec<String>,
    pub(crate) waveform: Option<WaveformFiles>,
}

/// A waveform, and what opens it on the right signals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaveformFiles {
    pub(crate) file: PathBuf,
    /// First and last cycle in it, counted from the first one of `Fetch`.
    pub(crate) cycles: [u64; 2],
    /// Time in it of the cycle that differs.
    pub(crate) time: u64,
    /// GTKWave's save file and Surfer's command file.
    pub(crate) gtkwave: Option<PathBuf>,
    pub(crate) surfer: Option<PathBuf>,
}

impl Located {
    /// The lines below the element that differs.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(pe) = &self.pe {
            lines.push(format!(
                "  column tile {}, tile ({}, {}): PE row {}, column {} ({})",
                pe.column_tile, pe.tile_row, pe.tile, pe.row, pe.col, self.module
            ));
        }
        if let Some(cycles) = &self.cycles {
            lines.push(format!(
                "  cycles of the image: steps {} to {}, sum {}, written {}",
                grouped(cycles.first_step),
                grouped(cycles.last_step),
                grouped(cycles.sum),
                grouped(cycles.written)
            ));
        }
        if let Some(cause) = &self.cause {
            let step = cause.step.as_ref().map_or(String::new(), |step| format!(", {step}"));
            lines.push(format!("  cycle {}{step}", grouped(cause.cycle)));
            let signal =
                self.signal.as_ref().map_or(String::new(), |signal| format!(" ({signal})"));
            lines.push(format!(
                "  {}: expected {}, got {}{signal}",
                cause.part.name(),
                cause.expected,
                cause.actual
            ));
            lines.push(format!("  {}", cause.note));
        }
        lines.extend(self.notes.iter().map(|note| format!("  {note}")));
        lines.extend(self.waveform.iter().flat_map(WaveformFiles::lines));
        lines
    }
}

impl WaveformFiles {
    fn lines(&self) -> Vec<String> {
        let [first, last] = self.cycles.map(grouped);
        let file = self.file.display();
        let mut lines = vec![format!(
            "  waveform: {file}, cycles {first} to {last}, look at time {}",
            self.time
        )];
        if let Some(gtkwave) = &self.gtkwave {
            lines.push(format!("    gtkwave {}", gtkwave.display()));
        }
        if let Some(surfer) = &self.surfer {
            lines.push(format!("    surfer {file} --command-file {}", surfer.display()));
        }
        lines
    }
}

/// The signal of a part at a processing element, where `tensor` differs.
pub(crate) fn signal(part: Part, tensor: &str, signals: &PeSignals) -> String {
    match part {
        Part::Tokens => signals.pe("tokens"),
        Part::Valid => signals.pe("skip"),
        Part::Activation => signals.pe("a"),
        Part::Weight => signals.pe("w"),
        Part::Accumulator => signals.pe("acc"),
        Part::Drain => signals.pe("drain"),
        Part::Alignment => signals.hits(),
        Part::Products => signals.products(),
        Part::Parameter => format!("{}, {}", signals.post("mul"), signals.post("bias")),
        Part::Shortcut => signals.post("shortcut"),
        Part::PostProcessing => signals.post(match tensor {
            "sums" => "z",
            "logits" => "y",
            "stream" => "r",
            "bits" => "result",
            // Levels and pools are made of the value.
            _ => "v",
        }),
    }
}
