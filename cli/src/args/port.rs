//! The flags of the weight port, and how to choose them.

use crate::failure::{Code, Failure, Outcome};
use clap::{ArgGroup, Args};
use heartbit_compiler::schedule::WeightPort;
use heartbit_hdl::axi::{AxiConfig, weight_rate};
use heartbit_ir::program::{ArrayShape, PortSlots};
use std::fmt;
use std::str::FromStr;

/// Where the weights come from that do not fit on the chip.
#[derive(Args, Clone, Debug, Default)]
#[command(group = ArgGroup::new("weight_source").args(["weight_port", "weight_bandwidth"]))]
pub(crate) struct PortArgs {
    /// Adds a weight port of so many columns a beat (COLS x LANES bits wide), for networks whose
    /// weights do not fit on the chip.
    #[arg(long = "weight-port", id = "weight_port", value_name = "COLS")]
    pub(crate) cols: Option<usize>,
    /// Beats that the source of the weight port can send, and in how many cycles; every cycle
    /// unless given, or as many as the memory port of `compile --axi` brings.
    #[arg(long = "weight-rate", value_name = "BEATS/CYCLES", requires = "weight_port")]
    pub(crate) rate: Option<Rate>,
    /// Instead of port and rate: what the memory with the weights delivers, in 10^6 bytes a second. The
    /// port is then the narrowest that takes all of it at the clock of the FPGA.
    #[arg(
        long = "weight-bandwidth", id = "weight_bandwidth", value_name = "MB/S",
        conflicts_with = "weight_port", value_parser = bandwidth
    )]
    pub(crate) bandwidth: Option<f64>,
    /// Cycles from the end of the load to the first beat.
    #[arg(long = "weight-latency", value_name = "N", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=1 << 32), requires = "weight_source")]
    pub(crate) latency: u64,
    /// Words of the ring that streamed weights go through, a power of two; the best unless given.
    #[arg(long = "weight-ring", value_name = "WORDS", requires = "weight_source")]
    pub(crate) ring: Option<usize>,
}

fn bandwidth(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "write MB/s, for example 800".to_owned())?;
    if rate > 0.0 && rate <= 1e6 { Ok(rate) } else { Err("above 0 and at most 1000000".to_owned()) }
}

impl PortArgs {
    /// The port of an array, if one is asked for; behind AXI if so. The clock is in MHz.
    ///
    /// # Errors
    /// If the memory port behind AXI is slower than the rate that is given, or no clock is known for a
    /// bandwidth.
    pub(crate) fn port(
        &self,
        shape: ArrayShape,
        clock: Option<f64>,
        axi: Option<AxiConfig>,
    ) -> Outcome<Option<WeightPort>> {
        let (cols, wanted) = match (self.cols, self.bandwidth) {
            (Some(cols), _) => (cols, self.rate),
            (None, Some(bandwidth)) => {
                let clock = clock.ok_or_else(no_clock)?;
                let (cols, rate) = suited(shape, bandwidth * 8.0 / clock, axi);
                (cols, Some(rate))
            }
            (None, None) => return Ok(None),
        };
        let most = most_of(axi, cols * shape.lanes);
        let rate = wanted.unwrap_or(most);
        if rate.is_faster_than(most) {
            let bus = axi.map_or(0, |axi| axi.data_bits);
            let lanes = shape.lanes;
            let message = format!(
                "a memory port of {bus} bits (`--axi={bus}`) brings beats of {cols} x {lanes} bits \
                 at a rate of {most}, which is less than `--weight-rate {rate}`"
            );
            return Err(Failure::new(Code::Usage, message)
                .help(format!("give `--weight-rate {most}` or a slower one, or leave it out")));
        }
        let slots = PortSlots::at_rate(self.latency, rate.beats, rate.cycles);
        Ok(Some(WeightPort { cols, slots, ring: self.ring, room: None }))
    }
}

fn no_clock() -> Failure {
    let message = "`--weight-bandwidth` needs the clock of the array";
    Failure::new(Code::Usage, message).help(
        "give `--board`, or `--family` and `--clock`; or `--weight-port` with `--weight-rate`",
    )
}

/// The fastest rate of a weight port of so many bits.
fn most_of(axi: Option<AxiConfig>, bits: usize) -> Rate {
    let (beats, cycles) = axi.map_or((1, 1), |axi| weight_rate(axi, bits.max(1)));
    Rate { beats, cycles }
}

/// The narrowest port that takes so many bits a cycle, or the widest; and the rate at which they come.
fn suited(shape: ArrayShape, bits: f64, axi: Option<AxiConfig>) -> (usize, Rate) {
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
    let share = |cols: usize| bits / (cols * shape.lanes) as f64;
    let mut divisors = (1..=shape.cols).filter(|cols| shape.cols.is_multiple_of(*cols));
    let cols = divisors.find(|&cols| share(cols) <= 1.0).unwrap_or(shape.cols);
    let (rate, most) = (Rate::below(share(cols)), most_of(axi, cols * shape.lanes));
    (cols, if rate.is_faster_than(most) { most } else { rate })
}

/// The flags of a port.
pub(crate) fn flags(port: &WeightPort) -> Vec<String> {
    let WeightPort { cols, slots, .. } = port;
    let beats = slots.pattern.iter().filter(|slot| **slot).count();
    let rate = format!("{beats}/{}", slots.pattern.len());
    let mut flags =
        vec!["--weight-port".to_owned(), cols.to_string(), "--weight-rate".to_owned(), rate];
    let latency = ["--weight-latency".to_owned(), slots.latency.to_string()];
    flags.extend(latency.into_iter().filter(|_| slots.latency > 0));
    let ring = port.ring.map(|words| ["--weight-ring".to_owned(), words.to_string()]);
    flags.extend(ring.into_iter().flatten());
    flags
}

/// Beats in so many cycles, not more than one in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    beats: u32,
    cycles: u32,
}

impl Rate {
    /// The largest share of at most 64 cycles that is not above `share`, and of more cycles where that
    /// is none.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "numbers of cycles, clamped"
    )]
    fn below(share: f64) -> Self {
        let beats = |cycles: u32| (f64::from(cycles) * share.min(1.0)).floor() as u32;
        let rates = (1..=64).map(|cycles| Self { beats: beats(cycles), cycles });
        let best = rates
            .filter(|rate| rate.beats > 0)
            .reduce(|best, rate| if rate.is_faster_than(best) { rate } else { best });
        let slow = (1.0 / share).ceil().clamp(1.0, 65_536.0) as u32;
        best.unwrap_or(Self { beats: 1, cycles: slow })
    }

    /// Whether more beats come in a cycle.
    fn is_faster_than(self, other: Self) -> bool {
        let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
        product(self.beats, other.cycles) > product(other.beats, self.cycles)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.beats, self.cycles)
    }
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write BEATS/CYCLES, for example 1/2: at least 1 beat, and not more of them than \
                     cycles, of which there are at most 65536";
        let (beats, cycles) = text.split_once('/').ok_or(wrong)?;
        let number = |text: &str| text.parse().map_err(|_| wrong);
        let (beats, cycles) = (number(beats)?, number(cycles)?);
        let possible = 1 <= beats && beats <= cycles && cycles <= 1 << 16;
        if possible { Ok(Self { beats, cycles }) } else { Err(wrong) }
    }
}

pub(super) const COMPILE_HELP: &str = "\
Examples:
  heartbit compile network.hbn --array 8x16x32 --out build
  heartbit compile network.hbn --board ulx3s-85f --uart --clock-hz 75000000 \\
      --array 2x2x32 --out placed
  heartbit compile network.hbn --array 8x16x64 --axi --out soc

Weights that do not fit:
  By default all weights are on the chip. If they need more than --weight-words,
  or more block memory than the board has, give --weight-port: the compiler then
  keeps the layers on the chip that would be slowest to stream, and the others
  come through the port, every word once an image, into a ring in the weight
  memory. `heartbit inspect` shows which layers are streamed and how long they
  wait.

  A word of all columns takes ARRAY_COLS / COLS beats of COLS x LANES bits. The
  rate is what the memory delivers of what the port could take:

    rate = bandwidth in bytes/s / (clock in Hz x COLS x LANES / 8)

  A 16-bit DDR3-800 chip has a peak of 1600 MB/s, and in long bursts some 1200
  MB/s. An array 8x16x64 at 75 MHz with --weight-port 2 takes 2 x 64 / 8 = 16
  bytes a beat, 1200 MB/s at most: --weight-rate 1/1 asks for all of that, 3/4
  for 900 MB/s. A faster rate than the memory's gives a program that still
  computes the same, but waits longer than predicted. With the clock of a board
  `--weight-bandwidth 1200` chooses port and rate.

  Behind AXI (`--axi`) weights come through the memory port: the rate is at most
  what that brings, its bits a cycle, and is that unless given. The weights are
  written as `host/weights.bin`.

  heartbit compile resnet18.hbn --array 8x16x64 --weight-words 4096 \\
      --weight-port 2 --weight-rate 3/4 --weight-latency 40 --out build";

#[cfg(test)]
mod tests {
    use super::{Rate, suited};
    use heartbit_hdl::axi::AxiConfig;
    use heartbit_ir::program::ArrayShape;

    #[track_caller]
    fn check_suited(bits: f64, axi: Option<AxiConfig>, cols: usize, rate: &str) {
        let shape = ArrayShape { rows: 4, cols: 12, lanes: 32 };
        let (suited, found) = suited(shape, bits, axi);
        assert_eq!((suited, found.to_string().as_str()), (cols, rate), "{bits} bits a cycle");
    }

    #[test]
    fn port_takes_what_the_memory_delivers() {
        check_suited(32.0, None, 1, "1/1");
        check_suited(33.0, None, 2, "33/64");
        check_suited(100.0, None, 4, "25/32");
        check_suited(1000.0, None, 12, "1/1");
        check_suited(8.0, None, 1, "1/4");
        check_suited(0.1, None, 1, "1/320");
        check_suited(100.0, Some(AxiConfig::default()), 4, "1/2");
    }

    #[test]
    fn rates_are_shares_of_the_cycles() {
        assert_eq!("3/4".parse(), Ok(Rate { beats: 3, cycles: 4 }));
        assert_eq!("1/1".parse(), Ok(Rate { beats: 1, cycles: 1 }));
        for wrong in ["", "1", "0/4", "5/4", "1/65537", "-1/2", "0.5/1", "1/2/3", "a/b"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
