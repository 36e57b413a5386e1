//! Lines of the tiles of every layer: sections 3.1 and 4.1 of microarchitecture.md.

use crate::reference::{Layer, Net, Output};
use heartbit_ir::program::ArrayConfig;

/// Chooses the lines of the tiles of every layer.
///
/// `pick` gets the numbers that the array allows, ascending, and returns one of them.
pub(crate) fn choose(
    net: &Net,
    array: &ArrayConfig,
    mut pick: impl FnMut(&[usize]) -> usize,
) -> Vec<usize> {
    let mut lines = vec![1; net.layers.len()];
    // The reader of a map is chosen before its writer.
    for index in (1..net.layers.len()).rev() {
        let layer = &net.layers[index];
        let (_, width) = layer.size;
        let folds = |q: usize| match layer.output {
            Output::Bits { flat: true } | Output::Levels { flat: true, .. } => q == 1,
            Output::Bits { .. } | Output::Levels { .. } => {
                let stride = next_conv(net, index).map_or(1, stride);
                (stride * reader_lines(net, index, &lines)).is_multiple_of(q)
            }
            Output::None | Output::Pool { .. } => true,
        };
        let fits = |q: &usize| *q <= array.lines && q * width <= array.rows && folds(*q);
        let several = [2, 4].into_iter().filter(fits);
        let allowed: Vec<usize> = [1].into_iter().chain(several).collect();
        lines[index] = pick(&allowed);
    }
    lines
}

/// Lines of the tiles that read the map of a layer; 1 if another map takes its place.
pub(super) fn reader_lines(net: &Net, index: usize, lines: &[usize]) -> usize {
    let after = || net.layers[index + 1..].iter().enumerate();
    let reader = after().find(|(_, layer)| layer.conv.is_some());
    let writer = after().find(|(_, layer)| layer.output != Output::None);
    match (reader, writer) {
        (Some((reader, _)), Some((writer, _))) if writer < reader => 1,
        (Some((reader, _)), _) => lines.get(index + 1 + reader).copied().unwrap_or(1),
        (None, _) => 1,
    }
}

pub(super) fn next_conv(net: &Net, index: usize) -> Option<&Layer> {
    net.layers[index + 1..].iter().find(|layer| layer.conv.is_some())
}

pub(super) fn stride(layer: &Layer) -> usize {
    layer.conv.as_ref().map_or(1, |conv| conv.stride)
}
