//! One module a verb.

pub(crate) mod asic;
pub(crate) mod bench;
pub(crate) mod boards;
pub(crate) mod compile;
pub(crate) mod cosim;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod face;
pub(crate) mod fuzz;
pub(crate) mod import;
pub(crate) mod inspect;
#[cfg(feature = "train")]
pub(crate) mod landscape;
pub(crate) mod merge;
pub(crate) mod models;
pub(crate) mod mutate;
pub(crate) mod plot;
pub(crate) mod pnr;
pub(crate) mod run;
pub(crate) mod search;
pub(crate) mod sim;
#[cfg(feature = "train")]
pub(crate) mod train;
pub(crate) mod widths;
#[cfg(not(feature = "train"))]
pub(crate) use train as landscape;
#[cfg(not(feature = "train"))]
#[path = "commands/train_missing.rs"]
pub(crate) mod train;
pub(crate) mod verify;
