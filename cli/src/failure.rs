//! What can go wrong, as the user sees it: message, chain of causes, next step, exit code.
//!
//! Not here: the errors themselves, which are those of the libraries.

use heartbit_cases::file::CaseError;
use heartbit_compiler::build::BuildError;
use heartbit_compiler::fold::FoldError;
use heartbit_compiler::schedule::{LAYERS, Misfit, ScheduleError};
use heartbit_ir::file::FileError;
use heartbit_model::CheckpointError;
use heartbit_model::import::{ContainerError, ImportError};
use std::fmt::Write as _;

/// Exit codes of the command, documented in the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// The check itself failed.
    CheckFailed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// An input file is missing, unreadable or wrong, or an output cannot be written.
    BadInput = 3,
    /// The network does not fit.
    DoesNotFit = 4,
    /// An outside tool is missing or failed.
    OutsideTool = 5,
    /// A bug of this program.
    Bug = 70,
}

/// An error with its exit code and the next step.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    error: anyhow::Error,
    help: Option<String>,
}

/// Result of a command.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, error: anyhow::Error::msg(message.into()), help: None }
    }

    pub(crate) fn from_error(code: Code, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into(), help: None }
    }

    /// Says what to do next.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what was being done.
    #[must_use]
    pub(crate) fn context(mut self, context: impl Into<String>) -> Self {
        self.error = self.error.context(context.into());
        self
    }

    pub(crate) fn code(&self) -> u8 {
        self.code as u8
    }

    /// The message and its causes, in one line.
    pub(crate) fn message(&self) -> String {
        format!("{:#}", self.error)
    }

    /// Returns the text for standard error.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("error: {}\n", self.error);
        for cause in self.error.chain().skip(1) {
            writeln!(text, "  caused by: {cause}").expect("bug: writing to a string");
        }
        if let Some(help) = &self.help {
            writeln!(text, "help: {help}").expect("bug: writing to a string");
        }
        text
    }
}

impl From<ScheduleError> for Failure {
    fn from(error: ScheduleError) -> Self {
        let help = match &error {
            ScheduleError::DoesNotFit(misfits) => remedies(misfits),
            ScheduleError::Division { .. } => {
                "leave the option out, or change the array".to_owned()
            }
            _ => "the layers that the array supports are listed in docs/semantics.md".to_owned(),
        };
        Self::from_error(Code::DoesNotFit, error).help(help)
    }
}

fn remedies(misfits: &[Misfit]) -> String {
    let mut steps: Vec<String> = misfits
        .iter()
        .map(|misfit| {
            if misfit.resource == LAYERS {
                "a network of fewer layers".to_owned()
            } else if misfit.resource.starts_with("--") && misfit.needed <= 1 << 16 {
                format!("{} {}", misfit.resource, misfit.needed)
            } else {
                "more columns or lanes (`--array`)".to_owned()
            }
        })
        .collect();
    let port = if misfits.iter().any(|misfit| misfit.resource == "--weight-words") {
        ", or stream the weights that do not fit (`--weight-port` without `--weight-ring`)"
    } else {
        ""
    };
    steps.dedup();
    let is_option = steps.iter().any(|step| step.starts_with("--"));
    let leave = if is_option { ", or leave the option out" } else { "" };
    format!("compile with {}{leave}{port}", steps.join(" "))
}

impl From<FoldError> for Failure {
    fn from(error: FoldError) -> Self {
        let help = match &error {
            FoldError::Checkpoint(CheckpointError::MissingTensor { .. }) => {
                "the checkpoint is incomplete, or of another architecture than its metadata says"
            }
            _ => "train or import the network again",
        };
        Self::from_error(Code::BadInput, error).help(help)
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        let help = match &error {
            ImportError::Container(ContainerError::AlreadyImported) => {
                "use it as it is: it needs no import"
            }
            ImportError::Container(ContainerError::Tar | ContainerError::BigEndian) => {
                "load it in PyTorch on a little-endian machine and save its `state_dict` again"
            }
            ImportError::Container(ContainerError::NoTensors) => {
                "save the model's `state_dict()`, at the top or under the key `state_dict`"
            }
            ImportError::Container(_) => {
                "the file is damaged or was not written by `torch.save`: fetch or save it again"
            }
            ImportError::Ambiguous { .. } => "choose one with `--arch`",
            ImportError::NoArchitecture { .. } | ImportError::OtherNetwork { .. } => {
                "docs/import.md lists the networks that are read, with their keys"
            }
            ImportError::Duplicate { .. } => "save a `state_dict` that has every parameter once",
            ImportError::Missing { .. } => "leave `--arch` out, or give another one",
            ImportError::Method { .. } => "leave `--method` out, or give another one",
            ImportError::Features { .. } | ImportError::Sizes(_) | ImportError::Shapes { .. } => {
                "check `--arch` and `--image-side`"
            }
            _ => "the parameters themselves are unusable: save another epoch's",
        };
        Self::from_error(Code::BadInput, error).help(help)
    }
}

impl From<CaseError> for Failure {
    fn from(error: CaseError) -> Self {
        Self::from_error(Code::BadInput, error)
            .help("the file was changed by hand, or written by another version")
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let help = match &error {
            BuildError::Io { .. } => "check that the path exists and that you may use it",
            BuildError::NotABuild { .. } => "give `--out` a new or empty directory",
            _ => "write the build again with `heartbit compile`",
        };
        Self::from_error(Code::BadInput, error).help(help)
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let help = match &error {
            FileError::Io { .. } => "check that the path exists and that you may use it",
            FileError::Version { .. } => "fold the checkpoint again with this version",
            FileError::Magic => {
                "give a network that `heartbit fold` wrote (.hbn), or a checkpoint (.safetensors)"
            }
            _ => "the file is damaged: fold the checkpoint again",
        };
        Self::from_error(Code::BadInput, error).help(help)
    }
}

impl From<heartbit_dataset::Error> for Failure {
    fn from(error: heartbit_dataset::Error) -> Self {
        Self::from_error(Code::BadInput, error).help(
            "`--data` names the directory of the data set, `--dataset` which one it is; \
             docs/datasets.md has the layouts",
        )
    }
}

impl From<heartbit_sim::Error> for Failure {
    fn from(error: heartbit_sim::Error) -> Self {
        Self::from_error(Code::BadInput, error).help(
            "the program was not written by `heartbit compile`, or the data are of another shape",
        )
    }
}

impl From<heartbit_cosim::Error> for Failure {
    fn from(error: heartbit_cosim::Error) -> Self {
        let code = match error.exit_code() {
            1 => Code::CheckFailed,
            3 => Code::BadInput,
            5 => Code::OutsideTool,
            _ => Code::Bug,
        };
        let help = error.help();
        let details = error.details();
        let mut failure = Self::from_error(code, error);
        if let Some(details) = details {
            failure = failure.context(format!("the outside tool says:\n{details}"));
        }
        match help {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

impl From<heartbit_mutate::Error> for Failure {
    fn from(error: heartbit_mutate::Error) -> Self {
        match error {
            heartbit_mutate::Error::Cosim(error) => error.into(),
            error => Self::from_error(Code::CheckFailed, error)
                .help("find out why with `heartbit verify` without `--mutate` first"),
        }
    }
}
