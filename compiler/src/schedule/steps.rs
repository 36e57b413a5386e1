//! The order of the steps of a tile: microarchitecture.md, section 3.2.

use super::Contents;
use super::layout::{ChannelMap, MapLayout};
use heartbit_ir::program::{ArrayConfig, Step};

/// Most lane groups of an array.
const MAX_GROUPS: usize = 4;

/// The entry of each lane group's step memory; those of groups that an array lacks are 0.
pub(super) type GroupWords = [u32; MAX_GROUPS];

/// What a convolution reads.
pub(super) struct Window<'a> {
    /// Where the map lies.
    pub(super) map: MapLayout,
    /// Where its channels lie.
    pub(super) channels: &'a ChannelMap,
    /// Logical channel of each physical one.
    pub(super) in_order: &'a [usize],
    /// 1 or 3.
    pub(super) kernel: usize,
    /// 1 or 2.
    pub(super) stride: usize,
    /// Line of the map at which the centre of the first row's window lies.
    pub(super) first_line: usize,
    /// Pixels of a flattened map, which are then the taps.
    pub(super) flat: Option<usize>,
}

impl Window<'_> {
    /// Number of taps.
    pub(super) fn taps(&self) -> usize {
        self.flat.unwrap_or(self.kernel * self.kernel)
    }
}

/// A weight's bit in a word of the weight memory.
pub(super) struct LaneWeight {
    /// Lane of the word.
    pub(super) lane: usize,
    /// Bit plane of the weights.
    pub(super) plane: usize,
    /// Row of the weights within those of an output channel: the tap `ky · kernel + kx`, or 0 of a
    /// flattened map.
    pub(super) row: usize,
    /// Column of the weights.
    pub(super) column: usize,
}

/// One step, with what the weight image needs to know of it.
pub(super) struct ScheduledStep {
    pub(super) words: GroupWords,
    /// The weights of its lanes; none where words of weights are only counted.
    pub(super) lanes: Vec<LaneWeight>,
}

/// Lists the steps of a tile: plane pairs of falling weight, taps, words.
pub(super) fn schedule(
    array: &ArrayConfig,
    window: &Window<'_>,
    weight_bits: u32,
    contents: Contents,
) -> Vec<ScheduledStep> {
    let all: Vec<usize> = (0..window.taps()).collect();
    let mut steps = Vec::new();
    let mut before = None;
    for (weight, plane, weight_plane) in plane_pairs(window.map.planes, weight_bits as usize) {
        // The first step of each new weight.
        let mut double = before.replace(weight).is_some_and(|before| before != weight);
        for taps in all.chunks(window.map.copies) {
            for word in 0..window.channels.used_words() {
                let part = Part { plane, weight_plane, taps, word, double };
                double = false;
                let group = |group| part.group_step(array, window, group).encode();
                steps.push(ScheduledStep {
                    words: group_words(array.taps, group),
                    lanes: match contents {
                        Contents::Built => part.lanes(array, window),
                        Contents::Counted => Vec::new(),
                    },
                });
            }
        }
    }
    steps
}

/// The words of as many lane groups as an array has.
pub(super) fn group_words(groups: usize, word: impl Fn(usize) -> u32) -> GroupWords {
    std::array::from_fn(|group| if group < groups { word(group) } else { 0 })
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

/// What a step works on.
struct Part<'a> {
    plane: usize,
    weight_plane: usize,
    /// One for each copy of the map.
    taps: &'a [usize],
    /// Word of the pixel.
    word: usize,
    double: bool,
}

impl Part<'_> {
    fn lanes(&self, array: &ArrayConfig, window: &Window<'_>) -> Vec<LaneWeight> {
        let copies = self.taps.iter().enumerate();
        copies
            .flat_map(|(copy, &tap)| {
                let first_lane = copy * array.lanes / window.map.copies;
                // A flattened map's taps are columns of its weights, other taps are rows.
                let (row, first_column) = match window.flat {
                    Some(_) => (0, tap * window.in_order.len()),
                    None => (tap, 0),
                };
                window.channels.in_word(self.word).map(move |(p, lane)| LaneWeight {
                    lane: first_lane + lane,
                    plane: self.weight_plane,
                    row,
                    column: first_column + window.in_order[p],
                })
            })
            .collect()
    }

    /// What one lane group does.
    fn group_step(&self, array: &ArrayConfig, window: &Window<'_>, group: usize) -> Step {
        let groups_of_copy = array.taps / window.map.copies;
        let Some(&tap) = self.taps.get(group / groups_of_copy) else {
            return Step { off: true, double: self.double, ..Step::default() };
        };
        let first_of_copy = group.is_multiple_of(groups_of_copy);
        let signed = |n: usize| i64::try_from(n).expect("bug: small sizes");
        let narrow = |v: i64| i8::try_from(v).expect("bug: kernels are small");
        let map = &window.map;
        let at_pixel = signed(self.plane * map.plane_words() + self.word);
        let mut step = Step {
            double: self.double,
            tap_first: self.word == 0 && first_of_copy,
            last_word: self.word + 1 == window.channels.used_words(),
            ..Step::default()
        };
        let offset = if window.flat.is_some() {
            signed(tap * map.pixel_words()) + at_pixel
        } else {
            let pad = signed((window.kernel - 1) / 2);
            let dy = signed(window.first_line + tap / window.kernel) - pad;
            let dx = signed(tap % window.kernel) - pad;
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
        let wrapped = u16::try_from(offset.rem_euclid(1 << 16)).expect("bug: 16 bits");
        step.offset = wrapped.cast_signed();
        step
    }
}

/// The step memories: layers with the same steps share them.
#[derive(Debug)]
pub(super) struct StepTable {
    /// Rows of one word for each lane group.
    rows: Vec<GroupWords>,
    groups: usize,
}

impl StepTable {
    pub(super) fn new(groups: usize) -> Self {
        Self { rows: Vec::new(), groups }
    }

    /// Returns where these steps are, adding them if need be.
    pub(super) fn insert(&mut self, steps: Vec<GroupWords>) -> usize {
        let found = self.rows.windows(steps.len()).position(|w| w == steps);
        found.unwrap_or_else(|| {
            let n = steps.len();
            self.rows.extend(steps);
            self.rows.len() - n
        })
    }

    /// The words of a step, one for each lane group.
    pub(super) fn words(&self, step: usize) -> &[u32] {
        &self.rows[step][..self.groups]
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
