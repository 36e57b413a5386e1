//! A program as what is written to the load registers, and its checksum.
//!
//! The words of each memory follow each other in frames of at most `MAX_WORDS` words of 32 bits,
//! each frame with the place of its first word; a word of a memory is not divided. Order and sizes
//! are fixed, so the checksum, over what the frames write, is the program's.

use heartbit_ir::program::Program;

use crate::frame::MAX_PAYLOAD;
use crate::regs;

/// Words of 32 bits that a frame holds beside the register and the place.
const MAX_WORDS: usize = (MAX_PAYLOAD - 5) / 4;
/// Targets of the load port.
const PROGRAM: u32 = 0;
const STEPS: u32 = 1;
const WEIGHTS: u32 = 2;
const PARAMETERS: u32 = 3;

/// A program for the load registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Payloads of the frames that write it.
    pub payloads: Vec<Vec<u8>>,
    /// CRC-32 of what they write, as `LOAD_CRC` has it.
    pub crc: u32,
}

impl Load {
    /// The load of a program without streamed weights.
    ///
    /// # Panics
    /// If the program has more columns than 256 or memories of more than 65536 words, which no
    /// array has.
    pub fn new(program: &Program) -> Self {
        let mut load = Self { payloads: Vec::new(), crc: 0 };
        load.section(PROGRAM, 0, 0, program.encode().into_iter().map(|word| vec![word]));
        for (group, steps) in program.steps.iter().enumerate() {
            load.section(STEPS, group, 0, steps.iter().map(|&word| vec![word]));
        }
        let lanes = program.array.lanes;
        for (column, weights) in program.weights.iter().enumerate() {
            let words = (0..weights.len()).map(|i| halves(weights.word(i), lanes));
            load.section(WEIGHTS, column, program.depths.ring_words(), words);
        }
        let bits = program.array.parameter_bits();
        for (column, parameters) in program.parameters.iter().enumerate() {
            let words = parameters.iter().map(|p| halves(&p.encode_bits(bits), bits));
            load.section(PARAMETERS, column, 0, words);
        }
        let mut crc = crc32fast::Hasher::new();
        load.payloads.iter().for_each(|payload| crc.update(&payload[1..]));
        load.crc = crc.finalize();
        load
    }

    /// Bytes of all payloads.
    pub fn bytes(&self) -> usize {
        self.payloads.iter().map(Vec::len).sum()
    }

    /// Adds the words of a memory from an address on.
    fn section(
        &mut self,
        target: u32,
        index: usize,
        first: usize,
        words: impl Iterator<Item = Vec<u32>>,
    ) {
        let small = |n: usize| u32::try_from(n).expect("bug: 16-bit addresses");
        let select = |address: usize| {
            target
                | small(index) << regs::LOAD_SELECT_INDEX_SHIFT
                | small(address) << regs::LOAD_SELECT_ADDRESS_SHIFT
        };
        let mut room = 0;
        for (address, word) in (first..).zip(words) {
            if room < word.len() {
                let register = u8::try_from(regs::LOAD_SELECT / 4).expect("bug: a low register");
                let mut payload = vec![register];
                payload.extend(select(address).to_le_bytes());
                self.payloads.push(payload);
                room = MAX_WORDS;
            }
            room -= word.len();
            let payload = self.payloads.last_mut().expect("bug: just added");
            payload.extend(word.iter().flat_map(|half| half.to_le_bytes()));
        }
    }
}

/// The words of 32 bits that so many bits need, the lowest first.
fn halves(limbs: &[u64], bits: usize) -> Vec<u32> {
    let half = |k: usize| {
        let limb = limbs.get(k / 2).copied().unwrap_or(0) >> (32 * (k % 2));
        u32::try_from(limb & 0xffff_ffff).expect("bug: 32 bits")
    };
    (0..bits.div_ceil(32)).map(half).collect()
}

#[cfg(test)]
mod tests {
    use super::{Load, halves};
    use heartbit_ir::program::{ArrayConfig, Header, LaneMemory, MemoryDepths, Parameter, Program};

    #[test]
    fn words_take_as_many_halves_as_their_bits_need() {
        assert_eq!(halves(&[0x1234_5678_9abc_def0], 16), [0x9abc_def0]);
        assert_eq!(halves(&[0x1234_5678_9abc_def0, 7], 70), [0x9abc_def0, 0x1234_5678, 7]);
        assert_eq!(halves(&[1], 135), [1, 0, 0, 0, 0]);
    }

    #[test]
    fn frames_are_full_and_say_where_they_go() {
        let array = ArrayConfig {
            rows: 2,
            cols: 1,
            lanes: 40,
            taps: 1,
            lines: 1,
            acc_bits: 9,
            extended: false,
        };
        let header = Header {
            image_height: 3,
            image_width: 2,
            classes: 5,
            stem_kernel: 3,
            stem_stride: 1,
            image_tiles: 1,
        };
        let program = Program {
            array,
            depths: MemoryDepths::uniform(64),
            header,
            layers: Vec::new(),
            steps: vec![vec![0x1234_5678]],
            weights: vec![LaneMemory::ones(40, 31)],
            weight_stream: None,
            parameters: vec![vec![Parameter { mul: 7, ..Parameter::default() }]],
        };
        let load = Load::new(&program);
        let sizes: Vec<_> = load.payloads.iter().map(Vec::len).collect();
        // Two words of header; a step; 30 weights of two halves, and one more; a parameter.
        assert_eq!(sizes, [13, 9, 5 + 30 * 8, 5 + 8, 5 + 8]);
        assert_eq!(load.payloads[1], [27, 1, 0, 0, 0, 0x78, 0x56, 0x34, 0x12]);
        assert_eq!(load.payloads[3][..5], [27, 2, 0, 30, 0]);
        assert_eq!(load.payloads[4], [27, 3, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
        let written: Vec<u8> = load.payloads.iter().flat_map(|p| p[1..].to_vec()).collect();
        assert_eq!(load.crc, crc32fast::hash(&written));
    }
}
