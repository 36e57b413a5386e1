//! Writes to the activation memory: bits, levels, and the levels of pooled sums.

use super::result::level;
use super::{Context, Pixel, wrap};
use crate::layout::Place;
use std::collections::VecDeque;

/// A slice that will be written.
#[derive(Clone, Debug)]
struct SliceWrite {
    cycle: u64,
    at: Slice,
    bits: Vec<u64>,
}

/// Where a slice is, in its first copy.
#[derive(Clone, Copy, Debug)]
struct Slice {
    address: u16,
    bank: usize,
    slot: usize,
}

/// Writes under way and the sums of `pool`.
#[derive(Clone, Debug)]
pub(super) struct MapWrites {
    slices: VecDeque<SliceWrite>,
    sums: Vec<i64>,
}

impl MapWrites {
    pub(super) fn new(cols: usize) -> Self {
        Self { slices: VecDeque::new(), sums: vec![0; cols] }
    }

    /// Writes that are not done.
    pub(super) fn pending(&self) -> usize {
        self.slices.len()
    }

    /// The cycle of the next write.
    pub(super) fn due(&self) -> Option<u64> {
        self.slices.front().map(|slice| slice.cycle)
    }

    /// Performs the writes up to cycle `now`, included.
    pub(super) fn commit(&mut self, now: u64, to: &mut Context<'_>) {
        while let Some(slice) = self.slices.front()
            && slice.cycle <= now
        {
            write_slice(slice.at, &slice.bits, to);
            self.slices.pop_front();
        }
    }

    /// Writes the codes of a pixel from the cycle on in which it is written.
    pub(super) fn write(&mut self, pixel: &Pixel, codes: &[u8], to: &mut Context<'_>) {
        let place = to.layer.layout.place(pixel.y, pixel.x);
        self.write_planes(pixel.written, pixel.ct, place, codes, to);
    }

    /// Writes the planes of a pixel, one slice a cycle from `cycle` on.
    fn write_planes(
        &mut self,
        mut cycle: u64,
        ct: usize,
        place: Place,
        codes: &[u8],
        to: &mut Context<'_>,
    ) {
        let (plan, d) = (to.plan, &to.layer.d);
        let only = to.layer.planes == 1 && plan.write_beats == 1 && plan.slice_bits <= 64;
        for plane in 0..to.layer.planes {
            for (sub, codes) in codes.chunks(plan.slice_bits).enumerate() {
                let slice = ct * plan.write_beats + sub;
                let word = plane * usize::from(d.out_plane_words) + slice / plan.slices;
                let address = wrap(place.word + word);
                let at = Slice { address, bank: place.bank, slot: slice % plan.slices };
                let mut limbs = codes.chunks(64).map(|part| pack(part, plane));
                if only && !d.flags.pool {
                    // Rows are processed in the cycle of their only write, or later.
                    write_slice(at, &[limbs.next().expect("bug: a slice has columns")], to);
                } else {
                    self.slices.push_back(SliceWrite { cycle, at, bits: limbs.collect() });
                }
                cycle += 1;
            }
        }
    }

    /// Adds a pixel to the sums.
    pub(super) fn pool(&mut self, pixel: &Pixel, values: &[i16], to: &Context<'_>) {
        let (d, lines, pitch) = (&to.layer.d, to.layer.lines, to.layer.pitch);
        let first = (lines.min(d.out_height.into()) - 1, pitch.min(d.out_width.into()) - 1);
        if (pixel.y, pixel.x) == first {
            self.sums.fill(0);
        }
        for (sum, &v) in self.sums.iter_mut().zip(values) {
            *sum += i64::from(v);
        }
    }

    /// Writes the levels of the sums after the last pixel of a column tile.
    pub(super) fn end_pooling(&mut self, pixel: &Pixel, to: &mut Context<'_>) {
        let d = to.layer.d;
        let mut codes: Vec<u8> = self.sums.iter().map(|&sum| level(sum, d.level_shift)).collect();
        let first = pixel.ct * to.plan.cols;
        if let Some(record) = to.record() {
            record.pooled[first..][..codes.len()].copy_from_slice(&codes);
        }
        for code in &mut codes {
            *code >>= 8 - d.level_bits;
        }
        // One cycle to copy the sums, `level_shift` cycles to shift them.
        let cycle = pixel.written + 2 + u64::from(d.level_shift);
        let place = Place { word: d.out_base.into(), bank: 0 };
        self.write_planes(cycle, pixel.ct, place, &codes, to);
    }
}

/// Writes all copies of a slice.
fn write_slice(at: Slice, bits: &[u64], to: &mut Context<'_>) {
    let copies = to.layer.copies;
    for slot in (at.slot..).step_by(to.plan.slices / copies).take(copies) {
        to.memories.write_slice(at.address, at.bank, slot, bits);
    }
}

/// Returns a plane of up to 64 codes.
fn pack(codes: &[u8], plane: usize) -> u64 {
    codes.iter().enumerate().fold(0, |word, (i, code)| word | u64::from(code >> plane & 1) << i)
}
