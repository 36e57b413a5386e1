//! Finds Verilator and the C++ compiler and records their versions.
//!
//! `VERILATOR` and `CXX` name the programs and override the search path; each holds a program, not
//! a command line with arguments.
//! The versions are part of the cache key, so an upgrade never runs a stale model.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::INSTALL_LINE;
use crate::{Error, process};

/// Oldest supported Verilator, the one of Debian 12, which the tests run with.
pub const MINIMUM_VERILATOR: VerilatorVersion = VerilatorVersion { major: 5, minor: 6 };

/// Version of Verilator, written `5.006`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerilatorVersion {
    /// Before the point.
    pub major: u32,
    /// After the point, three digits.
    pub minor: u32,
}

impl VerilatorVersion {
    /// Reads `Verilator 5.006 2023-01-22 rev ...`.
    fn from_banner(text: &str) -> Option<Self> {
        let number = text.strip_prefix("Verilator ")?.split_whitespace().next()?;
        let (major, minor) = number.split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }

    /// Reads `VERILATOR_VERSION_INTEGER` of `verilated_config.h`, `5006000` for 5.006.
    fn from_config(text: &str) -> Option<Self> {
        let line = text.lines().find(|l| l.starts_with("#define VERILATOR_VERSION_INTEGER"))?;
        let number: u32 = line.split_whitespace().nth(2)?.parse().ok()?;
        Some(Self { major: number / 1_000_000, minor: number / 1_000 % 1_000 })
    }
}

impl fmt::Display for VerilatorVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.major, self.minor)
    }
}

/// The outside programs that a build needs.
#[derive(Clone, Debug)]
pub struct Toolchain {
    verilator: PathBuf,
    version: VerilatorVersion,
    banner: String,
    root: PathBuf,
    cxx: PathBuf,
    cxx_version: String,
    coverage: Option<PathBuf>,
}

impl Toolchain {
    /// Finds `verilator` and `g++` on the search path, or as `VERILATOR` and `CXX` say. Where
    /// `HEARTBIT_RTL_COVERAGE` names a directory, models count the lines they execute and the bits
    /// that change, and write that there when they are dropped (see [`crate::Coverage`]).
    ///
    /// # Errors
    /// As [`Toolchain::from_programs`].
    pub fn detect() -> Result<Self, Error> {
        let toolchain =
            Self::from_programs(program("VERILATOR", "verilator"), program("CXX", "g++"))?;
        let coverage = std::env::var_os("HEARTBIT_RTL_COVERAGE").filter(|value| !value.is_empty());
        Ok(match coverage {
            Some(directory) => toolchain.with_coverage(directory),
            None => toolchain,
        })
    }

    /// Uses these two programs; a name without a slash is looked for on the search path.
    ///
    /// # Errors
    /// [`Error::VerilatorMissing`] or [`Error::CompilerMissing`] when a program does not run,
    /// [`Error::VerilatorVersionUnknown`] or [`Error::VerilatorTooOld`] for an unsuitable one.
    pub fn from_programs(
        verilator: impl Into<PathBuf>,
        cxx: impl Into<PathBuf>,
    ) -> Result<Self, Error> {
        let (verilator, cxx) = (locate(verilator.into()), locate(cxx.into()));
        let missing_verilator = |_| Error::VerilatorMissing {
            program: verilator.clone(),
            hint: format!("run `{INSTALL_LINE}`, or name the program in VERILATOR"),
        };
        let missing_cxx = |_| Error::CompilerMissing {
            program: cxx.clone(),
            hint: format!("run `{INSTALL_LINE}`, or name the program in CXX"),
        };
        let banner = process::query(&verilator, &["--version"]).map_err(missing_verilator)?;
        let root = process::query(&verilator, &["--getenv", "VERILATOR_ROOT"])
            .map_err(missing_verilator)?
            .into();
        let version = VerilatorVersion::from_banner(&banner)
            .or_else(|| {
                let config = Path::new(&root).join("include/verilated_config.h");
                VerilatorVersion::from_config(&std::fs::read_to_string(config).ok()?)
            })
            .ok_or_else(|| Error::VerilatorVersionUnknown { text: banner.clone() })?;
        if version < MINIMUM_VERILATOR {
            return Err(Error::VerilatorTooOld { found: version, minimum: MINIMUM_VERILATOR });
        }
        let cxx_version = process::query(&cxx, &["--version"]).map_err(missing_cxx)?;
        let cxx_version = cxx_version.lines().next().unwrap_or_default().to_owned();
        Ok(Self { verilator, version, banner, root, cxx, cxx_version, coverage: None })
    }

    /// Makes models count what they cover, and write it below a directory when they are dropped.
    #[must_use]
    pub fn with_coverage(mut self, directory: impl Into<PathBuf>) -> Self {
        self.coverage = Some(directory.into());
        self
    }

    /// Path of Verilator.
    pub fn verilator(&self) -> &Path {
        &self.verilator
    }

    /// Version of Verilator.
    pub fn verilator_version(&self) -> VerilatorVersion {
        self.version
    }

    /// Path of the C++ compiler.
    pub fn cxx(&self) -> &Path {
        &self.cxx
    }

    /// First line of the compiler's `--version`.
    pub fn cxx_version(&self) -> &str {
        &self.cxx_version
    }

    /// Where models write what they covered, if they are to count it.
    pub(crate) fn coverage(&self) -> Option<&Path> {
        self.coverage.as_deref()
    }

    /// Directory of Verilator's runtime sources.
    pub(crate) fn include(&self) -> PathBuf {
        self.root.join("include")
    }

    /// Whether the compiler is clang, which lacks one of g++'s options.
    pub(crate) fn is_clang(&self) -> bool {
        self.cxx_version.contains("clang")
    }

    /// Everything about the tools that a compiled model depends on.
    pub(crate) fn identity(&self) -> [Vec<u8>; 5] {
        let path = |p: &Path| p.as_os_str().as_encoded_bytes().to_vec();
        [
            path(&self.verilator),
            self.banner.clone().into_bytes(),
            path(&self.root),
            path(&self.cxx),
            self.cxx_version.clone().into_bytes(),
        ]
    }
}

/// The program that a variable of the environment names, or one on the search path.
pub(crate) fn program(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map_or_else(|| PathBuf::from(default), PathBuf::from)
}

/// Completes a bare program name from the search path; anything else stays as it is.
fn locate(program: PathBuf) -> PathBuf {
    if program.components().count() != 1 || program.is_absolute() {
        return program;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(&program))
        .find(|candidate| candidate.is_file())
        .unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read_from_the_banner_or_the_installed_header() {
        let banner = "Verilator 5.006 2023-01-22 rev (Debian 5.006-3)";
        assert_eq!(VerilatorVersion::from_banner(banner), Some(MINIMUM_VERILATOR));
        assert_eq!(VerilatorVersion::from_banner("Verilator rev vUNKNOWN-built20260516"), None);
        let config = "#define VERILATOR_VERSION_INTEGER 5048000\n";
        let found = VerilatorVersion::from_config(config).expect("bug: the line is there");
        assert_eq!(found.to_string(), "5.048");
        assert!(found > MINIMUM_VERILATOR);
    }
}
