//! The test bench of a board's top level: its pads behind the ports of the link, and its PLL.
//!
//! The bench has the ports of [`LINK`](crate::top::LINK), so that whatever drives the link drives the
//! board. Time is that of its port `clock`, two rising edges of which are a period of the faster of
//! the clock at the pin and that of the array; everything else follows from it:
//!
//! * `clk_in` has the frequency of the board file;
//! * the PLL is a model that takes its dividers from the parameters of the cell in the top level, so
//!   that a wrong divider gives another clock, and a link at another rate than the host's;
//! * it locks after sixteen edges of the reference and of what is fed back, so that a clock or a
//!   loop that is not connected never leaves reset;
//! * buttons and LEDs have the polarity of the board file. A board without the LED *busy* seems busy.
//!
//! Not here: jitter, phases, the range of the oscillator ([`crate::pll`]); who drives the bench.

mod model;

use crate::board::Board;
use crate::pads::{CLOCK, LEDS, pads};
use crate::pll::Clocking;
use crate::top;
use std::fmt::Write as _;

/// Name of the bench, and of its file without `.v`.
pub const BENCH: &str = "heartbit_bench";

/// The cell that a netlist has instead of a PLL where the vendor's models have one without contents.
pub const PLL_MODEL: &str = "heartbit_pll";

/// Edges after which a PLL locks, a power of two.
const LOCK_EDGES: u64 = 16;

/// A bench.
#[derive(Clone, Debug, PartialEq)]
pub struct Bench {
    /// Its Verilog.
    pub text: String,
    /// Rising edges of its port `clock` in a second.
    pub ticks_per_second: f64,
    /// Rising edges from the first one until the array is out of reset.
    pub settling: u64,
}

impl Bench {
    /// Rising edges of the port `clock` of a bit on the line, as the host at its other end has it.
    pub fn ticks_per_bit(&self, baud: u32) -> f64 {
        self.ticks_per_second / f64::from(baud)
    }
}

/// The bench of a board; `pll` is the name of the PLL's cell in the top level, the family's own
/// unless it was renamed to [`PLL_MODEL`].
pub fn bench(board: &Board, clocking: &Clocking, pll: Option<&str>) -> Bench {
    let times = Times::of(clocking);
    let text = format!(
        "`default_nettype none

// Test bench of {top}: its pads behind the ports of {link}, and a model of its PLL.
// {ticks} rising edges of clock are a period of clk_in.
module {BENCH} (
  input  wire clock,
  input  wire reset,
  input  wire uart_rx,
  output wire uart_tx,
  output wire [3:0] status
);
  reg {CLOCK} = 1'b0;
  reg [63:0] phase = 64'd0;
  wire [63:0] next = phase + 64'd{step};
  always @(posedge clock)
    if (next >= 64'd{limit}) begin
      phase <= next - 64'd{limit};
      {CLOCK} <= ~{CLOCK};
    end else phase <= next;
{pads}endmodule
{model}
`default_nettype wire
",
        top = top::name(board),
        link = top::LINK,
        ticks = decimal(2 * times.limit, times.input_step),
        step = times.input_step,
        limit = times.limit,
        pads = instance(board),
        model = match clocking {
            Clocking::Direct { .. } => String::new(),
            Clocking::Pll(settings) => {
                let cell = pll.unwrap_or(settings.primitive.cell());
                model::core() + &model::cell(settings, cell, &times)
            }
        },
    );
    #[expect(clippy::cast_precision_loss, reason = "products of a few dividers")]
    let ticks_per_second =
        2.0 * input_mhz(clocking) * 1e6 * times.limit as f64 / times.input_step as f64;
    let period = (2 * times.limit).div_ceil(times.input_step.min(times.output_step));
    Bench { text, ticks_per_second, settling: (2 * LOCK_EDGES + 8) * period }
}

fn input_mhz(clocking: &Clocking) -> f64 {
    match clocking {
        Clocking::Direct { mhz } => *mhz,
        Clocking::Pll(settings) => settings.input_mhz,
    }
}

/// Two whole numbers as a quotient of three digits.
#[expect(clippy::cast_precision_loss, reason = "products of a few dividers")]
fn decimal(a: u64, b: u64) -> String {
    format!("{:.3}", a as f64 / b as f64)
}

/// Accumulators that gain a step with each tick and toggle a clock where they reach the limit.
struct Times {
    input_step: u64,
    output_step: u64,
    limit: u64,
}

impl Times {
    fn of(clocking: &Clocking) -> Self {
        let (input, output) = match clocking {
            Clocking::Direct { .. } => (1, 1),
            Clocking::Pll(s) => (
                u64::from(s.reference) * u64::from(s.divider),
                u64::from(s.feedback) * u64::from(s.loop_divider),
            ),
        };
        Self { input_step: input, output_step: output, limit: input.max(output) }
    }
}

/// The top level, and what its pads mean.
fn instance(board: &Board) -> String {
    let (mut connections, mut text) = (Vec::new(), String::new());
    let mut seen = [false; LEDS.len()];
    for pad in pads(board) {
        let not = if pad.active_low { "~" } else { "" };
        let net = match LEDS.iter().position(|led| *led == pad.port) {
            Some(bit) => {
                seen[bit] = true;
                write!(text, "  wire {0};\n  assign status[{bit}] = {not}{0};\n", pad.port)
                    .expect("bug: writing to a string");
                pad.port.to_owned()
            }
            None if pad.port == "reset_in" => format!("{not}reset"),
            None => pad.port.to_owned(),
        };
        connections.push(format!("    .{}({net})", pad.port));
    }
    for bit in (0..LEDS.len()).filter(|&bit| !seen[bit]) {
        writeln!(text, "  assign status[{bit}] = 1'b{}; // no LED", u8::from(bit == 1))
            .expect("bug: writing to a string");
    }
    format!("{text}  {} board (\n{}\n  );\n", top::name(board), connections.join(",\n"))
}
