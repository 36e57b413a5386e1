//! Tests of the optimization step.
