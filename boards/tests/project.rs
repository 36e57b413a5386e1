//! The projects of all boards: their Verilog elaborates with the cells of the family, and their
//! constraints and scripts hold every pin of the board file and are what their tools read.
//!
//! The vendors' tools are not here; a Tcl interpreter, that of yosys, reads their files and knows
//! the commands by name.

use heartbit_boards::board::{Board, ConstraintsFormat, boards};
use heartbit_boards::constraints::{File, files, vendor_command};
use heartbit_boards::pads::pads;
use heartbit_boards::pll::Clocking;
use heartbit_boards::pnr::write_project;
use heartbit_boards::top;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn design() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/rtl")
}

fn clocking(board: &Board) -> Clocking {
    Clocking::plan(board.clock.mhz, board.pll.as_ref(), board.clock_mhz).expect("its own clock")
}

#[track_caller]
fn yosys(folder: &Path, arguments: &[&str]) {
    let output = Command::new("yosys")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("yosys is missing: run scripts/setup.sh test");
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&text));
}

/// The cells that yosys knows of a family.
fn library(board: &Board) -> &'static str {
    match board.family.as_str() {
        "ice40" => "+/ice40/cells_sim.v",
        "ecp5" => "+/ecp5/cells_sim.v +/ecp5/cells_bb.v",
        "gowin" => "+/gowin/cells_sim.v",
        "cyclone5" => "+/intel_alm/common/misc_sim.v +/intel_alm/common/megafunction_bb.v",
        _ => "+/xilinx/cells_sim.v +/xilinx/cells_xtra.v",
    }
}

#[test]
fn every_top_level_elaborates_with_the_cells_of_its_family() {
    for board in boards() {
        let folder = tempfile::tempdir().expect("a folder");
        let project = write_project(&board, &design(), folder.path(), board.clock_mhz)
            .unwrap_or_else(|error| panic!("{}: {error}", board.name));
        let script = format!(
            "read_verilog -lib -specify {}; read_verilog {}; hierarchy -check -top {}; proc; \
             check -assert",
            library(&board),
            project.sources.join(" "),
            top::name(&board)
        );
        yosys(folder.path(), &["-q", "-e", "[Rr]esizing|[Ii]mplicitly", "-p", &script]);
    }
}

/// The pin of each port, as the constraints have it.
fn placed(board: &Board, file: &File) -> BTreeMap<String, String> {
    let words = file.text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let pin = |words: Vec<&str>| -> Option<(String, String)> {
        let (port, pin) = match (board.constraints, words.as_slice()) {
            (ConstraintsFormat::Pcf, ["set_io", port, pin])
            | (ConstraintsFormat::Lpf, ["LOCATE", "COMP", port, "SITE", pin])
            | (ConstraintsFormat::Cst, ["IO_LOC", port, pin])
            | (ConstraintsFormat::Xdc, ["set_property", "-dict", "{PACKAGE_PIN", pin, .., port]) => {
                (*port, *pin)
            }
            (ConstraintsFormat::Qsf, ["set_location_assignment", pin, "-to", port]) => {
                (*port, pin.strip_prefix("PIN_")?)
            }
            _ => return None,
        };
        let bare = |text: &str| text.trim_matches(['"', ';', ']']).to_owned();
        Some((bare(port), bare(pin)))
    };
    words.filter_map(pin).collect()
}

#[test]
fn constraints_place_every_port_and_nothing_else() {
    for board in boards() {
        let all = files(&board, &[]);
        let name = format!("{}.{}", top::name(&board), board.constraints.name());
        let file = all.iter().find(|file| file.name == name).expect("the constraints");
        let pads = pads(&board);
        let expected: BTreeMap<String, String> =
            pads.iter().map(|pad| (pad.port.to_owned(), pad.pin.site.clone())).collect();
        assert_eq!(expected.len(), pads.len());
        assert_eq!(placed(&board, file), expected, "{name}");
        let mhz = board.clock.mhz;
        let clock = match board.constraints {
            ConstraintsFormat::Pcf => format!("set_frequency clk_in {mhz}\n"),
            ConstraintsFormat::Lpf => format!("FREQUENCY PORT \"clk_in\" {mhz} MHZ;\n"),
            // nextpnr takes the clock of the pin from the PLL there.
            ConstraintsFormat::Cst => continue,
            ConstraintsFormat::Xdc | ConstraintsFormat::Qsf => {
                format!("create_clock -name clk_in -period {:.3}", 1000.0 / mhz)
            }
        };
        assert!(all.iter().any(|file| file.text.contains(&clock)), "{name}: {clock}");
    }
}

/// Every port of the Verilog is a pad, and the other way round.
#[test]
fn ports_and_pads_are_the_same() {
    for board in boards() {
        let text = top::verilog(&board, &clocking(&board));
        let header = text.split(");").next().expect("a header");
        let ports: BTreeSet<&str> = header
            .lines()
            .filter_map(|line| line.trim().split(" wire ").nth(1))
            .map(|rest| rest.split([',', ' ']).next().expect("a port"))
            .collect();
        assert_eq!(ports, pads(&board).iter().map(|pad| pad.port).collect(), "{}", board.name);
    }
}

const COMMANDS: [&str; 24] = [
    "create_clock",
    "create_project",
    "derive_clock_uncertainty",
    "derive_pll_clocks",
    "execute_flow",
    "get_ports",
    "get_property",
    "get_timing_paths",
    "opt_design",
    "phys_opt_design",
    "place_design",
    "project_close",
    "project_open",
    "read_verilog",
    "read_xdc",
    "report_timing_summary",
    "report_utilization",
    "route_design",
    "set_false_path",
    "set_global_assignment",
    "set_instance_assignment",
    "set_location_assignment",
    "set_property",
    "synth_design",
];

#[test]
fn files_for_vendors_are_tcl_of_known_commands() {
    let mut seen = 0;
    for board in boards() {
        let Some(command) = vendor_command(&board) else { continue };
        let folder = tempfile::tempdir().expect("a folder");
        let project =
            write_project(&board, &design(), folder.path(), board.clock_mhz).expect("a project");
        let mut script = String::from("rename package {}\nproc package {args} {}\n");
        for name in COMMANDS.into_iter().chain(["write_bitstream"]) {
            writeln!(script, "proc {name} {{args}} {{ return 0 }}").expect("a string");
        }
        let is_tcl = |name: &&String| {
            [".tcl", ".xdc", ".qsf", ".sdc"].iter().any(|extension| name.ends_with(extension))
        };
        let scripts: Vec<_> = project.files.iter().filter(is_tcl).collect();
        assert!(scripts.len() >= 2, "{:?}", project.files);
        for name in &scripts {
            writeln!(script, "source {name}").expect("a string");
        }
        std::fs::write(folder.path().join("check.tcl"), script).expect("writable");
        yosys(folder.path(), &["-q", "-c", "check.tcl"]);
        assert!(scripts.iter().any(|name| command.ends_with(*name)), "{command}");
        let sources =
            std::fs::read_to_string(folder.path().join(format!("{}.tcl", top::name(&board))))
                .expect("a script");
        let listed = scripts.iter().any(|name| {
            let text = std::fs::read_to_string(folder.path().join(name)).expect("readable");
            project.sources.iter().all(|source| text.contains(source.as_str()))
        });
        assert!(listed, "no file lists all sources: {sources}");
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[test]
fn reset_and_leds_have_the_polarity_of_the_board() {
    let text = |name: &str| {
        let board = Board::find(name).expect("built in");
        top::verilog(&board, &clocking(&board))
    };
    let ulx3s = text("ulx3s-85f");
    assert!(ulx3s.contains("running = locked & ~reset_in;"), "{ulx3s}");
    assert!(ulx3s.contains("assign led_busy = status[1];"), "{ulx3s}");
    let icebreaker = text("icebreaker");
    assert!(icebreaker.contains("running = locked & reset_in;"), "{icebreaker}");
    assert!(icebreaker.contains("assign led_error = ~status[2];"), "{icebreaker}");
    assert!(!icebreaker.contains("led_ready"), "{icebreaker}");
    assert!(text("hx8k").contains("running = locked;"));
}
