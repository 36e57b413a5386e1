//! The emitted Verilog under Verilator as a design with pins, for the models on its bus.

use crate::bus::Pins;
use heartbit_cosim::{Build, Design, Initial, Model, PortId, Toolchain};
use std::collections::BTreeMap;

/// A design under Verilator.
pub struct ModelPins {
    model: Model,
    ports: BTreeMap<String, PortId>,
}

impl ModelPins {
    /// Compiles a design; registers without a reset begin with random bits.
    ///
    /// # Panics
    /// If Verilator is missing or refuses the design.
    pub fn new(design: Design) -> Self {
        let names: Vec<_> = design.ports.iter().map(|port| port.name.clone()).collect();
        let model = Build::new(design)
            .compile(&toolchain())
            .expect("the Verilog compiles")
            .instantiate(Initial::Random(7))
            .expect("the model loads");
        let port = |name: String| {
            let id = model.port(&name).expect("a port of the design");
            (name, id)
        };
        let ports = names.into_iter().map(port).collect();
        Self { model, ports }
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

/// Verilator and a compiler.
///
/// # Panics
/// If one is missing, with the line that installs it.
pub fn toolchain() -> Toolchain {
    Toolchain::detect().unwrap_or_else(|error| {
        panic!("{error}: {}", error.help().unwrap_or_default());
    })
}
