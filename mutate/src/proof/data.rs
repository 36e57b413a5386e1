//! Weights and parameters: who reads the word, and whether the result can differ.

use super::sums;
use crate::fate::Proof;
use crate::fields::Memory;
use crate::memory::{MemoryMutant, parameter_range, weight_range};
use heartbit_compiler::schedule::Compiled;
use heartbit_ir::program::{Join, LayerDescriptor, Parameter, Program, Step};
use std::collections::BTreeSet;

/// A weight is read by the steps of the layers whose weights it is among; where every such step has
/// no valid tap in the weight's lane group, or the column computes no logit, it does not count.
pub(super) fn weight(compiled: &Compiled, mutant: &MemoryMutant) -> Option<Proof> {
    let program = &compiled.program;
    let mut proof = Proof::UnreadWord;
    for (layer, at) in readers(program, mutant) {
        let steps = usize::from(layer.steps);
        let group = mutant.bit / (program.array.lanes / program.array.taps);
        if is_unused_column(compiled, layer, at / steps, mutant.index) {
            proof = Proof::UnusedColumn;
        } else if !layer.flags.source_image && is_skipped(program, layer, at % steps, group) {
            proof = Proof::SkippedLane;
        } else {
            return None;
        }
    }
    Some(proof)
}

/// Layers that read a weight, and which of their words it is.
fn readers<'a>(program: &'a Program, mutant: &MemoryMutant) -> Vec<(&'a LayerDescriptor, usize)> {
    let layers = program.layers.iter();
    if mutant.memory == Memory::WeightStream {
        let mut first = 0;
        let streamed = layers.filter(|layer| layer.flags.stream_weights);
        return streamed
            .filter_map(|layer| {
                let begin = first;
                first += usize::from(layer.steps) * usize::from(layer.col_tiles);
                (begin..first).contains(&mutant.address).then(|| (layer, mutant.address - begin))
            })
            .collect();
    }
    layers
        .filter(|layer| weight_range(layer).contains(&mutant.address))
        .map(|layer| (layer, mutant.address - usize::from(layer.weight_base)))
        .collect()
}

/// Whether a column of a column tile is beyond the classes of a layer that gives nothing but logits:
/// those are sent up to the number of classes, and nothing else reads them.
fn is_unused_column(compiled: &Compiled, layer: &LayerDescriptor, ct: usize, col: usize) -> bool {
    let program = &compiled.program;
    gives_only_logits(layer) && ct * program.array.cols + col >= usize::from(program.header.classes)
}

/// Whether a layer writes nothing but logits.
pub(super) fn gives_only_logits(layer: &LayerDescriptor) -> bool {
    let flags = layer.flags;
    flags.logits && !(flags.write_bits || flags.write_levels || flags.write_stream || flags.pool)
}

/// Whether a step has no valid tap in a lane group, for any pixel of the layer (section 4.1).
fn is_skipped(program: &Program, layer: &LayerDescriptor, step: usize, group: usize) -> bool {
    let step = Step::decode(program.steps[group][usize::from(layer.step_base) + step]);
    step.off || !reaches_the_map(layer, &step)
}

/// Whether the tap of a step lies inside the map for at least one pixel.
pub(super) fn reaches_the_map(layer: &LayerDescriptor, step: &Step) -> bool {
    inside(layer, step).iter().all(|along| along.contains(&true))
}

/// Whether the tap of a step lies inside the map, for each row and for each column of pixels.
pub(super) fn inside(layer: &LayerDescriptor, step: &Step) -> [Vec<bool>; 2] {
    let stride = if layer.flags.stride_2 { 2 } else { 1 };
    let along = |pixels: u16, offset: i8, size: u16| {
        let position = |at: i32| at * stride + i32::from(offset);
        (0..i32::from(pixels)).map(|at| (0..i32::from(size)).contains(&position(at))).collect()
    };
    [
        along(layer.out_height, step.dy, layer.in_height),
        along(layer.out_width, step.dx, layer.in_width),
    ]
}

/// A parameter is read by the pixels of its border class, and joins the sums that can occur there.
pub(super) fn parameter(compiled: &Compiled, mutant: &MemoryMutant) -> Option<Proof> {
    let program = &compiled.program;
    let old = &program.parameters[mutant.index][mutant.address];
    let new = &mutant.applied(program)?.parameters[mutant.index][mutant.address];
    let mut proof = Proof::UnreadWord;
    for layer in &program.layers {
        if !parameter_range(layer).contains(&mutant.address) {
            continue;
        }
        let (ct, class) = place(layer, mutant.address);
        if !has_pixel(layer, class) {
            continue;
        }
        proof = if is_unused_column(compiled, layer, ct, mutant.index) {
            Proof::UnusedColumn
        } else if is_unused_field(compiled, layer, mutant.field) {
            Proof::UnusedField
        } else if same_results(program, layer, class, old, new) {
            Proof::SameForEverySum
        } else {
            return None;
        };
    }
    Some(proof)
}

fn has_pixel(layer: &LayerDescriptor, class: usize) -> bool {
    let (height, width) = (usize::from(layer.out_height), usize::from(layer.out_width));
    (0..height).any(|y| (0..width).any(|x| layer.borders.class(y, x, height, width) == class))
}

/// Fields of a parameter that a layer does not use.
fn is_unused_field(compiled: &Compiled, layer: &LayerDescriptor, field: &str) -> bool {
    // Signs are compared although they are written as a stream.
    let signs = compiled.plan.layers.iter().any(|layer| layer.signs.is_some());
    match field {
        "minimum" => layer.shortcut.join != Join::Extreme,
        "threshold" | "at_most" => !layer.flags.write_bits && !signs,
        _ => false,
    }
}

/// Whether two parameters give the same result for every sum that can occur in a border class
/// (section 5.3); only the two fields that make it may differ.
fn same_results(
    program: &Program,
    layer: &LayerDescriptor,
    class: usize,
    old: &Parameter,
    new: &Parameter,
) -> bool {
    other_results(program, layer, class, [old, new]).is_some_and(|sums| sums.is_empty())
}

/// The sums that can occur in a border class and for which two parameters give another result;
/// `None` if other fields than the two that make it differ.
fn other_results(
    program: &Program,
    layer: &LayerDescriptor,
    class: usize,
    [old, new]: [&Parameter; 2],
) -> Option<BTreeSet<i64>> {
    let only = Parameter { mul: old.mul, bias: old.bias, ..*new } == *old;
    // Without logits and a shortcut nothing sees more of it than the clamp leaves.
    let clip = i64::from(layer.clip);
    let is_clamped = !layer.flags.logits && layer.shortcut.join == Join::None;
    let shown = |parameter: &Parameter, z: i64| {
        let y = sums::result(layer, parameter, z);
        if is_clamped { y.clamp(-clip, clip) } else { y }
    };
    let differs = |z: &i64| shown(old, *z) != shown(new, *z);
    let all = sums::by_class(program, layer).swap_remove(class);
    only.then(|| all.into_iter().flat_map(|sums| sums.all().filter(differs)).collect())
}

/// Column tile and border class of a word of the parameters.
fn place(layer: &LayerDescriptor, address: usize) -> (usize, usize) {
    let (at, classes) = (address - parameter_range(layer).start, layer.borders.classes());
    (at / classes, at % classes)
}

#[cfg(test)]
mod tests {
    use super::{other_results, sums};
    use heartbit_ir::program::{
        ArrayConfig, Header, LayerDescriptor, MemoryDepths, Parameter, Program, Step,
    };

    /// One pixel of one step whose tap has three products.
    fn program() -> (Program, LayerDescriptor) {
        let shape = ArrayConfig {
            rows: 1,
            cols: 1,
            lanes: 4,
            taps: 1,
            lines: 1,
            acc_bits: 14,
            extended: false,
        };
        let sizes = LayerDescriptor { in_height: 1, in_width: 1, fan_in: 3, ..Default::default() };
        let layer =
            LayerDescriptor { steps: 1, out_height: 1, out_width: 1, shift: 4, clip: 100, ..sizes };
        let step = Step { tap_first: true, ..Step::default() };
        let program = Program {
            array: shape,
            depths: MemoryDepths::uniform(16),
            header: Header::decode([0; 2]),
            layers: vec![layer],
            steps: vec![vec![step.encode()]],
            weights: Vec::new(),
            weight_stream: None,
            parameters: Vec::new(),
        };
        (program, layer)
    }

    #[test]
    fn sums_that_differ_are_those_at_a_step_of_the_shift() {
        let (program, layer) = program();
        let old = Parameter { mul: 3, bias: 5, ..Parameter::default() };
        let of = |new: &Parameter| other_results(&program, &layer, 0, [&old, new]);
        // The sums are -3, -1, 1 and 3: 3z + 5 is -4, 2, 8 and 14, of which one more or two make
        // only the last one reach 16.
        let more = Parameter { bias: 7, ..old };
        assert_eq!(of(&more).expect("a bias").into_iter().collect::<Vec<_>>(), [3]);
        assert_eq!(sums::result(&layer, &old, 3) + 1, sums::result(&layer, &more, 3));
        assert_eq!(of(&Parameter { bias: 6, ..old }).map(|sums| sums.len()), Some(0));
        assert_eq!(of(&Parameter { minimum: true, ..old }), None);
        // Where all is clamped to 0 it cannot be seen.
        let layer = LayerDescriptor { clip: 0, ..layer };
        assert_eq!(
            other_results(&program, &layer, 0, [&old, &more]).map(|sums| sums.len()),
            Some(0)
        );
    }
}
