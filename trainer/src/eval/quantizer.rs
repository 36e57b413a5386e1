//! Streams to odd levels, as the deployed network does it (semantics.md, `quantize`).

/// `2·clamp(floor(v / 2^shift) + 2^(bits - 1), 0, 2^bits - 1) - (2^bits - 1)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quantizer {
    /// Bits of a level.
    pub(crate) bits: u32,
    /// Right shift of a stream's integer.
    pub(crate) shift: u32,
}

impl Quantizer {
    /// The level of an integer.
    pub(crate) fn level(self, v: f64) -> f64 {
        let half = f64::from(1u32 << (self.bits - 1));
        let full = f64::from((1u32 << self.bits) - 1);
        let unit = f64::from(self.shift).exp2();
        2.0 * ((v / unit).floor() + half).clamp(0.0, full) - full
    }
}

#[cfg(test)]
mod tests {
    use super::Quantizer;

    #[test]
    fn levels_are_odd_and_saturate() {
        let q = Quantizer { bits: 3, shift: 2 };
        let levels = [-100.0, -16.0, -1.0, 0.0, 3.0, 4.0, 15.0, 100.0].map(|v| q.level(v));
        assert_eq!(levels, [-7.0, -7.0, -1.0, 1.0, 1.0, 3.0, 7.0, 7.0]);
    }
}
