//! Lines of equal value on a grid: marching squares with linear interpolation.

use std::collections::BTreeMap;

/// An edge between two neighbours of the grid: row and column of its lower left end, and whether
/// it goes up rather than right.
type Edge = (usize, usize, bool);

/// Returns the lines on which a map has the value `level`, open or closed, as points.
///
/// `values[i][j]` is at `(xs[j], ys[i])`. A square with a corner of `None` has no line. In a
/// saddle, the mean of the corners decides which of them are joined.
pub(crate) fn isolines(
    xs: &[f64],
    ys: &[f64],
    values: &[Vec<Option<f64>>],
    level: f64,
) -> Vec<Vec<(f64, f64)>> {
    let mut joins: BTreeMap<Edge, Vec<Edge>> = BTreeMap::new();
    for i in 0..ys.len().saturating_sub(1) {
        for j in 0..xs.len().saturating_sub(1) {
            for (a, b) in square(values, i, j, level) {
                joins.entry(a).or_default().push(b);
                joins.entry(b).or_default().push(a);
            }
        }
    }
    let point = |edge: Edge| crossing(xs, ys, values, edge, level);
    let mut lines = Vec::new();
    // Open lines from their ends first; what is left are closed ones.
    let ends: Vec<Edge> = joins.iter().filter(|(_, next)| next.len() == 1).map(|e| *e.0).collect();
    let all: Vec<Edge> = joins.keys().copied().collect();
    for start in ends.into_iter().chain(all) {
        let mut line = vec![point(start)];
        let mut at = start;
        while let Some(next) = joins.get_mut(&at).and_then(Vec::pop) {
            let back = joins.get_mut(&next).expect("bug: joins go both ways");
            back.retain(|edge| *edge != at);
            line.push(point(next));
            at = next;
        }
        if line.len() > 1 {
            lines.push(line);
        }
    }
    lines
}

/// The pieces of line in the square whose lower left corner is `[i][j]`, by the edges they join.
fn square(values: &[Vec<Option<f64>>], i: usize, j: usize, level: f64) -> Vec<(Edge, Edge)> {
    // Against the clock.
    let corners = [values[i][j], values[i][j + 1], values[i + 1][j + 1], values[i + 1][j]];
    let Some(corners) = corners.into_iter().collect::<Option<Vec<f64>>>() else {
        return Vec::new();
    };
    let (low, right, top, left) =
        ((i, j, false), (i, j + 1, true), (i + 1, j, false), (i, j, true));
    let above = [0, 1, 2, 3].map(|k: usize| corners[k] >= level);
    match above {
        [true, true, true, true] | [false, false, false, false] => Vec::new(),
        [true, false, false, false] | [false, true, true, true] => vec![(left, low)],
        [false, true, false, false] | [true, false, true, true] => vec![(low, right)],
        [false, false, true, false] | [true, true, false, true] => vec![(right, top)],
        [false, false, false, true] | [true, true, true, false] => vec![(top, left)],
        [true, true, false, false] | [false, false, true, true] => vec![(left, right)],
        [true, false, false, true] | [false, true, true, false] => vec![(low, top)],
        [true, false, true, false] | [false, true, false, true] => {
            let middle = corners.iter().map(|v| v / 4.0).sum::<f64>() >= level;
            if middle == above[0] {
                vec![(low, right), (top, left)]
            } else {
                vec![(left, low), (right, top)]
            }
        }
    }
}

/// Where a line crosses an edge.
fn crossing(
    xs: &[f64],
    ys: &[f64],
    values: &[Vec<Option<f64>>],
    (i, j, up): Edge,
    level: f64,
) -> (f64, f64) {
    let (row, column) = if up { (i + 1, j) } else { (i, j + 1) };
    let (from, to) = (values[i][j].unwrap_or(level), values[row][column].unwrap_or(level));
    // One end is below the level and one is not, so they differ.
    let share = ((level - from) / (to - from)).clamp(0.0, 1.0);
    (xs[j] + (xs[column] - xs[j]) * share, ys[i] + (ys[row] - ys[i]) * share)
}

#[cfg(test)]
mod tests;
