//! Element types of foreign tensors, and their conversion to `f32`.
//!
//! Widening from 16 bits is exact; narrowing from 64 bits rounds to the nearest `f32`, ties to
//! even. Not here: where the bytes of a tensor are.

/// What one element of a storage is; little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// IEEE half precision.
    F16,
    /// The upper half of an `f32`.
    Bf16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// A type that no parameter has, of this many bytes.
    Other {
        /// Name for messages.
        name: &'static str,
        /// Size of an element.
        bytes: usize,
    },
}

impl Element {
    /// Returns the type of a storage class of the module `torch`.
    pub(crate) fn from_storage_class(name: &str) -> Option<Self> {
        let other = |name, bytes| Some(Self::Other { name, bytes });
        match name {
            "HalfStorage" => Some(Self::F16),
            "BFloat16Storage" => Some(Self::Bf16),
            "FloatStorage" => Some(Self::F32),
            "DoubleStorage" => Some(Self::F64),
            "BoolStorage" => other("bool", 1),
            "ByteStorage" => other("uint8", 1),
            "CharStorage" => other("int8", 1),
            "ShortStorage" => other("int16", 2),
            "IntStorage" => other("int32", 4),
            "LongStorage" => other("int64", 8),
            "ComplexFloatStorage" => other("complex64", 8),
            "ComplexDoubleStorage" => other("complex128", 16),
            _ => None,
        }
    }

    /// Size of an element in bytes.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Other { bytes, .. } => bytes,
        }
    }

    /// Returns the value of an element, `None` where the type is no float.
    pub(crate) fn decode(self, bytes: &[u8]) -> Option<f32> {
        match self {
            Self::F16 => Some(f16_to_f32(u16::from_le_bytes(bytes.try_into().ok()?))),
            Self::Bf16 => {
                let bits = u16::from_le_bytes(bytes.try_into().ok()?);
                Some(f32::from_bits(u32::from(bits) << 16))
            }
            Self::F32 => Some(f32::from_le_bytes(bytes.try_into().ok()?)),
            Self::F64 => Some(narrow(f64::from_le_bytes(bytes.try_into().ok()?))),
            Self::Other { .. } => None,
        }
    }

    /// Name for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::Other { name, .. } => name,
        }
    }
}

/// Rounds to the nearest `f32`, ties to even.
#[expect(clippy::cast_possible_truncation, reason = "the rounding is what is wanted")]
pub(crate) fn narrow(value: f64) -> f32 {
    value as f32
}

fn f16_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (bits >> 10 & 31, f32::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(i32::from(exponent) - 25),
    };
    sign * magnitude
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_has_the_values_of_the_standard() {
        let cases = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65_504.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(Element::F16.decode(&u16::to_le_bytes(bits)), Some(value), "{bits:#06x}");
        }
        assert!(f16_to_f32(0x7e00).is_nan());
        assert!(f16_to_f32(0x8000).is_sign_negative());
    }

    #[test]
    fn other_floats_are_shifted_or_rounded() {
        assert_eq!(Element::Bf16.decode(&[0xc0, 0x3f]), Some(1.5));
        assert_eq!(Element::F64.decode(&0.1f64.to_le_bytes()), Some(0.1));
        // Halfway between 1 and its successor: to the even one.
        assert_eq!(Element::F64.decode(&(1.0 + 2f64.powi(-24)).to_le_bytes()), Some(1.0));
        assert_eq!(Element::Other { name: "int64", bytes: 8 }.decode(&[0; 8]), None);
    }
}
