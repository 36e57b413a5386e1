//! Missing tools, lint, and elaboration by other tools.

use std::path::Path;

use heartbit_cosim::{
    Design, Error, MINIMUM_VERILATOR, Port, Toolchain, elaborate_icarus, elaborate_yosys, lint,
};

use crate::{fail, toolchain};

fn clean() -> Design {
    let verilog = "module clean(input wire clk, input wire [7:0] a, output reg [7:0] q);\n  \
                   always @(posedge clk) q <= q + a;\nendmodule\n";
    Design::new("clean")
        .file("clean.v", verilog)
        .port(Port::input("clk", 1))
        .port(Port::input("a", 8))
        .port(Port::output("q", 8))
}

/// `clean` with a wire that nothing drives.
fn undriven() -> Design {
    let mut design = clean();
    design.files[0].1 = design.files[0].1.replace("q + a;", "q + b;\n  wire [7:0] b;");
    design
}

#[test]
fn missing_verilator_is_an_error_with_the_install_line() {
    let error = Toolchain::from_programs("/nonexistent/verilator", "g++");
    let Err(error @ Error::VerilatorMissing { .. }) = error else { panic!("{error:?}") };
    assert_eq!(error.exit_code(), 5);
    let help = error.help().unwrap_or_default();
    assert!(help.contains("apt-get install verilator g++") && help.contains("VERILATOR"), "{help}");
}

#[test]
fn missing_compiler_is_an_error_with_the_install_line() {
    let error = Toolchain::from_programs(toolchain().verilator(), "no-such-compiler");
    let Err(error @ Error::CompilerMissing { .. }) = error else { panic!("{error:?}") };
    assert_eq!(error.exit_code(), 5);
    let help = error.help().unwrap_or_default();
    assert!(help.contains("apt-get install verilator g++") && help.contains("CXX"), "{help}");
}

#[test]
fn detected_toolchain_records_versions_and_full_paths() {
    let toolchain = toolchain();
    assert!(toolchain.verilator_version() >= MINIMUM_VERILATOR);
    assert!(toolchain.verilator().is_absolute() && toolchain.cxx().is_absolute());
    assert!(!toolchain.cxx_version().is_empty());
}

#[test]
fn all_tools_accept_a_clean_design() {
    lint(&toolchain(), &clean()).unwrap_or_else(|error| fail(&error));
    elaborate_yosys(None, &clean()).unwrap_or_else(|error| fail(&error));
    elaborate_icarus(None, &clean()).unwrap_or_else(|error| fail(&error));
}

#[track_caller]
fn check_rejects(result: Result<(), Error>, word: &str) {
    let Err(error) = result else { panic!("a clean report for a wrong design") };
    assert_eq!(error.exit_code(), 5);
    let details = error.details().unwrap_or_default();
    assert!(details.contains(word), "{details}");
}

#[test]
fn lint_rejects_an_undriven_wire() {
    check_rejects(lint(&toolchain(), &undriven()), "UNDRIVEN");
}

#[test]
fn yosys_rejects_an_undriven_wire() {
    check_rejects(elaborate_yosys(None, &undriven()), "no driver");
}

#[test]
fn icarus_rejects_a_missing_module() {
    let mut design = clean();
    design.files[0].1 = design.files[0].1.replace("endmodule", "missing m();\nendmodule");
    check_rejects(elaborate_icarus(None, &design), "missing");
}

#[test]
fn missing_synthesis_tools_are_errors_with_the_install_line() {
    let nowhere = Some(Path::new("/nonexistent"));
    for (result, package) in [
        (elaborate_yosys(nowhere, &clean()), "apt-get install yosys"),
        (elaborate_icarus(nowhere, &clean()), "apt-get install iverilog"),
    ] {
        let Err(error @ Error::ToolMissing { .. }) = result else { panic!("{result:?}") };
        assert_eq!(error.exit_code(), 5);
        assert!(error.help().is_some_and(|help| help.contains(package)));
    }
}
