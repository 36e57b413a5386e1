//! How operations become layers, and what cannot be mapped, with which words.

use super::*;
use heartbit_ir::levels::Levels;
use heartbit_ir::network::{Extreme, Op, Threshold};
use std::collections::BTreeMap;

const CHANNELS: usize = 2;

fn ones(rows: usize, cols: usize) -> Levels {
    Levels::from_signs(rows, cols, &vec![true; rows * cols])
}

/// A stream of 2 channels on 4x4 positions, which is value 2, then `kinds`, of which the last is a
/// stream, then a classifier.
fn network(kinds: Vec<OpKind>) -> Network {
    let mut all = vec![
        OpKind::Image { height: 4, width: 4, channels: 1 },
        OpKind::Conv { input: 0, weights: ones(9 * CHANNELS, 2), kernel: 3, stride: 1 },
        stream(1),
    ];
    all.extend(kinds);
    let n = all.len();
    all.push(OpKind::GlobalPool { input: n - 1, shift: 9, bits: 8 });
    all.push(OpKind::Conv { input: n, weights: ones(1, CHANNELS), kernel: 1, stride: 1 });
    all.push(OpKind::Logits { input: n + 1, bias: vec![0] });
    Network {
        arch: "test".to_owned(),
        frac_bits: 12,
        logit_scale: 1.0,
        provenance: BTreeMap::new(),
        ops: all
            .into_iter()
            .enumerate()
            .map(|(i, kind)| Op { name: format!("op{i}"), kind })
            .collect(),
    }
}

fn stream(input: ValueId) -> OpKind {
    let (mul, bias) = (vec![1; CHANNELS], vec![0; CHANNELS]);
    OpKind::Requantize { input, shortcut: None, mul, bias, shift: 0, clip: 4096 }
}

fn conv(input: ValueId, kernel: usize, stride: usize) -> OpKind {
    let weights = ones(CHANNELS * kernel * kernel, CHANNELS);
    OpKind::Conv { input, weights, kernel, stride }
}

fn max_pool(input: ValueId) -> OpKind {
    let take = vec![Extreme::Max, Extreme::Min];
    OpKind::MaxPool { input, kernel: 2, stride: 2, padding: 0, take }
}

fn prelu(input: ValueId) -> OpKind {
    let per_channel = vec![1; CHANNELS];
    OpKind::Prelu {
        input,
        before: per_channel.clone(),
        slope: per_channel.clone(),
        shift: 4,
        after: per_channel,
        clip: 4096,
    }
}

#[track_caller]
fn kinds(network: &Network) -> Vec<&'static str> {
    let plan = plan(network).expect("supported");
    plan.layers.iter().map(|layer| plan.kind(network, layer)).collect()
}

#[test]
fn network_without_additions_is_planned() {
    let network = network(vec![]);
    assert_eq!(kinds(&network), ["stem", "head"]);
    assert!(!plan(&network).expect("supported").is_extended(&network));
}

#[test]
fn pooling_is_a_pass_that_writes_what_its_readers_need() {
    let network = network(vec![max_pool(2), OpKind::Sign { input: 3 }, conv(4, 3, 1), stream(5)]);
    assert_eq!(kinds(&network), ["stem", "pass", "binary", "head"]);
    let plan = plan(&network).expect("supported");
    assert!(plan.is_extended(&network));
    assert_eq!(plan.layers[1].map, Some(WrittenMap::Bits(4)));
    assert_eq!(plan.layers[1].shape, [2, 2, CHANNELS]);
}

#[test]
fn bits_are_pooled_as_the_signs_of_a_stream() {
    let signs = OpKind::Sign { input: 2 };
    let thresholds = vec![Threshold::AtLeast(1), Threshold::AtMost(2)];
    let threshold = OpKind::Threshold { input: 4, thresholds };
    let network =
        network(vec![signs, conv(3, 3, 1), threshold, max_pool(5), conv(6, 1, 1), stream(7)]);
    assert_eq!(kinds(&network), ["stem", "binary", "pass", "binary", "head"]);
    let plan = plan(&network).expect("supported");
    assert_eq!((plan.layers[1].signs, plan.layers[1].map), (Some(5), None));
    assert_eq!(plan.layers[1].stream_last_use, 2);
    assert_eq!(plan.layers[2].map, Some(WrittenMap::Bits(6)));
}

#[test]
fn levels_for_a_strided_1x1_kernel_are_every_second_position() {
    let quantize = OpKind::Quantize { input: 2, shift: 5, bits: 8 };
    let network = network(vec![quantize, conv(3, 1, 2), stream(4)]);
    assert_eq!(kinds(&network), ["stem", "pass", "real", "head"]);
    let plan = plan(&network).expect("supported");
    assert_eq!((plan.layers[1].step, plan.layers[1].shape), (2, [2, 2, CHANNELS]));
    assert_eq!(plan.layers[2].convolution.as_ref().expect("a convolution").stride, 1);
}

#[test]
fn a_prelu_joins_the_layer_of_its_stream() {
    let network = network(vec![prelu(2)]);
    let plan = plan(&network).expect("supported");
    assert_eq!(plan.layers[0].prelu, Some(3));
    assert!(plan.is_extended(&network));
}

#[test]
fn what_no_layer_can_do_is_named() {
    let sign = || OpKind::Sign { input: 2 };
    let cases = [
        (vec![prelu(2), sign(), conv(4, 1, 1), stream(5)], "`op3`", "nothing reads it"),
        (vec![sign(), conv(3, 1, 1), conv(3, 1, 2), stream(5)], "`op4`", "one reader"),
        (vec![conv(0, 3, 1), stream(3)], "`op0`", "more than one convolution"),
    ];
    for (kinds, place, what) in cases {
        let mut network = network(kinds);
        if place == "`op0`" {
            // The image has a constant channel too.
            network.ops[3].kind =
                OpKind::Conv { input: 0, weights: ones(9 * CHANNELS, 2), kernel: 3, stride: 1 };
        }
        let error = plan(&network).expect_err("cannot be mapped").to_string();
        assert!(error.starts_with(place) && error.contains(what), "{error}");
    }
}

#[test]
fn stems_of_other_kernels_are_refused() {
    let mut network = network(vec![]);
    let OpKind::Conv { stride, .. } = &mut network.ops[1].kind else { panic!("the stem") };
    *stride = 2;
    let error = plan(&network).expect_err("refused").to_string();
    assert!(error.contains("a 3x3 kernel with stride 2 on the image"), "{error}");
}
