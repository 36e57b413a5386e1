//! `completions` and `man`: what shells and manuals know of the command line.

use super::models::write_atomically;
use crate::args::{Cli, CompletionsArgs, Format, ManArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::output;
use clap::CommandFactory as _;
use clap_mangen::Man;
use serde_json::json;

pub(crate) fn completions(args: &CompletionsArgs) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "heartbit", &mut text);
    output::print(&String::from_utf8(text).expect("bug: completions are UTF-8"))
}

pub(crate) fn man(args: &ManArgs, format: Format) -> Outcome {
    std::fs::create_dir_all(&args.directory).map_err(|error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("cannot create `{}`", args.directory.display()))
            .help("give a directory in a place that you may write to")
    })?;
    // The commit is not part of a manual.
    let mut command = Cli::command().version(crate::version::SHORT);
    command.build();
    let mut files = Vec::new();
    pages(&command, &mut files)?;
    for (name, page) in &files {
        write_atomically(&args.directory.join(name), page)?;
    }
    let names: Vec<&String> = files.iter().map(|(name, _)| name).collect();
    let json = json!({ "schema": 1, "directory": args.directory, "files": names });
    output::result(format, &json, || {
        format!("wrote {} pages to {}\n", names.len(), args.directory.display())
    })
}

/// The page of a command and those of its commands.
fn pages(command: &clap::Command, files: &mut Vec<(String, Vec<u8>)>) -> Outcome {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page).map_err(|error| Failure::from_error(Code::Bug, error))?;
    files.push((man.get_filename(), page));
    let shown = |command: &&clap::Command| !command.is_hide_set() && command.get_name() != "help";
    command.get_subcommands().filter(shown).try_for_each(|command| pages(command, files))
}
