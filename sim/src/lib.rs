//! Bit-accurate, cycle-exact simulator of the accelerator.
