//! The memories that programs are loaded into and layers write: activations, weights, streams,
//! logits, and the words of the sequencer.
//!
//! Microarchitecture.md, section 2. Every memory has one write port and one read port with the
//! word one cycle after the address; addresses beyond the depth wrap around. The port tables are
//! with the functions. The image memory is in `image`, with its input port; the parameters are in
//! `parameters`.

use super::sizes::{Ring, Sizes, delay, delay_control};
use super::store::{Store, address_bits};
use crate::build::{Builder, Module, Sig};

/// One write through the load port, seen by one kind of memory.
pub(super) struct Load<'m> {
    enable: Sig<'m>,
    index: Sig<'m>,
    pub(super) address: Sig<'m>,
    pub(super) data: Sig<'m>,
}

/// The write ports of memories that share address and data.
pub(super) struct Writes<'m> {
    /// One a memory.
    pub(super) enables: Vec<Sig<'m>>,
    pub(super) address: Sig<'m>,
    pub(super) data: Sig<'m>,
}

impl<'m> Load<'m> {
    pub(super) fn inputs(m: &'m Builder, data_bits: u32) -> Self {
        Self {
            enable: m.input("load_en", 1, "write a word"),
            index: m.input("load_index", 16, "column or lane group"),
            address: m.input("load_addr", 16, "word"),
            data: m.input("load_data", data_bits, "word"),
        }
    }

    pub(super) fn element(&self, index: u32) -> Sig<'m> {
        self.enable & self.index.eq(u64::from(index))
    }

    /// The write ports of `n` memories in the next cycle: it is far to them, so the enables are
    /// decoded before. A reset keeps what is on its way.
    pub(super) fn later(&self, m: &'m Builder, n: u32) -> Writes<'m> {
        Writes {
            enables: (0..n).map(|i| m.pipe(&format!("load_{i}"), self.element(i))).collect(),
            address: m.pipe("load_addr_q", self.address),
            data: m.pipe("load_data_q", self.data),
        }
    }
}

/// Describes the module `activations`: `rows` banks of `slices` slices in `taps` lane groups.
///
/// | port           | dir | width        | meaning                                          |
/// | -------------- | --- | ------------ | ------------------------------------------------ |
/// | `bank_en`      | in  | `rows`       | banks that are written in the next cycle         |
/// | `slice_en`     | in  | `slices`     | slices of them that are written                  |
/// | `to`           | in  | 16           | write address                                    |
/// | `bits`         | in  | `slice_bits` | the slice                                        |
/// | `addr_{b}_{g}` | in  | 16           | read address of lane group `g` of bank `b`       |
/// | `word_{b}`     | out | `lanes`      | its word, one cycle later; 0 above the slices    |
pub(super) fn activations(sizes: &Sizes) -> Module {
    let m = Builder::new("activations", "Activation memory: banks of slices.");
    // From here it is far to the banks.
    let bank_en = m.input("bank_en", sizes.rows, "banks that are written");
    let bank_en = delay_control(&m, "bank_en", bank_en, 1);
    let later =
        |name: &str, width: u32, doc: &str| m.pipe(&format!("{name}_q"), m.input(name, width, doc));
    let slice_en = later("slice_en", sizes.slices, "slices that are written");
    let to = later("to", 16, "write address");
    let bits = later("bits", sizes.slice_bits, "slice");
    for b in 0..sizes.rows {
        let from: Vec<_> = (0..sizes.taps)
            .map(|g| m.input(&format!("addr_{b}_{g}"), 16, "read address"))
            .collect();
        let slices: Vec<_> = (0..sizes.slices)
            .rev()
            .map(|s| {
                let name = format!("bank_{b}_{s}");
                let memory = Store::new(&m, &name, sizes.slice_bits, sizes.depths.activation);
                memory.write(bank_en.bit(b) & slice_en.bit(s), to, bits);
                memory.read(from[(s / (sizes.slices / sizes.taps)) as usize])
            })
            .collect();
        let word = m.concat(&slices).zero_extend(sizes.lanes);
        m.output(&format!("word_{b}"), word, "word of the bank");
    }
    m.finish()
}

/// Describes the module `steps`: the step memory of each lane group.
///
/// | port       | dir | width | meaning                                         |
/// | ---------- | --- | ----- | ----------------------------------------------- |
/// | `load_*`   | in  | ..    | the load port, for this target; index = group   |
/// | `from`     | in  | 16    | the step                                        |
/// | `word_{g}` | out | 32    | its word for lane group `g`, one cycle later    |
pub(super) fn steps(sizes: &Sizes) -> Module {
    let m = Builder::new("steps", "Step memories of the lane groups.");
    let writes = Load::inputs(&m, 32).later(&m, sizes.taps);
    let from = m.input("from", 16, "step");
    for (g, &enable) in writes.enables.iter().enumerate() {
        let memory = Store::new(&m, &format!("group_{g}"), 32, sizes.depths.step);
        memory.write(enable, writes.address, writes.data);
        m.output(&format!("word_{g}"), memory.read(from), "word of the lane group");
    }
    m.finish()
}

/// Describes the module `weights`: one memory a column, column `c` read `c` cycles late.
///
/// | port      | dir | width   | meaning                                                      |
/// | --------- | --- | ------- | ------------------------------------------------------------ |
/// | `load_*`  | in  | ..      | the load port, for this target; only without a weight ring   |
/// | `write_*` | in  | ..      | what `weight_ring` writes; only with one                     |
/// | `address` | in  | 16      | word of a step                                               |
/// | `w_{c}`   | out | `lanes` | that word of column `c`, `6 + c` cycles later                |
///
/// The skew of the columns delays the address and not the word.
pub(super) fn weights(sizes: &Sizes) -> Module {
    let m = Builder::new("weights", "Weight memories, column c is read c cycles late.");
    let writes = weight_writes(&m, sizes);
    // Words of neighbouring columns that are written together.
    let together = writes.data.width() / sizes.lanes;
    let words = sizes.depths.weight;
    let issued = m.input("address", 16, "word of a step").keep(0, address_bits(words));
    let mut from = delay(&m, "from_issued", issued, 3);
    for (c, &enable) in (0..).zip(&writes.enables) {
        from = m.pipe(&format!("from_{c}"), from);
        let memory = Store::new(&m, &format!("column_{c}"), sizes.lanes, words);
        let word = writes.data.slice(c % together * sizes.lanes, sizes.lanes);
        memory.write(enable, writes.address, word);
        let word = m.pipe(&format!("w_{c}_q"), memory.read(from));
        m.output(&format!("w_{c}"), word, "weight");
    }
    m.finish()
}

/// What the load port or the ring writes into the weight memories.
fn weight_writes<'m>(m: &'m Builder, sizes: &Sizes) -> Writes<'m> {
    let Some(Ring { port_cols, .. }) = sizes.ring else {
        return Load::inputs(m, sizes.lanes).later(m, sizes.cols);
    };
    let bits = address_bits(sizes.depths.weight);
    let enable = m.input("write_en", sizes.cols, "columns that are written");
    Writes {
        enables: (0..sizes.cols).map(|c| enable.bit(c)).collect(),
        address: m.input("write_to", bits, "the word"),
        data: m.input("write_data", port_cols * sizes.lanes, "words of columns"),
    }
}

/// Describes a memory whose columns share their addresses, as one memory of wide words.
///
/// | port        | dir | width         | meaning                              |
/// | ----------- | --- | ------------- | ------------------------------------ |
/// | `en`        | in  | 1             | write                                |
/// | `to`        | in  | 16            | write address                        |
/// | `data`      | in  | `cols · bits` | column 0 in the low bits             |
/// | `from`      | in  | 16            | read address                         |
/// | `word`      | out | `cols · bits` | its word, one cycle later            |
pub(super) fn shared(name: &str, doc: &str, width: u32, words: u32) -> Module {
    let m = Builder::new(name, doc);
    let enable = m.input("en", 1, "write");
    let to = m.input("to", 16, "write address");
    let data = m.input("data", width, "columns, column 0 in the low bits");
    let from = m.input("from", 16, "read address");
    let memory = Store::new(&m, "words", width, words);
    memory.write(enable, to, data);
    m.output("word", memory.read(from), "columns, column 0 in the low bits");
    m.finish()
}

#[cfg(test)]
mod tests {
    use super::super::sizes::test_sizes_of;
    use super::{activations, steps};
    use crate::{Simulator, test_random};

    /// Writes random slices, also several at once, and reads all lane groups at their addresses.
    #[track_caller]
    fn check_activations(rows: usize, cols: usize, lanes: usize, taps: usize) {
        let sizes = test_sizes_of(rows, cols, lanes, taps, false);
        let mut sim = Simulator::new(&activations(&sizes));
        let mut seed = (rows * 100 + lanes) as u64;
        let words = 8;
        let (slice_bits, slices) = (sizes.slice_bits as usize, sizes.slices as usize);
        let mut memory = vec![vec![0_u64; words]; rows];
        // The write of the cycle before, which is made in this one.
        let mut write = [0; 4];
        for _ in 0..300 {
            let mut random = |bits: usize| test_random(&mut seed) >> (64 - bits);
            let [bank_en, slice_en, to, bits] =
                std::mem::replace(&mut write, [rows, slices, 3, slice_bits].map(&mut random));
            for (name, value) in ["bank_en", "slice_en", "to", "bits"].iter().zip(write) {
                sim.set(name, value);
            }
            let addresses: Vec<Vec<u64>> =
                (0..rows).map(|_| (0..taps).map(|_| random(3)).collect()).collect();
            for (b, addresses) in addresses.iter().enumerate() {
                for (g, address) in addresses.iter().enumerate() {
                    sim.set(&format!("addr_{b}_{g}"), *address);
                }
            }
            sim.step();
            for (b, addresses) in addresses.iter().enumerate() {
                let lane = |lane: usize| {
                    let address = addresses[lane / (lanes / taps)];
                    memory[b][usize::try_from(address).expect("bug: small")] & (1 << lane)
                };
                let expected: u64 = (0..lanes).map(lane).sum();
                assert_eq!(sim.get(&format!("word_{b}")), expected, "bank {b}");
                for s in (0..slices).filter(|s| bank_en >> b & slice_en >> s & 1 == 1) {
                    let word = &mut memory[b][usize::try_from(to).expect("bug: small")];
                    let mask = ((1 << slice_bits) - 1) << (s * slice_bits);
                    *word = (*word & !mask) | (bits << (s * slice_bits));
                }
            }
        }
    }

    #[test]
    fn slices_are_written_alone_and_groups_read_alone() {
        for (rows, cols, lanes, taps) in
            [(1, 1, 4, 1), (2, 3, 16, 1), (3, 7, 4, 1), (2, 4, 8, 2), (1, 2, 8, 4), (3, 4, 32, 4)]
        {
            check_activations(rows, cols, lanes, taps);
        }
    }

    #[test]
    fn steps_are_loaded_for_each_lane_group() {
        let mut sim = Simulator::new(&steps(&test_sizes_of(1, 1, 4, 4, false)));
        let word = |group: u64, step: u64| (group << 24) | (step * 3);
        sim.set("load_en", 1);
        for (group, step) in (0..5).flat_map(|group| (0..9).map(move |step| (group, step))) {
            sim.set("load_index", group);
            sim.set("load_addr", step);
            sim.set("load_data", word(group, step));
            sim.step();
        }
        sim.set("load_en", 0);
        sim.step();
        for step in 0..9 {
            sim.set("from", step);
            sim.step();
            for group in 0..4 {
                assert_eq!(sim.get(&format!("word_{group}")), word(group, step));
            }
        }
    }
}
