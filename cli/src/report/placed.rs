//! What place-and-route made of a build, as the report has it.

use super::ladder::parse;
use crate::failure::Outcome;
use heartbit_boards::board::Board;
use heartbit_boards::catalogue::Record;
use heartbit_boards::pnr::{SlowestPath, Use};
use heartbit_compiler::build::Build;
use heartbit_compiler::resources::{Area, Design, Model, Wrapper};
use heartbit_report as page;
use serde_json::Value;

/// The last run of `pnr`, whose JSON is given.
pub(super) fn placed(build: &Build, result: &Value) -> Outcome<page::Placed> {
    let record: Record = parse("pnr", result)?;
    let area = estimate(build, &record.board);
    let resource = |name: &str, used: &Use, of: fn(&Area) -> u64| page::PlacedResource {
        name: name.to_owned(),
        cell: used.cell.clone(),
        estimated: area.as_ref().map(of),
        used: used.used,
        available: used.available,
    };
    let report = &record.report;
    let clocks = report.clocks.iter().map(|clock| page::PlacedClock {
        name: clock.clock.clone(),
        reached_mhz: clock.fmax_mhz,
        asked_mhz: clock.constraint_mhz,
    });
    Ok(page::Placed {
        resources: vec![
            resource("logic", &report.lut, |area| area.lut),
            resource("flip-flops", &report.ff, |area| area.ff),
            resource("block memories", &report.ram, |area| area.bram),
            resource("multipliers", &report.dsp, |area| area.dsp),
        ],
        clocks: clocks.collect(),
        slowest: report.slowest.as_ref().map(path),
        board: record.board,
        device: record.device,
        seed: record.seed,
        bitstream: record.bitstream,
        tools: record.tools,
    })
}

/// What the resource model says of the array behind its link on a built-in board; a user's file may be gone.
fn estimate(build: &Build, board: &str) -> Option<Area> {
    let family = Board::find(board).ok()?.model?;
    let program = &build.compiled.program;
    let (array, depths) = (program.array, program.depths);
    Some(Model::of(family).area(&Design { array, depths, wrapper: Wrapper::Uart }))
}

fn path(slowest: &SlowestPath) -> String {
    format!(
        "The slowest path has {:.2} ns of logic and {:.2} ns of wires, from {} to {}",
        slowest.logic_ns, slowest.routing_ns, slowest.from, slowest.to
    )
}
