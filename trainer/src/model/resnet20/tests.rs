//! Tests of ResNet-20.
