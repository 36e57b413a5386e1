//! The weights that a program streams as one block of bytes, for the AXI4 port to read again and
//! again.
//!
//! The block has no header and consists of units of 8 bytes, little-endian; a host copies it to an
//! address that is a multiple of 8. The beats of the weight port, `W·L` bits each, follow one
//! another in the order in which they are used (microarchitecture.md, section 2.2):
//!
//! * With `W·L > 64` a beat takes as many whole units as its bits need, the lowest first.
//! * Else a unit holds as many whole beats as fit, the first one in the low bits.
//!
//! So no memory is wasted where `W·L` divides 64 or is a multiple of it. The sequence of an image
//! is repeated until a unit ends with it, because the block is.

use heartbit_ir::program::Program;

use super::{AxiConfig, UNIT_BITS, beats_of_unit, small};

/// Returns the bytes of the weights that a program streams; none if it does not stream any.
pub fn weight_image(program: &Program) -> Vec<u8> {
    let (Some(stream), Some(ring)) = (&program.weight_stream, program.depths.ring) else {
        return Vec::new();
    };
    let port_bits = small(ring.port_cols * program.array.lanes);
    let per_unit = beats_of_unit(port_bits) as usize;
    let beats: Vec<_> = stream.beats(ring.port_cols).collect();
    // The smallest number of beats that is a multiple of both.
    let repeats = (1..=per_unit).find(|n| (n * beats.len()).is_multiple_of(per_unit));
    let all = std::iter::repeat_n(&beats, repeats.unwrap_or(1)).flatten();
    let limbs: Vec<u64> = if port_bits > UNIT_BITS {
        all.flatten().copied().collect()
    } else {
        let all: Vec<u64> = all.map(|beat| beat[0]).collect();
        all.chunks(per_unit).map(|unit| pack(unit, port_bits)).collect()
    };
    limbs.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// The beats that an AXI4 port brings at most to a weight port of so many bits, and the cycles that
/// it needs for them.
///
/// # Panics
/// If the weight port has no bits.
pub fn weight_rate(axi: AxiConfig, port_bits: usize) -> (u32, u32) {
    let beats = beats_of_unit(small(port_bits));
    let chunks = chunks_of_beat(axi.data_bits, small(port_bits));
    if beats == 1 || chunks == 1 { (1, chunks) } else { (beats, beats + chunks - 1) }
}

/// Beats of an AXI4 port of so many bits that hold a beat of the weight port, or several.
pub(super) fn chunks_of_beat(data_bits: u32, port_bits: u32) -> u32 {
    port_bits.div_ceil(UNIT_BITS) * (UNIT_BITS / data_bits)
}

/// Units of memory that so many words of all columns take at least, in a fraction: so many times the
/// words, by so many times the units.
pub(super) fn words_by_units(cols: u32, port_cols: u32, lanes: u32) -> [u64; 2] {
    let port_bits = port_cols * lanes;
    let units_of_beat = port_bits.div_ceil(UNIT_BITS);
    [cols / port_cols * units_of_beat, beats_of_unit(port_bits)].map(u64::from)
}

/// Beats side by side, the first one in the low bits.
fn pack(beats: &[u64], port_bits: u32) -> u64 {
    (0..).zip(beats).fold(0, |unit, (at, beat)| unit | beat << (at * port_bits))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::sizes, AxiConfig, weight_image, weight_rate};
    use heartbit_ir::program::{
        ArrayConfig, Header, LaneMemory, MemoryDepths, PortSlots, Program, WeightRing, WeightStream,
    };

    /// A program that streams these words, of one limb each, in each column.
    fn program(lanes: usize, port_cols: usize, columns: &[&[u64]]) -> Program {
        let (array, depths) = sizes();
        let column = |words: &&[u64]| {
            let mut memory = LaneMemory::ones(lanes, words.len());
            for (at, word) in words.iter().enumerate() {
                (0..lanes).for_each(|lane| memory.set(at, lane, word >> lane & 1 == 1));
            }
            memory
        };
        let columns: Vec<_> = columns.iter().map(column).collect();
        let ring = Some(WeightRing { words: 2, port_cols });
        let slots = PortSlots::at_rate(0, 1, 1);
        Program {
            array: ArrayConfig { cols: columns.len(), lanes, ..array },
            depths: MemoryDepths { ring, ..depths },
            header: Header {
                image_height: 1,
                image_width: 1,
                classes: 1,
                stem_kernel: 3,
                stem_stride: 1,
                image_tiles: 1,
            },
            layers: Vec::new(),
            steps: Vec::new(),
            weights: Vec::new(),
            weight_stream: Some(WeightStream { columns, slots }),
            parameters: Vec::new(),
        }
    }

    #[track_caller]
    fn check(lanes: usize, port_cols: usize, columns: &[&[u64]], units: &[u64]) {
        let expected: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        assert_eq!(weight_image(&program(lanes, port_cols, columns)), expected);
    }

    #[test]
    fn narrow_beats_share_units_and_wide_ones_take_several() {
        // Two words of two columns.
        let columns: [&[u64]; 2] = [&[0x12345, 0x6789a], &[0xbcdef, 0x13579]];
        let units = [
            0x0678_9abc_def1_2345,
            0x0bcd_ef12_3451_3579,
            0x0123_4513_5796_789a,
            0x0135_7967_89ab_cdef,
        ];
        check(20, 1, &columns, &units);
        check(20, 2, &columns, &[0xbc_def1_2345, 0x13_5796_789a]);
        let wide: [&[u64]; 2] = [&[0x1_0000_0001], &[2]];
        check(33, 2, &wide, &[0x5_0000_0001, 0]);
        check(64, 1, &wide, &[0x1_0000_0001, 2]);
        check(4, 1, &[&[]], &[]);
    }
    #[test]
    fn rate_is_what_the_bus_brings() {
        for (port_bits, at_64, at_32) in [
            (20, (1, 1), (3, 4)),
            (32, (1, 1), (2, 3)),
            (33, (1, 1), (1, 2)),
            (64, (1, 1), (1, 2)),
            (65, (1, 2), (1, 4)),
            (256, (1, 4), (1, 8)),
        ] {
            let rate =
                |data_bits| weight_rate(AxiConfig { data_bits, ..AxiConfig::default() }, port_bits);
            assert_eq!((rate(64), rate(32)), (at_64, at_32), "{port_bits} bits");
        }
    }
}
