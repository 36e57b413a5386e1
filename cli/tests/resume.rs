//! A training run that is killed again and again ends as one that nobody touched.
//!
//! The command runs as a process of its own and gets SIGKILL, which it cannot notice. Where it is
//! hit depends on the machine; the result must not. Every point between two files is gone through
//! in the trainer's own tests.
#![cfg(feature = "train")]

use heartbit_model::{Tensor, TensorFile};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Epochs of the run: more than the kills let pass.
const EPOCHS: usize = 16;

/// When a process is killed, if it has not ended before.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So many milliseconds after its start.
    After(u64),
    /// When it is seen writing any file.
    Writing,
    /// When it is seen to have written a file anew.
    Wrote(&'static str),
    /// When it has recorded so many more epochs.
    Epochs(usize),
}

/// The moments of all kills, in an order that takes the run forwards.
const MOMENTS: [Moment; 17] = [
    Moment::After(0),
    Moment::Wrote("config.json"),
    Moment::Writing,
    Moment::After(11),
    Moment::Wrote("state.safetensors"),
    Moment::Wrote("state.safetensors"),
    Moment::Wrote("checkpoint.safetensors"),
    Moment::Wrote("metrics.jsonl"),
    Moment::Epochs(1),
    Moment::After(173),
    Moment::Writing,
    Moment::Epochs(2),
    Moment::After(97),
    Moment::Wrote("state.safetensors"),
    Moment::After(37),
    Moment::Epochs(1),
    Moment::Writing,
];

/// Starts or resumes the run `run` in a directory.
fn start(directory: &Path) -> Child {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/cifar10-mini");
    let mut command = Command::new(env!("CARGO_BIN_EXE_heartbit"));
    command.arg("train").arg("--data").arg(data).args(["--out", "run"]);
    let epochs = EPOCHS.to_string();
    if directory.join("run/config.json").exists() {
        command.arg("--resume");
    } else {
        command.args(["--method", "recu+ovsw", "--widths", "4,8,16", "--epochs", &epochs]);
        command.args(["--train-images", "40", "--test-images", "20", "--batch", "16"]);
        command.args(["--keep", "2", "--threads", "1"]);
    }
    command.current_dir(directory).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("the command starts")
}

fn finish(child: Child) {
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What a rename onto the file's name changes.
fn identity(path: &Path) -> Option<(u64, i64, i64)> {
    fs::metadata(path).ok().map(|file| (file.ino(), file.mtime(), file.mtime_nsec()))
}

fn is_writing(run: &Path) -> bool {
    let Ok(entries) = fs::read_dir(run) else { return false };
    entries.flatten().any(|entry| entry.file_name().as_encoded_bytes().starts_with(b".heartbit-"))
}

/// Kills a process at a moment. Returns whether it was still running; one that has ended by itself
/// must have succeeded.
fn kill(directory: &Path, moment: Moment) -> bool {
    let run = directory.join("run");
    let of = |name: &str| identity(&run.join(name));
    let before = if let Moment::Wrote(name) = moment { of(name) } else { None };
    let recorded = metrics(&run).len();
    let started = Instant::now();
    let mut child = start(directory);
    while child.try_wait().expect("it is ours").is_none() {
        let now = match moment {
            Moment::After(ms) => started.elapsed() >= Duration::from_millis(ms),
            Moment::Writing => is_writing(&run),
            Moment::Wrote(name) => of(name) != before,
            Moment::Epochs(more) => metrics(&run).len() >= recorded + more,
        };
        if now {
            break;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    child.kill().expect("it is ours");
    let output = child.wait_with_output().expect("it ends");
    let killed = output.status.signal() == Some(9);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(killed || output.status.success(), "{moment:?}: {error}");
    killed
}

/// The epochs' records without times.
fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    let line = |line: &str| {
        let mut record: Value = serde_json::from_str(line).expect("a whole line");
        let record_fields = record.as_object_mut().expect("an object");
        for time in ["seconds", "images_per_second"] {
            record_fields.remove(time).expect("every record has it");
        }
        record
    };
    text.lines().map(line).collect()
}

/// All of the state but its records, which have times, and its settings, which have `--resume`.
fn state(run: &Path) -> (BTreeMap<String, Tensor>, BTreeMap<String, String>) {
    let bytes = fs::read(run.join("state.safetensors")).expect("readable");
    let mut file = TensorFile::from_bytes(&bytes).expect("whole");
    for key in ["records", "config"] {
        file.metadata.remove(key).expect("every state has it");
    }
    (file.tensors, file.metadata.into_iter().collect())
}

/// Names and bytes of all files but those two.
fn files(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(run).expect("readable").map(|entry| entry.expect("readable"));
    let named = entries.map(|entry| {
        let bytes = fs::read(entry.path()).expect("readable");
        (entry.file_name().into_string().expect("UTF-8"), bytes)
    });
    let mut files: BTreeMap<_, _> = named.collect();
    for name in ["metrics.jsonl", "state.safetensors"] {
        files.remove(name).expect("every run has it");
    }
    files
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn run_killed_at_any_moment_resumes_to_the_same_bytes() {
    let (untouched, tormented) = (temporary(), temporary());
    finish(start(untouched.path()));
    let whole = untouched.path().join("run");
    assert_eq!(metrics(&whole).len(), EPOCHS);

    let run = tormented.path().join("run");
    let mut log = Vec::new();
    for moment in MOMENTS {
        let killed = kill(tormented.path(), moment);
        log.push((moment, killed, metrics(&run).len()));
    }
    let hit = log.iter().filter(|(_, killed, _)| *killed).count();
    assert!(hit > 0, "no kill met a running process: {log:?}");
    let inside = log.iter().any(|&(_, killed, done)| killed && (1..EPOCHS).contains(&done));
    assert!(inside, "no kill met a run between its first and its last epoch: {log:?}");

    finish(start(tormented.path()));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    let (expected, found) = (files(&whole), files(&run));
    assert_eq!(names(&found), names(&expected), "{log:?}");
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "`{name}` differs: {log:?}");
    }
    assert_eq!(metrics(&run), metrics(&whole), "{log:?}");
    assert!(state(&run) == state(&whole), "the state differs: {log:?}");
}
