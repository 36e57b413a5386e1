//! A network in training: its parameters on the host, and its forward pass.
//!
//! * [`network`]: parameters and running statistics;
//! * [`forward`]: the walk over the layers of a [`heartbit_model::Graph`];
//! * `fused`: layers on the CPU by fused operations; `composite`: layers on any device by burn's
//!   own operations, which is also the check of the fused ones; `head`: the classifier, which both
//!   share.

mod composite;
pub mod forward;
mod fused;
mod head;
pub mod network;

#[cfg(test)]
mod tests;
