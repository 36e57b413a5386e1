//! The `heartbit` command: verbs over artifacts.
//!
//! Data go to standard output, progress and errors to standard error; `--help` documents the exit
//! codes. A library, so that what reads files can be fuzzed; the program is `bin/heartbit.rs`.
//! Not here: anything that another library could do.

mod args;
mod around;
mod commands;
mod divergence;
mod failure;
mod fpga;
mod fuzz;
mod inputs;
mod ladder;
mod layers;
mod link;
mod located;
mod mutants;
mod output;
mod report;
mod shard;
mod verdict;
mod version;

pub use commands::merge::check as check_results;

use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;

/// Runs the command line; the exit codes are those that `--help` lists.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let format = cli.format;
    output::set_quiet(cli.quiet);
    let outcome = match &cli.command {
        Command::Demo(args) => commands::demo::run(args, format),
        Command::Train(args) => commands::train::run(args, format),
        Command::Bench(args) => commands::bench::run(args, format),
        Command::Eval(args) => commands::eval::run(args, format),
        Command::Landscape(args) => commands::landscape::run(args, format),
        Command::Plot(args) => commands::plot::run(args, format),
        Command::Random(args) => commands::models::random(args, format),
        Command::Import(args) => commands::import::run(args, format),
        Command::Fold(args) => commands::models::fold(args, format),
        Command::Compile(args) => commands::compile::run(args, format),
        Command::Search(args) => commands::search::run(args, format),
        Command::Widths(args) => commands::widths::run(args, format),
        Command::Boards(args) => commands::boards::run(args, format),
        Command::Pnr(args) => commands::pnr::run(args, format),
        Command::Asic(args) => commands::asic::run(args, format),
        Command::Inspect(args) => commands::inspect::run(args, format),
        Command::Sim(args) => commands::sim::run(args, format),
        Command::Cosim(args) => commands::cosim::run(args, format),
        Command::Run(args) => commands::run::run(args, format),
        Command::Verify(args) => commands::verify::run(args, format),
        Command::Fuzz(args) => commands::fuzz::run(args, format),
        Command::Merge(args) => commands::merge::run(args, format),
        Command::Doctor => commands::doctor::run(format),
        Command::Completions(args) => commands::face::completions(args),
        Command::Man(args) => commands::face::man(args, format),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.render());
            ExitCode::from(failure.code())
        }
    }
}

/// Writes an error; where even standard error is closed, the exit code has to do.
fn complain(text: &str) {
    drop(std::io::Write::write_all(&mut std::io::stderr().lock(), text.as_bytes()));
}
