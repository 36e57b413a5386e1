//! Runs the native simulation and a Verilog simulator on the same random stimulus.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use heartbit_hdl::{Direction, Module, Port, Simulator, emit};

use super::random::{Random, fit};

/// A fresh directory for a test's files.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("bug: the target directory is writable");
    dir
}

/// Writes the module's text and returns the file names, top last.
pub(crate) fn write_text(dir: &Path, module: &Module) -> Vec<String> {
    let write = |file: heartbit_hdl::VerilogFile| {
        let name = format!("{}.v", file.name);
        fs::write(dir.join(&name), file.text).expect("bug: the scratch directory is writable");
        name
    };
    emit(module).into_iter().map(write).collect()
}

/// Runs a tool and returns its standard output.
///
/// # Panics
/// If it is missing (with the way to install it) or fails.
#[track_caller]
pub(crate) fn run(dir: &Path, program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(dir).output();
    let output = output.unwrap_or_else(|error| {
        panic!(
            "{program} did not start ({error}); help: \
             apt-get install verilator yosys iverilog g++ make"
        )
    });
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {args:?} failed in {}:\n{stdout}{stderr}",
        dir.display()
    );
    stdout + &stderr
}

/// One module, its stimulus and what the native simulation answers.
pub(crate) struct Case {
    pub(crate) module: Module,
    stimulus: Vec<String>,
    pub(crate) expected: Vec<String>,
}

fn split(module: &Module) -> (Vec<Port>, Vec<Port>) {
    let ports = module.ports().into_iter().filter(|p| p.name != "clk");
    ports.partition(|p| p.direction == Direction::Input)
}

/// `{a, b, c}` in hexadecimal.
fn hex(values: &[(Vec<u64>, u32)]) -> String {
    let mut bits: Vec<bool> = Vec::new();
    for (value, width) in values.iter().rev() {
        bits.extend((0..*width).map(|i| value[(i / 64) as usize] >> (i % 64) & 1 == 1));
    }
    let digit = |chunk: &[bool]| {
        let value = chunk.iter().rev().fold(0, |acc, bit| acc << 1 | u32::from(*bit));
        char::from_digit(value, 16).expect("bug: four bits")
    };
    bits.chunks(4).rev().map(digit).collect()
}

impl Case {
    /// Simulates `cycles` random cycles natively.
    pub(crate) fn new(module: Module, rng: &mut Random, cycles: usize) -> Self {
        let (inputs, outputs) = split(&module);
        let mut sim = Simulator::new(&module);
        let (mut stimulus, mut expected) = (Vec::new(), Vec::new());
        for cycle in 0..cycles {
            let mut values = Vec::new();
            for port in &inputs {
                let mut value = rng.words(port.width.div_ceil(64) as usize);
                if port.name == "rst" {
                    value = vec![u64::from(cycle == 0 || rng.one_in(20))];
                }
                let value = fit(&value, port.width);
                sim.set_words(&port.name, &value);
                values.push((value, port.width));
            }
            stimulus.push(hex(&values));
            let values: Vec<_> =
                outputs.iter().map(|p| (sim.get_words(&p.name), p.width)).collect();
            expected.push(hex(&values));
            sim.step();
        }
        Self { module, stimulus, expected }
    }

    /// One line a cycle. Verilator's `$readmemh` drops a last line without an end.
    fn stimulus_text(&self) -> String {
        self.stimulus.join("\n") + "\n"
    }

    /// The testbench text; `zero` sets all state to zero first, for simulators with unknowns.
    fn testbench(&self, id: usize, zero: bool) -> String {
        let (inputs, outputs) = split(&self.module);
        let bits: u32 = inputs.iter().map(|p| p.width).sum();
        let last = self.stimulus.len() - 1;
        let mut t = format!("module tb{id};\n  reg clk = 0;\n  integer i;\n");
        let mut put = |line: String| writeln!(t, "  {line}").expect("bug: a string takes all text");
        put(format!(
            "reg [{}:0] stim [0:{last}];\n  reg [{}:0] cur;",
            bits.max(1) - 1,
            bits.max(1) - 1
        ));
        let mut pins = vec![];
        if self.module.ports()[0].name == "clk" {
            pins.push(".clk(clk)".to_owned());
        }
        let mut high = bits;
        for port in &inputs {
            pins.push(format!(".{}(cur[{}:{}])", port.name, high - 1, high - port.width));
            high -= port.width;
        }
        for port in &outputs {
            put(format!("wire [{}:0] {};", port.width - 1, port.name));
            pins.push(format!(".{0}({0})", port.name));
        }
        put(format!("{} dut ({});", self.module.name(), pins.join(", ")));
        put("initial begin".into());
        if zero {
            let sim = Simulator::new(&self.module);
            sim.registers().for_each(|(path, _)| put(format!("dut.{path} = 0;")));
            for (path, _, depth) in sim.memory_paths() {
                put(format!("for (i = 0; i < {depth}; i = i + 1) dut.{path}[i] = 0;"));
            }
        }
        let names: Vec<_> = outputs.iter().map(|p| p.name.as_str()).collect();
        put(format!("$readmemh(\"stim{id}.hex\", stim);"));
        put(format!("for (i = 0; i <= {last}; i = i + 1) begin"));
        put(format!("cur = stim[i]; #1; $display(\"%h\", {{{}}});", names.join(", ")));
        put("clk = 1; #1; clk = 0; #1;\n  end".into());
        t.push_str("  end\nendmodule\n");
        t
    }
}

/// What Icarus answers.
pub(crate) fn icarus(dir: &Path, case: &Case) -> Vec<String> {
    let mut files = write_text(dir, &case.module);
    fs::write(dir.join("tb.v"), case.testbench(0, true)).expect("bug: writable");
    fs::write(dir.join("stim0.hex"), case.stimulus_text()).expect("bug: writable");
    files.push("tb.v".into());
    simulate_icarus(dir, &files)
}

/// Compiles and runs files that are there already.
pub(crate) fn simulate_icarus(dir: &Path, files: &[String]) -> Vec<String> {
    let mut args = vec!["-g2005", "-Wall", "-Wno-timescale", "-s", "tb0", "-o", "sim.vvp"];
    args.extend(files.iter().map(String::as_str));
    let warnings = run(dir, "iverilog", &args);
    assert_eq!(warnings, "", "warnings of iverilog");
    run(dir, "vvp", &["-n", "sim.vvp"]).lines().map(str::to_owned).collect()
}

/// What Verilator answers, one after the other; all in one program, as compiling is slow.
pub(crate) fn verilator(dir: &Path, cases: &[Case]) -> Vec<String> {
    let mut top = String::from("module tb;\n");
    let mut files = Vec::new();
    let mut benches = String::new();
    for (id, case) in cases.iter().enumerate() {
        files.extend(write_text(dir, &case.module));
        let bench = case.testbench(id, false);
        // One after the other, so that the lines do not mix.
        let delay = cases[..id].iter().map(|c| c.stimulus.len() * 3).sum::<usize>() + 1;
        benches += &bench.replace("initial begin", &format!("initial begin #{delay};"));
        fs::write(dir.join(format!("stim{id}.hex")), case.stimulus_text()).expect("bug: writable");
        writeln!(top, "  tb{id} u{id} ();").expect("bug: a string takes all text");
    }
    let end: usize = cases.iter().map(|c| c.stimulus.len() * 3).sum::<usize>() + 2;
    writeln!(top, "  initial begin #{end}; $finish; end\nendmodule\n{benches}")
        .expect("bug: a string takes all text");
    fs::write(dir.join("tb.v"), top).expect("bug: writable");
    let mut args = vec![
        "--binary",
        "-Wno-fatal",
        "-Wno-lint",
        "-Wno-style",
        "--top-module",
        "tb",
        "--timing",
        "-MAKEFLAGS",
        "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0",
        "-o",
        "sim",
        "tb.v",
    ];
    args.extend(files.iter().map(String::as_str));
    run(dir, "verilator", &args);
    let output = run(dir, "obj_dir/sim", &[]);
    output.lines().filter(|l| !l.starts_with('-')).map(str::to_owned).collect()
}
