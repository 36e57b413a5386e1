//! Checks of a build whose weights are streamed: what its files say must go together, because the
//! cycle model and the engines count on it.
//!
//! Not here: how the files are read ([`super`]).

use super::ProgramFile;
use crate::schedule::port::{ring_error, slot_error};
use heartbit_ir::program::{LayerDescriptor, PortSlots, WeightRing};

/// The ring and the slots of its port, if there are any.
pub(super) fn port(file: &ProgramFile) -> Result<Option<(WeightRing, &PortSlots)>, String> {
    let (ring, slots) = match (file.depths.ring, &file.weight_slots) {
        (None, None) => return Ok(None),
        (Some(ring), Some(slots)) => (ring, slots),
        (Some(_), None) => return Err("a weight ring, but no `weight_slots`".to_owned()),
        (None, Some(_)) => return Err("`weight_slots`, but no weight ring".to_owned()),
    };
    if let Some(error) = ring_error(&ring, &file.array) {
        return Err(format!("{} {}: {}", error.number, error.what, error.rule));
    }
    if let Some((number, rule)) = slot_error(slots) {
        return Err(format!("{number} in `weight_slots`: {rule}"));
    }
    Ok(Some((ring, slots)))
}

/// How many words are streamed once an image.
pub(super) fn words(
    layers: &[LayerDescriptor],
    ring: Option<&WeightRing>,
) -> Result<usize, String> {
    let mut words = 0;
    for (index, layer) in layers.iter().enumerate().filter(|(_, d)| d.flags.stream_weights) {
        let (steps, col_tiles) = (usize::from(layer.steps), usize::from(layer.col_tiles));
        let ring = ring.map_or(0, |ring| ring.words);
        if steps > ring {
            return Err(format!("layer {index} streams {steps} words through a ring of {ring}"));
        }
        words += col_tiles * steps;
    }
    Ok(words)
}
