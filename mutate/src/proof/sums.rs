//! Which sums can occur, and what becomes of them: microarchitecture.md, sections 5.1 and 5.3.

use super::data::inside;
use crate::memory::{parameter_range, step_range};
use heartbit_compiler::schedule::Compiled;
use heartbit_ir::program::{ImageStep, LayerDescriptor, Parameter, Program, Step};
use std::collections::{BTreeMap, BTreeSet};

/// Every sum `z = 2m - n` of a pixel, with `n` products of which `m` match, and perhaps some that
/// cannot occur.
///
/// Lanes without a channel never count (section 4.1), so of a map there are no more matches than
/// products. Of the image all lanes may count, and all products do in every pixel (section 4.2).
pub(super) fn range(program: &Program, layer: &LayerDescriptor, y: usize, x: usize) -> Sums {
    let (mut most, mut products) = (0_i64, 0_i64);
    let lanes = i64::try_from(program.array.lanes).expect("bug: lanes");
    for address in step_range(layer) {
        let (double, taps) = if layer.flags.source_image {
            let step = ImageStep::decode(program.steps[0][address]);
            (step.double, i64::from(step.tap_first))
        } else {
            let groups = program.steps.iter().map(|words| Step::decode(words[address]));
            let counts = |group: &Step| {
                let [rows, columns] = inside(layer, group);
                group.tap_first && !group.off && rows[y] && columns[x]
            };
            let taps = groups.filter(counts).count();
            let double = Step::decode(program.steps[0][address]).double;
            (double, i64::try_from(taps).expect("bug: groups"))
        };
        let before = if double { 2 } else { 1 };
        most = before * most + lanes;
        products = before * products + taps * i64::from(layer.fan_in);
    }
    Sums { products, matches: if layer.flags.source_image { most } else { products } }
}

/// The sums that can occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sums {
    /// All products.
    products: i64,
    /// Most matches.
    matches: i64,
}

impl Sums {
    pub(super) fn all(self) -> impl Iterator<Item = i64> {
        (0..=self.matches).map(move |matches| 2 * matches - self.products)
    }

    /// The least and the largest.
    fn ends(self) -> [i64; 2] {
        [-self.products, 2 * self.matches - self.products]
    }
}

/// The sums of the pixels of each border class of a layer: of each class those of its pixels.
pub(super) fn by_class(program: &Program, layer: &LayerDescriptor) -> Vec<BTreeSet<Sums>> {
    let (height, width) = (usize::from(layer.out_height), usize::from(layer.out_width));
    let mut classes = vec![BTreeSet::new(); layer.borders.classes()];
    // Pixels whose taps are valid alike have the same sums, and most have.
    let mut known: BTreeMap<Vec<bool>, Sums> = BTreeMap::new();
    for y in 0..height {
        for x in 0..width {
            let sums = *known
                .entry(valid(program, layer, y, x))
                .or_insert_with(|| range(program, layer, y, x));
            classes[layer.borders.class(y, x, height, width)].insert(sums);
        }
    }
    classes
}

/// Which taps of a pixel are valid; of the image all.
fn valid(program: &Program, layer: &LayerDescriptor, y: usize, x: usize) -> Vec<bool> {
    if layer.flags.source_image {
        return Vec::new();
    }
    let offsets: BTreeSet<(i8, i8)> = step_range(layer)
        .flat_map(|at| program.steps.iter().map(move |words| Step::decode(words[at])))
        .map(|step| (step.dy, step.dx))
        .collect();
    let is_valid = |(dy, dx): (i8, i8)| {
        let [rows, columns] = inside(layer, &Step { dy, dx, ..Step::default() });
        rows[y] && columns[x]
    };
    offsets.into_iter().map(is_valid).collect()
}

/// `y` of a sum.
pub(super) fn result(layer: &LayerDescriptor, parameter: &Parameter, z: i64) -> i64 {
    (i64::from(parameter.mul) * z + parameter.bias) >> layer.shift
}

/// The largest magnitude of `r` of a layer of the program, which the clamp does not see.
///
/// It is that of `y` and that of the stream which joins it, which is no larger than its own clamp.
pub(super) fn largest_before_clamp(compiled: &Compiled, index: usize) -> i64 {
    let program = &compiled.program;
    let layer = &program.layers[index];
    let classes = by_class(program, layer);
    let words = parameter_range(layer);
    let largest = program
        .parameters
        .iter()
        .flat_map(|column| column[words.clone()].iter().enumerate())
        .flat_map(|(word, parameter)| {
            let sums = classes[word % classes.len()].iter().flat_map(|sums| sums.ends());
            sums.map(move |z| result(layer, parameter, z).abs())
        })
        .max()
        .unwrap_or(0);
    let planned = compiled.sequence.layers[index].layer;
    largest
        + compiled.plan.layers[planned].shortcut.map_or(0, |s| largest_of_plan(compiled, s.from))
}

/// The largest magnitude of the stream that a layer of the plan writes.
fn largest_of_plan(compiled: &Compiled, planned: usize) -> i64 {
    let parts = compiled.sequence.layers.iter().enumerate();
    parts
        .filter(|(_, part)| part.layer == planned)
        .map(|(index, _)| {
            let clip = i64::from(compiled.program.layers[index].clip);
            largest_before_clamp(compiled, index).min(clip)
        })
        .max()
        .unwrap_or(i64::MAX / 4)
}
