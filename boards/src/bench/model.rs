//! Models of the cells that make clocks, whose dividers are the parameters of the instance.
//!
//! Not here: what the parameters are to be ([`crate::top`]).

use super::{BENCH, LOCK_EDGES, Times};
use crate::board::Primitive;
use crate::pll::PllSettings;

/// What all models have in common: an output that toggles, and the lock.
pub(super) fn core() -> String {
    let bits = LOCK_EDGES.trailing_zeros();
    format!(
        "
module heartbit_pll_core #(
  parameter [63:0] STEP = 1,
  parameter [63:0] LIMIT = 1
) (
  input  wire reference,
  input  wire feedback,
  output reg  out,
  output wire locked
);
  reg [63:0] phase = 64'd0;
  reg [{bits}:0] reference_edges = 0;
  reg [{bits}:0] feedback_edges = 0;
  wire [63:0] next = phase + STEP;
  initial begin
    out = 1'b0;
    if (STEP > LIMIT) begin
      $display(\"the PLL makes a faster clock than it was planned for\");
      $stop;
    end
  end
  always @(posedge {BENCH}.clock)
    if (next >= LIMIT) begin
      phase <= next - LIMIT;
      out <= ~out;
    end else phase <= next;
  always @(posedge reference)
    if (!reference_edges[{bits}]) reference_edges <= reference_edges + 1'b1;
  always @(posedge feedback)
    if (!feedback_edges[{bits}]) feedback_edges <= feedback_edges + 1'b1;
  assign locked = reference_edges[{bits}] & feedback_edges[{bits}];
endmodule

"
    )
}

/// A model of a cell: its ports and parameters as the top level has them.
pub(super) fn cell(s: &PllSettings, cell: &str, times: &Times) -> String {
    let (input, limit) = (times.input_step, times.limit);
    let body =
        |parameters: &str, ports: &str, feedback: &str, ratio: [&str; 2], nets: [&str; 3]| {
            let [multiply, divide] = ratio;
            let [reference, out, locked] = nets;
            format!(
                "module {cell} #(\n{parameters}\n) (\n{ports}\n);
  heartbit_pll_core #(
    .STEP(64'd{input} * ({multiply})),
    .LIMIT(64'd{limit} * ({divide}))
  ) core (
    .reference({reference}),
    .feedback({feedback}),
    .out({out}),
    .locked({locked})
  );
"
            )
        };
    match s.primitive {
        Primitive::Ice40Pad | Primitive::Ice40Core => {
            let pin =
                if s.primitive == Primitive::Ice40Pad { "PACKAGEPIN" } else { "REFERENCECLK" };
            let ports = format!(
                "  input  wire {pin},\n  output wire PLLOUTGLOBAL,\n  output wire LOCK,\n  \
                 input  wire RESETB,\n  input  wire BYPASS"
            );
            let ratio = ["64'd1 + {57'd0, DIVF}", "(64'd1 + {60'd0, DIVR}) << DIVQ"];
            body(ICE40, &ports, "PLLOUTGLOBAL", ratio, [pin, "PLLOUTGLOBAL", "LOCK"])
                + "endmodule\n"
        }
        Primitive::Ecp5 if s.has_feedback_output() => {
            let ratio = ["64'd1 * CLKFB_DIV * CLKOP_DIV", "64'd1 * CLKI_DIV * CLKOS_DIV"];
            let ports = format!("  output wire CLKOS,\n{ECP5_PORTS}");
            // Nobody looks at how fast the loop is.
            body(ECP5, &ports, "CLKFB", ratio, ["CLKI", "CLKOS", "LOCK"])
                + "  assign CLKOP = CLKI;\nendmodule\n"
        }
        Primitive::Ecp5 => {
            let ratio = ["64'd1 * CLKFB_DIV", "64'd1 * CLKI_DIV"];
            body(ECP5, ECP5_PORTS, "CLKFB", ratio, ["CLKI", "CLKOP", "LOCK"]) + "endmodule\n"
        }
        Primitive::Gowin => {
            let ratio = ["64'd1 * FBDIV_SEL + 64'd1", "64'd1 * IDIV_SEL + 64'd1"];
            body(GOWIN, GOWIN_PORTS, "CLKOUT", ratio, ["CLKIN", "CLKOUT", "LOCK"])
                + "  assign {CLKOUTP, CLKOUTD, CLKOUTD3} = 3'b0;\nendmodule\n"
        }
        Primitive::Xc7 | Primitive::Xcup => {
            let end = if s.primitive == Primitive::Xcup { "_F" } else { "" };
            let parameters = format!(
                "  parameter real CLKIN1_PERIOD = 0.0,\n  parameter integer DIVCLK_DIVIDE = 1,\n  \
                 parameter integer CLKFBOUT_MULT{end} = 2,\n  parameter integer CLKOUT0_DIVIDE{end} = 1"
            );
            let ratio = [
                &format!("64'd1 * CLKFBOUT_MULT{end}")[..],
                &format!("64'd1 * DIVCLK_DIVIDE * CLKOUT0_DIVIDE{end}"),
            ];
            body(&parameters, XILINX_PORTS, "CLKFBIN", ratio, ["CLKIN1", "CLKOUT0", "LOCKED"])
                + "  assign CLKFBOUT = CLKIN1;\nendmodule\n\nmodule BUFG (\n  input  wire I,\n  \
                   output wire O\n);\n  assign O = I;\nendmodule\n"
        }
        Primitive::Cyclone5 => {
            // Its parameters are frequencies in words, which the plan has as numbers.
            let ratio =
                [&format!("64'd{}", s.feedback)[..], &format!("64'd{}", s.reference * s.divider)];
            body(CYCLONE5, CYCLONE5_PORTS, "outclk", ratio, ["refclk", "outclk", "locked"])
                + "  assign fboutclk = 1'b0;\nendmodule\n"
        }
    }
}

const ICE40: &str = "  parameter FEEDBACK_PATH = \"SIMPLE\",
  parameter [3:0] DIVR = 0,
  parameter [6:0] DIVF = 0,
  parameter [2:0] DIVQ = 0,
  parameter [2:0] FILTER_RANGE = 0";

const ECP5: &str = "  parameter PLLRST_ENA = \"DISABLED\",
  parameter INTFB_WAKE = \"DISABLED\",
  parameter STDBY_ENABLE = \"DISABLED\",
  parameter DPHASE_SOURCE = \"DISABLED\",
  parameter OUTDIVIDER_MUXA = \"DIVA\",
  parameter OUTDIVIDER_MUXB = \"DIVB\",
  parameter OUTDIVIDER_MUXC = \"DIVC\",
  parameter OUTDIVIDER_MUXD = \"DIVD\",
  parameter integer CLKI_DIV = 1,
  parameter CLKOP_ENABLE = \"ENABLED\",
  parameter integer CLKOP_DIV = 8,
  parameter integer CLKOP_CPHASE = 0,
  parameter integer CLKOP_FPHASE = 0,
  parameter CLKOS_ENABLE = \"DISABLED\",
  parameter integer CLKOS_DIV = 8,
  parameter integer CLKOS_CPHASE = 0,
  parameter integer CLKOS_FPHASE = 0,
  parameter FEEDBK_PATH = \"CLKOP\",
  parameter integer CLKFB_DIV = 1";

const ECP5_PORTS: &str = "  input  wire CLKI,
  input  wire CLKFB,
  output wire CLKOP,
  output wire LOCK,
  input  wire RST,
  input  wire STDBY,
  input  wire PHASESEL0,
  input  wire PHASESEL1,
  input  wire PHASEDIR,
  input  wire PHASESTEP,
  input  wire PHASELOADREG,
  input  wire PLLWAKESYNC,
  input  wire ENCLKOP";

const GOWIN: &str = "  parameter FCLKIN = \"0\",
  parameter DEVICE = \"\",
  parameter integer IDIV_SEL = 0,
  parameter integer FBDIV_SEL = 0,
  parameter integer ODIV_SEL = 8";

const GOWIN_PORTS: &str = "  input  wire CLKIN,
  output wire CLKOUT,
  output wire LOCK,
  output wire CLKOUTP,
  output wire CLKOUTD,
  output wire CLKOUTD3,
  input  wire CLKFB,
  input  wire [5:0] FBDSEL,
  input  wire [5:0] IDSEL,
  input  wire [5:0] ODSEL,
  input  wire [3:0] DUTYDA,
  input  wire [3:0] PSDA,
  input  wire [3:0] FDLY,
  input  wire RESET,
  input  wire RESET_P";

const XILINX_PORTS: &str = "  input  wire CLKIN1,
  input  wire CLKFBIN,
  output wire CLKFBOUT,
  output wire CLKOUT0,
  output wire LOCKED,
  input  wire PWRDWN,
  input  wire RST";

const CYCLONE5: &str = "  parameter fractional_vco_multiplier = \"false\",
  parameter operation_mode = \"direct\",
  parameter reference_clock_frequency = \"0 MHz\",
  parameter integer number_of_clocks = 1,
  parameter output_clock_frequency0 = \"0 MHz\",
  parameter phase_shift0 = \"0 ps\",
  parameter integer duty_cycle0 = 50";

const CYCLONE5_PORTS: &str = "  input  wire refclk,
  input  wire rst,
  input  wire fbclk,
  output wire fboutclk,
  output wire outclk,
  output wire locked";
