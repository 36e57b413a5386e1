//! An accelerator at the end of a line: what it is, loading a program, running images.

use heartbit_ir::program::{ArrayConfig, Program};

use crate::frame::MAX_PAYLOAD;
use crate::link::{Command, Link, LinkError, PIXELS, READ, RESULT, Refusal, Statistics, WRITE};
use crate::load::Load;
use crate::port::Port;
use crate::regs;

/// Tries of a load or an image that the line has spoilt.
const TRIES: u32 = 3;
/// Most words of an answer.
const MAX_WORDS: usize = 63;
/// The frame of pixels is the last one of its image.
const LAST: u8 = 0x80;

/// Why an accelerator does not do what is wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The line.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Something else is at the end of the line.
    #[error("register {register} is {actual:#010x} where {expected} is expected")]
    Stranger {
        /// Name of the register.
        register: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        actual: u32,
    },
    /// The hardware is another one than the program was compiled for.
    #[error("the hardware is not the one that the program was compiled for: {}", .0.join("; "))]
    OtherHardware(Vec<String>),
    /// Another program is loaded, or none.
    #[error("the accelerator has {loaded}, not the program of this build, {expected:08x}")]
    OtherProgram {
        /// What it has.
        loaded: LoadedProgram,
        /// Checksum of the program that is wanted.
        expected: u32,
    },
    /// The weights are streamed, for which the line is no source.
    #[error("the program streams weights, which a serial line cannot deliver")]
    StreamedWeights,
    /// What arrived is not what was sent.
    #[error(
        "the program did not arrive, in {tries} tries: checksum {actual:08x} instead of {expected:08x}"
    )]
    BadLoad {
        /// Tries.
        tries: u32,
        /// Checksum of the program.
        expected: u32,
        /// Checksum of what arrived.
        actual: u32,
    },
    /// The accelerator reports errors.
    #[error("the accelerator reports {} while {doing}", error_names(*.errors))]
    Reported {
        /// What was under way.
        doing: &'static str,
        /// Register `ERROR`.
        errors: u32,
    },
    /// No whole result came.
    #[error("image gave no result in {tries} tries: {got} of {expected} words came")]
    NoResult {
        /// Tries.
        tries: u32,
        /// Words that came at the last one.
        got: usize,
        /// Logits and class.
        expected: usize,
    },
}

/// What an accelerator says that it has loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadedProgram {
    /// Nothing.
    None,
    /// The program with this checksum.
    Checksum(u32),
}

impl std::fmt::Display for LoadedProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadedProgram::None => write!(f, "no program"),
            LoadedProgram::Checksum(crc) => write!(f, "the program {crc:08x}"),
        }
    }
}

/// The names of the bits of `ERROR` that are set.
pub fn error_names(errors: u32) -> String {
    const NAMES: [(u32, &str); 8] = [
        (regs::ERROR_ILLEGAL_PROGRAM, "ILLEGAL_PROGRAM"),
        (regs::ERROR_ILLEGAL_DESCRIPTOR, "ILLEGAL_DESCRIPTOR"),
        (regs::ERROR_LOAD_RANGE, "LOAD_RANGE"),
        (regs::ERROR_LOAD_REFUSED, "LOAD_REFUSED"),
        (regs::ERROR_INPUT_SHORT, "INPUT_SHORT"),
        (regs::ERROR_INPUT_LONG, "INPUT_LONG"),
        (regs::ERROR_NO_PROGRAM, "NO_PROGRAM"),
        (regs::ERROR_WATCHDOG, "WATCHDOG"),
    ];
    let set = NAMES.iter().filter(|(bit, _)| errors & bit != 0).map(|(_, name)| *name);
    let names: Vec<_> = set.collect();
    if names.is_empty() { format!("ERROR {errors:#x}") } else { names.join(", ") }
}

/// What an accelerator says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Version of the register map, major and minor.
    pub version: [u16; 2],
    /// `CONFIG0` to `CONFIG2`.
    pub config: [u32; 3],
    /// Words of the memories, in the order of the registers.
    pub depths: [u32; 8],
    /// What is loaded.
    pub loaded: LoadedProgram,
}

/// The result of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inference {
    /// The logits.
    pub logits: Vec<i32>,
    /// The class, as the hardware found it.
    pub class: u32,
    /// Cycles of the image.
    pub cycles: u64,
}

/// An accelerator.
pub struct Device<P> {
    link: Link<P>,
    identity: Identity,
}

impl<P: Port> Device<P> {
    /// Begins a session with the accelerator at the end of a line, ends what is under way there,
    /// and asks what it is.
    ///
    /// # Errors
    /// [`DeviceError::Link`], and [`DeviceError::Stranger`] where it is none of ours.
    pub fn open(mut link: Link<P>) -> Result<Self, DeviceError> {
        link.begin()?;
        let doing = "asking the accelerator what it is";
        let words = read(&mut link, doing, regs::ID, 5)?;
        let stranger = |register, expected: String, actual| {
            Err(DeviceError::Stranger { register, expected, actual })
        };
        if words[0] != regs::ID_VALUE {
            return stranger("ID", format!("{:#010x}", regs::ID_VALUE), words[0]);
        }
        if words[1] >> 16 != regs::VERSION_VALUE >> 16 {
            return stranger("VERSION", format!("{}.x", regs::VERSION_VALUE >> 16), words[1]);
        }
        let depths = read(&mut link, doing, regs::DEPTH_PROGRAM, 8)?;
        let mut device = Self {
            link,
            identity: Identity {
                version: [upper(words[1]), lower(words[1])],
                config: [words[2], words[3], words[4]],
                depths: std::array::from_fn(|k| depths[k]),
                loaded: LoadedProgram::None,
            },
        };
        device.reset()?;
        device.identity.loaded = device.loaded()?;
        Ok(device)
    }

    /// What it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What has passed the line.
    pub fn statistics(&self) -> Statistics {
        self.link.statistics()
    }

    /// Refuses a program that was compiled for other hardware.
    ///
    /// # Errors
    /// [`DeviceError::OtherHardware`] with all differences, [`DeviceError::StreamedWeights`].
    pub fn check(&self, program: &Program) -> Result<(), DeviceError> {
        if program.weight_stream.is_some() || program.depths.ring.is_some() {
            return Err(DeviceError::StreamedWeights);
        }
        let mut problems = Vec::new();
        let config = config_words(&program.array);
        if config != self.identity.config[..2] {
            let ours = describe(config);
            let theirs = describe([self.identity.config[0], self.identity.config[1]]);
            problems.push(format!("it has an array {theirs}, the program needs {ours}"));
        }
        let d = &program.depths;
        let needed = [
            ("program", d.program),
            ("step", d.step),
            ("weight", d.weight),
            ("parameter", d.parameter),
            ("image", d.image),
            ("activation", d.activation),
            ("stream", d.stream),
            ("logit", d.logit),
        ];
        for ((name, needs), has) in needed.into_iter().zip(self.identity.depths) {
            if needs > has as usize {
                problems.push(format!("its {name} memory has {has} words, of {needs}"));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(DeviceError::OtherHardware(problems)) }
    }

    /// Loads a program, unless it is there already and `anew` is not asked for; `progress` is told
    /// how many of its frames have arrived. Returns whether it was loaded.
    ///
    /// # Errors
    /// [`DeviceError`]; no program is loaded then.
    pub fn load(
        &mut self,
        load: &Load,
        anew: bool,
        mut progress: impl FnMut(usize),
    ) -> Result<bool, DeviceError> {
        if self.identity.loaded == LoadedProgram::Checksum(load.crc) && !anew {
            return Ok(false);
        }
        let doing = "loading the program";
        let mut actual = 0;
        for _ in 0..TRIES {
            // A session begins the checksum anew.
            self.link.begin()?;
            self.identity.loaded = LoadedProgram::None;
            let commands: Vec<_> = load
                .payloads
                .iter()
                .map(|payload| Command { kind: WRITE, payload: payload.clone() })
                .collect();
            let mut done = 0;
            for part in commands.chunks(32) {
                self.link.send(doing, part)?;
                done += part.len();
                progress(done);
            }
            actual = read(&mut self.link, doing, regs::LOAD_CRC, 1)?[0];
            if actual == load.crc {
                self.write(doing, regs::CONTROL, regs::CONTROL_COMMIT)?;
                self.take_errors(doing)?;
                self.identity.loaded = self.loaded()?;
                return Ok(true);
            }
            self.write(doing, regs::ERROR, u32::MAX)?;
        }
        Err(DeviceError::BadLoad { tries: TRIES, expected: load.crc, actual })
    }

    /// Refuses where another program than this one is loaded, or none.
    ///
    /// # Errors
    /// [`DeviceError::OtherProgram`].
    pub fn expect(&self, load: &Load) -> Result<(), DeviceError> {
        let (loaded, expected) = (self.identity.loaded, load.crc);
        if loaded == LoadedProgram::Checksum(expected) {
            return Ok(());
        }
        Err(DeviceError::OtherProgram { loaded, expected })
    }

    /// Runs an image of so many channels, bytes in the order row, column, channel.
    ///
    /// A result that does not come whole is an image that the line has spoilt: it is sent again,
    /// after a reset. `waits` is how often the accelerator may say that there is no result yet; it
    /// waits an eighth of a second at least each time.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn run(
        &mut self,
        image: &[u8],
        channels: u8,
        classes: usize,
        waits: u32,
    ) -> Result<Inference, DeviceError> {
        let doing = "running an image";
        let mut got = 0;
        for attempt in 0..TRIES {
            if attempt > 0 {
                self.reset()?;
            }
            match self.attempt(doing, image, channels, classes, waits) {
                Ok(words) if words.len() == classes + 1 => {
                    let cycles = read(&mut self.link, doing, regs::CYCLES, 1)?[0];
                    let (class, logits) = words.split_last().expect("bug: a class at least");
                    let logits = logits.iter().map(|word| word.cast_signed()).collect();
                    return Ok(Inference { logits, class: *class, cycles: cycles.into() });
                }
                Ok(words) => got = words.len(),
                Err(DeviceError::Link(LinkError::Refused { reason: Refusal::Waited, .. })) => {
                    got = 0;
                }
                Err(error) => return Err(error),
            }
        }
        self.take_errors(doing)?;
        Err(DeviceError::NoResult { tries: TRIES, got, expected: classes + 1 })
    }

    /// Sends an image and takes what comes.
    fn attempt(
        &mut self,
        doing: &'static str,
        image: &[u8],
        channels: u8,
        classes: usize,
        waits: u32,
    ) -> Result<Vec<u32>, DeviceError> {
        let pixels = (MAX_PAYLOAD - 1) / usize::from(channels);
        let parts: Vec<_> = image.chunks(pixels * usize::from(channels)).collect();
        let command = |(index, part): (usize, &&[u8])| {
            let last = if index + 1 == parts.len() { LAST } else { 0 };
            let payload = [&[channels | last][..], part].concat();
            Command { kind: PIXELS, payload }
        };
        let commands: Vec<_> = parts.iter().enumerate().map(command).collect();
        // The first one may have to wait until there is room; those behind it would overtake it.
        let (first, others) = commands.split_at(1);
        self.link.send(doing, first)?;
        self.link.send(doing, others)?;
        let mut words = Vec::new();
        let mut waited = 0;
        while words.len() <= classes {
            let wanted = (classes + 1 - words.len()).min(MAX_WORDS);
            let count = u8::try_from(wanted).expect("bug: at most 63");
            match self.link.ask(doing, RESULT, &[0, count]) {
                Ok(bytes) => {
                    let came = words_of(&bytes);
                    let is_cut = came.len() < wanted;
                    words.extend(came);
                    if is_cut {
                        break;
                    }
                }
                Err(LinkError::Refused { reason: Refusal::Waited, .. }) if waited < waits => {
                    waited += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(words)
    }

    /// Ends what is under way; the program stays.
    ///
    /// # Errors
    /// [`DeviceError::Link`].
    pub fn reset(&mut self) -> Result<(), DeviceError> {
        let doing = "resetting the accelerator";
        let abort = regs::CONTROL_ABORT | regs::CONTROL_RESYNC;
        self.write(doing, regs::CONTROL, abort)?;
        // What was left of a result, with what ends it.
        for _ in 0..64 {
            let status = read(&mut self.link, doing, regs::STATUS, 1)?[0];
            if status & regs::STATUS_RESULT == 0 {
                break;
            }
            self.link.ask(doing, RESULT, &[0, 63])?;
        }
        self.write(doing, regs::ERROR, u32::MAX)
    }

    /// Refuses where the accelerator has seen an error; clears what it has seen.
    ///
    /// # Errors
    /// [`DeviceError::Reported`].
    pub fn take_errors(&mut self, doing: &'static str) -> Result<(), DeviceError> {
        let errors = read(&mut self.link, doing, regs::ERROR, 1)?[0];
        if errors == 0 {
            return Ok(());
        }
        self.write(doing, regs::ERROR, errors)?;
        Err(DeviceError::Reported { doing, errors })
    }

    fn loaded(&mut self) -> Result<LoadedProgram, DeviceError> {
        let doing = "asking which program is loaded";
        let status = read(&mut self.link, doing, regs::STATUS, 1)?[0];
        if status & regs::STATUS_LOADED == 0 {
            return Ok(LoadedProgram::None);
        }
        Ok(LoadedProgram::Checksum(read(&mut self.link, doing, regs::LOAD_CRC, 1)?[0]))
    }

    fn write(&mut self, doing: &'static str, register: u32, value: u32) -> Result<(), DeviceError> {
        let mut payload = vec![word(register)];
        payload.extend(value.to_le_bytes());
        Ok(self.link.send(doing, &[Command { kind: WRITE, payload }])?)
    }
}

/// Reads registers that follow each other.
fn read<P: Port>(
    link: &mut Link<P>,
    doing: &'static str,
    register: u32,
    count: u8,
) -> Result<Vec<u32>, LinkError> {
    let bytes = link.ask(doing, READ, &[word(register), count])?;
    let words = words_of(&bytes);
    if words.len() == usize::from(count) {
        return Ok(words);
    }
    Err(LinkError::Refused { doing, reason: Refusal::Payload })
}

fn words_of(bytes: &[u8]) -> Vec<u32> {
    let word = |four: &[u8]| u32::from_le_bytes(four.try_into().expect("bug: chunks of four"));
    bytes.chunks_exact(4).map(word).collect()
}

/// Number of a register.
fn word(register: u32) -> u8 {
    u8::try_from(register / 4).expect("bug: a low register")
}

fn upper(word: u32) -> u16 {
    u16::try_from(word >> 16).expect("bug: half a word")
}

fn lower(word: u32) -> u16 {
    u16::try_from(word & 0xffff).expect("bug: half a word")
}

/// `CONFIG0` and `CONFIG1` of an array, as docs/registers.md has them.
fn config_words(a: &ArrayConfig) -> [u32; 2] {
    let small = |n: usize| u32::try_from(n).expect("bug: arrays are small");
    [
        small(a.rows) | small(a.cols) << regs::CONFIG0_COLS_SHIFT,
        small(a.lanes)
            | (small(a.taps) << regs::CONFIG1_TAPS_SHIFT)
            | (small(a.lines) << regs::CONFIG1_LINES_SHIFT)
            | (u32::from(a.extended) * regs::CONFIG1_EXTENDED)
            | (a.acc_bits << regs::CONFIG1_ACC_BITS_SHIFT),
    ]
}

fn describe(config: [u32; 2]) -> String {
    let field = |word: u32, mask: u32, shift: u32| (word & mask) >> shift;
    let plain = if config[1] & regs::CONFIG1_EXTENDED == 0 { "plain" } else { "extended" };
    format!(
        "{}x{}x{}, {} lane groups, {} lines, {} accumulator bits, {plain}",
        lower(config[0]),
        upper(config[0]),
        lower(config[1]),
        field(config[1], regs::CONFIG1_TAPS, regs::CONFIG1_TAPS_SHIFT),
        field(config[1], regs::CONFIG1_LINES, regs::CONFIG1_LINES_SHIFT),
        field(config[1], regs::CONFIG1_ACC_BITS, regs::CONFIG1_ACC_BITS_SHIFT),
    )
}
