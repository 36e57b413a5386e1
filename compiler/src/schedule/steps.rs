//! The order of the steps of a tile: microarchitecture.md, section 3.2.

use super::layout::{ChannelMap, MapLayout};
use heartbit_ir::program::{ArrayConfig, Step};

/// What a convolution reads.
pub(super) struct Window<'a> {
    /// Where the map lies.
    pub(super) map: MapLayout,
    /// Where its channels lie.
    pub(super) channels: &'a ChannelMap,
    /// 1 or 3.
    pub(super) kernel: usize,
    /// 1 or 2.
    pub(super) stride: usize,
    /// Pixels of a flattened map, which are then the taps.
    pub(super) flat: Option<usize>,
}

impl Window<'_> {
    /// Number of taps.
    pub(super) fn taps(&self) -> usize {
        self.flat.unwrap_or(self.kernel * self.kernel)
    }
}

/// One step, with what the weight image needs to know of it.
pub(super) struct ScheduledStep {
    /// The entry of each lane group's step memory.
    pub(super) words: Vec<u32>,
    /// Bit plane of the weights.
    pub(super) weight_plane: usize,
    /// First lane and number of each tap, `ky · kernel + kx`.
    pub(super) taps: Vec<(usize, usize)>,
    /// Word of the pixel.
    pub(super) word: usize,
}

/// Lists the steps of a tile: plane pairs of falling weight, taps, words.
pub(super) fn schedule(
    array: &ArrayConfig,
    window: &Window<'_>,
    weight_bits: u32,
) -> Vec<ScheduledStep> {
    let (planes, weight_planes) = (window.map.planes, weight_bits as usize);
    let copies = window.map.copies;
    let all: Vec<usize> = (0..window.taps()).collect();
    let mut steps = Vec::new();
    for (weight, plane, weight_plane) in plane_pairs(planes, weight_planes) {
        for taps in all.chunks(copies) {
            for word in 0..window.channels.used_words() {
                steps.push((
                    weight,
                    ScheduledStep {
                        words: (0..array.taps)
                            .map(|group| group_step(array, window, plane, taps, word, group))
                            .map(|step| step.encode())
                            .collect(),
                        weight_plane,
                        taps: taps
                            .iter()
                            .enumerate()
                            .map(|(copy, tap)| (copy * array.lanes / copies, *tap))
                            .collect(),
                        word,
                    },
                ));
            }
        }
    }
    double_where_weight_falls(steps)
}

/// Plane pairs in the order of Horner's rule: their common weight, the plane of the activations
/// and that of the weights.
pub(super) fn plane_pairs(
    planes: usize,
    weight_planes: usize,
) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..planes + weight_planes - 1).rev().flat_map(move |weight| {
        (0..planes).rev().filter_map(move |plane| {
            let weight_plane = weight.checked_sub(plane).filter(|&j| j < weight_planes)?;
            Some((weight, plane, weight_plane))
        })
    })
}

/// Sets `double` in the first step of each new weight.
fn double_where_weight_falls(steps: Vec<(usize, ScheduledStep)>) -> Vec<ScheduledStep> {
    let mut before = steps.first().map(|(weight, _)| *weight);
    steps
        .into_iter()
        .map(|(weight, mut step)| {
            if before.replace(weight) != Some(weight) {
                for word in &mut step.words {
                    *word = Step { double: true, ..Step::decode(*word) }.encode();
                }
            }
            step
        })
        .collect()
}

/// What one lane group does in a step that takes these taps.
fn group_step(
    array: &ArrayConfig,
    window: &Window<'_>,
    plane: usize,
    taps: &[usize],
    word: usize,
    group: usize,
) -> Step {
    let copies = window.map.copies;
    let groups_of_copy = array.taps / copies;
    let Some(&tap) = taps.get(group / groups_of_copy) else {
        return Step { off: true, ..Step::default() };
    };
    let first_of_copy = group.is_multiple_of(groups_of_copy);
    let signed = |n: usize| i64::try_from(n).expect("bug: small sizes");
    let narrow = |v: i64| i8::try_from(v).expect("bug: kernels are small");
    let map = &window.map;
    let at_pixel = signed(plane * map.plane_words() + word);
    let mut step = Step {
        tap_first: word == 0 && first_of_copy,
        last_word: word + 1 == window.channels.used_words(),
        ..Step::default()
    };
    let offset = if window.flat.is_some() {
        signed(tap * map.pixel_words()) + at_pixel
    } else {
        let pad = signed((window.kernel - 1) / 2);
        let (dy, dx) = (signed(tap / window.kernel) - pad, signed(tap % window.kernel) - pad);
        let (phase, shift) = match (window.stride, dx) {
            (1, dx) => (0, dx),
            (_, 0) => (0, 0),
            (_, 1) => (1, 0),
            (_, _) => (1, -1),
        };
        (step.dy, step.dx, step.shift) = (narrow(dy), narrow(dx), narrow(shift));
        let mut line = dy;
        if map.lines > 1 {
            let stride = signed(window.stride);
            step.line_shift = narrow(dy.div_euclid(stride));
            line = dy.rem_euclid(stride);
        }
        line * signed(map.row_words()) + phase * signed(map.phase_words(array.rows)) + at_pixel
    };
    // Addresses wrap around at 16 bits, so an offset may; a map that does not fit 16-bit
    // addresses is refused with the descriptor's fields.
    step.offset = u16::try_from(offset.rem_euclid(1 << 16)).expect("bug: 16 bits").cast_signed();
    step
}

/// The step memories: layers with the same steps share them.
#[derive(Debug)]
pub(super) struct StepTable {
    /// Rows of one word for each lane group.
    rows: Vec<Vec<u32>>,
    groups: usize,
}

impl StepTable {
    pub(super) fn new(groups: usize) -> Self {
        Self { rows: Vec::new(), groups }
    }

    /// Returns where these steps are, adding them if need be.
    pub(super) fn insert(&mut self, steps: &[Vec<u32>]) -> usize {
        let found = self.rows.windows(steps.len()).position(|w| w == steps);
        found.unwrap_or_else(|| {
            self.rows.extend_from_slice(steps);
            self.rows.len() - steps.len()
        })
    }

    /// Number of steps.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns the contents of each lane group's memory.
    pub(super) fn into_memories(self) -> Vec<Vec<u32>> {
        (0..self.groups).map(|g| self.rows.iter().map(|row| row[g]).collect()).collect()
    }
}
