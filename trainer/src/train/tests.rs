//! Tests of training runs.
