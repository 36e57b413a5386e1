//! The ports of a board's top level and the pins they are at: one table for Verilog and constraints.
//!
//! Not here: pins that a board has and the top level does not use.

use crate::board::{Board, Pin, STATUS};

/// Name of the clock port.
pub const CLOCK: &str = "clk_in";

/// A port of the top level at its pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pad<'a> {
    /// The port.
    pub port: &'static str,
    /// Whether the FPGA drives it.
    pub output: bool,
    /// The pin.
    pub pin: &'a Pin,
    /// Whether the level on the pin is the inverse of what it means.
    pub active_low: bool,
}

/// Ports of the LEDs, in the order of [`STATUS`].
pub(crate) const LEDS: [&str; STATUS.len()] =
    ["led_ready", "led_busy", "led_error", "led_heartbeat"];

/// All ports of a board's top level.
pub fn pads(board: &Board) -> Vec<Pad<'_>> {
    let plain = |port, output, pin| Pad { port, output, pin, active_low: false };
    let mut pads = vec![plain(CLOCK, false, &board.clock.pin)];
    if let Some(reset) = &board.reset {
        let active_low = reset.active_low;
        pads.push(Pad { active_low, ..plain("reset_in", false, &reset.pin) });
    }
    pads.push(plain("uart_rx", false, &board.uart_rx));
    pads.push(plain("uart_tx", true, &board.uart_tx));
    for (port, led) in LEDS.into_iter().zip(&board.leds) {
        if let Some(led) = led {
            pads.push(Pad { active_low: led.active_low, ..plain(port, true, &led.pin) });
        }
    }
    pads
}
