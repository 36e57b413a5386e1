//! Designs with mutants in them: without an active one they are the design, with one they differ
//! as it says, in the instances that it names.

mod support {
    pub(crate) mod modules;
    pub(crate) mod random;
}

use heartbit_hdl::mutate::{
    Cone, ESCAPED, INFECTED, InstanceName, Kind, MUTANT, Mutation, Observed, Schemata, instances,
    mutations,
};
use heartbit_hdl::{Builder, Direction, Module, Simulator, accelerator, emit};
use heartbit_ir::program::{ArrayConfig, MemoryDepths};
use support::modules::random_module;
use support::random::Random;

/// A register `q` behind a sum, an enable, a comparison and a choice.
fn part() -> Module {
    let m = Builder::new("part", "Something to break.");
    let (en, x) = (m.input("en", 1, "enable"), m.input("x", 4, "value"));
    let sum = m.reg("sum", 4, 0);
    sum.next_when(en, *sum + x);
    let q = m.pipe("q", m.mux(x.eq(5), *sum, x));
    m.output("out", q, "result");
    m.finish()
}

/// Two of them.
fn pair() -> Module {
    let m = Builder::new("pair", "Two things to break.");
    let (en, x) = (m.input("en", 1, "enable"), m.input("x", 4, "value"));
    let part = part();
    for name in ["one", "two"] {
        let inst = m.inst(name, &part).set("en", en).set("x", x);
        m.output(&format!("result_{name}"), inst.out("out"), "result");
    }
    m.finish()
}

fn small_accelerator() -> Module {
    let array = ArrayConfig {
        rows: 2,
        cols: 2,
        lanes: 8,
        taps: 1,
        lines: 1,
        acc_bits: 12,
        extended: false,
    };
    accelerator(&array, &MemoryDepths::uniform(32))
}

fn drive(sim: &mut Simulator, inputs: &[(String, u64)]) {
    for (name, value) in inputs {
        sim.set(name, *value);
    }
}

/// Values for all inputs, `rst` among them for the first cycles.
fn stimulus(module: &Module, cycle: u64, rng: &mut Random) -> Vec<(String, u64)> {
    let inputs = module.ports().into_iter().filter(|p| p.direction == Direction::Input);
    let value = |name: &str, width: u32, rng: &mut Random| match name {
        "rst" => u64::from(cycle < 2),
        _ => rng.word() & (u64::MAX >> (64 - width.min(64))),
    };
    inputs
        .filter(|p| p.name != "clk")
        .map(|p| (p.name.clone(), value(&p.name, p.width, rng)))
        .collect()
}

/// What was seen of a mutant beside the intact design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    /// An output differed.
    differs: bool,
    /// The mutant says that it made a difference, and that this left its module.
    infected: bool,
    escaped: bool,
}

/// Runs design and mutant side by side.
fn side_by_side(design: &Module, schemata: &Schemata, mutant: u64, cycles: u64) -> Seen {
    let (mut plain, mut broken) = (Simulator::new(design), Simulator::new(&schemata.module));
    broken.set(MUTANT, mutant);
    let mut rng = Random(7);
    let mut differs = false;
    for cycle in 0..cycles {
        let inputs = stimulus(design, cycle, &mut rng);
        drive(&mut plain, &inputs);
        drive(&mut broken, &inputs);
        for port in design.ports().iter().filter(|p| p.direction == Direction::Output) {
            differs |= plain.get_words(&port.name) != broken.get_words(&port.name);
        }
        plain.step();
        broken.step();
    }
    let [infected, escaped] = [INFECTED, ESCAPED].map(|name| broken.get(name) == 1);
    Seen { differs, infected, escaped }
}

/// The design with about so many mutants, of all kinds.
fn with_mutants(design: &Module, n: usize) -> Schemata {
    let every = mutations(design);
    let some: Vec<_> = every.iter().step_by(every.len().div_ceil(n)).cloned().collect();
    let schemata = Schemata::new(design, &some);
    assert_eq!(schemata.mutants.len() + schemata.left_out.len(), some.len());
    schemata
}

fn number(schemata: &Schemata, kind: Kind, what: &str) -> u64 {
    let is = |m: &Mutation| m.kind == kind && m.what.starts_with(what);
    let found = schemata.mutants.iter().position(is);
    let found = found.unwrap_or_else(|| panic!("{what} in {:#?}", schemata.mutants));
    u64::try_from(found + 1).expect("small")
}

#[test]
fn design_without_an_active_mutant_is_the_design() {
    let accelerator = small_accelerator();
    let schemata = with_mutants(&accelerator, 400);
    let nothing = Seen { differs: false, infected: false, escaped: false };
    assert_eq!(side_by_side(&accelerator, &schemata, 0, 1_000), nothing);
    for seed in 0..20 {
        let mut rng = Random(seed);
        let module = random_module(&mut rng, &format!("fuzz_{seed}"), 2);
        if !mutations(&module).is_empty() {
            let schemata = with_mutants(&module, 50);
            assert_eq!(side_by_side(&module, &schemata, 0, 60), nothing, "seed {seed}");
        }
    }
}

#[test]
fn mutant_whose_outputs_differ_has_made_a_difference_that_left_its_module() {
    let (mut caught, mut unobserved, mut kept) = (0, 0, 0);
    for seed in 0..32 {
        let mut rng = Random(seed);
        let module = random_module(&mut rng, &format!("fuzz_{seed}"), 2);
        let schemata = with_mutants(&module, 25);
        let observed = Observed::of_outputs(&module);
        for (index, mutant) in schemata.mutants.iter().enumerate() {
            let id = u64::try_from(index + 1).expect("small");
            let Seen { differs, infected, escaped } = side_by_side(&module, &schemata, id, 60);
            assert!(infected || !differs, "seed {seed}: {mutant:?}");
            // There are no pixels here, so all is compared that leaves a module.
            assert!(escaped || !differs, "seed {seed}: {mutant:?}");
            assert!(infected || !escaped, "seed {seed}: {mutant:?}");
            kept += usize::from(infected && !escaped);
            assert!(observed.contains(mutant) || !differs, "seed {seed}: {mutant:?}");
            unobserved += usize::from(!observed.contains(mutant));
            caught += usize::from(differs);
        }
    }
    assert!(caught > 50, "only {caught} mutants show at an output");
    assert!(unobserved > 0, "nothing is discarded");
    assert!(kept > 0, "every difference leaves its module");
}

#[test]
fn difference_in_what_pixels_meet_has_left_whatever_the_pixels_are() {
    let m = Builder::new("gate", "Lets a pixel in when a counter says so.");
    let count = m.reg("count", 2, 0);
    count.next(*count + 1);
    let open = count.eq(3).named("open");
    let pixel = m.reg("pixel", 8, 0);
    pixel.next_when(open, m.input("in_data", 8, "pixel"));
    m.output("out", *pixel, "the last one");
    // Both sides of the comparison give the same at its limit.
    m.output("least", m.mux(count.lt(2), *count, 2), "at most 2");
    let design = m.finish();
    let every = mutations(&design);
    let schemata = Schemata::new(&design, &every);
    let black = |mutant: u64| {
        let mut sim = Simulator::new(&schemata.module);
        drive(&mut sim, &[(MUTANT.into(), mutant), ("in_data".into(), 0)]);
        (0..8).for_each(|_| sim.step());
        (sim.get("out"), sim.get(INFECTED), sim.get(ESCAPED))
    };
    let open = number(&schemata, Kind::StuckAt1, "net open");
    assert_eq!(black(open), (0, 1, 1), "black pixels hide it");
    let limit = number(&schemata, Kind::OffByOne, "<");
    assert_eq!(black(limit), (0, 1, 0), "no pixel can show it");
    let cone = Cone::of_input(&design, "in_data");
    for mutant in [open, limit] {
        let index = usize::try_from(mutant).expect("small") - 1;
        assert!(!cone.contains(&schemata.mutants[index]));
    }
}

#[test]
fn every_kind_does_what_it_says() {
    let design = part();
    let schemata = with_mutants(&design, 1_000);
    // Enable, value and what follows it, from a sum of 3.
    let after = |mutant: u64, en: u64, x: u64| {
        let mut sim = Simulator::new(&schemata.module);
        drive(&mut sim, &[("en".into(), 1), ("x".into(), 3)]);
        sim.step();
        drive(&mut sim, &[("en".into(), en), ("x".into(), x), (MUTANT.into(), mutant)]);
        let early = sim.get("out");
        sim.step();
        sim.set("x", 5);
        sim.step();
        (early, sim.get("out"))
    };
    let number = |kind, what| number(&schemata, kind, what);
    assert_eq!(after(0, 1, 5), (3, 8));
    assert_eq!(after(number(Kind::DropRegister, "register q"), 1, 2).0, 2);
    assert_eq!(after(number(Kind::NegateEnable, "register sum"), 0, 5).1, 8);
    assert_eq!(after(number(Kind::NegateEnable, "register sum"), 1, 5).1, 3);
    assert_eq!(after(number(Kind::StuckAt0, "net q[1]"), 1, 5), (1, 8));
    assert_eq!(after(number(Kind::StuckAt1, "net q[2]"), 1, 5), (7, 12));
    assert_eq!(after(number(Kind::OffByOne, "=="), 1, 5).1, 5);
    assert_eq!(after(number(Kind::ExchangeChoice, "choice"), 1, 2).1, 5);
    assert_eq!(after(number(Kind::OtherOperator, "+"), 1, 1).1, 2);
    // A counter cannot lose its register.
    let drops = mutations(&design).into_iter().filter(|m| m.kind == Kind::DropRegister);
    assert_eq!(drops.map(|m| m.what).collect::<Vec<_>>(), ["register q"]);
}

#[test]
fn mutant_of_one_instance_leaves_the_others_alone() {
    let design = pair();
    let parts = instances(&design, "part");
    assert_eq!(
        parts.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(),
        ["one", "two"],
        "in order"
    );
    assert_eq!(instances(&design, "pair"), []);
    let all = mutations(&design).into_iter().find(|m| m.kind == Kind::StuckAt1).expect("a net");
    let two = InstanceName { parent: "pair".into(), name: "two".into() };
    let schemata = Schemata::new(
        &design,
        &[all.clone(), all.clone().in_instance(two), all.in_instance(parts[0].clone())],
    );
    let outputs = |mutant: u64| {
        let mut sim = Simulator::new(&schemata.module);
        sim.set(MUTANT, mutant);
        // The first net is the sum.
        drive(&mut sim, &[("en".into(), 0), ("x".into(), 5)]);
        sim.step();
        ["result_one", "result_two"].map(|name| sim.get(name))
    };
    assert_eq!([0, 1, 2, 3].map(outputs), [[0, 0], [1, 1], [0, 1], [1, 0]]);
}

#[test]
fn registers_whose_bypasses_close_a_loop_are_left_out() {
    let m = Builder::new("ring", "Two registers in a ring.");
    let x = m.input("x", 1, "value");
    let (a, b) = (m.reg("a", 1, 0), m.reg("b", 1, 0));
    a.next(*b ^ x);
    b.next(*a);
    m.output("out", *a, "result");
    let ring = m.finish();
    let drops: Vec<_> =
        mutations(&ring).into_iter().filter(|m| m.kind == Kind::DropRegister).collect();
    assert_eq!(drops.len(), 2);
    let schemata = Schemata::new(&ring, &drops);
    assert_eq!(
        (schemata.mutants.as_slice(), schemata.left_out.as_slice()),
        (&drops[..1], &drops[1..])
    );
}

#[test]
fn text_of_a_design_with_mutants_has_the_files_of_the_design() {
    let design = small_accelerator();
    let names = |module: &Module| emit(module).into_iter().map(|f| f.name).collect::<Vec<_>>();
    let schemata = with_mutants(&design, 100);
    assert_eq!(names(&schemata.module), names(&design));
    let text: String = emit(&schemata.module).into_iter().map(|f| f.text).collect();
    assert!(text.contains("input  wire [15:0] mutant"), "the selector");
}

#[test]
fn control_does_not_depend_on_the_pixels() {
    let design = small_accelerator();
    let cone = Cone::of_input(&design, "in_data");
    let of = |module: &str, what: &str| {
        let found = mutations(&design).into_iter().find(|m| m.module == module && m.what == what);
        cone.contains(&found.unwrap_or_else(|| panic!("{what} in {module}")))
    };
    assert!(of("pe", "register a_q"));
    assert!(of("pe", "net acc[0]"));
    assert!(!of("pe", "register tokens_q"));
    assert!(!of("pe", "register w_q"));
    let sequencer: Vec<_> =
        mutations(&design).into_iter().filter(|m| m.module == "sequencer").collect();
    assert!(sequencer.len() > 50 && sequencer.iter().all(|m| !cone.contains(m)));
}

#[test]
fn bits_that_nothing_reads_are_not_observed() {
    let m = Builder::new("narrow", "Bits that do not count.");
    let x = m.input("x", 4, "value");
    let a = m.pipe("a", x);
    let sum = (a + m.pipe("b", x)).named("sum");
    m.discard(sum.slice(2, 2));
    let index = m.concat(&[m.lit(1, 0), x.bit(0)]);
    let never = (x ^ 5).named("never");
    m.output("low", sum.slice(0, 2), "result");
    m.output("one", m.select(index, &[a, m.pipe("c", x), never]), "one of two");
    let narrow = m.finish();
    let observed = Observed::of_outputs(&narrow);
    let of = |what: &str| {
        let found = mutations(&narrow).into_iter().find(|m| m.what == what);
        observed.contains(&found.unwrap_or_else(|| panic!("{what}")))
    };
    assert!(of("net b[0]") && of("net b[1]") && of("net a[3]") && of("net c[3]"));
    assert!(!of("net b[2]") && !of("net sum[3]") && !of("net never[0]"));
}
