//! The user pins of packages, from the databases of the open tools (`scripts/package-pins.py`).
//!
//! Not here: packages for which no open tool has a table; there only the form of a pin is known.

/// Part and package as the open tools name them, and the pins in lines.
const PACKAGES: [(&str, &str, &str); 7] = [
    ("25k", "CABGA381", include_str!("../packages/ecp5-25k-cabga381.txt")),
    ("25k", "CSFBGA285", include_str!("../packages/ecp5-25k-csfbga285.txt")),
    ("85k", "CABGA381", include_str!("../packages/ecp5-85k-cabga381.txt")),
    ("GW1N-9C", "QN88P", include_str!("../packages/gowin-gw1n-9c-qn88p.txt")),
    ("GW2A-18C", "QN88", include_str!("../packages/gowin-gw2a-18c-qn88.txt")),
    ("hx8k", "ct256", include_str!("../packages/ice40-hx8k-ct256.txt")),
    ("up5k", "sg48", include_str!("../packages/ice40-up5k-sg48.txt")),
];

/// Whether a package has a user pin; `None` where there is no table of its pins.
pub fn has_pin(part: &str, package: &str, pin: &str) -> Option<bool> {
    let (.., pins) = PACKAGES.into_iter().find(|(p, k, _)| (*p, *k) == (part, package))?;
    let mut lines = pins.lines().filter(|line| !line.starts_with('#'));
    Some(lines.any(|line| line.split(' ').any(|name| name == pin)))
}

/// Whether a text has the form of a pin: a number, with a row of one or two letters before it on
/// packages with balls.
pub fn is_pin(text: &str) -> bool {
    let number = text.trim_start_matches(|c: char| c.is_ascii_uppercase());
    text.len() - number.len() <= 2
        && (1..=4).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
        && !number.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::{PACKAGES, has_pin, is_pin};

    #[test]
    fn tables_hold_pins_only() {
        for (part, package, pins) in PACKAGES {
            let lines = pins.lines().skip(1).flat_map(|line| line.split(' '));
            assert!(lines.clone().count() > 30, "{part} {package}");
            assert!(lines.into_iter().all(is_pin), "{part} {package}");
        }
        assert_eq!(has_pin("up5k", "sg48", "35"), Some(true));
        assert_eq!(has_pin("up5k", "sg48", "3"), Some(true));
        assert_eq!(has_pin("up5k", "sg48", "1"), Some(false), "a supply");
        assert_eq!(has_pin("85k", "CABGA756", "A4"), None);
    }

    #[test]
    fn pins_have_a_form() {
        for pin in ["1", "88", "A9", "AG13"] {
            assert!(is_pin(pin), "{pin}");
        }
        for text in ["", "A", "a9", "ABC1", "9A", "A09", "A 9", "12345", "PIN_A9"] {
            assert!(!is_pin(text), "{text}");
        }
    }
}
