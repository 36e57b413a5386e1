//! The Pareto front: points that no other point beats in everything.

use std::cmp::Ordering;

/// Indices of the points on the front, in the order of the points; all costs are to be small.
///
/// A point is left out if another costs no more in anything, and less in something; of equal points
/// the first stays. Points with a cost that is no number are left out.
pub fn front(costs: &[Vec<f64>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.retain(|i| costs[*i].iter().all(|cost| !cost.is_nan()));
    // Whatever beats a point, or equals it and comes before it, precedes it in this order.
    order.sort_by(|a, b| lexical(&costs[*a], &costs[*b]).then(a.cmp(b)));
    let mut kept: Vec<usize> = Vec::new();
    for i in order {
        let beaten = |other: &usize| costs[*other].iter().zip(&costs[i]).all(|(a, b)| a <= b);
        // Late ones are alike in the first cost, and so the likeliest to beat the point.
        if !kept.iter().rev().any(beaten) {
            kept.push(i);
        }
    }
    kept.sort_unstable();
    kept
}

fn lexical(a: &[f64], b: &[f64]) -> Ordering {
    let differs = a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|o| o.is_ne());
    differs.unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::front;
    use proptest::prelude::*;

    fn beats(a: &[f64], b: &[f64]) -> bool {
        a.iter().zip(b).all(|(a, b)| a <= b) && a != b
    }

    #[test]
    fn corner_cases() {
        assert_eq!(front(&[]), Vec::<usize>::new());
        let points = [[2.0, 1.0], [1.0, 2.0], [2.0, 2.0], [1.0, 2.0], [f64::NAN, 0.0]];
        assert_eq!(front(&points.map(|p| p.to_vec())), [0, 1]);
    }

    proptest! {
        #[test]
        fn front_is_what_nothing_beats(
            points in prop::collection::vec(prop::collection::vec(0_u8..6, 3), 0..40)
        ) {
            let points: Vec<Vec<f64>> =
                points.iter().map(|p| p.iter().map(|x| f64::from(*x)).collect()).collect();
            let found = front(&points);
            for (i, point) in points.iter().enumerate() {
                let beaten = points.iter().any(|other| beats(other, point));
                let repeated = points[..i].contains(point);
                prop_assert_eq!(found.contains(&i), !beaten && !repeated, "point {}", i);
            }
        }
    }
}
