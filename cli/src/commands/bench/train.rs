//! `bench train`: the training step, each network in a process of its own.

use super::peer::{self, Peer, Settings};
use super::report::{self, Entry, PeerValue, best, median};
use crate::args::{BenchTrainArgs, Format};
use crate::commands::train::failure;
use crate::failure::{Code, Failure, Outcome};
use crate::output::{self, print};
use heartbit_model::Arch;
use heartbit_trainer::TrainConfig;
use heartbit_trainer::bench::{StepBench, published};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

/// What one process found out.
struct Measured {
    /// Images a second of each window.
    windows: Vec<f64>,
    /// Largest resident memory of the process.
    peak_mib: Option<f64>,
}

pub(crate) fn run(args: &BenchTrainArgs, format: Format) -> Outcome {
    let threads = threads(args)?;
    for &arch in &args.arch {
        config(args, arch, threads).validate().map_err(failure)?;
    }
    if args.in_this_process {
        return print(&(measure(args, args.arch[0], threads)?.to_json().to_string() + "\n"));
    }
    let peers = args.peer.as_deref().map_or(Ok(Vec::new()), peer::read)?;
    let bar = output::progress("networks", args.arch.len());
    let (mut entries, mut alone) = (Vec::new(), Vec::new());
    for &arch in &args.arch {
        let measured = in_own_process(args, arch, threads)?;
        let found = peer::fastest(&peers, &settings(args, arch, threads));
        if found.is_none() {
            alone.push(arch.name());
        }
        entries.extend(entries_of(arch, &measured, found));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let json = json!({
        "method": args.method.name(), "batch": args.batch, "threads": threads,
        "device": args.device, "steps": args.steps, "windows": args.windows, "warmup": args.warmup,
    });
    output::result(format, &report::to_json(&entries, &json), || {
        let mut text = title(args, threads) + &report::to_text(&entries);
        if args.peer.is_some() && !alone.is_empty() {
            text += "note: the peer's file has no line with these settings for ";
            text += &(alone.join(", ") + "\n");
        }
        text
    })
}

fn title(args: &BenchTrainArgs, threads: usize) -> String {
    format!(
        "method {}, batch {}, device {}, threads {threads}, windows {} of steps {} after {}\n",
        args.method.name(),
        args.batch,
        args.device,
        args.windows,
        args.steps,
        args.warmup
    )
}

/// The threads in use, which a line of the peer has to name.
fn threads(args: &BenchTrainArgs) -> Outcome<usize> {
    if args.threads > 0 {
        return Ok(args.threads);
    }
    let found = std::thread::available_parallelism().map_err(|error| {
        Failure::from_error(Code::Usage, error)
            .context("cannot tell the number of processors")
            .help("give `--threads`")
    })?;
    Ok(found.get())
}

fn settings(args: &BenchTrainArgs, arch: Arch, threads: usize) -> Settings {
    Settings {
        network: arch.name().to_owned(),
        method: args.method.name().to_owned(),
        batch: args.batch as u64,
        threads: threads as u64,
        gpu: args.device != "cpu",
    }
}

fn config(args: &BenchTrainArgs, arch: Arch, threads: usize) -> TrainConfig {
    let device = args.device.clone();
    TrainConfig { batch: args.batch, threads, device, ..published(arch, args.method) }
}

/// Measures one network here.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn measure(args: &BenchTrainArgs, arch: Arch, threads: usize) -> Outcome<Measured> {
    let config = config(args, arch, threads);
    let mut bench = StepBench::new(&config).map_err(failure)?;
    bench.run(args.warmup).map_err(failure)?;
    let images = (args.steps * args.batch) as f64;
    let windows = (0..args.windows)
        .map(|_| Ok(images / bench.run(args.steps).map_err(failure)?.as_secs_f64()));
    Ok(Measured { windows: windows.collect::<Outcome<_>>()?, peak_mib: peak_mib() })
}

/// The largest resident memory of this process so far; `None` on systems other than Linux.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Starts this program anew for one network, and reads the line that it prints.
fn in_own_process(args: &BenchTrainArgs, arch: Arch, threads: usize) -> Outcome<Measured> {
    let failed = |failure: Failure| {
        failure
            .context(format!("cannot measure `{}` in a process of its own", arch.name()))
            .help("if it was killed, memory ran out: give a smaller `--batch`")
    };
    let system = |error| failed(Failure::from_error(Code::OutsideTool, error));
    let program = std::env::current_exe().map_err(system)?;
    let mut command = Command::new(program);
    command.args(["bench", "train", "--in-this-process", "--arch", arch.name()]);
    command.args(["--method", args.method.name(), "--device", &args.device]);
    for (flag, value) in [
        ("--batch", args.batch),
        ("--threads", threads),
        ("--steps", args.steps),
        ("--windows", args.windows),
        ("--warmup", args.warmup),
    ] {
        command.args([flag, &value.to_string()]);
    }
    let output = command.stderr(Stdio::inherit()).output().map_err(system)?;
    if !output.status.success() {
        let message = format!("the process ended with {}", output.status);
        return Err(failed(Failure::new(Code::OutsideTool, message)));
    }
    Ok(Measured::from_json(&output.stdout).expect("bug: the process prints what this one reads"))
}

impl Measured {
    fn to_json(&self) -> Value {
        json!({ "windows": self.windows, "peak_mib": self.peak_mib })
    }

    fn from_json(bytes: &[u8]) -> Option<Self> {
        let json: Value = serde_json::from_slice(bytes).ok()?;
        let windows = json["windows"].as_array()?.iter().map(Value::as_f64);
        Some(Self { windows: windows.collect::<Option<_>>()?, peak_mib: json["peak_mib"].as_f64() })
    }
}

fn entries_of(arch: Arch, measured: &Measured, peer: Option<&Peer>) -> [Entry; 3] {
    let entry = |part: &str, value, unit, theirs: fn(&Peer) -> f64| Entry {
        name: format!("train/{}{part}", arch.name()),
        value,
        unit,
        peer: peer.map(|p| PeerValue { program: p.program.clone(), value: theirs(p) }),
    };
    [
        entry("", best(&measured.windows), "images/s", |p| p.best),
        entry("/median", median(&measured.windows), "images/s", |p| p.median),
        entry("/peak", measured.peak_mib, "MiB", |p| p.peak_mib),
    ]
}
