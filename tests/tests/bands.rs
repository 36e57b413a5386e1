//! Layers in bands, without an engine: what they read and write by the addresses of
//! microarchitecture.md, and which bands are chosen.

use heartbit_compiler::plan::bands::{Bands, Sequence};
use heartbit_compiler::plan::plan;
use heartbit_compiler::predict::predict;
use heartbit_compiler::schedule::{Compiled, MemoryWords, Target, compile, compile_in_bands};
use heartbit_ir::network::{Network, OpKind};
use heartbit_ir::program::{Join, LayerDescriptor};
use heartbit_tests::ladder;
use heartbit_tests::problem::{Problem, problems};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// All groups of layers that can run in bands, with every height.
fn all_bands(network: &Network) -> Vec<Bands> {
    let plan = plan(network).expect("a plan");
    let n = plan.layers.len();
    let groups = (0..n).flat_map(|first| (first..n).map(move |last| (first, last)));
    let heights = |(first, last): (usize, usize)| {
        (1..plan.layers[last].shape[0]).map(move |height| Bands { first, last, height })
    };
    let can_run = |bands: &Bands| Sequence::in_bands(network, &plan, *bands).is_some();
    groups.flat_map(heights).filter(can_run).collect()
}

fn target(shape: (usize, usize, usize)) -> Target {
    let (rows, cols, lanes) = shape;
    ladder::target(heartbit_ir::program::ArrayShape { rows, cols, lanes }, 1, true)
}

fn shapes() -> impl Strategy<Value = (usize, usize, usize)> {
    (1..=9usize, 1..=12usize, 4..=80usize)
}

/// What a word of the stream memory holds: a layer of the plan, a row of its stream, a column tile
/// and a pair of columns.
type Word = (usize, usize, usize, usize);

/// Runs through a program's reads and writes of the stream memory.
struct Streams<'a> {
    network: &'a Network,
    compiled: &'a Compiled,
    memory: BTreeMap<usize, Word>,
}

impl Streams<'_> {
    fn check(&mut self) {
        for (index, d) in self.compiled.program.layers.iter().enumerate() {
            for ct in 0..usize::from(d.col_tiles) {
                for y in 0..usize::from(d.out_height) {
                    self.read(index, d, ct, y);
                    self.write(index, d, ct, y);
                }
            }
        }
    }

    /// The rows of the shortcut's windows are those that the operation has, in its order.
    fn read(&self, index: usize, d: &LayerDescriptor, ct: usize, y: usize) {
        let cols = self.compiled.program.array.cols;
        if d.shortcut.join == Join::None || ct * cols >= usize::from(d.shortcut_channels) {
            return;
        }
        let program_layer = self.compiled.sequence.layers[index];
        let layer = &self.compiled.plan.layers[program_layer.layer];
        let from = layer.shortcut.expect("the plan has it").from;
        let window = if d.shortcut.join == Join::Add { 1 } else { usize::from(d.shortcut.window) };
        let positions = |y: usize, padding: usize, height: usize| {
            let at = move |i: usize| (d.shortcut.stride() * y + i).checked_sub(padding);
            (0..window).filter_map(at).filter(|at| *at < height).collect::<Vec<_>>()
        };
        let map_padding = usize::from(d.shortcut.padding);
        let padding = if d.shortcut.inner { 0 } else { map_padding };
        let extreme = d.shortcut.join == Join::Extreme;
        let seen = if extreme { usize::from(d.in_height) } else { usize::MAX };
        let held: Vec<Option<&Word>> = positions(y, padding, seen)
            .into_iter()
            .map(|row| {
                let plane = ct * usize::from(d.stream_in_plane);
                let row = row * usize::from(d.stream_in_row);
                self.memory.get(&(usize::from(d.stream_in_base) + plane + row))
            })
            .collect();
        let height = self.compiled.plan.layers[from].shape[0];
        let rows = positions(program_layer.rows.first + y, map_padding, height);
        let expected: Vec<Word> = rows.into_iter().map(|row| (from, row, ct, 0)).collect();
        assert_eq!(held, expected.iter().map(Some).collect::<Vec<_>>(), "layer {index}, row {y}");
    }

    fn write(&mut self, index: usize, d: &LayerDescriptor, ct: usize, y: usize) {
        if !d.flags.write_stream {
            return;
        }
        let program_layer = self.compiled.sequence.layers[index];
        for pair in 0..usize::from(d.out_width).div_ceil(2) {
            let plane = ct * usize::from(d.stream_out_plane);
            let row = y * usize::from(d.stream_out_row);
            let address = usize::from(d.stream_out_base) + plane + row + pair;
            assert!(address < self.compiled.program.depths.stream, "layer {index}");
            let word = (program_layer.layer, program_layer.rows.first + y, ct, pair);
            self.memory.insert(address, word);
        }
    }

    /// Image rows and parameters of the stem, beside those of the program without bands.
    fn check_stem(&self, whole: &Compiled) {
        let OpKind::Conv { stride, .. } = self.network.ops[1].kind else { panic!("the stem") };
        let whole_stem = &whole.program.layers[0];
        let stem_layers = self.compiled.sequence.of_layer(0);
        let last = *stem_layers.last().expect("a stem");
        for (index, d) in self.compiled.program.layers.iter().enumerate() {
            assert_eq!(d.flags.keep_image, index < last, "layer {index}");
        }
        for &index in stem_layers {
            let (d, rows) =
                (&self.compiled.program.layers[index], self.compiled.sequence.layers[index].rows);
            let first = rows.first * stride;
            let tiles = usize::from(self.compiled.program.header.image_tiles);
            let place = [d.in_base, d.in_y_words, d.in_xt_words].map(usize::from);
            assert_eq!(place, [first, first / 3 * tiles, first % 3]);
            assert_eq!(d.in_height, whole_stem.in_height);
            for y in 0..rows.len() {
                for x in 0..usize::from(d.out_width) {
                    let seen = parameters(self.compiled, d, y, x);
                    assert_eq!(seen, parameters(whole, whole_stem, rows.first + y, x));
                }
            }
        }
    }
}

/// The parameters of a pixel in all columns and column tiles.
fn parameters(
    compiled: &Compiled,
    d: &LayerDescriptor,
    y: usize,
    x: usize,
) -> Vec<heartbit_ir::program::Parameter> {
    let class = d.borders.class(y, x, d.out_height.into(), d.out_width.into());
    let words = (0..usize::from(d.col_tiles))
        .map(|ct| usize::from(d.param_base) + ct * d.borders.classes() + class);
    let columns = &compiled.program.parameters;
    words.flat_map(|word| columns.iter().map(move |column| column[word])).collect()
}

/// The fewest cycles in bands on a target, by trying all.
fn least_cycles(network: &Network, target: &Target) -> Option<u64> {
    let cycles = |bands| {
        let compiled = compile_in_bands(network, target, bands).ok()?;
        Some(predict(&compiled.program).total().0)
    };
    all_bands(network).into_iter().filter_map(cycles).min()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        max_global_rejects: 8_192,
        ..ProptestConfig::default()
    })]

    #[test]
    fn bands_see_the_rows_image_and_parameters_that_whole_layers_see(
        problem in problems(20, true), shape in shapes(), choice in any::<prop::sample::Index>(),
    ) {
        let network = problem.network();
        let all = all_bands(&network);
        prop_assume!(!all.is_empty());
        let bands = all[choice.index(all.len())];
        let whole = compile(&network, &target(shape)).expect("fits");
        let compiled = compile_in_bands(&network, &target(shape), bands).expect("fits");
        let memory = BTreeMap::new();
        let mut streams = Streams { network: &network, compiled: &compiled, memory };
        streams.check();
        streams.check_stem(&whole);
        prop_assert_eq!(&compiled.program.weights, &whole.program.weights);
    }

    #[test]
    fn fewest_cycles_that_fit_are_chosen(
        problem in problems(8, true), shape in shapes(), percent in 30..100usize, of_streams: bool,
    ) {
        let problem = Problem { blocks: problem.blocks[..problem.blocks.len().min(3)].into(), ..problem };
        let network = problem.network();
        let needed = compile(&network, &target(shape)).expect("fits").program.depths;
        let some = |words: usize| Some(words * percent / 100).filter(|&less| less < words);
        let words = MemoryWords {
            stream: some(needed.stream).filter(|_| of_streams),
            activation: some(needed.activation).filter(|_| !of_streams),
            weight: None,
        };
        prop_assume!(words != MemoryWords::default());
        let target = Target { words, ..target(shape) };
        let least = least_cycles(&network, &target);
        let chosen = compile(&network, &target).ok();
        prop_assert_eq!(chosen.map(|c| predict(&c.program).total().0), least);
    }
}
