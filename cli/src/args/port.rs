//! The flags of the weight port, and how to choose them.

use clap::Args;
use heartbit_compiler::schedule::WeightPort;
use heartbit_ir::program::PortSlots;
use std::str::FromStr;

/// Where the weights come from that do not fit on the chip.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PortArgs {
    /// Adds a weight port of so many columns a beat (COLS x LANES bits wide), for networks whose
    /// weights do not fit on the chip.
    #[arg(long = "weight-port", id = "weight_port", value_name = "COLS")]
    pub(crate) cols: Option<usize>,
    /// Beats that the source of the weight port can send, and in how many cycles; every cycle
    /// unless given.
    #[arg(
        long = "weight-rate",
        value_name = "BEATS/CYCLES",
        default_value = "1/1",
        requires = "weight_port"
    )]
    pub(crate) rate: Rate,
    /// Cycles from the end of the load to the first beat.
    #[arg(
        long = "weight-latency",
        value_name = "N",
        default_value_t = 0,
        requires = "weight_port"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(..=1 << 32))]
    pub(crate) latency: u64,
    /// Words of the ring that streamed weights go through, a power of two; the best unless given.
    #[arg(long = "weight-ring", value_name = "WORDS", requires = "weight_port")]
    pub(crate) ring: Option<usize>,
}

impl PortArgs {
    /// The port, if one is asked for.
    pub(crate) fn port(&self) -> Option<WeightPort> {
        let Rate { beats, cycles } = self.rate;
        Some(WeightPort {
            cols: self.cols?,
            slots: PortSlots::at_rate(self.latency, beats, cycles),
            ring: self.ring,
            room: None,
        })
    }
}

/// Beats in so many cycles, not more than one in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    beats: u32,
    cycles: u32,
}

impl Default for Rate {
    fn default() -> Self {
        Self { beats: 1, cycles: 1 }
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

pub(super) const WEIGHT_PORT_HELP: &str = "\
Weights that do not fit:
  By default all weights are on the chip. If they need more than --weight-words, or more block memory
  than the board has, give --weight-port: the compiler then keeps the layers on the chip that would
  be slowest to stream, and the others come through the port, every word once an image, into a ring
  in the weight memory. `heartbit inspect` shows which layers are streamed and how long they wait.

  A word of all columns takes ARRAY_COLS / COLS beats of COLS x LANES bits. The rate is what the
  memory delivers of what the port could take:

    rate = bandwidth in bytes/s / (clock in Hz x COLS x LANES / 8)

  A 16-bit DDR3-800 chip has a peak of 1600 MB/s, and in long bursts some 1200 MB/s. An array 8x16x64
  at 75 MHz with --weight-port 2 takes 2 x 64 / 8 = 16 bytes a beat, 1200 MB/s at most: --weight-rate
  1/1 asks for all of that, 3/4 for 900 MB/s. A faster rate than the memory's gives a program that
  still computes the same, but waits longer than predicted.

  heartbit compile resnet18.hbn --array 8x16x64 --weight-words 4096 \\
      --weight-port 2 --weight-rate 3/4 --weight-latency 40 --out build";

#[cfg(test)]
mod tests {
    use super::Rate;

    #[test]
    fn rates_are_shares_of_the_cycles() {
        assert_eq!("3/4".parse(), Ok(Rate { beats: 3, cycles: 4 }));
        assert_eq!("1/1".parse(), Ok(Rate::default()));
        for wrong in ["", "1", "0/4", "5/4", "1/65537", "-1/2", "0.5/1", "1/2/3", "a/b"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
