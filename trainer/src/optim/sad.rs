//! Silence-aware decaying (OvSW).

use heartbit_ir::grid::{Centering, binary_weights};
use serde::{Deserialize, Serialize};

use super::BinaryLayer;

/// Silence-aware decaying: decays the weights whose sign has not flipped lately.
///
/// Per weight and step, with the moving average `S` of its flips: `S ← m·S + (1 - m)·[flipped]`,
/// then `G ← G + σ·W` where `S < ε`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sad {
    /// The decay σ of silent weights.
    pub sigma: f64,
    /// Momentum `m` of the flip average.
    pub momentum: f64,
    /// A weight is silent below this average ε.
    pub threshold: f64,
    /// Which sign flips.
    pub sign: SadSign,
    /// Averages start at 1, so that no weight is silent before 9206 steps at the published values;
    /// otherwise they start at 0, and every weight is silent until it flips.
    pub track_ones: bool,
}

impl Default for Sad {
    fn default() -> Self {
        Self {
            sigma: 9e-4,
            momentum: 0.999,
            threshold: 1e-4,
            sign: SadSign::Effective,
            track_ones: false,
        }
    }
}

/// Which sign SAD watches; the two differ for centred weights only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SadSign {
    /// That of the latent weight, as OvSW's code has it.
    Latent,
    /// That of the bit: `sign(w - mean)` for centred weights.
    Effective,
}

impl SadSign {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Latent, Self::Effective];

    /// Returns the name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latent => "latent",
            Self::Effective => "effective",
        }
    }

    /// Returns the rule of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sign| sign.name() == name)
    }
}

/// SAD's state of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct SadState {
    /// Moving average of sign flips.
    pub flips: Vec<f32>,
    /// The signs at the last step, ±1.
    pub previous: Vec<f32>,
}

impl Sad {
    /// Returns the state of a layer that has just been initialised.
    pub fn state(&self, weights: &[f32], layer: BinaryLayer) -> SadState {
        let start = if self.track_ones { 1.0 } else { 0.0 };
        let previous = self.signs(weights, layer).into_iter().map(bipolar).collect();
        SadState { flips: vec![start; weights.len()], previous }
    }

    fn signs(&self, weights: &[f32], layer: BinaryLayer) -> Vec<bool> {
        let centering = match self.sign {
            SadSign::Latent => Centering::None,
            SadSign::Effective => layer.centering,
        };
        binary_weights(weights, layer.fan_in, centering)
    }

    /// Updates the state, adds `σ·w` to the gradients of silent weights and returns their share.
    ///
    /// A flip is a change of sign, `sign(0) = +1`, since the last call, so the flip that an
    /// optimizer step causes is seen one iteration later.
    pub fn apply(
        &self,
        weights: &[f32],
        grads: &mut [f32],
        layer: BinaryLayer,
        state: &mut SadState,
    ) -> f64 {
        let (m, sigma) = (self.momentum as f32, self.sigma as f32);
        let flip = (1.0 - self.momentum) as f32;
        let signs = self.signs(weights, layer);
        let mut silent = 0usize;
        let each = weights.iter().zip(grads).zip(signs).zip(&mut state.flips);
        for ((((&w, g), sign), flips), previous) in each.zip(&mut state.previous) {
            let flipped = sign != (*previous >= 0.0);
            *flips = m * *flips + if flipped { flip } else { 0.0 };
            if f64::from(*flips) < self.threshold {
                *g += sigma * w;
                silent += 1;
            }
            *previous = bipolar(sign);
        }
        silent as f64 / weights.len() as f64
    }
}

fn bipolar(sign: bool) -> f32 {
    if sign { 1.0 } else { -1.0 }
}
