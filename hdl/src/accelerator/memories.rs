//! The memories that programs are loaded into and layers write: activations, weights, parameters,
//! streams, logits, and the words of the sequencer.
//!
//! Microarchitecture.md, section 2. Every memory has one write port and one read port with the
//! word one cycle after the address; addresses beyond the depth wrap around. The port tables are
//! with the functions. The image memory is in `image`, with its input port.

use super::sizes::Sizes;
use super::store::{Store, address_bits};
use crate::build::{Builder, Module, Sig};

/// One write through the load port, seen by one kind of memory.
struct Load<'m> {
    enable: Sig<'m>,
    index: Sig<'m>,
    address: Sig<'m>,
    data: Sig<'m>,
}

impl<'m> Load<'m> {
    fn inputs(m: &'m Builder, data_bits: u32) -> Self {
        Self {
            enable: m.input("load_en", 1, "write a word"),
            index: m.input("load_index", 16, "column"),
            address: m.input("load_addr", 16, "word"),
            data: m.input("load_data", data_bits, "word"),
        }
    }

    fn column(&self, column: u32) -> Sig<'m> {
        self.enable & self.index.eq(u64::from(column))
    }
}

/// Describes the module `activations`: `rows` banks of `slices` slices.
///
/// | port       | dir | width        | meaning                                          |
/// | ---------- | --- | ------------ | ------------------------------------------------ |
/// | `bank_en`  | in  | `rows`       | banks that are written                           |
/// | `group_en` | in  | `slices`     | slices of them that are written                  |
/// | `to`       | in  | 16           | write address                                    |
/// | `bits`     | in  | `slice_bits` | the slice                                        |
/// | `addr_{b}` | in  | 16           | read address of bank `b`                         |
/// | `word_{b}` | out | `lanes`      | its word, one cycle later; 0 above the slices    |
pub(super) fn activations(sizes: &Sizes) -> Module {
    let m = Builder::new("activations", "Activation memory: banks of slices.");
    let bank_en = m.input("bank_en", sizes.rows, "banks that are written");
    let group_en = m.input("group_en", sizes.slices, "slices that are written");
    let to = m.input("to", 16, "write address");
    let bits = m.input("bits", sizes.slice_bits, "slice");
    for b in 0..sizes.rows {
        let from = m.input(&format!("addr_{b}"), 16, "read address");
        let slices: Vec<_> = (0..sizes.slices)
            .rev()
            .map(|g| {
                let name = format!("bank_{b}_{g}");
                let memory = Store::new(&m, &name, sizes.slice_bits, sizes.depths.activation);
                memory.write(bank_en.bit(b) & group_en.bit(g), to, bits);
                memory.read(from)
            })
            .collect();
        let word = m.concat(&slices).zero_extend(sizes.lanes);
        m.output(&format!("word_{b}"), word, "word of the bank");
    }
    m.finish()
}

/// Describes the module `weights`: one memory a column, column `c` read `c` cycles late.
///
/// | port      | dir | width   | meaning                                                      |
/// | --------- | --- | ------- | ------------------------------------------------------------ |
/// | `load_*`  | in  | ..      | the load port, for this target                               |
/// | `address` | in  | 16      | word of a step                                               |
/// | `w_{c}`   | out | `lanes` | that word of column `c`, `3 + c` cycles later                |
///
/// The skew of the columns delays the address and not the word.
pub(super) fn weights(sizes: &Sizes) -> Module {
    let m = Builder::new("weights", "Weight memories, column c is read c cycles late.");
    let load = Load::inputs(&m, sizes.lanes);
    let words = sizes.depths.weight;
    let issued = m.input("address", 16, "word of a step").keep(0, address_bits(words));
    let mut from = m.pipe("from_issued", issued);
    for c in 0..sizes.cols {
        from = m.pipe(&format!("from_{c}"), from);
        let memory = Store::new(&m, &format!("column_{c}"), sizes.lanes, words);
        memory.write(load.column(c), load.address, load.data);
        m.output(&format!("w_{c}"), memory.read(from), "weight");
    }
    m.finish()
}

/// Describes the module `parameters`: multiplier and bias of each column.
///
/// | port       | dir | width | meaning                                                        |
/// | ---------- | --- | ----- | -------------------------------------------------------------- |
/// | `load_*`   | in  | ..    | the load port, for this target                                 |
/// | `address`  | in  | 16    | word                                                           |
/// | `mul_{c}`  | out | 16    | multiplier of column `c`, one cycle later                      |
/// | `bias_{c}` | out | 32    | bias of column `c`, two cycles later, when it is wanted        |
pub(super) fn parameters(sizes: &Sizes) -> Module {
    let m = Builder::new("parameters", "Multiplier and bias of each column.");
    let load = Load::inputs(&m, 48);
    let words = sizes.depths.parameter;
    let from = m.input("address", 16, "word").keep(0, address_bits(words));
    let later = m.pipe("from_later", from);
    for c in 0..sizes.cols {
        let enable = load.column(c);
        let mul = Store::new(&m, &format!("mul_column_{c}"), 16, words);
        mul.write(enable, load.address, load.data.slice(0, 16));
        m.output(&format!("mul_{c}"), mul.read(from), "multiplier");
        let bias = Store::new(&m, &format!("bias_column_{c}"), 32, words);
        bias.write(enable, load.address, load.data.slice(16, 32));
        m.output(&format!("bias_{c}"), bias.read(later), "bias");
    }
    m.finish()
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
