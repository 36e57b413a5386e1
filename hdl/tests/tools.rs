//! The text against the outside tools: equal behaviour in Icarus and Verilator, no warning of
//! `verilator -Wall`, no problem of `yosys check`. Missing tools fail these tests.

mod support {
    pub(crate) mod array;
    pub(crate) mod bench;
    pub(crate) mod modules;
    pub(crate) mod random;
}

use std::fmt::Write as _;
use std::fs;

use heartbit_hdl::{Builder, Module, accelerator, emit, popcount::popcount};
use heartbit_ir::program::{ArrayConfig, MemoryDepths};
use support::array::array;
use support::bench::{Case, icarus, run, scratch, simulate_icarus, verilator, write_text};
use support::modules::random_module;
use support::random::Random;

fn fuzz_module(seed: u64) -> (Module, Random) {
    let mut rng = Random(seed);
    let depth = u32::try_from(seed % 3).expect("bug: small");
    let module = random_module(&mut rng, &format!("fuzz_{seed}"), depth);
    (module, rng)
}

#[track_caller]
fn assert_same_trace(label: &str, actual: &[String], expected: &[String]) {
    assert_eq!(actual.len(), expected.len(), "{label}: number of cycles");
    let first = actual.iter().zip(expected).position(|(a, b)| a != b);
    if let Some(at) = first {
        panic!("{label}: cycle {at}: {} instead of {}", actual[at], expected[at]);
    }
}

#[test]
fn icarus_agrees_with_native_simulation_on_random_modules() {
    for seed in 0..120 {
        let (module, mut rng) = fuzz_module(seed);
        let case = Case::new(module, &mut rng, 60);
        let actual = icarus(&scratch(&format!("icarus_{seed}")), &case);
        assert_same_trace(&format!("seed {seed}"), &actual, &case.expected);
    }
}

#[test]
fn verilator_agrees_with_native_simulation_on_random_modules() {
    let case = |seed| {
        let (module, mut rng) = fuzz_module(seed);
        Case::new(module, &mut rng, 60)
    };
    let cases: Vec<_> = (1000..1012).map(case).collect();
    let expected: Vec<_> = cases.iter().flat_map(|c| c.expected.clone()).collect();
    let actual = verilator(&scratch("verilator"), &cases);
    assert_same_trace("seeds 1000..1012", &actual, &expected);
}

#[test]
fn verilator_lint_is_clean_on_random_modules_and_popcounts() {
    let random = (2000..2040).map(|seed| fuzz_module(seed).0);
    let counts = [1, 2, 3, 37, 64, 100].map(|lanes| popcount(lanes, 2).module);
    for (i, module) in random.chain(counts).chain([array(3, 2, 37)]).enumerate() {
        let dir = scratch(&format!("lint_{i}"));
        let files = write_text(&dir, &module);
        let mut args = vec!["--lint-only", "-Wall", "--top-module", module.name()];
        args.extend(files.iter().map(String::as_str));
        assert_eq!(run(&dir, "verilator", &args), "");
    }
}

#[test]
fn yosys_check_is_clean_on_random_modules_and_popcounts() {
    let dir = scratch("yosys");
    let mut script = String::new();
    let random = (3000..3012).map(|seed| fuzz_module(seed).0);
    for module in random.chain([popcount(37, 2).module, array(3, 2, 37)]) {
        let files = write_text(&dir, &module).join(" ");
        let name = module.name();
        write!(
            script,
            "design -reset\nread_verilog {files}\nhierarchy -check -top {name}\nproc\n\
             opt_clean\ncheck -assert\n"
        )
        .expect("bug: a string takes all text");
    }
    fs::write(dir.join("check.ys"), script).expect("bug: writable");
    // A tiny memory with a constant address becomes registers, which yosys mentions.
    let said = run(&dir, "yosys", &["-q", "-s", "check.ys"]);
    let unexpected: Vec<_> = said.lines().filter(|l| !l.contains("Replacing memory")).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

/// Arrays with and without lane groups, lines, sub-slices and the extension.
fn accelerators() -> impl Iterator<Item = Module> {
    let depths = MemoryDepths {
        image: 200,
        activation: 300,
        weight: 400,
        parameter: 130,
        stream: 1500,
        logit: 2,
        step: 600,
        program: 700,
        ring: None,
    };
    let arrays = [
        (4, 8, 64, 1, 1, false),
        (2, 4, 16, 4, 1, false),
        (3, 7, 4, 1, 1, true),
        (4, 8, 16, 2, 1, true),
        (1, 1, 4, 1, 1, true),
        (2, 3, 4, 1, 2, false),
        (4, 4, 16, 4, 2, true),
        (8, 2, 8, 2, 4, false),
        (4, 7, 4, 1, 4, true),
    ];
    arrays.into_iter().map(move |(rows, cols, lanes, taps, lines, extended)| {
        let array = ArrayConfig { rows, cols, lanes, taps, lines, acc_bits: 14, extended };
        accelerator(&array, &depths)
    })
}

#[test]
fn verilator_and_yosys_find_nothing_in_the_accelerator() {
    for (i, module) in accelerators().enumerate() {
        let dir = scratch(&format!("accelerator_{i}"));
        let files = write_text(&dir, &module);
        let mut args = vec!["--lint-only", "-Wall", "--top-module", module.name()];
        args.extend(files.iter().map(String::as_str));
        assert_eq!(run(&dir, "verilator", &args), "");
        let script = format!(
            "read_verilog {}; hierarchy -check -top {}; proc; opt_clean; check -assert",
            files.join(" "),
            module.name()
        );
        let said = run(&dir, "yosys", &["-q", "-p", &script]);
        let unexpected: Vec<_> = said.lines().filter(|l| !l.contains("Replacing memory")).collect();
        assert!(unexpected.is_empty(), "{unexpected:#?}");
    }
}

#[test]
fn icarus_agrees_with_native_simulation_on_accelerators() {
    for (i, module) in accelerators().enumerate() {
        let case = Case::new(module, &mut Random(9), 60);
        let actual = icarus(&scratch(&format!("accelerator_icarus_{i}")), &case);
        assert_same_trace(&format!("accelerator {i}"), &actual, &case.expected);
    }
}

fn multiplier() -> Module {
    let m = Builder::new("multiplier", "A registered product.");
    let a = m.input("a", 16, "factor");
    let b = m.input("b", 12, "factor");
    let p = m.pipe("p_q", m.pipe("a_q", a).mul_signed(m.pipe("b_q", b)));
    m.output("p", p, "product");
    m.finish()
}

#[test]
fn signed_product_and_memory_infer_hard_blocks() {
    let dir = scratch("infer");
    let m = Builder::new("store", "One bank.");
    let mem = m.memory("bank", 16, 256);
    let (we, to, data) = (m.input("we", 1, ""), m.input("to", 8, ""), m.input("data", 16, ""));
    let from = m.input("from", 8, "");
    mem.write(we, to, data);
    m.output("q", mem.read(from), "");
    for (module, cell) in [(multiplier(), "MULT18X18D"), (m.finish(), "DP16KD")] {
        let files = write_text(&dir, &module).join(" ");
        let script = format!(
            "read_verilog {files}; synth_ecp5 -nowidelut -top {}; select -assert-count 1 t:{cell}; \
             select -assert-none t:LUT4",
            module.name()
        );
        run(&dir, "yosys", &["-q", "-p", &script]);
    }
}

#[test]
fn icarus_agrees_with_native_simulation_on_arrays() {
    for (rows, cols, lanes) in [(1, 1, 1), (3, 2, 37), (2, 3, 100), (4, 4, 64)] {
        let case = Case::new(array(rows, cols, lanes), &mut Random(5), 300);
        let actual = icarus(&scratch(&format!("array_{lanes}")), &case);
        assert_same_trace(&format!("{rows}x{cols}x{lanes}"), &actual, &case.expected);
    }
}

#[test]
fn breaking_a_line_of_the_text_is_noticed() {
    let case = Case::new(array(3, 2, 37), &mut Random(7), 200);
    let dir = scratch("mutation");
    assert_same_trace("before", &icarus(&dir, &case), &case.expected);
    let mutations = [
        ("pe.v", "~(a ^ w)", "(a ^ w)"),
        ("pe.v", "a_q <= a;", "a_q <= a_q;"),
        ("pe.v", "drain ? acc_in", "valid ? acc_in"),
        ("pe.v", "acc + {10'd0, pop_count}", "acc - {10'd0, pop_count}"),
        ("popcount.v", "37'h1333333333", "37'h0333333333"),
        ("array.v", ".w(pe_0_1_w_out)", ".w(pe_0_0_w_out)"),
    ];
    let files: Vec<_> = emit(&case.module).into_iter().map(|f| format!("{}.v", f.name)).collect();
    let files: Vec<_> = files.into_iter().chain(["tb.v".to_owned()]).collect();
    for (file, from, to) in mutations {
        let path = dir.join(file);
        let text = fs::read_to_string(&path).expect("bug: it was just written");
        assert!(text.contains(from), "no {from} in {text}");
        fs::write(&path, text.replacen(from, to, 1)).expect("bug: writable");
        let actual = simulate_icarus(&dir, &files);
        fs::write(&path, text).expect("bug: writable");
        let wrong = actual.iter().zip(&case.expected).filter(|(a, b)| a != b).count();
        assert!(wrong > 10, "{from} -> {to}: only {wrong} cycles differ");
    }
}

#[test]
fn text_is_the_same_on_every_run() {
    for seed in 0..20 {
        assert_eq!(emit(&fuzz_module(seed).0), emit(&fuzz_module(seed).0));
    }
}
