//! Makes a case that fails smaller: fewer layers, channels, pixels, processing elements.
//!
//! Greedy: of the smaller cases, the most daring ones first, the first one that fails in the same
//! way is taken, until none does. Hardware comes last, because some engines are built for it.
//!
//! Not here: random numbers. The same case and engine give the same result.

use crate::case::{Case, Hardware, Memories};
use crate::check::{Finding, Verdict, check};
use crate::engine::Engine;
use crate::problem::{After, Block, Port, Problem, Read};
use heartbit_ir::program::PortSlots;
use std::collections::HashSet;

/// How much may be tried.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Cases that are run.
    pub runs: usize,
    /// Of these, cases for other hardware on an engine that is built.
    pub builds: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { runs: 4_000, builds: 40 }
    }
}

/// A case that fails, none of whose smaller ones does within the limits.
#[derive(Clone, Debug)]
pub struct Minimised {
    /// The case.
    pub case: Case,
    /// What is wrong with it.
    pub finding: Finding,
    /// Cases that were run.
    pub runs: usize,
}

/// Makes a case smaller that fails on the only engine of `engines`, or on none if networks or
/// programs cannot be made; `progress` is told of every run.
///
/// # Errors
/// A tool that is missing or failed.
pub fn minimise(
    case: &Case,
    finding: &Finding,
    engines: &mut [Box<dyn Engine>],
    limits: Limits,
    mut progress: impl FnMut(),
) -> Result<Minimised, heartbit_cosim::Error> {
    let is_built = engines.iter().any(|engine| engine.is_built());
    let mut best = Minimised { case: case.clone(), finding: finding.clone(), runs: 0 };
    let (mut builds, mut tried) = (0, HashSet::new());
    'smaller: while best.runs < limits.runs {
        for candidate in smaller(&best.case) {
            let other_hardware = candidate.hardware != best.case.hardware
                || !matches!(candidate.hardware.memories, Memories::Fixed { .. });
            if is_built && other_hardware {
                if builds == limits.builds {
                    continue;
                }
                builds += 1;
            }
            // The text is a key that needs no order of its fields.
            if !tried.insert(format!("{candidate:?}")) {
                continue;
            }
            best.runs += 1;
            progress();
            if let Verdict::Found(found) = check(&candidate, engines)?
                && found.is_like(&best.finding)
            {
                (best.case, best.finding) = (candidate, *found);
                continue 'smaller;
            }
            if best.runs == limits.runs {
                break 'smaller;
            }
        }
        break;
    }
    Ok(best)
}

/// Cases that are smaller in one way, the most daring ones first.
fn smaller(case: &Case) -> Vec<Case> {
    let mut list = Candidates { case, list: Vec::new() };
    list.surroundings();
    list.layers();
    list.numbers();
    list.options();
    list.port();
    list.hardware();
    list.list
}

/// Values to try in place of a number, the smallest first.
fn less(n: usize, least: usize) -> Vec<usize> {
    let mut values = vec![least, least + (n.saturating_sub(least)) / 2, n.saturating_sub(1)];
    values.retain(|&value| least <= value && value < n);
    values.dedup();
    values
}

struct Candidates<'a> {
    case: &'a Case,
    list: Vec<Case>,
}

impl Candidates<'_> {
    fn try_with(&mut self, change: impl FnOnce(&mut Case)) {
        let mut case = self.case.clone();
        change(&mut case);
        if case != *self.case && case.hardware.is_possible() {
            self.list.push(case);
        }
    }

    fn problem(&mut self, change: impl FnOnce(&mut Problem)) {
        self.try_with(|case| change(&mut case.problem));
    }

    fn number(&mut self, least: usize, of: impl Fn(&mut Case) -> &mut usize) {
        let mut case = self.case.clone();
        for value in less(*of(&mut case), least) {
            self.try_with(|case| *of(case) = value);
        }
    }

    /// What is around network and array.
    fn surroundings(&mut self) {
        self.try_with(|case| case.stalls = None);
        self.try_with(|case| case.images = 1);
        self.try_with(|case| case.streamed = None);
        self.problem(|problem| problem.port = None);
        self.try_with(|case| case.bands = None);
        if let Memories::Short { .. } = self.case.hardware.memories {
            self.try_with(|case| case.hardware.memories = Memories::Sized);
        }
    }

    fn layers(&mut self) {
        let n = self.case.problem.blocks.len();
        self.problem(|problem| problem.blocks.clear());
        self.problem(|problem| problem.blocks.truncate(n / 2));
        self.problem(|problem| drop(problem.blocks.drain(..n / 2)));
        for block in 0..n {
            self.problem(|problem| {
                problem.blocks.remove(block);
            });
        }
    }

    fn numbers(&mut self) {
        self.number(1, |case| &mut case.problem.height);
        self.number(1, |case| &mut case.problem.width);
        self.number(1, |case| &mut case.problem.image_channels);
        self.number(1, |case| &mut case.problem.stem.0);
        self.number(1, |case| &mut case.problem.classes);
        for block in 0..self.case.problem.blocks.len() {
            self.number(1, move |case| &mut case.problem.blocks[block].channels);
        }
        self.problem(|problem| problem.stem.1 = 1);
        self.problem(|problem| problem.head_bits = 1);
        self.problem(|problem| problem.head_levels = 8);
        self.problem(|problem| problem.seed = 0);
        self.problem(|problem| problem.seed = 1);
    }

    fn options(&mut self) {
        self.problem(|problem| problem.wide_stem = false);
        self.problem(|problem| problem.flatten = false);
        for index in 0..self.case.problem.blocks.len() {
            let mut block = |change: fn(&mut Block)| {
                self.problem(|problem| change(&mut problem.blocks[index]));
            };
            block(|block| block.pool = None);
            block(|block| block.prelu = false);
            block(|block| block.read = Read::Sign);
            block(|block| {
                if let Read::Levels(bits) = &mut block.read {
                    *bits = 1;
                }
            });
            block(|block| block.after = After::Stream);
            block(|block| block.after = After::Threshold);
            block(|block| block.stride = 1);
            block(|block| block.kernel = 1);
        }
    }

    fn port(&mut self) {
        let at_once = || PortSlots { latency: 0, pattern: vec![true] };
        let mut port = |change: fn(&mut Port)| {
            self.problem(|problem| {
                if let Some(port) = &mut problem.port {
                    change(port);
                }
            });
        };
        port(|port| port.slots.latency = 0);
        port(|port| port.slots.pattern = vec![true]);
        port(|port| port.divisor = 0);
        port(|port| port.resident = 0);
        port(|port| port.doublings = None);
        self.try_with(|case| {
            if let Some(streamed) = &mut case.streamed {
                streamed.slots = at_once();
            }
        });
        for layer in 0..32 {
            self.try_with(|case| {
                if let Some(streamed) = &mut case.streamed {
                    streamed.layers &= !(1 << layer);
                }
            });
        }
        if let Some(percent) = self.case.stalls.map(|stalls| stalls.percent) {
            let halved = |case: &mut Case| {
                if let Some(stalls) = &mut case.stalls {
                    stalls.percent = percent / 2;
                }
            };
            self.try_with(halved);
        }
        if let Some(bands) = self.case.bands {
            for height in less(bands.height, 1) {
                self.try_with(|case| {
                    case.bands = Some(heartbit_compiler::plan::bands::Bands { height, ..bands });
                });
            }
        }
    }

    fn hardware(&mut self) {
        let mut hardware =
            |change: fn(&mut Hardware)| self.try_with(|case| change(&mut case.hardware));
        hardware(|hardware| (hardware.rows, hardware.lines) = (1, hardware.lines.map(|_| 1)));
        hardware(|hardware| hardware.lines = hardware.lines.map(|_| 1));
        hardware(|hardware| hardware.taps = 1);
        hardware(|hardware| hardware.extended = false);
        self.number(1, |case| &mut case.hardware.rows);
        self.number(1, |case| &mut case.hardware.cols);
        self.number(4, |case| &mut case.hardware.lanes);
        self.ring();
    }

    /// A ring of fixed memories: none, or fewer columns of a beat.
    fn ring(&mut self) {
        let of = |case: &mut Case, to: fn(usize) -> Option<usize>| {
            let Memories::Fixed { depths, .. } = &mut case.hardware.memories else { return };
            depths.ring = depths.ring.and_then(|ring| {
                to(ring.port_cols)
                    .map(|port_cols| heartbit_ir::program::WeightRing { port_cols, ..ring })
            });
            case.streamed = case.streamed.take().and_then(|streamed| {
                depths.ring.map(|ring| crate::case::Streamed { ring, ..streamed })
            });
        };
        self.try_with(|case| of(case, |_| None));
        self.try_with(|case| of(case, |_| Some(1)));
    }
}
