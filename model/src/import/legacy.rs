//! The stream of PyTorch 0.1.10 to 1.5: five pickles (a magic number, the protocol, facts about the
//! system, the object, the keys of its storages), then each storage as a count of elements in 64
//! bits and the elements.
//!
//! Not here: the tar archives before that.

use crate::import::container::{self, Container, ContainerError, Source};
use crate::import::pickle::{Pickle, Storage, Value};
use std::collections::BTreeMap;

/// `0x1950a86a20f9469cfc6c`, little-endian.
const MAGIC: &[u8] = &[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The only version of the stream.
const PROTOCOL: i64 = 1001;

/// Reads a stream.
///
/// # Errors
/// [`ContainerError`].
pub(crate) fn read(bytes: &[u8]) -> Result<Source<'_>, ContainerError> {
    let mut rest = bytes;
    let mut next = || -> Result<Pickle<'_>, ContainerError> {
        let pickle = Pickle::parse(rest)?;
        rest = &rest[pickle.len..];
        Ok(pickle)
    };
    if next()?.root() != &Value::Bytes(MAGIC) {
        return Err(ContainerError::Stream("it does not begin with the magic number"));
    }
    if next()?.root() != &Value::Int(PROTOCOL) {
        return Err(ContainerError::Stream("its protocol is not 1001"));
    }
    let system = next()?;
    if system.entry(system.root(), "little_endian") != Some(&Value::Bool(true)) {
        return Err(ContainerError::BigEndian);
    }
    let (object, keys) = (next()?, next()?);
    let storages = storages(&object, &keys, rest)?;
    container::from_pickle(Container::Legacy, &object, |storage| {
        let claimed = claimed(storage);
        storages.get(storage.key).copied().ok_or_else(|| ContainerError::Storage {
            key: storage.key.to_owned(),
            claimed,
            actual: "the file does not list it".to_owned(),
        })
    })
}

/// Returns the bytes of every storage.
fn storages<'a>(
    object: &Pickle<'a>,
    keys: &Pickle<'a>,
    mut rest: &'a [u8],
) -> Result<BTreeMap<&'a str, &'a [u8]>, ContainerError> {
    let mut declared: BTreeMap<&str, &Storage<'a>> = BTreeMap::new();
    for value in object.values() {
        if let Value::Storage(storage) = value {
            let first = *declared.entry(storage.key).or_insert(storage);
            if first != storage {
                return Err(ContainerError::Stream("one storage has two types or lengths"));
            }
        }
    }
    let Value::List(list) = keys.root() else {
        return Err(ContainerError::Stream("it has no list of storages"));
    };
    let mut storages = BTreeMap::new();
    for id in list {
        let storage = match keys.get(*id) {
            Value::Text(key) => declared.get(key),
            _ => None,
        };
        let Some(storage) = storage else {
            return Err(ContainerError::Stream("it lists a storage that nothing uses"));
        };
        storages.insert(storage.key, take(&mut rest, storage)?);
    }
    Ok(storages)
}

/// Takes the count and the elements of the next storage.
fn take<'a>(rest: &mut &'a [u8], storage: &Storage<'_>) -> Result<&'a [u8], ContainerError> {
    let claimed = claimed(storage);
    let wrong = |actual| ContainerError::Storage { key: storage.key.to_owned(), claimed, actual };
    let Some((count, data)) = rest.split_first_chunk() else {
        return Err(wrong("the file ends before it".to_owned()));
    };
    let count = i64::from_le_bytes(*count);
    if usize::try_from(count) != Ok(storage.len) {
        return Err(wrong(format!("the file says {count} elements")));
    }
    let parts = usize::try_from(claimed).ok().and_then(|len| data.split_at_checked(len));
    let Some((bytes, after)) = parts else {
        return Err(wrong(format!("the file has {} left", data.len())));
    };
    *rest = after;
    Ok(bytes)
}

/// Bytes that a storage should have.
fn claimed(storage: &Storage<'_>) -> u128 {
    storage.len as u128 * storage.element.bytes() as u128
}
