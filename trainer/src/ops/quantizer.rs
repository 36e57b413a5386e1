//! Streams to odd levels, as the deployed network does it (semantics.md, sections 2.7 and 2.9).

use heartbit_ir::grid::{global_pool, level_unit, max_level, quantize_shift};

/// A quantization of stream values to odd levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantizer {
    /// Grid steps in 1.0 of the stream.
    scale: f64,
    /// Stream units in half a level's distance to the next: `2^shift`.
    cell: f64,
    /// Largest level.
    full: f64,
    /// Float value of the level 1.
    pub unit: f64,
}

impl Quantizer {
    /// For a stream of `frac_bits` fraction bits within ±2^`range_log2`.
    pub fn new(bits: u32, frac_bits: u32, range_log2: u32) -> Self {
        let shift = quantize_shift(bits, frac_bits, range_log2);
        Self::with(bits, frac_bits, (shift, level_unit(shift, frac_bits)))
    }

    /// For sums of `positions` such values; `unit` is of their mean.
    pub fn of_sums(positions: usize, bits: u32, frac_bits: u32, range_log2: u32) -> Self {
        Self::with(bits, frac_bits, global_pool(positions, bits, frac_bits, range_log2))
    }

    fn with(bits: u32, frac_bits: u32, (shift, unit): (u32, f64)) -> Self {
        let scale = f64::from(frac_bits).exp2();
        Self { scale, cell: f64::from(shift).exp2(), full: f64::from(max_level(bits)), unit }
    }

    /// The level of a stream's integer:
    /// `2·clamp(floor(v / 2^shift) + 2^(bits - 1), 0, 2^bits - 1) - (2^bits - 1)`.
    pub fn level_of_units(&self, v: f64) -> f64 {
        (2.0 * (v / self.cell).floor() + 1.0).clamp(-self.full, self.full)
    }

    /// The level of a real value.
    pub fn level(&self, v: f64) -> f64 {
        self.level_of_units(v * self.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::Quantizer;

    #[test]
    fn levels_are_odd_and_saturate() {
        // Shift 2.
        let q = Quantizer::new(3, 4, 0);
        let values = [-100.0, -16.0, -1.0, 0.0, 3.0, 4.0, 15.0, 100.0];
        let levels = values.map(|v| q.level_of_units(v));
        assert_eq!(levels, [-7.0, -7.0, -1.0, 1.0, 1.0, 3.0, 7.0, 7.0]);
        assert_eq!(values.map(|v| q.level(v / 16.0)), levels);
    }
}
