//! The `.hbn` container of integer networks.
//!
//! | bytes | contents |
//! |---|---|
//! | 4 | `HBN1` |
//! | 4 | format version, little-endian like all numbers |
//! | 4 | header length `h` |
//! | 8 | payload length `p` |
//! | h | header: JSON, the structure of the network |
//! | p | payload: the arrays of the operations in order |
//! | 4 | CRC-32 of everything before |
//!
//! The fields and the payload of each operation are in `ops`.
//!
//! Every length is checked against the bytes that are there before anything is allocated, and
//! what is read is validated as a whole. Reading never panics.

mod ops;

use crate::network::{InvalidNetwork, Network, Op};
use ops::{HeaderOp, Reader, header_op, payload, read_kind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

const MAGIC: &[u8; 4] = b"HBN1";
/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// Bytes before the header.
const PREFIX: usize = 20;
/// Bytes of the CRC-32 at the end. With them a file's own CRC-32 is the same for every file; without
/// them it is this number.
pub const CHECKSUM_BYTES: usize = 4;
/// Largest file that is read.
const MAX_FILE: u64 = 1 << 30;

/// Why a network file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot {action} `{path}`")]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not a network file at all.
    #[error("not a network file: it does not begin with `HBN1`")]
    Magic,
    /// A version that this program does not know.
    #[error("network file version {found}, but this program reads version {VERSION}")]
    Version {
        /// The version of the file.
        found: u32,
    },
    /// Fewer or more bytes than the file itself says.
    #[error("truncated or padded: {actual} bytes, but the file describes {expected}")]
    Length {
        /// What the prefix says.
        expected: u64,
        /// What is there.
        actual: u64,
    },
    /// Bytes have changed since the file was written.
    #[error("corrupted: checksum {actual:08x}, but the file says {expected:08x}")]
    Checksum {
        /// What the file says.
        expected: u32,
        /// What its bytes give.
        actual: u32,
    },
    /// The header is not what this version writes.
    #[error("malformed header: {0}")]
    Header(String),
    /// The payload does not match the header.
    #[error("malformed payload of `{op}`: {reason}")]
    Payload {
        /// The operation.
        op: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A readable file with a wrong network.
    #[error("invalid network")]
    Invalid(#[source] InvalidNetwork),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    arch: String,
    frac_bits: u32,
    /// Shortest decimal text that gives the same `f64`.
    logit_scale: String,
    provenance: BTreeMap<String, String>,
    ops: Vec<HeaderOp>,
}

impl Network {
    /// Writes the network to memory.
    ///
    /// # Errors
    /// [`FileError::Invalid`] if the network is not valid: such a file could not be read back.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FileError> {
        self.validate().map_err(FileError::Invalid)?;
        let header = Header {
            arch: self.arch.clone(),
            frac_bits: self.frac_bits,
            logit_scale: format!("{:e}", self.logit_scale),
            provenance: self.provenance.clone(),
            ops: self.ops.iter().map(header_op).collect(),
        };
        let header = serde_json::to_vec(&header).map_err(|e| FileError::Header(e.to_string()))?;
        let payload: Vec<u8> = self.ops.iter().flat_map(|op| payload(&op.kind)).collect();
        let header_len =
            u32::try_from(header.len()).map_err(|_| FileError::Header("over 4 GiB".to_owned()))?;
        let mut bytes = Vec::with_capacity(PREFIX + header.len() + payload.len() + CHECKSUM_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&header_len.to_le_bytes());
        bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&payload);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        Ok(bytes)
    }

    /// Reads a network from memory.
    ///
    /// # Errors
    /// Every variant of [`FileError`] but `Io`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileError> {
        let (header, payload) = open(bytes)?;
        let header: Header =
            serde_json::from_slice(header).map_err(|e| FileError::Header(e.to_string()))?;
        let logit_scale = header
            .logit_scale
            .parse()
            .map_err(|_| FileError::Header(format!("logit scale `{}`", header.logit_scale)))?;
        let mut reader = Reader { bytes: payload };
        let mut ops = Vec::new();
        for op in header.ops {
            let kind = read_kind(&op.kind, &mut reader)
                .map_err(|reason| FileError::Payload { op: op.name.clone(), reason })?;
            ops.push(Op { name: op.name, kind });
        }
        if !reader.bytes.is_empty() {
            let reason = "bytes are left after the last operation";
            return Err(FileError::Payload { op: "network".to_owned(), reason });
        }
        let network = Self {
            arch: header.arch,
            frac_bits: header.frac_bits,
            logit_scale,
            provenance: header.provenance,
            ops,
        };
        network.validate().map_err(FileError::Invalid)?;
        Ok(network)
    }

    /// Writes the network to a file: to a temporary name beside it, then renamed.
    ///
    /// # Errors
    /// [`FileError::Io`] or [`FileError::Invalid`]; nothing half-written is left behind.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let bytes = self.to_bytes()?;
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        let written = std::fs::File::create(&temporary)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&temporary, path));
        written.map_err(|source| {
            // The first error is the one to report; the file may not even exist.
            drop(std::fs::remove_file(&temporary));
            FileError::Io { action: "write", path: path.display().to_string(), source }
        })
    }

    /// Reads a network from a file.
    ///
    /// # Errors
    /// Every variant of [`FileError`].
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let io =
            |source| FileError::Io { action: "read", path: path.display().to_string(), source };
        let file = std::fs::File::open(path).map_err(io)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut bytes).map_err(io)?;
        Self::from_bytes(&bytes)
    }
}

/// Checks prefix, lengths and checksum; returns header and payload.
fn open(bytes: &[u8]) -> Result<(&[u8], &[u8]), FileError> {
    if !bytes.starts_with(MAGIC) {
        return Err(FileError::Magic);
    }
    let actual = bytes.len() as u64;
    let too_short = FileError::Length { expected: (PREFIX + CHECKSUM_BYTES) as u64, actual };
    let Some((prefix, rest)) = bytes.split_at_checked(PREFIX) else { return Err(too_short) };
    let mut prefix = Reader { bytes: &prefix[MAGIC.len()..] };
    let (Ok(found), Ok(header_len), Ok(payload_len)) = (prefix.u32(), prefix.u32(), prefix.u64())
    else {
        return Err(too_short);
    };
    if found != VERSION {
        return Err(FileError::Version { found });
    }
    let expected = payload_len
        .saturating_add(u64::from(header_len))
        .saturating_add((PREFIX + CHECKSUM_BYTES) as u64);
    if expected != actual {
        return Err(FileError::Length { expected, actual });
    }
    let (body, suffix) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
    let expected = Reader { bytes: suffix }.u32().map_err(|_| too_short)?;
    let actual = crc32fast::hash(body);
    if expected != actual {
        return Err(FileError::Checksum { expected, actual });
    }
    Ok(rest[..rest.len() - CHECKSUM_BYTES].split_at(header_len as usize))
}
