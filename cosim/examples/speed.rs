//! Measures how long an array takes to build and how fast it runs, tick by tick and recorded.
//!
//! The array is 16 by 16 processing elements of 64 lanes, with a monitor that strobes every eighth
//! cycle: `cargo run --release -p heartbit-cosim --example speed`.
//! Each line is one measurement on a machine that may be busy; the cache is a temporary directory.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::fmt::Write as _;
use std::time::Instant;

use heartbit_cosim::{
    Build, Design, Error, Initial, Optimization, Port, Simulation, Toolchain, Trace,
};

const SIDE: usize = 16;
const LANES: usize = 64;
const N_CYCLES: u32 = 100_000;

/// Output-stationary array: words move east and south, and each cycle shows the sums of one row.
fn array() -> Design {
    let top = SIDE * LANES - 1;
    let mut text = format!(
        "module systolic(input clk, input [{top}:0] a, input [{top}:0] w, output strobe,\n\
         output [{0}:0] row);\nreg [3:0] phase;\nwire [{0}:0] rows [0:15];\n\
         always @(posedge clk) phase <= phase + 4'd1;\n\
         assign strobe = phase[2:0] == 3'd0;\nassign row = rows[phase];\n",
        SIDE * 24 - 1
    );
    for r in 0..SIDE {
        for c in 0..SIDE {
            let west = if c == 0 {
                format!("a[{}:{}]", r * LANES + LANES - 1, r * LANES)
            } else {
                format!("a_{r}_{}", c - 1)
            };
            let north = if r == 0 {
                format!("w[{}:{}]", c * LANES + LANES - 1, c * LANES)
            } else {
                format!("w_{}_{c}", r - 1)
            };
            write!(
                text,
                "reg [63:0] a_{r}_{c}, w_{r}_{c};\nreg [23:0] acc_{r}_{c};\n\
                 always @(posedge clk) begin\na_{r}_{c} <= {west};\nw_{r}_{c} <= {north};\n\
                 acc_{r}_{c} <= acc_{r}_{c} + 24'($countones({west} ~^ {north}));\nend\n"
            )
            .expect("bug: writing to a string");
        }
        let row: Vec<String> = (0..SIDE).map(|c| format!("acc_{r}_{c}")).collect();
        writeln!(text, "assign rows[{r}] = {{{}}};", row.join(", "))
            .expect("bug: writing to a string");
    }
    text += "endmodule\n";
    Design::new("systolic")
        .file("systolic.sv", text)
        .port(Port::input("clk", 1))
        .port(Port::input("a", 1024))
        .port(Port::input("w", 1024))
        .port(Port::output("strobe", 1))
        .port(Port::output("row", 384))
}

fn main() -> Result<(), Error> {
    let toolchain = Toolchain::detect()?;
    println!("verilator {}, {}", toolchain.verilator_version(), toolchain.cxx_version());
    let cache = std::env::temp_dir().join(format!("heartbit-speed-{}", std::process::id()));
    let variants = [
        (Optimization::O0, Trace::None, "O0, with the runtime"),
        (Optimization::O1, Trace::None, "O1"),
        (Optimization::O1, Trace::Fst, "O1 and FST, with its runtime"),
    ];
    for (optimization, trace, name) in variants {
        let build = Build::new(array()).optimization(optimization).trace(trace).cache_dir(&cache);
        let start = Instant::now();
        let compiled = build.compile(&toolchain)?;
        let cold = start.elapsed();
        let start = Instant::now();
        let mut model = build.compile(&toolchain)?.instantiate(Initial::Zero)?;
        println!("{name}: build {cold:.2?}, from the cache {:.2?}", start.elapsed());
        assert!(compiled.is_fresh());

        let (a, w) = (model.port("a")?, model.port("w")?);
        let (strobe, row) = (model.port("strobe")?, model.port("row")?);
        let mut words = [0u32; 32];
        let start = Instant::now();
        for cycle in 0..N_CYCLES {
            for (i, word) in (0u32..).zip(&mut words) {
                *word = (cycle + i).wrapping_mul(0x9e37_79b9).rotate_left(i);
            }
            model.poke(a, &words);
            model.poke(w, &words);
            model.tick()?;
        }
        println!("  poke 2048 bits and tick: {}", rate(start));

        let start = Instant::now();
        model.run(u64::from(N_CYCLES))?;
        println!("  run:                     {}", rate(start));

        let mut records = Vec::new();
        let start = Instant::now();
        model.run_recorded(u64::from(N_CYCLES), &[strobe], &[row], None, &mut records)?;
        println!("  run_recorded:            {}, {} words", rate(start), records.len());
    }
    std::fs::remove_dir_all(&cache).map_err(|source| Error::Io {
        action: "remove",
        path: cache,
        source,
    })
}

/// Speed of `N_CYCLES` cycles since `start`.
fn rate(start: Instant) -> String {
    let seconds = start.elapsed().as_secs_f64();
    format!("{:.0} thousand cycles/s", f64::from(N_CYCLES) / seconds / 1e3)
}
