//! Negative controls: is what is wrong also noticed?
//!
//! A verification that passes whatever it is given proves nothing. So a build is broken on purpose,
//! in one place at a time, and the checks that judged the intact build judge it again:
//!
//! ```text
//! build ──► Plan::new: mutants, chosen by seed from all kinds
//!             memory: one bit of weights, parameters, steps, program
//!             rtl:    one change of the hardware (heartbit_hdl::mutate), in one model of all
//! Bench::run ──► each on the RTL, against interpreter and cycle model ──► caught, by which check
//!             └► not caught: proof::of ──► equivalent, by which argument
//!                            parameters that a layer shows ──► caught
//!                            simulator, more images ──► caught
//!                            none of them ──► survived
//! ```
//!
//! A mutant is *equivalent* if it cannot change anything that is compared, whatever the image. Each
//! argument is code that looks at this build ([`Proof`]). A mutant that was neither caught nor proved
//! equivalent has *survived*: a hole in the verification, or hardware that does nothing.
//!
//! Not here: files, printing, exit codes.

mod bench;
mod fate;
pub mod fields;
mod judge;
mod layers;
mod logits;
mod memory;
mod plan;
pub mod proof;
pub mod stress;
mod trials;

pub use bench::{Bench, Engines, Error};
pub use fate::{Catch, Check, Fate, Outcome, Proof};
pub use judge::{Judge, Scope};
pub use memory::MemoryMutant;
pub use plan::{Family, Mutant, Plan};
