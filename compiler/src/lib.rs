//! From a checkpoint to a scheduled program for an array.
