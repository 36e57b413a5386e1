//! A folder for parsers that read files, and the text that says what is in it.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// Files `NAME` and their contents: the lines behind a line `-- NAME --`.
pub fn sections(bytes: &[u8]) -> Vec<(&str, &[u8])> {
    let mut sections: Vec<(&str, &[u8])> = Vec::new();
    let mut begin = 0;
    let mut at = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let end = at + line.len();
        if let Some(name) = name(line) {
            if let Some((_, text)) = sections.last_mut() {
                *text = &bytes[begin..at];
            }
            sections.push((name, &[]));
            begin = end;
        }
        at = end;
    }
    if let Some((_, text)) = sections.last_mut() {
        *text = &bytes[begin..];
    }
    sections
}

fn name(line: &[u8]) -> Option<&str> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let name = line.strip_prefix(b"-- ")?.strip_suffix(b" --")?;
    str::from_utf8(name).ok()
}

/// A folder of this thread, which is the same at every call.
pub(super) struct Folder(TempDir);

thread_local! {
    static FOLDER: RefCell<Option<Folder>> = const { RefCell::new(None) };
}

impl Folder {
    /// Uses the folder.
    pub(super) fn with<T>(use_it: impl FnOnce(&Self) -> T) -> T {
        FOLDER.with_borrow_mut(|folder| {
            use_it(folder.get_or_insert_with(|| Self(tempfile::tempdir().expect("a directory"))))
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders that it is in.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        if fs::write(&path, bytes).is_err() {
            fs::create_dir_all(path.parent().expect("bug: in the folder")).expect("a directory");
            fs::write(&path, bytes).expect("writable");
        }
    }

    /// Removes the files of a folder in it.
    pub(super) fn clear(&self, name: &str) {
        if let Ok(entries) = fs::read_dir(self.path(name)) {
            for entry in entries {
                fs::remove_file(entry.expect("readable").path()).expect("a file");
            }
        }
    }

    pub(super) fn remove(&self, name: &str) {
        drop(fs::remove_file(self.path(name)));
    }
}

#[cfg(test)]
mod tests {
    use super::sections;

    #[test]
    fn sections_are_named_and_keep_their_bytes() {
        let text = b"lost\n-- a.json --\n{}\n-- no name\n-- b --\n-- c --\nx";
        let expected: [(&str, &[u8]); 3] =
            [("a.json", b"{}\n-- no name\n"), ("b", b""), ("c", b"x")];
        assert_eq!(sections(text), expected);
        assert_eq!(sections(b""), []);
        assert_eq!(sections(b"-- \xff --\n"), []);
    }
}
