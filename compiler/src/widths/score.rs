//! What a network predicts of images, beside what the checkpoint's own grid does.

/// Counts over the same images on a grid and on the checkpoint's own grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    /// Images.
    pub images: usize,
    /// Images that are right.
    pub correct: usize,
    /// Images of which both predict the same class, right or wrong.
    pub agreeing: usize,
    /// Images that are right here and wrong on the own grid.
    pub gained: usize,
    /// Images that are wrong here and right on the own grid.
    pub lost: usize,
}

impl Score {
    /// Compares predicted classes with labels, and with those on the own grid.
    ///
    /// # Panics
    /// If the lists differ in length: a bug of the caller.
    pub fn new(predicted: &[usize], own: &[usize], labels: &[usize]) -> Self {
        let images = labels.len();
        assert!(predicted.len() == images && own.len() == images, "bug: one class for each image");
        let count = |holds: &dyn Fn(usize) -> bool| (0..images).filter(|i| holds(*i)).count();
        let right = |classes: &[usize], i: usize| classes[i] == labels[i];
        Self {
            images,
            correct: count(&|i| right(predicted, i)),
            agreeing: count(&|i| predicted[i] == own[i]),
            gained: count(&|i| right(predicted, i) && !right(own, i)),
            lost: count(&|i| !right(predicted, i) && right(own, i)),
        }
    }

    /// Share of the images that are right.
    pub fn accuracy(&self) -> f64 {
        self.share(self.correct)
    }

    /// Share of the images with the own grid's prediction.
    pub fn agreement(&self) -> f64 {
        self.share(self.agreeing)
    }

    /// Accuracy less that of the own grid.
    pub fn difference(&self) -> f64 {
        self.share(self.gained) - self.share(self.lost)
    }

    /// Standard error of the accuracy, were the images drawn at random: that of a binomial share.
    pub fn accuracy_error(&self) -> f64 {
        let p = self.accuracy();
        (p * (1.0 - p) / count(self.images.max(1))).sqrt()
    }

    /// Standard error of the difference.
    ///
    /// Both networks see the same images, so only those count of which one is right and the other
    /// wrong: it is smaller than two accuracies would suggest. Half an image is added to each of
    /// the four cases (Agresti and Min, 2005), since otherwise few images on which the networks
    /// happen to be right and wrong alike would pass for certainty.
    pub fn difference_error(&self) -> f64 {
        let images = count(self.images) + 2.0;
        let moved = count(self.gained + self.lost) + 1.0;
        let difference = count(self.gained) - count(self.lost);
        (moved - difference * difference / images).sqrt() / images
    }

    /// Whether no more than a share of the images is wrong beyond those on the own grid.
    pub fn within(&self, tolerance: f64) -> bool {
        // A tolerance of a whole number of images must not fail on its rounding.
        -self.difference() <= tolerance + 1e-9
    }

    fn share(&self, n: usize) -> f64 {
        if self.images == 0 { 0.0 } else { count(n) / count(self.images) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "image counts are far below 2^53")]
fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn counts_and_errors_by_hand() {
        // Right here and there, gained, lost, wrong alike, wrong in another way.
        let (labels, own, here) = ([1, 2, 3, 4, 5], [1, 0, 3, 0, 0], [1, 2, 0, 0, 7]);
        let score = Score::new(&here, &own, &labels);
        assert_eq!(score, Score { images: 5, correct: 2, agreeing: 2, gained: 1, lost: 1 });
        assert!(close(score.accuracy(), 0.4) && close(score.agreement(), 0.4));
        assert!(close(score.accuracy_error(), (0.4_f64 * 0.6 / 5.0).sqrt()));
        assert!(close(score.difference(), 0.0));
        assert!(close(score.difference_error(), 3.0_f64.sqrt() / 7.0));
    }

    #[test]
    fn tolerance_of_a_whole_number_of_images_includes_it() {
        let score = |lost| Score { images: 2000, correct: 0, agreeing: 0, gained: 3, lost };
        assert!(score(8).within(0.0025) && !score(9).within(0.0025));
        assert!(score(3).within(0.0) && !score(4).within(0.0));
        let none = Score { images: 0, correct: 0, agreeing: 0, gained: 0, lost: 0 };
        assert!(close(none.accuracy_error() + none.accuracy() + none.difference(), 0.0));
    }

    #[test]
    fn images_that_are_alike_by_chance_are_no_certainty() {
        let alike = |images| Score { images, correct: 2, agreeing: images, gained: 0, lost: 0 };
        assert!(close(alike(18).difference_error(), 0.05));
        assert!(close(alike(9998).difference_error(), 0.0001));
    }

    proptest! {
        #[test]
        fn difference_is_that_of_the_accuracies(
            classes in prop::collection::vec((0_usize..3, 0_usize..3, 0_usize..3), 1..40)
        ) {
            let list = |of: fn(&(usize, usize, usize)) -> usize| -> Vec<usize> {
                classes.iter().map(of).collect()
            };
            let (labels, own, here) = (list(|c| c.0), list(|c| c.1), list(|c| c.2));
            let score = Score::new(&here, &own, &labels);
            let reference = Score::new(&own, &own, &labels);
            let difference = score.accuracy() - reference.accuracy();
            prop_assert!(close(score.difference(), difference));
            prop_assert_eq!(reference.agreeing, labels.len());
            // The variance of +1, 0 and -1 an image, and of half an image in each of four cases.
            let each = |i: usize| {
                count(usize::from(here[i] == labels[i])) - count(usize::from(own[i] == labels[i]))
            };
            let mut cases: Vec<(f64, f64)> = (0..labels.len()).map(|i| (1.0, each(i))).collect();
            cases.extend([0.0, 0.0, 1.0, -1.0].map(|d| (0.5, d)));
            let mean = |of: &dyn Fn(f64) -> f64| {
                let all: f64 = cases.iter().map(|(weight, d)| weight * of(*d)).sum();
                all / cases.iter().map(|(weight, _)| weight).sum::<f64>()
            };
            let middle = mean(&|d| d);
            let error = (mean(&|d| (d - middle).powi(2)) / (count(labels.len()) + 2.0)).sqrt();
            prop_assert!((score.difference_error() - error).abs() < 1e-9);
        }
    }
}
