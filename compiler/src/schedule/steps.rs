//! The order of the steps of a tile: microarchitecture.md, section 3.2.

use super::layout::{ChannelMap, MapLayout};
use heartbit_ir::program::Step;

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
}

/// One step with what the weight image needs to know of it.
pub(super) struct ScheduledStep {
    /// The entry of the step table.
    pub(super) step: Step,
    /// Bit plane of the weights.
    pub(super) weight_plane: usize,
    /// `ky · kernel + kx`.
    pub(super) tap: usize,
    /// Word of the pixel.
    pub(super) word: usize,
}

/// Lists the steps of a tile: plane pairs of falling weight, taps, words.
pub(super) fn schedule(window: &Window<'_>, weight_bits: u32) -> Vec<ScheduledStep> {
    let (planes, weight_planes) = (window.map.planes, weight_bits as usize);
    let mut steps = Vec::new();
    for weight in (0..planes + weight_planes - 1).rev() {
        let first_of_weight = steps.len();
        for plane in (0..planes).rev() {
            let Some(weight_plane) = weight.checked_sub(plane).filter(|&j| j < weight_planes)
            else {
                continue;
            };
            for tap in 0..window.kernel * window.kernel {
                for word in 0..window.channels.used_words() {
                    steps.push(ScheduledStep {
                        step: step(window, plane, tap, word),
                        weight_plane,
                        tap,
                        word,
                    });
                }
            }
        }
        if first_of_weight > 0 {
            steps[first_of_weight].step.double = true;
        }
    }
    steps
}

fn step(window: &Window<'_>, plane: usize, tap: usize, word: usize) -> Step {
    let signed = |n: usize| i64::try_from(n).expect("bug: small sizes");
    let pad = signed((window.kernel - 1) / 2);
    let dy = signed(tap / window.kernel) - pad;
    let dx = signed(tap % window.kernel) - pad;
    let (phase, shift) = match (window.stride, dx) {
        (1, dx) => (0, dx),
        (_, 0) => (0, 0),
        (_, 1) => (1, 0),
        (_, _) => (1, -1),
    };
    let map = &window.map;
    let plane_offset = if map.image { 0 } else { plane * map.plane_words() };
    let offset = dy * signed(map.row_words())
        + phase * signed(map.phase_words())
        + signed(plane_offset + word);
    let narrow = |v: i64| i8::try_from(v).expect("bug: kernels are small");
    Step {
        // Addresses wrap around at 16 bits, so an offset may; a map that does not fit 16-bit
        // addresses is refused with the descriptor's fields.
        offset: u16::try_from(offset.rem_euclid(1 << 16)).expect("bug: 16 bits").cast_signed(),
        dy: narrow(dy),
        dx: narrow(dx),
        shift: narrow(shift),
        plane: if map.image { u8::try_from(plane).expect("bug: 8 planes") } else { 0 },
        double: false,
        tap_first: word == 0,
        last_word: word + 1 == window.channels.used_words(),
    }
}

/// The step memory: layers with the same steps share them.
#[derive(Debug, Default)]
pub(super) struct StepTable {
    steps: Vec<Step>,
}

impl StepTable {
    /// Returns where these steps are, adding them if need be.
    pub(super) fn insert(&mut self, steps: &[Step]) -> usize {
        let found = self.steps.windows(steps.len()).position(|w| w == steps);
        found.unwrap_or_else(|| {
            self.steps.extend_from_slice(steps);
            self.steps.len() - steps.len()
        })
    }

    /// Number of steps.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Returns the memory's contents.
    pub(super) fn into_steps(self) -> Vec<Step> {
        self.steps
    }
}
