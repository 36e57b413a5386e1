//! The committed corpus through every parser: a value or a typed error, never a panic.
//!
//! Beside each file a few hundred damaged copies, always the same ones. What libFuzzer finds beyond
//! them is what `scripts/fuzz.sh` runs for.

use heartbit_tests::parsers::PARSERS;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Damaged copies of a file.
const COPIES: usize = 150;
/// Targets whose parsers are elsewhere, with their corpus tests.
const ELSEWHERE: [&str; 2] = ["merge", "settings"];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn files(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = fuzz().join("corpus").join(target);
    let entries = fs::read_dir(&directory).unwrap_or_else(|e| panic!("{target}: {e}"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("readable"))).collect()
}

/// Cuts, flips, repeats or overwrites a part of the bytes.
fn damaged(bytes: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    for _ in 0..rng.random_range(1..=3) {
        if copy.is_empty() {
            return copy;
        }
        let at = rng.random_range(0..copy.len());
        match rng.random_range(0..5) {
            0 => copy.truncate(at),
            1 => copy[at] ^= 1 << rng.random_range(0..8),
            2 => copy[at] = [0, 0xff, b'9', b'-', b'"'][rng.random_range(0..5)],
            3 => drop(copy.drain(at..(at + rng.random_range(1..9)).min(copy.len()))),
            _ => {
                let part = copy[at..(at + 9).min(copy.len())].to_vec();
                copy.splice(at..at, part);
            }
        }
        copy.truncate(2 * bytes.len());
    }
    copy
}

#[test]
fn corpus_files_and_damaged_copies_are_values_or_errors() {
    for (target, parse) in PARSERS {
        let files = files(target);
        assert!(files.len() >= 2, "{target} has {} files", files.len());
        for (path, bytes) in files {
            assert!(bytes.len() < 64 << 10, "{} is large", path.display());
            parse(&bytes);
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            (0..COPIES).for_each(|_| parse(&damaged(&bytes, &mut rng)));
        }
    }
}

#[test]
fn every_target_has_a_parser_a_program_and_a_corpus() {
    let names = |directory: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(fuzz().join(directory)).expect("readable");
        let path = |entry: std::io::Result<fs::DirEntry>| entry.expect("readable").path();
        let stem = |path: PathBuf| path.file_stem().map(|s| s.to_string_lossy().into_owned());
        entries.filter_map(|entry| stem(path(entry))).collect()
    };
    let parsers = PARSERS.iter().map(|(name, _)| *name).chain(ELSEWHERE);
    let parsers: BTreeSet<String> = parsers.map(str::to_owned).collect();
    assert_eq!(parsers.len(), PARSERS.len() + ELSEWHERE.len());
    assert_eq!(names("fuzz_targets"), parsers);
    assert_eq!(names("corpus"), parsers);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("readable");
    for name in &parsers {
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "`{name}` is no program");
    }
}
