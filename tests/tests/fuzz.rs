//! The fuzzer: a fault in one engine is found, made small and stored; stored cases stay right.

use heartbit_cases::campaign::{self, Failure};
use heartbit_cases::case::{Case, Memories};
use heartbit_cases::check::{Finding, Kind, Verdict, check, check_built};
use heartbit_cases::engine::{Engine, EngineError, EngineKind, Tools, Waits};
use heartbit_cases::file::CaseFile;
use heartbit_cases::generate::Source;
use heartbit_cases::ladder::Mismatch;
use heartbit_cases::minimise::{Limits, Minimised, minimise};
use heartbit_ir::program::{Execution, Program};
use heartbit_tests::problem::After;
use std::path::{Path, PathBuf};

const SOURCE: Source = Source { seed: 1, networks: 1, max_channels: 12 };

fn engines(kinds: &[EngineKind]) -> Vec<Box<dyn Engine>> {
    kinds.iter().map(|kind| kind.engine(None)).collect()
}

/// Breaks a program, or says that it has nothing to break.
type Fault = fn(&mut Program) -> bool;

/// An engine in whose memories something is wrong.
struct Faulty {
    engine: Box<dyn Engine>,
    fault: Fault,
    /// What a program that cannot be loaded does.
    panics: bool,
}

impl Engine for Faulty {
    fn name(&self) -> &'static str {
        "faulty engine"
    }

    fn load(&mut self, program: &Program) -> Result<(), EngineError> {
        let mut loaded = program.clone();
        let is_broken = (self.fault)(&mut loaded);
        assert!(!(is_broken && self.panics), "a panic on purpose");
        self.engine.load(&loaded)
    }

    fn run(
        &mut self,
        image: &[u8],
        waits: Option<&mut Waits<'_>>,
    ) -> Result<Execution, EngineError> {
        self.engine.run(image, waits)
    }
}

fn faulty(fault: Fault, panics: bool) -> Vec<Box<dyn Engine>> {
    vec![Box::new(Faulty { engine: EngineKind::Fast.engine(None), fault, panics })]
}

/// Runs cases until one fails.
fn first_failure(engines: &mut [Box<dyn Engine>]) -> Failure {
    let (tally, failure) = campaign::run(SOURCE, 0..1_000, engines, || ()).expect("no tools");
    let failure = failure.expect("the fault is found");
    assert_eq!(tally.cases, failure.number + 1);
    failure
}

fn minimised(failure: &Failure, engines: &mut [Box<dyn Engine>]) -> Minimised {
    let Failure { case, finding, .. } = failure;
    minimise(case, finding, engines, Limits::default(), || ()).expect("no tools")
}

/// A weight of the last layer is another one, of networks with a maximum pool.
fn flip_weight_behind_a_pool(program: &mut Program) -> bool {
    let pools = |d: &heartbit_ir::program::LayerDescriptor| {
        d.shortcut.join == heartbit_ir::program::Join::Extreme
    };
    let Some(layer) = program.layers.iter().position(pools) else { return false };
    let Some(d) = program.layers[layer..].iter().find(|d| !d.flags.stream_weights && d.steps > 0)
    else {
        return false;
    };
    let word = usize::from(d.weight_base) - program.depths.ring_words();
    let Some(column) = program.weights.first_mut().filter(|column| word < column.len()) else {
        return false;
    };
    let bit = column.word(word)[0] & 1 == 1;
    column.set(word, 0, !bit);
    true
}

#[test]
fn engines_agree_on_random_cases() {
    let kinds = [EngineKind::Sim, EngineKind::Fast, EngineKind::Native];
    for (kinds, cases) in [(&kinds[..2], 400), (&kinds[..], 25)] {
        for networks in [1, 16] {
            let source = Source { networks, ..SOURCE };
            let run = campaign::run(source, 0..cases, &mut engines(kinds), || ());
            let (tally, failure) = run.expect("no tools");
            if let Some(Failure { number, finding, .. }) = failure {
                panic!("case {number} of {source:?}: {finding}");
            }
            assert_eq!(tally.cases, cases);
            assert!(tally.unfit * 8 < cases && tally.layers > cases, "{tally:?}");
        }
    }
}

#[test]
fn verilog_agrees_with_stalling_hosts_and_streamed_weights() {
    let tools = Tools::detect()
        .unwrap_or_else(|error| panic!("{error}: {}", error.help().unwrap_or_default()));
    let mut engines = vec![EngineKind::Rtl.engine(Some(&tools))];
    let source = Source { seed: 3, networks: 12, max_channels: 8 };
    let (tally, failure) = campaign::run(source, 0..12, &mut engines, || ()).expect("the tools");
    assert_eq!(failure.map(|failure| failure.finding), None);
    assert!(tally.images > 10 && tally.features["stalling host"] > 0, "{tally:?}");
}

#[test]
fn a_flipped_weight_is_found_minimised_and_stored() {
    let mut engines = faulty(flip_weight_behind_a_pool, false);
    let failure = first_failure(&mut engines);
    let Minimised { case, finding, .. } = minimised(&failure, &mut engines);
    assert!(
        matches!(&finding.kind, Kind::Mismatch(Mismatch::Tensor(d)) if d.tensor == "sums"),
        "{finding}"
    );
    // The smallest network with a pool and a layer behind it, on the smallest array.
    let problem = &case.problem;
    let pools = problem.blocks.iter().filter(|block| block.pool.is_some()).count();
    assert_eq!((problem.blocks.len(), pools), (1, 1), "{case:#?}");
    let block = problem.blocks[0];
    let sizes = [problem.image_channels, problem.stem.0, problem.classes, block.channels];
    assert_eq!(sizes, [1; 4], "{case:#?}");
    assert!(problem.height <= 3 && problem.width <= 3, "{case:#?}");
    assert_ne!(block.after, After::Projection);
    let hardware = &case.hardware;
    assert_eq!((hardware.rows, hardware.cols, hardware.lanes), (1, 1, 4));
    assert_eq!((case.images, case.stalls, &case.streamed), (1, None, &None));

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("case.json");
    let stored = CaseFile::new(&case, "a test".to_owned(), Some(finding.clone())).expect("valid");
    std::fs::write(&path, stored.to_json()).expect("writable");
    let text = std::fs::read(&path).expect("readable");
    assert!(text.len() < 8_000, "{} bytes", text.len());
    let read = CaseFile::from_json(&text).expect("a case");
    assert_eq!(read, stored);
    assert!(read.is_current());
    let again = check_built(read.build().expect("fits"), &mut engines).expect("no tools");
    assert!(matches!(again, Verdict::Found(found) if found.kind == finding.kind));
    let intact =
        check_built(read.build().expect("fits"), &mut self::engines(&EngineKind::ALL[..3]));
    assert!(matches!(intact.expect("no tools"), Verdict::Passed(..)));
}

#[test]
fn a_panic_is_a_finding_like_another() {
    let mut engines = faulty(|program| program.layers.len() > 4, true);
    let failure = first_failure(&mut engines);
    assert!(
        matches!(&failure.finding.kind, Kind::Panicked(m) if m.contains("on purpose")),
        "{}",
        failure.finding
    );
    let small = minimised(&failure, &mut engines);
    // Stem, blocks and head; some blocks are more than one layer.
    let built = small.case.build().expect("fits");
    assert_eq!(built.compiled.program.layers.len(), 5, "{:#?}", small.case);
    assert_eq!(small.case.problem.height, 1);
}

#[test]
fn minimising_is_deterministic_and_keeps_to_its_limits() {
    let mut engines = faulty(flip_weight_behind_a_pool, false);
    let failure = first_failure(&mut engines);
    let first = minimised(&failure, &mut engines);
    let second = minimised(&failure, &mut engines);
    assert_eq!((&first.case, first.runs), (&second.case, second.runs));
    let limits = Limits { runs: 7, ..Limits::default() };
    let stopped = minimise(&failure.case, &failure.finding, &mut engines, limits, || ());
    assert_eq!(stopped.expect("no tools").runs, 7);
}

/// Cases that were wrong once, and cases that are worth keeping.
fn stored_cases() -> Vec<(PathBuf, CaseFile)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&directory)
        .expect("tests/cases")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let file = CaseFile::from_json(&std::fs::read(&path).expect("readable"));
        let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, file)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn stored_cases_stay_right() {
    let cases = stored_cases();
    assert!(cases.len() >= 4, "only {} cases", cases.len());
    for (path, file) in cases {
        let built = file.build().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut engines = engines(&EngineKind::ALL[..3]);
        let verdict = check_built(built, &mut engines).expect("no tools");
        if let Verdict::Found(finding) = verdict {
            panic!("{} ({}): {finding}", path.display(), file.why);
        }
    }
}

/// Hand-edited files are refused, not run as something else.
#[test]
fn a_file_that_is_no_case_is_refused() {
    let case = SOURCE.case(0);
    let text = CaseFile::new(&case, "a test".to_owned(), None).expect("valid").to_json();
    let stored = CaseFile::from_json(text.as_bytes()).expect("a case");
    assert_eq!(stored.case, case);
    let broken = |from: &str, to: &str| {
        assert!(text.contains(from), "`{from}` in {text}");
        let file = CaseFile::from_json(text.replacen(from, to, 1).as_bytes());
        file.and_then(|file| file.build().map(drop)).expect_err("it is no case").to_string()
    };
    for (from, to, words) in [
        ("\"schema\": 1", "\"schema\": 2", "schema 2"),
        ("\"rows\":", "\"row\":", "unknown field"),
        ("\"lanes\": ", "\"lanes\": 90", "not in 4 to 1024"),
        ("\"48424e31", "\"48424e3", "hexadecimal"),
        ("\"48424e31", "\"48424e32", "cannot be read"),
    ] {
        let error = broken(from, to);
        assert!(error.contains(words), "{to}: {error}");
    }
}

/// A case that fails in one image only is not stored as one that fails in another.
#[test]
fn findings_are_alike_if_engine_and_kind_are() {
    let finding = |engine: &str, kind: Kind| Finding {
        engine: engine.to_owned(),
        image: 0,
        kind,
        layer_cycles: Vec::new(),
    };
    let refused = finding("simulator", Kind::Refused("a".to_owned()));
    assert!(refused.is_like(&finding("simulator", Kind::Refused("b".to_owned()))));
    assert!(!refused.is_like(&finding("RTL", Kind::Refused("a".to_owned()))));
    assert!(!refused.is_like(&finding("simulator", Kind::Panicked("a".to_owned()))));
}

/// A network that does not fit is counted, not passed.
#[test]
fn a_network_that_does_not_fit_is_no_pass() {
    let mut case: Case = SOURCE.case(1);
    let depths = heartbit_ir::program::MemoryDepths::uniform(1);
    case.hardware.memories = Memories::Fixed { acc_bits: 8, depths };
    (case.bands, case.streamed, case.problem.port) = (None, None, None);
    let verdict = check(&case, &mut engines(&[EngineKind::Sim])).expect("no tools");
    assert!(matches!(verdict, Verdict::Unfit(_)), "{verdict:?}");
}
