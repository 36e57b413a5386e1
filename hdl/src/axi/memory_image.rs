//! A program as one block of bytes, for the AXI4 port of the accelerator to read.
//!
//! All numbers are little-endian; the block consists of units of 8 bytes, and a host copies it to
//! an address that is a multiple of 8. First comes a header of two units, then sections up to the
//! end, each a unit and its words:
//!
//! | bytes | header                             | section                                     |
//! | ----- | ---------------------------------- | ------------------------------------------- |
//! | 0..2  | `HBM1`                             | target: 0 program, 1 steps, 2 weights, 3 parameters |
//! | 2..4  |                                    | lane group of steps, column of weights and parameters |
//! | 4..6  | bytes of the whole image, 32 bits  | address of the first word                   |
//! | 6..8  |                                    | number of words less one                    |
//! | 8..12 | the register `CONFIG0`             |                                             |
//! | 12..16 | the register `CONFIG1`            |                                             |
//!
//! A word of a section takes as many whole units as its bits need, the lowest first. The load port
//! takes one word a cycle, so that packing narrow words closer would not load them sooner.

use heartbit_ir::program::Program;

use super::registers::MAGIC;
use super::{UNIT_BITS, config_words, units_of};

const HEADER_BYTES: usize = 16;

/// Returns the memory image of a program.
pub fn memory_image(program: &Program) -> Vec<u8> {
    let mut image =
        Image { bytes: vec![0; HEADER_BYTES], units: units_of(&program.array, UNIT_BITS) };
    let word = |&word: &u32| vec![u64::from(word)];
    image.section(0, 0, 0, program.encode().iter().map(word));
    for (group, steps) in program.steps.iter().enumerate() {
        image.section(1, group, 0, steps.iter().map(word));
    }
    for (column, weights) in program.weights.iter().enumerate() {
        let words = (0..weights.len()).map(|i| weights.word(i).to_vec());
        image.section(2, column, program.depths.ring_words(), words);
    }
    let bits = program.array.parameter_bits();
    for (column, parameters) in program.parameters.iter().enumerate() {
        image.section(3, column, 0, parameters.iter().map(|p| p.encode_bits(bits).to_vec()));
    }
    let length = u32::try_from(image.bytes.len()).expect("bug: memories of 16-bit addresses");
    let [rows_cols, lanes] = config_words(&program.array);
    for (place, word) in image.bytes.chunks_mut(4).zip([MAGIC, length, rows_cols, lanes]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    image.bytes
}

struct Image {
    bytes: Vec<u8>,
    units: [u32; 4],
}

impl Image {
    /// Adds the words of a memory from an address on, if there are any.
    fn section(
        &mut self,
        target: u8,
        index: usize,
        first: usize,
        words: impl ExactSizeIterator<Item = Vec<u64>>,
    ) {
        let Some(last) = words.len().checked_sub(1) else { return };
        let half = |n: usize| u16::try_from(n).expect("bug: 16-bit addresses").to_le_bytes();
        self.bytes.extend([target, 0]);
        self.bytes.extend([index, first, last].map(half).as_flattened());
        for limbs in words {
            for k in 0..self.units[usize::from(target)] as usize {
                let limb = limbs.get(k).copied().unwrap_or(0);
                self.bytes.extend_from_slice(&limb.to_le_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::memory_image;
    use heartbit_ir::program::{
        ArrayConfig, Header, LaneMemory, MemoryDepths, Parameter, Program, WeightRing,
    };

    #[test]
    fn image_has_the_bytes_of_the_page() {
        let header = Header {
            image_height: 3,
            image_width: 2,
            classes: 5,
            stem_kernel: 3,
            stem_stride: 1,
            image_tiles: 1,
        };
        let array = ArrayConfig {
            rows: 2,
            cols: 1,
            lanes: 70,
            taps: 1,
            lines: 1,
            acc_bits: 9,
            extended: false,
        };
        let depths = MemoryDepths { program: 2, ..MemoryDepths::uniform(1) };
        let mut weights = LaneMemory::ones(70, 1);
        weights.set(0, 1, false);
        let parameter = Parameter { mul: 7, ..Parameter::default() };
        let program = Program {
            array,
            depths,
            header,
            layers: Vec::new(),
            steps: vec![vec![0x1234_5678]],
            weights: vec![weights],
            weight_stream: None,
            parameters: vec![vec![parameter]],
        };
        let expected: [&[u8]; 11] = [
            b"HBM1\x60\0\0\0",
            &[2, 0, 1, 0, 70, 0, 0x09, 9],
            &[0, 0, 0, 0, 0, 0, 1, 0],
            &[3, 0, 2, 0, 0, 0, 0, 0],
            &[5, 0, 0x2b, 0, 0, 0, 0, 0],
            &[1, 0, 0, 0, 0, 0, 0, 0],
            &[0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0],
            &[2, 0, 0, 0, 0, 0, 0, 0],
            &[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x3f, 0, 0, 0, 0, 0, 0, 0],
            &[3, 0, 0, 0, 0, 0, 0, 0],
        ];
        let mut expected = expected.concat();
        expected.extend([7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(memory_image(&program), expected);

        // Behind a weight ring; the unit of the weights' section is the eighth one.
        let ring = Some(WeightRing { words: 0x120, port_cols: 1 });
        let program = Program { depths: MemoryDepths { ring, ..depths }, ..program };
        expected[7 * 8 + 4..][..2].copy_from_slice(&[0x20, 0x01]);
        assert_eq!(memory_image(&program), expected);
    }
}
