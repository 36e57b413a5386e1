//! Whether an array fits: what is short, by how much, and what to change.

use crate::resources::{Area, Design, Family, Model, ModuleArea, Wrapper};
use heartbit_ir::program::{ArrayConfig, MemoryDepths};
use serde::Serialize;
use std::fmt;

/// What there is of each resource; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Capacity {
    /// Look-up tables, or logic cells.
    pub lut: Option<u64>,
    /// Flip-flops.
    pub ff: Option<u64>,
    /// Block memories in the family's unit.
    pub bram: Option<u64>,
    /// Multipliers.
    pub dsp: Option<u64>,
}

/// An FPGA that an array has to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The family, whose model says what an array takes.
    pub family: Family,
    /// What is around the array, and has to fit with it.
    pub wrapper: Wrapper,
    /// What there is.
    pub capacity: Capacity,
}

impl Budget {
    /// What an array takes.
    pub fn area(&self, array: &ArrayConfig, depths: &MemoryDepths) -> Area {
        Model::of(self.family).area(&self.design(array, depths))
    }

    fn design(&self, array: &ArrayConfig, depths: &MemoryDepths) -> Design {
        Design { array: *array, depths: *depths, wrapper: self.wrapper }
    }

    /// Whether an array fits.
    pub fn fits(&self, array: &ArrayConfig, depths: &MemoryDepths) -> bool {
        shortages(&self.area(array, depths), &self.capacity).is_empty()
    }

    /// As [`weight_room`].
    pub fn weight_room(&self, array: &ArrayConfig, depths: &MemoryDepths) -> Option<usize> {
        weight_room(Model::of(self.family), &self.design(array, depths), &self.capacity)
    }
}

/// A resource of an FPGA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// Look-up tables, or logic cells.
    Lut,
    /// Flip-flops.
    Ff,
    /// Block memories.
    Bram,
    /// Multipliers.
    Dsp,
}

impl Resource {
    /// The name with its unit.
    pub fn describe(self, family: Family) -> &'static str {
        match self {
            Self::Lut => family.logic_unit(),
            Self::Ff => "flip-flops",
            Self::Bram => family.bram_unit(),
            Self::Dsp => "multipliers",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lut => "lut",
            Self::Ff => "ff",
            Self::Bram => "bram",
            Self::Dsp => "dsp",
        })
    }
}

/// A resource of which there is too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Shortage {
    /// Which.
    pub resource: Resource,
    /// What is needed.
    pub needed: u64,
    /// What there is.
    pub available: u64,
}

/// All that is short.
pub fn shortages(area: &Area, capacity: &Capacity) -> Vec<Shortage> {
    let short = |(resource, needed, available): (Resource, u64, Option<u64>)| {
        let available = available.filter(|available| needed > *available)?;
        Some(Shortage { resource, needed, available })
    };
    pairs(area, capacity).into_iter().filter_map(short).collect()
}

/// The most words of weight memory with which an array fits, all else as it is; `None` if it does
/// not even with the smallest.
pub fn weight_room(model: &Model, design: &Design, capacity: &Capacity) -> Option<usize> {
    let fits = |words: &usize| {
        let depths = MemoryDepths { weight: *words, ..design.depths };
        shortages(&model.area(&Design { depths, ..*design }), capacity).is_empty()
    };
    if !fits(&2) {
        return None;
    }
    // A memory is made of one or two powers of two, of which two may take more than the next one.
    let two =
        |high: u32| (0..=high).map(move |low| (1 << high) + if low < high { 1 << low } else { 0 });
    let mut sizes: Vec<usize> = (1..16).flat_map(two).chain([1 << 16]).collect();
    sizes.sort_unstable();
    sizes.into_iter().rev().find(fits)
}

/// The largest ratio of what is needed to what there is.
#[expect(clippy::cast_precision_loss, reason = "cells are far below 2^53")]
pub(super) fn excess(area: &Area, capacity: &Capacity) -> f64 {
    let ratio = |(_, needed, available): (Resource, u64, Option<u64>)| match (needed, available) {
        (0, _) | (_, None) => 0.0,
        (_, Some(0)) => f64::INFINITY,
        (needed, Some(available)) => needed as f64 / available as f64,
    };
    pairs(area, capacity).into_iter().map(ratio).fold(0.0, f64::max)
}

fn pairs(area: &Area, capacity: &Capacity) -> [(Resource, u64, Option<u64>); 4] {
    [
        (Resource::Lut, area.lut, capacity.lut),
        (Resource::Ff, area.ff, capacity.ff),
        (Resource::Bram, area.bram, capacity.bram),
        (Resource::Dsp, area.dsp, capacity.dsp),
    ]
}

/// The module that takes most of a resource, with its share of 0 to 1, and the parameter of
/// the array that it shrinks with.
pub fn culprit(
    model: &Model,
    design: &Design,
    resource: Resource,
) -> (&'static str, f64, &'static str) {
    if resource == Resource::Dsp {
        return ("post", 1.0, "COLS");
    }
    #[expect(clippy::cast_precision_loss, reason = "blocks are far below 2^53")]
    let amount = |m: &ModuleArea| match resource {
        Resource::Lut => m.lut,
        Resource::Ff => m.ff,
        Resource::Bram => m.bram as f64,
        Resource::Dsp => 0.0,
    };
    let modules = model.modules(design);
    let all: f64 = modules.iter().map(amount).sum();
    let most = modules.iter().max_by(|a, b| amount(a).total_cmp(&amount(b)));
    let most = most.expect("bug: an array has modules");
    (most.module, amount(most) / all.max(1.0), parameter(most.module))
}

/// The parameters that a module's area grows with, the strongest first.
fn parameter(module: &str) -> &'static str {
    match module {
        "pe" | "popcount" | "array" => "ROWS, COLS or LANES",
        "weights" => "COLS or LANES (fewer, fuller blocks), or take a network with fewer weights",
        "activations" | "feeder" => "ROWS, or LANES over COLS (the slices of a word)",
        "image" | "stem" | "windows" | "count_cell" | "drain" => "ROWS",
        "steps" => "--taps",
        _ => "COLS",
    }
}

#[cfg(test)]
mod tests {
    use super::{Capacity, Resource, Shortage, excess, shortages};
    use crate::resources::Area;

    #[test]
    fn only_what_exceeds_a_limit_is_short() {
        let area = Area { lut: 100, ff: 50, bram: 7, dsp: 0 };
        let none = Capacity::default();
        assert!(shortages(&area, &none).is_empty());
        let exact = Capacity { lut: Some(100), ff: Some(50), bram: Some(7), dsp: Some(0) };
        assert!(shortages(&area, &exact).is_empty());
        assert!(excess(&area, &exact) <= 1.0);
        let tight = Capacity { lut: Some(80), bram: Some(0), ..exact };
        let short = |resource, needed, available| Shortage { resource, needed, available };
        assert_eq!(
            shortages(&area, &tight),
            [short(Resource::Lut, 100, 80), short(Resource::Bram, 7, 0)]
        );
        assert!(excess(&area, &tight).is_infinite());
    }
}
