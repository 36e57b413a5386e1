//! The register map: the one table from which decode, documentation and host sources come.
//!
//! [`REGISTERS`] is data. The RTL's decode (`register_file`), docs/registers.md, the C header and
//! the Rust module (`host`) are derived from it, and a test compares the page with the table, so
//! none of them can differ from another.
//!
//! Not here: what the hardware does with a register (the other files of this folder).

/// What a host may do with a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A number of this hardware.
    Constant,
    /// Shows a state. Writes are refused.
    Read,
    /// Like [`Access::Read`], but reading takes what it shows.
    ReadTakes,
    /// Keeps what is written.
    ReadWrite,
    /// A command. Reads as 0.
    Write,
    /// Bits that stay 1 until a 1 is written to them.
    ClearByOne,
}

impl Access {
    /// How tables name it.
    pub fn label(self) -> &'static str {
        match self {
            Access::Constant => "constant",
            Access::Read => "read",
            Access::ReadTakes => "read takes",
            Access::ReadWrite => "read/write",
            Access::Write => "write",
            Access::ClearByOne => "write 1 to clear",
        }
    }

    /// Whether a write is answered with `OKAY`.
    pub fn is_writable(self) -> bool {
        matches!(self, Access::ReadWrite | Access::Write | Access::ClearByOne)
    }
}

/// Some bits of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Upper-case name.
    pub name: &'static str,
    /// Lowest bit.
    pub low: u32,
    /// Number of bits.
    pub bits: u32,
    /// What it means.
    pub doc: &'static str,
}

/// A 32-bit register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Upper-case name.
    pub name: &'static str,
    /// Byte offset, a multiple of 4.
    pub offset: u32,
    /// What a host may do with it.
    pub access: Access,
    /// Value after reset; of constants 0 where it follows from the configuration.
    pub reset: u32,
    /// What it is.
    pub doc: &'static str,
    /// Its fields; none if it is one number of 32 bits.
    pub fields: &'static [Field],
    /// What hardware must have to have it.
    pub needs: Needs,
}

/// What hardware must have to have a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// A weight ring.
    Ring,
    /// AXI ports: it is not behind a serial line.
    Axi,
    /// A serial line: it is not behind AXI.
    Link,
}

impl Needs {
    /// What is added to the documentation of a register.
    pub fn note(self) -> &'static str {
        match self {
            Needs::Nothing => "",
            Needs::Ring => "; only with a weight ring",
            Needs::Axi => "; only behind AXI",
            Needs::Link => "; only behind a serial line",
        }
    }
}

/// `HBIT` in ASCII, the first letter in the lowest byte.
pub const ID: u32 = 0x5449_4248;
/// Version of the register map: major in the upper half.
pub const VERSION: u32 = 0x0001_0002;
/// `HBM1` in ASCII: the first word of a memory image.
pub const MAGIC: u32 = 0x314d_4248;
/// Address bits of the AXI4-Lite port.
pub const ADDRESS_BITS: u32 = 12;

const fn field(name: &'static str, low: u32, bits: u32, doc: &'static str) -> Field {
    Field { name, low, bits, doc }
}

const fn register(
    name: &'static str,
    offset: u32,
    access: Access,
    doc: &'static str,
    fields: &'static [Field],
) -> Register {
    Register { name, offset, access, reset: 0, doc, fields, needs: Needs::Nothing }
}

/// A register that only hardware with a weight ring has.
const fn of_ring(register: Register) -> Register {
    Register { needs: Needs::Ring, ..register }
}

/// A register that only hardware behind AXI has.
const fn of_axi(register: Register) -> Register {
    Register { needs: Needs::Axi, ..register }
}

/// A register that only hardware behind a serial line has.
const fn of_link(register: Register) -> Register {
    Register { needs: Needs::Link, ..register }
}

/// All registers, in ascending order. Offsets between them answer with `SLVERR`.
pub const REGISTERS: &[Register] = &[
    Register {
        reset: ID,
        ..register("ID", 0x000, Access::Constant, "`HBIT` in ASCII, low byte first", &[])
    },
    Register {
        reset: VERSION,
        ..register(
            "VERSION",
            0x004,
            Access::Constant,
            "version of this register map; the same major version stays compatible",
            &[field("MINOR", 0, 16, "minor version"), field("MAJOR", 16, 16, "major version")],
        )
    },
    register(
        "CONFIG0",
        0x008,
        Access::Constant,
        "the array; a memory image carries the same word",
        &[field("ROWS", 0, 16, "rows"), field("COLS", 16, 16, "columns")],
    ),
    register(
        "CONFIG1",
        0x00c,
        Access::Constant,
        "the array; a memory image carries the same word",
        &[
            field("LANES", 0, 16, "lanes of a processing element"),
            field("TAPS", 16, 3, "lane groups"),
            field("LINES", 19, 3, "most lines of a tile"),
            field("EXTENDED", 22, 1, "whether it runs every kind of network"),
            field("ACC_BITS", 24, 6, "bits of an accumulator"),
        ],
    ),
    register(
        "CONFIG2",
        0x010,
        Access::Constant,
        "the ports",
        &[
            field("DATA_BITS", 0, 8, "data bits of the AXI4 port, 0 without one"),
            field("ADDRESS_BITS", 8, 8, "address bits of the AXI4 port, 0 without one"),
            field("LOAD_BITS", 16, 16, "bits of the widest word that is loaded"),
        ],
    ),
    of_ring(register(
        "CONFIG3",
        0x014,
        Access::Constant,
        "sizes of the weight ring",
        &[
            field("WORDS_LOG2", 0, 5, "words of a column, the power of two"),
            field("PORT_COLS", 16, 16, "columns of a beat of weights"),
        ],
    )),
    register("DEPTH_PROGRAM", 0x020, Access::Constant, "words of the program memory", &[]),
    register("DEPTH_STEP", 0x024, Access::Constant, "words of a step memory", &[]),
    register("DEPTH_WEIGHT", 0x028, Access::Constant, "words of a weight column", &[]),
    register("DEPTH_PARAMETER", 0x02c, Access::Constant, "words of a parameter column", &[]),
    register("DEPTH_IMAGE", 0x030, Access::Constant, "words of an image bank", &[]),
    register("DEPTH_ACTIVATION", 0x034, Access::Constant, "words of an activation bank", &[]),
    register("DEPTH_STREAM", 0x038, Access::Constant, "words of a stream bank", &[]),
    register("DEPTH_LOGIT", 0x03c, Access::Constant, "words of a logit column", &[]),
    register(
        "CONTROL",
        0x040,
        Access::Write,
        "commands",
        &[
            field("START_LOAD", 0, 1, "reads the memory image at `LOAD_BASE`; refused unless idle"),
            field(
                "COMMIT",
                1,
                1,
                "what was written to `LOAD_DATA` is a whole program; refused unless idle",
            ),
            field(
                "ABORT",
                2,
                1,
                "ends a load and the image; the program stays unless it was being loaded",
            ),
            field(
                "RESYNC",
                3,
                1,
                "the source of pixels has been reset: its next beat begins an image",
            ),
        ],
    ),
    Register {
        reset: 1,
        ..register(
            "STATUS",
            0x044,
            Access::Read,
            "what is going on",
            &[
                field("IDLE", 0, 1, "nothing is; a program may be loaded"),
                field("LOADED", 1, 1, "there is a program; pixels are accepted"),
                field("LOADING", 2, 1, "a memory image is being read"),
                field("RECEIVING", 3, 1, "an image has begun to arrive and is not complete"),
                field("WAITING", 4, 1, "a complete image waits for the array"),
                field("BUSY", 5, 1, "the array works on an image or sends its result"),
                field("RESULT", 6, 1, "a beat of a result waits to be taken"),
                field("DISCARDING", 7, 1, "beats are taken and dropped up to the next `TLAST`"),
                field("ERROR", 8, 1, "a bit of `ERROR` is set"),
            ],
        )
    },
    register(
        "ERROR",
        0x048,
        Access::ClearByOne,
        "what went wrong",
        &[
            field(
                "ILLEGAL_PROGRAM",
                0,
                1,
                "header or descriptors of the loaded program cannot run; it is not used",
            ),
            field(
                "ILLEGAL_DESCRIPTOR",
                1,
                1,
                "the sequencer met a descriptor that it cannot run; the image was aborted",
            ),
            field(
                "LOAD_FORMAT",
                2,
                1,
                "no memory image for this array at `LOAD_BASE`, or of another length",
            ),
            field(
                "LOAD_RANGE",
                3,
                1,
                "a word for a memory, column or address that does not exist; it was not written",
            ),
            field(
                "LOAD_REFUSED",
                4,
                1,
                "a load was asked for while an image or a load was in the way",
            ),
            field(
                "MEMORY_RESPONSE",
                5,
                1,
                "`RRESP` was not `OKAY`, or `RLAST` came at another beat than the last",
            ),
            field("INPUT_SHORT", 6, 1, "`TLAST` came before the last pixel; the image was dropped"),
            field(
                "INPUT_LONG",
                7,
                1,
                "no `TLAST` at the last pixel (overrun); the image was dropped",
            ),
            field("NO_PROGRAM", 8, 1, "a pixel was offered, but there is no program"),
            field(
                "OUTPUT_UNDERRUN",
                9,
                1,
                "`CLASS` was read, but no image has ended since it was read before",
            ),
            field("WATCHDOG", 10, 1, "an image took more than `WATCHDOG` cycles and was aborted"),
            field("INPUT_STALL", 11, 1, "no pixel within an image for `TIMEOUT` cycles"),
            field("OUTPUT_STALL", 12, 1, "no beat of a result was taken for `TIMEOUT` cycles"),
            field(
                "MEMORY_STALL",
                13,
                1,
                "no beat of a memory image for `TIMEOUT` cycles, or none of the weights that a step waits for",
            ),
            field(
                "WEIGHTS_SHORT",
                14,
                1,
                "the program streams more weights than `WEIGHT_LENGTH` bytes hold; it is not used",
            ),
        ],
    ),
    of_axi(register(
        "EVENTS",
        0x04c,
        Access::ClearByOne,
        "what has happened",
        &[
            field("IMAGE", 0, 1, "the class of an image was sent"),
            field("LOAD", 1, 1, "a load has ended, well or not"),
            field("RESET", 2, 1, "the array was reset: abort, watchdog, or a dropped image"),
            field("ERROR", 3, 1, "a bit of `ERROR` was set"),
        ],
    )),
    of_axi(register(
        "IRQ_ENABLE",
        0x050,
        Access::ReadWrite,
        "`irq` is 1 while an event with its bit here is set",
        &[
            field("IMAGE", 0, 1, "as in `EVENTS`"),
            field("LOAD", 1, 1, "as in `EVENTS`"),
            field("RESET", 2, 1, "as in `EVENTS`"),
            field("ERROR", 3, 1, "as in `EVENTS`"),
        ],
    )),
    of_axi(register(
        "WATCHDOG",
        0x054,
        Access::ReadWrite,
        "most cycles of an image, as `CYCLES` counts them; 0 for no limit",
        &[],
    )),
    of_axi(register(
        "TIMEOUT",
        0x058,
        Access::ReadWrite,
        "cycles that a port may wait for the host; 0 for no limit",
        &[],
    )),
    of_axi(register(
        "LOAD_BASE_LOW",
        0x060,
        Access::ReadWrite,
        "address of the memory image; the low three bits do not count",
        &[],
    )),
    of_axi(register(
        "LOAD_BASE_HIGH",
        0x064,
        Access::ReadWrite,
        "upper bits of the address; those that the port does not have do not count",
        &[],
    )),
    of_axi(register("LOAD_LENGTH", 0x068, Access::ReadWrite, "bytes of the memory image", &[])),
    register(
        "LOAD_SELECT",
        0x06c,
        Access::Write,
        "where the next words of `LOAD_DATA` go; what was loaded before is no program any more; refused unless idle",
        &[
            field("TARGET", 0, 3, "0 program, 1 steps, 2 weights, 3 parameters"),
            field("INDEX", 8, 8, "lane group of steps, column of weights and parameters"),
            field("ADDRESS", 16, 16, "first word"),
        ],
    ),
    register(
        "LOAD_DATA",
        0x070,
        Access::Write,
        "the words, one after the other, each in as many pairs of writes as it has units of 64 bits, low half first (behind a serial line in as many writes as it has units of 32 bits, lowest first); refused unless idle",
        &[],
    ),
    register(
        "CYCLES",
        0x080,
        Access::Read,
        "cycles of the last image that ended, without `STALLS`: exactly those that `heartbit inspect` predicts",
        &[],
    ),
    of_axi(register(
        "STALLS",
        0x084,
        Access::Read,
        "further cycles of it, in which its result waited to be taken",
        &[],
    )),
    of_axi(register("IMAGES", 0x088, Access::Read, "images that ended, modulo 2^32", &[])),
    of_axi(register(
        "DROPPED",
        0x08c,
        Access::Read,
        "images that were too short or too long, modulo 2^32",
        &[],
    )),
    of_axi(register(
        "LOAD_CYCLES",
        0x090,
        Access::Read,
        "cycles of the last load from memory",
        &[],
    )),
    of_axi(register(
        "CLASS",
        0x094,
        Access::ReadTakes,
        "the class of the last image that ended",
        &[
            field("CLASS", 0, 16, "the class"),
            field("FRESH", 31, 1, "it was not read before; otherwise the read is an underrun"),
        ],
    )),
    of_ring(register(
        "WEIGHT_STALLS",
        0x098,
        Access::Read,
        "those of `CYCLES` in which a step waited for its weights",
        &[],
    )),
    of_ring(register(
        "WEIGHT_BASE_LOW",
        0x0a0,
        Access::ReadWrite,
        "address of the streamed weights of the program that is loaded next; the low three bits do not count",
        &[],
    )),
    of_ring(register(
        "WEIGHT_BASE_HIGH",
        0x0a4,
        Access::ReadWrite,
        "upper bits of the address; those that the port does not have do not count",
        &[],
    )),
    of_ring(register(
        "WEIGHT_LENGTH",
        0x0a8,
        Access::ReadWrite,
        "bytes of the streamed weights of the program that is loaded next; 0 if it streams none",
        &[],
    )),
    of_link(register(
        "LOAD_CRC",
        0x0ac,
        Access::Read,
        "CRC-32 of what was written to `LOAD_SELECT` and `LOAD_DATA` since the first such write after a `COMMIT` or a new session",
        &[],
    )),
];

/// The register of a name.
///
/// # Panics
/// If there is none.
pub fn register_named(name: &str) -> &'static Register {
    let found = REGISTERS.iter().find(|r| r.name == name);
    found.unwrap_or_else(|| panic!("bug: no register `{name}`"))
}

impl Register {
    /// The field of a name.
    ///
    /// # Panics
    /// If there is none.
    pub fn field(&self, name: &str) -> &'static Field {
        let found = self.fields.iter().find(|f| f.name == name);
        found.unwrap_or_else(|| panic!("bug: no field `{name}` in `{}`", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::{ADDRESS_BITS, Access, REGISTERS};

    #[test]
    fn offsets_ascend_and_fields_do_not_overlap() {
        for pair in REGISTERS.windows(2) {
            assert!(pair[0].offset < pair[1].offset, "{}", pair[1].name);
        }
        for register in REGISTERS {
            assert!(register.offset.is_multiple_of(4), "{}", register.name);
            assert!(register.offset < 1 << ADDRESS_BITS, "{}", register.name);
            let mut used = 0_u32;
            for field in register.fields {
                let mask = (u32::MAX >> (32 - field.bits)) << field.low;
                assert_eq!(used & mask, 0, "{}.{}", register.name, field.name);
                assert!(field.low + field.bits <= 32);
                used |= mask;
            }
            // The sticky bits are one word of the register file.
            if register.access == Access::ClearByOne {
                assert!(register.fields.iter().enumerate().all(|(i, f)| f.low as usize == i));
            }
        }
    }
}
