//! How the clock of the array comes from that of the board: dividers of a PLL, within its limits.
//!
//! The frequency that is made is the highest that is not above the one asked for, since timing is
//! checked against the latter. The limits are data of the board file.
//!
//! Not here: the cell in Verilog ([`crate::top`]).

use crate::board::{PllLimits, Primitive};

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
    /// The oscillator, or the output, is divided by it in the feedback.
    pub feedback: u32,
    /// The oscillator over the output.
    pub divider: u32,
    /// Oscillator, in MHz.
    pub vco_mhz: f64,
    /// Output, in MHz.
    pub mhz: f64,
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

/// Frequencies that differ by less are equal.
const EPSILON: f64 = 1e-9;

impl Clocking {
    /// The way to a clock, from a pin and the PLL behind it.
    ///
    /// # Errors
    /// [`ClockError`].
    pub fn plan(input: f64, pll: Option<&PllLimits>, wanted: f64) -> Result<Self, ClockError> {
        let Some(pll) = pll else {
            let same = (input - wanted).abs() < EPSILON;
            return if same {
                Ok(Self::Direct { mhz: input })
            } else {
                Err(ClockError::NoPll { wanted, input })
            };
        };
        let [low, high] = pll.out_mhz;
        let best = settings(input, pll)
            .filter(|s| wanted <= high && s.mhz <= wanted * (1.0 + EPSILON))
            .min_by(|a, b| rank(a, pll).total_cmp(&rank(b, pll)));
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
}

/// Lower is better: the highest output first, then a fast phase detector, then an oscillator in the
/// middle of its range.
fn rank(settings: &PllSettings, pll: &PllLimits) -> f64 {
    let middle = f64::midpoint(pll.vco_mhz[0], pll.vco_mhz[1]);
    let detour = (settings.vco_mhz - middle).abs() / middle;
    -1e9 * (settings.mhz * 1e3).round() + f64::from(settings.reference) * 10.0 + detour
}

/// All settings within the limits.
fn settings(input: f64, pll: &PllLimits) -> impl Iterator<Item = PllSettings> + '_ {
    let dividers = Dividers::of(pll.primitive);
    let within = |value: f64, [low, high]: [f64; 2]| {
        value >= low * (1.0 - EPSILON) && value <= high * (1.0 + EPSILON)
    };
    let references = (1..=dividers.reference)
        .filter(move |&reference| within(input / f64::from(reference), pll.pfd_mhz));
    references.flat_map(move |reference| {
        (dividers.feedback[0]..=dividers.feedback[1]).flat_map(move |feedback| {
            dividers.output.iter().filter_map(move |&divider| {
                let product = input * f64::from(feedback) / f64::from(reference);
                let (vco_mhz, mhz) = if dividers.output_in_loop {
                    (product * f64::from(divider), product)
                } else {
                    (product, product / f64::from(divider))
                };
                (within(vco_mhz, pll.vco_mhz) && within(mhz, pll.out_mhz)).then(|| PllSettings {
                    primitive: pll.primitive,
                    device: pll.device.clone(),
                    input_mhz: input,
                    reference,
                    feedback,
                    divider,
                    vco_mhz,
                    mhz,
                })
            })
        })
    })
}

/// The dividers that a cell has.
#[derive(Clone, Copy)]
struct Dividers {
    reference: u32,
    feedback: [u32; 2],
    output: &'static [u32],
    /// Whether the feedback is that of the output, so that its divider is in the loop.
    output_in_loop: bool,
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
                output: &[2, 4, 8, 16, 32, 64],
                output_in_loop: false,
            },
            Primitive::Ecp5 => {
                Self { reference: 128, feedback: [1, 80], output: &ANY, output_in_loop: true }
            }
            Primitive::Gowin => Self {
                reference: 64,
                feedback: [1, 64],
                output: &[2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128],
                output_in_loop: true,
            },
            Primitive::Xc7 => {
                Self { reference: 56, feedback: [2, 64], output: &ANY, output_in_loop: false }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ClockError, Clocking};
    use crate::board::{Board, Primitive};

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

    #[test]
    fn settings_lie_within_the_limits_and_never_above_the_frequency() {
        for name in
            ["ulx3s-85f", "orangecrab-25f", "icebreaker", "hx8k", "tang-nano-20k", "pynq-z2"]
        {
            let board = Board::find(name).expect("built in");
            let pll = board.pll.as_ref().expect("a PLL");
            for mhz in (20..=180).step_by(8) {
                let mhz = f64::from(mhz) + 0.3;
                let Ok(Clocking::Pll(s)) = plan(name, mhz) else { panic!("{name}: {mhz} MHz") };
                let pfd = board.clock.mhz / f64::from(s.reference);
                let out = if matches!(s.primitive, Primitive::Ecp5 | Primitive::Gowin) {
                    pfd * f64::from(s.feedback)
                } else {
                    pfd * f64::from(s.feedback) / f64::from(s.divider)
                };
                assert!((out - s.mhz).abs() < 1e-6 && s.mhz <= mhz, "{name}: {mhz} {s:?}");
                assert!((out * f64::from(s.divider) - s.vco_mhz).abs() < 1e-6, "{name} {s:?}");
                for (value, [low, high]) in
                    [(pfd, pll.pfd_mhz), (s.vco_mhz, pll.vco_mhz), (out, pll.out_mhz)]
                {
                    assert!(low <= value + 1e-6 && value <= high + 1e-6, "{name}: {value} {s:?}");
                }
            }
        }
    }

    #[test]
    fn clocks_out_of_reach_are_errors() {
        assert_eq!(plan("de10-nano", 50.0), Ok(Clocking::Direct { mhz: 50.0 }));
        let error = plan("de10-nano", 100.0).expect_err("no PLL").to_string();
        assert!(error.contains("cannot make 100 MHz") && error.contains("50 MHz"), "{error}");
        let error = plan("icebreaker", 5.0).expect_err("too slow").to_string();
        assert!(error.contains("16 to 275 MHz"), "{error}");
        let error = plan("ulx3s-85f", 900.0).expect_err("too fast").to_string();
        assert!(error.contains("10 to 400 MHz"), "{error}");
    }
}
