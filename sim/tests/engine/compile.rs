//! The smallest compiler that can place a chain of layers: every map and stream at a new address.

use crate::reference::{Conv, Net, Shortcut};
use heartbit_ir::program::{
    ArrayConfig, ArrayShape, Header, LaneMemory, LayerDescriptor, LayerFlags, MemoryDepths,
    Parameter, Program, Step,
};

/// A map in the activation memory, or the image.
#[derive(Clone, Copy)]
struct Source {
    image: bool,
    base: usize,
    height: usize,
    width: usize,
    channels: usize,
    bits: usize,
    /// Words of a pixel and plane.
    px_words: usize,
}

#[derive(Clone, Copy, Default)]
struct Stream {
    base: usize,
    height: usize,
    width: usize,
    channels: usize,
}

struct Compiler<'a> {
    net: &'a Net,
    array: ArrayConfig,
    activation_words: usize,
    stream_words: usize,
    program: Program,
    weight_bits: Vec<Vec<Vec<bool>>>,
}

fn small<T: TryFrom<usize>>(value: usize) -> T {
    T::try_from(value).unwrap_or_else(|_| panic!("{value} does not fit"))
}

/// Compiles a network; memories are exactly as large as needed.
pub(crate) fn compile(net: &Net, shape: ArrayShape, acc_bits: u32) -> Program {
    let array = ArrayConfig { rows: shape.rows, cols: shape.cols, lanes: shape.lanes, acc_bits };
    let depths = MemoryDepths {
        image: net.height * net.width.div_ceil(array.rows),
        activation: 0,
        weight: 0,
        parameter: 0,
        stream: 0,
        logit: 0,
        step: 0,
        program: 2 + 16 * net.convs.len(),
    };
    let last = net.convs.last().expect("a network has layers");
    let header = Header {
        image_height: small(net.height),
        image_width: small(net.width),
        classes: small(last.cout),
    };
    let program = Program {
        array,
        depths,
        header,
        layers: vec![],
        steps: vec![],
        weights: vec![],
        parameters: vec![vec![]; array.cols],
    };
    let weight_bits = vec![vec![]; array.cols];
    Compiler { net, array, activation_words: 0, stream_words: 0, program, weight_bits }.run()
}

impl Compiler<'_> {
    fn run(mut self) -> Program {
        let net = self.net;
        let mut source = Source {
            image: true,
            base: 0,
            height: net.height,
            width: net.width,
            channels: net.channels + 1,
            bits: 8,
            px_words: 1,
        };
        let mut stream = Stream::default();
        for (i, conv) in net.convs.iter().enumerate() {
            let next = net.convs.get(i + 1);
            (source, stream) = self.layer(conv, next, source, stream);
        }
        let lanes = self.array.lanes;
        for column in &self.weight_bits {
            let mut memory = LaneMemory::ones(lanes, column.len());
            for (word, bits) in column.iter().enumerate() {
                (0..lanes).for_each(|lane| memory.set(word, lane, bits[lane]));
            }
            self.program.weights.push(memory);
        }
        let depths = &mut self.program.depths;
        depths.activation = self.activation_words;
        depths.stream = self.stream_words;
        depths.weight = self.weight_bits[0].len();
        depths.parameter = self.program.parameters[0].len();
        depths.step = self.program.steps.len();
        depths.logit = self.program.layers.last().map_or(0, |d| d.col_tiles.into());
        self.program
    }

    fn n_xt(&self, width: usize, stride: usize) -> usize {
        width.div_ceil(stride).div_ceil(self.array.rows)
    }

    fn layer(
        &mut self,
        conv: &Conv,
        next: Option<&Conv>,
        source: Source,
        stream: Stream,
    ) -> (Source, Stream) {
        let (rows, cols) = (self.array.rows, self.array.cols);
        let (height, width) =
            (source.height.div_ceil(conv.stride), source.width.div_ceil(conv.stride));
        let tiles = conv.cout.div_ceil(cols);
        let write_beats = self.array.write_beats();
        let px_words = (tiles * write_beats).div_ceil(self.array.slices_per_word());
        let in_px = if source.image { 1 } else { source.bits * source.px_words };
        let in_row = conv.stride * self.n_xt(source.width, conv.stride) * in_px;
        let (step_base, weight_base) = (self.program.steps.len(), self.weight_bits[0].len());
        let param_base = self.program.parameters[0].len();
        let last_lanes = self.steps_and_weights(conv, &source, tiles);
        for ct in 0..tiles {
            for c in 0..cols {
                let o = ct * cols + c;
                let parameter = match conv.mul.get(o) {
                    Some(&mul) => Parameter { mul, bias: conv.bias[o] },
                    None => Parameter::default(),
                };
                self.program.parameters[c].push(parameter);
            }
        }
        let steps = self.program.steps.len() - step_base;
        let reads = if conv.shortcut == Shortcut::Pool { 4 } else { 1 };
        let drain = rows * (reads + write_beats - 1);

        let mut d = LayerDescriptor {
            flags: LayerFlags {
                source_image: source.image,
                stride_2: conv.stride == 2,
                shortcut_identity: conv.shortcut == Shortcut::Identity,
                shortcut_pool: conv.shortcut == Shortcut::Pool,
                write_stream: conv.write_stream,
                last_layer: next.is_none(),
                logits: next.is_none(),
                ..LayerFlags::default()
            },
            shift: conv.shift,
            steps: small(steps),
            step_base: small(step_base),
            weight_base: small(weight_base),
            param_base: small(param_base),
            col_tiles: small(tiles),
            row_tiles: small(width.div_ceil(rows)),
            out_height: small(height),
            out_width: small(width),
            in_height: small(source.height),
            in_width: small(source.width),
            in_base: small(source.base),
            in_y_words: small(conv.stride * in_row),
            in_xt_words: small(in_px),
            last_lanes: small(last_lanes),
            fan_in: small(source.channels),
            tile_gap: small(drain.saturating_sub(steps)),
            drain_wait: small(drain + self.array.popcount_latency() + rows + cols + 8),
            clip: conv.clip,
            ..LayerDescriptor::default()
        };
        if conv.shortcut != Shortcut::None {
            d.stream_in_base = small(stream.base);
            d.stream_in_row = small(stream.width);
            d.stream_in_plane = small(stream.height * stream.width);
            d.shortcut_channels = small(stream.channels);
        }
        let stream = if conv.write_stream {
            let in_place =
                conv.shortcut == Shortcut::Identity && stream.channels.div_ceil(cols) == tiles;
            let base = if in_place { stream.base } else { self.stream_words };
            self.stream_words = self.stream_words.max(base + tiles * height * width);
            d.stream_out_base = small(base);
            d.stream_out_row = small(width);
            d.stream_out_plane = small(height * width);
            Stream { base, height, width, channels: conv.cout }
        } else {
            stream
        };
        let base = self.activation_words;
        let mut output =
            Source { image: false, base, height, width, channels: conv.cout, bits: 1, px_words };
        d.out_base = small(base);
        if let Some(pool_shift) = conv.pool {
            d.flags.pool = true;
            d.pool_shift = pool_shift;
            d.col_gap = small(40 + 8 * write_beats);
            d.out_xt_words = small(px_words);
            self.activation_words += 8 * px_words;
            output = Source { height: 1, width: 1, bits: 8, ..output };
        } else if let Some(next) = next {
            let n_xt = self.n_xt(width, next.stride);
            d.flags.write_bits = true;
            d.flags.out_stride_2 = next.stride == 2;
            d.out_xt_words = small(px_words);
            d.out_phase_words = small(n_xt * px_words);
            d.out_y_words = small(next.stride * n_xt * px_words);
            self.activation_words += height * next.stride * n_xt * px_words;
        }
        self.program.layers.push(d);
        (output, stream)
    }

    /// Word and lane of a channel.
    fn place(&self, source: &Source, channel: usize) -> (usize, usize) {
        if source.image {
            return (0, if channel + 1 == source.channels { 3 } else { channel });
        }
        let (cols, slice_bits) = (self.array.cols, self.array.slice_bits());
        let (ct, c) = (channel / cols, channel % cols);
        let slice = ct * self.array.write_beats() + c / slice_bits;
        let slices = self.array.slices_per_word();
        (slice / slices, slice % slices * slice_bits + c % slice_bits)
    }

    /// Emits the steps and the weights of all column tiles, and returns `last_lanes`.
    fn steps_and_weights(&mut self, conv: &Conv, source: &Source, tiles: usize) -> usize {
        let places: Vec<_> = (0..source.channels).map(|c| self.place(source, c)).collect();
        let words = places.iter().map(|&(word, _)| word).max().expect("channels") + 1;
        let in_last = places.iter().filter(|&&(word, _)| word + 1 == words);
        let last_lanes = in_last.map(|&(_, lane)| lane).max().expect("channels") + 1;
        let mut pairs: Vec<(usize, usize)> =
            (0..source.bits).flat_map(|i| (0..conv.bits).map(move |j| (i, j))).collect();
        pairs.sort_by_key(|&(i, j)| std::cmp::Reverse((i + j, i)));
        let (mut visits, mut weight) = (vec![], pairs[0].0 + pairs[0].1);
        for (i, j) in pairs {
            let mut double = i + j < weight;
            weight = i + j;
            for (ky, kx) in (0..conv.kernel).flat_map(|y| (0..conv.kernel).map(move |x| (y, x))) {
                for word in 0..words {
                    self.program.steps.push(Step {
                        double,
                        tap_first: word == 0,
                        last_word: word + 1 == words,
                        ..self.tap(conv, source, (ky, kx), i, word)
                    });
                    visits.push((j, ky, kx, word));
                    double = false;
                }
            }
        }
        for ct in 0..tiles {
            for &(j, ky, kx, word) in &visits {
                for c in 0..self.array.cols {
                    let o = ct * self.array.cols + c;
                    let mut bits = vec![true; self.array.lanes];
                    for (channel, &(at, lane)) in places.iter().enumerate() {
                        if at == word && o < conv.cout {
                            let k = conv.kernel;
                            let index = ((o * k + ky) * k + kx) * source.channels + channel;
                            let code = (conv.weights[index] + (1 << conv.bits) - 1) / 2;
                            bits[lane] = code >> j & 1 == 1;
                        }
                    }
                    self.weight_bits[c].push(bits);
                }
            }
        }
        last_lanes
    }

    fn tap(
        &self,
        conv: &Conv,
        source: &Source,
        (ky, kx): (usize, usize),
        plane: usize,
        word: usize,
    ) -> Step {
        let pad = i64::try_from(conv.kernel / 2).expect("small");
        let dy = i64::try_from(ky).expect("small") - pad;
        let dx = i64::try_from(kx).expect("small") - pad;
        let (phase, shift) = match (conv.stride, dx) {
            (1, _) => (0, dx),
            (_, -1) => (1, -1),
            (_, dx) => (dx, 0),
        };
        let px = source.bits * source.px_words;
        let (px, in_pixel) =
            if source.image { (1, 0) } else { (px, plane * source.px_words + word) };
        let line = i64::try_from(self.n_xt(source.width, conv.stride) * px).expect("small");
        let stride = i64::try_from(conv.stride).expect("small");
        let offset = (dy * stride + phase) * line + i64::try_from(in_pixel).expect("small");
        Step {
            offset: i16::try_from(offset).expect("offsets have 16 bits"),
            dy: i8::try_from(dy).expect("small"),
            dx: i8::try_from(dx).expect("small"),
            shift: i8::try_from(shift).expect("small"),
            plane: if source.image { small(plane) } else { 0 },
            ..Step::default()
        }
    }
}
