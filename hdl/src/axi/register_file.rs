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

use super::lite::lite;
use super::pass_pins;
use super::registers::{Access, REGISTERS, Register};
use crate::build::{Builder, Instance, Module, Sig};

/// Describes the module `axi_registers`; `constant` gives the numbers of this hardware, which has
/// a weight ring or not.
pub(super) fn register_file(constant: &dyn Fn(&str) -> u32, has_ring: bool) -> Module {
    let m = Builder::new("axi_registers", "Registers behind an AXI4-Lite port.");
    let lite = lite();
    let port = m.inst("port", &lite);
    pass_pins(&m, port, &lite, "s_axi_");
    let bus = Bus { m: &m, port };
    let (mut reads, mut may) = (Vec::new(), Vec::new());
    for register in REGISTERS.iter().filter(|r| has_ring || !r.needs_ring) {
        let value = bus.register(register, constant, &mut may);
        reads.push((register, value));
    }
    let read_word = port.out("read_word");
    let selected = |r: &Register| read_word.eq(u64::from(r.offset / 4));
    let zero = m.lit(32, 0);
    let data = reads.iter().fold(zero, |all, (r, value)| all | *value & selected(r).repeat(32));
    let known = reads.iter().fold(m.lit(1, 0), |any, (r, _)| any | selected(r));
    port.set("read_data", data).set("read_ok", known);
    port.set("write_ok", may.into_iter().fold(m.lit(1, 0), |any, one| any | one));
    m.output("write_data", port.out("write_data"), "what is written");
    m.finish()
}

struct Bus<'m> {
    m: &'m Builder,
    port: Instance<'m>,
}

/// `STATUS` and `BUSY` are `status_busy`.
fn name_of(register: &Register, part: &str) -> String {
    format!("{}_{}", register.name, part).to_lowercase()
}

impl<'m> Bus<'m> {
    /// Describes a register and returns what is read; adds to `may` when a write is allowed.
    fn register(
        &self,
        r: &Register,
        constant: &dyn Fn(&str) -> u32,
        may: &mut Vec<Sig<'m>>,
    ) -> Sig<'m> {
        let m = self.m;
        let here = self.port.out("write_word").eq(u64::from(r.offset / 4));
        let written = self.port.out("write") & here;
        let data = self.port.out("write_data");
        match r.access {
            Access::Constant => m.lit(32, constant(r.name).into()),
            Access::Read | Access::ReadTakes => {
                if r.access == Access::ReadTakes {
                    let read_here = self.port.out("read_word").eq(u64::from(r.offset / 4));
                    m.output(&name_of(r, "taken"), self.port.out("read") & read_here, r.doc);
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
