//! Which parameters decay.

use heartbit_model::graph::{Parameter, Role};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which parameters the weight decay applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecayGroups {
    /// Every parameter: ReCU and OvSW on CIFAR.
    All,
    /// ReCU on ImageNet: parameters named `conv` or `fc`, that is binary weights, alpha, the stem
    /// and the classifier with its bias; not normalisations, and not the real 1×1 convolutions,
    /// which are named `downsample`. The rule goes by role, so that a classifier named `linear`
    /// decays too.
    RecuImagenet,
    /// OvSW on ImageNet: everything but one-dimensional parameters.
    OvswImagenet,
    /// Weights of convolutions and of the classifier.
    WeightsOnly,
    /// Weights of convolutions: stage 1 of the two-stage recipe.
    ConvWeights,
    /// Nothing: stage 2 of the two-stage recipe.
    None,
}

impl DecayGroups {
    /// All rules.
    pub const ALL: [Self; 6] = [
        Self::All,
        Self::RecuImagenet,
        Self::OvswImagenet,
        Self::WeightsOnly,
        Self::ConvWeights,
        Self::None,
    ];

    /// Returns the name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::RecuImagenet => "recu-imagenet",
            Self::OvswImagenet => "ovsw-imagenet",
            Self::WeightsOnly => "weights-only",
            Self::ConvWeights => "conv-weights",
            Self::None => "none",
        }
    }

    /// Returns the rule of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|groups| groups.name() == name)
    }

    /// Whether a parameter decays.
    pub fn decays(self, role: Role, shape: &[usize]) -> bool {
        let conv = matches!(role, Role::BinaryWeight | Role::StemWeight | Role::RealWeight);
        match self {
            Self::All => true,
            Self::RecuImagenet => matches!(
                role,
                Role::BinaryWeight
                    | Role::Alpha
                    | Role::StemWeight
                    | Role::ClassifierWeight
                    | Role::ClassifierBias
            ),
            Self::OvswImagenet => shape.len() > 1,
            Self::WeightsOnly => conv || role == Role::ClassifierWeight,
            Self::ConvWeights => conv,
            Self::None => false,
        }
    }

    /// Returns the factor of each parameter: `decay`, or 0 where it does not decay.
    pub fn factors(self, parameters: &[Parameter], decay: f64) -> Vec<f64> {
        let factor = |p: &Parameter| if self.decays(p.role, &p.shape) { decay } else { 0.0 };
        parameters.iter().map(factor).collect()
    }
}

impl fmt::Display for DecayGroups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heartbit_model::{Arch, Method};

    /// Keys of the parameters that do not decay.
    fn spared(groups: DecayGroups, arch: Arch, method: Method) -> Vec<String> {
        let parameters = arch.graph().parameters(method);
        let factors = groups.factors(&parameters, 0.5);
        assert!(factors.iter().all(|&f| f == 0.5 || f == 0.0));
        let free = parameters.into_iter().zip(factors).filter(|&(_, f)| f == 0.0);
        free.map(|(p, _)| p.key).collect()
    }

    #[test]
    fn recu_spares_by_name_what_its_code_spares() {
        // The published rule: a parameter decays if its name contains `conv` or `fc`.
        for arch in [Arch::ResNet18ImageNet, Arch::ResNet34ImageNet] {
            let parameters = arch.graph().parameters(Method::Recu);
            let named = |p: &Parameter| p.key.contains("conv") || p.key.contains("fc");
            for p in &parameters {
                let decays = DecayGroups::RecuImagenet.decays(p.role, &p.shape);
                assert_eq!(decays, named(p), "{}", p.key);
            }
        }
    }

    #[test]
    fn ovsw_spares_normalisations_and_the_bias_but_not_the_downsampling() {
        let spared = spared(DecayGroups::OvswImagenet, Arch::ResNet18ImageNet, Method::Ovsw);
        assert!(
            spared
                .iter()
                .all(|k| { k.contains("bn") || k.contains("downsample.1.") || k == "fc.bias" })
        );
        assert!(spared.contains(&"fc.bias".to_owned()));
        assert!(spared.contains(&"layer2.0.downsample.1.weight".to_owned()));
        assert_eq!(spared.len(), 2 * (1 + 16 + 3 + 1) + 1, "pairs of 21 normalisations, one bias");
    }

    #[test]
    fn other_rules_are_what_they_are_called() {
        let (arch, method) = (Arch::ReActNet18, Method::Recu);
        let all = arch.graph().parameters(method).len();
        assert!(spared(DecayGroups::All, arch, method).is_empty());
        assert_eq!(spared(DecayGroups::None, arch, method).len(), all);
        let (convs, classifier) = (1 + 16 + 3, 1);
        assert_eq!(spared(DecayGroups::ConvWeights, arch, method).len(), all - convs);
        assert_eq!(spared(DecayGroups::WeightsOnly, arch, method).len(), all - convs - classifier);
        for groups in DecayGroups::ALL {
            assert_eq!(DecayGroups::from_name(groups.name()), Some(groups));
            let json = serde_json::to_string(&groups).expect("plain data");
            assert_eq!(json, format!("\"{groups}\""));
        }
    }
}
