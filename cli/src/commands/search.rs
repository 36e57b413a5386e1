//! `search`: every array for a network and an FPGA, and the Pareto front of them.

use crate::args::{Format, SearchArgs, port};
use crate::failure::{Code, Failure, Outcome};
use crate::fpga::Fpga;
use crate::inputs;
use crate::output::{self, Table, check_writable, grouped, percent, progress};
use heartbit_compiler::resources::Area;
use heartbit_compiler::schedule::ScheduleError;
use heartbit_compiler::search::fit::shortages;
use heartbit_compiler::search::front::front;
use heartbit_compiler::search::{Candidate, Found, PortOf, Space, search as search_space};
use heartbit_ir::network::Network;
use heartbit_ir::program::ArrayShape;
use heartbit_plot::front::{FrontPlot, Series};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A network with what was found for it.
struct Searched {
    path: PathBuf,
    name: String,
    arch: String,
    accuracy: Option<f64>,
    found: Found,
}

/// A point of the front.
struct Point<'a> {
    of: &'a Searched,
    candidate: &'a Candidate,
    images_per_second: f64,
}

const PLOT_HELP: &str = "give `--plot` a file in a place that you may write to";

pub(crate) fn run(args: &SearchArgs, format: Format) -> Outcome {
    if !args.accuracy.is_empty() && args.accuracy.len() != args.models.len() {
        let (n, m) = (args.accuracy.len(), args.models.len());
        return Err(Failure::new(Code::Usage, format!("{n} accuracies for {m} models"))
            .help("give `--accuracy` one share for each MODEL, in their order"));
    }
    if let Some(path) = &args.plot {
        check_writable(path).map_err(|failure| failure.help(PLOT_HELP))?;
    }
    let mut fpga = Fpga::new(&args.fpga)?;
    args.around.on(&args.fpga, Some(&mut fpga))?;
    let axi = args.around.axi();
    let port =
        |shape: &ArrayShape| args.port.port(*shape, Some(fpga.clock_mhz), axi).ok().flatten();
    let mut searched = Vec::new();
    for (i, path) in args.models.iter().enumerate() {
        let network = inputs::network(path)?;
        searched.push(Searched {
            path: path.clone(),
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            arch: network.arch.clone(),
            accuracy: args.accuracy.get(i).copied(),
            found: search(&network, &fpga, &port)?,
        });
    }
    if let Some(failure) = nothing_fits(&searched, &fpga) {
        return Err(failure);
    }
    let points = points(&searched, &fpga);
    if let Some(path) = &args.plot {
        plot(path, &searched, &points, &fpga)?;
    }
    output::result(format, &to_json(&searched, &points, &fpga), || {
        let text = to_text(&searched, &points, &fpga);
        match &args.plot {
            Some(path) => text + &format!("wrote {}\n", path.display()),
            None => text,
        }
    })
}

/// Looks at the whole space for a network.
pub(crate) fn search(network: &Network, fpga: &Fpga, port: &PortOf<'_>) -> Outcome<Found> {
    let space = Space::default();
    let bar = progress("arrays", space.shapes().len());
    let found = search_space(network, &space, &fpga.budget(), port, || bar.inc(1));
    bar.finish_and_clear();
    Ok(found.map_err(ScheduleError::from)?)
}

/// The fastest array for a network that fits with all layers whole, or else any that fits.
pub(crate) fn best(network: &Network, fpga: &Fpga) -> Outcome<Candidate> {
    let found = search(network, fpga, &|_| None)?;
    let best = found.fitting.iter().find(|c| c.is_plain()).or(found.best());
    best.cloned().ok_or_else(|| none_fits(&found, fpga))
}

/// The error where no array fits for any of the networks.
fn nothing_fits(searched: &[Searched], fpga: &Fpga) -> Option<Failure> {
    if searched.iter().any(|s| !s.found.fitting.is_empty()) {
        return None;
    }
    searched.first().map(|s| none_fits(&s.found, fpga))
}

/// The error of a search without a result: the array that comes closest, and what it lacks.
pub(crate) fn none_fits(found: &Found, fpga: &Fpga) -> Failure {
    let Some(closest) = &found.closest else {
        return Failure::new(Code::DoesNotFit, "no array has a schedule for the network")
            .help("the layers that the array supports are listed in docs/semantics.md");
    };
    let short = shortages(&closest.area, &fpga.capacity);
    let help = "no array of the space fits, in bands neither, and with all layers whole this one \
                comes closest: take a larger board or a smaller network, or stream the weights that do \
                not fit (`--weight-bandwidth`)";
    fpga.does_not_fit(&closest.array, &closest.depths, &short, help)
}

/// The flags with which `compile` makes an array.
fn flags(c: &Candidate, fpga: &Fpga) -> Vec<String> {
    let Candidate { array: a, port, .. } = c;
    let own = [
        ("--array", format!("{}x{}x{}", a.rows, a.cols, a.lanes)),
        ("--taps", a.taps.to_string()),
        ("--lines", a.lines.to_string()),
    ];
    let own = own.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
    let port = port.iter().flat_map(port::flags);
    own.chain(port).chain(fpga.flags.iter().cloned()).collect()
}

/// The front over all networks, in their order and fastest first.
#[expect(clippy::cast_precision_loss, reason = "cells are far below 2^53")]
fn points<'a>(searched: &'a [Searched], fpga: &Fpga) -> Vec<Point<'a>> {
    let all: Vec<Point<'a>> = searched
        .iter()
        .flat_map(|of| {
            let point = |candidate: &'a Candidate| Point {
                of,
                candidate,
                images_per_second: candidate.images_per_second(fpga.clock_mhz * 1e6),
            };
            of.found.front().into_iter().map(point).collect::<Vec<_>>()
        })
        .collect();
    let costs: Vec<Vec<f64>> = all
        .iter()
        .map(|p| {
            let inaccuracy = p.of.accuracy.map_or(0.0, |accuracy| -accuracy);
            vec![-p.images_per_second, p.candidate.area.lut as f64, inaccuracy]
        })
        .collect();
    let kept = front(&costs);
    let kept = |i: &usize| kept.binary_search(i).is_ok();
    all.into_iter().enumerate().filter(|(i, _)| kept(i)).map(|(_, p)| p).collect()
}

fn to_json(searched: &[Searched], points: &[Point<'_>], fpga: &Fpga) -> Value {
    let models: Vec<Value> = searched
        .iter()
        .map(|s| {
            json!({
                "name": s.name, "arch": s.arch, "accuracy": s.accuracy,
                "arrays": s.found.scheduled, "fitting": s.found.fitting.len(),
                "beaten": s.found.beaten,
                "best": s.found.best().map(|c| candidate_json(c, fpga)),
            })
        })
        .collect();
    let front: Vec<Value> = points
        .iter()
        .map(|p| {
            let mut value = candidate_json(p.candidate, fpga);
            value["model"] = json!(p.of.name);
            value["accuracy"] = json!(p.of.accuracy);
            value
        })
        .collect();
    json!({
        "schema": 1, "fpga": fpga.json(), "model_error": fpga.model.error(), "models": models,
        "front": front,
    })
}

fn candidate_json(c: &Candidate, fpga: &Fpga) -> Value {
    json!({
        "array": c.array, "memories": c.depths, "cycles": c.cycles,
        "cycles_back_to_back": c.rhythm.cycles_per_image(),
        "images_per_second": c.images_per_second(fpga.clock_mhz * 1e6), "area": c.area,
        "bands": c.bands, "streamed_layers": c.streamed,
        "weight_port": c.port.as_ref().map(|port| json!({
            "cols": port.cols, "latency": port.slots.latency,
            "slots": port.slots.pattern.iter().filter(|slot| **slot).count(),
            "pattern_cycles": port.slots.pattern.len(),
        })),
        "compile": flags(c, fpga),
    })
}

fn to_text(searched: &[Searched], points: &[Point<'_>], fpga: &Fpga) -> String {
    let looked = searched.iter().map(|s| {
        let count = |n: usize| grouped(n as u64);
        let Found { scheduled, fitting, beaten, .. } = &s.found;
        let (all, fit) = (count(*scheduled), count(fitting.iter().filter(|c| c.is_plain()).count()));
        let more = fitting.iter().filter(|c| !c.is_plain()).count();
        let more = match (more, beaten) {
            (0, 0) => String::new(),
            (more, beaten) => format!(
                ", {} more in bands or\nwith streamed weights, {} left alone that others beat at their best",
                count(more),
                count(*beaten)
            ),
        };
        format!("{} ({}): {fit} of {all} arrays fit{more}\n", s.name, s.arch)
    });
    let fastest = points.first().map(|point| command(point, fpga));
    let marks = if points.iter().all(|p| p.candidate.is_plain()) {
        " "
    } else {
        "\nB layers in bands, S layers with streamed weights;\n"
    };
    format!(
        "{}, {} at {} MHz\n{}\n{}\nT lane groups, Q lines of a tile;{marks}LUT are {}, block RAM {};\n\
         {}\n{}",
        fpga.name,
        fpga.family(),
        fpga.clock_mhz,
        looked.collect::<String>(),
        table(searched, points).render(),
        fpga.family().logic_unit(),
        fpga.family().bram_unit(),
        output::wrapped(&fpga.model_note()),
        fastest.unwrap_or_default(),
    )
}

/// The command that makes the array of a point.
fn command(point: &Point<'_>, fpga: &Fpga) -> String {
    let mut lines = vec![format!("  heartbit compile {}", point.of.path.display())];
    let out = ["--out", "BUILD"].map(str::to_owned);
    let flags: Vec<String> = flags(point.candidate, fpga).into_iter().chain(out).collect();
    for flag in flags.chunks(2) {
        let flag = flag.join(" ");
        let last = lines.last_mut().expect("bug: a line");
        // With room for a backslash.
        if last.len() + flag.len() + 3 > LINE {
            last.push_str(" \\");
            lines.push(format!("      {flag}"));
        } else {
            *last = format!("{last} {flag}");
        }
    }
    format!("the fastest:\n{}\n", lines.join("\n"))
}

/// Columns of a terminal.
const LINE: usize = 80;

fn table(searched: &[Searched], points: &[Point<'_>]) -> Table {
    let many = searched.len() > 1;
    let known = searched.iter().any(|s| s.accuracy.is_some());
    let plain = points.iter().all(|p| p.candidate.is_plain());
    let mut titles = vec!["array", "T", "Q"];
    if many {
        titles.insert(0, "model");
    }
    if !plain {
        titles.extend(["B", "S"]);
    }
    titles.extend(["cycles", "images/s", "LUT", "FF", "block RAM", "DSP"]);
    if known {
        titles.push("accuracy");
    }
    let mut table = Table::new(&titles);
    for point in points {
        table.row(row(point, many, known, plain));
    }
    table
}

fn row(point: &Point<'_>, many: bool, known: bool, plain: bool) -> Vec<String> {
    let Candidate { array: a, cycles, area, bands, streamed, .. } = point.candidate;
    let Area { lut, ff, bram, dsp } = *area;
    let mut cells =
        vec![format!("{}x{}x{}", a.rows, a.cols, a.lanes), a.taps.to_string(), a.lines.to_string()];
    if many {
        cells.insert(0, point.of.name.clone());
    }
    if !plain {
        // Nothing rather than 0, so that the exceptions stand out.
        let in_bands = bands.map_or(0, |bands| bands.last + 1 - bands.first);
        let count = |n: usize| if n == 0 { String::new() } else { n.to_string() };
        cells.extend([count(in_bands), count(*streamed)]);
    }
    cells.extend([grouped(*cycles), format!("{:.1}", point.images_per_second)]);
    cells.extend([lut, ff, bram, dsp].map(grouped));
    if known {
        cells.push(point.of.accuracy.map_or_else(|| "-".to_owned(), percent));
    }
    cells
}

#[expect(clippy::cast_precision_loss, reason = "cells are far below 2^53")]
fn plot(path: &Path, searched: &[Searched], points: &[Point<'_>], fpga: &Fpga) -> Outcome {
    let series = searched.iter().map(|s| {
        let mine = points.iter().filter(|p| std::ptr::eq(p.of, s));
        let accuracy = s.accuracy.map_or(String::new(), |a| format!(", {}", percent(a)));
        Series {
            name: format!("{}{accuracy}", s.name),
            points: mine.map(|p| (p.candidate.area.lut as f64, p.images_per_second)).collect(),
        }
    });
    let figure = FrontPlot {
        caption: format!(
            "Arrays on {} at {} MHz than which no other is as fast and as small.",
            fpga.name, fpga.clock_mhz
        ),
        x: fpga.family().logic_unit().to_owned(),
        y: "images/s".to_owned(),
        series: series.collect(),
    };
    heartbit_plot::front::write(path, &figure)
        .map_err(|error| Failure::from_error(Code::BadInput, error).help(PLOT_HELP))
}
