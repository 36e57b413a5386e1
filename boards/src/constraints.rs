//! The files beside a board's Verilog: pins, clocks, and the project for the vendor's tool.
//!
//! The open flow needs one file of constraints; the vendor flow gets a project that its tool builds
//! with one command. All pins come from [`pads`].
//!
//! Not here: running anything ([`crate::pnr`]).

use crate::board::{Board, ConstraintsFormat};
use crate::pads::{CLOCK, Pad, pads};
use crate::top;
use std::fmt::Write as _;

/// A file of the project, named relative to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The constraints of a board, and for the vendor's tool all else that it needs; `sources` are the
/// Verilog files of the build, from the project's folder.
pub fn files(board: &Board, sources: &[String]) -> Vec<File> {
    let name = top::name(board);
    let file = |extension: &str, text: String| File { name: format!("{name}.{extension}"), text };
    let pads = pads(board);
    match board.constraints {
        ConstraintsFormat::Pcf => vec![file("pcf", pcf(board, &pads))],
        ConstraintsFormat::Lpf => vec![file("lpf", lpf(board, &pads))],
        ConstraintsFormat::Cst => vec![file("cst", cst(&pads))],
        ConstraintsFormat::Xdc => {
            vec![file("xdc", xdc(board, &pads)), file("tcl", vivado(board, sources))]
        }
        ConstraintsFormat::Qsf => vec![
            file("qsf", qsf(board, &pads, sources)),
            file("sdc", sdc(board)),
            file("qpf", format!("PROJECT_REVISION = \"{name}\"\n")),
            file("tcl", quartus(board)),
        ],
    }
}

/// The command that builds the project with the vendor's tool.
pub fn vendor_command(board: &Board) -> Option<String> {
    let name = top::name(board);
    match board.constraints {
        ConstraintsFormat::Xdc => Some(format!("vivado -mode batch -source {name}.tcl")),
        ConstraintsFormat::Qsf => Some(format!("quartus_sh -t {name}.tcl")),
        _ => None,
    }
}

fn lines(pads: &[Pad<'_>], line: impl Fn(&Pad<'_>) -> String) -> String {
    pads.iter().map(line).collect()
}

fn pcf(board: &Board, pads: &[Pad<'_>]) -> String {
    lines(pads, |pad| format!("set_io {} {}\n", pad.port, pad.pin.site))
        + &format!("set_frequency {CLOCK} {}\n", board.clock.mhz)
}

fn lpf(board: &Board, pads: &[Pad<'_>]) -> String {
    lines(pads, |Pad { port, pin, .. }| {
        format!(
            "LOCATE COMP \"{port}\" SITE \"{}\";\nIOBUF PORT \"{port}\" IO_TYPE={};\n",
            pin.site, pin.standard
        )
    }) + &format!("FREQUENCY PORT \"{CLOCK}\" {} MHZ;\n", board.clock.mhz)
}

fn cst(pads: &[Pad<'_>]) -> String {
    lines(pads, |Pad { port, pin, .. }| {
        format!("IO_LOC \"{port}\" {};\nIO_PORT \"{port}\" IO_TYPE={};\n", pin.site, pin.standard)
    })
}

/// The period of the clock at the pin, in ns.
fn period(board: &Board) -> f64 {
    1000.0 / board.clock.mhz
}

fn xdc(board: &Board, pads: &[Pad<'_>]) -> String {
    lines(pads, |Pad { port, pin, .. }| {
        let (site, standard) = (&pin.site, &pin.standard);
        format!(
            "set_property -dict {{PACKAGE_PIN {site} IOSTANDARD {standard}}} [get_ports {port}]\n"
        )
    }) + &format!(
        "create_clock -name {CLOCK} -period {:.3} [get_ports {CLOCK}]\n{}",
        period(board),
        lines(pads, asynchronous)
    )
}

/// All pins but the clock are slow and asynchronous.
fn asynchronous(pad: &Pad<'_>) -> String {
    if pad.port == CLOCK {
        return String::new();
    }
    let end = if pad.output { "-to" } else { "-from" };
    format!("set_false_path {end} [get_ports {}]\n", pad.port)
}

fn vivado(board: &Board, sources: &[String]) -> String {
    let (name, device) = (top::name(board), &board.device);
    let mut text = format!(
        "# Builds {name}.bit: vivado -mode batch -source {name}.tcl\n\
         cd [file dirname [file normalize [info script]]]\n\
         create_project -in_memory -part {device}\n"
    );
    for source in sources {
        writeln!(text, "read_verilog {{{source}}}").expect("bug: writing to a string");
    }
    text + &format!(
        "read_xdc {{{name}.xdc}}
synth_design -top {name} -part {device}
opt_design
place_design
phys_opt_design
route_design
report_utilization -file {name}_utilization.txt
report_timing_summary -file {name}_timing.txt
write_bitstream -force {name}.bit
if {{[get_property SLACK [get_timing_paths]] < 0}} {{
  puts \"timing is not met: see {name}_timing.txt\"
  exit 1
}}
"
    )
}

fn qsf(board: &Board, pads: &[Pad<'_>], sources: &[String]) -> String {
    let name = top::name(board);
    let mut text = format!(
        "set_global_assignment -name FAMILY \"Cyclone V\"
set_global_assignment -name DEVICE {}
set_global_assignment -name TOP_LEVEL_ENTITY {name}
set_global_assignment -name PROJECT_OUTPUT_DIRECTORY output
set_global_assignment -name SDC_FILE {name}.sdc
",
        board.device
    );
    for source in sources {
        writeln!(text, "set_global_assignment -name VERILOG_FILE \"{source}\"")
            .expect("bug: writing to a string");
    }
    text + &lines(pads, |Pad { port, pin, .. }| {
        format!(
            "set_location_assignment PIN_{} -to {port}\n\
             set_instance_assignment -name IO_STANDARD \"{}\" -to {port}\n",
            pin.site, pin.standard
        )
    })
}

fn sdc(board: &Board) -> String {
    let pll =
        if board.pll.is_some() { "derive_pll_clocks\nderive_clock_uncertainty\n" } else { "" };
    format!(
        "create_clock -name {CLOCK} -period {:.3} [get_ports {CLOCK}]\n{pll}{}",
        period(board),
        lines(&pads(board), asynchronous)
    )
}

fn quartus(board: &Board) -> String {
    let name = top::name(board);
    format!(
        "# Builds output/{name}.sof: quartus_sh -t {name}.tcl
package require ::quartus::project
package require ::quartus::flow
cd [file dirname [file normalize [info script]]]
project_open {name}
execute_flow -compile
project_close
"
    )
}
