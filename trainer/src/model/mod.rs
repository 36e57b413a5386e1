//! Networks: their layers, parameters and forward pass.

pub mod resnet20;
