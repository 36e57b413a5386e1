//! Arguments of `completions` and `man`.

use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS_HELP)]
pub(crate) struct CompletionsArgs {
    /// Shell.
    pub(crate) shell: Shell,
}

const COMPLETIONS_HELP: &str = "\
Examples:
  heartbit completions bash \\
      > ~/.local/share/bash-completion/completions/heartbit
  heartbit completions zsh  > ~/.zfunc/_heartbit
  heartbit completions fish > ~/.config/fish/completions/heartbit.fish";

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Directory to write to, for example ~/.local/share/man/man1; it is made if need be.
    pub(crate) directory: PathBuf,
}
