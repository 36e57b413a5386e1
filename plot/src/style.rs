//! Colours, dots, strokes.

use crate::scene::{Dot, Rgb, Stroke};

/// Okabe and Ito's palette, which colour-blind readers can tell apart; without its yellow, which
/// is too light for lines on paper.
const PALETTE: [Rgb; 7] = [
    (0x00, 0x72, 0xb2),
    (0xd5, 0x5e, 0x00),
    (0x00, 0x9e, 0x73),
    (0xcc, 0x79, 0xa7),
    (0xe6, 0x9f, 0x00),
    (0x56, 0xb4, 0xe9),
    (0x00, 0x00, 0x00),
];

/// Dots tell curves apart where the print has no colours. Five shapes and seven colours give 35
/// different curves.
const DOTS: [Dot; 5] = [Dot::Circle, Dot::Square, Dot::Triangle, Dot::Diamond, Dot::Star];

/// Words and axes.
pub(crate) const INK: Rgb = (0x26, 0x26, 0x26);
/// Lines that belong to no group.
pub(crate) const NEUTRAL: Rgb = (0x59, 0x59, 0x59);
/// Lines across a panel.
pub(crate) const GRID: Rgb = (0xe3, 0xe3, 0xe3);

/// The stroke of the n-th group.
pub(crate) fn stroke(group: usize) -> Stroke {
    Stroke {
        color: PALETTE[group % PALETTE.len()],
        dashed: false,
        width: 1.6,
        dot: Some(DOTS[group % DOTS.len()]),
    }
}

/// A thin dashed line that belongs to no group.
pub(crate) fn reference() -> Stroke {
    Stroke { color: NEUTRAL, dashed: true, width: 1.0, dot: None }
}

/// The colour of a share in 0 to 1 on a scale whose lightness rises evenly, dark blue to white.
pub(crate) fn scale(share: f64) -> Rgb {
    const STOPS: [(f64, f64, f64); 4] =
        [(8.0, 48.0, 107.0), (0.0, 114.0, 178.0), (120.0, 185.0, 225.0), (250.0, 252.0, 255.0)];
    let position = share.clamp(0.0, 1.0) * 3.0;
    let (i, t) = match position {
        p if p < 1.0 => (0, p),
        p if p < 2.0 => (1, p - 1.0),
        p => (2, p - 2.0),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
    let mix = |a: f64, b: f64| (a + (b - a) * t).round() as u8;
    let (a, b) = (STOPS[i], STOPS[i + 1]);
    (mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}
