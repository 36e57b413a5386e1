//! Negative controls in numbers: of hundreds of mutants of a small build every one is caught or
//! proved to make no difference, no proof is of one that is caught, and checks that see less catch
//! fewer.

use heartbit_compiler::schedule::{Compiled, compile};
use heartbit_cosim::{Build, Optimization, Toolchain, accelerator_design, mutant_design};
use heartbit_hdl::Module;
use heartbit_hdl::mutate::{Mutation, Schemata, mutations};
use heartbit_ir::network::Network;
use heartbit_mutate::proof::{self, Reach};
use heartbit_mutate::{Bench, Engines, Fate, Judge, Mutant, Outcome, Plan, Proof, Scope};
use heartbit_tests::ladder::target;
use heartbit_tests::problem::{After, Block, Problem, Read};
use std::collections::BTreeSet;

/// Mutants of a test.
const MUTANTS: usize = 320;
/// Most mutants more of each of two proofs.
const PROVED: usize = 3;

/// A network with a shortcut, a pooled shortcut and a classifier, on an array of four elements.
struct Fixture {
    network: Network,
    compiled: Compiled,
    hardware: Module,
    images: Vec<Vec<u8>>,
}

impl Fixture {
    fn new() -> Self {
        let block = |channels, stride| Block {
            channels,
            kernel: 3,
            stride,
            read: Read::Sign,
            after: After::Shortcut,
            prelu: false,
            pool: None,
        };
        let problem = Problem {
            height: 6,
            width: 6,
            image_channels: 3,
            stem: (4, 2),
            wide_stem: false,
            blocks: vec![block(4, 1), block(8, 2), block(8, 1)],
            flatten: false,
            head_levels: 8,
            classes: 5,
            head_bits: 3,
            seed: 5,
            port: None,
        };
        let network = problem.network();
        let target = target("2x2x8".parse().expect("an array"), 1, false);
        let compiled = compile(&network, &target).expect("fits");
        let hardware = {
            let program = &compiled.program;
            heartbit_hdl::accelerator(&program.array, &program.depths)
        };
        Self { network, compiled, hardware, images: problem.images(400) }
    }

    /// Mutants that the seed chooses, and some of those that two proofs are about, which it chooses
    /// hardly ever.
    fn plan(&self) -> Plan {
        let mut plan = Plan::new(&self.compiled.program, &self.hardware, MUTANTS, 1);
        let chosen = plan.schemata.take().expect("mutants of the hardware").mutants;
        let more = self.proved(&chosen);
        // There is one way to exchange two reads, and many bits that words pass through.
        assert_eq!(more.len(), 1 + PROVED);
        let schemata = Schemata::new(&self.hardware, &[chosen, more].concat());
        plan.mutants.retain(|mutant| matches!(mutant, Mutant::Memory(_)));
        let numbered = (1..).zip(&schemata.mutants);
        plan.mutants.extend(numbered.map(|(number, of)| Mutant::Rtl(of.clone(), number)));
        Plan { schemata: Some(schemata), ..plan }
    }

    /// Mutants other than some of which `same-sum` or `passes-through` says that they make no
    /// difference.
    fn proved(&self, but: &[Mutation]) -> Vec<Mutation> {
        let hardware = proof::Hardware::new(&self.hardware);
        let proof = |m: &Mutation| proof::hardware(&self.compiled, &hardware, m, Reach::Beyond);
        let all = mutations(&self.hardware);
        let of = |module: &'static str, which: Proof| {
            let others = all.iter().filter(move |m| m.module == module && !but.contains(m));
            others.filter(move |m| proof(m) == Some(which)).take(PROVED).cloned()
        };
        let [sums, words] = [("reader", Proof::SameSum), ("result_fields", Proof::PassesThrough)]
            .map(|(module, which)| of(module, which).collect::<Vec<_>>());
        [sums, words].concat()
    }

    fn engines(&self, plan: &Plan) -> Engines {
        let toolchain =
            Toolchain::detect().unwrap_or_else(|e| panic!("{e}: {}", e.help().unwrap_or_default()));
        let model = |design| {
            let build = Build::new(design).optimization(Optimization::O0);
            build.compile(&toolchain).expect("the Verilog compiles")
        };
        let program = &self.compiled.program;
        Engines {
            intact: model(accelerator_design(&program.array, &program.depths)),
            mutants: plan.schemata.as_ref().map(|schemata| model(mutant_design(schemata))),
        }
    }

    /// What becomes of all mutants with so many images on the RTL and on the simulator.
    fn run(
        &self,
        plan: &Plan,
        engines: &Engines,
        scope: Scope,
        images: [usize; 2],
    ) -> Vec<Outcome> {
        let judge = Judge::new(&self.network, &self.compiled, scope);
        let [rtl, sim] = images.map(|n| &self.images[..n]);
        let bench = Bench::new(&judge, &self.hardware, engines, rtl, sim);
        let all: Vec<usize> = (0..plan.mutants.len()).collect();
        bench.run(plan, &all, || ()).expect("the intact build passes")
    }
}

fn survivors(outcomes: &[Outcome]) -> Vec<&str> {
    let survived = outcomes.iter().filter(|o| matches!(o.fate, Fate::Survived { .. }));
    survived.map(|o| o.place.as_str()).collect()
}

#[test]
fn every_mutant_is_caught_or_makes_no_difference() {
    let fixture = Fixture::new();
    let plan = fixture.plan();
    let engines = fixture.engines(&plan);
    let outcomes = fixture.run(&plan, &engines, Scope::Everything, [2, 400]);
    assert!(outcomes.len() > MUTANTS - 10, "{} mutants", outcomes.len());
    assert_eq!(survivors(&outcomes), [""; 0]);

    // Proofs do not look at what was seen of a mutant, so they can be wrong: none of those that
    // are caught may have one.
    let hardware = proof::Hardware::new(&fixture.hardware);
    let compiled = &fixture.compiled;
    for (mutant, outcome) in plan.mutants.iter().zip(&outcomes) {
        let Fate::Caught(_) = outcome.fate else { continue };
        let proof = match mutant {
            Mutant::Memory(mutant) => proof::memory(compiled, &hardware, mutant),
            Mutant::Rtl(mutation, _) => {
                proof::hardware(compiled, &hardware, mutation, Reach::Beyond)
            }
        };
        assert_eq!(proof, None, "{}", outcome.place);
    }
    let caught = outcomes.iter().filter(|o| matches!(o.fate, Fate::Caught(_))).count();
    assert!(caught * 10 > outcomes.len() * 7, "{caught} of {} caught", outcomes.len());
    let kinds: BTreeSet<&str> = outcomes.iter().map(|o| o.kind.as_str()).collect();
    assert_eq!(kinds.len(), 4 + 8, "{kinds:?}");

    // What a test bench sees that compares the logits of one image only.
    let weak = fixture.run(&plan, &engines, Scope::Logits, [1, 1]);
    let missed = survivors(&weak).len();
    assert!(missed > MUTANTS / 10, "only {missed} mutants slip through a weak check");
}

#[test]
fn choice_of_mutants_depends_on_the_seed_only() {
    let fixture = Fixture::new();
    let choose = |seed| {
        Plan::new(&fixture.compiled.program, &fixture.hardware, 50, seed)
            .mutants
            .iter()
            .map(|mutant| mutant.place(&fixture.compiled))
            .collect::<Vec<_>>()
    };
    assert_eq!(choose(1), choose(1));
    assert_ne!(choose(1), choose(2));
    assert_eq!(choose(1).iter().collect::<BTreeSet<_>>().len(), choose(1).len(), "no mutant twice");
}
