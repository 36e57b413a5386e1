//! Which part made an element differ: a processing element's words, step by step, against what
//! they should be.
//!
//! What comes first in the flow of data is named: the tap's valid bits, the activation word, the
//! weight word, the accumulator; then the drain register, the way to the post-processing, the count
//! column, the parameters; and what is left is the post-processing itself.
//!
//! Not here: taking the words from an engine (`sim`, `cosim`).

mod step;

use crate::compare::Difference;
use crate::locate::{Location, parameter_address};
use heartbit_ir::program::{PeTrace, Program};
use serde::{Deserialize, Serialize};

pub use step::StepPlace;

/// A part of the accelerator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The tokens of a step: step memory, sequencer.
    Tokens,
    /// Whether a tap is inside the map: step memory, feeder.
    Valid,
    /// The activation word: activation or image memory, feeder, skew of the rows.
    Activation,
    /// The weight word: weight memory, skew of the columns.
    Weight,
    /// The processing element: XNOR, popcount, accumulator.
    Accumulator,
    /// Its drain register.
    Drain,
    /// The way of the sum to the post-processing: drain registers of the rows below, alignment.
    Alignment,
    /// The number of products: the count column.
    Products,
    /// Multiplier or bias: parameter memory, border class.
    Parameter,
    /// What joins the sum: stream memory, reader.
    Shortcut,
    /// The arithmetic from the sum to the results.
    PostProcessing,
}

impl Part {
    /// What is compared there.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens first, double, last",
            Self::Valid => "valid lane groups",
            Self::Activation => "activation word",
            Self::Weight => "weight word",
            Self::Accumulator => "accumulator",
            Self::Drain => "drain register",
            Self::Alignment => "matches at the post-processing",
            Self::Products => "products at the post-processing",
            Self::Parameter => "parameter",
            Self::Shortcut => "shortcut",
            Self::PostProcessing => "post-processing",
        }
    }
}

/// What differs first at a processing element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// Where.
    pub part: Part,
    /// In which step, if it is one of its words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepPlace>,
    /// In which cycle, counted from the first one of `Fetch`.
    pub cycle: u64,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub actual: String,
    /// Where that comes from, as far as it can be told.
    pub note: String,
}

/// A program as it should be, and as it was loaded.
#[derive(Clone, Copy, Debug)]
pub struct Programs<'a> {
    /// What the compiler makes.
    pub expected: &'a Program,
    /// What the engine ran.
    pub loaded: &'a Program,
}

/// Finds what differs first.
///
/// `expected` is what the element at `location` meets when the expected program runs, `actual` what
/// it met in the engine that gave `difference`.
pub fn diagnose(
    programs: Programs<'_>,
    location: &Location,
    difference: &Difference,
    expected: &PeTrace,
    actual: &PeTrace,
) -> Cause {
    let latency = programs.expected.array.popcount_latency() as u64;
    let steps = step::Steps { programs, location, expected, actual, latency };
    steps.diagnose().unwrap_or_else(|| after(programs, location, difference, expected, actual))
}

/// Finds what differs behind the steps.
fn after(
    programs: Programs<'_>,
    location: &Location,
    difference: &Difference,
    expected: &PeTrace,
    actual: &PeTrace,
) -> Cause {
    let cycles = &location.cycles;
    let cause = |part, cycle, expected: String, actual: String, note: &str| Cause {
        part,
        step: None,
        cycle,
        expected,
        actual,
        note: note.to_owned(),
    };
    let numbers = [
        (Part::Drain, cycles.sum, expected.drain, actual.drain, "the accumulator was right"),
        (
            Part::Alignment,
            cycles.post,
            expected.matches,
            actual.matches,
            "the drain register was right: rows below, shift, or the registers that align columns",
        ),
        (
            Part::Products,
            cycles.post,
            expected.products,
            actual.products,
            "the matches are right: count column, fan-in",
        ),
    ];
    for (part, cycle, expected, actual, note) in numbers {
        if expected != actual {
            return cause(part, cycle, expected.to_string(), actual.to_string(), note);
        }
    }
    let pair = |mul: i64, bias: i64| format!("multiplier {mul}, bias {bias}");
    let (one, other) = (pair(expected.mul, expected.bias), pair(actual.mul, actual.bias));
    if one != other {
        return cause(Part::Parameter, cycles.post + 1, one, other, &parameter(programs, location));
    }
    let part = if difference.tensor == "shortcut" { Part::Shortcut } else { Part::PostProcessing };
    let note = match part {
        Part::Shortcut => "sum and parameters are right: stream memory, its reader".to_owned(),
        _ if same_parameter(programs, location) => {
            format!("sum and parameters are right: what makes `{}` of them", difference.tensor)
        }
        _ => parameter(programs, location),
    };
    let (expected, actual) = (difference.expected.to_string(), difference.actual.to_string());
    cause(part, cycles.written, expected, actual, &note)
}

/// Whether the parameter was loaded as it should be.
fn same_parameter(programs: Programs<'_>, location: &Location) -> bool {
    let (col, address) = (location.pe.col, parameter_address(programs.expected, &location.pe));
    let word = |program: &Program| program.parameters[col].get(address).copied();
    word(programs.expected) == word(programs.loaded)
}

/// Where a parameter comes from.
fn parameter(programs: Programs<'_>, location: &Location) -> String {
    let address = parameter_address(programs.expected, &location.pe);
    let memory = format!("parameter memory of column {}, address {address}", location.pe.col);
    if same_parameter(programs, location) {
        format!("{memory}: the memory image is right; read address, border class")
    } else {
        format!("{memory}: the memory image is wrong")
    }
}
