//! Bit-accurate, cycle-exact simulator of the accelerator.
//!
//! [`Simulator`] executes a [`Program`](heartbit_ir::program::Program) as
//! `docs/microarchitecture.md` describes the hardware: it steps the sequencer of section 5.4 cycle
//! by cycle, computes each step's matches on the memories of section 2, and post-processes drained
//! rows (section 5.3) in the cycles in which the hardware does, while the next layer's steps are
//! issued, so that even a program whose layers overwrite what they still read, or read what is not
//! written yet, behaves as on the page.
//! It is written from that page alone: agreement with the RTL is evidence only while the two share
//! no code, so this crate must never depend on `heartbit-hdl`.
//!
//! * Where results come from: `sequencer` (when), `ring` (when streamed weights are there), `step`,
//!   `rows` and `operands` (what the rows meet), `array` (matches), `post` (everything after the
//!   drain), `layout`, `image` and `memory` (what is kept between them).
//! * What one processing element meets: `probe`, for those who look for a difference.
//! * What a program must satisfy: `check`. Programs that break the page's rules, or that would
//!   read outside of a memory, are rejected with an [`Error`] before the first cycle.
//!
//! [`fast::Engine`] executes the same programs layer by layer, with the same results, on the packed
//! kernels of [`kernels`].
//!
//! **Modelling choices.** Memory that was never written reads as 0. Memories keep their contents
//! from one image to the next, like the hardware's. Accumulators wrap at `acc_bits`; how many
//! results did is reported by [`Simulator::overflows`].
//!
//! Not here: making programs and predicting their cycles (`compiler`), stalls of the output port.

mod array;
mod check;
mod error;
pub mod fast;
mod image;
pub mod kernels;
mod layout;
mod memory;
mod operands;
mod plan;
mod post;
mod probe;
mod ring;
mod rows;
mod sequencer;
mod simulator;
mod step;

pub use check::{MAX_CYCLES, MAX_RESULTS, MAX_START};
pub use error::Error;
pub use simulator::Simulator;
