//! Reads `landscape.json`: the loss on a slice through the space of weights.
//!
//! The slice is spanned by two random directions around a checkpoint. Row `i` and column `j` of
//! the loss are at `beta[i]` along the second and `alpha[j]` along the first direction. A loss of
//! `null` is one that was not finite.

use crate::Error;
use crate::file::read_capped;
use serde::Deserialize;
use std::path::Path;

/// Largest file that is read.
const MAX_BYTES: u64 = 1 << 26;
/// Most points along a direction.
const MAX_SIDE: usize = 512;
/// Largest coordinate and loss.
const MAX_VALUE: f64 = 1e100;

/// A slice of the loss.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Landscape {
    /// Version of the format: 1.
    pub schema: u32,
    /// Positions along the first direction, rising.
    pub alpha: Vec<f64>,
    /// Positions along the second direction, rising; empty without a 2-D slice.
    #[serde(default)]
    pub beta: Vec<f64>,
    /// Loss at `[beta][alpha]`.
    #[serde(default)]
    pub loss: Vec<Vec<Option<f64>>>,
    /// Loss along the first direction, where the second is 0; empty without a 1-D slice.
    #[serde(default)]
    pub loss_1d: Vec<Option<f64>>,
    /// Images that the loss is a mean over.
    #[serde(default)]
    pub images: Option<u64>,
}

/// Reads a landscape.
///
/// # Errors
/// [`Error::Read`], [`Error::TooLarge`], and [`Error::Malformed`] where the file is no landscape,
/// its shapes disagree, or its positions do not rise.
pub fn read(path: &Path) -> Result<Landscape, Error> {
    let text = read_capped(path, MAX_BYTES)?;
    let malformed = |reason: String| Error::Malformed { path: path.to_owned(), reason };
    let landscape: Landscape =
        serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
    check(&landscape).map_err(malformed)?;
    Ok(landscape)
}

fn check(landscape: &Landscape) -> Result<(), String> {
    let Landscape { schema, alpha, beta, loss, loss_1d, .. } = landscape;
    if *schema != 1 {
        return Err(format!("`schema` is {schema}; this version reads 1"));
    }
    axis("alpha", alpha)?;
    if alpha.is_empty() {
        return Err("`alpha` is empty".to_owned());
    }
    axis("beta", beta)?;
    if loss.len() != beta.len() {
        return Err(format!("`loss` has {} rows, but `beta` {}", loss.len(), beta.len()));
    }
    for (i, row) in loss.iter().enumerate() {
        if row.len() != alpha.len() {
            let (row, alpha) = (row.len(), alpha.len());
            return Err(format!("row {i} of `loss` has {row} numbers, but `alpha` {alpha}"));
        }
    }
    if !loss_1d.is_empty() && loss_1d.len() != alpha.len() {
        let (loss, alpha) = (loss_1d.len(), alpha.len());
        return Err(format!("`loss_1d` has {loss} numbers, but `alpha` {alpha}"));
    }
    let mut losses = loss.iter().flatten().chain(loss_1d).flatten();
    match losses.find(|loss| !(0.0..=MAX_VALUE).contains(*loss)) {
        Some(loss) => Err(format!("a loss is {loss}, not in 0 to {MAX_VALUE}")),
        None => Ok(()),
    }
}

/// Checks the positions along a direction.
fn axis(name: &str, positions: &[f64]) -> Result<(), String> {
    if positions.len() > MAX_SIDE {
        return Err(format!("`{name}` has {} positions, more than {MAX_SIDE}", positions.len()));
    }
    if let Some(position) = positions.iter().find(|p| !(-MAX_VALUE..=MAX_VALUE).contains(*p)) {
        return Err(format!("`{name}` has the position {position}"));
    }
    match positions.iter().zip(positions.iter().skip(1)).find(|(a, b)| a >= b) {
        Some((a, b)) => Err(format!("`{name}` does not rise from {a} to {b}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
