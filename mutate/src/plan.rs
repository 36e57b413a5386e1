//! Which mutants there are: chosen by a seed, so that every field and every kind of change occurs.
//!
//! Bits of memories are divided by memory and field, changes of the hardware by kind and module.
//! Mutants are drawn from these strata in turn until there are enough.

use crate::fields::Memory;
use crate::memory::{MemoryMutant, Stratum, strata};
use heartbit_compiler::schedule::Compiled;
use heartbit_hdl::Module;
use heartbit_hdl::mutate::{Mutation, Schemata, instances, mutations};
use heartbit_ir::program::Program;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// What is loaded.
    Memory,
    /// The hardware.
    Rtl,
}

impl Family {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Rtl => "rtl",
        }
    }
}

/// One mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A bit of a memory.
    Memory(MemoryMutant),
    /// A change of the hardware, and the number that activates it.
    Rtl(Mutation, u16),
}

impl Mutant {
    /// What it breaks.
    pub fn family(&self) -> Family {
        match self {
            Self::Memory(_) => Family::Memory,
            Self::Rtl(..) => Family::Rtl,
        }
    }

    /// Memory and field, or the kind of change.
    pub fn kind(&self) -> String {
        match self {
            Self::Memory(mutant) => mutant.memory.name().to_owned(),
            Self::Rtl(mutation, _) => mutation.kind.name().to_owned(),
        }
    }

    /// The place, in words.
    pub fn place(&self, compiled: &Compiled) -> String {
        match self {
            Self::Memory(mutant) => mutant.describe(compiled),
            Self::Rtl(mutation, _) => {
                let only = mutation.instance.as_ref();
                let only =
                    only.map_or(String::new(), |i| format!(", in {}.{} only", i.parent, i.name));
                format!("{}.v, {}{only}", mutation.module, mutation.what)
            }
        }
    }
}

/// All mutants of a run, and the hardware that has them in it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The mutants in order, those of memories first.
    pub mutants: Vec<Mutant>,
    /// The design with those of the hardware, if there are any.
    pub schemata: Option<Schemata>,
}

impl Plan {
    /// Chooses mutants: about half of them bits of memories, the others changes of the hardware.
    ///
    /// There are fewer if the build has fewer, or if several registers cannot be dropped in the same
    /// text ([`Schemata::left_out`]).
    pub fn new(program: &Program, hardware: &Module, n: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let memory = choose_memory(&strata(program), n.div_ceil(2), &mut rng);
        let rtl = choose_rtl(hardware, n - memory.len().min(n), &mut rng);
        let schemata = (!rtl.is_empty()).then(|| Schemata::new(hardware, &rtl));
        let mut mutants: Vec<Mutant> = memory.into_iter().map(Mutant::Memory).collect();
        for (index, mutation) in schemata.iter().flat_map(|s| &s.mutants).enumerate() {
            let number = u16::try_from(index + 1).expect("bug: the schemata have 16-bit numbers");
            mutants.push(Mutant::Rtl(mutation.clone(), number));
        }
        Self { mutants, schemata }
    }
}

/// One of every field first, then of every memory in turn, so that weights and parameters, which are
/// few fields, are not few mutants.
fn choose_memory(strata: &[Stratum], n: usize, rng: &mut ChaCha8Rng) -> Vec<MemoryMutant> {
    let mut memories: BTreeMap<Memory, Vec<usize>> = BTreeMap::new();
    for (index, stratum) in strata.iter().enumerate() {
        memories.entry(stratum.memory()).or_default().push(index);
    }
    let n = n.min(strata.iter().map(Stratum::len).sum());
    let mut chosen: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut round: Vec<usize> = (0..strata.len()).collect();
    round.shuffle(rng);
    while chosen.len() < n {
        for stratum in round {
            if chosen.len() < n {
                // One that is chosen already is not replaced: the next round comes.
                chosen.insert((stratum, rng.random_range(0..strata[stratum].len())));
            }
        }
        round = memories.values().filter_map(|fields| fields.choose(rng)).copied().collect();
    }
    chosen.into_iter().map(|(stratum, number)| strata[stratum].mutant(number)).collect()
}

fn choose_rtl(hardware: &Module, n: usize, rng: &mut ChaCha8Rng) -> Vec<Mutation> {
    let mut strata: BTreeMap<_, Vec<Mutation>> = BTreeMap::new();
    for mutation in mutations(hardware) {
        strata.entry((mutation.kind, mutation.module.clone())).or_default().push(mutation);
    }
    for stratum in strata.values_mut() {
        stratum.shuffle(rng);
    }
    let modules: BTreeSet<String> = strata.keys().map(|(_, module)| module.clone()).collect();
    let instances: BTreeMap<_, _> =
        modules.iter().map(|module| (module, instances(hardware, module))).collect();
    let mut chosen = Vec::new();
    while chosen.len() < n && strata.values().any(|stratum| !stratum.is_empty()) {
        let mut round: Vec<_> = strata.values_mut().collect();
        round.shuffle(rng);
        for mutation in round.into_iter().filter_map(Vec::pop) {
            if chosen.len() < n {
                // Every other one in one instance only, where there are several.
                let only = instances[&mutation.module].choose(rng).filter(|_| rng.random());
                chosen.push(match only {
                    Some(instance) => mutation.in_instance(instance.clone()),
                    None => mutation,
                });
            }
        }
    }
    chosen.sort();
    chosen
}
