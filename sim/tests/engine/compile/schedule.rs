//! Gaps and waits: sections 5.2 to 5.4 of microarchitecture.md.

use super::small;
use heartbit_ir::program::{ArrayConfig, Join, LayerDescriptor, Step};

/// The steps of a layer: words of each lane group, and which word of a pixel each reads.
pub(super) struct Steps<'a> {
    pub(super) groups: Vec<&'a [u32]>,
    pub(super) words: &'a [usize],
}

/// Sets all gaps of a layer but the one after it, unless it is the last.
pub(super) fn schedule(array: &ArrayConfig, d: &mut LayerDescriptor) {
    let drain = array.rows * beats(array, d);
    d.tile_gap = small(drain.saturating_sub(d.steps.into()));
    let pooling = if d.flags.pool {
        (d.level_shift + 1 + d.level_bits * u32::try_from(array.write_beats()).expect("small"))
            as usize
    } else {
        0
    };
    if d.flags.pool {
        d.col_gap = small((pooling + drain).saturating_sub(period(d)));
    }
    let gaps = usize::from(d.tile_gap) + usize::from(d.col_gap);
    d.drain_wait = small((written(array, d) + pooling).saturating_sub(gaps).max(12));
    if d.flags.last_layer {
        d.layer_gap = d.drain_wait;
    }
}

/// The smallest gap between two layers, of which the second has `steps`.
pub(super) fn layer_gap(
    array: &ArrayConfig,
    before: &LayerDescriptor,
    after: &LayerDescriptor,
    steps: &Steps,
) -> u16 {
    let filled = array.popcount_latency() + array.rows;
    let wait = usize::from(before.drain_wait);
    let fetched = [
        15,
        filled + 5,
        (wait + 11).saturating_sub(usize::from(after.steps) + filled),
        (wait + 9).saturating_sub(run(after)),
    ];
    let gap = fetched.into_iter().max().expect("four");
    small(first_reads(array, after, steps).into_iter().fold(gap, |gap, read| {
        // The line is written in cycle `ready - run(before)` of the gap; a step sees what is
        // written in its cycle and the next two.
        let ready = ready(array, before, &read);
        gap.max(ready.saturating_sub(run(before) + read.cycle + 2))
    }))
}

fn beats(array: &ArrayConfig, d: &LayerDescriptor) -> usize {
    let reads = match d.shortcut.join {
        Join::None | Join::Add => 1,
        Join::Average => 2,
        Join::Extreme => usize::from(d.shortcut.window * d.shortcut.window),
    };
    let planes = if d.flags.write_levels { d.level_bits as usize } else { 1 };
    reads + array.write_beats() * planes - 1
}

/// Cycles from the last step of a tile to its last write.
fn written(array: &ArrayConfig, d: &LayerDescriptor) -> usize {
    let nonlinear = if array.extended { 6 } else { 0 };
    let skew = array.popcount_latency() + array.rows + array.cols;
    array.rows * beats(array, d) + skew + 12 + nonlinear
}

fn period(d: &LayerDescriptor) -> usize {
    usize::from(d.steps) + usize::from(d.tile_gap)
}

/// Cycles of a column tile.
fn column(d: &LayerDescriptor) -> usize {
    let rows = usize::from(d.out_height).div_ceil(d.lines.into());
    rows * usize::from(d.row_tiles) * period(d) + usize::from(d.col_gap)
}

/// Cycles of `Run`.
fn run(d: &LayerDescriptor) -> usize {
    usize::from(d.col_tiles) * column(d)
}

/// A word of a line that a step reads, in which cycle of `Run`.
struct Read {
    cycle: usize,
    line: usize,
    word: usize,
}

/// The cycle after the first one of `Run` in which what is read is written.
fn ready(array: &ArrayConfig, d: &LayerDescriptor, read: &Read) -> usize {
    let flags = d.flags;
    if flags.pool || flags.out_flat {
        return run(d) + usize::from(d.drain_wait) - 1;
    }
    if !(flags.write_bits || flags.write_levels) {
        return 0;
    }
    let last_slice = (read.word + 1) * array.slices_per_word() - 1;
    let ct = (last_slice / array.write_beats()).min(usize::from(d.col_tiles) - 1);
    let tiles = (read.line / usize::from(d.lines) + 1) * usize::from(d.row_tiles);
    let last_step = ct * column(d) + tiles * period(d) - usize::from(d.tile_gap) - 1;
    last_step + written(array, d)
}

/// What the first column tile of a layer reads of a map, tile by tile.
fn first_reads(array: &ArrayConfig, d: &LayerDescriptor, steps: &Steps) -> Vec<Read> {
    let mut reads = Vec::new();
    if d.flags.source_image {
        return reads;
    }
    let lines = usize::from(d.lines);
    let pitch = array.rows / lines;
    let (height, width) = (usize::from(d.out_height), usize::from(d.out_width));
    let tap = |at: usize, delta: i8, size: u16| {
        let at = if d.flags.stride_2 { 2 * at } else { at };
        at.checked_add_signed(delta.into()).filter(|&at| at < size.into())
    };
    let mut start = 0;
    for t in 0..height.div_ceil(lines) {
        for xt in 0..usize::from(d.row_tiles) {
            for (index, words) in steps.groups.iter().flat_map(|g| g.iter().enumerate()) {
                let step = Step::decode(*words);
                let mut columns = xt * pitch..width.min((xt + 1) * pitch);
                if step.off || !columns.any(|x| tap(x, step.dx, d.in_width).is_some()) {
                    continue;
                }
                let outputs = t * lines..height.min((t + 1) * lines);
                reads.extend(
                    outputs.filter_map(|y| tap(y, step.dy, d.in_height)).map(|line| Read {
                        cycle: start + index,
                        line,
                        word: steps.words[index],
                    }),
                );
            }
            start += period(d);
        }
    }
    reads
}
