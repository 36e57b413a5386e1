//! Numbers as people read them.

/// Writes a number with thousands separated.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a share as a percentage.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Returns `part / whole`, 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (40_108_032, "40,108,032")] {
            assert_eq!(grouped(n), text);
        }
    }

    #[test]
    fn share_of_nothing_is_nothing() {
        assert_eq!((percent(share(0, 0)), percent(share(1, 8))), ("0.0 %".into(), "12.5 %".into()));
    }
}
