//! What became of a mutant.

use serde::{Deserialize, Serialize};

/// A check of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// A tensor is not the interpreter's.
    Tensors,
    /// A layer does not take the cycles that were predicted.
    Cycles,
    /// The accelerator halts with its error status.
    Status,
    /// No result within the cycles that were predicted and some more.
    Hang,
}

impl Check {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Tensors, Self::Cycles, Self::Status, Self::Hang];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tensors => "tensors",
            Self::Cycles => "cycles",
            Self::Status => "status",
            Self::Hang => "hang",
        }
    }
}

/// How a mutant was caught.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catch {
    /// The first check that failed.
    pub check: Check,
    /// The engine that it judged: `rtl` or `sim`.
    pub engine: String,
    /// The image, by its place among those that were run.
    pub image: usize,
    /// Layer and tensor, or layer and cycles.
    pub detail: String,
}

/// Why a mutant cannot change anything that is compared, whatever the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// No step and no pixel reads the word.
    UnreadWord,
    /// Every step that reads the weight has no valid tap in its lane group.
    SkippedLane,
    /// The column computes no logit of this layer, and the layer gives nothing but logits.
    UnusedColumn,
    /// The tap is inside the map for the same pixels.
    SameTaps,
    /// The hardware makes the same of both codes.
    SameCode,
    /// No loaded word in which the bit is another one makes a difference with it.
    EveryWord,
    /// Every sum that can occur gives the same result.
    SameForEverySum,
    /// The layer does not use the field, or the hardware does not have it.
    UnusedField,
    /// The bit lies above the addresses of the memory.
    AddressWraps,
    /// Old and new value bound what stays below both.
    NeverReached,
    /// The results half of the next descriptor is fetched at another time that the rules allow.
    OtherLegalWait,
    /// The signal had the same value in every cycle, and no pixel has influence on it.
    SameControl,
    /// The module computes the same from all that it reads.
    SameFunction,
    /// What leaves the module, and what pixels meet in it, had the same value in every cycle, and no
    /// pixel has influence on it.
    StaysInside,
    /// The two reads of an average come in the other order, and their sum is the same.
    SameSum,
    /// It changes what happens between tiles only, when no sum is kept and none is shown.
    BetweenTiles,
    /// The register that is dropped is looked at only when its value has stood for a cycle.
    StandsAnyway,
    /// What it changes is on its way to another register: the fields of all descriptors stand as
    /// they should.
    PassesThrough,
    /// What it writes besides is written again before anything reads it.
    Overwritten,
    /// No output depends on it.
    Unobserved,
    /// Only what says when the test bench looks depends on it: it looks in more cycles.
    LooksMoreOften,
}

impl Proof {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnreadWord => "unread-word",
            Self::SkippedLane => "skipped-lane",
            Self::UnusedColumn => "unused-column",
            Self::SameTaps => "same-taps",
            Self::SameCode => "same-code",
            Self::EveryWord => "every-word",
            Self::SameForEverySum => "same-for-every-sum",
            Self::UnusedField => "unused-field",
            Self::AddressWraps => "address-wraps",
            Self::NeverReached => "never-reached",
            Self::OtherLegalWait => "other-legal-wait",
            Self::SameControl => "same-control",
            Self::SameFunction => "same-function",
            Self::StaysInside => "stays-inside",
            Self::SameSum => "same-sum",
            Self::BetweenTiles => "between-tiles",
            Self::StandsAnyway => "stands-anyway",
            Self::PassesThrough => "passes-through",
            Self::Overwritten => "overwritten",
            Self::Unobserved => "unobserved",
            Self::LooksMoreOften => "looks-more-often",
        }
    }
}

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// A check failed.
    Caught(Catch),
    /// It makes no difference.
    Equivalent(Proof),
    /// Neither. Of a mutant of the hardware, whether it made a difference where it is.
    Survived {
        /// Whether a signal ever had another value than without the mutant.
        made_a_difference: bool,
    },
}

/// A mutant and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Its number among all that were chosen, from 1.
    pub number: usize,
    /// `memory` or `rtl`.
    pub family: String,
    /// Memory and field, or the kind of change.
    pub kind: String,
    /// The place, in words.
    pub place: String,
    /// What became of it.
    pub fate: Fate,
}
