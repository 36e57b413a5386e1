//! What an accelerator computed, against what it should have.

use crate::inputs::Images;
use crate::output::{grouped, percent, share};
use crate::verdict::{Subject, rate};
use heartbit_compiler::build::Build;
use heartbit_host::{Inference, Statistics};
use heartbit_ir::interp::predicted_class;
use heartbit_report::RungResult;
use serde::Deserialize;
use serde_json::{Value, json};

/// A logit that differs.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    image: usize,
    /// The logit; none for the class.
    logit: Option<usize>,
    expected: i64,
    actual: i64,
}

/// What was found over all images.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    subject: Subject,
    pub(super) port: String,
    pub(super) baud: u32,
    pub(super) program: u32,
    pub(super) load_bytes: usize,
    pub(super) load_seconds: f64,
    images: usize,
    correct: usize,
    /// Logits and classes that were compared, and that differ.
    compared: usize,
    differing: usize,
    first: Option<Difference>,
    pub(super) predicted: u64,
    /// Cycles of the first image.
    measured: Option<u64>,
    /// The first image whose cycles differ.
    cycle_error: Option<(usize, u64)>,
    pub(super) seconds: f64,
    pub(super) line: Statistics,
    pub(super) simulated_cycles: Option<u64>,
}

/// What a build keeps of it, of the fields of [`Report::json`].
#[derive(Debug, Deserialize)]
pub(crate) struct Kept {
    images: u64,
    correct: u64,
    compared: u64,
    differing: u64,
    cycle_error: Option<Value>,
}

impl Kept {
    /// As a rung of the ladder.
    pub(crate) fn rung(&self, by: &str) -> RungResult {
        RungResult {
            by: by.to_owned(),
            images: self.images,
            correct: self.correct,
            other_class: None,
            compared: Some((self.compared, "logits and classes")),
            differing: self.differing,
            cycles_agree: Some(self.cycle_error.is_none()),
        }
    }
}

impl Report {
    pub(super) fn new(build: &Build, images: &Images) -> Self {
        Self { subject: Subject::new("run", build, images), ..Self::default() }
    }

    pub(super) fn passed(&self) -> bool {
        self.images > 0 && self.differing == 0 && self.cycle_error.is_none()
    }

    /// Adds an image.
    pub(super) fn add(&mut self, image: usize, label: usize, expected: &[i32], result: &Inference) {
        let class = predicted_class(expected);
        self.images += 1;
        self.correct += usize::from(result.class as usize == label);
        let logits = expected.iter().zip(&result.logits).enumerate();
        let logits = logits.map(|(k, (&e, &a))| (Some(k), i64::from(e), i64::from(a)));
        let class = i64::try_from(class).expect("bug: few classes");
        let of_class = (None, class, i64::from(result.class));
        for (logit, expected, actual) in logits.chain([of_class]) {
            self.compared += 1;
            if expected != actual {
                self.differing += 1;
                self.first.get_or_insert(Difference { image, logit, expected, actual });
            }
        }
        self.measured.get_or_insert(result.cycles);
        if result.cycles != self.predicted {
            self.cycle_error.get_or_insert((image, result.cycles));
        }
    }

    pub(super) fn json(&self) -> Value {
        let difference = |d: &Difference| json!({ "image": d.image, "logit": d.logit, "expected": d.expected, "actual": d.actual });
        let cycle_error = |&(image, actual): &(usize, u64)| json!({ "image": image, "predicted": self.predicted, "actual": actual });
        json!({
            "schema": 1,
            "subject": self.subject,
            "verdict": if self.passed() { "pass" } else { "fail" },
            "port": self.port,
            "baud": self.baud,
            "program_crc32": format!("{:08x}", self.program),
            "load": { "bytes": self.load_bytes, "seconds": self.load_seconds },
            "images": self.images,
            "correct": self.correct,
            "accuracy": share(self.correct as u64, self.images as u64),
            "compared": self.compared,
            "differing": self.differing,
            "first_difference": self.first.as_ref().map(difference),
            "cycles": { "predicted": self.predicted, "measured": self.measured },
            "cycle_error": self.cycle_error.as_ref().map(cycle_error),
            "images_per_second": rate(self.images, self.seconds),
            "line": {
                "frames": self.line.frames,
                "bytes_sent": self.line.sent,
                "bytes_received": self.line.received,
                "sent_again": self.line.again,
                "damaged_answers": self.line.damaged,
                "silences": self.line.silences,
            },
            "simulated_cycles": self.simulated_cycles,
        })
    }

    pub(super) fn text(&self) -> String {
        let simulated = if self.simulated_cycles.is_some() { " (simulated)" } else { "" };
        let mut lines =
            vec![format!("{} at {} baud{simulated}", self.port, grouped(self.baud.into()))];
        lines.push(match self.load_bytes {
            0 => format!("program {:08x}: there already", self.program),
            bytes => format!(
                "program {:08x}: {} bytes loaded in {:.1} s",
                self.program,
                grouped(bytes as u64),
                self.load_seconds
            ),
        });
        lines.push(format!(
            "{} images, accuracy {}, {:.2} images/s",
            self.images,
            percent(share(self.correct as u64, self.images as u64)),
            rate(self.images, self.seconds)
        ));
        lines.push(format!(
            "{} logits and classes compared with the interpreter: {} differ",
            grouped(self.compared as u64),
            self.differing
        ));
        if let Some(Difference { image, logit, expected, actual }) = &self.first {
            let what = logit.map_or("class".to_owned(), |logit| format!("logit {logit}"));
            lines
                .push(format!("  first: image {image}, {what}: expected {expected}, got {actual}"));
        }
        lines.push(format!(
            "cycles an image: predicted {}, measured {}",
            grouped(self.predicted),
            grouped(self.measured.unwrap_or(0))
        ));
        if let Some((image, cycles)) = self.cycle_error {
            lines.push(format!("  image {image} took {}", grouped(cycles)));
        }
        lines.push(format!(
            "line: {} frames, {} sent again, {} answers damaged, {} silences",
            grouped(self.line.frames),
            self.line.again,
            self.line.damaged,
            self.line.silences
        ));
        if let Some(cycles) = self.simulated_cycles {
            lines.push(format!("{} cycles simulated", grouped(cycles)));
        }
        lines.push(format!("verdict: {}\n", if self.passed() { "pass" } else { "FAIL" }));
        lines.join("\n")
    }
}
