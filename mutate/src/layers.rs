//! A layer as no network has it: the one that reads the image, with random parameters, border
//! classes and limits.
//!
//! Images of a network leave the ends of its thresholds, clamps and border classes alone. Here the
//! first layer is the only one of a program, so that all it reads is the image, and everything that
//! it shows is compared with the simulator, cycles included.
//!
//! Not here: layers that read maps or streams, and those that must not begin (`trials`).

use heartbit_cosim::{Accelerator, Error, LoadTarget, LoadWord};
use heartbit_ir::program::{Borders, Execution, HEADER_WORDS, LayerDescriptor, Parameter, Program};
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

/// A program of one layer, the words that differ from those that are loaded, and what the simulator makes of
/// an image.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    program: Program,
    words: Vec<LoadWord>,
    expected: Execution,
}

/// Layers for the hardware of a program, with its weights; none if its first layer streams them.
pub(crate) fn layers(program: &Program, image: &[u8]) -> Vec<Layer> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let drawn = (0..DRAWN).filter_map(|_| random(program, &mut rng));
    let of = |program: Program| {
        let expected = Simulator::new(&program).ok()?.run(image).ok()?;
        Some(Layer { words: words(&program), program, expected })
    };
    drawn.filter_map(of).take(LAYERS).collect()
}

/// The first layer alone; `None` if it is not one, or if its parameters have no place.
fn random(program: &Program, rng: &mut ChaCha8Rng) -> Option<Program> {
    let first = program.layers.first().filter(|layer| layer.flags.source_image)?;
    if first.flags.stream_weights {
        return None;
    }
    let mut flags = first.flags;
    (flags.last_layer, flags.logits, flags.keep_image) = (true, true, false);
    let mut border = || rng.random_range(0..=BORDER);
    let borders = Borders { top: border(), bottom: border(), left: border(), right: border() };
    let layer = LayerDescriptor {
        flags,
        borders,
        param_base: 0,
        out_height: first.out_height.min(LINES),
        layer_gap: first.drain_wait,
        clip: rng.random_range(1..=32_767),
        shift: 4 * rng.random_range(0..=MOST_SHIFT / 4),
        ..*first
    };
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
    let columns = usize::from(layer.col_tiles) * program.array.cols;
    let classes = usize::from(program.header.classes).min(columns);
    let mut header = program.header;
    header.classes = u16::try_from(classes).expect("bug: not more than there were");
    Some(Program { header, layers: vec![layer], parameters, ..program.clone() })
}

/// Header, descriptor and parameters.
fn words(program: &Program) -> Vec<LoadWord> {
    let bits = program.array.parameter_bits();
    let encoded = program.encode().into_iter().enumerate();
    let of_program = encoded.map(|(address, word)| LoadWord {
        target: LoadTarget::Program,
        index: 0,
        address,
        limbs: vec![word.into()],
    });
    let columns = program.parameters.iter().enumerate();
    let of_columns = columns.flat_map(|(index, column)| {
        column.iter().enumerate().map(move |(address, parameter)| LoadWord {
            target: LoadTarget::Parameters,
            index,
            address,
            limbs: parameter.encode_bits(bits).to_vec(),
        })
    });
    debug_assert!(program.encode().len() > HEADER_WORDS, "bug: a layer");
    of_program.chain(of_columns).collect()
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
            Err(
                error @ (Error::Hang { .. }
                | Error::Halted { .. }
                | Error::PixelCycle { .. }
                | Error::PoolCycle { .. }),
            ) => Some(error.to_string()),
            Err(error) => return Err(error),
        };
        if let Some(wrong) = wrong {
            return Ok(Some(format!("random layer {number}: {wrong}")));
        }
    }
    Ok(None)
}

/// What differs first.
fn difference(expected: &Execution, seen: &Execution) -> Option<&'static str> {
    let (Some(a), Some(b)) = (expected.layers.first(), seen.layers.first()) else {
        return Some("no layer");
    };
    let pairs = [
        ("sums", a.sums == b.sums),
        ("stream", a.stream == b.stream),
        ("value", a.value == b.value),
        ("bits", a.bits == b.bits),
        ("y", a.logits == b.logits),
        ("logits", expected.logits == seen.logits),
        ("class", expected.class == seen.class),
        ("cycles", expected.layer_cycles == seen.layer_cycles),
        ("cycles of the logits", expected.send_cycles == seen.send_cycles),
    ];
    pairs.into_iter().find(|(_, same)| !same).map(|(name, _)| name)
}
