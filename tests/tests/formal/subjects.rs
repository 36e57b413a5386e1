//! What is proven: each kind of module with its parameters, taken from the design that `heartbit
//! compile` would write.

use crate::cuts::Cuts;
use crate::prover::Proof;
use heartbit_cosim::{Design, accelerator_design, axi_design};
use heartbit_hdl::axi::AxiConfig;
use heartbit_ir::program::{ArrayConfig, MemoryDepths, WeightRing};
use std::fmt::Write as _;

/// An array of one element.
pub(crate) fn element(lanes: usize, taps: usize, acc_bits: u32) -> ArrayConfig {
    ArrayConfig { rows: 1, cols: 1, lanes, taps, lines: 1, acc_bits, extended: false }
}

/// The accelerator, with memories that do not matter.
pub(crate) fn design(array: &ArrayConfig) -> Design {
    accelerator_design(array, &MemoryDepths::uniform(64))
}

/// The accelerator behind AXI, with memories that do not matter.
pub(crate) fn behind_axi(axi: AxiConfig) -> Design {
    let ring = WeightRing { words: 8, port_cols: 1 };
    let depths = MemoryDepths { ring: Some(ring), ..MemoryDepths::uniform(64) };
    axi_design(&element(8, 1, 14), &depths, axi)
}

fn small(n: usize) -> u32 {
    u32::try_from(n).expect("bug: sizes are small")
}

/// Bits of `0..=max`.
fn bits_for(max: u32) -> u32 {
    u32::BITS - max.leading_zeros()
}

/// Section 5.1: a processing element with its popcount.
pub(crate) fn processing_element(design: &Design, array: &ArrayConfig) -> Proof {
    let (lanes, taps) = (small(array.lanes), small(array.taps));
    let (_, popcount) = file(design, "popcount");
    let cuts = Cuts::of(popcount, lanes, taps);
    assert_eq!(cuts.latency, small(array.popcount_latency()), "P of {array:?}");
    let proof = Proof::new(design, &["pe", "popcount"], "pe_check", &["pe", "accumulator"], 14);
    let proof = proof
        .parameter("LANES", lanes)
        .parameter("TAPS", taps)
        .parameter("ACC_BITS", array.acc_bits)
        .parameter("LATENCY", cuts.latency)
        .parameter("SKIP", cuts.skip)
        .parameter("COUNT_BITS", bits_for(lanes / taps));
    Proof { cuts: cuts.text, ..proof }
}

/// Section 5.1: a cell of the count column.
pub(crate) fn count_cell(design: &Design, array: &ArrayConfig) -> Proof {
    let taps = small(array.taps);
    Proof::new(design, &["count_cell"], "count_cell_check", &["count_cell", "accumulator"], 9)
        .parameter("ACC_BITS", array.acc_bits)
        .parameter("TAPS", taps)
        .parameter("BEGINS_BITS", bits_for(taps))
}

/// Section 5.3: a column's post-processing.
pub(crate) fn post(design: &Design, array: &ArrayConfig) -> Proof {
    let modules: &[&str] =
        if array.extended { &["post", "shortcut", "nonlinear"] } else { &["post", "shortcut"] };
    let proof = Proof::new(design, modules, "post_check", &["post"], 20)
        .parameter("ACC_BITS", array.acc_bits);
    if array.extended { proof.defined("EXTENDED") } else { proof }
}

/// Section 5.3: the level of a value.
pub(crate) fn levels(design: &Design) -> Proof {
    Proof::new(design, &["levels"], "levels_check", &["levels"], 6)
}

/// Section 5.3: global pooling.
pub(crate) fn pool(design: &Design) -> Proof {
    Proof::new(design, &["pool"], "pool_check", &["pool"], 8)
}

/// The text of a module.
pub(crate) fn file<'d>(design: &'d Design, module: &str) -> &'d (String, String) {
    let name = format!("{module}.v");
    let found = design.files.iter().find(|(file, _)| *file == name);
    found.unwrap_or_else(|| panic!("no {name} in the design"))
}

/// Section 5.4: the sender of results.
pub(crate) fn sender(cols: usize) -> Proof {
    let array = ArrayConfig { cols, ..element(8, 1, 14) };
    let design = design(&array);
    Proof::new(&design, &["sender"], "sender_check", &["sender", "offer"], 20)
        .parameter("COLS", small(cols))
        .parameter("COLUMN_BITS", bits_for(small(cols) - 1).max(1))
}

/// Section 5.4: the fetch of descriptors.
pub(crate) fn fetch(design: &Design) -> Proof {
    Proof::new(design, &["fetch"], "fetch_check", &["fetch", "offer"], 55)
}

/// Section 7: the AXI4-Lite slave.
pub(crate) fn lite(axi: &Design) -> Proof {
    Proof::new(axi, &["axi_lite"], "axi_lite_check", &["axi_lite", "offer"], 14)
}

/// Section 7: the stream of pixels.
pub(crate) fn pixels(axi: &Design) -> Proof {
    Proof::new(axi, &["axi_pixels"], "axi_pixels_check", &["axi_pixels", "offer"], 18)
}

/// Section 7: the stream of results.
pub(crate) fn results(axi: &Design) -> Proof {
    Proof::new(axi, &["axi_results"], "axi_results_check", &["axi_results", "offer"], 12)
}

/// Section 7: the AXI4 read master, for orders within a window of `2^span` beats.
pub(crate) fn reader(design: &Design, axi: AxiConfig, span: u32) -> Proof {
    let properties = ["axi_reader", "offer"];
    Proof::new(design, &["axi_reader"], "axi_reader_check", &properties, 40)
        .parameter("DATA_BITS", axi.data_bits)
        .parameter("ADDRESS_BITS", axi.address_bits)
        .parameter("SPAN", span)
}

/// The same for streamed weights, which asks when there is room.
pub(crate) fn weight_reader(design: &Design, axi: AxiConfig, span: u32) -> Proof {
    let proof = reader(design, axi, span).defined("WEIGHTS");
    Proof { modules: vec!["axi_weight_reader".to_owned()], ..proof }
}

/// Section 2.2: a weight ring of 8 words.
pub(crate) fn weight_ring(cols: usize, port_cols: usize) -> Proof {
    let ring = WeightRing { words: 8, port_cols };
    let depths = MemoryDepths { ring: Some(ring), ..MemoryDepths::uniform(64) };
    let array = ArrayConfig { cols, ..element(8, 1, 14) };
    let design = accelerator_design(&array, &depths);
    let proof =
        Proof::new(&design, &["weight_ring"], "weight_ring_check", &["weight_ring", "offer"], 35);
    let (_, text) = file(&design, "weight_ring");
    let write_bits = port_bits(text, "write_to");
    let mut cuts = String::new();
    let mut pin = |register: &str, bits: u32, value: &str| {
        let path = format!("\\dut.{register} ");
        writeln!(
            cuts,
            "(* hierconn *) wire [{}:0] {path};\nalways @* if (begun) assert ({path}== {value});",
            bits - 1
        )
        .expect("bug: a string");
    };
    for cycle in 1..=cols + 2 {
        pin(&format!("used_{cycle}"), 1, &format!("used[{}]", cycle - 1));
    }
    let groups = small(cols / port_cols);
    if groups > 1 {
        pin("group", bits_for(groups - 1), "group");
    }
    let proof = proof
        .parameter("COLS", small(cols))
        .parameter("PORT_COLS", small(port_cols))
        .parameter("WRITE_BITS", write_bits);
    Proof { cuts, ..proof }
}

/// Bits of an output of an emitted module.
fn port_bits(text: &str, name: &str) -> u32 {
    let end = format!(":0] {name},");
    let line = text.lines().find(|line| line.contains("output wire [") && line.contains(&end));
    let high = line.and_then(|line| line.split_once('[')?.1.split_once(':')).map(|(high, _)| high);
    high.and_then(|high| high.parse::<u32>().ok()).expect("an output of several bits") + 1
}
