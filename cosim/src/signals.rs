//! The signals around a processing element in the accelerator's Verilog, and what they say.
//!
//! The names are those that `hdl` gives: [`PeSignals`] is the only place outside of it that knows
//! them.
//!
//! Not here: in which cycles to look (`compiler::locate`), and what the values should be.

use crate::Error;
use crate::save::{Group, Radix, Shown};
use crate::waveform::Waveform;
use heartbit_hdl::popcount::gated_popcount;
use heartbit_ir::program::{ArrayConfig, PePlace, PeTrace, StepTrace, Tokens};

/// Name of the top module.
const TOP: &str = "heartbit";

/// In which cycles of the model the words of a tile are at a processing element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeCycles {
    /// The words of each step.
    pub operands: Vec<u64>,
    /// The drain register holds the sum.
    pub sum: u64,
    /// The sum is at the post-processing.
    pub post: u64,
}

/// The signals around the processing element of a row and column.
#[derive(Clone, Copy, Debug)]
pub struct PeSignals {
    array: ArrayConfig,
    row: usize,
    col: usize,
}

impl PeSignals {
    /// The signals at a place.
    pub fn new(array: &ArrayConfig, place: &PePlace) -> Self {
        Self { array: *array, row: place.row, col: place.col }
    }

    /// A signal of the processing element.
    pub fn pe(&self, name: &str) -> String {
        format!("{}.{name}", self.module())
    }

    /// The processing element: instance names from the top module on.
    pub fn module(&self) -> String {
        format!("{TOP}.array.row_{}.pe_{}", self.row, self.col)
    }

    /// The sum of the column at the post-processing.
    pub fn hits(&self) -> String {
        format!("{TOP}.array.hits_{}", self.col)
    }

    /// The products at the post-processing.
    pub fn products(&self) -> String {
        format!("{TOP}.array.products")
    }

    /// A signal of the post-processing of the column.
    pub fn post(&self, name: &str) -> String {
        format!("{TOP}.post_{}.{name}", self.col)
    }

    /// The shortcut of the column.
    pub fn shortcut(&self) -> String {
        self.post("stream.shortcut")
    }

    /// The groups that a save file shows.
    pub fn groups(&self) -> Vec<Group> {
        let of = |instance: &str, names: &[&str], radix| -> Vec<Shown> {
            names.iter().map(|n| Shown::new(format!("{TOP}.{instance}.{n}"), radix)).collect()
        };
        let pe = |names: &[&str], radix| -> Vec<Shown> {
            names.iter().map(|name| Shown::new(self.pe(name), radix)).collect()
        };
        let post = |names: &[&str], radix| -> Vec<Shown> {
            names.iter().map(|name| Shown::new(self.post(name), radix)).collect()
        };
        let group = |name: String, parts: Vec<Vec<Shown>>| Group {
            name,
            signals: parts.into_iter().flatten().collect(),
        };
        let (row, col) = (self.row, self.col);
        vec![
            Group {
                name: "clock".to_owned(),
                signals: vec![Shown::new(format!("{TOP}.clk"), Radix::Binary)],
            },
            group(
                "sequencer".to_owned(),
                vec![
                    of("sequencer", &["state", "layer"], Radix::Unsigned),
                    of("sequencer", &["issue", "first", "last"], Radix::Binary),
                    of("sequencer", &["step_addr", "weight_addr"], Radix::Unsigned),
                ],
            ),
            group(
                format!("PE row {row}, column {col}: inputs"),
                vec![pe(&["a", "w"], Radix::Hexadecimal), pe(&["skip", "tokens"], Radix::Binary)],
            ),
            group(
                format!("PE row {row}, column {col}: accumulate, drain"),
                vec![
                    pe(&["sum", "acc"], Radix::Unsigned),
                    pe(&["shift"], Radix::Binary),
                    pe(&["north", "drain"], Radix::Unsigned),
                ],
            ),
            group(
                format!("post-processing of column {col}"),
                vec![
                    vec![
                        Shown::new(self.hits(), Radix::Unsigned),
                        Shown::new(self.products(), Radix::Unsigned),
                    ],
                    post(&["mul", "bias", "z", "y", "shortcut", "r", "v"], Radix::Signed),
                    post(&["result"], Radix::Binary),
                ],
            ),
            group(
                "write ports".to_owned(),
                vec![
                    of("writer", &["mon_valid", "bank_en", "slice_en"], Radix::Binary),
                    of("writer", &["bits_addr"], Radix::Unsigned),
                    of("writer", &["bits"], Radix::Binary),
                    of("writer", &["even_en", "odd_en"], Radix::Binary),
                    of("writer", &["stream_addr", "mon_ct", "mon_y", "mon_x"], Radix::Unsigned),
                ],
            ),
        ]
    }

    /// Reads what the processing element met.
    ///
    /// # Errors
    /// [`Error::UnknownSignal`] where the Verilog is not what `hdl` emits,
    /// [`Error::OutsideWaveform`], [`Error::Waveform`].
    pub fn read(&self, waveform: &mut Waveform, cycles: &PeCycles) -> Result<PeTrace, Error> {
        let names = [
            self.pe("a"),
            self.pe("w"),
            self.pe("skip"),
            self.pe("tokens"),
            self.pe("acc"),
            self.pe("drain"),
            self.hits(),
            self.products(),
            self.post("mul"),
            self.post("bias"),
        ];
        let samples = waveform.read(&names)?;
        let at = |index: usize, cycle: u64| {
            samples[index].at(cycle).ok_or_else(|| waveform.outside(&names[index], cycle))
        };
        let number = |index: usize, cycle: u64| at(index, cycle).map(|limbs| limbs[0]);
        let ArrayConfig { lanes, taps, .. } = self.array;
        let narrow = |n: usize| u32::try_from(n).expect("bug: a few lanes");
        let skip_delay = u64::from(gated_popcount(narrow(lanes), narrow(taps)).gate) + 1;
        let latency = self.array.popcount_latency() as u64;
        let steps = cycles
            .operands
            .iter()
            .map(|&words| {
                let skip = number(2, words + skip_delay)?;
                let tokens = number(3, words + latency)?;
                Ok(StepTrace {
                    activation: at(0, words)?.to_vec(),
                    weight: at(1, words)?.to_vec(),
                    valid: (0..taps).map(|group| skip >> group & 1 == 0).collect(),
                    tokens: Tokens {
                        first: tokens & 1 == 1,
                        double: tokens >> 1 & 1 == 1,
                        last: tokens >> 2 & 1 == 1,
                    },
                    matches: number(4, words + latency + 1)?,
                })
            })
            .collect::<Result<_, Error>>()?;
        Ok(PeTrace {
            steps,
            drain: number(5, cycles.sum)?,
            matches: number(6, cycles.post)?,
            products: number(7, cycles.post)?,
            mul: signed(number(8, cycles.post + 2)?, 16),
            bias: signed(number(9, cycles.post + 3)?, 40),
        })
    }
}

/// The groups that a save file shows where the output port differs.
pub fn output_groups() -> Vec<Group> {
    let shown = |names: &[&str], radix| -> Vec<Shown> {
        names.iter().map(|name| Shown::new(format!("{TOP}.{name}"), radix)).collect()
    };
    let group = |name: &str, signals| Group { name: name.to_owned(), signals };
    vec![
        group("clock", shown(&["clk"], Radix::Binary)),
        group("sequencer", shown(&["sequencer.state"], Radix::Unsigned)),
        group("output port", {
            let mut signals = shown(&["out_valid", "out_ready", "out_last"], Radix::Binary);
            signals.extend(shown(&["out_data"], Radix::Signed));
            signals
        }),
        group("sender", shown(&["sender.from", "sender.column", "sender.index"], Radix::Unsigned)),
        group("logit", shown(&["sender.logit", "sender.best"], Radix::Signed)),
    ]
}

/// A two's complement number of so many bits.
fn signed(value: u64, bits: u32) -> i64 {
    (value << (64 - bits)).cast_signed() >> (64 - bits)
}
