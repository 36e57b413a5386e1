//! One image on one thread: untrained networks on the fast engine, beside PyTorch.

use super::clock::shortest;
use crate::args::{BenchLatencyArgs, Format};
use crate::failure::{Code, Failure, Outcome};
use crate::output::{self, Table, progress, wrapped};
use heartbit_compiler::fold::fold;
use heartbit_compiler::random;
use heartbit_compiler::schedule::{Target, compile};
use heartbit_ir::program::IMAGE_CHANNELS;
use heartbit_model::Arch;
use heartbit_sim::fast::Engine;
use heartbit_sim::kernels::Kernels;
use serde_json::{Value, json};
use std::path::Path;

/// Seed of the weights, on which no time depends.
const SEED: u64 = 1;

pub(crate) fn run(args: &BenchLatencyArgs, format: Format) -> Outcome {
    let peers = args.peer.as_deref().map_or(Ok(Vec::new()), read_peers)?;
    let bar = progress("measure", args.arch.len());
    let mut rows = Vec::new();
    for &arch in &args.arch {
        let peer = peers.iter().filter(|peer| peer.network == arch.to_string());
        let peer = peer.min_by(|a, b| a.milliseconds.total_cmp(&b.milliseconds)).cloned();
        rows.push(measure(arch, args, peer)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let results: Vec<Value> = rows.iter().flat_map(Row::results).collect();
    let isa = kernels(args).isa().to_string();
    let json = json!({ "schema": 1, "isa": isa, "results": results });
    output::result(format, &json, || text(&rows, &isa))
}

fn kernels(args: &BenchLatencyArgs) -> Kernels {
    args.isa.and_then(Kernels::new).unwrap_or_else(Kernels::best)
}

fn measure(arch: Arch, args: &BenchLatencyArgs, peer: Option<Peer>) -> Outcome<Row> {
    let checkpoint =
        random::checkpoint(arch, &arch.published(), SEED).expect("bug: published sizes are valid");
    let parameters: usize = checkpoint.tensors.values().map(|tensor| tensor.data.len()).sum();
    let network = fold(&checkpoint)?;
    let compiled = compile(&network, &Target::sized_for_network(args.array))?;
    let mut engine = Engine::with_kernels(&compiled.program, kernels(args))?;
    let side = checkpoint.sizes.image_side;
    let image: Vec<u8> = (0..=u8::MAX).cycle().take(side * side * IMAGE_CHANNELS).collect();
    let mut work = || {
        let execution = engine.run_logits(&image).expect("bug: an image of the right size");
        std::hint::black_box(execution);
    };
    work();
    let file = network.to_bytes().expect("bug: a folded network can be written");
    Ok(Row {
        arch,
        milliseconds: 1e3 * shortest(args.repetitions, work),
        float_bytes: 4 * parameters,
        bytes: file.len(),
        peer,
    })
}

/// One network.
struct Row {
    arch: Arch,
    milliseconds: f64,
    float_bytes: usize,
    bytes: usize,
    peer: Option<Peer>,
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

impl Row {
    fn results(&self) -> [Value; 2] {
        let (size, float_size) = (megabytes(self.bytes), megabytes(self.float_bytes));
        let peer = self.peer.as_ref();
        [
            json!({
                "name": format!("{}/latency", self.arch),
                "value": self.milliseconds,
                "unit": "ms",
                "peer": peer.map(|peer| &peer.program),
                "peer_value": peer.map(|peer| peer.milliseconds),
                "ratio": peer.map(|peer| self.milliseconds / peer.milliseconds),
            }),
            json!({
                "name": format!("{}/size", self.arch),
                "value": size,
                "unit": "MB",
                "peer": "float32",
                "peer_value": float_size,
                "ratio": size / float_size,
            }),
        ]
    }

    fn cells(&self) -> Vec<String> {
        let (size, float_size) = (megabytes(self.bytes), megabytes(self.float_bytes));
        let peer = |cell: fn(&Self, &Peer) -> String| {
            self.peer.as_ref().map_or("-".to_owned(), |peer| cell(self, peer))
        };
        vec![
            self.arch.to_string(),
            format!("{float_size:.2}"),
            format!("{size:.2}"),
            format!("{:.1}", float_size / size),
            peer(|_, peer| format!("{:.2}", peer.milliseconds)),
            format!("{:.2}", self.milliseconds),
            peer(|row, peer| format!("{:.1}", peer.milliseconds / row.milliseconds)),
        ]
    }
}

fn text(rows: &[Row], isa: &str) -> String {
    let titles = ["network", "float32 MB", "MB", "saving", "float32 ms", "ms", "acceleration"];
    let mut table = Table::new(&titles);
    for row in rows {
        table.row(row.cells());
    }
    let mut peers: Vec<&str> =
        rows.iter().filter_map(|row| Some(&*row.peer.as_ref()?.program)).collect();
    peers.dedup();
    let peer =
        if peers.is_empty() { String::new() } else { format!("; float32 by {}", peers.join("; ")) };
    let settings = format!("one image, one thread, {isa}{peer}");
    format!("{}\n{}\n", table.render(), wrapped(&settings))
}

/// A line of `reference/latency.py`.
#[derive(Clone, Debug)]
struct Peer {
    network: String,
    program: String,
    milliseconds: f64,
}

/// Reads the lines that were measured on one thread; empty lines do not count.
fn read_peers(path: &Path) -> Outcome<Vec<Peer>> {
    let help = "every line is what one call of `reference/latency.py` printed";
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("cannot read the peer's results `{}`", path.display()))
            .help("give `--peer` a file with what `reference/latency.py` printed")
    })?;
    let mut peers = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (peer, threads) = parse(line).map_err(|reason| {
            let place = format!("line {} of `{}`", i + 1, path.display());
            Failure::new(Code::BadInput, format!("{place}: {reason}")).help(help)
        })?;
        peers.extend((threads == 1).then_some(peer));
    }
    Ok(peers)
}

/// Returns the peer and its threads.
fn parse(line: &str) -> Result<(Peer, u64), String> {
    let json: Value = serde_json::from_str(line).map_err(|e| format!("it is not JSON: {e}"))?;
    let text = |name: &str| json[name].as_str().ok_or_else(|| format!("`{name}` has to be a text"));
    let threads = json["threads"].as_u64().ok_or("`threads` has to be a count")?;
    let milliseconds = json["milliseconds"].as_f64().filter(|&v| v > 0.0);
    let variants = [("channels_last", ", channels last"), ("frozen", ", frozen")];
    let variant = variants.iter().find(|(name, _)| json[*name] == true).map_or("", |v| v.1);
    let peer = Peer {
        network: text("network")?.to_owned(),
        program: format!("pytorch {} float32{variant}", text("torch")?),
        milliseconds: milliseconds.ok_or("`milliseconds` has to be a positive number")?,
    };
    Ok((peer, threads))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_thread_are_peers_and_damaged_ones_are_refused() {
        let line = |threads: u64| {
            json!({
                "network": "resnet20", "threads": threads, "milliseconds": 2.5, "torch": "2.9.0",
                "channels_last": true,
            })
            .to_string()
        };
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), [line(1), String::new(), line(2)].join("\n"))
            .expect("writable");
        let peers = read_peers(file.path()).expect("two lines");
        let [peer] = peers.as_slice() else { panic!("{peers:?}") };
        assert_eq!(peer.program, "pytorch 2.9.0 float32, channels last");
        assert!(peer.network == "resnet20" && (peer.milliseconds - 2.5).abs() < 1e-9);
        for (old, new, word) in [
            ("2.5", "0", "`milliseconds`"),
            ("\"threads\":1", "\"threads\":\"one\"", "`threads`"),
            ("\"torch\"", "\"jax\"", "`torch`"),
            ("{", "", "not JSON"),
        ] {
            let reason = parse(&line(1).replace(old, new)).expect_err(word);
            assert!(reason.contains(word), "{reason}");
        }
    }
}
