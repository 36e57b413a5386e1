//! Integer networks and what runs them: the contract that every other crate keeps.
//!
//! * [`network`]: the operations, their validation and shapes (`docs/semantics.md` is normative);
//! * [`levels`]: packed tensors of odd integers, bipolar ±1 tensors among them;
//! * [`interp`]: the interpreter, slow, obvious and normative;
//! * [`grid`]: how float parameters become the integers of a network;
//! * [`file`](mod@file): the `.hbn` container;
//! * [`program`]: what the accelerator's sequencer executes.
//!
//! Not here: reading checkpoints, scheduling, cycle counts, files other than `.hbn`.
//!

pub mod file;
pub mod grid;
pub mod interp;
pub mod levels;
pub mod network;
pub mod program;
