//! In which cycle the monitor shows a pixel: microarchitecture.md, sections 5.2 and 5.3.
//!
//! Where no step waits for its weights, the cycle follows from the first one of `Run`. Of a layer
//! with streamed weights it follows from the first pixel of the same tile.
//!
//! Not here: in which cycle `Run` begins (that is what the layers' cycles are compared for), and the
//! pooled levels.

use heartbit_ir::program::{ArrayConfig, LayerDescriptor};

/// Cycles from D0 to D7, in which the monitor shows the pixel.
const STAGES: u64 = 7;
/// Cycles from a step to the input of the array.
const FEED: u64 = 6;

/// Column tile, line and column.
pub(super) type Place = [u64; 3];

/// A pixel that is shown in another cycle than the page says; cycles are counted from the first one
/// of the layer's `Run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late {
    pub(super) layer: usize,
    pub(super) place: Place,
    pub(super) expected: u64,
    pub(super) actual: u64,
}

/// Compares the cycles of pixels with those of the page.
#[derive(Debug, Default)]
pub(super) struct Pixels {
    /// The first cycle of `Run` of each layer so far.
    runs: Vec<(usize, u64)>,
    /// The tile that was shown last, of a layer with streamed weights: its layer, its first cycle
    /// counted as if no step had waited, and how many cycles later it came.
    tile: Option<(usize, u64, u64)>,
}

impl Pixels {
    /// A layer begins to issue its steps.
    pub(super) fn run(&mut self, layer: usize, cycle: u64) {
        self.runs.push((layer, cycle));
    }

    /// A pixel is shown; says what is wrong with its cycle. Nothing is said of a layer whose `Run` was not seen.
    pub(super) fn shown(
        &mut self,
        array: &ArrayConfig,
        (layer, descriptor): (usize, &LayerDescriptor),
        place: Place,
        cycle: u64,
    ) -> Option<Late> {
        let begin = self.runs.iter().rev().find(|run| run.0 == layer)?.1;
        let (tile, within) = times(array, descriptor, place);
        let actual = cycle - begin;
        let mut expected = tile + within;
        if descriptor.flags.stream_weights {
            let known = self.tile.filter(|known| (known.0, known.1) == (layer, tile));
            let waited = known.map_or(actual.saturating_sub(expected), |known| known.2);
            self.tile = Some((layer, tile, waited));
            expected += waited;
        }
        (actual != expected).then_some(Late { layer, place, expected, actual })
    }
}

/// The cycle of the first step of a pixel's tile, and cycles from it until the pixel is shown.
fn times(array: &ArrayConfig, layer: &LayerDescriptor, [ct, y, x]: Place) -> (u64, u64) {
    let number = |n: usize| n as u64;
    let [rows, cols] = [array.rows, array.cols].map(number);
    // Section 4.1: the row of the array that computes the pixel, and its tile.
    let lines = u64::from(layer.lines.max(1));
    let of_line = rows / lines;
    let row = y % lines * of_line + x % of_line;
    let of_ct = layer.tiles() * layer.tile_period() + u64::from(layer.col_gap);
    let before = y / lines * u64::from(layer.row_tiles) + x / of_line;
    let tile = ct * of_ct + before * layer.tile_period();
    // Section 5.2: the last step, the drain of column 0, and the row in it.
    let planes = if layer.flags.write_levels { layer.level_bits.into() } else { 1 };
    let reads = number(layer.shortcut.reads());
    let beats = reads + planes * number(array.write_beats()) - 1;
    let last_step = u64::from(layer.steps) - 1;
    let drain = last_step + number(array.popcount_latency()) + rows + FEED;
    let beat = (rows - 1 - row) * beats + reads - 1;
    // Results of all columns are aligned with those of the last one.
    let within = drain + beat + (cols - 1) + STAGES + number(array.nonlinear_stages());
    (tile, within)
}

#[cfg(test)]
mod tests {
    use super::{Late, Pixels, Place, times};
    use heartbit_ir::program::{ArrayConfig, Join, LayerDescriptor, LayerFlags, Shortcut};

    /// The array of docs/timing.md.
    const ARRAY: ArrayConfig = ArrayConfig {
        rows: 2,
        cols: 2,
        lanes: 4,
        taps: 1,
        lines: 1,
        acc_bits: 14,
        extended: false,
    };

    /// The layer of docs/timing.md: two lines of two tiles, nine steps each.
    fn drawn() -> LayerDescriptor {
        let sizes = LayerDescriptor { out_height: 2, out_width: 4, ..LayerDescriptor::default() };
        LayerDescriptor { steps: 9, row_tiles: 2, col_tiles: 1, lines: 1, ..sizes }
    }

    #[track_caller]
    fn check(array: &ArrayConfig, layer: &LayerDescriptor, shown: &[(Place, u64)]) {
        for (place, cycle) in shown {
            let (tile, within) = times(array, layer, *place);
            assert_eq!(tile + within, *cycle, "{place:?}");
        }
    }

    #[test]
    fn pixels_come_as_drawn() {
        let a_to_c = [([0, 0, 1], 25), ([0, 0, 0], 26), ([0, 0, 3], 34), ([0, 1, 0], 44)];
        check(&ARRAY, &drawn(), &a_to_c);
        // The 1x1 convolution of the same page, whose tiles have gaps.
        let next = LayerDescriptor { steps: 1, tile_gap: 1, ..drawn() };
        check(&ARRAY, &next, &[([0, 0, 1], 17), ([0, 0, 0], 18), ([0, 0, 3], 19), ([0, 1, 3], 23)]);
    }

    #[test]
    fn beats_lines_column_tiles_and_stages_delay_pixels() {
        // Two reads: every row is shown for two cycles, and the results come in the second one.
        let shortcut = Shortcut { join: Join::Average, ..Shortcut::default() };
        let average = LayerDescriptor { shortcut, ..drawn() };
        check(&ARRAY, &average, &[([0, 0, 1], 26), ([0, 0, 0], 28)]);
        // A second column tile, behind a gap.
        let wide = LayerDescriptor { col_tiles: 2, col_gap: 5, ..drawn() };
        check(&ARRAY, &wide, &[([1, 0, 1], 25 + 36 + 5)]);
        // Two lines in a tile: row 1 is the line below.
        let folded = LayerDescriptor { lines: 2, row_tiles: 1, out_width: 1, ..drawn() };
        check(&ARRAY, &folded, &[([0, 1, 0], 25), ([0, 0, 0], 26)]);
        check(&ArrayConfig { extended: true, ..ARRAY }, &drawn(), &[([0, 0, 1], 31)]);
        // Five columns are two writes of a pixel, three planes six.
        let narrow = ArrayConfig { cols: 5, ..ARRAY };
        check(&narrow, &drawn(), &[([0, 0, 1], 28), ([0, 0, 0], 30)]);
        let flags = LayerFlags { write_levels: true, ..LayerFlags::default() };
        let levels = LayerDescriptor { flags, level_bits: 3, ..drawn() };
        check(&narrow, &levels, &[([0, 0, 1], 28), ([0, 0, 0], 34)]);
    }

    #[test]
    fn late_pixels_are_named() {
        let layer = drawn();
        let mut pixels = Pixels::default();
        assert_eq!(pixels.shown(&ARRAY, (0, &layer), [0, 0, 0], 999), None, "no Run was seen");
        pixels.run(0, 1000);
        assert_eq!(pixels.shown(&ARRAY, (0, &layer), [0, 0, 1], 1025), None);
        let late = Late { layer: 0, place: [0, 0, 0], expected: 26, actual: 27 };
        assert_eq!(pixels.shown(&ARRAY, (0, &layer), [0, 0, 0], 1027), Some(late));
    }

    #[test]
    fn pixels_of_a_tile_that_waited_keep_their_distance() {
        let flags = LayerFlags { stream_weights: true, ..LayerFlags::default() };
        let layer = LayerDescriptor { flags, ..drawn() };
        let mut pixels = Pixels::default();
        pixels.run(0, 0);
        let mut shown = |place, cycle| pixels.shown(&ARRAY, (0, &layer), place, cycle);
        assert_eq!((shown([0, 0, 1], 45), shown([0, 0, 0], 46)), (None, None));
        assert_eq!(shown([0, 0, 3], 60), None);
        let late = Late { layer: 0, place: [0, 0, 2], expected: 61, actual: 60 };
        assert_eq!(shown([0, 0, 2], 60), Some(late));
        // It waits, but is never early.
        let early = Late { layer: 0, place: [0, 1, 1], expected: 43, actual: 42 };
        assert_eq!(shown([0, 1, 1], 42), Some(early));
    }
}
