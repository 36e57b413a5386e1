//! The resource model: what an array takes of an FPGA, before anything is synthesised.
//!
//! Block memories and multipliers follow from the description and from the rules of synthesis; they
//! are exact. Logic and flip-flops are a linear model of each module (`features`), fitted to
//! measurements that come with this crate (`measured`), and judged by those of them that it was
//! not fitted to. docs/resources.md has the structure, the commands and the errors.
//!
//! Not here: FPGAs and boards (`boards`), placement and clocks.

mod family;
mod features;
mod fit;
mod measured;
pub mod memory;
mod wrapper;

pub use family::{CellKind, Cells, Family, ParseFamilyError};
pub use wrapper::Wrapper;

use features::BORDERS;
use fit::{Sample, least_squares};
use heartbit_ir::program::{ArrayConfig, MemoryDepths};
use measured::{Measured, WHOLE};
use memory::{Mapped, stores};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// What is synthesised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Design {
    /// The array.
    pub array: ArrayConfig,
    /// Words of its memories.
    pub depths: MemoryDepths,
    /// What is around it.
    pub wrapper: Wrapper,
}

impl Design {
    /// An array with nothing around it.
    pub fn bare(array: ArrayConfig, depths: MemoryDepths) -> Self {
        Self { array, depths, wrapper: Wrapper::None }
    }
}

/// What a design takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Area {
    /// Look-up tables, or logic cells where one holds a table and a flip-flop.
    pub lut: u64,
    /// Flip-flops.
    pub ff: u64,
    /// Block memories, in the family's unit.
    pub bram: u64,
    /// Multipliers.
    pub dsp: u64,
}

/// What one kind of module takes, in all its instances.
#[derive(Clone, Debug, PartialEq)]
pub struct ModuleArea {
    /// Its name in the Verilog; `*` for what synthesis saves across the borders of modules.
    pub module: &'static str,
    /// How many instances there are.
    pub instances: usize,
    /// Logic, its memories included.
    pub lut: f64,
    /// Flip-flops.
    pub ff: f64,
    /// Block memories.
    pub bram: u64,
}

/// How far the model is from synthesis on arrays that it was not fitted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ModelError {
    /// How many arrays.
    pub arrays: usize,
    /// Largest share by which the logic differs.
    pub lut: f64,
    /// Largest share by which the flip-flops differ.
    pub ff: f64,
    /// Most block memories that differ.
    pub bram: u64,
    /// Most multipliers that differ.
    pub dsp: u64,
}

/// The model of a family.
#[derive(Debug)]
pub struct Model {
    family: Family,
    /// Numbers of the terms of logic and flip-flops, by module.
    numbers: BTreeMap<&'static str, [Vec<f64>; 2]>,
    error: ModelError,
}

impl Model {
    /// The model of a family; it is fitted when it is first asked for, in a few milliseconds.
    pub fn of(family: Family) -> &'static Self {
        static MODELS: [OnceLock<Model>; 4] = [const { OnceLock::new() }; 4];
        MODELS[family as usize].get_or_init(|| Self::fitted(family))
    }

    fn fitted(family: Family) -> Self {
        let measured = measured::of(family);
        let mut model = Self { family, numbers: BTreeMap::new(), error: ModelError::default() };
        let fitted: Vec<&Measured> = measured.iter().filter(|m| !m.is_check).collect();
        let terms = fitted.iter().flat_map(|m| features::terms(&m.design));
        let names: BTreeSet<_> = terms.map(|term| term.module).collect();
        for name in names.into_iter().filter(|name| *name != BORDERS) {
            let rows = fitted.iter().filter(|m| m.module == name);
            let rows: Vec<_> = rows.map(|m| (*m, model.glue(m))).collect();
            model.fit(name, &rows);
        }
        let whole = fitted.iter().filter(|m| m.module == WHOLE);
        let rows: Vec<_> = whole.map(|m| (*m, model.beyond_modules(m, &fitted))).collect();
        model.fit(BORDERS, &rows);
        model.error = model.judge(measured.iter());
        model
    }

    fn fit(&mut self, module: &'static str, rows: &[(&Measured, [f64; 2])]) {
        let numbers = [0, 1].map(|quantity| {
            let sample = |(m, values): &(&Measured, [f64; 2])| {
                let term = features::terms(&m.design).into_iter().find(|t| t.module == module);
                let features = term.expect("bug: a module that the design lacks").features;
                // Shares matter, down to what is small beside the whole.
                let size = to_float(self.family.logic(&m.cells)) + 20.0;
                Sample { features, value: values[quantity], weight: 1.0 / (size * size) }
            };
            least_squares(&rows.iter().map(sample).collect::<Vec<_>>())
        });
        self.numbers.insert(module, numbers);
    }

    /// Logic and flip-flops of a measured module without those of its memories.
    fn glue(&self, m: &Measured) -> [f64; 2] {
        let mut memories = Mapped::default();
        let inside = stores(&m.design).into_iter().filter(|s| s.module == m.module);
        inside.for_each(|store| memories.add(1, store.mapped(self.family)));
        let share = |all: u64| to_float(all) / to_float(m.instances);
        [
            to_float(self.family.logic(&m.cells)) - share(memories.logic),
            to_float(m.cells.ff) - share(memories.ff),
        ]
    }

    /// What a measured whole has beyond the sum of its modules, which is negative.
    fn beyond_modules(&self, whole: &Measured, all: &[&Measured]) -> [f64; 2] {
        let same = |m: &&&Measured| m.module != WHOLE && m.design == whole.design;
        let mut beyond = [to_float(self.family.logic(&whole.cells)), to_float(whole.cells.ff)];
        for m in all.iter().filter(same) {
            let n = to_float(m.instances);
            beyond[0] -= n * to_float(self.family.logic(&m.cells));
            beyond[1] -= n * to_float(m.cells.ff);
        }
        beyond
    }

    /// Logic and flip-flops on the arrays that were kept back; block memories and multipliers, of
    /// which nothing is fitted, on all.
    fn judge<'a>(&self, all: impl Iterator<Item = &'a Measured>) -> ModelError {
        let share = |a: u64, b: u64| (to_float(a) / to_float(b.max(1)) - 1.0).abs();
        let mut error = ModelError::default();
        for m in all.filter(|m| m.module == WHOLE) {
            let area = self.area(&m.design);
            error.bram = error.bram.max(area.bram.abs_diff(m.cells.bram));
            error.dsp = error.dsp.max(area.dsp.abs_diff(m.cells.dsp));
            if m.is_check {
                error.arrays += 1;
                error.lut = error.lut.max(share(area.lut, self.family.logic(&m.cells)));
                error.ff = error.ff.max(share(area.ff, m.cells.ff));
            }
        }
        error
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// How far the model is from synthesis on arrays that it was not fitted to.
    pub fn error(&self) -> ModelError {
        self.error
    }

    /// What a design takes, module by module.
    pub fn modules(&self, design: &Design) -> Vec<ModuleArea> {
        let stores = stores(design);
        let module = |term: features::Term| {
            let mut memories = Mapped::default();
            let inside = stores.iter().filter(|store| store.module == term.module);
            inside.for_each(|store| memories.add(1, store.mapped(self.family)));
            let numbers = &self.numbers[term.module];
            let instances = to_float(term.instances as u64);
            let sum = |numbers: &Vec<f64>| {
                let products = numbers.iter().zip(&term.features).map(|(n, f)| n * f);
                instances * products.sum::<f64>()
            };
            ModuleArea {
                module: term.module,
                instances: term.instances,
                lut: sum(&numbers[0]) + to_float(memories.logic),
                ff: sum(&numbers[1]) + to_float(memories.ff),
                bram: memories.bram,
            }
        };
        features::terms(design).into_iter().map(module).collect()
    }

    /// What a design takes.
    pub fn area(&self, design: &Design) -> Area {
        let modules = self.modules(design);
        Area {
            lut: to_count(modules.iter().map(|m| m.lut).sum()),
            ff: to_count(modules.iter().map(|m| m.ff).sum()),
            bram: modules.iter().map(|m| m.bram).sum(),
            dsp: self.family.multipliers(&design.array),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "cells are far below 2^53")]
fn to_float(n: u64) -> f64 {
    n as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
fn to_count(x: f64) -> u64 {
    x.round().clamp(0.0, 1e15) as u64
}

#[cfg(test)]
mod tests;
