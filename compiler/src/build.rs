//! The build directory: what `compile` writes, and what `sim`, `cosim` and a board load.
//!
//! | file | contents |
//! |---|---|
//! | `network.hbn` | the network |
//! | `program.json` | array, memory depths, and for each layer its name, shape and cycles |
//! | `mem/program.hex`, `mem/steps_N.hex` | one 32-bit word a line; steps of lane group N |
//! | `mem/weights_NNN.hex`, `mem/parameters_NNN.hex` | column NNN, one word a line; of the weights those that are resident, from the end of the weight ring on |
//! | `mem/weight_stream_NNN.hex` | with a weight ring: the words that column NNN gets through the weight port, in the order of an image |
//! | `rtl/*.v` | the Verilog, from the caller |
//! | `host/*` | what a host needs of an accelerator behind AXI, from the caller |
//!
//! All hexadecimal, most significant digit first, as `$readmemh` reads it. A build is written to
//! a temporary directory beside its name and renamed.
//!
//! Not here: what the numbers mean.

mod stream;

use crate::plan::bands::{Bands, Sequence};
use crate::plan::{self, Plan};
use crate::predict::{LayerCycles, predict};
use crate::schedule::{Compiled, describe_flags, stem_offsets};
use heartbit_ir::file::FileError;
use heartbit_ir::network::Network;
use heartbit_ir::program::{
    ArrayConfig, DESCRIPTOR_WORDS, HEADER_WORDS, Header, LaneMemory, LayerDescriptor, MemoryDepths,
    Parameter, PortSlots, Program, WeightStream,
};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Version of `program.json`.
const SCHEMA: u32 = 1;
/// Files of resident weights, one a column.
const WEIGHTS: &str = "weights";
/// Files of streamed weights.
const WEIGHT_STREAM: &str = "weight_stream";
/// Files of parameters.
const PARAMETERS: &str = "parameters";
/// Largest memory image that is read.
const MAX_WORDS: usize = 1 << 16;

/// A build that was read back.
#[derive(Debug)]
pub struct Build {
    /// The network.
    pub network: Network,
    /// Plan and program, the program as the memory images say.
    pub compiled: Compiled,
}

/// Why a build cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The operating system refused.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The directory exists and is something else.
    #[error("`{path}` exists and is not a build; choose another directory or remove it")]
    NotABuild {
        /// The directory.
        path: PathBuf,
    },
    /// The network file.
    #[error("in `{path}`")]
    Network {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: FileError,
    },
    /// The network has no plan.
    #[error(transparent)]
    Plan(#[from] plan::PlanError),
    /// A file does not hold what this version writes.
    #[error("`{path}`: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// `program.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgramFile {
    schema: u32,
    array: ArrayConfig,
    depths: MemoryDepths,
    /// When beats are expected at the weight port, for which cycles are predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight_slots: Option<PortSlots>,
    predicted_cycles: u64,
    /// Layers that run in bands, which are in `layers` once a band.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bands: Option<Bands>,
    layers: Vec<LayerEntry>,
}

/// A layer in `program.json`, for people; the machine reads `mem/program.hex`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerEntry {
    name: String,
    kind: String,
    output: [u16; 3],
    steps: u16,
    predicted_cycles: u64,
    #[serde(default)]
    notes: Vec<String>,
}

/// Writes a build with more files in it, named relative to it, whole or not at all. An existing
/// build is replaced.
///
/// # Errors
/// [`BuildError`]; nothing half-written is left behind.
pub fn write(
    path: &Path,
    network: &Network,
    compiled: &Compiled,
    more: &[(String, Vec<u8>)],
) -> Result<(), BuildError> {
    if path.exists() && !path.join("program.json").exists() {
        let empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        if !empty {
            return Err(BuildError::NotABuild { path: path.to_owned() });
        }
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let result = write_into(&temporary, network, compiled, more).and_then(|()| {
        if path.exists() {
            fs::remove_dir_all(path).map_err(io("replace", path))?;
        }
        fs::rename(&temporary, path).map_err(io("write", path))
    });
    if result.is_err() {
        // The first error is the one to report; the directory may not even exist.
        drop(fs::remove_dir_all(&temporary));
    }
    result
}

fn write_into(
    path: &Path,
    network: &Network,
    compiled: &Compiled,
    more: &[(String, Vec<u8>)],
) -> Result<(), BuildError> {
    let mem = path.join("mem");
    fs::create_dir_all(&mem).map_err(io("create", path))?;
    let save = |file: PathBuf, text: &str| fs::write(&file, text).map_err(io("write", &file));
    let network_path = path.join("network.hbn");
    network
        .write(&network_path)
        .map_err(|source| BuildError::Network { path: network_path, source })?;
    let json = serde_json::to_string_pretty(&describe(network, compiled)).expect("bug: plain data");
    save(path.join("program.json"), &(json + "\n"))?;
    let program = &compiled.program;
    save(mem.join("program.hex"), &words(program.encode()))?;
    for (group, steps) in program.steps.iter().enumerate() {
        save(mem.join(format!("steps_{group}.hex")), &words(steps.iter().copied()))?;
    }
    let streamed = program.weight_stream.as_ref().map_or(&[][..], |stream| &stream.columns);
    for (name, columns) in [(WEIGHTS, &program.weights[..]), (WEIGHT_STREAM, streamed)] {
        for (col, weights) in columns.iter().enumerate() {
            let text = lane_words(weights, program.array.lanes);
            save(column_path(&mem, name, col), &text)?;
        }
    }
    for (col, parameters) in program.parameters.iter().enumerate() {
        let bits = program.array.parameter_bits();
        let text = hex_words(parameters.iter().map(|p| p.encode_bits(bits)), bits);
        save(column_path(&mem, PARAMETERS, col), &text)?;
    }
    for (name, contents) in more {
        let file = path.join(name);
        let directory = file.parent().expect("bug: it is in the build");
        fs::create_dir_all(directory).map_err(io("create", directory))?;
        fs::write(&file, contents).map_err(io("write", &file))?;
    }
    Ok(())
}

fn describe(network: &Network, compiled: &Compiled) -> ProgramFile {
    let program = &compiled.program;
    let prediction = predict(program);
    let (plan, sequence) = (&compiled.plan, &compiled.sequence);
    let entry = |(index, (d, cycles)): (usize, (&LayerDescriptor, &LayerCycles))| {
        let layer = &plan.layers[sequence.layers[index].layer];
        LayerEntry {
            name: sequence.name(plan, index),
            kind: plan.kind(network, layer).to_owned(),
            output: [
                d.out_height,
                d.out_width,
                u16::try_from(layer.out_order.len()).expect("bug: checked by validation"),
            ],
            steps: d.steps,
            predicted_cycles: cycles.total().0,
            notes: describe_flags(&d.flags).into_iter().map(str::to_owned).collect(),
        }
    };
    let layers = program.layers.iter().zip(&prediction.layers).enumerate().map(entry).collect();
    ProgramFile {
        schema: SCHEMA,
        array: program.array,
        depths: program.depths,
        weight_slots: program.weight_stream.as_ref().map(|stream| stream.slots.clone()),
        predicted_cycles: prediction.total().0,
        bands: sequence.bands,
        layers,
    }
}

/// Reads a build; the program comes from its memory images.
///
/// # Errors
/// [`BuildError`], naming the file and what is wrong with it.
pub fn read(path: &Path) -> Result<Build, BuildError> {
    let network_path = path.join("network.hbn");
    let network = Network::read(&network_path)
        .map_err(|source| BuildError::Network { path: network_path, source })?;
    let plan = plan::plan(&network)?;
    let json_path = path.join("program.json");
    let json = fs::read_to_string(&json_path).map_err(io("read", &json_path))?;
    let file: ProgramFile = serde_json::from_str(&json).map_err(malformed(&json_path))?;
    if file.schema != SCHEMA {
        let reason = format!("schema {}, but this program reads {SCHEMA}", file.schema);
        return Err(malformed(&json_path)(reason));
    }
    if !sane(&file.array) {
        return Err(malformed(&json_path)("the array is not one that `compile` writes"));
    }
    let sequence = sequence(&network, &plan, file.bands).map_err(malformed(&json_path))?;
    let port = stream::port(&file).map_err(|reason| malformed(&json_path)(reason))?;
    let mem = path.join("mem");
    let program_path = mem.join("program.hex");
    let (header, layers) = read_program(&program_path, sequence.layers.len())?;
    let streamed = stream::words(&layers, port.as_ref().map(|(ring, _)| ring))
        .map_err(|reason| malformed(&program_path)(reason))?;
    let steps = (0..file.array.taps)
        .map(|group| {
            let words = read_hex(&mem.join(format!("steps_{group}.hex")), 32, MAX_WORDS)?;
            Ok(words.iter().map(|limbs| low_word(limbs)).collect())
        })
        .collect::<Result<_, BuildError>>()?;
    let weights = read_columns(&mem, WEIGHTS, &file.array, MAX_WORDS)?;
    let weight_stream =
        port.map(|(_, slots)| read_stream(&mem, &file.array, streamed, slots)).transpose()?;
    let parameters = (0..file.array.cols)
        .map(|col| {
            let bits = file.array.parameter_bits();
            let words = read_hex(&column_path(&mem, PARAMETERS, col), bits, MAX_WORDS)?;
            Ok(words.iter().map(|limbs| parameter(limbs)).collect())
        })
        .collect::<Result<_, BuildError>>()?;
    let program = Program {
        array: file.array,
        depths: file.depths,
        header,
        layers,
        steps,
        weights,
        weight_stream,
        parameters,
    };
    program.validate().map_err(malformed(&program_path))?;
    let stem = stem_offsets(&network, &plan, &program.array);
    Ok(Build { network, compiled: Compiled { plan, sequence, program, stem } })
}

fn sequence(network: &Network, plan: &Plan, bands: Option<Bands>) -> Result<Sequence, String> {
    let Some(bands) = bands else { return Ok(Sequence::whole(plan)) };
    Sequence::in_bands(network, plan, bands).ok_or_else(|| {
        let Bands { first, last, height } = bands;
        format!("layers {first} to {last} cannot run in bands of {height} rows")
    })
}

fn sane(array: &ArrayConfig) -> bool {
    (1..=256).contains(&array.rows)
        && (1..=256).contains(&array.cols)
        && (4..=1024).contains(&array.lanes)
        && (1..=32).contains(&array.acc_bits)
        && matches!(array.taps, 1 | 2 | 4)
        && matches!(array.lines, 1 | 2 | 4)
        && array.rows.is_multiple_of(array.lines)
        && array.divides_into(array.taps)
}

fn read_program(
    path: &Path,
    n_layers: usize,
) -> Result<(Header, Vec<LayerDescriptor>), BuildError> {
    let words: Vec<u32> =
        read_hex(path, 32, MAX_WORDS)?.iter().map(|limbs| low_word(limbs)).collect();
    let expected = HEADER_WORDS + DESCRIPTOR_WORDS * n_layers;
    if words.len() != expected {
        let reason = format!("{} words, but {n_layers} layers take {expected}", words.len());
        return Err(malformed(path)(reason));
    }
    let (header, descriptors) = words.split_at(HEADER_WORDS);
    let layers = descriptors.as_chunks().0.iter().map(|d| LayerDescriptor::decode(*d)).collect();
    Ok((Header::decode([header[0], header[1]]), layers))
}

/// Reads so many words that are streamed to each column.
fn read_stream(
    mem: &Path,
    array: &ArrayConfig,
    n_words: usize,
    slots: &PortSlots,
) -> Result<WeightStream, BuildError> {
    let columns = read_columns(mem, WEIGHT_STREAM, array, n_words)?;
    if let Some(col) = columns.iter().position(|column| column.len() != n_words) {
        let reason = format!("{} words, but the layers take {n_words}", columns[col].len());
        return Err(malformed(&column_path(mem, WEIGHT_STREAM, col))(reason));
    }
    Ok(WeightStream { columns, slots: slots.clone() })
}

/// Reads the weight words of every column, not more than so many.
fn read_columns(
    mem: &Path,
    name: &str,
    array: &ArrayConfig,
    most: usize,
) -> Result<Vec<LaneMemory>, BuildError> {
    let column = |col| read_lanes(&column_path(mem, name, col), array.lanes, most);
    (0..array.cols).map(column).collect()
}

/// The file of the words of a column.
fn column_path(mem: &Path, name: &str, col: usize) -> PathBuf {
    mem.join(format!("{name}_{col:03}.hex"))
}

fn read_lanes(path: &Path, lanes: usize, most: usize) -> Result<LaneMemory, BuildError> {
    let words = read_hex(path, lanes, most)?;
    let mut memory = LaneMemory::ones(lanes, words.len());
    for (index, limbs) in words.iter().enumerate() {
        for lane in 0..lanes {
            memory.set(index, lane, limbs[lane / 64] >> (lane % 64) & 1 == 1);
        }
    }
    Ok(memory)
}

/// Reads one word a line, each as 64-bit limbs, least significant first; not more than so many.
fn read_hex(path: &Path, bits: usize, most: usize) -> Result<Vec<Vec<u64>>, BuildError> {
    let text = fs::read_to_string(path).map_err(io("read", path))?;
    let digits = bits.div_ceil(4);
    text.lines()
        .enumerate()
        .map(|(index, line)| {
            if index >= most {
                return Err(malformed(path)(format!("more than {most} words")));
            }
            parse_word(line, bits).ok_or_else(|| {
                let line_number = index + 1;
                let reason =
                    format!("line {line_number} is not a {bits}-bit word of {digits} digits");
                malformed(path)(reason)
            })
        })
        .collect()
}

fn parse_word(line: &str, bits: usize) -> Option<Vec<u64>> {
    let plain = line.len() == bits.div_ceil(4) && line.bytes().all(|b| b.is_ascii_hexdigit());
    if !plain {
        return None;
    }
    let limbs: Option<Vec<u64>> = line
        .as_bytes()
        .rchunks(16)
        .map(|chunk| u64::from_str_radix(std::str::from_utf8(chunk).ok()?, 16).ok())
        .collect();
    limbs.filter(|limbs| {
        let top = bits - (limbs.len() - 1) * 64;
        top == 64 || limbs[limbs.len() - 1] >> top == 0
    })
}

fn parameter(limbs: &[u64]) -> Parameter {
    match *limbs {
        [low, middle, high] => Parameter::decode([low, middle, high]),
        _ => Parameter::decode_plain(limbs[0]),
    }
}

fn low_word(limbs: &[u64]) -> u32 {
    u32::try_from(limbs[0]).expect("bug: 32 bits were parsed")
}

fn words(values: impl IntoIterator<Item = u32>) -> String {
    let mut text = String::new();
    for value in values {
        writeln!(text, "{value:08x}").expect("bug: writing to a string");
    }
    text
}

fn lane_words(memory: &LaneMemory, lanes: usize) -> String {
    hex_words((0..memory.len()).map(|index| memory.word(index)), lanes)
}

/// One word a line, from limbs of 64 bits, least significant first.
fn hex_words<W: AsRef<[u64]>>(all: impl Iterator<Item = W>, bits: usize) -> String {
    let mut text = String::new();
    for word in all {
        // The top limb first, with just the digits that its bits need.
        let mut digits = (bits - 1) % 64 / 4 + 1;
        for limb in word.as_ref()[..bits.div_ceil(64)].iter().rev() {
            write!(text, "{limb:0digits$x}").expect("bug: writing to a string");
            digits = 16;
        }
        text.push('\n');
    }
    text
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> BuildError {
    let path = path.to_owned();
    move |source| BuildError::Io { action, path, source }
}

fn malformed<E: ToString>(path: &Path) -> impl FnOnce(E) -> BuildError {
    let path = path.to_owned();
    move |reason| BuildError::Malformed { path, reason: reason.to_string() }
}
