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
    /// wrong: it is smaller than two accuracies would suggest.
    pub fn difference_error(&self) -> f64 {
        let (moved, d) = (self.share(self.gained + self.lost), self.difference());
        ((moved - d * d).max(0.0) / count(self.images.max(1))).sqrt()
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
        assert!(close(score.difference_error(), (0.4_f64 / 5.0).sqrt()));
    }

    #[test]
    fn tolerance_of_a_whole_number_of_images_includes_it() {
        let score = |lost| Score { images: 2000, correct: 0, agreeing: 0, gained: 3, lost };
        assert!(score(8).within(0.0025) && !score(9).within(0.0025));
        assert!(score(3).within(0.0) && !score(4).within(0.0));
        let none = Score { images: 0, correct: 0, agreeing: 0, gained: 0, lost: 0 };
        assert!(close(none.accuracy_error() + none.difference_error() + none.accuracy(), 0.0));
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
            let (score, reference) = (Score::new(&here, &own, &labels), Score::new(&own, &own, &labels));
            let difference = score.accuracy() - reference.accuracy();
            prop_assert!(close(score.difference(), difference));
            prop_assert_eq!(reference.agreeing, labels.len());
            // The sample variance of +1, 0 and -1 an image, without its closed form.
            let each = |i: usize| count(usize::from(here[i] == labels[i]))
                - count(usize::from(own[i] == labels[i])) - difference;
            let squares: f64 = (0..labels.len()).map(|i| each(i) * each(i)).sum();
            let n = count(labels.len());
            prop_assert!((score.difference_error() - (squares / n / n).sqrt()).abs() < 1e-9);
        }
    }
}
