//! The top level of a board in Verilog: clock, reset, pins, around the accelerator with its link.
//!
//! The link is the module [`LINK`], which knows no vendor. Cells of the vendor are here only.
//!
//! * The clock comes from the PLL that [`Clocking`] plans, or from the pin.
//! * Reset is taken at once, while the PLL has not locked or the button is pressed, and released in
//!   step with the clock.
//!
//! Not here: which pins ([`crate::constraints`]).

use crate::board::{Board, Primitive};
use crate::pads::{CLOCK, LEDS, Pad, pads};
use crate::pll::{Clocking, PllSettings};
use std::fmt::Write as _;

/// The module inside.
pub const LINK: &str = "heartbit_uart";

/// Name of the top level, and of its file without `.v`.
pub fn name(board: &Board) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    format!("heartbit_{}", board.name.chars().map(plain).collect::<String>())
}

/// The Verilog of the top level.
pub fn verilog(board: &Board, clocking: &Clocking) -> String {
    let pads = pads(board);
    let mut text = format!(
        "`default_nettype none\n\n// Heartbit on {}: clock, reset and pins.\nmodule {} (\n{}\n);\n",
        board.title,
        name(board),
        ports(&pads, board.clock.mhz)
    );
    text += &clock(clocking);
    text += &reset(&pads);
    text += &link(&pads);
    text + "endmodule\n\n`default_nettype wire\n"
}

fn ports(pads: &[Pad<'_>], mhz: f64) -> String {
    let mut text = String::new();
    for (i, pad) in pads.iter().enumerate() {
        let direction = if pad.output { "output" } else { "input " };
        let comma = if i + 1 == pads.len() { "" } else { "," };
        let level = if pad.active_low { ", active low" } else { "" };
        let clock = if pad.port == CLOCK { format!(", {mhz} MHz") } else { String::new() };
        let (port, site) = (pad.port, &pad.pin.site);
        let line = format!("  {direction} wire {port}{comma} // {site}{level}{clock}\n");
        text += &line;
    }
    text.truncate(text.trim_end().len());
    text
}

/// `clock`, and `locked`.
fn clock(clocking: &Clocking) -> String {
    match clocking {
        Clocking::Direct { .. } => {
            format!("  wire clock = {CLOCK};\n  wire locked = 1'b1;\n")
        }
        Clocking::Pll(settings) => {
            let (mhz, vco) = (settings.mhz, settings.vco_mhz);
            format!(
                "  wire clock; // {mhz:.3} MHz, of an oscillator of {vco:.3} MHz\n  wire locked;\n{}",
                match settings.primitive {
                    Primitive::Ice40Pad => ice40(settings, "PACKAGEPIN"),
                    Primitive::Ice40Core => ice40(settings, "REFERENCECLK"),
                    Primitive::Ecp5 => ecp5(settings),
                    Primitive::Gowin => gowin(settings),
                    Primitive::Xc7 | Primitive::Xcup => xilinx(settings),
                    Primitive::Cyclone5 => cyclone5(settings),
                }
            )
        }
    }
}

fn ice40(s: &PllSettings, input: &str) -> String {
    let (cell, r, f, q) =
        (s.primitive.cell(), s.reference - 1, s.feedback - 1, s.divider.trailing_zeros());
    // Of the loop filter, as icepll chooses it by the frequency of the phase detector.
    let pfd = s.input_mhz / f64::from(s.reference);
    let range = 1 + [17.0, 26.0, 44.0, 66.0, 101.0].iter().filter(|&&mhz| pfd >= mhz).count();
    format!(
        "  {cell} #(
    .FEEDBACK_PATH(\"SIMPLE\"),
    .DIVR(4'd{r}),
    .DIVF(7'd{f}),
    .DIVQ(3'd{q}),
    .FILTER_RANGE(3'd{range})
  ) pll (
    .{input}({CLOCK}),
    .PLLOUTGLOBAL(clock),
    .LOCK(locked),
    .RESETB(1'b1),
    .BYPASS(1'b0)
  );
"
    )
}

fn ecp5(s: &PllSettings) -> String {
    let (reference, feedback, divider, phase) =
        (s.reference, s.feedback, s.loop_divider, s.loop_divider / 2);
    let (wire, settings, ports, fed_back) = if s.has_feedback_output() {
        let (divider, phase) = (s.divider, s.divider / 2);
        let settings = format!(
            "    .CLKOS_ENABLE(\"ENABLED\"),
    .CLKOS_DIV({divider}),
    .CLKOS_CPHASE({phase}),
    .CLKOS_FPHASE(0),
"
        );
        let wire = "  wire pll_feedback;\n";
        (wire, settings, "    .CLKOS(clock),\n", "pll_feedback")
    } else {
        ("", String::new(), "", "clock")
    };
    // The loop filter is that of ecppll. Phases matter to no one: one output is used.
    format!(
        "{wire}  (* ICP_CURRENT=\"12\" *) (* LPF_RESISTOR=\"8\" *)
  (* MFG_ENABLE_FILTEROPAMP=\"1\" *) (* MFG_GMCREF_SEL=\"2\" *)
  EHXPLLL #(
    .PLLRST_ENA(\"DISABLED\"),
    .INTFB_WAKE(\"DISABLED\"),
    .STDBY_ENABLE(\"DISABLED\"),
    .DPHASE_SOURCE(\"DISABLED\"),
    .OUTDIVIDER_MUXA(\"DIVA\"),
    .OUTDIVIDER_MUXB(\"DIVB\"),
    .OUTDIVIDER_MUXC(\"DIVC\"),
    .OUTDIVIDER_MUXD(\"DIVD\"),
    .CLKI_DIV({reference}),
    .CLKOP_ENABLE(\"ENABLED\"),
    .CLKOP_DIV({divider}),
    .CLKOP_CPHASE({phase}),
    .CLKOP_FPHASE(0),
{settings}    .FEEDBK_PATH(\"CLKOP\"),
    .CLKFB_DIV({feedback})
  ) pll (
    .CLKI({CLOCK}),
    .CLKFB({fed_back}),
    .CLKOP({fed_back}),
{ports}    .LOCK(locked),
    .RST(1'b0),
    .STDBY(1'b0),
    .PHASESEL0(1'b0),
    .PHASESEL1(1'b0),
    .PHASEDIR(1'b0),
    .PHASESTEP(1'b0),
    .PHASELOADREG(1'b0),
    .PLLWAKESYNC(1'b0),
    .ENCLKOP(1'b0)
  );
"
    )
}

fn gowin(s: &PllSettings) -> String {
    let (input, device) = (s.input_mhz, s.device.as_deref().unwrap_or_default());
    let (reference, feedback, divider) = (s.reference - 1, s.feedback - 1, s.divider);
    format!(
        "  rPLL #(
    .FCLKIN(\"{input}\"),
    .DEVICE(\"{device}\"),
    .IDIV_SEL({reference}),
    .FBDIV_SEL({feedback}),
    .ODIV_SEL({divider})
  ) pll (
    .CLKIN({CLOCK}),
    .CLKOUT(clock),
    .LOCK(locked),
    .CLKOUTP(),
    .CLKOUTD(),
    .CLKOUTD3(),
    .CLKFB(1'b0),
    .FBDSEL(6'b0),
    .IDSEL(6'b0),
    .ODSEL(6'b0),
    .DUTYDA(4'b0),
    .PSDA(4'b0),
    .FDLY(4'b0),
    .RESET(1'b0),
    .RESET_P(1'b0)
  );
"
    )
}

fn xilinx(s: &PllSettings) -> String {
    let (cell, period, reference) = (s.primitive.cell(), 1000.0 / s.input_mhz, s.reference);
    let (feedback, divider) = (s.feedback, s.divider);
    // An MMCM takes eighths, so that its numbers are real ones.
    let (multiply, divide, number) = match s.primitive {
        Primitive::Xcup => ("CLKFBOUT_MULT_F", "CLKOUT0_DIVIDE_F", ".000"),
        _ => ("CLKFBOUT_MULT", "CLKOUT0_DIVIDE", ""),
    };
    format!(
        "  wire pll_feedback;
  wire pll_output;
  {cell} #(
    .CLKIN1_PERIOD({period:.3}),
    .DIVCLK_DIVIDE({reference}),
    .{multiply}({feedback}{number}),
    .{divide}({divider}{number})
  ) pll (
    .CLKIN1({CLOCK}),
    .CLKFBIN(pll_feedback),
    .CLKFBOUT(pll_feedback),
    .CLKOUT0(pll_output),
    .LOCKED(locked),
    .PWRDWN(1'b0),
    .RST(1'b0)
  );
  BUFG clock_buffer (
    .I(pll_output),
    .O(clock)
  );
"
    )
}

fn cyclone5(s: &PllSettings) -> String {
    let (cell, input, output) = (s.primitive.cell(), s.input_mhz, s.mhz);
    // Quartus finds the counters, which the planned ones prove to exist.
    format!(
        "  {cell} #(
    .fractional_vco_multiplier(\"false\"),
    .operation_mode(\"direct\"),
    .reference_clock_frequency(\"{input:.6} MHz\"),
    .number_of_clocks(1),
    .output_clock_frequency0(\"{output:.6} MHz\"),
    .phase_shift0(\"0 ps\"),
    .duty_cycle0(50)
  ) pll (
    .refclk({CLOCK}),
    .rst(1'b0),
    .fbclk(1'b0),
    .fboutclk(),
    .outclk(clock),
    .locked(locked)
  );
"
    )
}

/// `reset`, synchronous to `clock`.
fn reset(pads: &[Pad<'_>]) -> String {
    let button = pads.iter().find(|pad| pad.port == "reset_in");
    let running = match button {
        None => "locked".to_owned(),
        Some(pad) => format!("locked & {}{}", if pad.active_low { "" } else { "~" }, pad.port),
    };
    format!(
        "
  wire running = {running};
  reg [2:0] reset_chain = 3'b111;
  always @(posedge clock or negedge running)
    if (!running) reset_chain <= 3'b111;
    else reset_chain <= {{reset_chain[1:0], 1'b0}};
  // The chain stays where its set is; this register may be in the middle of all that it resets.
  reg reset = 1'b1;
  always @(posedge clock) reset <= reset_chain[2];
"
    )
}

fn link(pads: &[Pad<'_>]) -> String {
    let mut text = format!(
        "
  wire [3:0] status;
  {LINK} accelerator (
    .clock(clock),
    .reset(reset),
    .uart_rx(uart_rx),
    .uart_tx(uart_tx),
    .status(status)
  );
"
    );
    for (bit, port) in LEDS.into_iter().enumerate() {
        let Some(pad) = pads.iter().find(|pad| pad.port == port) else { continue };
        let not = if pad.active_low { "~" } else { "" };
        writeln!(text, "  assign {port} = {not}status[{bit}];").expect("bug: writing to a string");
    }
    text
}
