//! Packed kernels: products of many pixels with many channels, as fast as the processor allows.
//!
//! Pixels are rows of a *panel*, channels are columns of weights in blocks of [`LANES`], results
//! are `out[block · pixels + pixel][lane]`. [`Kernels::count`] counts where bits of a pixel and of a
//! channel differ, [`Kernels::multiply`] sums products of small integers,
//! [`Kernels::multiply_bytes`] of smaller ones. All hold [`PIXELS`] pixels times some blocks in
//! registers, so the pixels of a panel are a multiple of that.
//!
//! | instruction set | `count` | `multiply` | `multiply_bytes` |
//! |---|---|---|---|
//! | [`Isa::Portable`] | `u64::count_ones` | 32-bit products | 32-bit products |
//! | [`Isa::Avx2`] | ones of nibbles from a table (`vpshufb`), summed up to 31 words (`vpsadbw`) | `vpmaddwd` | `vpmaddubsw`, summed while 16 bits hold it |
//! | [`Isa::Avx512`] | `vpopcntq` | `vpmaddwd`, four blocks at once | `vpdpbusd`, four blocks at once |
//! | [`Isa::Neon`] | `cnt`, summed up to 31 words | that of `Portable` | that of `Portable` |
//!
//! `Kernels::scale` makes results of the sums of a line (`scale`), two pixels at once with AVX2 and
//! AVX-512. `Kernels::vectorise` compiles plain loops for the instruction set.
//! This module and those below it are the only ones of the crate with unsafe code: calls of
//! functions that need an instruction set, which a value of [`Kernels`] proves to be there, and
//! loads and stores of whole arrays.

#![expect(unsafe_code, reason = "instruction sets are chosen at run time")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod clock;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod quads;
mod scale;
#[cfg(test)]
mod tests;

pub use clock::time_stamp;
pub use quads::{QuadBlock, Quads};
pub(crate) use scale::{ScaleLine, Stretch};
use std::fmt;
use std::ops::Range;

/// Channels of a block.
pub const LANES: usize = 8;
/// Pixels that are computed together.
pub const PIXELS: usize = 4;

/// A word of the [`LANES`] channels of a block.
pub type WordBlock = [u64; LANES];
/// Two factors of each of the channels of a block, side by side.
pub type PairBlock = [i16; 2 * LANES];
/// Words of a pixel whose counts double together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Number of words.
    pub words: usize,
    /// How often the sum so far doubles behind them.
    pub doublings: u32,
}

/// Results of the channels of a block.
pub type SumBlock = [i32; LANES];

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// What every processor has.
    Portable,
    /// `x86_64` with AVX2.
    Avx2,
    /// `x86_64` with AVX-512 F, BW, DQ, VL, VNNI and VPOPCNTDQ.
    Avx512,
    /// `AArch64` with NEON.
    Neon,
}

impl Isa {
    /// All instruction sets, the fastest last.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Neon, Self::Avx2, Self::Avx512];

    /// Whether this processor has it.
    pub fn is_here(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
                    && is_x86_feature_detected!("avx512vpopcntdq")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            _ => false,
        }
    }

    /// The fastest one that this processor has.
    pub fn best() -> Self {
        Self::ALL.into_iter().rev().find(|isa| isa.is_here()).unwrap_or(Self::Portable)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        })
    }
}

/// The kernels of an instruction set that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels(Isa);

/// A loop that is compiled for the instruction set.
///
/// `run` and all that it calls must be `#[inline(always)]`.
pub(crate) trait Task {
    /// Does the work.
    fn run(self);
}

impl Kernels {
    /// The kernels of an instruction set; `None` if the processor does not have it.
    pub fn new(isa: Isa) -> Option<Self> {
        isa.is_here().then_some(Self(isa))
    }

    /// The fastest ones.
    pub fn best() -> Self {
        Self(Isa::best())
    }

    /// The instruction set.
    pub fn isa(self) -> Isa {
        self.0
    }

    /// Counts the bits in which pixels and channels differ, modulo 2^32.
    ///
    /// `panel` holds the words of all segments for each pixel, `weights` as many for each block.
    ///
    /// # Panics
    /// If the sizes do not match, there are no words, or the pixels are no multiple of [`PIXELS`].
    pub fn count(
        self,
        panel: &[u64],
        weights: &[WordBlock],
        segments: &[Segment],
        out: &mut [SumBlock],
    ) {
        check_sizes(panel.len(), weights.len(), words(segments), out.len());
        match self.0 {
            // SAFETY: a value of `Kernels` exists only where the instruction set does.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { avx2::count(panel, weights, segments, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { avx512::count(panel, weights, segments, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => unsafe { neon::count(panel, weights, segments, out) },
            _ => portable::count(panel, weights, segments, out),
        }
    }

    /// Sums the products of pixels and channels, modulo 2^32.
    ///
    /// `panel` holds `pairs` pairs of factors for each pixel, `weights` as many for each block.
    ///
    /// # Panics
    /// If the sizes do not match, `pairs` is 0, or the pixels are no multiple of [`PIXELS`].
    pub fn multiply(
        self,
        panel: &[[i16; 2]],
        weights: &[PairBlock],
        pairs: usize,
        out: &mut [SumBlock],
    ) {
        check_sizes(panel.len(), weights.len(), pairs, out.len());
        match self.0 {
            // SAFETY: a value of `Kernels` exists only where the instruction set does.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { avx2::multiply(panel, weights, pairs, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { avx512::multiply(panel, weights, pairs, out) },
            _ => portable::multiply(panel, weights, pairs, out),
        }
    }

    /// Sums the products of pixels and channels that are bytes, modulo 2^32.
    ///
    /// `panel` holds `quads` quads of factors for each pixel, `weights` as many for each block.
    ///
    /// # Panics
    /// If the sizes do not match, `quads` is 0, or the pixels are no multiple of [`PIXELS`].
    pub fn multiply_bytes(
        self,
        panel: &[[u8; 4]],
        weights: &Quads,
        quads: usize,
        out: &mut [SumBlock],
    ) {
        check_sizes(panel.len(), weights.blocks().len(), quads, out.len());
        match self.0 {
            // SAFETY: a value of `Kernels` exists only where the instruction set does.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { avx2::multiply_bytes(panel, weights, quads, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { avx512::multiply_bytes(panel, weights.blocks(), quads, out) },
            _ => portable::multiply_bytes(panel, weights.blocks(), quads, out),
        }
    }

    /// Scales a line of sums: its results, and a bit for each that is not negative.
    ///
    /// # Panics
    /// If the slices have different lengths.
    pub(crate) fn scale(
        self,
        line: &ScaleLine<'_>,
        results: &mut [[i16; LANES]],
        signs: &mut [u8],
    ) {
        match self.0 {
            // SAFETY: a value of `Kernels` exists only where the instruction set does.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { avx2::scale::scale(line, results, signs) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { avx512::scale(line, results, signs) },
            _ => scale::scale(line, results, signs),
        }
    }

    /// Runs a loop that was compiled for the instruction set.
    #[inline]
    pub(crate) fn vectorise(self, task: impl Task) {
        match self.0 {
            // SAFETY: a value of `Kernels` exists only where the instruction set does.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { avx2::vectorise(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { avx512::vectorise(task) },
            _ => task.run(),
        }
    }
}

/// The words of each segment, and its doublings.
fn ranges(segments: &[Segment]) -> impl Iterator<Item = (Range<usize>, u32)> {
    let mut first = 0;
    segments.iter().map(move |segment| {
        let words = first..first + segment.words;
        first = words.end;
        (words, segment.doublings)
    })
}

/// The same range of several rows, each `pitch` elements behind the one before.
#[expect(clippy::inline_always, reason = "a call for each group of pixels costs too much")]
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    expect(dead_code, reason = "the portable kernels have one pixel at a time")
)]
#[inline(always)]
fn rows<'a, T, const N: usize>(from: &'a [T], pitch: usize, range: &Range<usize>) -> [&'a [T]; N] {
    let mut rows = [&from[..0]; N];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &from[i * pitch..][range.clone()];
    }
    rows
}

/// Words of a pixel.
fn words(segments: &[Segment]) -> usize {
    segments.iter().map(|segment| segment.words).sum()
}

/// Panics unless `steps` steps a pixel and block lead from the panel to the results.
fn check_sizes(panel: usize, weights: usize, steps: usize, out: usize) {
    assert!(steps > 0, "bug: no steps");
    let (pixels, blocks) = (panel / steps, weights / steps);
    assert!(
        panel == pixels * steps
            && weights == blocks * steps
            && out == pixels * blocks
            && pixels.is_multiple_of(PIXELS),
        "bug: {panel} and {weights} words of {steps} steps do not make {out} results"
    );
}
