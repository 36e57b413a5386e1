//! The registers behind the AXI4-Lite port, built from the table.
//!
//! What a register of the table becomes:
//!
//! | access        | ports of this module                                                         |
//! | ------------- | ---------------------------------------------------------------------------- |
//! | constant      | none: its number is in the text                                              |
//! | read, read takes | in `{register}_{field}` each, or `{register}` without fields; `read takes` also out `{register}_taken`, in the cycle of the read |
//! | read/write    | out `{register}`: all its fields, or 32 bits                                 |
//! | write         | in `{register}_allow`; out `{register}_write`, `{register}_refused`; the value is `write_data` |
//! | write 1 to clear | in `{register}_{field}` each, which set it; out `{register}`              |
//!
//! A write that is not allowed has no effect and is answered with `SLVERR`, and so is any to a
//! register that is not writable, or to none.

use super::lite::{WORD_BITS, lite};
use super::registers::{Access, REGISTERS, Register};
use super::{Hardware, pass_pins};
use crate::build::{Builder, Module, Sig};

/// Describes the registers of a hardware: the module `axi_registers`, or `host_registers` without
/// AXI, which has the ports of `lite`'s other side.
pub(super) fn register_file(hardware: &Hardware) -> Module {
    let (name, doc) = match hardware.axi {
        Some(_) => ("axi_registers", "Registers behind an AXI4-Lite port."),
        None => ("host_registers", "Registers of a master on the chip."),
    };
    let m = Builder::new(name, doc);
    let lite = lite();
    let port = hardware.axi.map(|_| m.inst("port", &lite));
    let bus = match port {
        Some(port) => {
            pass_pins(&m, port, &lite, "s_axi_");
            Bus::new(&m, |name, _, _| port.out(name))
        }
        None => Bus::new(&m, |name, width, doc| m.input(name, width, doc)),
    };
    let (mut reads, mut may) = (Vec::new(), Vec::new());
    for register in REGISTERS.iter().filter(|r| hardware.has(r)) {
        let value = bus.register(register, hardware, &mut may);
        reads.push((register, value));
    }
    let read_word = bus.read_word;
    let selected = |r: &Register| read_word.eq(u64::from(r.offset / 4));
    let zero = m.lit(32, 0);
    let data = reads.iter().fold(zero, |all, (r, value)| all | *value & selected(r).repeat(32));
    let known = reads.iter().fold(m.lit(1, 0), |any, (r, _)| any | selected(r));
    let may = may.into_iter().fold(m.lit(1, 0), |any, one| any | one);
    if let Some(port) = port {
        port.set("read_data", data).set("read_ok", known).set("write_ok", may);
        m.output("write_data", bus.write_data, "what is written");
    } else {
        m.discard(bus.read);
        m.output("read_data", data, "the word, 0 where there is none");
        m.output("read_ok", known, "there is such a word");
        m.output("write_ok", may, "it may be written");
    }
    m.finish()
}

struct Bus<'m> {
    m: &'m Builder,
    write: Sig<'m>,
    write_word: Sig<'m>,
    write_data: Sig<'m>,
    read: Sig<'m>,
    read_word: Sig<'m>,
}

/// `STATUS` and `BUSY` are `status_busy`.
fn name_of(register: &Register, part: &str) -> String {
    format!("{}_{}", register.name, part).to_lowercase()
}

impl<'m> Bus<'m> {
    fn new(m: &'m Builder, pin: impl Fn(&str, u32, &str) -> Sig<'m>) -> Self {
        Self {
            m,
            write: pin("write", 1, "a word is written"),
            write_word: pin("write_word", WORD_BITS, "its number"),
            write_data: pin("write_data", 32, "its value"),
            read: pin("read", 1, "a word is read"),
            read_word: pin("read_word", WORD_BITS, "its number"),
        }
    }

    /// Describes a register and returns what is read; adds to `may` when a write is allowed.
    fn register(&self, r: &Register, hardware: &Hardware, may: &mut Vec<Sig<'m>>) -> Sig<'m> {
        let m = self.m;
        let here = self.write_word.eq(u64::from(r.offset / 4));
        let written = self.write & here;
        let data = self.write_data;
        match r.access {
            Access::Constant => m.lit(32, hardware.constant(r.name).into()),
            Access::Read | Access::ReadTakes => {
                if r.access == Access::ReadTakes {
                    let read_here = self.read_word.eq(u64::from(r.offset / 4));
                    m.output(&name_of(r, "taken"), self.read & read_here, r.doc);
                }
                self.inputs(r)
            }
            Access::ReadWrite => {
                may.push(here);
                let width = r.fields.iter().map(|f| f.low + f.bits).max().unwrap_or(32);
                let name = r.name.to_lowercase();
                let kept = m.reg(&format!("{name}_q"), width, r.reset.into());
                kept.next_when(written, data.keep(0, width));
                m.output(&name, *kept, r.doc);
                kept.zero_extend(32)
            }
            Access::Write => {
                let allow = m.input(&name_of(r, "allow"), 1, "a write is allowed");
                may.push(here & allow);
                m.output(&name_of(r, "write"), written & allow, r.doc);
                m.output(&name_of(r, "refused"), written & !allow, "a write was refused");
                m.lit(32, 0)
            }
            Access::ClearByOne => {
                may.push(here);
                let set = self.inputs(r);
                let width = u32::try_from(r.fields.len()).expect("bug: at most 32 fields");
                let name = r.name.to_lowercase();
                let kept = m.reg(&format!("{name}_q"), width, r.reset.into());
                let clear = data.keep(0, width) & written.repeat(width);
                kept.next(*kept & !clear | set.slice(0, width));
                m.output(&name, *kept, r.doc);
                kept.zero_extend(32)
            }
        }
    }

    /// The word that the fields of a register make, each an input.
    fn inputs(&self, r: &Register) -> Sig<'m> {
        let m = self.m;
        if r.fields.is_empty() {
            return m.input(&r.name.to_lowercase(), 32, r.doc);
        }
        let mut parts = Vec::new();
        let mut at = 0;
        for field in r.fields {
            if field.low > at {
                parts.push(m.lit(field.low - at, 0));
            }
            parts.push(m.input(&name_of(r, field.name), field.bits, field.doc));
            at = field.low + field.bits;
        }
        parts.reverse();
        m.concat(&parts).zero_extend(32)
    }
}
