//! The program `heartbit`.

use std::process::ExitCode;

fn main() -> ExitCode {
    heartbit_cli::run()
}
