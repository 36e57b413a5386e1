//! Checksums, a bit a cycle.
//!
//! Both are reflected: the bit goes in at the bottom.

use crate::build::{Builder, Sig};

/// Polynomial of CRC-16/X-25, reflected.
pub(super) const CRC_16: u64 = 0x8408;
/// What its register holds behind a frame with its check.
pub(super) const CRC_16_RESIDUE: u64 = 0xf0b8;
/// Polynomial of CRC-32, reflected.
pub(super) const CRC_32: u64 = 0xedb8_8320;

/// The register after one more bit.
pub(super) fn step<'m>(m: &'m Builder, register: Sig<'m>, bit: Sig<'m>, taps: u64) -> Sig<'m> {
    let width = register.width();
    let turn = (register.bit(0) ^ bit).repeat(width) & m.lit(width, taps);
    m.concat(&[m.lit(1, 0), register.slice(1, width - 1)]) ^ turn
}
