//! Batch normalisation of the sums of a convolution, with its scale alpha, in closed form.
//!
//! The network computes `y = gamma · (alpha·z - E) / sqrt(V + eps) + beta` with the batch mean `E`
//! and the biased batch variance `V` of `alpha·z`. A channel needs two sums of `z` forward and
//! two of the gradient backward; everything else is scalar `f64` arithmetic here.
//!
//! | symbol | here | meaning |
//! | --- | --- | --- |
//! | `n` | [`SumStats::count`] | images times positions |
//! | `A`, `B` | [`ChannelNorm::a`], [`ChannelNorm::b`] | `y = A·z + B` |
//! | `r = 1 / sqrt(V + eps)` | [`ChannelNorm::inv`] | |
//! | `g` | | gradient of `y` |

/// Added to a variance.
pub const EPS: f64 = 1e-5;

/// First and second moments of a channel's sums.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SumStats {
    /// Number of sums.
    pub count: f64,
    /// `Σ z`.
    pub sum: f64,
    /// `Σ z²`.
    pub squares: f64,
}

impl SumStats {
    /// Mean of `z`.
    pub fn mean(&self) -> f64 {
        self.sum / self.count
    }

    /// Biased variance of `z`.
    pub fn var(&self) -> f64 {
        let mean = self.mean();
        (self.squares / self.count - mean * mean).max(0.0)
    }
}

/// One channel's normalisation for one batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelNorm {
    /// Moments of `z`.
    pub stats: SumStats,
    /// Scale of the weights.
    pub alpha: f64,
    /// Learned scale.
    pub gamma: f64,
    /// `1 / sqrt(alpha² · var(z) + eps)`.
    pub inv: f64,
    /// Slope of `y` over `z`.
    pub a: f64,
    /// Offset of `y`.
    pub b: f64,
}

/// Gradients of one channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelGrad {
    /// The gradient of `z` is `scale·g + slope·z + offset`.
    pub scale: f64,
    /// See `scale`.
    pub slope: f64,
    /// See `scale`.
    pub offset: f64,
    /// Gradient of alpha.
    pub alpha: f64,
    /// Gradient of gamma.
    pub gamma: f64,
    /// Gradient of beta.
    pub beta: f64,
}

impl ChannelNorm {
    /// Normalises by the moments of the batch.
    pub fn new(stats: SumStats, alpha: f64, gamma: f64, beta: f64) -> Self {
        let inv = 1.0 / (alpha * alpha * stats.var() + EPS).sqrt();
        let a = gamma * alpha * inv;
        Self { stats, alpha, gamma, inv, a, b: beta - a * stats.mean() }
    }

    /// Mean of `alpha · z` over the batch.
    pub fn batch_mean(&self) -> f64 {
        self.alpha * self.stats.mean()
    }

    /// Unbiased variance of `alpha · z` over the batch, for the running statistics.
    pub fn batch_var_unbiased(&self) -> f64 {
        let n = self.stats.count;
        self.alpha * self.alpha * self.stats.var() * n / (n - 1.0).max(1.0)
    }

    /// Differentiates, given `grad_sum = Σ g` and `grad_dot = Σ g·z`.
    ///
    /// With `h = alpha · r · (z - mean z)` the normalised value, `∂L/∂(alpha z) =
    /// gamma · r · (g - Σg / n - h · Σ(g·h) / n)`.
    pub fn backward(&self, grad_sum: f64, grad_dot: f64) -> ChannelGrad {
        let n = self.stats.count;
        let mean = self.stats.mean();
        let slope_h = self.alpha * self.inv;
        let grad_h = slope_h * (grad_dot - mean * grad_sum);
        let outer = self.gamma * self.inv;
        let p = grad_h / n;
        let h_dot_z = slope_h * n * self.stats.var();
        ChannelGrad {
            scale: self.alpha * outer,
            slope: -self.alpha * outer * p * slope_h,
            offset: self.alpha * outer * (p * slope_h * mean - grad_sum / n),
            alpha: outer * (grad_dot - grad_sum / n * self.stats.sum - p * h_dot_z),
            gamma: grad_h,
            beta: grad_sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;
    use crate::rng::stream;

    fn moments(z: &[f64]) -> SumStats {
        SumStats {
            count: z.len() as f64,
            sum: z.iter().sum(),
            squares: z.iter().map(|z| z * z).sum(),
        }
    }

    /// `Σ g·y` of one channel.
    fn loss(z: &[f64], [alpha, gamma, beta]: [f64; 3], g: &[f64]) -> f64 {
        let norm = ChannelNorm::new(moments(z), alpha, gamma, beta);
        z.iter().zip(g).map(|(z, g)| g * (norm.a * z + norm.b)).sum()
    }

    #[test]
    fn gradients_are_central_differences() {
        let mut rng = stream(61, 0);
        let z: Vec<f64> = (0..40).map(|_| f64::from(rng.random_range(-30..30i32))).collect();
        let g: Vec<f64> = z.iter().map(|_| rng.random::<f64>() - 0.5).collect();
        // A negative alpha is allowed: ReCU learns it.
        let p = [-0.3, 1.2, 0.1];
        let norm = ChannelNorm::new(moments(&z), p[0], p[1], p[2]);
        let dot = z.iter().zip(&g).map(|(z, g)| z * g).sum();
        let grad = norm.backward(g.iter().sum(), dot);
        let step = 1e-5;
        // Central differences in f64 are good to 1e-9 here.
        let check = |actual: f64, f: &dyn Fn(f64) -> f64| {
            let expected = (f(step) - f(-step)) / (2.0 * step);
            assert!((actual - expected).abs() < 1e-8, "{actual} is not {expected}");
        };
        check(grad.alpha, &|d| loss(&z, [p[0] + d, p[1], p[2]], &g));
        check(grad.gamma, &|d| loss(&z, [p[0], p[1] + d, p[2]], &g));
        check(grad.beta, &|d| loss(&z, [p[0], p[1], p[2] + d], &g));
        for i in [0, 17, 39] {
            check(grad.scale * g[i] + grad.slope * z[i] + grad.offset, &|d| {
                let mut moved = z.clone();
                moved[i] += d;
                loss(&moved, p, &g)
            });
        }
    }

    #[test]
    fn constant_channel_normalises_to_beta() {
        let norm = ChannelNorm::new(moments(&[7.0; 9]), 0.5, 1.5, 0.25);
        assert!((norm.a * 7.0 + norm.b - 0.25).abs() < 1e-12);
        assert_eq!(norm.batch_var_unbiased(), 0.0);
    }
}
