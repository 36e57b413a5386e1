//! Which heartbit this is: version, commit, features.

/// The version alone, for files that must not depend on the commit.
pub(crate) const SHORT: &str = env!("CARGO_PKG_VERSION");
