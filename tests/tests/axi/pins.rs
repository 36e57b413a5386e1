//! The accelerator behind AXI among the bus models.

use heartbit_cosim::{Design, axi_design};
use heartbit_hdl::axi::AxiConfig;
use heartbit_ir::program::ArrayConfig;
pub(crate) use heartbit_tests::WRAPPED_DEPTHS as DEPTHS;
use heartbit_tests::bus::bench::Bench;
use heartbit_tests::verilated::ModelPins;

/// An accelerator after reset among the bus models.
pub(crate) fn bench(array: &ArrayConfig, axi: AxiConfig) -> Bench<ModelPins> {
    bench_of(axi_design(array, &DEPTHS, axi), axi)
}

pub(crate) fn bench_of(design: Design, axi: AxiConfig) -> Bench<ModelPins> {
    Bench::new(ModelPins::new(design), axi.data_bits.into())
}
