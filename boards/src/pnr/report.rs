//! What nextpnr reports: cells, clocks, and the slowest path, as its JSON file and its log have them.
//!
//! Not here: a judgement; [`Report::met`] compares with the constraints that the tool was given.

use heartbit_compiler::resources::Family;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much of a kind of cell is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The kind, as the tool names it.
    pub cell: String,
    /// How many are used.
    pub used: u64,
    /// How many there are.
    pub available: u64,
}

/// A clock, and how fast it could be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClockTiming {
    /// Its net.
    pub clock: String,
    /// The highest frequency, in MHz.
    pub fmax_mhz: f64,
    /// The frequency that was asked for, in MHz.
    pub constraint_mhz: f64,
}

/// The slowest path between registers of a clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlowestPath {
    /// The cell where it begins.
    pub from: String,
    /// The cell where it ends.
    pub to: String,
    /// Delay of logic, setup included, in ns.
    pub logic_ns: f64,
    /// Delay of wires, in ns.
    pub routing_ns: f64,
}

/// What a run of place-and-route says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Look-up tables, or logic cells where one holds a table and a flip-flop.
    pub lut: Use,
    /// Flip-flops.
    pub ff: Use,
    /// Block memories.
    pub ram: Use,
    /// Multipliers.
    pub dsp: Use,
    /// Clocks, by name.
    pub clocks: Vec<ClockTiming>,
    /// The slowest path.
    pub slowest: Option<SlowestPath>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    critical_paths: Vec<FilePath>,
    fmax: BTreeMap<String, FileClock>,
    utilization: BTreeMap<String, FileUse>,
}

#[derive(Deserialize)]
struct FilePath {
    from: String,
    to: String,
    path: Vec<FileDelay>,
}

#[derive(Deserialize)]
struct FileDelay {
    delay: f64,
    from: FileCell,
    to: FileCell,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct FileCell {
    cell: String,
}

#[derive(Deserialize)]
struct FileClock {
    achieved: f64,
    constraint: f64,
}

#[derive(Clone, Copy, Deserialize)]
struct FileUse {
    available: u64,
    used: u64,
}

/// Kinds of cells: tables, flip-flops, block memories, multipliers. A carry cell of Gowin takes the
/// place of a table, so both are counted together; nextpnr-ice40 has no count of flip-flops.
fn kinds(family: Family) -> [&'static [&'static str]; 4] {
    match family {
        Family::Ice40 => [&["ICESTORM_LC"], &[], &["ICESTORM_RAM"], &["ICESTORM_DSP"]],
        Family::Ecp5 => [&["TRELLIS_COMB"], &["TRELLIS_FF"], &["DP16KD"], &["MULT18X18D"]],
        Family::Gowin | Family::Xc7 => [&["LUT4", "ALU"], &["DFF"], &["BSRAM"], &["MULT18X18"]],
    }
}

impl Report {
    /// Reads a report, and of the log what it lacks.
    ///
    /// # Errors
    /// What is wrong with the report.
    pub fn read(family: Family, json: &str, log: &str) -> Result<Self, String> {
        let file: File = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let [lut, ff, ram, dsp] = kinds(family).map(|kinds| count(&file.utilization, kinds));
        let lut = lut.ok_or("it has no count of look-up tables")?;
        let ram = ram.ok_or("it has no count of block memories")?;
        let none = |cell: &str| Use { cell: cell.to_owned(), used: 0, available: 0 };
        let ff = if let Some(ff) = ff {
            ff
        } else {
            let used = packed_ffs(log).ok_or("its log has no count of flip-flops")?;
            Use { cell: "DFF".to_owned(), used, available: lut.available }
        };
        let clocks = file.fmax.iter().map(|(clock, timing)| ClockTiming {
            clock: plain(clock).to_owned(),
            fmax_mhz: timing.achieved,
            constraint_mhz: timing.constraint,
        });
        Ok(Self {
            lut,
            ff,
            ram,
            dsp: dsp.unwrap_or_else(|| none("DSP")),
            clocks: clocks.collect(),
            slowest: slowest(&file.critical_paths),
        })
    }

    /// Whether every clock is as fast as was asked for.
    pub fn met(&self) -> bool {
        self.clocks.iter().all(|clock| clock.fmax_mhz >= clock.constraint_mhz)
    }

    /// The clock of the array.
    pub fn array_clock(&self) -> Option<&ClockTiming> {
        // Newer versions of yosys name the net as the link inside does.
        self.clocks.iter().find(|clock| clock.clock.rsplit('.').next() == Some("clock"))
    }
}

fn count(uses: &BTreeMap<String, FileUse>, kinds: &[&str]) -> Option<Use> {
    let cell = (*kinds.first()?).to_owned();
    let available = uses.get(&cell)?.available;
    let used = kinds.iter().filter_map(|kind| uses.get(*kind)).map(|u| u.used).sum();
    Some(Use { cell, used, available })
}

/// The name that a net has in the source.
fn plain(net: &str) -> &str {
    let net = net.strip_prefix("$glbnet$").unwrap_or(net);
    net.strip_suffix("_$glb_clk").or_else(|| net.strip_suffix("$SB_IO_IN")).unwrap_or(net)
}

fn slowest(paths: &[FilePath]) -> Option<SlowestPath> {
    let delay = |path: &FilePath| path.path.iter().map(|step| step.delay).sum::<f64>();
    let path = paths
        .iter()
        .filter(|path| path.from == path.to && path.from.starts_with("posedge"))
        .max_by(|a, b| delay(a).total_cmp(&delay(b)))?;
    let routing_ns = path.path.iter().filter(|s| s.kind == "routing").map(|s| s.delay).sum();
    Some(SlowestPath {
        from: path.path.first()?.from.cell.clone(),
        to: path.path.last()?.to.cell.clone(),
        logic_ns: delay(path) - routing_ns,
        routing_ns,
    })
}

/// The flip-flops that the log of nextpnr-ice40 counts while it packs.
fn packed_ffs(log: &str) -> Option<u64> {
    let count = |what: &str| -> Option<u64> {
        let line = log.lines().find(|line| line.ends_with(what))?;
        line.trim_start_matches("Info:").split_whitespace().next()?.parse().ok()
    };
    Some(count("LCs used as LUT4 and DFF")? + count("LCs used as DFF only")?)
}

/// The cells that are short, by the table of the log; nextpnr gives up before it writes a report.
pub(super) fn shortages(log: &str) -> Vec<Use> {
    let row = |line: &str| -> Option<Use> {
        let (cell, counts) = line.strip_prefix("Info:")?.trim().split_once(':')?;
        let (used, rest) = counts.trim().split_once('/')?;
        let available = rest.split_whitespace().next()?.parse().ok()?;
        Some(Use { cell: cell.to_owned(), used: used.trim().parse().ok()?, available })
    };
    let after = log.lines().skip_while(|line| !line.contains("Device utilisation:"));
    let table = after.skip(1).map_while(row);
    table.filter(|u| u.used > u.available).collect()
}

#[cfg(test)]
mod tests;
