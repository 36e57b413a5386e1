//! The accelerator under a simulator: load a program, run images, observe every layer.
//!
//! Knows the ports of microarchitecture.md, section 6, and nothing of what is behind them. What
//! the monitor shows is collected in the same [`Execution`] that the simulator returns.
//!
//! Not here: the Verilog (`hdl`), and the judgement whether a result is right.

mod mutant;
mod pixels;
mod trial;
mod window;

pub use mutant::{LoadWord, mutant_design};
pub use trial::Beginning;
pub use window::Windowed;

use crate::watch::{accelerator_data, axi_data};
use crate::{
    Build, Design, Direction, Error, Initial, Port, PortId, Qualified, Simulation, Source,
    Toolchain, Watch,
};
use heartbit_hdl::Module;
use heartbit_hdl::axi::AxiConfig;
use heartbit_hdl::uart::UartConfig;
use heartbit_ir::program::{
    ArrayConfig, Execution, IMAGE_CHANNELS, LayerOutput, MemoryDepths, Program, WeightStream,
};
use pixels::{Late, Pixels};
use std::path::Path;
use std::sync::Arc;

/// Memories behind the load port: microarchitecture.md, section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadTarget {
    /// Header and descriptors.
    Program = 0,
    /// Steps; the index is the lane group.
    Steps = 1,
    /// Weights; the index is the column.
    Weights = 2,
    /// Parameters; the index is the column.
    Parameters = 3,
}

/// Cycles after which [`Accelerator::run_while`] asks whether to go on.
const CHUNK: u64 = 2_000;
/// States of the sequencer as the monitor shows them.
const FETCH: u32 = 1;
const RUN: u32 = 2;
const GAP: u32 = 3;
/// Value of an element that the monitor never showed; no register of the array can hold it.
const UNSEEN: i32 = i32::MIN;

/// Returns the design of an accelerator: its Verilog files and port table.
pub fn accelerator_design(array: &ArrayConfig, depths: &MemoryDepths) -> Design {
    design_of(&heartbit_hdl::accelerator(array, depths), accelerator_data)
}

/// Returns the design of an accelerator behind AXI.
pub fn axi_design(array: &ArrayConfig, depths: &MemoryDepths, axi: AxiConfig) -> Design {
    design_of(&heartbit_hdl::axi::heartbit_axi(array, depths, axi), axi_data)
}

/// Returns the design of an accelerator behind a serial line.
pub fn uart_design(array: &ArrayConfig, depths: &MemoryDepths, uart: UartConfig) -> Design {
    design_of(&heartbit_hdl::uart::heartbit_uart(array, depths, uart), |_| Vec::new())
}

/// Prints a module; its ports are those of the design, of which `data` are some.
fn design_of(top: &Module, data: fn(&Module) -> Vec<Qualified>) -> Design {
    let mut design = Design::new(top.name());
    for file in heartbit_hdl::emit(top) {
        design = design.file(format!("{}.v", file.name), file.text);
    }
    for port in top.ports() {
        let direction = match port.direction {
            heartbit_hdl::Direction::Input => Direction::Input,
            heartbit_hdl::Direction::Output => Direction::Output,
        };
        design = design.port(Port { name: port.name.clone(), width: port.width, direction });
    }
    design.watch = Watch::of(top, data(top));
    design
}

/// An accelerator that runs a program.
pub struct Accelerator {
    model: Box<dyn Simulation + Send>,
    ports: Ports,
    /// What is loaded; `None` before the first [`Accelerator::load`].
    program: Option<Arc<Program>>,
    /// The first cycle after it was loaded.
    loaded: u64,
    /// Cycles after which an image that is not finished never will be.
    cycle_limit: u64,
}

struct Ports {
    rst: PortId,
    load: [PortId; 5],
    image: [PortId; 3],
    out_ready: PortId,
    out_valid: PortId,
    event: PortId,
    error: PortId,
    out_last: PortId,
    /// Ports of a record, in the order of [`WATCHED`].
    watched: Vec<PortId>,
    /// First word of each watched port in a record.
    offsets: Vec<usize>,
    record_words: usize,
}

/// Ports that are recorded at every event.
const WATCHED: [&str; 18] = [
    "mon_state",
    "mon_layer",
    "mon_result_layer",
    "mon_valid",
    "mon_ct",
    "mon_y",
    "mon_x",
    "mon_sum",
    "mon_shortcut",
    "mon_stream",
    "mon_logit",
    "mon_value",
    "mon_bit",
    "mon_pool_valid",
    "mon_pool",
    "out_valid",
    "out_data",
    "out_last",
];

/// Recorded behind [`WATCHED`] where the port exists.
const LEVELS: &str = "mon_level";

/// Positions in [`WATCHED`].
#[derive(Clone, Copy)]
enum Watched {
    State,
    Layer,
    ResultLayer,
    Valid,
    Ct,
    Y,
    X,
    Sum,
    Shortcut,
    Stream,
    Logit,
    Value,
    Bit,
    PoolValid,
    Pool,
    OutValid,
    OutData,
    OutLast,
    /// [`LEVELS`], which only extended hardware has.
    Level,
}

impl Ports {
    fn find(model: &dyn Simulation) -> Result<Self, Error> {
        let many =
            |names: &[&str]| names.iter().map(|n| model.port(n)).collect::<Result<Vec<_>, _>>();
        let load = many(&["load_en", "load_target", "load_index", "load_addr", "load_data"])?;
        let image = many(&["in_valid", "in_data", "in_ready"])?;
        let mut watched = many(&WATCHED)?;
        watched.extend(model.port(LEVELS));
        let mut offsets = Vec::new();
        // The cycle number comes first.
        let mut record_words = 2;
        for &port in &watched {
            offsets.push(record_words);
            record_words += model.port_info(port).n_words();
        }
        Ok(Self {
            rst: model.port("rst")?,
            load: load.try_into().expect("bug: five ports"),
            image: image.try_into().expect("bug: three ports"),
            out_ready: model.port("out_ready")?,
            out_valid: model.port("out_valid")?,
            event: model.port("mon_event")?,
            error: model.port("error")?,
            out_last: model.port("out_last")?,
            watched,
            offsets,
            record_words,
        })
    }
}

impl Accelerator {
    /// Builds the accelerator that a program was compiled for, and loads the program.
    ///
    /// # Errors
    /// [`Error`] of the tools.
    pub fn build(program: &Program, toolchain: &Toolchain) -> Result<Self, Error> {
        let design = accelerator_design(&program.array, &program.depths);
        let model = Build::new(design).compile(toolchain)?.instantiate(Initial::Random(1))?;
        let mut accelerator = Self::new(model)?;
        accelerator.load(program)?;
        Ok(accelerator)
    }

    /// Resets a model; a program has to be loaded before an image can run.
    ///
    /// # Errors
    /// [`Error::UnknownPort`] if the model is no accelerator; [`Error::Stopped`].
    pub fn new(model: impl Simulation + Send + 'static) -> Result<Self, Error> {
        let (ports, model) = (Ports::find(&model)?, Box::new(model));
        let mut accelerator = Self { model, ports, program: None, loaded: 0, cycle_limit: 0 };
        accelerator.reset()?;
        Ok(accelerator)
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.model.set(self.ports.rst, 1);
        self.model.run(4)?;
        self.model.set(self.ports.rst, 0);
        Ok(())
    }

    /// Starts a waveform; the model must have been built with one.
    ///
    /// # Errors
    /// As [`Simulation::trace_start`](crate::Simulation::trace_start).
    pub fn trace_start(&mut self, path: &Path) -> Result<(), Error> {
        self.model.trace_start(path)
    }

    /// Loads a program, in place of the one before. From the next cycle on its weights are
    /// streamed, if any are.
    ///
    /// # Errors
    /// [`Error::Program`]; [`Error::Stopped`]; [`Error::UnknownPort`] if the program streams weights
    /// and the design has no port for them.
    pub fn load(&mut self, program: &Program) -> Result<(), Error> {
        program.validate()?;
        self.load_memories(program)?;
        self.loaded(program)
    }

    fn load_memories(&mut self, program: &Program) -> Result<(), Error> {
        self.model.set_source(None);
        let work: u64 = program
            .layers
            .iter()
            .map(|layer| layer.run_cycles() + u64::from(layer.layer_gap))
            .sum();
        self.cycle_limit =
            2 * work + 100_000 + stream_of(program).map_or(0, |s| longest(s, program));
        self.program = Some(Arc::new(program.clone()));
        for (addr, word) in program.encode().into_iter().enumerate() {
            self.load_word(LoadTarget::Program, 0, addr, &[word.into()])?;
        }
        for (group, steps) in program.steps.iter().enumerate() {
            for (addr, &word) in steps.iter().enumerate() {
                self.load_word(LoadTarget::Steps, group, addr, &[word.into()])?;
            }
        }
        for (col, weights) in program.weights.iter().enumerate() {
            for index in 0..weights.len() {
                let addr = program.depths.ring_words() + index;
                self.load_word(LoadTarget::Weights, col, addr, weights.word(index))?;
            }
        }
        for (col, parameters) in program.parameters.iter().enumerate() {
            for (addr, parameter) in parameters.iter().enumerate() {
                let bits = program.array.parameter_bits();
                self.load_word(LoadTarget::Parameters, col, addr, &parameter.encode_bits(bits))?;
            }
        }
        Ok(())
    }

    /// Ends a load.
    fn loaded(&mut self, program: &Program) -> Result<(), Error> {
        self.model.set(self.ports.load[0], 0);
        self.loaded = self.model.cycle();
        stream_of(program).map_or(Ok(()), |stream| self.stream(stream, program))
    }

    /// Begins to stream weights.
    fn stream(&mut self, stream: &WeightStream, program: &Program) -> Result<(), Error> {
        let ports = ["wt_valid", "wt_ready", "wt_data"].map(|name| self.model.port(name));
        let [valid, ready, data] = ports;
        let data = data?;
        let n_words = self.model.port_info(data).n_words();
        let ring = program.depths.ring.expect("bug: a weight stream without a ring");
        let words =
            |beat: Vec<u64>| beat.into_iter().flat_map(|limb| <[u32; 2]>::from(halves(limb)));
        let beats: Vec<u32> =
            stream.beats(ring.port_cols).flat_map(|beat| words(beat).take(n_words)).collect();
        let slots = &stream.slots;
        let source = Source { valid: valid?, ready: ready?, data, beats: &beats, slots };
        self.model.set_source(Some(&source));
        Ok(())
    }

    fn load_word(
        &mut self,
        target: LoadTarget,
        index: usize,
        addr: usize,
        limbs: &[u64],
    ) -> Result<(), Error> {
        let [enable, target_port, index_port, addr_port, data_port] = self.ports.load;
        let mut words = vec![0; self.model.port_info(data_port).n_words()];
        for (pair, limb) in words.chunks_mut(2).zip(limbs) {
            let (low, high) = halves(*limb);
            pair[0] = low;
            if let Some(word) = pair.get_mut(1) {
                *word = high;
            }
        }
        self.model.set(enable, 1);
        self.model.set(target_port, target as u64);
        self.model.set(index_port, index as u64);
        self.model.set(addr_port, addr as u64);
        self.model.poke(data_port, &words);
        self.model.tick()
    }

    /// Runs one image of 1 to 3 bytes a pixel, in `[y][x][channel]` order.
    ///
    /// # Errors
    /// [`Error::NoProgram`]; [`Error::Image`] for a wrong number of bytes; [`Error::Halted`] for a
    /// program that the design refuses; [`Error::Hang`] if no class is sent in time; [`Error::Stopped`].
    pub fn run(&mut self, image: &[u8]) -> Result<Execution, Error> {
        let (limit, event) = (self.cycle_limit, self.ports.event);
        let execution = self.run_in_chunks(image, limit, event, |_, _| true)?;
        Ok(execution.expect("bug: it was to go on"))
    }

    /// Runs one image as [`Accelerator::run`] does, and looks at the output port only: tensors are
    /// not seen, nor are cycles.
    ///
    /// # Errors
    /// As [`Accelerator::run`].
    pub fn run_logits(&mut self, image: &[u8]) -> Result<Execution, Error> {
        let (limit, valid) = (self.cycle_limit, self.ports.out_valid);
        let execution = self.run_in_chunks(image, limit, valid, |_, _| true)?;
        let Execution { logits, class, .. } = execution.expect("bug: it was to go on");
        Ok(Execution { logits, class, ..Execution::default() })
    }

    /// Like [`Accelerator::run`], but asks now and then whether to `go_on`, with what there is so far
    /// and the number of layers that are complete; returns `None` if not. The accelerator is then
    /// of no use until it is reset.
    ///
    /// # Errors
    /// As [`Accelerator::run`].
    pub fn run_while(
        &mut self,
        image: &[u8],
        go_on: impl FnMut(&Execution, usize) -> bool,
    ) -> Result<Option<Execution>, Error> {
        self.run_in_chunks(image, CHUNK, self.ports.event, go_on)
    }

    /// Looks at the ports in the cycles in which `strobe` is 1.
    fn run_in_chunks(
        &mut self,
        image: &[u8],
        chunk: u64,
        strobe: PortId,
        mut go_on: impl FnMut(&Execution, usize) -> bool,
    ) -> Result<Option<Execution>, Error> {
        let program = Arc::clone(self.program.as_ref().ok_or(Error::NoProgram)?);
        self.send_image(image, &program, &mut || false)?;
        self.model.set(self.ports.out_ready, 1);
        let mut records = Vec::new();
        let mut collector = Collector::new(&program, &self.ports, self.loaded);
        let mut cycles = 0;
        while cycles < self.cycle_limit {
            records.clear();
            let end = self.model.run_recorded(
                chunk.min(self.cycle_limit - cycles),
                &[strobe],
                &self.ports.watched,
                Some(self.ports.out_last),
                &mut records,
            )?;
            cycles += end.cycles;
            for record in records.chunks_exact(self.ports.record_words) {
                collector.record(record, true);
            }
            if end.is_stopped {
                // The edge that accepts the last beat.
                self.model.tick()?;
                return collector.checked().map(Some);
            }
            if !go_on(&collector.execution, collector.result_layer.min(program.layers.len())) {
                return Ok(None);
            }
        }
        Err(self.no_result(cycles, collector.layer))
    }

    /// Runs one image as [`Accelerator::run`] does, but the host stalls: before a pixel is
    /// offered, and in every cycle in which a result could be taken, `stall` says whether it
    /// waits. Results and the cycles of the layers must not depend on it.
    ///
    /// # Errors
    /// As [`Accelerator::run`].
    pub fn run_stalled(
        &mut self,
        image: &[u8],
        mut stall: impl FnMut() -> bool,
    ) -> Result<Execution, Error> {
        let program = Arc::clone(self.program.as_ref().ok_or(Error::NoProgram)?);
        self.send_image(image, &program, &mut stall)?;
        let mut collector = Collector::new(&program, &self.ports, self.loaded);
        let mut record = vec![0; self.ports.record_words];
        for _ in 0..self.cycle_limit {
            let ready = !stall();
            self.model.set(self.ports.out_ready, ready.into());
            self.model.eval()?;
            let last = self.model.get(self.ports.out_last) == 1;
            // The design's own word for an accepted beat does not count.
            let taken = ready && self.model.get(self.ports.out_valid) == 1;
            if taken || self.model.get(self.ports.event) == 1 {
                let (low, high) = halves(self.model.cycle());
                record[..2].copy_from_slice(&[low, high]);
                for (&port, &offset) in self.ports.watched.iter().zip(&self.ports.offsets) {
                    let n_words = self.model.port_info(port).n_words();
                    self.model.peek(port, &mut record[offset..offset + n_words]);
                }
                collector.record(&record, ready);
            }
            self.model.tick()?;
            if taken && last {
                return collector.checked();
            }
        }
        Err(self.no_result(self.cycle_limit, collector.layer))
    }

    /// Why no class was sent.
    fn no_result(&self, cycles: u64, layer: usize) -> Error {
        if self.model.get(self.ports.error) == 1 {
            Error::Halted { layer }
        } else {
            Error::Hang { cycles, layer }
        }
    }

    fn send_image(
        &mut self,
        image: &[u8],
        program: &Program,
        stall: &mut dyn FnMut() -> bool,
    ) -> Result<(), Error> {
        let header = &program.header;
        let pixels = usize::from(header.image_height) * usize::from(header.image_width);
        let channels = image.len() / pixels;
        if image.len() != pixels * channels || !(1..=IMAGE_CHANNELS).contains(&channels) {
            return Err(Error::Image { bytes: image.len(), pixels });
        }
        let [valid, data, ready] = self.ports.image;
        let mut waited = 0;
        for pixel in image.chunks_exact(channels) {
            let word = pixel.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
            while stall() {
                self.model.set(valid, 0);
                self.model.tick()?;
            }
            self.model.set(valid, 1);
            self.model.set(data, word);
            self.model.eval()?;
            while self.model.get(ready) == 0 {
                self.model.tick()?;
                waited += 1;
                if waited > self.cycle_limit {
                    return Err(self.no_result(waited, 0));
                }
            }
            self.model.tick()?;
        }
        self.model.set(valid, 0);
        Ok(())
    }
}

/// What a program streams, if it streams any weights.
fn stream_of(program: &Program) -> Option<&WeightStream> {
    program.weight_stream.as_ref().filter(|stream| !stream.is_empty())
}

/// The most cycles that the source needs for the weights of an image.
fn longest(stream: &WeightStream, program: &Program) -> u64 {
    let beats = (stream.columns[0].len() * program.array.cols) as u64;
    let pattern = &stream.slots.pattern;
    let slots = pattern.iter().filter(|&&slot| slot).count() as u64;
    stream.slots.latency + (beats.div_ceil(slots) + 1) * pattern.len() as u64
}

/// Turns records into an [`Execution`].
struct Collector<'a> {
    program: &'a Program,
    ports: &'a Ports,
    /// The first cycle after the program was loaded.
    loaded: u64,
    execution: Execution,
    /// Layer whose steps were issued at the last record.
    layer: usize,
    /// Layer whose results were written.
    result_layer: usize,
    state: u32,
    /// Cycle in which the current layer, or `Send`, began.
    began: u64,
    /// Column tiles that this layer has pooled.
    pooled_tiles: usize,
    /// Cycle in which the last pixel was written.
    pixel_cycle: u64,
    /// In which cycles pixels are to be shown.
    pixels: Pixels,
    /// The first thing that the monitor shows in a wrong cycle.
    late: Option<Error>,
}

impl<'a> Collector<'a> {
    fn new(program: &'a Program, ports: &'a Ports, loaded: u64) -> Self {
        let unseen = |layer| {
            let mut output = LayerOutput::for_layer(layer, program.array.cols);
            for tensor in [
                &mut output.sums,
                &mut output.shortcut,
                &mut output.stream,
                &mut output.logits,
                &mut output.value,
            ] {
                tensor.fill(UNSEEN);
            }
            output
        };
        let execution = Execution {
            layers: program.layers.iter().map(unseen).collect(),
            ..Execution::default()
        };
        Self {
            program,
            ports,
            loaded,
            execution,
            layer: 0,
            result_layer: 0,
            state: 0,
            began: 0,
            pooled_tiles: 0,
            pixel_cycle: 0,
            pixels: Pixels::default(),
            late: None,
        }
    }

    /// What there is, unless something of it came in a wrong cycle.
    fn checked(self) -> Result<Execution, Error> {
        self.late.map_or(Ok(self.execution), Err)
    }

    /// Takes the ports of one cycle, in which the host was ready for a result or not.
    fn record(&mut self, record: &[u32], ready: bool) {
        let cycle = u64::from(record[0]) | u64::from(record[1]) << 32;
        let port = |watched: Watched| &record[self.ports.offsets[watched as usize]..];
        let flag = |watched| port(watched)[0] & 1 == 1;
        let index = |watched: Watched| port(watched)[0] as usize;
        let (state, layer) = (port(Watched::State)[0], index(Watched::Layer));
        let (valid, pool_valid) = (flag(Watched::Valid), flag(Watched::PoolValid));
        let (out_valid, out_last) = (flag(Watched::OutValid), flag(Watched::OutLast));
        if state != self.state {
            if self.state == GAP {
                self.execution.layer_cycles.push(cycle - self.began);
            }
            if self.state == GAP || state == FETCH {
                self.began = cycle;
            }
            if state == FETCH && stream_of(self.program).is_some() {
                self.execution.start = cycle - self.loaded;
            }
            if state == RUN {
                self.check_layer(layer);
                self.pixels.run(self.execution.layer_cycles.len(), cycle);
            }
            self.state = state;
        }
        self.layer = layer;
        // The array may be on the next layer already.
        let result_layer = index(Watched::ResultLayer);
        if result_layer != self.result_layer {
            (self.result_layer, self.pooled_tiles) = (result_layer, 0);
        }
        if valid {
            self.pixel_cycle = cycle;
            self.check_pixel_cycle(record, result_layer, cycle);
            self.pixel(record, result_layer);
        }
        if pool_valid {
            self.check_pool_cycle(result_layer, cycle);
            self.pool(record, result_layer);
        }
        if out_valid && ready {
            let data = record[self.ports.offsets[Watched::OutData as usize]];
            if out_last {
                self.execution.class = data as usize;
                self.execution.send_cycles = cycle + 1 - self.began;
            } else {
                self.execution.logits.push(data.cast_signed());
            }
        }
    }

    /// Copies the results of one pixel, unless the design names one that does not exist: the
    /// element that it should have been then stays unseen.
    fn pixel(&mut self, record: &[u32], layer: usize) {
        let port = |watched: Watched| &record[self.ports.offsets[watched as usize]..];
        let (y, x) = (port(Watched::Y)[0] as usize, port(Watched::X)[0] as usize);
        let array = &self.program.array;
        let column = port(Watched::Ct)[0] as usize * array.cols;
        let Some(output) = self.execution.layers.get_mut(layer) else { return };
        if y >= output.height || x >= output.width || column >= output.columns {
            return;
        }
        let base = (y * output.width + x) * output.columns + column;
        let sum_bits = array.acc_bits as usize + 1;
        for col in 0..array.cols {
            output.sums[base + col] = field(port(Watched::Sum), col, sum_bits);
            output.shortcut[base + col] = field(port(Watched::Shortcut), col, 16);
            output.stream[base + col] = field(port(Watched::Stream), col, 16);
            output.logits[base + col] = field(port(Watched::Logit), col, 32);
            output.value[base + col] = field(port(Watched::Value), col, 16);
            output.bits[base + col] = field(port(Watched::Bit), col, 1) != 0;
        }
        // Only layers that write levels have any, and only extended hardware shows them.
        for (col, level) in output.levels.iter_mut().skip(base).take(array.cols).enumerate() {
            *level = field(port(Watched::Level), col, 8).to_le_bytes()[0];
        }
    }

    /// Section 5.3: the copy, `level_shift` shifts, then the planes.
    fn check_pool_cycle(&mut self, layer: usize, cycle: u64) {
        let Some(descriptor) = self.program.layers.get(layer) else { return };
        let (expected, actual) = (u64::from(descriptor.level_shift) + 2, cycle - self.pixel_cycle);
        if actual != expected && self.late.is_none() {
            self.late = Some(Error::PoolCycle { layer, expected, actual });
        }
    }

    /// Layers run in order.
    fn check_layer(&mut self, shown: usize) {
        let expected = self.execution.layer_cycles.len();
        if shown != expected && self.late.is_none() {
            self.late = Some(Error::LayerNumber { expected, shown });
        }
    }

    /// Sections 5.2 and 5.3: each pixel has its cycle.
    fn check_pixel_cycle(&mut self, record: &[u32], layer: usize, cycle: u64) {
        let place = [Watched::Ct, Watched::Y, Watched::X]
            .map(|watched| u64::from(record[self.ports.offsets[watched as usize]]));
        let program = self.program;
        let Some(descriptor) = program.layers.get(layer) else { return };
        let late = self.pixels.shown(&program.array, (layer, descriptor), place, cycle);
        if let (None, Some(Late { layer, place, expected, actual })) = (&self.late, late) {
            self.late = Some(Error::PixelCycle { layer, place, expected, actual });
        }
    }

    fn pool(&mut self, record: &[u32], layer: usize) {
        let port = |watched: Watched| &record[self.ports.offsets[watched as usize]..];
        let cols = self.program.array.cols;
        // Column tiles are pooled in order.
        let base = self.pooled_tiles * cols;
        self.pooled_tiles += 1;
        let Some(output) = self.execution.layers.get_mut(layer) else { return };
        for (col, pooled) in output.pooled.iter_mut().skip(base).take(cols).enumerate() {
            *pooled = field(port(Watched::Pool), col, 8).to_le_bytes()[0];
        }
    }
}

/// Reads signed field `index` of `bits` bits, least significant first.
fn field(words: &[u32], index: usize, bits: usize) -> i32 {
    let low = index * bits;
    let pair = |word: usize| u64::from(words.get(word).copied().unwrap_or(0));
    let raw = (pair(low / 32) | pair(low / 32 + 1) << 32) >> (low % 32);
    let shifted = halves(raw << (64 - bits)).1.cast_signed();
    // The field now fills the upper bits of 64; an arithmetic shift restores it.
    if bits >= 32 { shifted } else { shifted >> (32 - bits) }
}

pub(crate) fn halves(limb: u64) -> (u32, u32) {
    let word = |limb: u64| u32::try_from(limb & u64::from(u32::MAX)).expect("bug: 32 bits");
    (word(limb), word(limb >> 32))
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_are_signed_and_cross_words() {
        let words = [0x8000_0001, 0xffff_7fff, 0x1];
        assert_eq!(field(&words, 0, 16), 1);
        assert_eq!(field(&words, 1, 16), -32_768);
        assert_eq!(field(&words, 2, 16), 0x7fff);
        assert_eq!(field(&words, 1, 32), 0xffff_7fffu32.cast_signed());
        // 21-bit fields: the second one begins at bit 21 and ends at bit 41.
        assert_eq!(field(&[1 << 21, 0], 1, 21), 1);
        assert_eq!(field(&[0, 1 << 9], 1, 21), -(1 << 20));
    }
}
