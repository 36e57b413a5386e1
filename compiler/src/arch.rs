//! The architectures, each a list of convolutions with what follows them.
//!
//! Shapes and names are those of the checkpoints (`docs/training.md`). A layer's output is the
//! residual stream after its activation; whether the stream itself is needed, or only its sign,
//! follows from who reads it.
//!
//! Not here: parameters.

/// A network as a list of convolutions and a linear head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// Name on the command line.
    pub name: &'static str,
    /// Rows and columns of the image.
    pub image_side: usize,
    /// Channels of the image.
    pub image_channels: usize,
    /// Convolutions in order; the first one reads pixels, the others signs of their predecessor.
    pub layers: Vec<ConvLayer>,
    /// Checkpoint prefix of the batch normalisation before the classifier.
    pub head_norm: &'static str,
    /// Checkpoint prefix of the classifier.
    pub head_linear: &'static str,
}

/// One convolution, its batch normalisation, shortcut and activation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvLayer {
    /// Checkpoint prefix of the convolution, and the layer's name in reports.
    pub name: String,
    /// Checkpoint prefix of the batch normalisation.
    pub norm: String,
    /// Input channels.
    pub cin: usize,
    /// Output channels.
    pub cout: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// 1 or 2.
    pub stride: usize,
    /// Layer whose stream is added before the activation: as it is, or pooled and padded with
    /// zero channels where the shapes differ.
    pub shortcut: Option<usize>,
    /// Whether a hardtanh follows; otherwise the stream saturates.
    pub hardtanh: bool,
}

/// An architecture that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown architecture `{name}`; known: {}", NAMES.join(", "))]
pub struct UnknownArchitecture {
    /// What was asked for.
    pub name: String,
}

/// Names of all architectures.
pub const NAMES: [&str; 1] = ["resnet20"];

/// Returns the architecture of a name.
///
/// # Errors
/// [`UnknownArchitecture`], which lists the known ones.
pub fn by_name(name: &str) -> Result<Architecture, UnknownArchitecture> {
    match name {
        "resnet20" => Ok(resnet20()),
        _ => Err(UnknownArchitecture { name: name.to_owned() }),
    }
}

impl Architecture {
    /// Channels that reach the head.
    pub fn head_channels(&self) -> usize {
        self.layers.last().expect("bug: an architecture has layers").cout
    }

    /// Rows and columns of each layer's output.
    pub fn sides(&self) -> Vec<usize> {
        let mut side = self.image_side;
        self.layers
            .iter()
            .map(|layer| {
                side = side.div_ceil(layer.stride);
                side
            })
            .collect()
    }
}

/// ResNet-20 for CIFAR in ReCU's topology: a shortcut around every convolution.
fn resnet20() -> Architecture {
    let layer = |name: String, norm: String, cin, cout, stride, shortcut| ConvLayer {
        name,
        norm,
        cin,
        cout,
        kernel: 3,
        stride,
        shortcut,
        hardtanh: true,
    };
    let mut layers = vec![layer("conv1".to_owned(), "bn1".to_owned(), 3, 16, 1, None)];
    let mut cin = 16;
    for (stage, cout) in [(1, 16), (2, 32), (3, 64)] {
        for block in 0..3 {
            for conv in 1..=2 {
                let shortcut = Some(layers.len() - 1);
                layers.push(layer(
                    format!("layer{stage}.{block}.conv{conv}"),
                    format!("layer{stage}.{block}.bn{conv}"),
                    cin,
                    cout,
                    if cin == cout { 1 } else { 2 },
                    shortcut,
                ));
                cin = cout;
            }
        }
    }
    Architecture {
        name: "resnet20",
        image_side: 32,
        image_channels: 3,
        layers,
        head_norm: "bn2",
        head_linear: "linear",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resnet20_has_the_specified_binary_weights_and_macs() {
        let arch = by_name("resnet20").expect("known");
        let weights = |l: &ConvLayer| l.cin * l.cout * l.kernel * l.kernel;
        let binary: usize = arch.layers[1..].iter().map(weights).sum();
        assert_eq!(binary, 267_264);
        let macs: usize =
            arch.layers.iter().zip(arch.sides()).skip(1).map(|(l, s)| weights(l) * s * s).sum();
        assert_eq!(macs, 40_108_032);
        assert_eq!(arch.sides().last(), Some(&8));
    }
}
