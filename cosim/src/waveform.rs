//! Reads waveforms back: the value of a signal in a cycle.
//!
//! Names are hierarchical, with a dot between instances, from the top module on; Verilator's own
//! scope above it is left out here and put back by [`Waveform::full_name`].
//!
//! Not here: which signals there are in the accelerator ([`crate::PeSignals`]).

use crate::Error;
use fst_reader::{FstFilter, FstHierarchyEntry, FstReader, FstSignalHandle, FstSignalValue};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Units of time in a cycle, and the last one in which inputs have settled: see [`crate::Model`].
const UNITS: u64 = 10;
const SETTLED: u64 = 4;

/// A waveform file.
pub struct Waveform {
    path: PathBuf,
    reader: FstReader<BufReader<File>>,
    signals: BTreeMap<String, Signal>,
    /// The scope above the top module, with its dot.
    root: String,
}

impl std::fmt::Debug for Waveform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waveform").field("path", &self.path).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
struct Signal {
    /// Signals that are always equal share one.
    index: usize,
    width: u32,
}

/// The values of a signal over time.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Time and value, from 64-bit limbs, least significant first; unknown bits are 0.
    changes: Vec<(u64, Vec<u64>)>,
}

impl Samples {
    /// The value in a cycle, after its inputs have settled; `None` before the file begins.
    pub fn at(&self, cycle: u64) -> Option<&[u64]> {
        let time = cycle * UNITS + SETTLED;
        let after = self.changes.partition_point(|(at, _)| *at <= time);
        self.changes[..after].last().map(|(_, value)| value.as_slice())
    }

    /// The value of a signal of at most 64 bits in a cycle.
    pub fn number(&self, cycle: u64) -> Option<u64> {
        self.at(cycle).map(|limbs| limbs[0])
    }
}

/// Time in the file at which a cycle begins.
pub fn time_of(cycle: u64) -> u64 {
    cycle * UNITS
}

impl Waveform {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Waveform`] if it is no FST file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let mut reader = FstReader::open(BufReader::new(file)).map_err(bad(path))?;
        let (mut signals, mut scopes) = (BTreeMap::new(), Vec::<String>::new());
        let mut root = None;
        reader
            .read_hierarchy(|entry| match entry {
                FstHierarchyEntry::Scope { name, .. } => scopes.push(name),
                FstHierarchyEntry::UpScope => drop(scopes.pop()),
                FstHierarchyEntry::Var { name, length, handle, .. } => {
                    // Ports of the top module are in the outermost scope, too.
                    let Some((outermost, inner)) = scopes.split_first() else { return };
                    if inner.is_empty() {
                        return;
                    }
                    root.get_or_insert_with(|| outermost.clone());
                    let local = name.split([' ', '[']).next().unwrap_or_default();
                    let name = format!("{}.{local}", inner.join("."));
                    signals.insert(name, Signal { index: handle.get_index(), width: length });
                }
                _ => {}
            })
            .map_err(bad(path))?;
        let root = root.map_or(String::new(), |root: String| format!("{root}."));
        Ok(Self { path: path.to_owned(), reader, signals, root })
    }

    /// The bits of a signal; `None` if there is no signal of this name.
    pub fn width(&self, name: &str) -> Option<u32> {
        self.signals.get(name).map(|signal| signal.width)
    }

    /// The name of a signal in the file, with all scopes.
    pub fn full_name(&self, name: &str) -> String {
        format!("{}{name}", self.root)
    }

    /// The first and the last cycle in the file.
    pub fn cycles(&self) -> Range<u64> {
        let header = self.reader.get_header();
        header.start_time / UNITS..header.end_time / UNITS
    }

    /// Why a signal has no value in a cycle.
    pub(crate) fn outside(&self, name: &str, cycle: u64) -> Error {
        Error::OutsideWaveform { path: self.path.clone(), name: name.to_owned(), cycle }
    }

    /// Reads all values of some signals, in the order of their names.
    ///
    /// # Errors
    /// [`Error::UnknownSignal`]; [`Error::Waveform`].
    pub fn read(&mut self, names: &[String]) -> Result<Vec<Samples>, Error> {
        let indices = names.iter().map(|name| self.index(name)).collect::<Result<Vec<_>, _>>()?;
        let mut found: BTreeMap<usize, Samples> = BTreeMap::new();
        let handles = indices.iter().map(|&index| FstSignalHandle::from_index(index)).collect();
        let filter = FstFilter::filter_signals(handles);
        let result = self.reader.read_signals(&filter, |time, handle, value| {
            if let FstSignalValue::String(bits) = value {
                let samples = found.entry(handle.get_index()).or_default();
                samples.changes.push((time, limbs(bits)));
            }
            Ok::<(), std::convert::Infallible>(())
        });
        result.map_err(|error| Error::Waveform {
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        Ok(indices.iter().map(|index| found.get(index).cloned().unwrap_or_default()).collect())
    }

    fn index(&self, name: &str) -> Result<usize, Error> {
        self.signals
            .get(name)
            .map(|signal| signal.index)
            .ok_or_else(|| Error::UnknownSignal { path: self.path.clone(), name: name.to_owned() })
    }
}

fn bad(path: &Path) -> impl FnOnce(fst_reader::ReaderError) -> Error {
    let path = path.to_owned();
    move |error| Error::Waveform { path, reason: error.to_string() }
}

/// Limbs of a value that is written bit by bit, the most significant first.
fn limbs(bits: &[u8]) -> Vec<u64> {
    bits.rchunks(64)
        .map(|chunk| chunk.iter().fold(0, |limb, bit| limb << 1 | u64::from(*bit == b'1')))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Samples, limbs};

    #[test]
    fn values_hold_until_the_next_change() {
        let samples = Samples { changes: vec![(51, vec![1]), (65, vec![2]), (75, vec![3])] };
        let values: Vec<_> = (4..9).map(|cycle| samples.number(cycle)).collect();
        assert_eq!(values, [None, Some(1), Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn bits_become_limbs() {
        assert_eq!(limbs(b"1011"), [0b1011]);
        let wide: Vec<u8> = [b"10".as_slice(), &[b'0'; 63], b"1"].concat();
        assert_eq!(limbs(&wide), [1, 2]);
    }
}
