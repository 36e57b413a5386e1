//! What `reference/bench.py` measured: one JSON object a line.

use super::report::median;
use crate::failure::{Code, Failure, Outcome};
use serde_json::Value;
use std::path::Path;

/// What has to be the same for a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) network: String,
    pub(super) method: String,
    pub(super) batch: u64,
    pub(super) threads: u64,
    /// Whether a GPU computes; which one is the measurer's business.
    pub(super) gpu: bool,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Peer {
    pub(super) settings: Settings,
    /// Name, version and variant of the program.
    pub(super) program: String,
    /// Images a second in the best window.
    pub(super) best: f64,
    /// Images a second in the median window.
    pub(super) median: f64,
    /// Largest resident memory.
    pub(super) peak_mib: f64,
}

/// Reads a file; empty lines do not count.
pub(super) fn read(path: &Path) -> Outcome<Vec<Peer>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("cannot read the peer's results `{}`", path.display()))
            .help("give `--peer` a file with what `reference/bench.py` printed")
    })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let peers = lines.map(|(i, line)| {
        parse(line).map_err(|reason| {
            let place = format!("line {} of `{}`", i + 1, path.display());
            Failure::new(Code::BadInput, format!("{place}: {reason}"))
                .help("every line is what one call of `reference/bench.py` printed")
        })
    });
    peers.collect()
}

/// The fastest of the lines with these settings.
pub(super) fn fastest<'a>(peers: &'a [Peer], settings: &Settings) -> Option<&'a Peer> {
    let same = peers.iter().filter(|peer| peer.settings == *settings);
    same.max_by(|a, b| a.best.total_cmp(&b.best))
}

fn parse(line: &str) -> Result<Peer, String> {
    let json: Value = serde_json::from_str(line).map_err(|e| format!("it is not JSON: {e}"))?;
    let text = |name: &str| {
        json[name].as_str().map(str::to_owned).ok_or(format!("`{name}` has to be a text"))
    };
    let whole = |name: &str| json[name].as_u64().ok_or(format!("`{name}` has to be a count"));
    let positive = |name: &str| {
        let value = json[name].as_f64().filter(|v| *v > 0.0);
        value.ok_or(format!("`{name}` has to be a positive number"))
    };
    let windows = json["windows"].as_array().and_then(|values| {
        values.iter().map(|v| v.as_f64().filter(|v| *v > 0.0)).collect::<Option<Vec<f64>>>()
    });
    let median = windows.as_deref().and_then(median);
    let mut program = format!("pytorch {}", text("torch")?);
    for (name, variant) in [("channels_last", ", channels last"), ("compile", ", compiled")] {
        if json[name] == true {
            program += variant;
        }
    }
    Ok(Peer {
        settings: Settings {
            network: text("network")?,
            method: text("method")?,
            batch: whole("batch")?,
            threads: whole("threads")?,
            gpu: match &json["device"] {
                Value::Null => false, // a line of before there was a choice
                Value::String(device) if device == "cpu" => false,
                Value::String(device) if device == "gpu" => true,
                _ => return Err("`device` has to be `cpu` or `gpu`".to_owned()),
            },
        },
        program,
        best: positive("images_per_second")?,
        median: median.ok_or("`windows` has to be a list of positive numbers")?,
        peak_mib: positive("peak_rss_mib")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(threads: u64, speed: f64, compile: bool) -> String {
        serde_json::json!({
            "network": "resnet20", "method": "recu", "batch": 256, "threads": threads,
            "channels_last": false, "compile": compile, "images_per_second": speed,
            "images_per_cpu_second": 9.0, "windows": [1.0, speed, 2.0], "load_average": 0.1,
            "peak_rss_mib": 900, "torch": "2.9.0+cpu", "cpu": "a processor",
        })
        .to_string()
    }

    fn settings(threads: u64) -> Settings {
        let (network, method) = ("resnet20".into(), "recu".into());
        Settings { network, method, batch: 256, threads, gpu: false }
    }

    #[test]
    fn fastest_line_with_the_same_settings_is_the_peer() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let lines =
            [line(2, 50.0, false), String::new(), line(2, 60.0, true), line(1, 90.0, false)];
        std::fs::write(file.path(), lines.join("\n")).expect("writable");
        let peers = read(file.path()).expect("three lines");
        let peer = fastest(&peers, &settings(2)).expect("two lines");
        assert_eq!(peer.program, "pytorch 2.9.0+cpu, compiled");
        assert_eq!((peer.best, peer.median, peer.peak_mib), (60.0, 2.0, 900.0));
        assert_eq!(fastest(&peers, &settings(3)), None);
        assert_eq!(fastest(&peers, &Settings { gpu: true, ..settings(2) }), None);
    }

    #[test]
    fn damaged_lines_are_refused_by_what_is_wrong_with_them() {
        for (old, new, word) in [
            ("\"batch\":256", "\"batch\":\"all\"", "`batch`"),
            ("[1.0,50.0,2.0]", "[]", "`windows`"),
            ("\"images_per_second\":50.0", "\"images_per_second\":0", "`images_per_second`"),
            ("\"torch\"", "\"jax\"", "`torch`"),
            ("\"batch\"", "\"device\":\"tpu\",\"batch\"", "`device`"),
            ("{", "", "not JSON"),
        ] {
            let damaged = line(2, 50.0, false).replace(old, new);
            let reason = parse(&damaged).expect_err(word);
            assert!(reason.contains(word), "{reason}");
        }
        assert!(parse(&line(2, 50.0, false)).is_ok());
    }
}
