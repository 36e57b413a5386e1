//! What a host gets of the register map: a page, a C header and a Rust module.
//!
//! All three are printed from [`REGISTERS`]; the tests of this crate compare the page and the
//! sources of the repository with what is printed here.

use std::fmt::Write as _;

use super::registers::{Access, Field, MAGIC, REGISTERS, Register};
use super::results::CUT;

macro_rules! put {
    ($out:expr) => { $out.push('\n') };
    ($out:expr, $($arg:tt)*) => {
        writeln!($out, $($arg)*).expect("bug: a string takes all text")
    };
}

/// Returns the page of the register map, docs/registers.md.
pub fn register_page() -> String {
    let mut out = String::new();
    put!(out, "# Registers of `heartbit_axi`\n");
    put!(
        out,
        "Printed from the table in `hdl/src/axi/registers.rs`, as are the hardware's decoder and \
         the host sources; do not edit.\n[axi.md](axi.md) says how a host uses them. Those of `heartbit_uart` are in the same \
         table; [link.md](link.md) says how they are reached.\n"
    );
    put!(
        out,
        "Every access is of 32 bits.\n`SLVERR` answers, and nothing happens, where there is no \
         register, where a write is to one that is only read or is refused, and where it does not \
         write all four bytes.\n"
    );
    put!(out, "| offset | register | access | reset | what |");
    put!(out, "| --- | --- | --- | --- | --- |");
    for r in REGISTERS {
        let reset = match (r.access, r.reset) {
            (Access::Constant, 0) => "by hardware".to_owned(),
            (_, value) => format!("{value:#x}"),
        };
        let label = r.access.label();
        put!(
            out,
            "| {:#05x} | `{}` | {label} | {reset} | {} |",
            r.offset,
            r.name,
            documentation(r)
        );
    }
    for r in REGISTERS.iter().filter(|r| !r.fields.is_empty()) {
        put!(out, "\n## {}\n", r.name);
        put!(out, "| bits | field | what |");
        put!(out, "| --- | --- | --- |");
        for f in r.fields {
            put!(out, "| {} | `{}` | {} |", bit_range(f), f.name, f.doc);
        }
    }
    out
}

fn bit_range(f: &Field) -> String {
    if f.bits == 1 { f.low.to_string() } else { format!("{}:{}", f.low + f.bits - 1, f.low) }
}

/// The bits of a field in place.
fn mask(f: &Field) -> u32 {
    (u32::MAX >> (32 - f.bits)) << f.low
}

/// Numbers that are no registers: name, value, meaning.
const OTHERS: [(&str, u32, &str); 2] = [
    ("MEMORY_IMAGE_MAGIC", MAGIC, "First word of a memory image."),
    ("RESULT_CUT", CUT, "Last beat of a result that an abort has cut off."),
];

/// What a register is, and what hardware has it.
fn documentation(r: &Register) -> String {
    format!("{}{}", r.doc, r.needs.note())
}

fn sentence(doc: &str) -> String {
    let mut chars = doc.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    // Names in backquotes stay as they are.
    format!("{first}{}.", chars.as_str())
}

/// Returns the C header, `heartbit_regs.h`.
pub fn c_header() -> String {
    let mut out = String::new();
    put!(
        out,
        "/* Registers of heartbit_axi: byte offsets, and masks and shifts of their fields. */"
    );
    put!(out, "/* Printed by heartbit; do not edit. */");
    put!(out, "#ifndef HEARTBIT_REGS_H\n#define HEARTBIT_REGS_H\n");
    for r in REGISTERS {
        put!(out, "/* {} ({}) */", sentence(&documentation(r)), r.access.label());
        put!(out, "#define HEARTBIT_{} 0x{:03x}u", r.name, r.offset);
        if r.access == Access::Constant && r.reset != 0 {
            put!(out, "#define HEARTBIT_{}_VALUE 0x{:08x}u", r.name, r.reset);
        }
        for f in r.fields {
            let name = format!("HEARTBIT_{}_{}", r.name, f.name);
            put!(out, "#define {name} 0x{:08x}u /* {} */", mask(f), f.doc);
            if f.bits > 1 {
                put!(out, "#define {name}_SHIFT {}u", f.low);
            }
        }
        put!(out);
    }
    for (name, value, doc) in OTHERS {
        put!(out, "/* {doc} */\n#define HEARTBIT_{name} 0x{value:08x}u");
    }
    put!(out, "\n#endif");
    out
}

/// Returns the Rust module, `heartbit_regs.rs`.
pub fn rust_module() -> String {
    let mut out = String::new();
    put!(
        out,
        "//! Registers of `heartbit_axi`: byte offsets, and masks and shifts of their fields."
    );
    put!(out, "//!\n//! Printed by heartbit; do not edit.");
    let mut constant = |name: &str, value: u32, digits: usize, doc: &str| {
        put!(out, "\n/// {}", doc);
        put!(out, "pub const {name}: u32 = {};", hex(value, digits));
    };
    for r in REGISTERS {
        let doc = format!("{} ({})", sentence(&documentation(r)), r.access.label());
        constant(r.name, r.offset, 3, &doc);
        value_and_fields(r, &mut constant);
    }
    for (name, value, doc) in OTHERS {
        constant(name, value, 8, doc);
    }
    out
}

fn value_and_fields(r: &Register, constant: &mut dyn FnMut(&str, u32, usize, &str)) {
    if r.access == Access::Constant && r.reset != 0 {
        constant(&format!("{}_VALUE", r.name), r.reset, 8, "Its value.");
    }
    for f in r.fields {
        let name = format!("{}_{}", r.name, f.name);
        constant(&name, mask(f), 8, &format!("`{}`: {}.", f.name, f.doc));
        if f.bits > 1 {
            constant(&format!("{name}_SHIFT"), f.low, 2, "Its lowest bit.");
        }
    }
}

/// `0x5449_4248`.
fn hex(value: u32, digits: usize) -> String {
    if digits == 8 {
        format!("0x{:04x}_{:04x}", value >> 16, value & 0xffff)
    } else {
        format!("0x{value:0digits$x}")
    }
}
