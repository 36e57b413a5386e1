//! The accelerator behind AXI among the bus models.

use heartbit_cosim::{Design, axi_design};
use heartbit_hdl::axi::AxiConfig;
use heartbit_ir::program::{ArrayConfig, MemoryDepths};
use heartbit_tests::bus::bench::Bench;
use heartbit_tests::verilated::ModelPins;

/// Enough for every random network, so that one model runs them all.
pub(crate) const DEPTHS: MemoryDepths = MemoryDepths {
    image: 128,
    activation: 1024,
    weight: 16_384,
    parameter: 1024,
    stream: 4096,
    logit: 16,
    step: 2048,
    program: 256,
    ring: None,
};

/// An accelerator after reset among the bus models.
pub(crate) fn bench(array: &ArrayConfig, axi: AxiConfig) -> Bench<ModelPins> {
    bench_of(axi_design(array, &DEPTHS, axi), axi)
}

pub(crate) fn bench_of(design: Design, axi: AxiConfig) -> Bench<ModelPins> {
    Bench::new(ModelPins::new(design), axi.data_bits.into())
}
