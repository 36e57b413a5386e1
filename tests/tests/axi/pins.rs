//! The emitted Verilog under a simulator as a design with pins.

use heartbit_cosim::{Build, Design, Initial, PortId, Simulation, Toolchain, axi_design};
use heartbit_hdl::axi::AxiConfig;
use heartbit_ir::program::{ArrayConfig, MemoryDepths};
use heartbit_tests::bus::Pins;
use heartbit_tests::bus::bench::Bench;
use std::collections::BTreeMap;

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

pub(crate) struct ModelPins {
    model: Box<dyn Simulation>,
    ports: BTreeMap<String, PortId>,
}

impl ModelPins {
    pub(crate) fn new(design: Design) -> Self {
        let model = Build::new(design)
            .compile(&toolchain())
            .expect("the Verilog compiles")
            .instantiate(Initial::Random(7))
            .expect("the model loads");
        Self::of(model)
    }

    pub(crate) fn of(model: impl Simulation + 'static) -> Self {
        let port = |port: &heartbit_cosim::Port| {
            (port.name.clone(), model.port(&port.name).expect("a port of the design"))
        };
        let ports = model.design().ports.iter().map(port).collect();
        Self { model: Box::new(model), ports }
    }
}

impl Pins for ModelPins {
    fn get(&self, name: &str) -> u64 {
        self.model.get(self.ports[name])
    }

    fn set(&mut self, name: &str, value: u64) {
        self.model.set(self.ports[name], value);
    }

    fn settle(&mut self) {
        self.model.eval().expect("the design runs");
    }

    fn tick(&mut self) {
        self.model.tick().expect("the design runs");
    }
}

pub(crate) fn toolchain() -> Toolchain {
    Toolchain::detect().unwrap_or_else(|error| {
        panic!("{error}: {}", error.help().unwrap_or_default());
    })
}

/// An accelerator after reset among the bus models.
pub(crate) fn bench(array: &ArrayConfig, axi: AxiConfig) -> Bench<ModelPins> {
    bench_of(axi_design(array, &DEPTHS, axi), axi)
}

pub(crate) fn bench_of(design: Design, axi: AxiConfig) -> Bench<ModelPins> {
    Bench::new(ModelPins::new(design), axi.data_bits.into())
}
