//! Training of binary residual networks with ReCU and OvSW.

#![recursion_limit = "256"]

pub mod checkpoint;
pub mod config;
pub mod data;
pub mod error;
pub mod eval;
pub mod lanes;
pub mod method;
pub mod model;
pub mod ops;
pub mod optim;
pub mod params;
pub mod schedule;
mod simd;
pub mod train;

pub use config::TrainConfig;
pub use error::Error;
pub use eval::{Evaluation, evaluate};
pub use train::{EpochRecord, Progress, Summary, train};
