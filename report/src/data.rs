//! What a report is made of: plain data, with the origin of every figure.
//!
//! Cycles are rising edges of the array clock, of one image. `None` is what was not measured.

use serde::Serialize;

/// Where a figure is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The checkpoint in real arithmetic.
    Float,
    /// The checkpoint, evaluated on the deployed grid by the trainer.
    Snapped,
    /// The integer network, by its interpreter or by its structure.
    Network,
    /// The cycle model, the memory layout, or the resource model.
    Predicted,
    /// The simulator.
    Simulator,
    /// The Verilog under Verilator.
    Rtl,
    /// Synthesis, placement and routing.
    PlaceAndRoute,
    /// A board.
    Board,
}

impl Origin {
    /// All, from the trained network to the board.
    pub const ALL: [Self; 8] = [
        Self::Float,
        Self::Snapped,
        Self::Network,
        Self::Predicted,
        Self::Simulator,
        Self::Rtl,
        Self::PlaceAndRoute,
        Self::Board,
    ];

    /// The label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Snapped => "snapped",
            Self::Network => "network",
            Self::Predicted => "predicted",
            Self::Simulator => "simulator",
            Self::Rtl => "RTL",
            Self::PlaceAndRoute => "place-and-route",
            Self::Board => "board",
        }
    }

    /// What the label means.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Float => "measured on the checkpoint in real arithmetic",
            Self::Snapped => "measured on the checkpoint, on the deployed grid, by the trainer",
            Self::Network => {
                "of the integer network, which is normative: its structure or its interpreter"
            }
            Self::Predicted => {
                "computed by the cycle model, the memory layout or the resource model; not measured"
            }
            Self::Simulator => "measured by the cycle-exact simulator",
            Self::Rtl => {
                "measured on the emitted Verilog under a simulator, Verilator but for `icarus`"
            }
            Self::PlaceAndRoute => "measured by synthesis, placement and routing",
            Self::Board => "measured on a board",
        }
    }
}

/// Everything that a page says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Version of the program that made it.
    pub version: String,
    /// What was compiled.
    pub network: Network,
    /// For what.
    pub array: Array,
    /// The layers in the order in which they run.
    pub layers: Vec<Layer>,
    /// Sending the result.
    pub send: Cycles,
    /// The whole image.
    pub total: Cycles,
    /// Rungs of the ladder from the float network to the RTL, and what each showed.
    pub rungs: Vec<Rung>,
    /// What a user demanded of the rungs.
    pub bounds: Vec<Bound>,
    /// The first differences, in words.
    pub differences: Vec<String>,
    /// The memories.
    pub memories: Vec<Memory>,
    /// What the activation and the stream memory hold, over the layers.
    pub maps: Vec<MemoryMap>,
    /// The port through which weights are streamed.
    pub weight_port: Option<WeightPort>,
    /// The FPGA that it was compiled for.
    pub fpga: Option<Fpga>,
    /// What place-and-route made of it.
    pub placed: Option<Placed>,
    /// What else a reader has to know.
    pub notes: Vec<String>,
}

/// The network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Network {
    /// Architecture.
    pub arch: String,
    /// Binary multiply-accumulates of an image.
    pub binary_macs: u64,
    /// Classes.
    pub classes: usize,
    /// What its file says of where it is from.
    pub provenance: Vec<(String, String)>,
}

/// The array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Array {
    /// Output pixels of a tile.
    pub rows: usize,
    /// Output channels of a tile.
    pub cols: usize,
    /// XNOR bits of a processing element.
    pub lanes: usize,
    /// Bits of an accumulator.
    pub acc_bits: u32,
}

impl Array {
    /// Bipolar products of a cycle in which all lanes work.
    pub fn peak(&self) -> u64 {
        (self.rows * self.cols * self.lanes) as u64
    }

    /// Operand bits that enter the array in a cycle: a word for each row and for each column.
    pub fn operand_bits(&self) -> u64 {
        ((self.rows + self.cols) * self.lanes) as u64
    }
}

/// One count of cycles, by origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cycles {
    /// By the cycle model.
    pub predicted: u64,
    /// In the simulator.
    pub sim: Option<u64>,
    /// In the Verilog.
    pub rtl: Option<u64>,
}

/// Where the predicted cycles of a layer go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// Steps of the array.
    pub compute: u64,
    /// Steps that wait for streamed weights.
    pub wait: u64,
    /// Between tiles, until one is drained.
    pub stall: u64,
    /// Filling and draining at the ends of the layer and of its column tiles.
    pub drain: u64,
    /// Reading the first descriptor.
    pub fetch: u64,
}

impl Parts {
    /// Names and counts, in the order in which they are drawn.
    pub fn named(&self) -> [(&'static str, u64); 5] {
        [
            ("compute", self.compute),
            ("wait", self.wait),
            ("stall", self.stall),
            ("drain", self.drain),
            ("fetch", self.fetch),
        ]
    }
}

/// What a layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The image.
    Image,
    /// What another layer wrote.
    Layer(usize),
}

/// A stream that joins a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shortcut {
    /// The layer that wrote it.
    pub from: usize,
    /// What becomes of it on the way.
    pub kind: &'static str,
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// `stem`, `binary`, `real`, `head` or `pass`.
    pub kind: &'static str,
    /// Rows, columns and channels of the output.
    pub shape: [usize; 3],
    /// What the convolution reads; `None` of a pass.
    pub source: Option<Source>,
    /// The stream that joins it.
    pub shortcut: Option<Shortcut>,
    /// Bipolar products: multiply-accumulates times the bits of both operands.
    pub bit_products: u64,
    /// Cycles until the next layer begins.
    pub cycles: Cycles,
    /// Where the predicted ones go.
    pub parts: Parts,
    /// Share of the array's peak, over the predicted cycles.
    pub utilisation: f64,
    /// Bits of weights that come through the weight port; 0 if they are resident.
    pub streamed_bits: u64,
    /// Bands that it runs in; 1 if it runs as a whole.
    pub bands: usize,
}

/// What one engine showed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rung {
    /// Its name in `heartbit verify`.
    pub name: &'static str,
    /// Where its figures are from.
    pub origin: Origin,
    /// What it showed; `None` if it did not run.
    pub result: Option<RungResult>,
    /// The command that measures it.
    pub command: String,
}

/// The figures of a rung.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RungResult {
    /// The command that measured it.
    pub by: String,
    /// Images.
    pub images: u64,
    /// Images that are classified correctly.
    pub correct: u64,
    /// Images that the integer network gives another class; `None` if that was not counted.
    pub other_class: Option<u64>,
    /// What was compared with the integer network: a number and its unit.
    pub compared: Option<(u64, &'static str)>,
    /// How many of them differ.
    pub differing: u64,
    /// Whether every layer of every image took the predicted cycles.
    pub cycles_agree: Option<bool>,
}

impl RungResult {
    /// Whether nothing differs; `None` where nothing was compared.
    pub fn passed(&self) -> Option<bool> {
        let compared = self.compared.map(|_| self.differing == 0);
        match (compared, self.cycles_agree) {
            (None, None) => None,
            (values, cycles) => Some(values != Some(false) && cycles != Some(false)),
        }
    }
}

/// A bound that a user set on a figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bound {
    /// The command that was given it.
    pub by: String,
    /// Rung and figure, as `network.accuracy`.
    pub name: String,
    /// The figure and its bound, in words.
    pub detail: String,
    /// Whether it holds.
    pub passed: bool,
}

/// A memory of the accelerator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// Its name.
    pub name: &'static str,
    /// Banks or columns.
    pub banks: u64,
    /// Bits of a word of one of them.
    pub word_bits: u64,
    /// Words that it has.
    pub words: u64,
    /// Words that the program uses.
    pub used: u64,
}

impl Memory {
    /// All bits.
    pub fn bits(&self) -> u64 {
        self.banks * self.word_bits * self.words
    }
}

/// What a memory holds while the layers run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MemoryMap {
    /// The memory.
    pub name: &'static str,
    /// Words of a bank.
    pub words: u64,
    /// Names of the steps of the program: its layers, those in bands once a band.
    pub steps: Vec<String>,
    /// What lies where.
    pub regions: Vec<Region>,
    /// Words in use in each step.
    pub live: Vec<u64>,
}

/// A part of a memory that holds the result of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Region {
    /// The step that writes it, and the last one that reads it.
    pub steps: [usize; 2],
    /// First word.
    pub base: u64,
    /// Words.
    pub words: u64,
}

/// The weight port, as the cycles are predicted for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WeightPort {
    /// Bits that it brings a cycle in the mean.
    pub bits_per_cycle: f64,
}

/// An FPGA with its limits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fpga {
    /// The board or the family.
    pub name: String,
    /// The family.
    pub family: String,
    /// The clock that is assumed.
    pub clock_mhz: f64,
    /// What is taken of it.
    pub resources: Vec<Resource>,
    /// How far the estimates are from synthesis, in a sentence.
    pub note: String,
    /// The largest parts of it: module, instances, tables, flip-flops.
    pub modules: Vec<Module>,
}

/// What is taken of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// The resource in its unit.
    pub name: String,
    /// By the resource model.
    pub estimated: u64,
    /// What may be taken.
    pub limit: Option<u64>,
}

/// A design on the pins of a board, placed and routed: the array, its link, the PLL.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Placed {
    /// The board.
    pub board: String,
    /// Its FPGA.
    pub device: String,
    /// Seed of the placer.
    pub seed: u32,
    /// What is taken of it.
    pub resources: Vec<PlacedResource>,
    /// How fast it is.
    pub clocks: Vec<PlacedClock>,
    /// The slowest path, in words.
    pub slowest: Option<String>,
    /// Name of the bitstream, which there is where timing is met.
    pub bitstream: Option<String>,
    /// Versions of the tools.
    pub tools: Vec<String>,
}

impl Placed {
    /// The clocks that are slower than was asked.
    pub fn missed(&self) -> impl Iterator<Item = &PlacedClock> {
        self.clocks.iter().filter(|clock| !clock.met())
    }

    /// The clock with the smallest margin.
    pub fn tightest(&self) -> Option<&PlacedClock> {
        let margin = |clock: &&PlacedClock| clock.reached_mhz / clock.asked_mhz;
        self.clocks.iter().min_by(|a, b| margin(a).total_cmp(&margin(b)))
    }
}

/// What a placed design takes of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlacedResource {
    /// The resource.
    pub name: String,
    /// The cell, as the tool names it.
    pub cell: String,
    /// Cells of the array alone, by the resource model; `None` of a family that has none.
    pub estimated: Option<u64>,
    /// Cells that are taken.
    pub used: u64,
    /// Cells that the device has; 0 where the tool does not count them.
    pub available: u64,
}

/// A clock of a placed design.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlacedClock {
    /// Its net.
    pub name: String,
    /// The highest frequency, in MHz.
    pub reached_mhz: f64,
    /// The frequency that was asked for, in MHz.
    pub asked_mhz: f64,
}

impl PlacedClock {
    /// Whether it is as fast as was asked.
    pub fn met(&self) -> bool {
        self.reached_mhz >= self.asked_mhz
    }
}

/// What all instances of a module take, by the resource model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Module {
    /// Its name in the Verilog.
    pub name: String,
    /// Instances.
    pub instances: u64,
    /// Tables.
    pub lut: f64,
    /// Flip-flops.
    pub ff: f64,
}
