//! Schedules a plan for an array: addresses, steps, descriptors and memory images.
//!
//! Everything here is fixed by microarchitecture.md, sections 1 to 3; this module fills in the
//! numbers. Memories are allocated first-fit over the lives of the maps, and the depths are the
//! smallest that hold them unless the caller fixes them.
//!
//! Not here: what a layer is ([`crate::plan`]), how long it takes ([`crate::predict`]).

mod layout;
mod memory;
mod steps;
mod weights;

use crate::plan::{Layer, Output, Plan, PlanError, Shortcut, Source};
use heartbit_ir::grid;
use heartbit_ir::network::{Element, Network, OpKind, ValueType};
use heartbit_ir::program::{
    ArrayConfig, ArrayShape, Header, LayerDescriptor, LayerFlags, MemoryDepths, Program,
};
use layout::{ChannelMap, MapLayout};
use memory::Allocator;
use steps::{StepTable, Window};
use weights::ColumnMemories;

/// Cycles of the longest pooling epilogue: shifts, planes and the copy.
const POOL_GAP: usize = 40;
/// Cycles of the pipeline beside array and drain.
const PIPELINE_TAIL: usize = 8;

/// What to compile for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Size of the array.
    pub shape: ArrayShape,
    /// Bits of an accumulator; the smallest that fits if `None`.
    pub acc_bits: Option<u32>,
    /// Words of the memories; the smallest that fit if `None`.
    pub depths: Option<MemoryDepths>,
}

impl Target {
    /// An array whose accumulators and memories are sized for the network.
    pub fn sized_for_network(shape: ArrayShape) -> Self {
        Self { shape, acc_bits: None, depths: None }
    }
}

/// Why a network has no schedule on a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The structure of the network.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Sizes of the target.
    #[error("the network does not fit the array: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    DoesNotFit(Vec<Misfit>),
}

/// One resource that is too small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// What is too small, in the words of the command line.
    pub resource: &'static str,
    /// The layer that needs most, where one does.
    pub layer: Option<String>,
    /// What is needed.
    pub needed: u64,
    /// What there is.
    pub available: u64,
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} needs {}, but there are {}", self.resource, self.needed, self.available)?;
        self.layer.as_ref().map_or(Ok(()), |layer| write!(f, " (layer `{layer}`)"))
    }
}

/// A network ready to run on an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The layers, for names and channel orders.
    pub plan: Plan,
    /// What the sequencer executes.
    pub program: Program,
}

/// Compiles a network for a target.
///
/// # Errors
/// [`ScheduleError::Plan`] if the array cannot execute it at all; [`ScheduleError::DoesNotFit`]
/// with every accumulator or memory that is too small.
pub fn compile(network: &Network, target: &Target) -> Result<Compiled, ScheduleError> {
    let plan = crate::plan::plan(network)?;
    let mut misfits = Vec::new();
    let array = ArrayConfig {
        rows: target.shape.rows,
        cols: target.shape.cols,
        lanes: target.shape.lanes,
        acc_bits: acc_bits(network, &plan, target, &mut misfits),
    };
    let mut scheduler = Scheduler {
        network,
        plan: &plan,
        array,
        activation: Allocator::default(),
        stream: Allocator::default(),
        columns: ColumnMemories::new(array),
        steps: StepTable::default(),
        maps: Vec::new(),
        stream_bases: Vec::new(),
        oversize: Vec::new(),
    };
    let layers: Vec<_> = (0..plan.layers.len()).map(|index| scheduler.layer(index)).collect();
    let needed = scheduler.depths();
    misfits.append(&mut scheduler.oversize);
    misfits.extend(too_small(&needed, target.depths.as_ref()));
    if !misfits.is_empty() {
        return Err(ScheduleError::DoesNotFit(misfits));
    }
    let image = plan.types[0];
    let half = |n: usize| u16::try_from(n).expect("bug: checked with the depths");
    let (weights, parameters) = scheduler.columns.into_memories();
    let program = Program {
        array,
        depths: target.depths.unwrap_or(needed),
        header: Header {
            image_height: half(image.height),
            image_width: half(image.width),
            classes: half(network.classes()),
        },
        layers,
        steps: scheduler.steps.into_steps(),
        weights,
        parameters,
    };
    Ok(Compiled { plan, program })
}

/// Bits of the largest count of matches, or the target's.
fn acc_bits(network: &Network, plan: &Plan, target: &Target, misfits: &mut Vec<Misfit>) -> u32 {
    let bits_of = |layer: &Layer| match plan.types[layer.conv].element {
        Element::Sums(bound) => bound.ilog2() + 1,
        _ => unreachable!("bug: a convolution gives sums"),
    };
    let widest = plan.layers.iter().max_by_key(|layer| bits_of(layer));
    let needed = widest.map_or(1, bits_of);
    if let (Some(available), Some(layer)) = (target.acc_bits, widest)
        && available < needed
    {
        misfits.push(Misfit {
            resource: "--acc-bits",
            layer: Some(network.ops[layer.conv].name.clone()),
            needed: needed.into(),
            available: available.into(),
        });
    }
    target.acc_bits.unwrap_or(needed).max(needed)
}

/// Compares each depth with the target's, or with what 16-bit addresses reach.
fn too_small(needed: &MemoryDepths, available: Option<&MemoryDepths>) -> Vec<Misfit> {
    let depths = |d: &MemoryDepths| {
        [d.image, d.activation, d.weight, d.parameter, d.stream, d.logit, d.step, d.program]
    };
    let names = [
        "--image-words",
        "--activation-words",
        "--weight-words",
        "--parameter-words",
        "--stream-words",
        "--logit-words",
        "--step-words",
        "--program-words",
    ];
    let reach = [1 << 16; 8];
    let limits = available.map_or(reach, depths);
    names
        .into_iter()
        .zip(depths(needed))
        .zip(limits)
        .filter(|((_, needed), available)| needed > available)
        .map(|((resource, needed), available)| Misfit {
            resource,
            layer: None,
            needed: needed as u64,
            available: available as u64,
        })
        .collect()
}

struct Scheduler<'a> {
    network: &'a Network,
    plan: &'a Plan,
    array: ArrayConfig,
    activation: Allocator,
    stream: Allocator,
    columns: ColumnMemories,
    steps: StepTable,
    /// Where each layer wrote its map.
    maps: Vec<MapLayout>,
    /// Where each layer wrote its stream.
    stream_bases: Vec<usize>,
    /// Fields that exceed 16 bits.
    oversize: Vec<Misfit>,
}

impl Scheduler<'_> {
    fn depths(&self) -> MemoryDepths {
        let image = self.plan.types[0];
        MemoryDepths {
            image: image.height * image.width.div_ceil(self.array.rows),
            activation: self.activation.high_water().max(1),
            weight: self.columns.weight_words().max(1),
            parameter: self.columns.parameter_words().max(1),
            stream: self.stream.high_water().max(1),
            logit: self.network.classes().div_ceil(self.array.cols),
            step: self.steps.len(),
            program: heartbit_ir::program::HEADER_WORDS
                + heartbit_ir::program::DESCRIPTOR_WORDS * self.plan.layers.len(),
        }
    }

    fn layer(&mut self, index: usize) -> LayerDescriptor {
        let layer = &self.plan.layers[index];
        let OpKind::Conv { input, kernel, stride, weights, .. } =
            &self.network.ops[layer.conv].kind
        else {
            unreachable!("bug: a layer is a convolution");
        };
        let array = self.array;
        let in_type = self.plan.types[*input];
        let out = self.plan.types[layer.conv];
        let in_map = match layer.source {
            Source::Image => MapLayout::image(&array, &in_type),
            Source::Layer(from) => self.maps[from],
        };
        let channels = ChannelMap::new(&array, layer.source == Source::Image, in_type.channels);
        let window = Window { map: in_map, channels: &channels, kernel: *kernel, stride: *stride };
        let steps = steps::schedule(&window, weights.bits());
        let col_tiles = out.channels.div_ceil(array.cols);
        let weight_base = self.columns.push_weights(layer, weights, &window, &steps, col_tiles);
        let program_steps: Vec<_> = steps.iter().map(|s| s.step).collect();
        let step_base = self.steps.insert(&program_steps);

        let pooled_shortcut =
            matches!(layer.output, Output::Stream { shortcut: Some(Shortcut::Pool { .. }), .. });
        let reads = if pooled_shortcut { 4 } else { 1 };
        let drain = array.rows * (reads + array.write_beats() - 1);
        let pools = matches!(layer.output, Output::Stream { pool: Some(_), .. });
        let in_words = in_map.row_words();
        let mut d = LayerDescriptor {
            steps: self.half(layer, "steps", steps.len()),
            step_base: self.half(layer, "--step-words", step_base),
            weight_base: self.half(layer, "--weight-words", weight_base),
            col_tiles: self.half(layer, "column tiles", col_tiles),
            row_tiles: self.half(layer, "row tiles", out.width.div_ceil(array.rows)),
            out_height: self.half(layer, "height", out.height),
            out_width: self.half(layer, "width", out.width),
            in_height: self.half(layer, "height", in_type.height),
            in_width: self.half(layer, "width", in_type.width),
            in_base: self.half(layer, "--activation-words", in_map.base),
            in_y_words: self.half(layer, "--activation-words", stride * in_words),
            in_xt_words: self.half(layer, "--activation-words", in_map.pixel_words()),
            last_lanes: self.half(layer, "lanes", channels.last_lanes()),
            fan_in: self.half(layer, "channels", in_type.channels),
            tile_gap: self.half(layer, "drain", drain.saturating_sub(steps.len())),
            col_gap: if pools {
                self.half(layer, "drain", POOL_GAP + 8 * array.write_beats())
            } else {
                0
            },
            drain_wait: self.half(
                layer,
                "drain",
                drain + array.popcount_latency() + array.rows + array.cols + PIPELINE_TAIL,
            ),
            ..LayerDescriptor::default()
        };
        d.flags.source_image = layer.source == Source::Image;
        d.flags.stride_2 = *stride == 2;
        d.flags.last_layer = index + 1 == self.plan.layers.len();
        self.output(index, &out, &mut d);
        d.param_base = {
            let base = self.columns.push_parameters(self.network, layer, col_tiles);
            self.half(layer, "--parameter-words", base)
        };
        self.release(index);
        d
    }

    /// Fills in what the layer writes, and allocates it.
    fn output(&mut self, index: usize, out: &ValueType, d: &mut LayerDescriptor) {
        let layer = &self.plan.layers[index];
        let writes_map = layer.map_last_use > index;
        let mut planes = 1;
        d.clip = grid::STREAM_MAX.unsigned_abs().try_into().expect("bug: 15 bits");
        d.flags.write_bits = writes_map;
        match &layer.output {
            Output::Bits { .. } => {}
            Output::Logits { .. } => d.flags.logits = true,
            Output::Stream { requantize, shortcut, pool, .. } => {
                let OpKind::Requantize { shift, clip, .. } = &self.network.ops[*requantize].kind
                else {
                    unreachable!("bug: a stream is written by requantize");
                };
                d.shift = *shift;
                d.clip = u16::try_from(*clip).expect("bug: validated");
                if let Some(pool) = pool {
                    let OpKind::GlobalPool { shift, bits, .. } = &self.network.ops[*pool].kind
                    else {
                        unreachable!("bug: a pool is global_pool");
                    };
                    d.pool_shift = *shift;
                    d.flags.pool = true;
                    d.flags.write_bits = false;
                    planes = *bits as usize;
                }
                self.stream(index, out, *shortcut, d);
            }
        }
        let map = if planes == 1 { *out } else { ValueType { height: 1, width: 1, ..*out } };
        let mut layout = MapLayout::new(&self.array, &map, layer.out_stride, planes);
        if writes_map {
            layout.base = self.activation.allocate(layout.words(), layer.map_last_use);
        }
        self.maps.push(layout);
        d.flags.out_stride_2 = layer.out_stride == 2;
        d.out_base = self.half(layer, "--activation-words", layout.base);
        d.out_y_words = self.half(layer, "--activation-words", layout.row_words());
        d.out_phase_words = self.half(layer, "--activation-words", layout.phase_words());
        d.out_xt_words = self.half(layer, "--activation-words", layout.plane_words());
    }

    /// Fills in the shortcut that is read and the stream that is written.
    fn stream(
        &mut self,
        index: usize,
        out: &ValueType,
        shortcut: Option<Shortcut>,
        d: &mut LayerDescriptor,
    ) {
        let layer = &self.plan.layers[index];
        let plane = out.height * out.width;
        let words = plane * out.channels.div_ceil(self.array.cols);
        d.stream_out_row = self.half(layer, "width", out.width);
        d.stream_out_plane = self.half(layer, "--stream-words", plane);
        let (from, scale) = match shortcut {
            None => (None, 1),
            Some(Shortcut::Identity { from }) => {
                d.flags.shortcut_identity = true;
                (Some(from), 1)
            }
            Some(Shortcut::Pool { from, .. }) => {
                d.flags.shortcut_pool = true;
                (Some(from), 2)
            }
        };
        if let Some(from) = from {
            d.stream_in_base = self.half(layer, "--stream-words", self.stream_bases[from]);
            d.stream_in_row = self.half(layer, "width", scale * out.width);
            d.stream_in_plane = self.half(layer, "--stream-words", scale * scale * plane);
            let channels = self.plan.layers[from].out_order.len();
            d.shortcut_channels = self.half(layer, "channels", channels);
        }
        d.flags.write_stream = layer.stream_last_use > index;
        // The array reads a pixel of the shortcut before it writes that pixel of the result, so
        // the result may take the place of a stream that nobody else needs.
        let in_place = from.filter(|&f| scale == 1 && self.plan.layers[f].stream_last_use == index);
        let base = if !d.flags.write_stream {
            0
        } else if let Some(from) = in_place {
            self.stream.extend(self.stream_bases[from], layer.stream_last_use);
            self.stream_bases[from]
        } else {
            self.stream.allocate(words, layer.stream_last_use)
        };
        d.stream_out_base = self.half(layer, "--stream-words", base);
        // Indexed by layer; layers without a stream never are a shortcut's source.
        self.stream_bases.resize(index, 0);
        self.stream_bases.push(base);
    }

    /// Frees what no later layer reads.
    fn release(&mut self, index: usize) {
        self.activation.release(index);
        self.stream.release(index);
    }

    /// Narrows a field, or remembers that it does not fit 16 bits.
    fn half(&mut self, layer: &Layer, resource: &'static str, value: usize) -> u16 {
        u16::try_from(value).unwrap_or_else(|_| {
            self.oversize.push(Misfit {
                resource,
                layer: Some(layer.name.clone()),
                needed: value as u64,
                available: u64::from(u16::MAX),
            });
            0
        })
    }
}

/// The flags of a layer in words, for reports.
pub fn describe_flags(flags: &LayerFlags) -> Vec<&'static str> {
    [
        (flags.source_image, "image"),
        (flags.stride_2, "stride 2"),
        (flags.shortcut_identity, "identity shortcut"),
        (flags.shortcut_pool, "pooled shortcut"),
        (flags.pool, "global pool"),
        (flags.logits, "logits"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect()
}
