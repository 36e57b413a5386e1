//! Which heartbit this is: version, commit, features.

/// The version alone, for files that must not depend on the commit.
pub(crate) const SHORT: &str = env!("CARGO_PKG_VERSION");

/// The version, the commit where it was built in a checkout, and the cargo features.
pub(crate) const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("HEARTBIT_COMMIT"),
    "; features: ",
    env!("HEARTBIT_FEATURES"),
    ")"
);
