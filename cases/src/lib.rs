//! Random cases for the differential ladder: what is run, what runs it, and what differs.
//!
//! ```text
//! seed, number ── generate ──> Case ── build ──> Built: network, program, images
//!                               │                  │
//!              smaller cases <──┘        Engine ── run ──> Execution ── ladder ──> Finding
//!                   └──────────── minimise <────────────────────────────────────────┘
//! ```
//!
//! A [`case::Case`] says everything that a run depends on; [`file`](mod@file) stores it. Every engine is
//! judged against interpreter and cycle model, so that engines which pass agree with each other.
//! The property tests take their networks from [`problem`], too.
//!
//! Not here: threads, progress, exit codes (`cli`); where in the array a difference is
//! (`heartbit_compiler::locate`).

pub mod campaign;
pub mod case;
pub mod check;
pub mod engine;
pub mod file;
pub mod generate;
pub mod ladder;
mod limits;
pub mod minimise;
pub mod native;
pub mod problem;
pub mod streamed;
