//! The smallest compiler that can place a chain of layers: every map and stream at a new address.
//!
//! Here are descriptors and parameters; `taps` makes the steps of a map, `stem` those of the image,
//! `lines` says how many lines a tile covers, `schedule` when layers and tiles follow each other.
//! `bands` divides a program's stem, `stream` makes its weights streamed ones.

pub(crate) mod bands;
pub(crate) mod lines;
mod schedule;
mod stem;
pub(crate) mod stream;
mod taps;

use crate::reference::{Layer, Net, Output, Shortcut, result_size};
use heartbit_ir::program::{
    ArrayConfig, Borders, Header, Join, LaneMemory, LayerDescriptor, LayerFlags, MemoryDepths,
    Parameter, Program, Shortcut as Window,
};
use schedule::{Steps, layer_gap, schedule};

/// A map in the activation memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Source {
    base: usize,
    /// Size before it was flattened.
    height: usize,
    width: usize,
    channels: usize,
    bits: usize,
    /// Words of a pixel and plane.
    px_words: usize,
    copies: usize,
    /// Lines of the tiles that read it.
    lines: usize,
    flat: bool,
}

#[derive(Clone, Copy, Default)]
struct Stream {
    base: usize,
    height: usize,
    width: usize,
    channels: usize,
}

/// A program, and what the stem's sums differ by from those of the network.
pub(crate) struct Compiled {
    pub(crate) program: Program,
    /// Of channel `o` of class `class`, at `class·cout + o`.
    pub(crate) offsets: Vec<i64>,
}

pub(super) struct Compiler<'a> {
    net: &'a Net,
    array: ArrayConfig,
    /// Most copies of a map.
    copies: usize,
    /// Lines of the tiles of each layer.
    lines: &'a [usize],
    activation_words: usize,
    stream_words: usize,
    program: Program,
    weight_bits: Vec<Vec<Vec<bool>>>,
    /// Which word of a pixel the steps of the layer read, if they read a map.
    words: Vec<usize>,
    stem_offsets: Vec<i64>,
}

pub(super) fn small<T: TryFrom<usize>>(value: usize) -> T {
    T::try_from(value).unwrap_or_else(|_| panic!("{value} does not fit"))
}

/// Compiles a network; memories are exactly as large as needed. `lines` are those of the tiles of
/// each layer.
pub(crate) fn compile(net: &Net, array: ArrayConfig, copies: usize, lines: &[usize]) -> Compiled {
    let stem = net.layers[0].conv.as_ref().expect("a stem");
    let tiles = net.width.div_ceil(stem.stride).div_ceil(array.rows);
    let depths = MemoryDepths {
        image: net.height.div_ceil(3) * tiles * 8 / array.stem_planes(),
        activation: 0,
        weight: 0,
        parameter: 0,
        stream: 0,
        logit: 0,
        step: 0,
        program: 2 + 21 * net.layers.len(),
        ring: None,
    };
    let header = Header {
        image_height: small(net.height),
        image_width: small(net.width),
        classes: small(net.layers.last().expect("a network has layers").cout),
        stem_kernel: small(stem.kernel),
        stem_stride: small(stem.stride),
        image_tiles: small(tiles),
    };
    let program = Program {
        array,
        depths,
        header,
        layers: vec![],
        steps: vec![vec![]; array.taps],
        weights: vec![],
        weight_stream: None,
        parameters: vec![vec![]; array.cols],
    };
    let compiler = Compiler {
        net,
        array,
        copies,
        lines,
        activation_words: 0,
        stream_words: 0,
        program,
        weight_bits: vec![vec![]; array.cols],
        words: vec![],
        stem_offsets: vec![],
    };
    compiler.run()
}

impl Compiler<'_> {
    fn run(mut self) -> Compiled {
        let (mut source, mut stream) = (Source::default(), Stream::default());
        for index in 0..self.net.layers.len() {
            self.layer(index, &mut source, &mut stream);
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
        depths.step = self.program.steps[0].len();
        depths.logit = self.program.layers.last().map_or(0, |d| d.col_tiles.into());
        Compiled { program: self.program, offsets: self.stem_offsets }
    }

    fn layer(&mut self, index: usize, source: &mut Source, stream: &mut Stream) {
        let layer = &self.net.layers[index];
        let array = self.array;
        let tiles = layer.cout.div_ceil(array.cols);
        let (step_base, weight_base) = (self.program.steps[0].len(), self.weight_bits[0].len());
        let (param_base, last) =
            (self.program.parameters[0].len(), index + 1 == self.net.layers.len());
        let mut d = LayerDescriptor {
            step_base: small(step_base),
            weight_base: small(weight_base),
            param_base: small(param_base),
            col_tiles: small(tiles),
            shift: layer.shift,
            clip: layer.clip,
            value_shift: layer.bend.as_ref().map_or(0, |bend| bend.shift),
            value_clip: layer.bend.as_ref().map_or(32767, |bend| bend.clip),
            in_copies: 1,
            out_copies: 1,
            lines: small(self.lines[index]),
            flags: LayerFlags {
                source_image: index == 0,
                write_stream: true,
                logits: last,
                last_layer: last,
                ..LayerFlags::default()
            },
            ..LayerDescriptor::default()
        };
        self.words.clear();
        let (height, width) = match &layer.conv {
            _ if index == 0 => self.stem(layer, &mut d),
            Some(conv) => self.taps(layer.cout, conv, source, &mut d),
            None => self.pass(layer, stream, &mut d),
        };
        self.parameters(layer, d.borders);
        assert_eq!((height, width), layer.size);
        (d.out_height, d.out_width) = (small(height), small(width));
        d.row_tiles = small(width.div_ceil(array.rows));
        d.steps = small(self.program.steps[0].len() - step_base);
        self.streams(layer, stream, &mut d);
        self.map(index, source, &mut d);
        schedule(&array, &mut d);
        if let Some(before) = self.program.layers.last_mut() {
            let groups = self.program.steps.iter().map(|group| &group[step_base..]).collect();
            let steps = Steps { groups, words: &self.words };
            before.layer_gap = layer_gap(&array, before, &d, &steps);
        }
        self.program.layers.push(d);
    }

    /// One step that is off, and weights that nobody counts.
    fn pass(&mut self, layer: &Layer, stream: &Stream, d: &mut LayerDescriptor) -> (usize, usize) {
        self.words.push(0);
        let off = heartbit_ir::program::Step { off: true, ..Default::default() };
        self.program.steps.iter_mut().for_each(|group| group.push(off.encode()));
        for column in &mut self.weight_bits {
            column.extend(vec![vec![true; self.array.lanes]; d.col_tiles.into()]);
        }
        if let Shortcut::Extreme { .. } = layer.shortcut {
            (d.in_height, d.in_width) = (small(stream.height), small(stream.width));
        }
        let size = |n| result_size(layer.shortcut, n);
        (size(stream.height), size(stream.width))
    }

    /// Parameters of all column tiles and border classes.
    fn parameters(&mut self, layer: &Layer, borders: Borders) {
        let cols = self.array.cols;
        let classes = borders.classes();
        for (ct, class) in
            (0..layer.cout.div_ceil(cols)).flat_map(|ct| (0..classes).map(move |class| (ct, class)))
        {
            for c in 0..cols {
                let o = ct * cols + c;
                let offset = self.stem_offsets.get(class * layer.cout + o).copied();
                let offset = if classes > 1 { offset.unwrap_or(0) } else { 0 };
                self.program.parameters[c].push(if o < layer.cout {
                    parameter(layer, o, offset)
                } else {
                    Parameter::default()
                });
            }
        }
    }

    fn streams(&mut self, layer: &Layer, stream: &mut Stream, d: &mut LayerDescriptor) {
        let (tiles, height) = (usize::from(d.col_tiles), usize::from(d.out_height));
        let row = usize::from(d.out_width).div_ceil(2);
        let window = |join, window, stride, padding| Window {
            join,
            window: small(window),
            stride_2: stride == 2,
            padding: padding == 1,
            inner: false,
        };
        d.shortcut = match layer.shortcut {
            Shortcut::None => Window::default(),
            Shortcut::Add { stride } => window(Join::Add, 1, stride, 0),
            Shortcut::Average => window(Join::Average, 2, 2, 0),
            Shortcut::Extreme { window: side, stride, padding } => {
                window(Join::Extreme, side, stride, padding)
            }
        };
        if layer.shortcut != Shortcut::None {
            d.stream_in_base = small(stream.base);
            d.stream_in_row = small(stream.width.div_ceil(2));
            d.stream_in_plane = small(stream.height * stream.width.div_ceil(2));
            d.shortcut_channels = small(stream.channels);
        }
        let in_place = layer.shortcut == (Shortcut::Add { stride: 1 })
            && stream.channels.div_ceil(self.array.cols) == tiles;
        let base = if in_place { stream.base } else { self.stream_words };
        self.stream_words = self.stream_words.max(base + tiles * height * row);
        d.stream_out_base = small(base);
        d.stream_out_row = small(row);
        d.stream_out_plane = small(height * row);
        let width = d.out_width.into();
        *stream = Stream { base, height, width, channels: layer.cout };
    }

    /// Where the next convolution finds the map.
    fn map(&mut self, index: usize, source: &mut Source, d: &mut LayerDescriptor) {
        let (layer, array) = (&self.net.layers[index], self.array);
        let stride = lines::next_conv(self.net, index).map_or(1, lines::stride);
        let lines = lines::reader_lines(self.net, index, self.lines);
        let slices = usize::from(d.col_tiles) * array.write_beats();
        let px_words = slices.div_ceil(array.slices_per_word());
        let fits = |copies: &usize| {
            let few = *copies <= self.copies.min(array.taps);
            few && slices <= array.slices_per_word() / copies
        };
        let copies = [4, 2].into_iter().find(fits).unwrap_or(1);
        let (height, width) = (usize::from(d.out_height), usize::from(d.out_width));
        d.out_base = small(self.activation_words);
        let (bits, flat) = match layer.output {
            Output::None => return,
            Output::Bits { flat } => {
                d.flags.write_bits = true;
                (1, flat)
            }
            Output::Levels { bits, shift, flat } => {
                d.flags.write_levels = true;
                (d.level_bits, d.level_shift) = (bits, shift);
                (bits as usize, flat)
            }
            Output::Pool { bits, shift } => {
                d.flags.pool = true;
                (d.level_bits, d.level_shift) = (bits, shift);
                (bits as usize, false)
            }
        };
        let words = bits * px_words;
        d.out_plane_words = small(px_words);
        d.out_xt_words = small(words);
        d.out_copies = small(copies);
        let base = self.activation_words;
        *source = Source {
            base,
            height,
            width,
            channels: layer.cout,
            bits,
            px_words,
            copies,
            lines,
            flat,
        };
        if d.flags.pool {
            (source.height, source.width) = (1, 1);
            self.activation_words += words;
        } else if flat {
            d.flags.out_flat = true;
            d.out_phase_words = small((array.rows - 1) * words);
            d.out_y_words = small(width * words);
            self.activation_words += height * width * words;
        } else {
            let line = width.div_ceil(stride).div_ceil(array.rows) * words;
            d.flags.out_stride_2 = stride == 2;
            d.out_phase_words = small(line);
            d.out_y_words = small(stride * line);
            d.out_lines = small(lines);
            let folds = height.div_ceil(stride).div_ceil(lines);
            let height = if lines == 1 { height } else { folds * stride };
            self.activation_words += height * stride * line;
        }
    }
}

fn parameter(layer: &Layer, o: usize, offset: i64) -> Parameter {
    let mul = layer.mul[o];
    let plain = Parameter {
        mul,
        bias: layer.bias[o] - i64::from(mul) * offset,
        minimum: layer.minimum[o],
        threshold: layer.thresholds[o].0,
        at_most: layer.thresholds[o].1,
        ..Parameter::default()
    };
    match &layer.bend {
        None => plain,
        Some(bend) => Parameter {
            before: bend.before[o],
            slope: bend.slope[o],
            after: bend.after[o],
            ..plain
        },
    }
}
