//! The simulator against a naive reference, on programs from a small compiler of its own.
//!
//! Neither the reference nor the compiler shares code with the simulator: the reference computes
//! convolutions over plain integers straight from `docs/semantics.md`, the compiler follows
//! sections 1 to 5 of `docs/microarchitecture.md` without any optimisation.

mod bands;
mod compile;
mod folded;
mod garbage;
mod handmade;
mod hostile;
mod layers;
mod network;
mod overlap;
mod probe;
mod reference;
mod ring;
