//! What models covered, as Verilator writes it.

use heartbit_cosim::{Coverage, Design, Error, Hole, Port, Simulation};

use crate::{build, fail, toolchain};

/// A counter of which a test covers a part: its own text, as others of the name are cached.
fn counter(width: u32) -> Design {
    let high = width - 1;
    let verilog = format!(
        "module counter(input wire clk, input wire clear, output wire [{high}:0] shown);\n\
         reg [{high}:0] count;\n\
         initial count = 0;\n\
         always @(posedge clk)\n\
         if (clear) count <= {width}'d0;\n\
         else count <= count + {width}'d1;\n\
         assign shown = count;\n\
         endmodule\n"
    );
    Design::new("counter")
        .file("counter.v", verilog)
        .port(Port::input("clk", 1))
        .port(Port::input("clear", 1))
        .port(Port::output("shown", width))
}

#[test]
fn lines_and_bits_of_all_models_of_all_designs_are_joined() {
    let directory = tempfile::tempdir().expect("bug: a temporary directory");
    let toolchain = toolchain().with_coverage(directory.path());
    // The wide counter counts to 9: its bits 4 and 5 stay 0, as those that the others do not have.
    for (width, cycles) in [(3, 2), (3, 5), (6, 9)] {
        let model = build(counter(width)).model(&toolchain);
        let mut model = model.unwrap_or_else(|error| fail(&error));
        model.run(cycles).expect("bug: the design does not stop");
    }
    let coverage = Coverage::read(directory.path()).unwrap_or_else(|error| fail(&error));
    let modules = coverage.modules();
    let module = &modules["counter"];
    let of = |what: &str| module.holes.iter().find(|hole| hole.what == what);
    let hole = |what: &str, bits: &str| Hole { what: what.to_owned(), bits: bits.to_owned() };
    assert_eq!(of("count"), Some(&hole("count", "5..4")), "{modules:#?}");
    assert_eq!(of("clear"), Some(&hole("clear", "0")), "{modules:#?}");
    let lines: Vec<&Hole> = module.holes.iter().filter(|hole| hole.bits.is_empty()).collect();
    // Texts of both widths: the reset of neither was executed.
    assert_eq!(lines.len(), 2, "{modules:#?}");
    assert!(lines.iter().all(|line| line.what.starts_with("if (clear) count <=")), "{lines:?}");
    assert!(module.lines[0] > 0, "{modules:#?}");
}

#[test]
fn directory_without_counts_is_an_error() {
    let directory = tempfile::tempdir().expect("bug: a temporary directory");
    let error = Coverage::read(directory.path()).expect_err("bug: it is empty");
    assert!(matches!(error, Error::CoverageFile { .. }) && error.exit_code() == 3, "{error}");
    assert!(error.help().is_some_and(|help| help.contains("HEARTBIT_RTL_COVERAGE")));
}
