//! Bands of the stem: sections 2 and 3.1 of microarchitecture.md.

use super::schedule::{Steps, layer_gap};
use super::small;
use heartbit_ir::program::{LayerDescriptor, Parameter, Program};
use std::ops::Range;

/// Lines of the stem's map of which each band must have a multiple: a fold of all phases.
pub(crate) fn fold(stem: &LayerDescriptor) -> usize {
    let stride = if stem.flags.out_stride_2 { 2 } else { 1 };
    if stem.flags.out_flat { 1 } else { stride * usize::from(stem.out_lines.max(1)) }
}

/// Replaces the stem by layers that compute some of its lines each; all but the last band have
/// multiples of [`fold`] lines.
pub(crate) fn divide(program: &mut Program, lines: &[Range<usize>]) {
    let stem = program.layers[0];
    let bands: Vec<_> = lines.iter().map(|lines| band(program, &stem, lines)).collect();
    program.layers.splice(0..1, bands);
    for index in 0..lines.len() - 1 {
        let none = Steps { groups: vec![], words: &[] };
        let [before, after] = [program.layers[index], program.layers[index + 1]];
        let d = &mut program.layers[index];
        d.layer_gap = layer_gap(&program.array, &before, &after, &none);
        d.flags.keep_image = true;
    }
    program.depths.program = 2 + 21 * program.layers.len();
    program.depths.parameter = program.parameters[0].len();
}

/// The stem of some lines of its map.
fn band(program: &mut Program, stem: &LayerDescriptor, lines: &Range<usize>) -> LayerDescriptor {
    let first = lines.start * if stem.flags.stride_2 { 2 } else { 1 };
    let folds = if stem.flags.out_flat { 1 } else { usize::from(stem.out_lines.max(1)) };
    let mut d = *stem;
    d.out_height = small(lines.len());
    d.in_base = small(first);
    d.in_y_words = small(first / 3 * usize::from(program.header.image_tiles));
    d.in_xt_words = small(first % 3);
    d.out_base += small::<u16>(lines.start / folds) * d.out_y_words;
    d.stream_out_base += small::<u16>(lines.start) * d.stream_out_row;
    d.param_base = small(program.parameters[0].len());
    let (height, top) = (usize::from(stem.out_height), usize::from(stem.borders.top));
    let bottom = (height - usize::from(stem.borders.bottom)).max(top);
    d.borders.top = small(lines.clone().filter(|&y| y < top).count());
    d.borders.bottom = small(lines.clone().filter(|&y| y >= bottom).count());
    parameters(program, stem, &d, lines.start);
    d
}

/// Copies the parameters of the lines of a band.
fn parameters(program: &mut Program, stem: &LayerDescriptor, d: &LayerDescriptor, start: usize) {
    let (height, band) = (usize::from(stem.out_height), usize::from(d.out_height));
    for (ct, class) in (0..usize::from(d.col_tiles))
        .flat_map(|ct| (0..d.borders.classes()).map(move |class| (ct, class)))
    {
        // A pixel of the class, if there is one.
        let mut pixels = (0..band).flat_map(|y| (0..d.out_width.into()).map(move |x| (y, x)));
        let pixel = pixels.find(|&(y, x)| d.borders.class(y, x, band, d.out_width.into()) == class);
        let from = pixel.map(|(y, x)| {
            let class = stem.borders.class(start + y, x, height, stem.out_width.into());
            usize::from(stem.param_base) + ct * stem.borders.classes() + class
        });
        for column in &mut program.parameters {
            column.push(from.map_or(Parameter::default(), |from| column[from]));
        }
    }
}
