//! Losses of a batch of logits: cross entropy with label smoothing, and distillation.
//!
//! Both are means over the batch, on burn tensors. Not here: accuracy, and whose logits are taught.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Int, Tensor};

/// Returns the mean cross entropy of logits `[images, classes]`, with label smoothing `s` in
/// `0..1`: `(1 - s)·(-log p(label)) + s·mean over classes of (-log p)`, timm's formula.
///
/// At `s = 0` this is the plain cross entropy.
pub fn cross_entropy(logits: Tensor<2>, labels: &[u32], smoothing: f64) -> Tensor<1> {
    let device = logits.device();
    let label = |&l: &u32| i32::try_from(l).expect("bug: a label is below the number of classes");
    let targets: Vec<i32> = labels.iter().map(label).collect();
    let targets =
        Tensor::<1, Int>::from_ints(targets.as_slice(), &device).reshape([labels.len(), 1]);
    let log = log_softmax(logits, 1);
    let hard = -log.clone().gather(1, targets).mean();
    if smoothing == 0.0 {
        return hard;
    }
    hard * (1.0 - smoothing) + -log.mean() * smoothing
}

/// Returns the mean over the batch of `-Σ softmax(teacher) · log softmax(student)`, both
/// `[images, classes]`: distillation at temperature 1 without a hard label.
///
/// The teacher gets no gradient.
pub fn distillation(student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
    let target = softmax(teacher.detach(), 1);
    -(target * log_softmax(student, 1)).sum_dim(1).mean()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::model::forward::host_values;

    /// Rounding of a handful of `f32` operations on values of order 1.
    const TOLERANCE: f64 = 2e-6;

    fn tensor(rows: [[f32; 3]; 2], device: &Device) -> Tensor<2> {
        Tensor::from_data(rows, device)
    }

    /// Log-probabilities in `f64`, by the definition.
    fn log_p(row: [f32; 3]) -> [f64; 3] {
        let total: f64 = row.iter().map(|&l| f64::from(l).exp()).sum();
        row.map(|l| f64::from(l) - total.ln())
    }

    const LOGITS: [[f32; 3]; 2] = [[1.0, 2.0, -0.5], [0.25, 0.0, 3.0]];

    #[track_caller]
    fn check(actual: Tensor<1>, expected: f64) {
        let actual = f64::from(host_values(actual)[0]);
        assert!((actual - expected).abs() < TOLERANCE, "{actual} is not {expected}");
    }

    #[test]
    fn smoothed_cross_entropy_is_that_of_the_formula() {
        let labels = [1u32, 0];
        let logs = LOGITS.map(log_p);
        for smoothing in [0.0, 0.1, 0.5] {
            let each = logs.iter().zip(labels).map(|(log, label)| {
                let hard = -log[label as usize];
                let mean = -log.iter().sum::<f64>() / 3.0;
                (1.0 - smoothing) * hard + smoothing * mean
            });
            let expected = each.sum::<f64>() / 2.0;
            check(cross_entropy(tensor(LOGITS, &Device::flex()), &labels, smoothing), expected);
        }
    }

    #[test]
    fn equal_logits_lose_the_logarithm_of_the_classes_at_any_smoothing() {
        for smoothing in [0.0, 0.3] {
            let logits = tensor([[0.5; 3]; 2], &Device::flex());
            check(cross_entropy(logits, &[2, 1], smoothing), 3f64.ln());
        }
    }

    #[test]
    fn distillation_is_the_cross_entropy_of_two_distributions() {
        let teacher = [[0.0, 1.0, 2.0], [-1.0, 0.5, 0.0]];
        let each = LOGITS.iter().zip(teacher).map(|(student, teacher)| {
            let (student, teacher) = (log_p(*student), log_p(teacher));
            -student.iter().zip(teacher).map(|(s, t)| t.exp() * s).sum::<f64>()
        });
        let expected = each.sum::<f64>() / 2.0;
        let device = Device::flex();
        check(distillation(tensor(LOGITS, &device), tensor(teacher, &device)), expected);
    }

    #[test]
    fn gradient_of_distillation_is_the_difference_of_the_distributions() {
        let teacher = [[0.0, 1.0, 2.0], [-1.0, 0.5, 0.0]];
        let device = Device::flex().autodiff();
        let student = tensor(LOGITS, &device).require_grad();
        let taught = tensor(teacher, &device).require_grad();
        let mut gradients = distillation(student.clone(), taught.clone()).backward();
        assert!(taught.grad_remove(&mut gradients).is_none(), "the teacher does not learn");
        let actual = host_values(student.grad_remove(&mut gradients).expect("a gradient"));
        let rows = LOGITS.iter().zip(teacher).flat_map(|(student, teacher)| {
            let (student, teacher) = (log_p(*student), log_p(teacher));
            (0..3).map(move |i| (student[i].exp() - teacher[i].exp()) / 2.0)
        });
        for (actual, expected) in actual.into_iter().zip(rows) {
            assert!((f64::from(actual) - expected).abs() < TOLERANCE, "{actual} {expected}");
        }
    }
}
