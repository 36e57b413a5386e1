//! Reads whole files up to a size, and writes whole files or none.

use crate::Error;
use std::io::Write as _;
use std::path::Path;

/// Reads a file that may not be larger than `limit` bytes.
pub(crate) fn read_capped(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let io = |source| Error::Read { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(io)?.len();
    if bytes > limit {
        return Err(Error::TooLarge { path: path.to_owned(), bytes, limit });
    }
    std::fs::read(path).map_err(io)
}

/// Writes a file under a temporary name and renames it.
///
/// `heartbit-model` has the same; this crate depends on nothing of the workspace (ADR 0006).
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_renamed(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn write_renamed(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        // As any new file, before the process's mask: others may read figures.
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}
