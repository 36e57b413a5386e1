//! Describing a module once, as data.
//!
//! A module is a [`Builder`] filled by a plain function and closed by [`Builder::finish`]. The
//! result, a [`Module`], is an expression graph with widths; text ([`crate::emit`]), simulation
//! ([`crate::Simulator`]) and RustHDL block ([`crate::RustHdlBlock`]) are all derived from it, so
//! they cannot disagree by being written twice.
//!
//! Not here: several clocks, asynchronous resets, tristates, parameters in the text (every width
//! is a number by the time of the description).

mod builder;
pub(crate) mod check;
mod error;
mod fold;
mod memory;
mod module;
mod names;
pub(crate) mod node;
mod ops;
mod sig;

pub use builder::{Builder, Instance, MAX_WIDTH, Reg, Wire};
pub use error::{DescriptionError, Problem};
pub use memory::Memory;
pub use module::{Direction, Module, Port};
pub use sig::{Operand, Sig};
