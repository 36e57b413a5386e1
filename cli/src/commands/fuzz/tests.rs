//! The way of a failure, with an engine that is wrong on purpose: found, made smaller, stored,
//! replayed, exit code 1.
//!
//! The same with wrong Verilog and the command itself is in `cli/tests/fuzz.rs`.

use super::{Fuzzer, Make, run_fuzzer};
use crate::args::{Cli, Command, Format, FuzzArgs};
use clap::Parser;
use heartbit_cases::check::{Finding, Kind};
use heartbit_cases::engine::{Engine, EngineError, EngineKind, Tools, Waits};
use heartbit_cases::file::CaseFile;
use heartbit_cases::ladder::Mismatch;
use heartbit_ir::program::{Execution, Join, Program};
use std::path::Path;

/// An engine that adds 1 to a sum of the first layer that adds a shortcut.
struct Wrong {
    engine: Box<dyn Engine>,
    layer: Option<usize>,
}

impl Engine for Wrong {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn load(&mut self, program: &Program) -> Result<(), EngineError> {
        self.layer = program.layers.iter().position(|d| d.shortcut.join == Join::Add);
        self.engine.load(program)
    }

    fn run(
        &mut self,
        image: &[u8],
        waits: Option<&mut Waits<'_>>,
    ) -> Result<Execution, EngineError> {
        let mut execution = self.engine.run(image, waits)?;
        if let Some(layer) = self.layer {
            execution.layers[layer].sums[0] += 1;
        }
        Ok(execution)
    }
}

/// The fast engine is wrong, the others are not.
fn wrong(kind: EngineKind, tools: Option<&Tools>) -> Box<dyn Engine> {
    let engine = kind.engine(tools);
    if kind == EngineKind::Fast { Box::new(Wrong { engine, layer: None }) } else { engine }
}

fn args(line: &[&str]) -> FuzzArgs {
    let cli = Cli::try_parse_from(["heartbit", "fuzz"].iter().chain(line)).expect("valid");
    let Command::Fuzz(args) = cli.command else { panic!("another command") };
    args
}

/// The exit code of a run.
fn code(line: &[&str], make: Make) -> u8 {
    let args = args(line);
    let fuzzer = Fuzzer::new(&args, make).expect("valid");
    run_fuzzer(&fuzzer, Format::Json).err().map_or(0, |failure| failure.code())
}

#[test]
fn a_wrong_engine_is_found_made_smaller_stored_and_replayed() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("found/here");
    let out = out.to_str().expect("a UTF-8 path");
    let line = ["--cases", "400", "--max-channels", "6", "--seed", "5", "--out", out];

    let run_args = args(&line);
    let report = Fuzzer::new(&run_args, wrong).expect("valid").report().expect("no tools");
    let found = report.found.as_ref().expect("the engine is wrong");
    assert!(!report.passed());
    assert_eq!(report.tally.cases, found.number + 1);
    assert_eq!(found.finding.engine, "fast engine");
    let Kind::Mismatch(Mismatch::Tensor(difference)) = &found.remaining.kind else {
        panic!("{}", found.remaining)
    };
    assert_eq!(difference.tensor, "sums");
    // A shortcut needs a block; nothing else is left.
    assert!(found.runs > 10 && found.smallest.problem.blocks.len() == 1, "{:#?}", found.smallest);
    assert!(found.smallest.problem.blocks[0].pool.is_none());
    assert_eq!((found.smallest.images, &found.smallest.stalls), (1, &None));
    let divergence = found.first_divergence.as_ref().expect("a tensor differs");
    assert!(divergence.location.is_some(), "its place in the array is known");
    let text = report.text();
    let file = Path::new(out).join(format!("case-5-{}.json", found.number));
    for words in ["fast engine", "sums", file.to_str().expect("UTF-8")] {
        assert!(text.contains(words), "`{words}` is not in: {text}");
    }

    // What was stored fails again on the wrong engine, and on no other one.
    let stored = CaseFile::from_json(&std::fs::read(&file).expect("stored")).expect("a case");
    // Cycles are not kept: they change with the hardware.
    let kept = Finding { layer_cycles: Vec::new(), ..found.remaining.clone() };
    assert_eq!((stored.case, stored.finding), (found.smallest.clone(), Some(kept)));
    let file = file.to_str().expect("UTF-8");
    assert_eq!(code(&["--replay", file], wrong), 1);
    assert_eq!(code(&["--replay", file, "--engines", "sim"], wrong), 0);
    assert_eq!(code(&["--replay", file], EngineKind::engine), 0);
    assert_eq!(code(&line, wrong), 1);
}
