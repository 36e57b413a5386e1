//! PyTorch's zip archives: `data.pkl` with the object, `data/KEY` with the storages, and texts such
//! as `byteorder`, all in one folder and none compressed.
//!
//! The `zip` library reads the directory; entries are slices of the file, so no size that the
//! directory claims is allocated. Checksums are checked. Compressed entries are refused: PyTorch
//! writes none.

use crate::import::container::{self, Container, ContainerError, Source};
use crate::import::pickle::{Pickle, Storage};
use std::collections::BTreeMap;
use std::io::Cursor;
use zip::{CompressionMethod, ZipArchive};

/// Most entries of an archive; a ResNet-34 with its optimizer has 400.
const MAX_ENTRIES: usize = 1 << 16;
/// The first bytes of an entry of the directory.
const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";

/// Reads an archive.
///
/// # Errors
/// [`ContainerError`].
pub(crate) fn read(bytes: &[u8]) -> Result<Source<'_>, ContainerError> {
    let mut archive = Archive::open(bytes)?;
    if archive.entry("byteorder")?.is_some_and(|order| order != b"little") {
        return Err(ContainerError::BigEndian);
    }
    let Some(pickle) = archive.entry("data.pkl")? else {
        return Err(ContainerError::Archive("the name of `data.pkl` is ambiguous".to_owned()));
    };
    let pickle = Pickle::parse(pickle)?;
    // The same storage may be used by many tensors; its checksum is checked once.
    let mut storages: BTreeMap<&str, &[u8]> = BTreeMap::new();
    container::from_pickle(Container::Zip, &pickle, |storage| {
        if let Some(bytes) = storages.get(storage.key) {
            return Ok(*bytes);
        }
        let bytes = archive.storage(storage)?;
        storages.insert(storage.key, bytes);
        Ok(bytes)
    })
}

/// An archive with its one folder.
struct Archive<'a> {
    bytes: &'a [u8],
    zip: ZipArchive<Cursor<&'a [u8]>>,
    folder: String,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, ContainerError> {
        let claimed =
            bytes.windows(DIRECTORY_ENTRY.len()).filter(|w| *w == DIRECTORY_ENTRY).count();
        if claimed > MAX_ENTRIES {
            let message = format!("it has {claimed} entries, more than {MAX_ENTRIES}");
            return Err(ContainerError::Archive(message));
        }
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(ContainerError::Zip)?;
        let mut folders = Vec::new();
        for name in zip.file_names() {
            let name = name.map_err(ContainerError::Zip)?;
            if let Some((folder, "data.pkl")) = name.split_once('/') {
                folders.push(folder.to_owned());
            }
        }
        match <[String; 1]>::try_from(folders) {
            Ok([folder]) => Ok(Self { bytes, zip, folder }),
            Err(folders) => {
                let n = folders.len();
                let message = format!("{n} entries are called `FOLDER/data.pkl`, not 1");
                Err(ContainerError::Archive(message))
            }
        }
    }

    /// Returns the bytes of an entry of the folder, `None` where there is none.
    fn entry(&mut self, name: &str) -> Result<Option<&'a [u8]>, ContainerError> {
        let entry = format!("{}/{name}", self.folder);
        let Some(index) = self.zip.index_for_name(&entry) else { return Ok(None) };
        let file = self.zip.by_index_raw(index).map_err(ContainerError::Zip)?;
        if file.compression() != CompressionMethod::Stored || file.encrypted() {
            let message = format!("entry `{entry}` is compressed or encrypted");
            return Err(ContainerError::Archive(message));
        }
        let range = || {
            let start = usize::try_from(file.data_start()?).ok()?;
            let len = usize::try_from(file.compressed_size()).ok()?;
            self.bytes.get(start..start.checked_add(len)?)
        };
        let Some(bytes) = range().filter(|_| file.size() == file.compressed_size()) else {
            let size = file.size();
            let message = format!("entry `{entry}` claims {size} bytes, which are not there");
            return Err(ContainerError::Archive(message));
        };
        let (expected, actual) = (file.crc32(), crc32fast::hash(bytes));
        if actual != expected {
            return Err(ContainerError::Checksum { entry, expected, actual });
        }
        Ok(Some(bytes))
    }

    /// Returns the bytes of a storage, as many as it says.
    fn storage(&mut self, storage: &Storage<'_>) -> Result<&'a [u8], ContainerError> {
        let claimed = storage.len as u128 * storage.element.bytes() as u128;
        let wrong = |actual| {
            let key = storage.key.to_owned();
            ContainerError::Storage { key, claimed, actual }
        };
        let Some(bytes) = self.entry(&format!("data/{}", storage.key))? else {
            return Err(wrong("the archive has no such entry".to_owned()));
        };
        if bytes.len() as u128 != claimed {
            return Err(wrong(format!("the archive has {}", bytes.len())));
        }
        Ok(bytes)
    }
}
