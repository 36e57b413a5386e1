//! How the clock of the array comes from that of the board: dividers of a PLL, within its limits.
//!
//! The frequency that is made is the highest that is not above the one asked for, since timing is
//! checked against the latter. The limits are data of the board file.
//!
//! Not here: the cell in Verilog ([`crate::top`]).

use crate::board::{PllLimits, Primitive};
use std::cmp::Ordering;

/// Where the clock of the array comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Clocking {
    /// From the pin as it is.
    Direct {
        /// Frequency in MHz.
        mhz: f64,
    },
    /// From a PLL.
    Pll(PllSettings),
}

/// Settings of a PLL.
#[derive(Clone, Debug, PartialEq)]
pub struct PllSettings {
    /// The cell.
    pub primitive: Primitive,
    /// Parameter `DEVICE` of the cell, where it has one.
    pub device: Option<String>,
    /// The clock at the pin, in MHz.
    pub input_mhz: f64,
    /// The input is divided by it.
    pub reference: u32,
    /// What is fed back is divided by it.
    pub feedback: u32,
    /// The oscillator over what is fed back: 1 where that is the oscillator itself.
    pub loop_divider: u32,
    /// The oscillator over the output.
    pub divider: u32,
    /// Oscillator, in MHz.
    pub vco_mhz: f64,
    /// Output, in MHz.
    pub mhz: f64,
}

impl PllSettings {
    /// Whether an output of its own closes the loop, because no single one has this frequency.
    pub fn has_feedback_output(&self) -> bool {
        self.primitive == Primitive::Ecp5 && self.loop_divider != self.divider
    }
}

/// Why a board cannot make a clock.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClockError {
    /// There is no PLL, and the clock is another than that of the pin.
    #[error(
        "the board cannot make {wanted} MHz: it has no PLL in its file, and a clock of {input} MHz"
    )]
    NoPll {
        /// What is asked for, in MHz.
        wanted: f64,
        /// The clock at the pin, in MHz.
        input: f64,
    },
    /// The PLL has no such settings.
    #[error("{cell} cannot make {wanted} MHz of {input} MHz: its output is {low} to {high} MHz")]
    OutOfReach {
        /// The cell.
        cell: &'static str,
        /// What is asked for, in MHz.
        wanted: f64,
        /// The clock at the pin, in MHz.
        input: f64,
        /// The lowest output of the cell, in MHz.
        low: f64,
        /// The highest output of the cell, in MHz.
        high: f64,
    },
}

/// Relative error of the limits.
const EPSILON: f64 = 1e-9;
/// Clocks that differ by less, in MHz, are equal: a build names its clock in whole Hz.
const SAME_MHZ: f64 = 1e-6;

impl Clocking {
    /// The way to a clock, from a pin and the PLL behind it.
    ///
    /// # Errors
    /// [`ClockError`].
    pub fn plan(input: f64, pll: Option<&PllLimits>, wanted: f64) -> Result<Self, ClockError> {
        let Some(pll) = pll else {
            let same = (input - wanted).abs() < SAME_MHZ;
            return if same {
                Ok(Self::Direct { mhz: input })
            } else {
                Err(ClockError::NoPll { wanted, input })
            };
        };
        let [low, high] = pll.out_mhz;
        let best = settings(input, pll, wanted)
            .filter(|s| wanted <= high && s.mhz <= wanted + SAME_MHZ)
            .min_by(|a, b| order(a, b, pll));
        let cell = pll.primitive.cell();
        best.map(Self::Pll).ok_or(ClockError::OutOfReach { cell, wanted, input, low, high })
    }

    /// Frequency of the array, in MHz.
    pub fn mhz(&self) -> f64 {
        match self {
            Self::Direct { mhz } => *mhz,
            Self::Pll(settings) => settings.mhz,
        }
    }

    /// Frequency of the array in whole Hz, as a build names it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clocks are at most 1000 MHz, and above 0"
    )]
    pub fn hz(&self) -> u32 {
        (self.mhz() * 1e6).round() as u32
    }
}

/// The better one first: the highest output, to the kHz, then one output rather than two, then a
/// fast phase detector, then an oscillator in the middle of its range.
fn order(a: &PllSettings, b: &PllSettings, pll: &PllLimits) -> Ordering {
    let middle = f64::midpoint(pll.vco_mhz[0], pll.vco_mhz[1]);
    let khz = |s: &PllSettings| (s.mhz * 1e3).round();
    let detour = |s: &PllSettings| (s.vco_mhz - middle).abs();
    khz(b)
        .total_cmp(&khz(a))
        .then(a.has_feedback_output().cmp(&b.has_feedback_output()))
        .then(a.reference.cmp(&b.reference))
        .then(detour(a).total_cmp(&detour(b)))
}

/// Settings within the limits, all those among them that could be the best ones for a clock.
fn settings(input: f64, pll: &PllLimits, wanted: f64) -> impl Iterator<Item = PllSettings> + '_ {
    let cell = Dividers::of(pll.primitive);
    let within = |value: f64, [low, high]: [f64; 2]| {
        value >= low * (1.0 - EPSILON) && value <= high * (1.0 + EPSILON)
    };
    let references =
        (1..=cell.reference).filter(move |&n| within(input / f64::from(n), pll.pfd_mhz));
    let loops = references.flat_map(move |reference| {
        (cell.feedback[0]..=cell.feedback[1]).flat_map(move |feedback| {
            cell.in_loop.iter().map(move |&loop_divider| (reference, feedback, loop_divider))
        })
    });
    loops.flat_map(move |(reference, feedback, loop_divider)| {
        let fed_back = input * f64::from(feedback) / f64::from(reference);
        let vco_mhz = fed_back * f64::from(loop_divider);
        // What is fed back is an output of the cell, or the oscillator.
        let is_output = !matches!(cell.output, Output::One(_));
        let closes = within(vco_mhz, pll.vco_mhz) && (!is_output || within(fed_back, pll.out_mhz));
        let outputs = if closes { cell.output.of(loop_divider, vco_mhz / wanted) } else { vec![] };
        outputs.into_iter().filter_map(move |divider| {
            let mhz = vco_mhz / f64::from(divider);
            within(mhz, pll.out_mhz).then(|| PllSettings {
                primitive: pll.primitive,
                device: pll.device.clone(),
                input_mhz: input,
                reference,
                feedback,
                loop_divider,
                divider,
                vco_mhz,
                mhz,
            })
        })
    })
}

/// The dividers that a cell has.
#[derive(Clone, Copy)]
struct Dividers {
    reference: u32,
    feedback: [u32; 2],
    /// Between oscillator and feedback.
    in_loop: &'static [u32],
    output: Output,
}

/// The divider of the output.
#[derive(Clone, Copy)]
enum Output {
    /// One of these.
    One(&'static [u32]),
    /// That of the loop.
    Loop,
    /// That of the loop, or of another output, up to so many.
    LoopOrOther(u32),
}

impl Output {
    /// Dividers to be tried where a loop has this one, and the oscillator is so much faster than the
    /// clock that is wanted.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the dividers"
    )]
    fn of(self, in_loop: u32, ratio: f64) -> Vec<u32> {
        match self {
            Self::One(all) => all.to_vec(),
            Self::Loop => vec![in_loop],
            Self::LoopOrOther(most) => {
                let other = (ratio * (1.0 - EPSILON)).ceil().clamp(1.0, f64::from(most)) as u32;
                vec![in_loop, other]
            }
        }
    }
}

/// 1 to 128.
const ANY: [u32; 128] = {
    let mut all = [1; 128];
    let mut i = 1;
    while i < 128 {
        all[i] = all[i - 1] + 1;
        i += 1;
    }
    all
};

impl Dividers {
    fn of(primitive: Primitive) -> Self {
        match primitive {
            Primitive::Ice40Pad | Primitive::Ice40Core => Self {
                reference: 16,
                feedback: [1, 128],
                in_loop: &[1],
                output: Output::One(&[2, 4, 8, 16, 32, 64]),
            },
            Primitive::Ecp5 => Self {
                reference: 128,
                feedback: [1, 80],
                in_loop: &ANY,
                output: Output::LoopOrOther(128),
            },
            Primitive::Gowin => Self {
                reference: 64,
                feedback: [1, 64],
                in_loop: &[2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128],
                output: Output::Loop,
            },
            Primitive::Xc7 => {
                Self { reference: 56, feedback: [2, 64], in_loop: &[1], output: Output::One(&ANY) }
            }
            // The multiplier and the first divider have eighths, which are not used.
            Primitive::Xcup => Self {
                reference: 106,
                feedback: [2, 128],
                in_loop: &[1],
                output: Output::One(&ANY),
            },
            // Quartus finds the counters itself; these are all integer ones.
            Primitive::Cyclone5 => Self {
                reference: 512,
                feedback: [1, 512],
                in_loop: &[1],
                output: Output::One(&ANY),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ClockError, Clocking};
    use crate::board::Board;

    fn plan(board: &str, mhz: f64) -> Result<Clocking, ClockError> {
        let board = Board::find(board).expect("built in");
        Clocking::plan(board.clock.mhz, board.pll.as_ref(), mhz)
    }

    /// Reference, feedback, divider and output in kHz.
    #[track_caller]
    fn check(board: &str, mhz: f64, expected: (u32, u32, u32, u32)) {
        let Ok(Clocking::Pll(s)) = plan(board, mhz) else { panic!("no PLL") };
        let khz = f64::from(expected.3);
        assert_eq!((s.reference, s.feedback, s.divider), (expected.0, expected.1, expected.2));
        assert!((s.mhz * 1e3 - khz).abs() < 1.0, "{}", s.mhz);
    }

    /// What `ecppll`, `icepll` and `gowin_pll` say where their frequency is not above ours; of
    /// equal outputs they may take another oscillator.
    #[test]
    fn settings_are_those_of_the_vendors_calculators() {
        check("ulx3s-85f", 100.0, (1, 4, 6, 100_000));
        check("icebreaker", 48.0, (1, 64, 16, 48_000));
        check("tang-nano-9k", 54.0, (1, 2, 16, 54_000));
        check("arty-a7-35", 100.0, (1, 12, 12, 100_000));
    }

    /// One output of an ECP5 gives 21.875 MHz at most of 25 MHz: the loop is closed by another one.
    #[test]
    fn a_second_output_comes_closer_where_one_does_not_reach() {
        let Ok(Clocking::Pll(s)) = plan("ulx3s-85f", 24.0) else { panic!("no PLL") };
        assert!((s.mhz - 24.0).abs() < 1e-9 && s.has_feedback_output(), "{s:?}");
        for (board, mhz) in [("ulx3s-85f", 100.0), ("ulx3s-85f", 43.75), ("orangecrab-25f", 48.0)] {
            let Ok(Clocking::Pll(s)) = plan(board, mhz) else { panic!("no PLL") };
            assert!((s.mhz - mhz).abs() < 1e-9 && !s.has_feedback_output(), "{s:?}");
        }
    }

    /// A build has its clock in whole Hz, which may be below what the PLL makes.
    #[test]
    fn a_clock_in_whole_hertz_is_planned_as_the_same_one() {
        for board in ["ulx3s-85f", "tang-nano-20k", "hx8k", "arty-a7-35"] {
            for mhz in [24.7, 33.4, 43.4, 61.9] {
                let clocking = plan(board, mhz).expect("in reach");
                let again = plan(board, f64::from(clocking.hz()) / 1e6).expect("in reach");
                assert_eq!(again, clocking, "{board}");
            }
        }
    }

    #[test]
    fn settings_lie_within_the_limits_and_never_above_the_frequency() {
        for name in [
            "ulx3s-85f",
            "orangecrab-25f",
            "icebreaker",
            "hx8k",
            "tang-nano-20k",
            "pynq-z2",
            "kv260",
            "de10-nano",
        ] {
            let board = Board::find(name).expect("built in");
            let pll = board.pll.as_ref().expect("a PLL");
            for mhz in (20..=180).step_by(8) {
                let mhz = f64::from(mhz) + 0.3;
                let Ok(Clocking::Pll(s)) = plan(name, mhz) else { panic!("{name}: {mhz} MHz") };
                let pfd = board.clock.mhz / f64::from(s.reference);
                let fed_back = pfd * f64::from(s.feedback);
                let out = fed_back * f64::from(s.loop_divider) / f64::from(s.divider);
                assert!((out - s.mhz).abs() < 1e-6 && s.mhz <= mhz, "{name}: {mhz} {s:?}");
                assert!((out * f64::from(s.divider) - s.vco_mhz).abs() < 1e-6, "{name} {s:?}");
                for (value, [low, high]) in
                    [(pfd, pll.pfd_mhz), (s.vco_mhz, pll.vco_mhz), (out, pll.out_mhz)]
                {
                    assert!(low <= value + 1e-6 && value <= high + 1e-6, "{name}: {value} {s:?}");
                }
                let alone = s.loop_divider == 1 || s.loop_divider == s.divider;
                assert_eq!(alone, !s.has_feedback_output(), "{name}: {s:?}");
            }
        }
    }

    #[test]
    fn clocks_out_of_reach_are_errors() {
        assert_eq!(Clocking::plan(50.0, None, 50.0), Ok(Clocking::Direct { mhz: 50.0 }));
        let error = Clocking::plan(50.0, None, 100.0).expect_err("no PLL").to_string();
        assert!(error.contains("cannot make 100 MHz") && error.contains("50 MHz"), "{error}");
        let error = plan("icebreaker", 5.0).expect_err("too slow").to_string();
        assert!(error.contains("16 to 275 MHz"), "{error}");
        let error = plan("ulx3s-85f", 900.0).expect_err("too fast").to_string();
        assert!(error.contains("10 to 400 MHz"), "{error}");
    }
}
