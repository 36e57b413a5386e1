//! The `heartbit` command.
fn main() {}
