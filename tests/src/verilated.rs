//! The emitted Verilog under a simulator as a design with pins, for the models on its bus.

use crate::bus::Pins;
use heartbit_cosim::{Build, Design, Initial, Port, PortId, Simulation, Toolchain};
use std::collections::BTreeMap;

/// A design under a simulator.
pub struct ModelPins {
    model: Box<dyn Simulation>,
    ports: BTreeMap<String, PortId>,
}

impl ModelPins {
    /// Compiles a design for Verilator; registers without a reset begin with random bits.
    ///
    /// # Panics
    /// If Verilator is missing or refuses the design.
    pub fn new(design: Design) -> Self {
        let model = Build::new(design)
            .compile(&toolchain())
            .expect("the Verilog compiles")
            .instantiate(Initial::Random(7))
            .expect("the model loads");
        Self::of(model)
    }

    /// Takes a simulation of a design.
    pub fn of(model: impl Simulation + 'static) -> Self {
        let port = |port: &Port| {
            (port.name.clone(), model.port(&port.name).expect("bug: a port of the design"))
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

/// Verilator and a compiler.
///
/// # Panics
/// If one is missing, with the line that installs it.
pub fn toolchain() -> Toolchain {
    Toolchain::detect().unwrap_or_else(|error| {
        panic!("{error}: {}", error.help().unwrap_or_default());
    })
}
