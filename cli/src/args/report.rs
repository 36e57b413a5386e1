//! Where the report of a build goes.

use clap::Args;
use std::path::PathBuf;

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ReportArgs {
    /// Where to write the report, instead of into BUILD; then BUILD is left as it is.
    #[arg(long, value_name = "FILE.html", conflicts_with = "no_report")]
    pub(crate) report: Option<PathBuf>,
    /// Writes no report: BUILD is left as it is.
    #[arg(long)]
    pub(crate) no_report: bool,
}
