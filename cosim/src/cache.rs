//! Content-addressed cache of build products.
//!
//! An entry is a directory named by the hash of everything that went into it; it holds one product
//! and the product's own digest.
//! An entry appears by one rename, so a killed build leaves no entry; a damaged one fails the digest
//! and is built again.
//! One lock file a key makes concurrent builds of the same key, in threads or processes, wait for
//! the first. Entries are never removed here: the directory may be deleted at any time.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;

/// Collects the parts of a key; each part is prefixed by its length.
pub(crate) struct KeyBuilder(blake3::Hasher);

impl KeyBuilder {
    /// Starts a key for one kind of product.
    pub(crate) fn new(kind: &str) -> Self {
        let mut key = Self(blake3::Hasher::new());
        key.add(kind);
        key
    }

    /// Adds a part.
    pub(crate) fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.update(&(part.len() as u64).to_le_bytes()).update(part);
    }

    /// Adds parts.
    pub(crate) fn add_all(&mut self, parts: impl IntoIterator<Item: AsRef<[u8]>>) {
        for part in parts {
            self.add(part);
        }
    }

    /// The key as a directory name: 128 bits of the hash.
    pub(crate) fn finish(&self) -> String {
        self.0.finalize().to_hex()[..32].to_owned()
    }
}

/// The product of an entry.
pub(crate) struct Product {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Whether this call built it.
    pub(crate) is_fresh: bool,
}

/// A cache in one directory.
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Opens the cache in `root`, or in `heartbit/cosim` of the user's cache directory.
    pub(crate) fn open(root: Option<&Path>) -> Result<Self, Error> {
        let root = match root {
            Some(root) => root.to_owned(),
            None => default_root().ok_or(Error::NoCacheDirectory)?,
        };
        // The entries are given to programs that run in other directories.
        let root = std::path::absolute(&root).map_err(Error::io("resolve", &root))?;
        fs::create_dir_all(&root).map_err(Error::io("create", &root))?;
        Ok(Self { root })
    }

    /// Returns the product `name` of the entry `key`, building it when it is absent or damaged.
    ///
    /// `build` must leave `name` in the directory it is given; whatever else it leaves is kept.
    pub(crate) fn product(
        &self,
        key: &str,
        name: &str,
        build: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<Product, Error> {
        let lock_path = self.root.join(format!("{key}.lock"));
        let lock = File::create(&lock_path).map_err(Error::io("create", &lock_path))?;
        lock.lock().map_err(Error::io("lock", &lock_path))?;

        let entry = self.root.join(key);
        let path = entry.join(name);
        if is_intact(&path) {
            return Ok(Product { path, is_fresh: false });
        }
        // Only the holder of the lock uses this name, so leftovers are from a killed build.
        let partial = self.root.join(format!("{key}.partial"));
        remove_directory(&partial)?;
        fs::create_dir(&partial).map_err(Error::io("create", &partial))?;
        let outcome = build(&partial).and_then(|()| seal(&partial.join(name)));
        if let Err(error) = outcome {
            // The build's own error says more than a failure to clean up after it.
            let _ = remove_directory(&partial);
            return Err(error);
        }
        remove_directory(&entry)?;
        fs::rename(&partial, &entry).map_err(Error::io("rename", &partial))?;
        Ok(Product { path, is_fresh: true })
        // Closing the file releases the lock.
    }
}

/// `$XDG_CACHE_HOME/heartbit/cosim`, or `~/.cache/heartbit/cosim`.
fn default_root() -> Option<PathBuf> {
    let directory = |variable: &str| {
        std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
    };
    let base = directory("XDG_CACHE_HOME").or_else(|| Some(directory("HOME")?.join(".cache")))?;
    Some(base.join("heartbit").join("cosim"))
}

/// Where the digest of a product is kept.
fn digest_path(product: &Path) -> PathBuf {
    let mut name = product.as_os_str().to_owned();
    name.push(".blake3");
    name.into()
}

/// Writes the digest beside the product.
fn seal(product: &Path) -> Result<(), Error> {
    let bytes = fs::read(product).map_err(Error::io("read", product))?;
    let digest = digest_path(product);
    fs::write(&digest, blake3::hash(&bytes).to_hex().as_str()).map_err(Error::io("write", &digest))
}

/// Whether the product is there and has the digest it was sealed with.
fn is_intact(product: &Path) -> bool {
    let Ok(digest) = fs::read_to_string(digest_path(product)) else { return false };
    fs::read(product).is_ok_and(|bytes| blake3::hash(&bytes).to_hex().as_str() == digest)
}

/// Removes a directory and what is in it; an absent one is fine.
fn remove_directory(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_product(cache: &Cache) -> Product {
        cache
            .product("key", "product", |directory| {
                let path = directory.join("product");
                fs::write(&path, "content").map_err(Error::io("write", &path))
            })
            .expect("bug: writing to a temporary directory works")
    }

    #[test]
    fn product_is_built_once_and_again_after_damage() {
        let directory = tempfile::tempdir().expect("bug: a temporary directory");
        let cache = Cache::open(Some(directory.path())).expect("bug: the directory exists");
        let first = write_product(&cache);
        assert!(first.is_fresh);
        assert!(!write_product(&cache).is_fresh);
        for damage in ["", "cOntent"] {
            fs::write(&first.path, damage).expect("bug: the entry is writable");
            assert!(write_product(&cache).is_fresh, "{damage:?} passes for the product");
        }
    }

    #[test]
    fn failed_build_leaves_no_entry() {
        let directory = tempfile::tempdir().expect("bug: a temporary directory");
        let cache = Cache::open(Some(directory.path())).expect("bug: the directory exists");
        let failure = cache.product("key", "product", |_| Err(Error::NoCacheDirectory));
        assert!(matches!(failure, Err(Error::NoCacheDirectory)));
        assert!(write_product(&cache).is_fresh);
    }

    #[test]
    fn key_separates_its_parts() {
        let key = |parts: &[&str]| {
            let mut key = KeyBuilder::new("test");
            key.add_all(parts);
            key.finish()
        };
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
    }
}
