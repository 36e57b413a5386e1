//! The page of boards, docs/boards.md: what each has, and what networks reach on it.
//!
//! Results are files that `heartbit pnr` wrote, one a run. Every figure says how it is known: cycles
//! are simulated, area and clock are those of place-and-route, and nothing has run on hardware.
//!
//! Not here: estimates, which are `heartbit search`'s.

use crate::board::{Board, Flow, STATUS};
use crate::pnr::{Report, Use};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Version of the records.
pub const SCHEMA: u32 = 1;

/// A run of place-and-route, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The board.
    pub board: String,
    /// Its FPGA.
    pub device: String,
    /// The network's architecture.
    pub network: String,
    /// Its binary multiply-accumulates of an image, which tell small networks of an architecture
    /// from the published one. Older records lack them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary_macs: Option<u64>,
    /// Bits of the stem's weights, which its cycles depend on. Older records lack them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stem_weight_bits: Option<u32>,
    /// Rows, columns and lanes.
    pub array: [usize; 3],
    /// Lane groups.
    pub taps: usize,
    /// Lines of a tile.
    pub lines: usize,
    /// The link to the host.
    pub link: String,
    /// Cycles of an image, from its first pixel to its last logit: simulated.
    pub cycles: u64,
    /// The clock that the PLL makes, in MHz.
    pub clock_mhz: f64,
    /// Seed of the placer.
    pub seed: u32,
    /// Area and clocks: placed and routed.
    pub report: Report,
    /// Whether timing is met.
    pub met: bool,
    /// Name of the bitstream, if there is one.
    pub bitstream: Option<String>,
    /// Versions of the tools.
    pub tools: Vec<String>,
}

impl Record {
    /// Images a second at a clock, as far as the array is concerned.
    #[expect(clippy::cast_precision_loss, reason = "cycles of an image are far below 2^53")]
    pub fn images_per_second(&self, mhz: f64) -> f64 {
        mhz * 1e6 / self.cycles as f64
    }

    /// The highest clock of the array, in MHz.
    pub fn fmax_mhz(&self) -> Option<f64> {
        self.report.array_clock().map(|clock| clock.fmax_mhz)
    }
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// A file or folder cannot be read.
    #[error("cannot read `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: std::io::Error,
    },
    /// A file is no record.
    #[error("`{path}` is not a result of `heartbit pnr`: {reason}")]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The records of a folder, by network, board and array.
///
/// # Errors
/// [`CatalogueError`].
pub fn read(folder: &Path) -> Result<Vec<Record>, CatalogueError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| CatalogueError::Io { path, source }
    };
    let mut records = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(io(&path))?;
        let wrong = |reason: String| CatalogueError::Record { path: path.clone(), reason };
        let record: Record = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        if record.schema != SCHEMA || record.cycles == 0 {
            return Err(wrong(format!("schema {}, {} cycles", record.schema, record.cycles)));
        }
        records.push(record);
    }
    records.sort_by(|a, b| {
        (&a.network, &a.board, a.array, a.seed).cmp(&(&b.network, &b.board, b.array, b.seed))
    });
    Ok(records)
}

/// The page.
pub fn page(boards: &[Board], records: &[Record]) -> String {
    format!(
        "# Boards

This page is printed: `heartbit boards --catalogue boards/results > docs/boards.md`.

## What networks reach

{}
{}
## What the boards have

{}
The pins are those that the top level uses, with their sources in `boards/data`; docs/adding-a-board.md says how to add a board.
",
        results(records),
        missing(boards, records),
        hardware(boards)
    )
}

fn percent(u: &Use) -> String {
    #[expect(clippy::cast_precision_loss, reason = "cells are few")]
    let share = 100.0 * u.used as f64 / u.available.max(1) as f64;
    format!("{} ({share:.0} %)", u.used)
}

fn results(records: &[Record]) -> String {
    let mut text = String::from(
        "How each figure is known: **S** simulated, the cycle count on which simulator and RTL agree; **P** placed and routed by the open tools, from their timing models and not from a device; **H** run on hardware.
No figure here is an **H** yet.
Images a second are the array's, at its highest clock: P over S.
A UART carries fewer: an image of 3,072 bytes is 30,720 bits on the wire.

| network | binary MACs | stem bits | board | array, T, Q | cycles (S) | LUT (P) | FF (P) | RAM (P) | DSP (P) | Fmax MHz (P) | PLL MHz | timing | images/s (P/S) | link | verified |
| --- | ---: | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: | --- | --- |
",
    );
    for record in records {
        let [rows, cols, lanes] = record.array;
        let fmax = record.fmax_mhz();
        let images = fmax.map(|mhz| format!("{:.0}", record.images_per_second(mhz)));
        let dash = || "-".to_owned();
        writeln!(
            text,
            "| {} | {} | {} | {} | {rows}x{cols}x{lanes}, {}, {} | {} | {} | {} | {} | {} | {} | {:.2} | {} | {} | {} | {} |",
            record.network,
            record.binary_macs.map_or_else(dash, |n| n.to_string()),
            record.stem_weight_bits.map_or_else(dash, |n| n.to_string()),
            record.board,
            record.taps,
            record.lines,
            record.cycles,
            percent(&record.report.lut),
            percent(&record.report.ff),
            percent(&record.report.ram),
            percent(&record.report.dsp),
            fmax.map_or_else(dash, |mhz| format!("{mhz:.1}")),
            record.clock_mhz,
            if record.met { "met" } else { "missed" },
            images.unwrap_or_else(dash),
            record.link,
            if record.bitstream.is_some() { "P, bitstream written" } else { "P, no bitstream" },
        )
        .expect("bug: writing to a string");
    }
    text
}

fn missing(boards: &[Board], records: &[Record]) -> String {
    let without = |flow: Flow| -> Vec<&str> {
        let none = |board: &&Board| {
            board.flow == flow && records.iter().all(|record| record.board != board.name)
        };
        boards.iter().filter(none).map(|board| board.name.as_str()).collect()
    };
    let (open, vendor) = (without(Flow::Open), without(Flow::Vendor));
    let mut text = String::new();
    if !open.is_empty() {
        writeln!(text, "Without a result yet: {}.", open.join(", "))
            .expect("bug: writing to a string");
    }
    if !vendor.is_empty() {
        writeln!(
            text,
            "For these `heartbit pnr` writes a project for the vendor's tool, which has not been run: {}.",
            vendor.join(", ")
        )
        .expect("bug: writing to a string");
    }
    text
}

fn hardware(boards: &[Board]) -> String {
    let mut text = String::from(
        "| board | device | flow | clock | UART rx, tx | reset | LEDs | memory | LUT | FF | RAM | DSP |
| --- | --- | --- | --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: |
",
    );
    for board in boards {
        let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let leds = STATUS.into_iter().zip(&board.leds);
        let leds: Vec<String> = leds
            .filter_map(|(name, led)| Some(format!("{name} {}", led.as_ref()?.pin.site)))
            .collect();
        let memories: Vec<String> = board
            .memories
            .iter()
            .map(|m| format!("{} {} MiB x{}", m.kind, m.bytes >> 20, m.width_bits))
            .collect();
        let list = |texts: Vec<String>| {
            if texts.is_empty() { "-".to_owned() } else { texts.join(", ") }
        };
        let c = &board.capacity;
        writeln!(
            text,
            "| [{}]({}) | {} | {} | {} MHz at {} | {}, {} | {} | {} | {} | {} | {} | {} | {} |",
            board.title,
            board.documentation,
            board.device,
            board.flow.name(),
            board.clock.mhz,
            board.clock.pin.site,
            board.uart_rx.site,
            board.uart_tx.site,
            board.reset.as_ref().map_or("-", |reset| reset.pin.site.as_str()),
            list(leds),
            list(memories),
            number(c.lut),
            number(c.ff),
            number(c.bram),
            number(c.dsp),
        )
        .expect("bug: writing to a string");
    }
    text
}
