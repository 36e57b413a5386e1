//! The driver and the top levels of boards: pads, buttons, LEDs and PLL in a bench, whose line has
//! the rate that follows from the clock at the pin and the dividers in the Verilog.

use crate::bench::{LIMITS, Line, On, open, open_within, with_terminal};
use crate::cases;
use heartbit_host::{DeviceError, Limits, LinkError};
use std::time::Duration;

/// A board of each open family; iCEBreaker has its PLL at the pad, and no LED *busy*.
const BOARDS: [&str; 4] = ["ulx3s-85f", "hx8k", "tang-nano-20k", "icebreaker"];

#[test]
fn networks_run_on_the_top_levels_of_boards() {
    let cases = cases(2);
    for name in BOARDS {
        let lamps = Some(0b001).filter(|_| name != "icebreaker");
        let line = Line { on: On::Board(name), lamps, ..Line::default() };
        with_terminal(line, |path| {
            let mut device = open(path).unwrap_or_else(|error| panic!("{name}: {error}"));
            for case in &cases {
                case.run(&mut device).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
            let line = device.statistics();
            assert_eq!((line.again, line.damaged, line.silences), (0, 0, 0), "{name}");
        });
    }
}

#[test]
fn noise_on_the_line_of_a_board_costs_time_and_nothing_else() {
    let case = &cases(1)[0];
    let line = Line { on: On::Board("hx8k"), noise: 300, seed: 4, ..Line::default() };
    with_terminal(line, |path| {
        let mut device = open(path).expect("an accelerator");
        case.run(&mut device).expect("errors are repaired");
        assert!(device.statistics().again > 0, "nothing was spoilt");
    });
}

#[test]
fn unplugged_board_is_an_error() {
    let case = &cases(1)[0];
    let pulled_after = Some(case.load.bytes() / 2);
    let line = Line { on: On::Board("ulx3s-85f"), pulled_after, ..Line::default() };
    with_terminal(line, |path| {
        let error = open(path).and_then(|mut device| case.run(&mut device)).expect_err("pulled");
        assert!(matches!(error, DeviceError::Link(LinkError::Closed { .. })), "{error}");
    });
}

#[test]
fn board_whose_pll_never_locks_is_silent() {
    let limits = Limits { answer: Duration::from_secs(1), attempts: 2, ..LIMITS };
    for name in ["ulx3s-85f", "hx8k", "tang-nano-20k"] {
        let line = Line { on: On::Unclocked(name), ..Line::default() };
        with_terminal(line, |path| {
            let error = open_within(path, limits).err().expect("nothing answers");
            assert!(
                matches!(error, DeviceError::Link(LinkError::Silent { .. })),
                "{name}: {error}"
            );
        });
    }
}
