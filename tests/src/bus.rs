//! Models of what surrounds the accelerator on AXI, written from the protocol and not from the
//! hardware: a control master, a source of pixels, a sink of results and a memory.
//!
//! Each agent works as registers would: [`drive`](stream::Source::drive) sets its pins for a cycle
//! from what it saw in earlier ones, `sample` looks at all its pins before the clock edge. Every
//! agent stalls at random and checks what the other side must keep to; what it finds is an error
//! with the channel's name. Nothing here is shared with the hardware's description.

pub mod bench;
pub mod channel;
pub mod lite;
pub mod memory;
pub mod stream;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The pins of a design.
pub trait Pins {
    /// A pin's value, settled for the present inputs.
    fn get(&self, name: &str) -> u64;
    /// Drives an input from now on.
    fn set(&mut self, name: &str, value: u64);
    /// Settles the logic.
    fn settle(&mut self);
    /// One rising edge of the clock.
    fn tick(&mut self);
}

/// Whether an agent waits in a cycle.
#[derive(Clone, Debug)]
pub struct Stalls {
    rng: ChaCha8Rng,
    probability: f64,
}

impl Stalls {
    /// Waits with this probability in each cycle.
    pub fn new(seed: u64, probability: f64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), probability }
    }

    /// Whether to wait now.
    pub fn now(&mut self) -> bool {
        self.probability > 0.0 && self.rng.random_bool(self.probability)
    }
}
