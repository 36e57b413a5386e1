//! Saturation and clamps that several stages of the post-processing use.

use crate::build::Sig;

/// `value` limited to `bits` bits, two's complement.
pub(super) fn saturate(value: Sig<'_>, bits: u32) -> Sig<'_> {
    let m = value.builder();
    let upper = value.slice(bits - 1, value.width() - bits + 1);
    let sign = value.msb();
    let limit = m.concat(&[sign, (!sign).repeat(bits - 1)]);
    m.mux(upper.all() | !upper.any(), value.slice(0, bits), limit)
}

/// `a + b`, one bit wider than the wider one.
pub(super) fn sum<'m>(a: Sig<'m>, b: Sig<'m>) -> Sig<'m> {
    let width = a.width().max(b.width()) + 1;
    a.sign_extend(width) + b.sign_extend(width)
}

/// `value` between `floor` and `clip`, which have 16 bits.
pub(super) fn clamp<'m>(value: Sig<'m>, clip: Sig<'m>, floor: Sig<'m>) -> Sig<'m> {
    let (m, width) = (value.builder(), value.width());
    let (above, below) = (clip.sign_extend(width).slt(value), value.slt(floor.sign_extend(width)));
    m.mux(above, clip, m.mux(below, floor, value.slice(0, 16)))
}

/// The level of a signed value: `clamp(value + 128, 0, 255)`.
pub(super) fn level(value: Sig<'_>) -> Sig<'_> {
    let m = value.builder();
    // -128..=127 plus 128 is the top bit inverted.
    let upper = value.slice(7, value.width() - 7);
    let level = m.concat(&[!value.bit(7), value.slice(0, 7)]);
    let inside = upper.all() | !upper.any();
    m.mux(inside, level, (!value.msb()).repeat(8)).named("level")
}

/// Bit `index` of a value of eight bits.
pub(super) fn bit_of<'m>(value: Sig<'m>, index: Sig<'m>) -> Sig<'m> {
    let bits: Vec<_> = (0..8).map(|i| value.bit(i)).collect();
    value.builder().select(index, &bits)
}
