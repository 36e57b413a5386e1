//! Fields of steps, header and descriptors: who uses them, and which of their bits count.

use super::data::{gives_only_logits, inside, reaches_the_map};
use super::sums;
use crate::fate::Proof;
use crate::fields::{HEADER, IMAGE_STEP, Memory, STEP};
use crate::memory::{MemoryMutant, step_range};
use heartbit_compiler::predict::predict;
use heartbit_compiler::schedule::Compiled;
use heartbit_hdl::mutate::{Kind, Mutation};
use heartbit_ir::program::{
    DESCRIPTOR_WORDS, HEADER_WORDS, ImageStep, Join, LayerDescriptor, MemoryDepths, Program, Step,
};
use heartbit_sim::Simulator;
use heartbit_sim::fast::Engine;

/// Lanes from which on two planes are read at a time (section 1).
const TWO_PLANES: usize = 54;

/// A field of a step makes no difference to any of the layers that have the step.
pub(super) fn step(compiled: &Compiled, mutant: &MemoryMutant) -> Option<Proof> {
    let program = &compiled.program;
    let mut proof = Proof::UnreadWord;
    for layer in program.layers.iter().filter(|layer| step_range(layer).contains(&mutant.address)) {
        proof = if layer.flags.source_image {
            image_step(program, layer, mutant)?
        } else {
            map_step(program, layer, mutant)?
        };
    }
    Some(proof)
}

/// A bit of what is loaded is stuck where it is read: in each word that has another bit there the
/// change makes no difference.
pub(super) fn stuck(compiled: &Compiled, mutation: &Mutation) -> Option<Proof> {
    let value = match mutation.kind {
        Kind::StuckAt0 => 0,
        Kind::StuckAt1 => 1,
        _ => return None,
    };
    let place = mutation.what.strip_prefix("net ")?;
    let (net, bit) = place.strip_suffix(']')?.split_once('[')?;
    let bit = bit.parse().ok()?;
    match mutation.module.as_str() {
        "header" => {
            let field = HEADER.iter().find(|field| net.strip_suffix("_q") == Some(field.0))?;
            let word = compiled.program.encode()[field.1];
            (word >> (field.2 + bit) & 1 == value).then_some(Proof::EveryWord)
        }
        "steps" => {
            let group = net.strip_prefix("group_")?.parse().ok()?;
            stuck_step(compiled, group, bit, value).then_some(Proof::EveryWord)
        }
        _ => None,
    }
}

/// Whether a bit of the steps of a lane group may have one value in all words.
fn stuck_step(compiled: &Compiled, index: usize, bit: usize, value: u32) -> bool {
    let program = &compiled.program;
    let makes_none = |layer: &LayerDescriptor| {
        let fields = if layer.flags.source_image { &IMAGE_STEP } else { &STEP };
        // Bits between the fields are not used.
        let Some((field, ..)) =
            fields.iter().find(|(_, _, low, bits)| (*low..low + bits).contains(&bit))
        else {
            return true;
        };
        step_range(layer).all(|address| {
            let (memory, layer) = (Memory::Steps, None);
            let mutant = MemoryMutant { memory, field, index, address, bit, layer };
            program.steps[index][address] >> bit & 1 == value || step(compiled, &mutant).is_some()
        })
    };
    program.layers.iter().all(makes_none)
}

/// Section 3.2: words of other groups than 0 do not count, nor does plane 1 where one is read, and a
/// part beyond the last one is the last one.
fn image_step(program: &Program, layer: &LayerDescriptor, mutant: &MemoryMutant) -> Option<Proof> {
    let one_plane = program.array.lanes < TWO_PLANES;
    if mutant.index > 0 {
        return Some(Proof::UnreadWord);
    }
    if mutant.field == "image.n_rows" && !reaches_other_rows(program, mutant) {
        return Some(Proof::SkippedLane);
    }
    if mutant.field == "image.double" && mutant.address == usize::from(layer.step_base) {
        return Some(Proof::UnusedField);
    }
    let word = program.steps[0][mutant.address];
    let (planes, elements) = stem_vector(program);
    let words = (planes * elements).div_ceil(program.array.lanes);
    let part = |word| usize::from(ImageStep::decode(word).part).min(words - 1);
    if mutant.field == "image.part" && part(word) == part(word ^ 1 << mutant.bit) {
        return Some(Proof::SameCode);
    }
    let of_plane_1 = matches!(mutant.field, "image.plane_1" | "image.use_1");
    (of_plane_1 && one_plane).then_some(Proof::UnusedField)
}

/// The vector of the image (section 4.2): planes that it has, and elements of each.
fn stem_vector(program: &Program) -> (usize, usize) {
    let lanes = program.array.lanes;
    let planes = if lanes < TWO_PLANES { 1 } else { 2 };
    let of_plane = 9 * usize::from(program.header.stem_kernel);
    let fits = planes * of_plane <= lanes;
    (planes, if fits { of_plane } else { lanes * of_plane.div_ceil(lanes) })
}

/// Whether the lanes of a step are of image rows that it reads only with one of two numbers of rows
/// (section 4.2).
fn reaches_other_rows(program: &Program, mutant: &MemoryMutant) -> bool {
    let word = program.steps[0][mutant.address];
    let rows = |word: u32| usize::try_from(word >> 8 & 3).expect("bug: two bits");
    let (old, new) = (rows(word), rows(word ^ 1 << mutant.bit));
    let lanes = program.array.lanes;
    let of_row = 3 * usize::from(program.header.stem_kernel);
    let (planes, of_plane) = stem_vector(program);
    let first = usize::from(ImageStep::decode(word).part) * lanes;
    let others = old.min(new).min(3)..old.max(new).min(3);
    (first..first + lanes).any(|element| {
        others.contains(&(element % of_plane / of_row)) && element / of_plane < planes
    })
}

fn map_step(program: &Program, layer: &LayerDescriptor, mutant: &MemoryMutant) -> Option<Proof> {
    let word = program.steps[mutant.index][mutant.address];
    let step = Step::decode(word);
    let lanes = usize::from(layer.last_lanes);
    let copies = usize::from(layer.in_copies.max(1));
    let unused = match mutant.field {
        // Only group 0's doubling counts, and the first step begins from 0.
        "double" => mutant.index > 0 || mutant.address == usize::from(layer.step_base),
        "line_shift" => program.array.lines == 1,
        // Without a lane beyond the last channel nothing is masked.
        "last_word" => lanes >= program.array.lanes / copies,
        _ => false,
    };
    if unused {
        return Some(Proof::UnusedField);
    }
    if mutant.field == "offset" && wraps(mutant, program.depths.activation) {
        return Some(Proof::AddressWraps);
    }
    // The code between 1 and -1 shifts by nothing.
    let moves = |shift: i8| if shift == -2 { 0 } else { shift };
    let new = Step::decode(word ^ 1 << mutant.bit);
    if mutant.field == "shift" && moves(step.shift) == moves(new.shift) {
        return Some(Proof::SameCode);
    }
    // Where the map is read follows from other fields.
    let of_tap = matches!(mutant.field, "dy" | "dx");
    if of_tap && !step.off && inside(layer, &new) == inside(layer, &step) {
        return Some(Proof::SameTaps);
    }
    // What a tap reads that is never valid does not count; with `off` the rest does not matter.
    let is_position = matches!(mutant.field, "offset" | "shift" | "line_shift" | "last_word");
    let never = step.off || !reaches_the_map(layer, &step);
    let off_anyway = step.off && !matches!(mutant.field, "off" | "double");
    (off_anyway || (is_position && never)).then_some(Proof::SkippedLane)
}

/// Whether a bit lies above those that address a memory of so many words, whose addresses wrap
/// around at the next power of two.
fn wraps(mutant: &MemoryMutant, words: usize) -> bool {
    let address_bits = words.next_power_of_two().max(2).trailing_zeros() as usize;
    mutant.bit_of_field() >= address_bits
}

/// A field of header or descriptor.
pub(super) fn program(compiled: &Compiled, mutant: &MemoryMutant) -> Option<Proof> {
    let program = &compiled.program;
    let Some(index) = mutant.layer else {
        let of_stem = matches!(mutant.field, "stem_kernel" | "stem_stride");
        return (of_stem && !program.array.extended).then_some(Proof::UnusedField);
    };
    let old = &program.layers[index];
    let words = mutant.program_words(program);
    let new = decode(&words, index);
    // The image is free after the first layer that does not keep it.
    let is_free = program.layers[..index].iter().any(|layer| !layer.flags.keep_image);
    if is_unused_field(program, old, mutant.field) || (mutant.field == "keep_image" && is_free) {
        return Some(Proof::UnusedField);
    }
    if addressed(&program.depths, old, mutant.field).is_some_and(|words| wraps(mutant, words)) {
        return Some(Proof::AddressWraps);
    }
    if matches!(mutant.field, "stride_2" | "front.in_height" | "front.in_width")
        && same_taps(program, old, &new)
    {
        return Some(Proof::SameTaps);
    }
    if is_overwritten(program, index, mutant.field) {
        return Some(Proof::Overwritten);
    }
    let of_shortcut = mutant.field == "shortcut" || mutant.field.starts_with("window");
    if of_shortcut && gives_only_logits(old) {
        // Logits are there before the shortcut is. What else takes one read takes the same cycles.
        let reads_once = |d: &LayerDescriptor| matches!(d.shortcut.join, Join::None | Join::Add);
        if (reads_once(old) && reads_once(&new)) || keeps_rules(program, index, new) {
            return Some(Proof::UnusedField);
        }
    }
    let never_reached = match mutant.field {
        "last_lanes" => {
            let lanes = program.array.lanes / usize::from(old.in_copies.max(1));
            usize::from(old.last_lanes.min(new.last_lanes)) >= lanes
        }
        "clip" => i64::from(old.clip.min(new.clip)) >= sums::largest_before_clamp(compiled, index),
        // Pixels that the tiles have beyond the result are then none.
        "out_width" => {
            let lines = usize::from(old.lines.max(1));
            let pixels = usize::from(old.row_tiles) * (program.array.rows / lines);
            old.borders.right == 0 && usize::from(old.out_width.min(new.out_width)) >= pixels
        }
        "shortcut_channels" => {
            let columns = usize::from(old.col_tiles) * program.array.cols;
            usize::from(old.shortcut_channels.min(new.shortcut_channels)) >= columns
        }
        _ => false,
    };
    if never_reached {
        return Some(Proof::NeverReached);
    }
    (mutant.field == "drain_wait" && is_legal(program, index, new)).then_some(Proof::OtherLegalWait)
}

fn decode(words: &[u32], index: usize) -> LayerDescriptor {
    let first = HEADER_WORDS + DESCRIPTOR_WORDS * index;
    let words = &words[first..first + DESCRIPTOR_WORDS];
    LayerDescriptor::decode(words.try_into().expect("bug: the words of a descriptor"))
}

/// Whether every tap of a layer that reads a map is inside it for the same pixels; the addresses do
/// not depend on the map's size, nor on the stride.
fn same_taps(program: &Program, old: &LayerDescriptor, new: &LayerDescriptor) -> bool {
    let same = |step: Step| step.off || inside(old, &step) == inside(new, &step);
    !old.flags.source_image
        && step_range(old).all(|at| program.steps.iter().all(|words| same(Step::decode(words[at]))))
}

/// Whether a layer with one more result writes only what is written again before it is read: logits
/// of a layer before the last one, whose own come later; or a pooled map of the last one, after
/// which the next image writes every map that it reads, which the fast engine asks of a program.
fn is_overwritten(program: &Program, index: usize, field: &str) -> bool {
    let (layer, last) = (&program.layers[index], program.layers.len() - 1);
    match field {
        // Only the words that the last layer writes are sent.
        "logits" => !layer.flags.logits && index < last && program.layers[last].flags.logits,
        "pool" => !layer.flags.pool && index == last && Engine::new(program).is_ok(),
        _ => false,
    }
}

/// Whether a program with this descriptor keeps all rules of a program and takes the same cycles.
fn keeps_rules(program: &Program, index: usize, new: LayerDescriptor) -> bool {
    let mut other = program.clone();
    other.layers[index] = new;
    Simulator::new(&other).is_ok() && predict(&other) == predict(program)
}

/// Whether a program with this descriptor keeps the rules of section 5.4 and takes the same cycles:
/// the results half of the next descriptor is then fetched when nothing needs the one before any
/// more, and before anything needs it.
fn is_legal(program: &Program, index: usize, new: LayerDescriptor) -> bool {
    let only = LayerDescriptor { drain_wait: program.layers[index].drain_wait, ..new };
    only == program.layers[index] && !new.flags.last_layer && keeps_rules(program, index, new)
}

/// The memory that a field is an address of, or is added to an address of.
fn addressed(depths: &MemoryDepths, layer: &LayerDescriptor, field: &str) -> Option<usize> {
    Some(match field {
        "step_base" => depths.step,
        "weight_base" => depths.weight,
        "param_base" => depths.parameter,
        // With the image these are rows and windows.
        "in_base" | "in_y_words" | "in_xt_words" if !layer.flags.source_image => depths.activation,
        "out_base" | "out_y_words" | "out_phase_words" | "out_xt_words" | "out_plane_words" => {
            depths.activation
        }
        "stream_in_base" | "stream_out_base" | "stream_in_row" | "stream_in_plane"
        | "stream_out_row" | "stream_out_plane" => depths.stream,
        _ => return None,
    })
}

/// Whether a layer, or the hardware, does not use a field of its descriptor (section 3.1).
fn is_unused_field(program: &Program, layer: &LayerDescriptor, field: &str) -> bool {
    let array = &program.array;
    let flags = layer.flags;
    let levels = flags.pool || flags.write_levels;
    let pixels = flags.write_bits || flags.write_levels;
    let join = layer.shortcut.join;
    let no_shortcut = join == Join::None;
    let one_tile = layer.row_tiles == 1;
    match field {
        "out_flat" | "write_levels" | "value_shift" => !array.extended,
        // Plain hardware reads its streams as its layers do: a window of 1, or of 2 with a stride.
        "window" | "window_stride_2" | "window_padding" | "window_inner" => {
            !array.extended || no_shortcut
        }
        "results.in_height" | "results.in_width" => !array.extended || join != Join::Extreme,
        "in_copies" | "out_copies" => array.taps == 1,
        "front.lines" | "results.lines" | "out_lines" => array.lines == 1,
        "stream_weights" => program.depths.ring.is_none(),
        "weight_base" => flags.stream_weights,
        // Windows of the image know its width from the header.
        "front.in_width" => flags.source_image,
        "last_lanes" => flags.source_image || !masks(program, layer),
        "in_xt_words" => !flags.source_image && one_tile,
        "in_y_words" => !flags.source_image && layer.tile_rows() == 1 && layer.lines <= 1,
        "level_shift" | "level_bits" => !levels,
        "out_plane_words" => !levels || layer.level_bits == 1,
        "stream_in_base" | "shortcut_channels" => no_shortcut,
        "stream_in_row" => no_shortcut || layer.out_height == 1 && join == Join::Add,
        "stream_in_plane" => no_shortcut || layer.col_tiles == 1,
        "stream_out_base" => !flags.write_stream,
        "stream_out_row" => !flags.write_stream || layer.out_height == 1,
        "stream_out_plane" => !flags.write_stream || layer.col_tiles == 1,
        "out_base" => !pixels && !flags.pool,
        "out_y_words" => !pixels || layer.out_height == 1,
        "out_stride_2" => !pixels,
        "out_phase_words" => !pixels || !(flags.out_stride_2 || flags.out_flat),
        "out_xt_words" => {
            !pixels || layer.out_width == 1 || is_one_tile_of_consumer(program, layer)
        }
        "clip" => !pixels && !flags.pool && !flags.write_stream,
        _ => false,
    }
}

/// Whether a step masks the lanes without a channel.
fn masks(program: &Program, layer: &LayerDescriptor) -> bool {
    step_range(layer).any(|at| program.steps.iter().any(|words| Step::decode(words[at]).last_word))
}

/// Whether all pixels of a line of the written map are in the first word of their banks: then the
/// distance to the next one is not used (section 2).
fn is_one_tile_of_consumer(program: &Program, layer: &LayerDescriptor) -> bool {
    let stride = if layer.flags.out_stride_2 { 2 } else { 1 };
    let banks = program.array.rows / usize::from(layer.out_lines.max(1));
    !layer.flags.out_flat && usize::from(layer.out_width).div_ceil(stride) <= banks
}
