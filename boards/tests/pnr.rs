//! From a small design to a bitstream with the tools that a package manager installs.

use heartbit_boards::board::Board;
use heartbit_boards::pnr::{Outcome, PnrError, Step, Tools, run, write_project};
use std::path::{Path, PathBuf};

fn design() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/rtl")
}

fn place(board: &str, mhz: f64, folder: &Path) -> (Outcome, Vec<Step>) {
    let board = Board::find(board).expect("built in");
    let project = write_project(&board, &design(), folder, mhz).expect("a project");
    let mut steps = Vec::new();
    let mut progress = |step, _: &str| {
        if steps.last() != Some(&step) {
            steps.push(step);
        }
    };
    let outcome = run(&board, &project, 1, &Tools::new(&[]), &mut progress)
        .expect("nextpnr-ice40 and fpga-icestorm: run scripts/setup.sh test");
    (outcome, steps)
}

#[test]
fn a_design_becomes_a_bitstream() {
    for (name, mhz) in [("icebreaker", 24.0), ("hx8k", 60.0)] {
        let folder = tempfile::tempdir().expect("a folder");
        let (outcome, steps) = place(name, mhz, folder.path());
        assert_eq!(steps, [Step::Synthesis, Step::PlaceAndRoute, Step::Bitstream]);
        let clock = outcome.report.array_clock().expect("the clock of the array");
        assert!(clock.constraint_mhz >= mhz && clock.constraint_mhz < mhz * 1.001, "{clock:?}");
        assert!(outcome.report.met() && outcome.report.ff.used >= 24, "{:?}", outcome.report);
        let bitstream = outcome.bitstream.expect("timing is met");
        let bytes = std::fs::read(&bitstream).expect("readable");
        // The preamble of an iCE40 bitstream.
        assert!(bytes.windows(4).any(|w| w == [0x7e, 0xaa, 0x99, 0x7e]), "{name}");
        for log in ["synthesis.log", "place-and-route.log", "bitstream.log"] {
            assert!(folder.path().join(log).exists(), "{log}");
        }
        assert!(outcome.versions.iter().all(|version| !version.is_empty()));
    }
}

#[test]
fn missed_timing_gives_no_bitstream() {
    let folder = tempfile::tempdir().expect("a folder");
    let (outcome, steps) = place("icebreaker", 200.0, folder.path());
    assert!(!outcome.report.met());
    assert_eq!(outcome.bitstream, None);
    assert_eq!(steps, [Step::Synthesis, Step::PlaceAndRoute]);
}

#[test]
fn what_does_not_fit_is_named() {
    let rtl = tempfile::tempdir().expect("a folder");
    let link = std::fs::read_to_string(design().join("heartbit_uart.v")).expect("there");
    // 40 block memories, of which the device has 30.
    let big = link.replace(
        "assign uart_tx = beat[3];",
        "reg [15:0] store [0:10239];
  reg [15:0] word;
  always @(posedge clock) begin
    if (uart_rx) store[beat[13:0]] <= beat[15:0];
    word <= store[beat[22:9]];
  end
  assign uart_tx = ^word;",
    );
    assert_ne!(big, link);
    std::fs::write(rtl.path().join("heartbit_uart.v"), big).expect("writable");
    let folder = tempfile::tempdir().expect("a folder");
    let board = Board::find("icebreaker").expect("built in");
    let project = write_project(&board, rtl.path(), folder.path(), 24.0).expect("a project");
    let error = run(&board, &project, 1, &Tools::new(&[]), &mut |_, _| ()).expect_err("too big");
    let PnrError::DoesNotFit { short, .. } = &error else { panic!("{error}") };
    assert!(short.iter().any(|u| u.cell == "ICESTORM_RAM" && u.available == 30), "{error}");
}
