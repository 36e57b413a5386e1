//! Words of the parameter memory: microarchitecture.md, section 3.3.

/// Bits of `bias`.
const BIAS_BITS: u32 = 40;
/// Bits of `before` and `after`.
const OFFSET_BITS: u32 = 22;
/// Bits of `threshold`.
const THRESHOLD_BITS: u32 = 17;

/// Parameters of one output channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Multiplier of the sum.
    pub mul: i16,
    /// Added to the product; 40 bits.
    pub bias: i64,
    /// Whether a window gives its smallest element.
    pub minimum: bool,
    /// Added to the stream before the nonlinearity; 22 bits.
    pub before: i32,
    /// Multiplier of negative values.
    pub slope: i16,
    /// Added after the nonlinearity; 22 bits.
    pub after: i32,
    /// What the value is compared with; 17 bits.
    pub threshold: i32,
    /// Whether the bit is 1 up to the threshold, not from it on.
    pub at_most: bool,
}

impl Default for Parameter {
    /// Multiplies by 0 and changes nothing after that.
    fn default() -> Self {
        Self {
            mul: 0,
            bias: 0,
            minimum: false,
            before: 0,
            slope: 1,
            after: 0,
            threshold: 0,
            at_most: false,
        }
    }
}

impl Parameter {
    /// Whether plain hardware, which holds `mul` and `bias` only, does the same.
    pub fn is_plain(&self) -> bool {
        *self == Self { mul: self.mul, bias: self.bias, ..Self::default() }
    }

    /// Returns the word of the parameter memory, least significant bits first.
    ///
    /// # Panics
    /// If a field is out of its range: a bug of the compiler.
    pub fn encode(&self) -> [u64; 3] {
        let mut word = Word::default();
        word.push(self.mul.into(), 16);
        word.push(self.bias, BIAS_BITS);
        word.push(self.minimum.into(), 1);
        word.push(self.before.into(), OFFSET_BITS);
        word.push(self.slope.into(), 16);
        word.push(self.after.into(), OFFSET_BITS);
        word.push(self.threshold.into(), THRESHOLD_BITS);
        word.push(self.at_most.into(), 1);
        word.limbs
    }

    /// Returns the first bits of the word, as many as the hardware has: 56 or 135.
    ///
    /// # Panics
    /// As [`Parameter::encode`].
    pub fn encode_bits(&self, bits: usize) -> [u64; 3] {
        let kept = |i: usize| match bits.saturating_sub(64 * i) {
            0 => 0,
            n => u64::MAX >> (64 - n.min(64)),
        };
        let limbs = self.encode();
        std::array::from_fn(|i| limbs[i] & kept(i))
    }

    /// Reads the word of the extended parameter memory.
    pub fn decode(limbs: [u64; 3]) -> Self {
        let mut word = Word { limbs, at: 0 };
        let narrow = |v: i64| i32::try_from(v).expect("bug: at most 22 bits");
        let half = |v: i64| i16::try_from(v).expect("bug: 16 bits");
        Self {
            mul: half(word.pop(16)),
            bias: word.pop(BIAS_BITS),
            minimum: word.pop(1) != 0,
            before: narrow(word.pop(OFFSET_BITS)),
            slope: half(word.pop(16)),
            after: narrow(word.pop(OFFSET_BITS)),
            threshold: narrow(word.pop(THRESHOLD_BITS)),
            at_most: word.pop(1) != 0,
        }
    }

    /// Reads the word of the plain parameter memory.
    pub fn decode_plain(word: u64) -> Self {
        let all = Self::decode([word, 0, 0]);
        Self { mul: all.mul, bias: all.bias, ..Self::default() }
    }
}

/// Bits that are written or read from the least significant on.
#[derive(Default)]
struct Word {
    limbs: [u64; 3],
    at: u32,
}

impl Word {
    fn push(&mut self, value: i64, bits: u32) {
        let fits = if bits == 1 {
            matches!(value, 0 | 1)
        } else {
            value << (64 - bits) >> (64 - bits) == value
        };
        assert!(fits, "bug: {value} does not fit {bits} bits");
        for i in 0..bits {
            self.limbs[(self.at / 64) as usize] |=
                (value.cast_unsigned() >> i & 1) << (self.at % 64);
            self.at += 1;
        }
    }

    fn pop(&mut self, bits: u32) -> i64 {
        let mut value = 0;
        for i in 0..bits {
            value |= (self.limbs[(self.at / 64) as usize] >> (self.at % 64) & 1) << i;
            self.at += 1;
        }
        (value << (64 - bits)).cast_signed() >> (64 - bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_survive_encoding() {
        let parameter = Parameter {
            mul: -32_767,
            bias: -(1 << 39),
            minimum: true,
            before: -(1 << 20),
            slope: 32_767,
            after: 1 << 20,
            threshold: -32_768,
            at_most: true,
        };
        assert_eq!(Parameter::decode(parameter.encode()), parameter);
        assert_eq!(parameter.encode()[2] >> 7, 0, "135 bits");
        let plain = Parameter { mul: 3, bias: -5, ..Parameter::default() };
        assert!(plain.is_plain() && !parameter.is_plain());
        assert_eq!(Parameter::decode_plain(plain.encode_bits(56)[0]), plain);
        assert_eq!(plain.encode_bits(56)[1..], [0, 0]);
        assert_eq!(parameter.encode_bits(135), parameter.encode());
    }
}
