//! Least squares: the numbers of a linear model from measurements.

/// One measurement: what was counted, and the features that it may depend on.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) features: Vec<f64>,
    pub(super) value: f64,
    /// How much a deviation counts; larger is more.
    pub(super) weight: f64,
}

/// Pull of every number towards 0, so small that it only matters where the measurements leave a
/// number open.
const PULL: f64 = 1e-7;

/// The numbers by which the features have to be multiplied so that their sums deviate least.
pub(super) fn least_squares(samples: &[Sample]) -> Vec<f64> {
    let Some(n) = samples.first().map(|sample| sample.features.len()) else { return Vec::new() };
    let largest = |i: usize| samples.iter().map(|s| s.features[i].abs()).fold(1e-12, f64::max);
    let scales: Vec<f64> = (0..n).map(largest).collect();
    // Normal equations with the right side as their last column.
    let mut rows = vec![vec![0.0; n + 1]; n];
    for sample in samples {
        let x: Vec<f64> = sample.features.iter().zip(&scales).map(|(f, s)| f / s).collect();
        for i in 0..n {
            for j in 0..n {
                rows[i][j] += sample.weight * x[i] * x[j];
            }
            rows[i][n] += sample.weight * x[i] * sample.value;
        }
    }
    let pull = PULL * samples.iter().map(|sample| sample.weight).sum::<f64>();
    (0..n).for_each(|i| rows[i][i] += pull);
    solve(rows).into_iter().zip(scales).map(|(x, scale)| x / scale).collect()
}

/// Gauss's elimination with pivots.
fn solve(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let n = rows.len();
    for i in 0..n {
        let pivot = (i..n).max_by(|a, b| rows[*a][i].abs().total_cmp(&rows[*b][i].abs()));
        rows.swap(i, pivot.expect("bug: a row is left"));
        let row = rows[i].clone();
        for other in rows.iter_mut().skip(i + 1) {
            let factor = other[i] / row[i];
            other.iter_mut().zip(&row).for_each(|(o, r)| *o -= factor * r);
        }
    }
    let mut x = vec![0.0; n];
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| rows[i][j] * x[j]).sum();
        x[i] = (rows[i][n] - known) / rows[i][i];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::{Sample, least_squares};

    fn samples(of: impl Fn(f64, f64) -> f64) -> Vec<Sample> {
        let points = (1..6).flat_map(|a| (1..4).map(move |b| (f64::from(a), f64::from(b * b))));
        let sample =
            |(a, b)| Sample { features: vec![1.0, a, b], value: of(a, b), weight: 1.0 / (a + b) };
        points.map(sample).collect()
    }

    #[test]
    fn linear_values_give_their_numbers() {
        let found = least_squares(&samples(|a, b| 7.0 + 3.0 * a - 0.5 * b));
        for (found, is) in found.iter().zip([7.0, 3.0, -0.5]) {
            assert!((found - is).abs() < 1e-3, "{found} instead of {is}");
        }
    }

    #[test]
    fn features_that_never_change_are_shared_not_divided_by_zero() {
        let twice = samples(|a, _| a)
            .into_iter()
            .map(|s| Sample { features: vec![1.0, 1.0, s.features[1], 0.0], ..s });
        let found = least_squares(&twice.collect::<Vec<_>>());
        assert!(found.iter().all(|x| x.is_finite()), "{found:?}");
        assert!((found[2] - 1.0).abs() < 1e-3 && found[3].abs() < 1e-9, "{found:?}");
    }
}
