//! A program, made ready for the fast engine: everything that no image changes.

use super::blocks::Blocks;
use super::line::Settings;
use super::map::{MapSource, padded};
use super::order::{self, Cycles};
use super::output::MapOutput;
use super::products::Products;
use super::stem::StemSource;
use super::stream::{ShortcutSource, StreamMap};
use super::tables::{Sums, Tables};
use super::weights::Weights;
use crate::check::{Extent, check};
use crate::error::Error;
use crate::plan::{LayerPlan, Plan};
use crate::step::lane_bits;
use heartbit_ir::program::{ArrayConfig, Header, LayerDescriptor, Program};
use std::sync::Arc;

/// Pixels that are computed together, or a row of tiles if that has more.
const CHUNK_PIXELS: usize = 64;

/// What a layer multiplies with its weights.
#[derive(Debug)]
pub(super) enum Source {
    Map(MapSource),
    Image(StemSource),
}

/// A layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) d: LayerDescriptor,
    pub(super) blocks: Blocks,
    /// Output lines of a chunk.
    pub(super) lines: usize,
    /// Pixels that the kernels compute for a chunk.
    pub(super) pixels: usize,
    pub(super) source: Source,
    pub(super) tables: Tables,
    pub(super) settings: Settings,
    pub(super) shortcut: Option<ShortcutSource>,
    pub(super) map: Option<MapOutput>,
    pub(super) stream: Option<StreamMap>,
    /// The pixel whose logits are written last.
    pub(super) last_pixel: (usize, usize),
}

/// A program.
#[derive(Debug)]
pub(super) struct FastPlan {
    pub(super) array: ArrayConfig,
    pub(super) header: Header,
    pub(super) extent: Extent,
    pub(super) limbs: usize,
    pub(super) layers: Vec<Layer>,
    /// Cycles of each layer and of `Send`, without waiting for weights.
    pub(super) cycles: Cycles,
    /// The program as the simulator has it, where weights are streamed.
    pub(super) streamed: Option<Arc<Plan>>,
}

impl FastPlan {
    pub(super) fn new(program: &Program) -> Result<Self, Error> {
        let extent = check(program)?;
        let plan = Plan::new(program, extent);
        let layers = plan.layers.iter().enumerate();
        let layers = layers.map(|(index, layer)| Layer::new(program, &plan, index, layer));
        let layers = layers.collect::<Result<Vec<_>, _>>()?;
        let lines: Vec<usize> = layers.iter().map(|layer| layer.lines).collect();
        Ok(Self {
            array: program.array,
            header: program.header,
            extent,
            limbs: plan.limbs,
            layers,
            cycles: order::check(&plan, &lines)?,
            streamed: plan.port.is_some().then(|| Arc::new(plan)),
        })
    }
}

impl Layer {
    fn new(program: &Program, plan: &Plan, index: usize, layer: &LayerPlan) -> Result<Self, Error> {
        let d = layer.d;
        let blocks = Blocks::new(plan, d.col_tiles.into());
        let weights = Weights::new(program, index);
        let (height, width) = (usize::from(d.out_height), usize::from(d.out_width));
        let chunk_tiles = (CHUNK_PIXELS / (width * layer.lines)).max(1);
        let lines = (chunk_tiles * layer.lines).min(height);
        let source = if d.flags.source_image {
            let lanes = lane_bits(plan.array.lanes, |_| true);
            let stem = StemSource::new(layer, &plan.header, index, (weights, blocks), &lanes)?;
            Source::Image(stem)
        } else {
            Source::Map(MapSource::new(plan, layer, (index, chunk_tiles), (weights, blocks))?)
        };
        let stream = d.flags.write_stream.then(|| StreamMap::output(&d, blocks));
        if let Some(map) = &stream {
            map.check(index, (blocks.tiles, height, width))?;
        }
        Ok(Self {
            tables: tables(plan, layer, blocks, weights, &source),
            shortcut: ShortcutSource::new(&d, index, blocks)?,
            map: MapOutput::new(plan, layer, index, blocks)?,
            last_pixel: (
                (layer.tile_rows - 1) * layer.lines,
                (usize::from(d.row_tiles) - 1) * plan.rows,
            ),
            pixels: padded(lines * width),
            settings: settings(&d, plan.array.acc_bits),
            d,
            blocks,
            lines,
            source,
            stream,
        })
    }

    /// The map to which `r` goes, where it may be made: it goes nowhere else, and a shortcut is there.
    pub(super) fn in_place(&self, block: usize) -> Option<&StreamMap> {
        let same = |map| self.shortcut.as_ref().is_none_or(|source| source.is_at(map, block));
        let only = self.tables.bend.is_none() && !self.d.flags.pool;
        self.stream.as_ref().filter(|map| only && same(map))
    }

    /// What is multiplied as small integers.
    pub(super) fn products(&self) -> Option<&Products> {
        match &self.source {
            Source::Map(map) => map.products(),
            Source::Image(stem) => Some(&stem.products),
        }
    }

    /// Output lines and columns.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.d.out_height.into(), self.d.out_width.into())
    }
}

fn settings(d: &LayerDescriptor, acc_bits: u32) -> Settings {
    let clip = |clip: u16| i16::try_from(clip).expect("bug: at most 32767");
    Settings {
        shift: d.shift,
        clip: clip(d.clip),
        unused: 31 - acc_bits,
        value_shift: d.value_shift,
        value_clip: clip(d.value_clip),
        level_shift: d.level_shift,
    }
}

fn tables(
    plan: &Plan,
    layer: &LayerPlan,
    blocks: Blocks,
    weights: Weights<'_>,
    source: &Source,
) -> Tables {
    let channel = |(ct, column): (usize, usize)| ct * blocks.cols + column;
    match source {
        Source::Map(map) => {
            let sums = Sums {
                cuts: map.cuts(),
                constants: &|column, pixel| {
                    map.constants(weights, (column, channel(column)), pixel)
                },
                range: &|column| map.range(channel(column)),
            };
            Tables::new(plan, layer, blocks, &sums)
        }
        Source::Image(stem) => {
            let sums = Sums {
                cuts: [vec![], vec![]],
                constants: &|column, _| stem.constants(channel(column)),
                range: &|column| stem.products.range(channel(column)),
            };
            Tables::new(plan, layer, blocks, &sums)
        }
    }
}
