//! The text of a board file, as it is read; every value knows its place.
//!
//! Not here: what the values have to be.

use serde::Deserialize;
use toml::Spanned;

type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) title: Text,
    pub(super) documentation: Text,
    pub(super) device: Text,
    pub(super) family: Text,
    pub(super) part: Option<Text>,
    pub(super) package: Text,
    pub(super) speed: Option<Text>,
    pub(super) flow: Text,
    pub(super) constraints: Text,
    pub(super) standard: Text,
    pub(super) clock_mhz: Spanned<f64>,
    pub(super) clock: Option<FileClock>,
    pub(super) pll: Option<Spanned<FilePll>>,
    pub(super) reset: Option<FileReset>,
    pub(super) uart: FileUart,
    pub(super) leds: Option<FileLeds>,
    #[serde(default)]
    pub(super) memory: Vec<FileMemory>,
    pub(super) capacity: FileCapacity,
    pub(super) source: FileSource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileClock {
    pub(super) pin: Text,
    pub(super) frequency: Text,
    pub(super) standard: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilePll {
    pub(super) primitive: Text,
    pub(super) device: Option<Text>,
    pub(super) pfd_mhz: Spanned<[f64; 2]>,
    pub(super) vco_mhz: Spanned<[f64; 2]>,
    pub(super) out_mhz: Spanned<[f64; 2]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileReset {
    pub(super) pin: Text,
    pub(super) active: Text,
    pub(super) standard: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileUart {
    pub(super) rx: Text,
    pub(super) tx: Text,
    pub(super) standard: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileLeds {
    pub(super) active: Text,
    pub(super) standard: Option<Text>,
    pub(super) ready: Option<Text>,
    pub(super) busy: Option<Text>,
    pub(super) error: Option<Text>,
    pub(super) heartbeat: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileMemory {
    pub(super) kind: Text,
    pub(super) part: Text,
    pub(super) size: Text,
    pub(super) width: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileCapacity {
    pub(super) lut: Spanned<u64>,
    pub(super) ff: Spanned<u64>,
    pub(super) bram: Spanned<u64>,
    pub(super) dsp: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileSource {
    pub(super) capacity: Text,
    pub(super) clock: Text,
    pub(super) pins: Text,
    pub(super) pll: Option<Text>,
    pub(super) memory: Option<Text>,
}
