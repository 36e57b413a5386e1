//! From a checkpoint to a scheduled program for an array.
//!
//! ```text
//! checkpoint --fold--> network --plan--> layers --schedule--> program --build--> directory
//! ```
//!
//! * [`fold`](mod@fold): float parameters to an integer network;
//! * [`random`]: untrained networks with realistic statistics;
//! * [`plan`](mod@plan): operations grouped into the layers that the array executes;
//! * [`schedule`](mod@schedule): addresses, steps, descriptors, memory images;
//! * [`predict`](mod@predict): the cycle model, in closed form;
//! * [`resources`]: what an array takes of an FPGA;
//! * [`search`](mod@search): every array that fits, and the best of them;
//! * [`widths`](mod@widths): the bits of stem, shortcuts and head, by accuracy and cycles;
//! * [`compare`](mod@compare): an engine's results against the interpreter's values;
//! * [`locate`]: where and when the array computes an element that differs;
//! * [`diagnose`]: which part made it differ;
//! * [`memory_map`]: what the memories hold while the layers run;
//! * [`build`]: the build directory.
//!
//! Not here: architectures and checkpoints (`model`), Verilog (`hdl`), running anything (`sim`, `cosim`).

pub mod build;
pub mod compare;
pub mod diagnose;
pub mod fold;
pub mod locate;
pub mod memory_map;
pub mod plan;
pub mod predict;
pub mod random;
pub mod resources;
pub mod schedule;
pub mod search;
pub mod widths;
