//! One proof: emitted modules, what they must do, and yosys in between.
//!
//! A [`Proof`] reads the emitted files from disk and a property file beside them, which
//! instantiates the module and asserts what docs/microarchitecture.md says. [`Proof::prove`] is
//! temporal induction by SAT: what is asserted holds in every cycle of every run, not only up to a
//! bound. [`Proof::reach`] shows that the assumptions leave runs in which things happen, and
//! [`Proof::refute`] that broken text does not pass.
//!
//! A missing yosys fails the tests; nothing is skipped.

use heartbit_cosim::Design;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Where the property files are.
fn properties() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formal/properties")
}

/// A module of a design and what is asserted of it.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    /// What is proven, for messages.
    pub(crate) subject: String,
    /// Whose files are read.
    pub(crate) design: Design,
    /// The modules that are read, without `.v`.
    pub(crate) modules: Vec<String>,
    /// The top of the property file.
    pub(crate) top: &'static str,
    /// Property files, without `.sv`.
    pub(crate) properties: Vec<&'static str>,
    /// Parameters of the top.
    pub(crate) parameters: Vec<(&'static str, u32)>,
    /// Macros of the property files.
    pub(crate) macros: Vec<&'static str>,
    /// Text of `cuts.vh`, which speaks of the registers of the emitted text.
    pub(crate) cuts: String,
    /// Cycles in which everything that `reached` is about can happen.
    pub(crate) reach: u32,
}

impl Proof {
    /// A proof without parameters.
    pub(crate) fn new(
        design: &Design,
        modules: &[&str],
        top: &'static str,
        properties: &[&'static str],
        reach: u32,
    ) -> Self {
        Self {
            subject: modules[0].to_owned(),
            design: design.clone(),
            modules: modules.iter().map(|&name| name.to_owned()).collect(),
            top,
            properties: properties.to_vec(),
            parameters: Vec::new(),
            macros: Vec::new(),
            cuts: String::new(),
            reach,
        }
    }

    /// With a parameter of the top.
    pub(crate) fn parameter(mut self, name: &'static str, value: u32) -> Self {
        self.parameters.push((name, value));
        self.subject = format!("{} {name}={value}", self.subject);
        self
    }

    /// With a macro of the property files.
    pub(crate) fn defined(mut self, name: &'static str) -> Self {
        self.macros.push(name);
        self.subject = format!("{} {name}", self.subject);
        self
    }

    /// Proves every assertion by induction of one step from an arbitrary state, and in the first
    /// cycle.
    #[track_caller]
    pub(crate) fn prove(&self) {
        let output = self.run(&induction());
        let said = text(&output);
        assert!(output.status.success() && said.is_empty(), "{}: {said}", self.subject);
    }

    /// Shows a run in which everything happens that the property file lists in `reached`.
    #[track_caller]
    pub(crate) fn reach(&self) {
        let cycles = self.reach;
        let output = self.run(&format!(
            "sat -set-assumes -seq {cycles} -set-at {cycles} reached 1 -timeout {TIMEOUT} -verify"
        ));
        let said = text(&output);
        let reached = output.status.success() && said.is_empty();
        assert!(reached, "{}: not reached in {cycles} cycles: {said}", self.subject);
    }

    /// Shows that the proof fails.
    #[track_caller]
    pub(crate) fn refute(&self) {
        self.fails("the induction", &induction());
    }

    /// Shows that some run of so many cycles breaks an assertion.
    #[track_caller]
    pub(crate) fn break_within(&self, cycles: u32) {
        let runs =
            format!("sat -seq {cycles} -prove-asserts -set-assumes -timeout {TIMEOUT} -verify");
        self.fails("a run", &runs);
    }

    #[track_caller]
    fn fails(&self, what: &str, sat: &str) {
        let output = self.run(sat);
        let said = text(&output);
        let failed = !output.status.success() && said.contains("proof did fail");
        assert!(failed, "{}: {what} finds nothing wrong: {said}", self.subject);
    }

    /// Reads, flattens and runs `sat` with what is asked.
    fn run(&self, sat: &str) -> Output {
        let directory = self.write();
        let define = |name: &&str| format!("-D {name}=1");
        let macros: Vec<_> = self.macros.iter().map(define).collect();
        let modules: Vec<_> = self.modules.iter().map(|name| format!("{name}.v")).collect();
        let property = |name: &&str| properties().join(format!("{name}.sv")).display().to_string();
        let texts: Vec<_> = self.properties.iter().map(property).collect();
        let parameter = |(name, value): &(&str, u32)| format!("-chparam {name} {value}");
        let parameters: Vec<_> = self.parameters.iter().map(parameter).collect();
        let script = format!(
            "read_verilog -formal -sv -defer -I. {} {} {}; hierarchy -check -top {} {}; proc; \
             flatten; opt -fast; check -assert; chformal -early; opt -fast; wreduce; \
             opt -fast; memory_map; opt -fast; \
             {sat}",
            macros.join(" "),
            modules.join(" "),
            texts.join(" "),
            self.top,
            parameters.join(" "),
        );
        Command::new("yosys")
            .args(["-q", "-p", &script])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| {
                panic!("cannot start yosys ({error}): run `apt-get install yosys`")
            })
    }

    fn write(&self) -> TempDir {
        let directory = tempfile::tempdir().expect("a directory for temporary files");
        let cuts = ("cuts.vh".to_owned(), self.cuts.clone());
        for (name, text) in self.design.files.iter().chain([&cuts]) {
            std::fs::write(directory.path().join(name), text).expect("writable");
        }
        directory
    }
}

/// Most seconds of a single question to the SAT solver, by the clock: proofs run in parallel, and
/// beside other work they take many times their processor time.
const TIMEOUT: u32 = 1_800;

fn induction() -> String {
    format!("sat -tempinduct -prove-asserts -set-assumes -maxsteps 1 -timeout {TIMEOUT} -verify")
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}
