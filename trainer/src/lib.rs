//! Training of binary residual networks with ReCU and OvSW, and their exact evaluation.
//!
//! * [`train()`] runs a [`TrainConfig`] and reports [`Progress`]; [`evaluate()`] gives the integer
//!   logits of a checkpoint.
//! * [`method`]: vanilla, ReCU and OvSW as a choice of parts; [`binarizers`]: weight gradients of
//!   other publications; [`optim`]: AGS, SAD and SGD;
//!   [`schedule`]: learning rate and tau.
//! * [`model`]: the network; [`ops`]: its operations, fused for the CPU, with hand-written
//!   gradients; [`lanes`]: the layout they share.
//! * [`eval`]: exact evaluation on the grid, and float evaluation; [`device`]: what computes;
//!   [`mod@bench`]: how long a step takes; [`mod@landscape`]: the loss around a checkpoint.
//!
//! The library prints nothing; `docs/training.md` describes methods, files and speed.
//! Not here: the networks themselves (`heartbit-model`), training on several devices at once.

#![recursion_limit = "256"]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "training is approximate; conversions that must be exact say so where they are"
)]
#![allow(
    clippy::inline_always,
    clippy::needless_range_loop,
    reason = "loops over lanes are vectorised only where they are inlined into their build, and \
              indexing several arrays of 16 by one counter reads best"
)]
#![allow(clippy::many_single_char_names, reason = "the symbols of the specification")]
#![cfg_attr(
    test,
    allow(
        clippy::float_cmp,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        reason = "tests compare exact values and index small maps"
    )
)]

pub mod bench;
pub mod binarizers;
pub mod config;
pub mod device;
pub mod error;
pub mod eval;
pub mod flips;
pub mod init;
pub mod landscape;
pub mod lanes;
pub mod loss;
pub mod method;
pub mod model;
pub mod ops;
pub mod optim;
pub mod params;
pub mod presets;
pub mod rng;
pub mod schedule;
mod simd;
pub mod train;

pub use config::TrainConfig;
pub use error::Error;
pub use eval::{Evaluation, evaluate, read_checkpoint};
pub use train::{EpochRecord, Progress, Summary, train};
