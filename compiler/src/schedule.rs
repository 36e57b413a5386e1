//! Schedules a plan for an array: addresses, steps, descriptors and memory images.
//!
//! Everything here is fixed by microarchitecture.md, sections 1 to 3; this module fills in the
//! numbers. Memories are allocated first-fit over the lives of the maps, and the depths are the
//! smallest that hold them unless the caller fixes them. Where maps or streams are larger than
//! that, layers run in bands (`bands`).
//!
//! Not here: what a layer is ([`crate::plan`]), how long it takes ([`crate::predict`]).

mod bands;
mod gaps;
mod layer;
mod layout;
mod memory;
mod placed;
mod places;
pub(crate) mod port;
mod stem;
mod steps;
mod streaming;
mod weights;

pub use port::WeightPort;
pub(crate) use port::cycles_of_words;
pub use stem::StemOffsets;

use crate::plan::bands::{Bands, Sequence};
use crate::plan::{Plan, PlanError, Source, WrittenMap};
use crate::predict::{BackToBack, CyclePrediction, IDLE_CYCLES, back_to_back, predict};
use crate::search::fit::Budget;
use heartbit_ir::network::{Element, Network, OpKind};
use heartbit_ir::program::{
    ArrayConfig, ArrayShape, DESCRIPTOR_WORDS, HEADER_WORDS, Header, LaneMemory, LayerDescriptor,
    LayerFlags, MAX_LAYERS, MemoryDepths, Parameter, PortSlots, Program, WeightStream,
};
use layer::{Scheduled, Scheduler};
pub(crate) use placed::placed;
pub use placed::{Placed, Region};
use port::ADDRESSES;
use stem::Stem;
use streaming::{Choice, Streaming};

/// What is short where a program has more layers than the sequencer counts.
pub const LAYERS: &str = "the number of layers";

/// What to compile for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Size of the array.
    pub shape: ArrayShape,
    /// Lane groups; as many as the network's maps of few channels make use of if `None`.
    pub taps: Option<usize>,
    /// Most lines of a tile; as many as narrow maps make use of if `None`.
    pub lines: Option<usize>,
    /// Whether the array has its extensions; if the network needs them if `None`.
    pub extended: Option<bool>,
    /// Bits of an accumulator; the smallest that fits if `None`.
    pub acc_bits: Option<u32>,
    /// Words of the memories; the smallest that fit if `None`. A weight ring among them is there
    /// whether the network needs it or not.
    pub depths: Option<MemoryDepths>,
    /// Words of some memories, where `depths` is `None`.
    pub words: MemoryWords,
    /// Where the weights come from that do not fit; all have to fit if `None`.
    pub weight_port: Option<WeightPort>,
    /// The FPGA that array and memories have to fit, which decides what runs in bands and what is
    /// streamed. It is no error if nothing does.
    pub budget: Option<Budget>,
}

/// How long to look for layers to stream and for bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// What fits first, in a hundredth of the time; for searches over many targets.
    Quick,
    /// As long as [`compile`] does.
    Thorough,
}

/// Words of the memories that can be chosen one by one; the smallest that fit where `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryWords {
    /// Words of an activation bank.
    pub activation: Option<usize>,
    /// Words of a weight column.
    pub weight: Option<usize>,
    /// Words of a stream bank.
    pub stream: Option<usize>,
}

impl Target {
    /// An array whose accumulators and memories are sized for the network.
    pub fn sized_for_network(shape: ArrayShape) -> Self {
        Self {
            shape,
            taps: None,
            lines: None,
            extended: None,
            acc_bits: None,
            depths: None,
            words: MemoryWords::default(),
            weight_port: None,
            budget: None,
        }
    }

    /// Hardware that is there already.
    pub fn for_hardware(array: &ArrayConfig, depths: MemoryDepths) -> Self {
        let ArrayConfig { rows, cols, lanes, taps, lines, acc_bits, extended } = *array;
        Self {
            taps: Some(taps),
            lines: Some(lines),
            extended: Some(extended),
            acc_bits: Some(acc_bits),
            depths: Some(depths),
            ..Self::sized_for_network(ArrayShape { rows, cols, lanes })
        }
    }

    /// Whether an array with its memories fits the FPGA, if there is one.
    fn fits(&self, array: &ArrayConfig, depths: &MemoryDepths) -> bool {
        self.budget.is_none_or(|budget| budget.fits(array, depths))
    }

    /// Words of the weight memory, where they are given.
    fn weight_words(&self) -> Option<usize> {
        let room = self.weight_port.as_ref().and_then(|port| port.room);
        self.depths.map(|depths| depths.weight).or(self.words.weight).or(room)
    }

    /// Whether as many weights stay on the chip as the FPGA has room for.
    fn has_open_room(&self) -> bool {
        self.budget.is_some() && self.weight_port.is_some() && self.weight_words().is_none()
    }

    /// The most words that each memory may have.
    fn most_words(&self) -> MemoryDepths {
        self.depths.unwrap_or(MemoryDepths {
            activation: self.words.activation.unwrap_or(ADDRESSES),
            weight: self.words.weight.unwrap_or(ADDRESSES),
            stream: self.words.stream.unwrap_or(ADDRESSES),
            ..MemoryDepths::uniform(ADDRESSES)
        })
    }

    /// The words that the memories get for those that are needed.
    fn chosen_words(&self, needed: MemoryDepths) -> MemoryDepths {
        let one_by_one = MemoryDepths {
            activation: self.words.activation.unwrap_or(needed.activation),
            weight: self.words.weight.unwrap_or(needed.weight),
            stream: self.words.stream.unwrap_or(needed.stream),
            ..needed
        };
        self.depths.map_or(one_by_one, |depths| MemoryDepths { ring: needed.ring, ..depths })
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
    /// Layers that cannot run in bands: they do not work line by line, or layers behind them read more
    /// than the last one's result.
    #[error("layers {} to {} cannot run in bands of {} rows", .0.first, .0.last, .0.height)]
    Bands(Bands),
    /// A size that the array cannot have.
    #[error("the array {shape} cannot have {number} {what}: {rule}")]
    Division {
        /// The array.
        shape: ArrayShape,
        /// How many.
        number: usize,
        /// Of what, in the words of the command line.
        what: &'static str,
        /// What it would take.
        rule: &'static str,
    },
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
    /// The program's layers, which are those of the plan, some of them in bands.
    pub sequence: Sequence,
    /// What the sequencer executes.
    pub program: Program,
    /// What the array's sums of the stem lack.
    pub stem: StemOffsets,
}

/// A program without the contents of its memories: all that its cycles and its area depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// The array.
    pub array: ArrayConfig,
    /// Words of the memories.
    pub depths: MemoryDepths,
    /// Layer descriptors in order.
    pub layers: Vec<LayerDescriptor>,
    header: Header,
    /// When beats come through the weight port; `None` without a weight ring.
    slots: Option<PortSlots>,
}

impl Outline {
    /// Cycles of one image, as [`predict`] says them of the program.
    pub fn cycles(&self) -> CyclePrediction {
        predict(&self.clone().into_program(Contained::default()))
    }

    /// The rhythm of images back to back, as [`back_to_back`] says it of the program.
    pub fn back_to_back(&self) -> BackToBack {
        back_to_back(&self.clone().into_program(Contained::default()))
    }

    /// The fewest cycles that images back to back may take: those of one that finds a full ring, or
    /// those in which the port brings its words.
    pub(crate) fn least_rhythm(&self) -> BackToBack {
        let cycles = (self.cycles().total().0 + IDLE_CYCLES).max(self.port_cycles());
        BackToBack { images: 1, cycles }
    }

    /// Cycles in which the weight port brings the words of an image, in the mean; 0 without one.
    fn port_cycles(&self) -> u64 {
        let (Some(ring), Some(slots)) = (self.depths.ring, &self.slots) else { return 0 };
        let streamed = self.layers.iter().filter(|layer| layer.flags.stream_weights);
        let words = streamed.map(|d| u64::from(d.col_tiles) * u64::from(d.steps)).sum();
        port::cycles_of_words(words, self.array.cols, ring.port_cols, slots)
    }

    fn into_program(self, contained: Contained) -> Program {
        let Self { array, depths, layers, header, slots } = self;
        let Contained { steps, weights, streamed, parameters } = contained;
        let weight_stream = slots.map(|slots| WeightStream { columns: streamed, slots });
        Program { array, depths, header, layers, steps, weights, weight_stream, parameters }
    }
}

/// What is in the memories, and what comes through the weight port.
#[derive(Debug, Default)]
struct Contained {
    steps: Vec<Vec<u32>>,
    weights: Vec<LaneMemory>,
    streamed: Vec<LaneMemory>,
    parameters: Vec<Vec<Parameter>>,
}

/// Whether the words of weights and parameters are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contents {
    /// They are.
    Built,
    /// It is only counted how many there are.
    Counted,
}

/// Compiles a network for a target; layers run in bands where the memories of activations and
/// streams are too small for whole maps, or the FPGA is.
///
/// # Errors
/// [`ScheduleError::Plan`] if the array cannot execute it at all; [`ScheduleError::DoesNotFit`]
/// with every accumulator or memory that is too small; [`ScheduleError::Division`].
pub fn compile(network: &Network, target: &Target) -> Result<Compiled, ScheduleError> {
    let plan = crate::plan::plan(network)?;
    let sequence = Task::new(network, &plan, target).sequence(Effort::Thorough)?;
    build(network, plan, target, sequence, None)
}

/// Compiles a network for a target with these layers in bands, whether they need it or not.
///
/// # Errors
/// Those of [`compile`], and [`ScheduleError::Bands`].
pub fn compile_in_bands(
    network: &Network,
    target: &Target,
    bands: Bands,
) -> Result<Compiled, ScheduleError> {
    let plan = crate::plan::plan(network)?;
    let sequence = Sequence::in_bands(network, &plan, bands);
    let sequence = sequence.ok_or(ScheduleError::Bands(bands))?;
    build(network, plan, target, sequence, None)
}

/// Compiles a network for the array and the memories of a program, with the same bands and the same
/// layers streamed through its port: what the program should be.
///
/// # Errors
/// Those of [`compile_in_bands`]; [`ScheduleError::DoesNotFit`] too if a layer whose weights the
/// program streams cannot be streamed.
pub fn compile_again(
    network: &Network,
    program: &Program,
    bands: Option<Bands>,
) -> Result<Compiled, ScheduleError> {
    let plan = crate::plan::plan(network)?;
    let sequence = match bands {
        None => Sequence::whole(&plan),
        Some(bands) => {
            Sequence::in_bands(network, &plan, bands).ok_or(ScheduleError::Bands(bands))?
        }
    };
    let ring = program.depths.ring.zip(program.weight_stream.as_ref());
    let port = ring.map(|(ring, stream)| WeightPort {
        cols: ring.port_cols,
        slots: stream.slots.clone(),
        ring: Some(ring.words),
        room: None,
    });
    let target =
        Target { weight_port: port, ..Target::for_hardware(&program.array, program.depths) };
    let streamed = program.layers.iter().map(|layer| layer.flags.stream_weights).collect();
    build(network, plan, &target, sequence, Some(streamed))
}

fn build(
    network: &Network,
    plan: Plan,
    target: &Target,
    sequence: Sequence,
    streamed: Option<Vec<bool>>,
) -> Result<Compiled, ScheduleError> {
    let task = Task { streamed, ..Task::new(network, &plan, target) };
    let attempt = task.attempt(&sequence, Contents::Built, Effort::Thorough)?;
    let (outline, scheduled) = attempt.fitting()?;
    let Scheduled { contained, stem, .. } = scheduled;
    let program = outline.into_program(contained);
    Ok(Compiled { plan, sequence, program, stem })
}

/// Does what [`compile`] does but for the contents of the memories, which take most of the time;
/// returns the layers that run in bands, too.
///
/// # Errors
/// Those of [`compile`].
pub fn outline_to_fit(
    network: &Network,
    plan: &Plan,
    target: &Target,
    effort: Effort,
) -> Result<(Outline, Option<Bands>), ScheduleError> {
    let task = Task::new(network, plan, target);
    let whole = task.whole()?;
    let (attempt, bands) = match (bands::choose(&task, &whole, effort)?, effort) {
        (Some(sequence), _) => {
            (task.attempt(&sequence, Contents::Counted, effort)?, sequence.bands)
        }
        (None, Effort::Quick) => (whole, None),
        (None, Effort::Thorough) => {
            (task.attempt(&Sequence::whole(plan), Contents::Counted, effort)?, None)
        }
    };
    Ok((attempt.fitting()?.0, bands))
}

/// The quick outline of a network whose layers all run whole.
///
/// # Errors
/// Those of [`compile`].
pub fn outline(network: &Network, plan: &Plan, target: &Target) -> Result<Outline, ScheduleError> {
    let (outline, misfits) = draft(network, plan, target)?;
    if misfits.is_empty() { Ok(outline) } else { Err(ScheduleError::DoesNotFit(misfits)) }
}

/// As [`outline`], and returns what does not fit beside it. Where that is a memory only, layers in
/// bands or streamed weights may help.
///
/// # Errors
/// Those of [`compile`] but for [`ScheduleError::DoesNotFit`].
pub fn draft(
    network: &Network,
    plan: &Plan,
    target: &Target,
) -> Result<(Outline, Vec<Misfit>), ScheduleError> {
    let task = Task::new(network, plan, target);
    let attempt = task.attempt(&Sequence::whole(plan), Contents::Counted, Effort::Quick)?;
    Ok((attempt.outline, attempt.misfits))
}

/// Cycles of an image without bands, on the array of a compiled network with memories of any size.
pub fn cycles_without_bands(network: &Network, compiled: &Compiled) -> CyclePrediction {
    let ArrayConfig { rows, cols, lanes, taps, lines, extended, .. } = compiled.program.array;
    let target = Target {
        taps: Some(taps),
        lines: Some(lines),
        extended: Some(extended),
        ..Target::sized_for_network(ArrayShape { rows, cols, lanes })
    };
    let plan = &compiled.plan;
    let task = Task::new(network, plan, &target);
    let attempt = task.attempt(&Sequence::whole(plan), Contents::Counted, Effort::Quick);
    attempt.expect("bug: the array has been compiled for").outline.cycles()
}

/// What is to be compiled for what.
struct Task<'a> {
    network: &'a Network,
    plan: &'a Plan,
    target: &'a Target,
    /// Which of the program's layers stream their weights; the best if `None`.
    streamed: Option<Vec<bool>>,
}

/// A schedule that may not fit.
struct Attempt {
    outline: Outline,
    /// Words of all weights, wherever they are.
    all_weights: usize,
    scheduled: Scheduled,
    misfits: Vec<Misfit>,
}

impl Attempt {
    fn fitting(self) -> Result<(Outline, Scheduled), ScheduleError> {
        if self.misfits.is_empty() {
            Ok((self.outline, self.scheduled))
        } else {
            Err(ScheduleError::DoesNotFit(self.misfits))
        }
    }
}

impl<'a> Task<'a> {
    fn new(network: &'a Network, plan: &'a Plan, target: &'a Target) -> Self {
        Self { network, plan, target, streamed: None }
    }

    /// The program's layers, in bands where that is needed.
    fn sequence(&self, effort: Effort) -> Result<Sequence, ScheduleError> {
        let bands = bands::choose(self, &self.whole()?, effort)?;
        Ok(bands.unwrap_or_else(|| Sequence::whole(self.plan)))
    }

    /// The quick schedule of all layers whole.
    fn whole(&self) -> Result<Attempt, ScheduleError> {
        self.attempt(&Sequence::whole(self.plan), Contents::Counted, Effort::Quick)
    }

    fn attempt(
        &self,
        sequence: &Sequence,
        contents: Contents,
        effort: Effort,
    ) -> Result<Attempt, ScheduleError> {
        let Self { network, plan, target, .. } = *self;
        let mut misfits = Vec::new();
        let mut array = array(network, plan, target, &mut misfits);
        check_divisions(target.shape, &array)?;
        port::check(target, &array)?;
        let stem = Stem::new(network, plan, &array);
        array.acc_bits = acc_bits(plan, &stem, target, &mut misfits);
        let mut scheduler = Scheduler::new(network, plan, sequence, array, &stem, contents);
        let n_layers = sequence.layers.len();
        if n_layers > MAX_LAYERS {
            let (needed, available) = (n_layers as u64, MAX_LAYERS as u64);
            misfits.push(Misfit { resource: LAYERS, layer: None, needed, available });
        }
        let mut layers: Vec<_> = (0..n_layers).map(|index| scheduler.layer(index)).collect();
        scheduler.set_layer_gaps(&mut layers);
        let needed = MemoryDepths {
            image: image_words(&stem, &array),
            logit: network.classes().div_ceil(array.cols),
            program: HEADER_WORDS + DESCRIPTOR_WORDS * n_layers,
            ..scheduler.depths()
        };
        let header = header(network, &stem);
        let all_weights = needed.weight;
        let mut outline = Outline { array, depths: needed, layers, header, slots: None };
        match streaming(&outline, &scheduler, self, effort) {
            Ok(streaming) => scheduler.place_weights(&mut outline, &streaming),
            Err(misfit) => {
                misfits.push(misfit);
                // That is said now; the other memories are still to be looked at.
                outline.depths.weight = 0;
            }
        }
        if outline.depths.ring.is_some() {
            outline.slots = target.weight_port.as_ref().map(|port| port.slots.clone());
        }
        let mut scheduled = scheduler.finish();
        misfits.append(&mut scheduled.oversize);
        misfits.extend(too_small(&outline.depths, &target.most_words()));
        outline.depths = target.chosen_words(outline.depths);
        Ok(Attempt { outline, all_weights, scheduled, misfits })
    }
}

/// Where the weights are: in the memory, if they fit or there is no other place.
fn streaming(
    outline: &Outline,
    scheduler: &Scheduler<'_>,
    task: &Task<'_>,
    effort: Effort,
) -> Result<Streaming, Misfit> {
    let target = task.target;
    let words = scheduler.weight_words();
    let resident = Streaming { ring: None, streamed: vec![false; outline.layers.len()] };
    let Some(port) = &target.weight_port else { return Ok(resident) };
    let room = match (target.weight_words(), target.budget) {
        (Some(words), _) => Some(words),
        (None, Some(budget)) => room_for_weights(outline, target, &budget),
        (None, None) => Some(ADDRESSES),
    };
    // Where the whole does not fit whatever is streamed, it need not be the best choice.
    let is_any = room.is_none() && effort == Effort::Quick;
    let room = room.unwrap_or(ADDRESSES);
    let hardware = target.depths.and_then(|depths| depths.ring);
    if hardware.is_none() && outline.depths.weight <= room {
        return Ok(resident);
    }
    let is_thorough = effort == Effort::Thorough;
    let choice = Choice {
        outline,
        unwaited: outline.cycles().total().0,
        words: &words,
        pass_words: scheduler.pass_words(),
        room,
        port,
        hardware,
        is_thorough,
    };
    let chosen = match (hardware, &task.streamed) {
        (Some(ring), Some(streamed)) => choice.given(ring, streamed),
        _ if is_any => choice.any(),
        _ => choice.best(),
    };
    chosen.map_err(|shortage| Misfit {
        resource: "--weight-words",
        layer: shortage.layer.map(|layer| scheduler.name(layer)),
        needed: shortage.words as u64,
        available: room as u64,
    })
}

/// Words of the weight memory for which an FPGA has room beside all else; any number where all weights
/// fit, and `None` where not even the fewest do, so that it is the whole that does not fit.
fn room_for_weights(outline: &Outline, target: &Target, budget: &Budget) -> Option<usize> {
    let (array, depths) = (&outline.array, target.chosen_words(outline.depths));
    if budget.fits(array, &depths) { Some(ADDRESSES) } else { budget.weight_room(array, &depths) }
}

/// What the array's sums of a network's stem lack, as [`compile`] says it.
pub(crate) fn stem_offsets(network: &Network, plan: &Plan, array: &ArrayConfig) -> StemOffsets {
    Stem::new(network, plan, array).offsets(Contents::Built)
}

fn header(network: &Network, stem: &Stem<'_>) -> Header {
    let half = |n: usize| u16::try_from(n).expect("bug: checked with the depths");
    let byte = |n: usize| u8::try_from(n).expect("bug: checked by the plan");
    Header {
        image_height: half(stem.image.height),
        image_width: half(stem.image.width),
        classes: half(network.classes()),
        stem_kernel: byte(stem.kernel),
        stem_stride: byte(stem.stride),
        image_tiles: half(stem.row_tiles()),
    }
}

/// Words of an image bank.
fn image_words(stem: &Stem<'_>, array: &ArrayConfig) -> usize {
    stem.image.height.div_ceil(3) * stem.row_tiles() * (8 / array.stem_planes())
}

/// The array of a target, its open sizes apart from the accumulators chosen for the network.
fn array(
    network: &Network,
    plan: &Plan,
    target: &Target,
    misfits: &mut Vec<Misfit>,
) -> ArrayConfig {
    let ArrayShape { rows, cols, lanes } = target.shape;
    let extended = plan.is_extended(network);
    let mut array = ArrayConfig {
        rows,
        cols,
        lanes,
        taps: 1,
        lines: 1,
        acc_bits: 1,
        extended: target.extended.unwrap_or(extended),
    };
    if extended && !array.extended {
        let resource = "the network's operations beyond the plain array";
        misfits.push(Misfit { resource, layer: None, needed: 1, available: 0 });
    }
    array.lines = target.lines.unwrap_or_else(|| useful_lines(plan, &array));
    array.taps = target.taps.unwrap_or_else(|| useful_taps(network, plan, &array));
    array
}

fn check_divisions(shape: ArrayShape, array: &ArrayConfig) -> Result<(), ScheduleError> {
    let (taps, lines) = (array.taps, array.lines);
    let error = |number, what, rule| Err(ScheduleError::Division { shape, number, what, rule });
    if !matches!(taps, 1 | 2 | 4) || !array.divides_into(taps) {
        let rule = "1, 2 or 4 groups, each of the lanes of one or more column tiles";
        return error(taps, "lane groups (--taps)", rule);
    }
    if !matches!(lines, 1 | 2 | 4) || !array.rows.is_multiple_of(lines) {
        return error(lines, "lines of a tile (--lines)", "1, 2 or 4, a divisor of the rows");
    }
    Ok(())
}

/// The most lines that a tile of a layer's result can cover.
fn useful_lines(plan: &Plan, array: &ArrayConfig) -> usize {
    let divides = |lines: &usize| array.rows.is_multiple_of(*lines);
    let most = [4, 2].into_iter().find(divides).unwrap_or(1);
    let with = ArrayConfig { lines: most, ..*array };
    layout::tile_lines(&with, plan, None).into_iter().max().unwrap_or(1)
}

/// The most lane groups for which a 3×3 kernel reads a map of so few channels.
fn useful_taps(network: &Network, plan: &Plan, array: &ArrayConfig) -> usize {
    let reads = plan.layers.iter().filter_map(|layer| {
        let convolution = layer.convolution.as_ref()?;
        let Source::Layer(from) = convolution.source else { return None };
        let is_3x3 = matches!(network.ops[convolution.conv].kind, OpKind::Conv { kernel: 3, .. });
        let bits = matches!(plan.layers[from].map, Some(WrittenMap::Bits(_)));
        (is_3x3 && bits).then_some(plan.layers[from].out_order.len())
    });
    let channels: Vec<usize> = reads.collect();
    let useful = |taps: &usize| {
        let with = ArrayConfig { taps: *taps, ..*array };
        let copies = |n: &usize| {
            layout::copies(&with, n.div_ceil(array.cols) * array.write_beats()) == *taps
        };
        array.divides_into(*taps) && channels.iter().any(copies)
    };
    [4, 2].into_iter().find(useful).unwrap_or(1)
}

/// Bits of the largest count of matches, or the target's.
fn acc_bits(plan: &Plan, stem: &Stem<'_>, target: &Target, misfits: &mut Vec<Misfit>) -> u32 {
    let counts = plan.layers.iter().filter_map(|layer| {
        let convolution = layer.convolution.as_ref()?;
        let count = if convolution.source == Source::Image {
            stem.largest_count()
        } else {
            match plan.types[convolution.conv].element {
                Element::Sums(bound) => bound,
                _ => unreachable!("bug: a convolution gives sums"),
            }
        };
        Some((count.ilog2() + 1, layer))
    });
    // Of several, the last layer, as `max_by_key` has it.
    let Some((needed, layer)) = counts.max_by_key(|(bits, _)| *bits) else { return 1 };
    if let Some(available) = target.acc_bits
        && available < needed
    {
        misfits.push(Misfit {
            resource: "--acc-bits",
            layer: Some(layer.name.clone()),
            needed: needed.into(),
            available: available.into(),
        });
    }
    target.acc_bits.unwrap_or(needed).max(needed)
}

/// Compares each depth with the most that it may be.
fn too_small(needed: &MemoryDepths, available: &MemoryDepths) -> Vec<Misfit> {
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
    names
        .into_iter()
        .zip(depths(needed))
        .zip(depths(available))
        .filter(|((_, needed), available)| needed > available)
        .map(|((resource, needed), available)| Misfit {
            resource,
            layer: None,
            needed: needed as u64,
            available: available as u64,
        })
        .collect()
}

/// The flags of a layer in words, for reports.
pub fn describe_flags(flags: &LayerFlags) -> Vec<&'static str> {
    [
        (flags.source_image, "image"),
        (flags.stride_2, "stride 2"),
        (flags.write_levels, "levels"),
        (flags.out_flat, "flattened"),
        (flags.pool, "global pool"),
        (flags.logits, "logits"),
        (flags.stream_weights, "streamed weights"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect()
}
