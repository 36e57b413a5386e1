//! A memory of about as many words as are asked for, from one or two of the layer's memories.
//!
//! The layer's memories have power-of-two depths. A depth between them, 3048 words say, would
//! waste a third of its block memory; two memories of 2048 and 1024 words and a multiplexer waste
//! little. Addresses beyond the depth read and write some other word.

use crate::build::{Builder, Memory, Sig};

/// Bits that a second memory must save: those of the smallest common block memory.
const BLOCK_BITS: u32 = 4096;
/// The smallest second memory, the words of such a block at 16 bits.
const BLOCK_WORDS: u32 = 256;

/// A memory with one write port and one read port; the word comes one cycle after the address.
pub(super) struct Store<'m> {
    m: &'m Builder,
    name: String,
    address_bits: u32,
    low: Memory<'m>,
    /// What the top bit of the address selects.
    high: Option<Memory<'m>>,
}

/// Bits of an address of a store.
pub(super) fn address_bits(words: u32) -> u32 {
    words.next_power_of_two().max(2).trailing_zeros()
}

/// The depths of the one or two memories.
fn parts(words: u32, width: u32) -> (u32, Option<u32>) {
    let whole = 1 << address_bits(words);
    let low = whole / 2;
    let high = words.saturating_sub(low).next_power_of_two().max(BLOCK_WORDS);
    if high < low && (low - high) * width >= BLOCK_BITS { (low, Some(high)) } else { (whole, None) }
}

impl<'m> Store<'m> {
    /// Declares a store of at least `words` words.
    pub(super) fn new(m: &'m Builder, name: &str, width: u32, words: u32) -> Self {
        let (low, high) = parts(words, width);
        Self {
            m,
            name: name.to_owned(),
            address_bits: address_bits(words),
            low: m.memory(name, width, low),
            high: high.map(|depth| m.memory(&format!("{name}_high"), width, depth)),
        }
    }

    /// Describes the write port; an address may have more bits.
    pub(super) fn write(&self, enable: Sig<'m>, address: Sig<'m>, data: Sig<'m>) {
        let address = address.keep(0, self.address_bits);
        let low = address.slice(0, self.low.address_bits());
        match self.high {
            None => self.low.write(enable, low, data),
            Some(high) => {
                self.low.write(enable & !address.msb(), low, data);
                high.write(enable & address.msb(), address.slice(0, high.address_bits()), data);
            }
        }
    }

    /// Describes the read port; an address may have more bits.
    pub(super) fn read(&self, address: Sig<'m>) -> Sig<'m> {
        let address = address.keep(0, self.address_bits);
        let low = self.low.read(address.slice(0, self.low.address_bits()));
        match self.high {
            None => low,
            Some(high) => {
                let upper = self.m.pipe(&format!("{}_upper", self.name), address.msb());
                let word = high.read(address.slice(0, high.address_bits()));
                self.m.mux(upper, word, low)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Store, parts};
    use crate::{Builder, Simulator, test_random};

    #[test]
    fn second_memory_is_there_where_it_saves_a_block() {
        assert_eq!(parts(1, 16), (2, None));
        assert_eq!(parts(256, 16), (256, None));
        assert_eq!(parts(300, 16), (512, None));
        assert_eq!(parts(513, 16), (512, Some(256)));
        assert_eq!(parts(1025, 2), (2048, None));
        assert_eq!(parts(3048, 16), (2048, Some(1024)));
        assert_eq!(parts(3073, 16), (4096, None));
        assert_eq!(parts(40_000, 64), (32_768, Some(8192)));
        assert_eq!(parts(65_536, 64), (65_536, None));
    }

    #[test]
    fn every_word_is_its_own() {
        for words in [5, 600, 1000, 1100] {
            let m = Builder::new("store", "");
            let store = Store::new(&m, "words", 32, words);
            store.write(m.input("en", 1, ""), m.input("to", 16, ""), m.input("data", 32, ""));
            m.output("word", store.read(m.input("from", 16, "")), "");
            let mut sim = Simulator::new(&m.finish());
            let mut seed = words.into();
            let data: Vec<u64> = (0..words).map(|_| test_random(&mut seed) >> 32).collect();
            for (address, word) in (0..).zip(&data) {
                sim.set("en", 1);
                sim.set("to", address);
                sim.set("data", *word);
                sim.step();
            }
            sim.set("en", 0);
            for (address, word) in (0..).zip(&data) {
                sim.set("from", address);
                sim.step();
                assert_eq!(sim.get("word"), *word, "word {address} of {words}");
            }
        }
    }
}
