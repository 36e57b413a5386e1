//! Records a line of results as the monitor ports show them.

use super::line::wrap_sum;
use super::lines::Lines;
use super::plan::Layer;
use crate::kernels::{LANES, SumBlock};
use heartbit_ir::program::LayerOutput;

/// Records line `y` of a block.
pub(super) fn record_line(
    layer: &Layer,
    record: &mut LayerOutput,
    (block, y): (usize, usize),
    lines: &Lines,
    (x, stream): (&[SumBlock], &[[i16; LANES]]),
) {
    let live = layer.blocks.live(block);
    let values = lines.values(layer, stream);
    let tables = &layer.tables;
    let base = tables.stretches.iter().flat_map(|stretch| {
        let base = &tables.base[tables.at(y, block) + stretch.kind];
        stretch.pixels.clone().map(move |_| base)
    });
    for (column, (x, base)) in x.iter().zip(base).enumerate() {
        let first = (y * record.width + column) * record.columns + layer.blocks.channel(block);
        let to = first..first + live;
        let sums = x.iter().zip(base).map(|(&x, &base)| wrap_sum(base, x, layer.settings.unused));
        fill(&mut record.sums[to.clone()], sums);
        if layer.shortcut.is_some() {
            fill(
                &mut record.shortcut[to.clone()],
                lines.shortcut[column].iter().map(|&s| s.into()),
            );
        }
        fill(&mut record.stream[to.clone()], stream[column].iter().map(|&r| r.into()));
        fill(&mut record.value[to.clone()], values[column].iter().map(|&v| v.into()));
        fill(&mut record.logits[to.clone()], lines.logits[column].iter().copied());
        fill(
            &mut record.bits[to.clone()],
            (0..LANES).map(|lane| lines.bits[column] >> lane & 1 == 1),
        );
        if !record.levels.is_empty() {
            fill(&mut record.levels[to], lines.levels[column].iter().copied());
        }
    }
}

fn fill<T>(to: &mut [T], from: impl Iterator<Item = T>) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = from);
}
