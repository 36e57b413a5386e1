//! Files that appear whole or not at all.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// What the names of unfinished files begin with.
const PREFIX: &str = ".heartbit-";

/// Writes a file under a temporary name in the same folder and renames it, so that a crash or a
/// full disk leaves the previous file intact.
///
/// # Errors
/// The system's.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Before the process's mask, as for any new file.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// Removes the unfinished files that killed processes left in a folder, not those in its folders.
///
/// A process that is writing there at this moment fails with an error.
///
/// # Errors
/// The system's.
pub fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let unfinished = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        if !unfinished || !entry.file_type()?.is_file() {
            continue;
        }
        match std::fs::remove_file(entry.path()) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unfinished_files_are_removed() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        write_atomically(&at("a"), b"whole").expect("written");
        std::fs::write(at(".heartbit-x1"), b"ha").expect("written");
        std::fs::create_dir(at(".heartbit-folder")).expect("made");
        remove_unfinished(folder.path()).expect("removed");
        let left = ["a", ".heartbit-x1", ".heartbit-folder"].map(|name| at(name).exists());
        assert_eq!(left, [true, false, true]);
        assert!(remove_unfinished(&at("absent")).is_err());
    }
}
