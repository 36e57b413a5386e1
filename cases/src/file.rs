//! A case as a file: JSON that says everything, network and images included.
//!
//! Network and images are stored as bytes and not only as the numbers that they are made from, so
//! that a case stays the same when the generator changes.

use crate::case::{Built, Case};
use crate::check::Finding;
use crate::limits;
use heartbit_compiler::schedule::ScheduleError;
use heartbit_ir::file::FileError;
use heartbit_ir::network::Network;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Version of the format.
const SCHEMA: u32 = 1;
/// Most images of a case that is read.
const MAX_IMAGES: usize = 16;
/// Bytes of a line of hexadecimal digits.
const LINE: usize = 40;

/// A stored case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    schema: u32,
    /// Why it is kept, for people.
    pub why: String,
    /// What was wrong when it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
    /// Every choice.
    pub case: Case,
    /// The network, as an `.hbn` file in hexadecimal digits.
    network: Vec<String>,
    /// The images, byte by byte.
    images: Vec<Vec<String>>,
}

/// Why a file is no case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// The text.
    #[error("not a case: {0}")]
    Malformed(String),
    /// The network.
    #[error("the network of the case cannot be read")]
    Network(#[source] FileError),
    /// The network does not fit the hardware.
    #[error("the network of the case does not fit its hardware")]
    Unfit(#[source] ScheduleError),
}

impl CaseFile {
    /// Stores a case.
    ///
    /// # Errors
    /// [`CaseError::Network`] if the generator makes an invalid network, which has no bytes.
    pub fn new(case: &Case, why: String, finding: Option<Finding>) -> Result<Self, CaseError> {
        let network = case.problem.network().to_bytes().map_err(CaseError::Network)?;
        let images = case.problem.images(case.images);
        Ok(Self {
            schema: SCHEMA,
            why,
            // What the layers took is in the finding, where they are what differs.
            finding: finding.map(|finding| Finding { layer_cycles: Vec::new(), ..finding }),
            case: case.clone(),
            network: digits(&network),
            images: images.iter().map(|image| digits(image)).collect(),
        })
    }

    /// Reads a case.
    ///
    /// # Errors
    /// [`CaseError::Malformed`] says what is wrong, and where.
    pub fn from_json(text: &[u8]) -> Result<Self, CaseError> {
        let malformed = |reason: String| CaseError::Malformed(reason);
        let file: Self = serde_json::from_slice(text).map_err(|e| malformed(e.to_string()))?;
        if file.schema != SCHEMA {
            let found = file.schema;
            return Err(malformed(format!("schema {found}, but this program reads {SCHEMA}")));
        }
        limits::check(&file.case).map_err(malformed)?;
        if !(1..=MAX_IMAGES).contains(&file.images.len()) {
            let n = file.images.len();
            return Err(malformed(format!("{n} images, but a case has 1 to {MAX_IMAGES}")));
        }
        Ok(file)
    }

    /// The text of the file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("bug: plain data") + "\n"
    }

    /// Compiles the network of the file, for the hardware of its case.
    ///
    /// # Errors
    /// [`CaseError`].
    pub fn build(&self) -> Result<Built, CaseError> {
        let network = Network::from_bytes(&bytes("network", &self.network)?);
        let images = self.images.iter().map(|image| bytes("images", image));
        let images = images.collect::<Result<_, _>>()?;
        let network = network.map_err(CaseError::Network)?;
        self.case.build_of(network, images).map_err(CaseError::Unfit)
    }

    /// Whether today's generator makes the same network and images of the case's problem, so that
    /// smaller cases can be made of it.
    pub fn is_current(&self) -> bool {
        Self::new(&self.case, String::new(), None)
            .is_ok_and(|now| now.network == self.network && now.images == self.images)
    }
}

/// The bytes of lines of hexadecimal digits.
fn bytes(what: &str, lines: &[String]) -> Result<Vec<u8>, CaseError> {
    let bad = |line: usize| {
        let number = line + 1;
        CaseError::Malformed(format!("line {number} of `{what}` is no bytes in hexadecimal digits"))
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut bytes = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let digits: Option<Vec<u8>> = line.as_bytes().iter().map(digit).collect();
        let digits = digits.ok_or_else(|| bad(number))?;
        let (pairs, []) = digits.as_chunks::<2>() else { return Err(bad(number)) };
        bytes.extend(pairs.iter().map(|[high, low]| high << 4 | low));
    }
    Ok(bytes)
}

fn digits(bytes: &[u8]) -> Vec<String> {
    let line = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("bug: writing to a string");
            text
        })
    };
    bytes.chunks(LINE).map(line).collect()
}
