//! Steps and weights of a convolution over the image: section 4.2 of microarchitecture.md.

use super::{Compiler, small};
use crate::reference::{Conv, Layer};
use heartbit_ir::program::{Borders, ImageStep, LayerDescriptor};

/// Products that every step counts; any number does.
const FAN_IN: u16 = 5;

/// A lane that holds a channel of a tap.
struct Lane {
    at: usize,
    ky: usize,
    kx: usize,
    channel: usize,
    /// Plane of the weights.
    plane: usize,
}

impl Compiler<'_> {
    /// Emits steps and weights, fills the descriptor, and returns the size of the result.
    pub(super) fn stem(&mut self, layer: &Layer, d: &mut LayerDescriptor) -> (usize, usize) {
        let (net, conv) = (self.net, layer.conv.as_ref().expect("a stem"));
        let (height, width) = (net.height.div_ceil(conv.stride), net.width.div_ceil(conv.stride));
        d.flags.stride_2 = conv.stride == 2;
        (d.in_height, d.in_width) = (small(net.height), small(net.width));
        d.fan_in = FAN_IN;
        d.borders = Borders {
            top: border(conv, net.height, true),
            bottom: border(conv, net.height, false),
            left: border(conv, net.width, true),
            right: border(conv, net.width, false),
        };
        let mut visits: Vec<Vec<Lane>> = Vec::new();
        let mut spare = 0;
        for sum in (0..conv.bits + 7).rev() {
            let mut double = sum < conv.bits + 6;
            for planes in self.plane_pairs(sum, conv.bits) {
                for first_row in (0..conv.kernel).step_by(3) {
                    for part in 0..16 {
                        let lanes = self.lanes(conv, &planes, first_row, part);
                        if lanes.is_empty() {
                            continue;
                        }
                        self.image_step(conv, &planes, (first_row, part), double);
                        let used = i64::try_from(lanes.len()).expect("small");
                        spare += (used - i64::from(FAN_IN)) << sum;
                        visits.push(lanes);
                        double = false;
                    }
                }
            }
        }
        self.stem_weights(layer.cout, conv, &visits);
        self.stem_offsets = offsets(layer.cout, conv, net, d.borders, (height, width));
        self.stem_offsets.iter_mut().for_each(|offset| *offset += spare);
        (height, width)
    }

    /// Pairs of planes, image and weight, whose sum is `sum`: those that steps share.
    fn plane_pairs(&self, sum: usize, bits: usize) -> Vec<[Option<(usize, usize)>; 2]> {
        let pairs = (0..8).filter(|&i| i <= sum && sum - i < bits).map(|i| (i, sum - i));
        if self.array.stem_planes() == 1 {
            return pairs.map(|pair| [Some(pair), None]).collect();
        }
        let (even, odd): (Vec<_>, Vec<_>) = pairs.partition(|(i, _)| i % 2 == 0);
        (0..even.len().max(odd.len()))
            .map(|n| [even.get(n).copied(), odd.get(n).copied()])
            .collect()
    }

    /// The lanes of a part of the vector.
    fn lanes(
        &self,
        conv: &Conv,
        planes: &[Option<(usize, usize)>; 2],
        first_row: usize,
        part: usize,
    ) -> Vec<Lane> {
        let (lanes, k, np) = (self.array.lanes, conv.kernel, self.array.stem_planes());
        let group = if np * 9 * k <= lanes { 9 * k } else { lanes * (9 * k).div_ceil(lanes) };
        let mut result = Vec::new();
        for (e, pair) in planes.iter().enumerate() {
            let Some((_, plane)) = *pair else { continue };
            for (d, i) in (0..3.min(k - first_row)).flat_map(|d| (0..k).map(move |i| (d, i))) {
                for channel in 0..self.net.channels {
                    let element = e * group + d * 3 * k + 3 * i + channel;
                    if element / lanes == part {
                        result.push(Lane {
                            at: element % lanes,
                            ky: first_row + d,
                            kx: i,
                            channel,
                            plane,
                        });
                    }
                }
            }
        }
        result
    }

    fn image_step(
        &mut self,
        conv: &Conv,
        planes: &[Option<(usize, usize)>; 2],
        (first_row, part): (usize, usize),
        double: bool,
    ) {
        let centre = i8::try_from(conv.kernel / 2).expect("small");
        let step = ImageStep {
            planes: planes.map(|pair| pair.map(|(plane, _)| small(plane))),
            n_rows: small(3.min(conv.kernel - first_row)),
            part: small(part),
            dy: i8::try_from(first_row).expect("small") - centre,
            double,
            tap_first: true,
        };
        self.program.steps[0].push(step.encode());
        // The words of the other groups do not count.
        for (g, memory) in self.program.steps.iter_mut().enumerate().skip(1) {
            memory.push(0x9e37_79b9u32.rotate_left(u32::try_from(g).expect("small")));
        }
    }

    fn stem_weights(&mut self, cout: usize, conv: &Conv, visits: &[Vec<Lane>]) {
        let (cols, k, channels) = (self.array.cols, conv.kernel, self.net.channels);
        for (ct, visit) in
            (0..cout.div_ceil(cols)).flat_map(|ct| visits.iter().map(move |visit| (ct, visit)))
        {
            for c in 0..cols {
                let o = ct * cols + c;
                let mut bits = vec![true; self.array.lanes];
                for lane in visit.iter().filter(|_| o < cout) {
                    let index = ((o * k + lane.ky) * k + lane.kx) * channels + lane.channel;
                    let code = (conv.weights[index] + (1 << conv.bits) - 1) / 2;
                    bits[lane.at] = code >> lane.plane & 1 == 1;
                }
                self.weight_bits[c].push(bits);
            }
        }
    }
}

/// Whether tap `tap` of output `at` is outside of a side with `size` pixels.
fn outside(conv: &Conv, at: usize, tap: usize, size: usize) -> bool {
    let centre = (conv.kernel - 1) / 2;
    let input = at * conv.stride + tap;
    input < centre || input - centre >= size
}

/// Outputs at one end of a side that see pixels beyond it.
fn border(conv: &Conv, size: usize, before: bool) -> u8 {
    let outputs = size.div_ceil(conv.stride);
    let tap = if before { 0 } else { conv.kernel - 1 };
    let centre = (conv.kernel - 1) / 2;
    let beyond = |at: &usize| {
        let input = at * conv.stride + tap;
        if before { input < centre } else { input >= centre + size }
    };
    small((0..outputs).filter(beyond).count())
}

/// What pixels outside of the image, which count as -255, add to the sums of each class.
fn offsets(
    cout: usize,
    conv: &Conv,
    net: &crate::reference::Net,
    borders: Borders,
    (height, width): (usize, usize),
) -> Vec<i64> {
    let mut result = vec![0; borders.classes() * cout];
    let (k, channels) = (conv.kernel, net.channels);
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let class = borders.class(y, x, height, width);
        for o in 0..cout {
            let mut sum = 0;
            for (ky, kx) in (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx))) {
                if outside(conv, y, ky, net.height) || outside(conv, x, kx, net.width) {
                    let first = ((o * k + ky) * k + kx) * channels;
                    let weights = conv.weights[first..first + channels].iter();
                    sum -= 255 * weights.map(|&w| i64::from(w)).sum::<i64>();
                }
            }
            result[class * cout + o] = sum;
        }
    }
    result
}
