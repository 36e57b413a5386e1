//! Where maps and streams of a compiled network lie, for reports.

use super::Compiled;
use super::layout::tile_lines;
use super::places::{Lives, Places};
use heartbit_ir::network::Network;

/// What one memory holds while the layers of a program run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Words of a bank that are ever in use.
    pub words: usize,
    /// Words in use while each of the program's layers runs.
    pub live: Vec<usize>,
    /// What the layers write, in their order. A stream may take the place of the one that joins
    /// it, in the layer that reads the one and writes the other.
    pub regions: Vec<Region>,
}

/// Words that hold the result of one of the program's layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The layer that writes it, and the last one that reads it.
    pub steps: [usize; 2],
    /// First word.
    pub base: usize,
    /// Words.
    pub words: usize,
}

/// Places the maps and streams of a compiled network again: activation memory, stream memory.
pub(crate) fn placed(network: &Network, compiled: &Compiled) -> [Placed; 2] {
    let Compiled { plan, sequence, program, .. } = compiled;
    let array = &program.array;
    let lines = tile_lines(array, plan, sequence.bands);
    let places = Places::new(network, plan, sequence, array, &lines);
    let lives = Lives::new(plan, sequence);
    let maps = places.maps.iter().enumerate().filter_map(|(index, place)| {
        let layout = place.as_ref()?.layout;
        Some(Region { steps: [index, lives.maps[index]], base: layout.base, words: layout.words() })
    });
    let streams = places.streams.iter().enumerate().filter_map(|(index, place)| {
        let place = place.as_ref()?;
        let channels = plan.layers[sequence.layers[index].layer].shape[2];
        Some(Region {
            steps: [index, lives.streams[index]],
            base: place.base,
            words: place.plane_words * channels.div_ceil(array.cols),
        })
    });
    [
        Placed {
            words: places.activation_words,
            live: places.live.iter().map(|live| live.activation).collect(),
            regions: maps.collect(),
        },
        Placed {
            words: places.stream_words,
            live: places.live.iter().map(|live| live.stream).collect(),
            regions: streams.collect(),
        },
    ]
}
