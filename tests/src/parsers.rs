//! Every parser of files that others may have written, behind one function that takes bytes.
//!
//! A parser gives a value or a typed error, whatever the bytes are: it never panics, hangs or takes
//! memory that the bytes do not pay for. What it accepts is used, as far as a command would use it
//! before an image is there.
//!
//! `fuzz/` runs these functions on bytes that libFuzzer finds, `tests/corpus.rs` on the committed
//! corpus. Not here: `heartbit merge` (`cli/tests/corpus.rs`), settings of training runs
//! (`trainer/tests/corpus.rs`), and files that only a tool of ours writes just before they are read:
//! waveforms, reports of yosys.

mod data;
mod folder;
mod program;

pub use data::{annotations, cifar, image, mnist};
pub use folder::sections;
pub use program::program;

use folder::Folder;
use heartbit_boards::board::Board;
use heartbit_cases::file::CaseFile;
use heartbit_compiler::fold::fold;
use heartbit_compiler::schedule::{Target, compile};
use heartbit_ir::network::Network;
use heartbit_model::Checkpoint;
use heartbit_model::import::{Options, import as import_file};
use heartbit_plot::{landscape, metrics as run_metrics, plot};
use std::path::Path;

/// A parser: name of the target and of its corpus, and what it does with bytes.
pub type Parser = (&'static str, fn(&[u8]));

/// All parsers of this module.
pub const PARSERS: [Parser; 12] = [
    ("annotations", annotations),
    ("board", board),
    ("case", case),
    ("checkpoint", checkpoint),
    ("cifar", cifar),
    ("image", image),
    ("import", import),
    ("metrics", metrics),
    ("mnist", mnist),
    ("network", network),
    ("program", program),
    ("run", run),
];

/// A network file, and the same with lengths and checksum that are right.
pub fn network(bytes: &[u8]) {
    for bytes in [bytes.to_vec(), repaired(bytes)] {
        let Ok(network) = Network::from_bytes(&bytes) else { continue };
        let again = network.to_bytes().expect("bug: what was read is valid");
        let same = Network::from_bytes(&again).expect("bug: what was written is readable");
        assert_eq!(same, network, "bug: a network changes when it is written");
        if is_small(&network) {
            let shape = "2x3x8".parse().expect("an array");
            drop(compile(&network, &Target::sized_for_network(shape)));
        }
    }
}

/// Whether a network compiles in no time.
fn is_small(network: &Network) -> bool {
    let elements = |types: &heartbit_ir::network::ValueType| {
        types.height.saturating_mul(types.width).saturating_mul(types.channels)
    };
    network.ops.len() < 64
        && network.validate().is_ok_and(|types| types.iter().all(|t| elements(t) < 1 << 14))
}

/// Bytes of a network file whose lengths and checksum fit the rest: no fuzzer guesses a checksum.
fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let (prefix, suffix) = (20, 4);
    let Some(rest) = bytes.len().checked_sub(prefix + suffix) else { return bytes };
    let word: [u8; 4] = bytes[8..12].try_into().expect("bug: four bytes");
    let header = u32::from_le_bytes(word).min(u32::try_from(rest).unwrap_or(u32::MAX));
    bytes[8..12].copy_from_slice(&header.to_le_bytes());
    bytes[12..20].copy_from_slice(&(rest as u64 - u64::from(header)).to_le_bytes());
    let end = bytes.len() - suffix;
    let checksum = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// A checkpoint of ours, and the network that it folds into.
pub fn checkpoint(bytes: &[u8]) {
    if let Ok(checkpoint) = Checkpoint::from_bytes(bytes) {
        drop(fold(&checkpoint));
    }
}

/// A checkpoint of PyTorch's: zip archive, pickle, legacy file or tensors.
pub fn import(bytes: &[u8]) {
    if let Ok(imported) = import_file(bytes, "a file", &Options::default()) {
        drop(fold(&imported.checkpoint));
    }
}

/// A board file.
pub fn board(bytes: &[u8]) {
    Folder::with(|folder| {
        folder.write("board.toml", bytes);
        let path = folder.path("board.toml");
        drop(Board::find(path.to_str().expect("bug: a UTF-8 path")));
    });
}

/// A stored case of the fuzzer.
pub fn case(bytes: &[u8]) {
    if let Ok(case) = CaseFile::from_json(bytes) {
        let text = case.to_json();
        assert_eq!(CaseFile::from_json(text.as_bytes()).ok().as_ref(), Some(&case));
        drop(case.build());
        case.is_current();
    }
}

/// The metrics of a training run.
pub fn metrics(bytes: &[u8]) {
    drop(run_metrics::parse(Path::new("metrics.jsonl"), bytes));
}

/// The folder of a training run, in sections, and its figures.
pub fn run(bytes: &[u8]) {
    Folder::with(|folder| {
        folder.clear("run");
        for (name, text) in sections(bytes) {
            if ["metrics.jsonl", "config.json", "landscape.json"].contains(&name) {
                folder.write(&format!("run/{name}"), text);
            }
        }
        let run = folder.path("run");
        drop(landscape::read(&run.join("landscape.json")));
        drop(plot(&[run], &folder.path("plots"), heartbit_plot::Options::default()));
    });
}
