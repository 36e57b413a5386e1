//! A layer as no network has it: the one that reads the image, with random parameters, border
//! classes, limits, image rows and pools.
//!
//! Images of a network leave the ends of its thresholds, clamps and border classes alone. Here the
//! first layer is the only one of a program, so that all it reads is the image, and everything that
//! it shows is compared with the simulator, cycles included.
//!
//! One program has three such layers, for what a layer leaves in the streams, and one has other
//! weights, for the ways by which words come to their columns.
//!
//! Not here: layers that read maps, and those that must not begin (`trials`).

use crate::memory::step_range;
use heartbit_cosim::{Accelerator, Error, LoadTarget, LoadWord};
use heartbit_ir::program::{
    Borders, Execution, Header, ImageStep, Join, LayerDescriptor, LayerOutput, Parameter, Program,
};
use heartbit_sim::Simulator;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Layers that are run.
const LAYERS: usize = 12;
/// Layers that are drawn for them; some do not fit the parameter memory.
const DRAWN: usize = 200;
/// Lines of the result.
const LINES: u16 = 8;
/// Most positions of a border with a class of their own.
const BORDER: u8 = 3;
/// Most bits of the shift, a multiple of four.
const MOST_SHIFT: u32 = 12;
/// Most shifts of a pooled sum, and most planes of its level.
const MOST_LEVEL_SHIFT: u32 = 16;
const MOST_LEVEL_BITS: u32 = 8;
/// Lines of the image by which a step is away from the pixel's, at most.
const STEP_LINES: i8 = 4;
/// Cycles from the sums of a tile to its last write, beside those of rows, columns and stages.
const WRITE_TAIL: usize = 12;
/// The least `drain_wait`, and the least `layer_gap` after other layers than the last one.
const LEAST_WAIT: usize = 12;
const LEAST_GAP: u16 = 15;

/// A program of one layer, the words that differ from those that are loaded, and what the simulator makes of
/// an image.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    program: Program,
    words: Vec<LoadWord>,
    expected: Execution,
}

impl Layer {
    /// `None` if the simulator refuses the program.
    fn new(
        program: Program,
        words: impl Fn(&Program) -> Vec<LoadWord>,
        image: &[u8],
    ) -> Option<Self> {
        let expected = Simulator::new(&program).ok()?.run(image).ok()?;
        Some(Self { words: words(&program), program, expected })
    }
}

/// Layers for the hardware of a program, with its weights; none if its first layer streams them.
pub(crate) fn layers(program: &Program, image: &[u8]) -> Vec<Layer> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let drawn = (0..DRAWN).filter_map(|number| random(program, number, &mut rng));
    let of = |program| Layer::new(program, words, image);
    let mut layers: Vec<_> = drawn.filter_map(of).take(LAYERS).collect();
    layers.extend(streams(program).and_then(of));
    // The last one, as the weights of the others are gone then.
    let with_weights =
        |program: &Program| [words_of_program, words_of_weights].map(|of| of(program)).concat();
    layers.extend(exchanged(program).and_then(|program| Layer::new(program, with_weights, image)));
    layers
}

/// The first layer with the weights of other columns, and with as many products as the
/// accumulators can count.
fn exchanged(program: &Program) -> Option<Program> {
    let mut alone = alone(program)?;
    let layer = &mut alone.layers[0];
    let taps = alone.steps[0][step_range(layer)].iter().fold(0_u64, |taps, word| {
        let step = ImageStep::decode(*word);
        (taps << u32::from(step.double)) + u64::from(step.tap_first)
    });
    let most = (1_u64 << alone.array.acc_bits) - 1;
    layer.fan_in = u16::try_from(most.checked_div(taps)?).unwrap_or(u16::MAX);
    alone.header = header(program, layer);
    alone.weights.rotate_right(1);
    Some(alone)
}

/// A layer that leaves the streams alone, between one that writes them and one that reads them: all
/// of them the first one, and the second with a limit of its own, so that it would write something
/// else. `None` if the first layer writes no stream.
fn streams(program: &Program) -> Option<Program> {
    let mut alone = alone(program)?;
    let mut writes = alone.layers[0];
    (writes.flags.last_layer, writes.flags.logits, writes.flags.keep_image) = (false, false, true);
    writes.layer_gap = writes.layer_gap.max(LEAST_GAP);
    let mut leaves = writes;
    (leaves.flags.write_stream, leaves.clip) = (false, 1);
    let mut reads = alone.layers[0];
    reads.flags.write_stream = false;
    reads.shortcut.join = Join::Add;
    reads.stream_in_base = writes.stream_out_base;
    (reads.stream_in_row, reads.stream_in_plane) = (writes.stream_out_row, writes.stream_out_plane);
    reads.shortcut_channels = reads.col_tiles * u16::try_from(program.array.cols).ok()?;
    alone.layers = vec![writes, leaves, reads];
    alone.header = header(program, &reads);
    writes.flags.write_stream.then_some(alone)
}

/// Layers that show what the parameters of an address are: `mul·z + bias` without a shift, and its upper bits.
/// The words that differ from those that are loaded are none of these.
pub(crate) fn with_parameters(program: &Program, address: usize, image: &[u8]) -> Vec<Layer> {
    let of = |shift: u32| {
        let mut alone = alone(program)?;
        let layer = &mut alone.layers[0];
        (layer.shift, layer.col_tiles, layer.borders) = (shift, 1, Borders::default());
        layer.param_base = u16::try_from(address).ok()?;
        alone.header = header(program, layer);
        Layer::new(alone, words_of_program, image)
    };
    [0, 8].into_iter().filter_map(of).collect()
}

/// The first layer as the only one of its program, with logits; `None` if it does not read the image, or
/// streams its weights.
fn alone(program: &Program) -> Option<Program> {
    let first = program.layers.first().filter(|layer| layer.flags.source_image)?;
    if first.flags.stream_weights {
        return None;
    }
    let mut layer = *first;
    (layer.flags.last_layer, layer.flags.logits, layer.flags.keep_image) = (true, true, false);
    layer.out_height = layer.out_height.min(LINES);
    // There may be fewer words of logits than column tiles.
    layer.col_tiles = layer.col_tiles.min(u16::try_from(program.depths.logit).unwrap_or(u16::MAX));
    gaps(program, &mut layer);
    Some(Program { layers: vec![layer], ..program.clone() })
}

/// The header with as many logits as a layer has, if there were more.
fn header(program: &Program, layer: &LayerDescriptor) -> Header {
    let columns = usize::from(layer.col_tiles) * program.array.cols;
    let classes = usize::from(program.header.classes).min(columns);
    let classes = u16::try_from(classes).expect("bug: not more than there were");
    Header { classes, ..program.header }
}

/// That layer with random fields; `None` also if its parameters have no place.
fn random(program: &Program, number: usize, rng: &mut ChaCha8Rng) -> Option<Program> {
    let mut first = alone(program)?.layers[0];
    let mut flags = first.flags;
    let mut border = || rng.random_range(0..=BORDER);
    let mut borders = Borders { top: border(), bottom: border(), left: border(), right: border() };
    // The first ones have all classes that there are, along one side each; the last two of them no
    // other positions there, so that the first position of the one border follows on the other.
    let lines = Borders { top: BORDER, bottom: BORDER, left: 0, right: 0 };
    let columns = Borders { top: 0, bottom: 0, left: BORDER, right: BORDER };
    let only_borders = u16::from(2 * BORDER);
    match number {
        0 => borders = lines,
        1 => borders = columns,
        2 => (borders, first.out_height) = (lines, only_borders),
        3 => {
            (borders, first.out_width) = (columns, only_borders);
            first.row_tiles = only_borders.div_ceil(u16::try_from(program.array.rows).ok()?);
        }
        _ => {}
    }
    // As many logits as columns end with a word of them.
    if number % 2 == 1 {
        first.col_tiles = 1;
    }
    // Every other one is pooled.
    flags.pool = rng.random();
    if flags.pool {
        (flags.write_bits, flags.write_levels) = (false, false);
    }
    let mut layer = LayerDescriptor {
        flags,
        borders,
        param_base: 0,
        level_shift: rng.random_range(0..=MOST_LEVEL_SHIFT),
        level_bits: rng.random_range(1..=MOST_LEVEL_BITS),
        clip: rng.random_range(1..=32_767),
        shift: 4 * rng.random_range(0..=MOST_SHIFT / 4),
        ..first
    };
    gaps(program, &mut layer);
    let words = borders.classes() * usize::from(layer.col_tiles);
    if words > program.depths.parameter {
        return None;
    }
    // About as often within the limits as beyond them.
    let most = 60_000 << layer.shift;
    let mut parameter = || Parameter {
        mul: rng.random(),
        bias: rng.random_range(-most..=most),
        ..Parameter::default()
    };
    let columns = (0..program.array.cols).map(|_| (0..words).map(|_| parameter()).collect());
    let parameters = columns.collect();
    let mut steps = program.steps.clone();
    // Of the image the words of group 0 count.
    for word in &mut steps[0][step_range(&layer)] {
        let step = ImageStep::decode(*word);
        *word = ImageStep { dy: rng.random_range(-STEP_LINES..=STEP_LINES), ..step }.encode();
    }
    let header = header(program, &layer);
    Some(Program { header, layers: vec![layer], parameters, steps, ..program.clone() })
}

/// The cycles after column tiles and after the layer, which are longer with a pool (sections 5.2 to
/// 5.4).
fn gaps(program: &Program, layer: &mut LayerDescriptor) {
    let array = &program.array;
    let beats = array.write_beats();
    let drain = array.rows * beats;
    let pooled = layer.level_shift as usize + 1 + layer.level_bits as usize * beats;
    let pooled = if layer.flags.pool { pooled } else { 0 };
    let steps = usize::from(layer.steps) + usize::from(layer.tile_gap);
    let gap = if layer.flags.pool { (pooled + drain).saturating_sub(steps) } else { 0 };
    let pipeline = array.popcount_latency() + array.nonlinear_stages() + WRITE_TAIL;
    let written = drain + array.rows + array.cols + pipeline + pooled;
    let wait = written.saturating_sub(usize::from(layer.tile_gap) + gap).max(LEAST_WAIT);
    let half = |cycles: usize| u16::try_from(cycles).expect("bug: few cycles");
    (layer.col_gap, layer.drain_wait, layer.layer_gap) = (half(gap), half(wait), half(wait));
}

/// Header and descriptor.
fn words_of_program(program: &Program) -> Vec<LoadWord> {
    let encoded = program.encode().into_iter().enumerate();
    let load = |(address, word): (usize, u32)| LoadWord {
        target: LoadTarget::Program,
        index: 0,
        address,
        limbs: vec![word.into()],
    };
    encoded.map(load).collect()
}

/// The weights of the layer, address by address: no column gets two words in a row, where there is
/// more than one.
fn words_of_weights(program: &Program) -> Vec<LoadWord> {
    let layer = &program.layers[0];
    let first = usize::from(layer.weight_base);
    let addresses = first..first + usize::from(layer.steps) * usize::from(layer.col_tiles);
    let of_address = |address: usize| {
        program.weights.iter().enumerate().map(move |(index, column)| LoadWord {
            target: LoadTarget::Weights,
            index,
            address,
            limbs: column.word(address - program.depths.ring_words()).to_vec(),
        })
    };
    addresses.flat_map(of_address).collect()
}

/// Header, descriptor, parameters and steps.
fn words(program: &Program) -> Vec<LoadWord> {
    let bits = program.array.parameter_bits();
    let columns = program.parameters.iter().enumerate();
    let of_columns = columns.flat_map(|(index, column)| {
        column.iter().enumerate().map(move |(address, parameter)| LoadWord {
            target: LoadTarget::Parameters,
            index,
            address,
            limbs: parameter.encode_bits(bits).to_vec(),
        })
    });
    let groups = program.steps.iter().enumerate();
    let of_steps = groups.flat_map(|(index, words)| {
        step_range(&program.layers[0]).map(move |address| LoadWord {
            target: LoadTarget::Steps,
            index,
            address,
            limbs: vec![words[address].into()],
        })
    });
    words_of_program(program).into_iter().chain(of_columns).chain(of_steps).collect()
}

/// Runs all layers; what is shown wrongly first, in words. The accelerator is then of no use until a
/// program is loaded.
pub(crate) fn run(
    accelerator: &mut Accelerator,
    layers: &[Layer],
    image: &[u8],
) -> Result<Option<String>, Error> {
    for (number, layer) in layers.iter().enumerate() {
        let wrong = match accelerator.run_alone(&layer.program, &layer.words, image) {
            Ok(seen) => difference(&layer.expected, &seen).map(str::to_owned),
            Err(error) if error.is_of_the_design() => Some(error.to_string()),
            Err(error) => return Err(error),
        };
        if let Some(wrong) = wrong {
            return Ok(Some(format!("layer {number} of those that no network has: {wrong}")));
        }
    }
    Ok(None)
}

/// What differs first.
fn difference(expected: &Execution, seen: &Execution) -> Option<&'static str> {
    let each = || expected.layers.iter().zip(&seen.layers);
    let same = |part: fn(&LayerOutput) -> &[i32]| each().all(|(a, b)| part(a) == part(b));
    let pairs = [
        ("number of layers", expected.layers.len() == seen.layers.len()),
        ("sums", same(|layer| &layer.sums)),
        ("shortcut", same(|layer| &layer.shortcut)),
        ("stream", same(|layer| &layer.stream)),
        ("value", same(|layer| &layer.value)),
        ("bits", each().all(|(a, b)| a.bits == b.bits)),
        ("y", same(|layer| &layer.logits)),
        ("pooled levels", each().all(|(a, b)| a.pooled == b.pooled)),
        ("logits", expected.logits == seen.logits),
        ("class", expected.class == seen.class),
        ("cycles", expected.layer_cycles == seen.layer_cycles),
        ("cycles of the logits", expected.send_cycles == seen.send_cycles),
    ];
    pairs.into_iter().find(|(_, same)| !same).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::{exchanged, random, streams};
    use heartbit_compiler::schedule::{Target, compile};
    use heartbit_ir::network::Network;
    use heartbit_sim::Simulator;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use std::path::Path;

    /// One that the simulator refuses would be left out, and nobody would know.
    #[test]
    fn layers_that_are_not_drawn_are_legal() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/resnet20-cifar10.hbn");
        let network = Network::read(&path).expect("readable");
        for array in ["8x8x16", "2x2x32"] {
            let target = Target::sized_for_network(array.parse().expect("an array"));
            let program = compile(&network, &target).expect("fits").program;
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let chosen = (0..4).map(|number| random(&program, number, &mut rng));
            for (number, chosen) in
                chosen.chain([streams(&program), exchanged(&program)]).enumerate()
            {
                let chosen = chosen.expect("its parameters have a place");
                let legal = Simulator::new(&chosen);
                assert!(legal.is_ok(), "{array}, layer {number}: {:?}", legal.err());
            }
        }
    }
}
