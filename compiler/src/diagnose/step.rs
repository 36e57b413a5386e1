//! The first step whose words differ, and where these come from.

use super::{Cause, Part, Programs};
use crate::locate::{Location, WeightSource, operand_address};
use heartbit_ir::program::{ImageStep, PeTrace, Program, Step, StepTrace, Tokens};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write as _};

/// A step of a tile, and its tap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepPlace {
    /// Which step, from 0 on.
    pub index: usize,
    /// Steps of the tile.
    pub of: usize,
    /// Row of the tap relative to the window's centre; of the stem the first image row.
    pub dy: i8,
    /// Column of the tap; the stem reads whole windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dx: Option<i8>,
    /// Word of the tap; of the stem the part of the window.
    pub word: usize,
    /// Bit planes of the image that the stem reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planes: Vec<u8>,
}

impl fmt::Display for StepPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} of 0 to {}: ", self.index, self.of.max(1) - 1)?;
        if let Some(dx) = self.dx {
            return write!(f, "tap dy {}, dx {dx}, word {}", self.dy, self.word);
        }
        let planes: Vec<String> = self.planes.iter().map(u8::to_string).collect();
        let planes = planes.join(" and ");
        write!(f, "image rows from dy {}, plane {planes}, part {}", self.dy, self.word)
    }
}

/// The steps of a tile at a processing element.
pub(super) struct Steps<'a> {
    pub(super) programs: Programs<'a>,
    pub(super) location: &'a Location,
    pub(super) expected: &'a PeTrace,
    pub(super) actual: &'a PeTrace,
    /// Cycles from the words to their count.
    pub(super) latency: u64,
}

/// What differs in a step.
struct Found {
    part: Part,
    /// The lane group.
    group: usize,
    expected: String,
    actual: String,
}

impl Steps<'_> {
    /// Finds the first difference of any step.
    pub(super) fn diagnose(&self) -> Option<Cause> {
        let pairs = self.expected.steps.iter().zip(&self.actual.steps);
        let (index, found) =
            pairs.enumerate().find_map(|(i, (e, a))| Some((i, self.compare(e, a)?)))?;
        let late = match found.part {
            Part::Accumulator => self.latency + 1,
            Part::Tokens => self.latency,
            _ => 0,
        };
        Some(Cause {
            part: found.part,
            step: Some(self.place(index, found.group)),
            cycle: self.location.operands[index] + late,
            note: self.note(index, &found),
            expected: found.expected,
            actual: found.actual,
        })
    }

    fn compare(&self, expected: &StepTrace, actual: &StepTrace) -> Option<Found> {
        let found = |part, group, expected, actual| Some(Found { part, group, expected, actual });
        let bits = |bits: &[bool]| -> String {
            bits.iter().rev().map(|&bit| if bit { '1' } else { '0' }).collect()
        };
        if expected.tokens != actual.tokens {
            let text = |t: Tokens| bits(&[t.last, t.double, t.first]);
            return found(Part::Tokens, 0, text(expected.tokens), text(actual.tokens));
        }
        if expected.valid != actual.valid {
            let group = expected.valid.iter().zip(&actual.valid).position(|(e, a)| e != a);
            let text = |step: &StepTrace| bits(&step.valid);
            return found(Part::Valid, group.unwrap_or(0), text(expected), text(actual));
        }
        let words = [
            (Part::Activation, &expected.activation, &actual.activation),
            (Part::Weight, &expected.weight, &actual.weight),
        ];
        for (part, one, other) in words {
            if let Some(lane) = self.differing_lane(&expected.valid, one, other) {
                let group = lane / self.programs.expected.array.group_lanes();
                return found(part, group, self.hex(one), self.hex(other));
            }
        }
        let (one, other) = (expected.matches, actual.matches);
        if one == other {
            return None;
        }
        found(Part::Accumulator, 0, one.to_string(), other.to_string())
    }

    /// The first lane of a valid group in which two words differ.
    fn differing_lane(&self, valid: &[bool], one: &[u64], other: &[u64]) -> Option<usize> {
        let array = &self.programs.expected.array;
        let bit = |word: &[u64], lane: usize| word[lane / 64] >> (lane % 64) & 1;
        (0..array.lanes)
            .find(|&lane| valid[lane / array.group_lanes()] && bit(one, lane) != bit(other, lane))
    }

    fn hex(&self, word: &[u64]) -> String {
        let lanes = self.programs.expected.array.lanes;
        let mut digits = ((lanes - 1) % 64) / 4 + 1;
        let mut text = "0x".to_owned();
        for limb in word.iter().rev() {
            write!(text, "{limb:0digits$x}").expect("bug: writing to a string");
            digits = 16;
        }
        text
    }

    fn place(&self, index: usize, group: usize) -> StepPlace {
        let program = self.programs.expected;
        let d = &program.layers[self.location.pe.layer];
        let (of, at) = (usize::from(d.steps), usize::from(d.step_base) + index);
        if d.flags.source_image {
            let step = ImageStep::decode(program.steps[0][at]);
            let planes = step.planes.into_iter().flatten().collect();
            return StepPlace { index, of, dy: step.dy, dx: None, word: step.part.into(), planes };
        }
        let step = Step::decode(program.steps[group][at]);
        // The first group of a copy says where a tap begins.
        let groups = (program.array.taps / usize::from(d.in_copies.max(1))).max(1);
        let steps = &program.steps[group / groups * groups][usize::from(d.step_base)..=at];
        let begins = steps.iter().rposition(|&word| Step::decode(word).tap_first);
        let word = index - begins.unwrap_or(index);
        StepPlace { index, of, dy: step.dy, dx: Some(step.dx), word, planes: Vec::new() }
    }

    /// Where a word comes from.
    fn note(&self, index: usize, found: &Found) -> String {
        let (Programs { expected, loaded }, pe) = (self.programs, &self.location.pe);
        let at = usize::from(expected.layers[pe.layer].step_base) + index;
        let step = |program: &Program| program.steps.get(found.group)?.get(at).copied();
        if found.part != Part::Weight && step(expected) != step(loaded) {
            return format!(
                "step memory of lane group {}, address {at}: the memory image is wrong",
                found.group
            );
        }
        match found.part {
            Part::Activation => self.activation_note(index, found),
            Part::Weight => self.weight_note(index),
            Part::Tokens => "sequencer, feeder, or the registers of the rows".to_owned(),
            Part::Valid => "feeder: position of the tap, or the registers of the rows".to_owned(),
            _ => {
                "both words and their valid bits are right: XNOR, popcount, accumulator".to_owned()
            }
        }
    }

    fn weight_note(&self, index: usize) -> String {
        let (Programs { expected, loaded }, pe) = (self.programs, &self.location.pe);
        let source = WeightSource::of(expected, pe, index);
        let memory = format!("weight memory of column {}, {source}", pe.col);
        if source.word(expected, pe.col) != source.word(loaded, pe.col) {
            return format!("{memory}: the memory image is wrong");
        }
        let early = self.neighbour(index, |step| step.weight.clone());
        format!("{memory}: the memory image is right; {early}")
    }

    fn activation_note(&self, index: usize, found: &Found) -> String {
        let (program, pe) = (self.programs.expected, &self.location.pe);
        let d = &program.layers[pe.layer];
        let early = self.neighbour(index, |step| {
            self.masked(&step.activation, &self.expected.steps[index].valid)
        });
        if d.flags.source_image {
            return format!("image memory, row {} of the tile; {early}", pe.row);
        }
        let word = program.steps[found.group][usize::from(d.step_base) + index];
        let (bank, address) = operand_address(program, pe, &Step::decode(word));
        format!("activation memory, bank {bank}, address {address}: {early}")
    }

    /// Whether the word is that of a step before or after this one.
    fn neighbour(&self, index: usize, word: impl Fn(&StepTrace) -> Vec<u64>) -> String {
        let actual = word(&self.actual.steps[index]);
        let is = |other: Option<usize>| {
            other.and_then(|i| self.expected.steps.get(i)).is_some_and(|step| word(step) == actual)
        };
        if is(index.checked_add(1)) {
            "it is the word of the next step, a cycle early: skew".to_owned()
        } else if is(index.checked_sub(1)) {
            "it is the word of the step before, a cycle late: skew".to_owned()
        } else {
            "what was written there, the read address, or the registers on the way".to_owned()
        }
    }

    /// A word without the lanes of groups that are not valid.
    fn masked(&self, word: &[u64], valid: &[bool]) -> Vec<u64> {
        let array = &self.programs.expected.array;
        let mut word = word.to_vec();
        for lane in (0..array.lanes).filter(|lane| !valid[lane / array.group_lanes()]) {
            word[lane / 64] &= !(1 << (lane % 64));
        }
        word
    }
}
