//! The topology of each architecture.
//!
//! Names are those of the reference implementations' checkpoints, so that a file can be compared
//! with theirs key by key.

use crate::arch::{Arch, Sizes};
use crate::graph::{Conv, Fit, Graph, Head, Layer, LayerId, LayerKind, Reduce, Shortcut};

/// Channels of an image.
const PIXELS: usize = 3;

/// Returns the network; the sizes have been checked.
pub(crate) fn graph(arch: Arch, sizes: &Sizes) -> Graph {
    let builder = Builder { layers: Vec::new(), arch, sizes };
    match arch {
        Arch::ResNet20 => resnet20(builder),
        Arch::ResNet18 => resnet18(builder, false),
        Arch::ResNet18Ovsw => resnet18(builder, true),
        Arch::VggSmall => vgg_small(builder, false),
        Arch::VggSmallOvsw => vgg_small(builder, true),
        Arch::ResNet18ImageNet => imagenet(builder, [2, 2, 2, 2]),
        Arch::ResNet34ImageNet => imagenet(builder, [3, 4, 6, 3]),
        Arch::ReActNet18 => reactnet(builder, [4, 4, 4, 4]),
    }
}

/// What surrounds a 3×3 binary convolution of a residual network.
struct Unit {
    conv: String,
    norm: String,
    input: LayerId,
    cout: usize,
    kernel: usize,
    stride: usize,
    shift: Option<String>,
    shortcut: Option<Shortcut>,
    hardtanh: bool,
}

struct Builder<'a> {
    layers: Vec<Layer>,
    arch: Arch,
    sizes: &'a Sizes,
}

impl Builder<'_> {
    fn push(&mut self, name: &str, kind: LayerKind, channels: usize, side: usize) -> LayerId {
        self.layers.push(Layer { name: name.to_owned(), kind, channels, side });
        self.layers.len() - 1
    }

    fn last(&self) -> LayerId {
        self.layers.len() - 1
    }

    fn conv(
        &self,
        name: &str,
        input: LayerId,
        (cout, kernel, stride): (usize, usize, usize),
    ) -> Conv {
        let Layer { channels: cin, side: in_side, .. } = self.layers[input];
        Conv { name: name.to_owned(), cin, cout, kernel, stride, in_side }
    }

    fn stem(&mut self, name: &str, norm: &str, cout: usize, kernel: usize, hardtanh: bool) {
        let stride = if kernel == 7 { 2 } else { 1 };
        let in_side = self.sizes.image_side;
        let conv = Conv { name: name.to_owned(), cin: PIXELS, cout, kernel, stride, in_side };
        let side = conv.side();
        let kind = LayerKind::Stem { conv, norm: norm.to_owned(), hardtanh };
        self.push(name, kind, cout, side);
    }

    fn unit(&mut self, unit: Unit) -> LayerId {
        let Unit { conv: name, norm, input, cout, kernel, stride, shift, shortcut, hardtanh } =
            unit;
        let conv = self.conv(&name, input, (cout, kernel, stride));
        let side = conv.side();
        let kind = LayerKind::Binary { conv, input, shift, pool: false, norm, shortcut, hardtanh };
        self.push(&name, kind, cout, side)
    }

    fn real(
        &mut self,
        name: &str,
        norm: &str,
        input: LayerId,
        cout: usize,
        stride: usize,
    ) -> LayerId {
        let conv = self.conv(name, input, (cout, 1, stride));
        let side = conv.side();
        self.push(name, LayerKind::Real { conv, input, norm: norm.to_owned() }, cout, side)
    }

    fn finish(self, reduce: Reduce, norm: Option<&str>, linear: &str) -> Graph {
        let last = self.layers.last().expect("bug: a network has layers");
        let features = match reduce {
            Reduce::GlobalPool => last.channels,
            Reduce::Flatten => last.channels * last.side * last.side,
        };
        let head = Head {
            reduce,
            norm: norm.map(str::to_owned),
            linear: linear.to_owned(),
            features,
            conv_weight: self.arch == Arch::ResNet18Ovsw,
        };
        Graph { arch: self.arch, sizes: self.sizes.clone(), layers: self.layers, head }
    }
}

/// A residual around every convolution; where the shape changes, it is pooled and padded.
fn resnet20(mut b: Builder<'_>) -> Graph {
    let widths = b.sizes.widths.clone();
    b.stem("conv1", "bn1", widths[0], 3, true);
    for (stage, cout) in widths.into_iter().enumerate() {
        for block in 0..3 {
            for conv in 1..=2 {
                let first = (block, conv) == (0, 1) && stage > 0;
                let input = b.last();
                let fit = if first { Fit::PoolZeroChannels } else { Fit::Identity };
                b.unit(Unit {
                    conv: format!("layer{}.{block}.conv{conv}", stage + 1),
                    norm: format!("layer{}.{block}.bn{conv}", stage + 1),
                    input,
                    cout,
                    kernel: 3,
                    stride: if first { 2 } else { 1 },
                    shift: None,
                    shortcut: Some(Shortcut { from: input, fit }),
                    hardtanh: true,
                });
            }
        }
    }
    b.finish(Reduce::GlobalPool, Some("bn2"), "linear")
}

/// A residual around every block of two convolutions.
fn resnet18(mut b: Builder<'_>, binary_shortcut: bool) -> Graph {
    let widths = b.sizes.widths.clone();
    b.stem("conv1", "bn1", widths[0], 3, false);
    for (stage, cout) in widths.into_iter().enumerate() {
        for block in 0..2 {
            let first = block == 0 && stage > 0;
            let prefix = format!("layer{}.{block}", stage + 1);
            let stride = if first { 2 } else { 1 };
            let input = b.last();
            let unit = |conv, input, stride, shortcut| Unit {
                conv,
                norm: String::new(),
                input,
                cout,
                kernel: 3,
                stride,
                shift: None,
                shortcut,
                hardtanh: true,
            };
            let conv1 = format!("{prefix}.conv1");
            let inner =
                b.unit(Unit { norm: format!("{prefix}.bn1"), ..unit(conv1, input, stride, None) });
            let (from, fit) = match (first, binary_shortcut) {
                (false, _) => (input, Fit::Identity),
                (true, false) => (input, Fit::PoolZeroChannels),
                (true, true) => {
                    let conv = format!("{prefix}.shortcut.0");
                    let shortcut = Unit {
                        norm: format!("{prefix}.shortcut.1"),
                        kernel: 1,
                        hardtanh: false,
                        ..unit(conv, input, stride, None)
                    };
                    (b.unit(shortcut), Fit::Identity)
                }
            };
            let conv2 = format!("{prefix}.conv2");
            let shortcut = Some(Shortcut { from, fit });
            b.unit(Unit { norm: format!("{prefix}.bn2"), ..unit(conv2, inner, 1, shortcut) });
        }
    }
    b.finish(Reduce::GlobalPool, Some("bn2"), if binary_shortcut { "fc" } else { "linear" })
}

/// No residual; every second convolution is pooled before its normalisation.
fn vgg_small(mut b: Builder<'_>, prelu: bool) -> Graph {
    let widths = b.sizes.widths.clone();
    b.stem("conv0", "bn0", widths[0], 3, true);
    for (i, &cout) in widths.iter().enumerate().skip(1) {
        let name = format!("conv{i}");
        let input = b.last();
        let conv = b.conv(&name, input, (cout, 3, 1));
        let pool = i % 2 == 1;
        let side = if pool { conv.side() / 2 } else { conv.side() };
        let hardtanh = !(prelu && i == 5);
        let norm = format!("bn{i}");
        let kind =
            LayerKind::Binary { conv, input, shift: None, pool, norm, shortcut: None, hardtanh };
        b.push(&name, kind, cout, side);
    }
    if prelu {
        let (input, Layer { channels, side, .. }) = (b.last(), b.layers[b.last()].clone());
        let slope = "nonlinear5.weight".to_owned();
        let kind = LayerKind::Prelu { input, before: None, slope, after: None };
        b.push("nonlinear5", kind, channels, side);
    }
    b.finish(Reduce::Flatten, None, "fc")
}

/// Stem with pooling; a residual around every convolution; real 1×1 convolutions where the shape
/// changes.
fn imagenet(mut b: Builder<'_>, blocks: [usize; 4]) -> Graph {
    let widths = b.sizes.widths.clone();
    b.stem("conv1", "bn1", widths[0], 7, true);
    pool_stem(&mut b);
    for (stage, cout) in widths.into_iter().enumerate() {
        for block in 0..blocks[stage] {
            for conv in 1..=2 {
                let prefix = format!("layer{}.{block}", stage + 1);
                let first = (block, conv) == (0, 1) && stage > 0;
                let stride = if first { 2 } else { 1 };
                let input = b.last();
                let from = if first {
                    let (name, norm) =
                        (format!("{prefix}.downsample.0"), format!("{prefix}.downsample.1"));
                    b.real(&name, &norm, input, cout, stride)
                } else {
                    input
                };
                b.unit(Unit {
                    conv: format!("{prefix}.conv{conv}"),
                    norm: format!("{prefix}.bn{conv}"),
                    input,
                    cout,
                    kernel: 3,
                    stride,
                    shift: None,
                    shortcut: Some(Shortcut { from, fit: Fit::Identity }),
                    hardtanh: true,
                });
            }
        }
    }
    b.finish(Reduce::GlobalPool, Some("bn2"), "fc")
}

/// Blocks of one convolution between learned shifts, with a `PReLU` after the residual.
fn reactnet(mut b: Builder<'_>, blocks: [usize; 4]) -> Graph {
    let widths = b.sizes.widths.clone();
    b.stem("conv", "bn", widths[0], 7, false);
    pool_stem(&mut b);
    for (stage, cout) in widths.into_iter().enumerate() {
        for block in 0..blocks[stage] {
            let prefix = format!("layer{}.{block}", stage + 1);
            let first = block == 0 && stage > 0;
            let input = b.last();
            let from = if first { pooled_shortcut(&mut b, &prefix, input, cout) } else { input };
            let unit = b.unit(Unit {
                conv: format!("{prefix}.conv"),
                norm: format!("{prefix}.bn"),
                input,
                cout,
                kernel: 3,
                stride: if first { 2 } else { 1 },
                shift: Some(format!("{prefix}.move0")),
                shortcut: Some(Shortcut { from, fit: Fit::Identity }),
                hardtanh: false,
            });
            let side = b.layers[unit].side;
            let kind = LayerKind::Prelu {
                input: unit,
                before: Some(format!("{prefix}.move1.bias")),
                slope: format!("{prefix}.nonlinear.weight"),
                after: Some(format!("{prefix}.move2.bias")),
            };
            b.push(&format!("{prefix}.nonlinear"), kind, cout, side);
        }
    }
    b.finish(Reduce::GlobalPool, None, "fc")
}

fn pool_stem(b: &mut Builder<'_>) {
    let input = b.last();
    let Layer { channels, side, .. } = b.layers[input];
    b.push("maxpool", LayerKind::MaxPool { input }, channels, side / 2);
}

/// `ReActNet`'s shortcut: 2×2 mean, then a real 1×1 convolution.
fn pooled_shortcut(b: &mut Builder<'_>, prefix: &str, input: LayerId, cout: usize) -> LayerId {
    let Layer { channels, side, .. } = b.layers[input];
    let kind = LayerKind::AvgPool { input };
    let pooled = b.push(&format!("{prefix}.downsample.0"), kind, channels, side / 2);
    let (name, norm) = (format!("{prefix}.downsample.1"), format!("{prefix}.downsample.2"));
    b.real(&name, &norm, pooled, cout, 1)
}

#[cfg(test)]
mod tests;
