//! Files as they are or compressed: `NAME`, `NAME.xz`, `NAME.gz`, read up to a limit.
//!
//! Files are untrusted: at most one byte more than the limit is stored, and the xz decoder's
//! memory is bounded, so a hostile file costs a known amount of memory and gives an [`Error`].

use crate::Error;
use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Most memory of the xz decoder, in KiB: `xz -9` needs 64 MiB, a hostile header could ask for 4 GiB.
const XZ_MEMORY_KIB: u32 = 96 * 1024;

/// How a file may be stored, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    /// As it is.
    Plain,
    /// With the suffix `.xz`.
    Xz,
    /// With the suffix `.gz`.
    Gzip,
}

impl Container {
    /// Returns the file name of `name` in this container.
    pub(crate) fn file_name(self, name: &str) -> String {
        match self {
            Self::Plain => name.to_owned(),
            Self::Xz => format!("{name}.xz"),
            Self::Gzip => format!("{name}.gz"),
        }
    }
}

/// Returns every file name that [`read_first`] would look for.
pub(crate) fn file_names<'a>(
    names: impl IntoIterator<Item = &'a str>,
    containers: &[Container],
) -> Vec<String> {
    let of = |name: &'a str| containers.iter().map(move |c| c.file_name(name));
    names.into_iter().flat_map(of).collect()
}

/// Reads `name` from the first container that exists, decompressed; `None` if none does.
///
/// # Errors
/// [`Error::Io`], [`Error::Compressed`], or [`Error::TooLong`] above `limit` bytes.
pub(crate) fn read_first(
    dir: &Path,
    name: &str,
    containers: &[Container],
    limit: usize,
) -> Result<Option<(PathBuf, Vec<u8>)>, Error> {
    for &container in containers {
        let path = dir.join(container.file_name(name));
        let Some(file) = open(&path)? else { continue };
        let bytes = decompress(container, file, &path, limit)?;
        if bytes.len() > limit {
            return Err(Error::TooLong { path, limit });
        }
        return Ok(Some((path, bytes)));
    }
    Ok(None)
}

fn open(path: &Path) -> Result<Option<File>, Error> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { path: path.to_owned(), source }),
    }
}

/// Reads at most one byte more than the limit, so that a longer file is seen and not stored.
fn decompress(
    container: Container,
    file: File,
    path: &Path,
    limit: usize,
) -> Result<Vec<u8>, Error> {
    let file = BufReader::new(file);
    let corrupt =
        |format| move |source| Error::Compressed { path: path.to_owned(), format, source };
    match container {
        Container::Plain => {
            capped(file, limit).map_err(|source| Error::Io { path: path.to_owned(), source })
        }
        Container::Xz => {
            let reader = XzReader::new_mem_limit(file, true, XZ_MEMORY_KIB);
            capped(reader, limit).map_err(corrupt("xz"))
        }
        Container::Gzip => capped(MultiGzDecoder::new(file), limit).map_err(corrupt("gzip")),
    }
}

fn capped(reader: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
