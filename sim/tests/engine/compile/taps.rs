//! Steps and weights of a convolution over a map: sections 3.2 and 4.1 of microarchitecture.md.

use super::{Compiler, Source, small};
use crate::reference::Conv;
use heartbit_ir::program::{LayerDescriptor, Step};

/// A tap of the kernel.
#[derive(Clone, Copy)]
struct Item {
    /// First channel of the tap in a row of the weights.
    weight: usize,
    /// Offset of its first plane and word.
    offset: i64,
    dy: i64,
    dx: i64,
    shift: i64,
    line_shift: i64,
}

/// What the lanes of a step hold: word `word` of the items, one a copy.
struct Visit {
    plane: usize,
    word: usize,
    items: Vec<Item>,
}

impl Compiler<'_> {
    /// Emits steps and weights, fills the descriptor, and returns the size of the result.
    pub(super) fn taps(
        &mut self,
        cout: usize,
        conv: &Conv,
        source: &Source,
        d: &mut LayerDescriptor,
    ) -> (usize, usize) {
        let words = source.bits * source.px_words;
        let line = source.width.div_ceil(conv.stride).div_ceil(self.array.rows) * words;
        let (height, width) = if source.flat { (1, 1) } else { (source.height, source.width) };
        d.flags.stride_2 = conv.stride == 2;
        (d.in_height, d.in_width) = (small(height), small(width));
        d.in_base = small(source.base);
        d.in_y_words = small(if source.flat { 0 } else { conv.stride * conv.stride * line });
        d.in_xt_words = small(words);
        d.in_copies = small(source.copies);
        d.fan_in = small(source.channels);
        let (used, last_lanes) = self.last_lane(source);
        d.last_lanes = small(last_lanes);
        let items = if source.flat { flat_items(source) } else { items(conv, source, line) };
        let mut visits = Vec::new();
        let mut pairs: Vec<(usize, usize)> =
            (0..source.bits).flat_map(|i| (0..conv.bits).map(move |j| (i, j))).collect();
        pairs.sort_by_key(|&(i, j)| std::cmp::Reverse((i + j, i)));
        let mut weight = pairs[0].0 + pairs[0].1;
        for (i, j) in pairs {
            let mut double = i + j < weight;
            weight = i + j;
            for items in items.chunks(source.copies) {
                for word in 0..used {
                    let last = word + 1 == used;
                    self.step(source, items, (i, word, last), double);
                    visits.push(Visit { plane: j, word, items: items.to_vec() });
                    double = false;
                }
            }
        }
        self.weights(cout, conv, source, &visits);
        (height.div_ceil(conv.stride), width.div_ceil(conv.stride))
    }

    /// Emits the words of all lane groups.
    fn step(
        &mut self,
        source: &Source,
        items: &[Item],
        (plane, word, last_word): (usize, usize, bool),
        double: bool,
    ) {
        self.words.push(word);
        let groups = self.array.taps / source.copies;
        for (g, memory) in self.program.steps.iter_mut().enumerate() {
            let in_pixel = i64::try_from(plane * source.px_words + word).expect("small");
            let narrow = |v: i64| i8::try_from(v).expect("small");
            let step = match items.get(g / groups) {
                None => Step { off: true, double, ..Step::default() },
                Some(item) => Step {
                    offset: i16::try_from(item.offset + in_pixel).expect("16 bits"),
                    dy: narrow(item.dy),
                    dx: narrow(item.dx),
                    shift: narrow(item.shift),
                    line_shift: narrow(item.line_shift),
                    off: false,
                    double,
                    tap_first: word == 0 && g % groups == 0,
                    last_word,
                },
            };
            memory.push(step.encode());
        }
    }

    fn weights(&mut self, cout: usize, conv: &Conv, source: &Source, visits: &[Visit]) {
        let (array, k) = (self.array, conv.kernel);
        let row = k * k * if source.flat { source.height * source.width } else { 1 };
        let places: Vec<_> = (0..source.channels).map(|c| self.place(c)).collect();
        for (ct, visit) in (0..cout.div_ceil(array.cols))
            .flat_map(|ct| visits.iter().map(move |visit| (ct, visit)))
        {
            for c in 0..array.cols {
                let o = ct * array.cols + c;
                let mut bits = vec![true; array.lanes];
                for (copy, item) in visit.items.iter().enumerate().filter(|_| o < cout) {
                    for (channel, &(word, lane)) in places.iter().enumerate() {
                        if word == visit.word {
                            let index = o * row * source.channels + item.weight + channel;
                            let code = (conv.weights[index] + (1 << conv.bits) - 1) / 2;
                            let lane = copy * array.lanes / source.copies + lane;
                            bits[lane] = code >> visit.plane & 1 == 1;
                        }
                    }
                }
                self.weight_bits[c].push(bits);
            }
        }
    }

    /// Word and lane of a channel, in the first copy.
    fn place(&self, channel: usize) -> (usize, usize) {
        let (cols, slice_bits) = (self.array.cols, self.array.slice_bits());
        let (ct, c) = (channel / cols, channel % cols);
        let slice = ct * self.array.write_beats() + c / slice_bits;
        let slices = self.array.slices_per_word();
        (slice / slices, slice % slices * slice_bits + c % slice_bits)
    }

    /// Words with a channel, and lanes up to the last channel of the last one.
    fn last_lane(&self, source: &Source) -> (usize, usize) {
        let places = (0..source.channels).map(|c| self.place(c));
        let (word, lane) = places.max().expect("channels");
        (word + 1, lane + 1)
    }
}

fn items(conv: &Conv, source: &Source, line: usize) -> Vec<Item> {
    let signed = |v: usize| i64::try_from(v).expect("small");
    let (k, stride, pad) = (conv.kernel, signed(conv.stride), signed((conv.kernel - 1) / 2));
    let item = |ky: usize, kx: usize| {
        let (dy, dx) = (signed(ky) - pad, signed(kx) - pad);
        let (phase, shift) = match (stride, dx) {
            (1, _) => (0, dx),
            (_, -1) => (1, -1),
            (_, dx) => (dx, 0),
        };
        let (line_shift, line_phase) =
            if source.lines > 1 { (dy.div_euclid(stride), dy.rem_euclid(stride)) } else { (0, dy) };
        let offset = (line_phase * stride + phase) * signed(line);
        Item { weight: (ky * k + kx) * source.channels, offset, dy, dx, shift, line_shift }
    };
    (0..k).flat_map(|ky| (0..k).map(move |kx| (ky, kx))).map(|(ky, kx)| item(ky, kx)).collect()
}

/// The pixels of a flattened map, each a tap.
fn flat_items(source: &Source) -> Vec<Item> {
    let words = source.bits * source.px_words;
    let item = |pixel: usize| Item {
        weight: pixel * source.channels,
        offset: i64::try_from(pixel * words).expect("small"),
        dy: 0,
        dx: 0,
        shift: 0,
        line_shift: 0,
    };
    (0..source.height * source.width).map(item).collect()
}
