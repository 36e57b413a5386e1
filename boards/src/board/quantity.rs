//! Numbers with units, as board files write them: `25 MHz`, `8 MiB`, `16 bit`.

const MHZ: [(&str, f64); 3] = [("Hz", 1e-6), ("kHz", 1e-3), ("MHz", 1.0)];
const BYTES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// A frequency in MHz.
pub(super) fn mhz(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is no frequency: write a number and Hz, kHz or MHz");
    let (number, unit) = text.split_once(' ').ok_or_else(wrong)?;
    let (_, factor) = MHZ.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let mhz = number.parse::<f64>().map_err(|_| wrong())? * factor;
    if (1.0..=1000.0).contains(&mhz) {
        return Ok(mhz);
    }
    Err(format!("`{text}` is no clock of a board: 1 to 1000 MHz"))
}

/// A size in bytes.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size: write a whole number and B, KiB, MiB or GiB");
    let (number, unit) = text.split_once(' ').ok_or_else(wrong)?;
    let (_, factor) = BYTES.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(factor).filter(|&bytes| bytes > 0).ok_or_else(wrong)
}

/// A width in bits.
pub(super) fn bits(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix(" bit").and_then(|number| number.parse().ok());
    number
        .filter(|bits| (1..=1024).contains(bits))
        .ok_or_else(|| format!("`{text}` is no width: write 1 to 1024 and bit"))
}

#[cfg(test)]
mod tests {
    use super::{bits, bytes, mhz};

    #[test]
    fn units_are_part_of_the_number() {
        assert_eq!(mhz("25 MHz"), Ok(25.0));
        assert_eq!(mhz("12500 kHz"), Ok(12.5));
        assert_eq!(mhz("27000000 Hz"), Ok(27.0));
        assert_eq!(bytes("8 MiB"), Ok(8 << 20));
        assert_eq!(bits("16 bit"), Ok(16));
        for wrong in
            ["25", "25MHz", "25 ms", "25 mhz", "x MHz", "0 MHz", "2 GHz", "nan MHz", "-1 MHz"]
        {
            assert!(mhz(wrong).is_err(), "{wrong}");
        }
        for wrong in ["8", "8 MB", "8 Mbit", "1.5 MiB", "0 B", "-1 B", "99999999999 GiB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
        for wrong in ["16", "16 bytes", "0 bit", "2000 bit"] {
            assert!(bits(wrong).is_err(), "{wrong}");
        }
    }
}
