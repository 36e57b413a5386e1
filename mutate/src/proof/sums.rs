//! Which sums can occur, and what becomes of them: microarchitecture.md, sections 5.1 and 5.3.

use crate::memory::{parameter_range, step_range};
use heartbit_compiler::schedule::Compiled;
use heartbit_ir::program::{ImageStep, LayerDescriptor, Parameter, Program, Step};

/// Every sum `z` that a layer's array can give, and perhaps some that it cannot.
///
/// Lanes without a channel never count (section 4.1), so of a map there are no more matches than
/// products. Of the image all lanes may count, and all products do in every pixel (section 4.2).
pub(super) fn range(program: &Program, layer: &LayerDescriptor) -> std::ops::RangeInclusive<i64> {
    let (mut most, mut products) = (0_i64, 0_i64);
    let lanes = i64::try_from(program.array.lanes).expect("bug: lanes");
    for address in step_range(layer) {
        let (double, taps) = if layer.flags.source_image {
            let step = ImageStep::decode(program.steps[0][address]);
            (step.double, i64::from(step.tap_first))
        } else {
            let groups = program.steps.iter().map(|words| Step::decode(words[address]));
            let taps = groups.filter(|group| group.tap_first && !group.off).count();
            let double = Step::decode(program.steps[0][address]).double;
            (double, i64::try_from(taps).expect("bug: groups"))
        };
        let before = if double { 2 } else { 1 };
        most = before * most + lanes;
        products = before * products + taps * i64::from(layer.fan_in);
    }
    -products..=if layer.flags.source_image { 2 * most - products } else { products }
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
    let sums = range(program, layer);
    let words = parameter_range(layer);
    let largest = program
        .parameters
        .iter()
        .flat_map(|column| &column[words.clone()])
        .flat_map(|parameter| {
            [*sums.start(), *sums.end()].map(|z| result(layer, parameter, z).abs())
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
