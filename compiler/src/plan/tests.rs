//! What cannot be mapped, and with which words.

use super::*;
use heartbit_ir::levels::Levels;
use heartbit_ir::network::{Extreme, Op, Threshold};
use std::collections::BTreeMap;

/// A stream of 2 channels on 4x4 positions, then `kinds`, then a classifier.
fn network(kinds: Vec<OpKind>) -> Network {
    let ones = |rows, cols| Levels::from_signs(rows, cols, &vec![true; rows * cols]);
    let mut all = vec![
        OpKind::Image { height: 4, width: 4, channels: 1 },
        OpKind::Conv { input: 0, weights: ones(2, 2), kernel: 1, stride: 1 },
        OpKind::Requantize {
            input: 1,
            shortcut: None,
            mul: vec![1; 2],
            bias: vec![0; 2],
            shift: 0,
            clip: 4096,
        },
    ];
    all.extend(kinds);
    let n = all.len();
    all.push(OpKind::GlobalPool { input: 2, shift: 9, bits: 8 });
    all.push(OpKind::Conv { input: n, weights: ones(1, 2), kernel: 1, stride: 1 });
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

#[test]
fn network_without_additions_is_planned() {
    let plan = plan(&network(vec![])).expect("supported");
    assert_eq!(plan.layers.iter().map(Layer::kind).collect::<Vec<_>>(), ["stem", "head"]);
}

#[test]
fn operations_without_hardware_are_named() {
    let quantize = OpKind::Quantize { input: 2, shift: 5, bits: 8 };
    let take = vec![Extreme::Max; 2];
    let pool = OpKind::MaxPool { input: 2, kernel: 2, stride: 2, padding: 0, take };
    let prelu = OpKind::Prelu {
        input: 2,
        before: vec![0; 2],
        slope: vec![0; 2],
        shift: 0,
        after: vec![0; 2],
        clip: 1,
    };
    let sign = OpKind::Sign { input: 2 };
    let thresholds = vec![Threshold::AtLeast(0); 2];
    let cases = [
        (vec![quantize], "`op3`", "`quantize` yet"),
        (vec![pool], "`op3`", "`max_pool` yet"),
        (vec![prelu], "`op3`", "`prelu` yet"),
        (vec![sign, OpKind::Flatten { input: 3 }], "`op4`", "`flatten` yet"),
        (vec![OpKind::Threshold { input: 2, thresholds }], "`op3`", "`threshold` of a stream yet"),
    ];
    for (kinds, place, what) in cases {
        let error = plan(&network(kinds)).expect_err("no hardware").to_string();
        let expected = format!(
            "{place} cannot be mapped to the array: the accelerator does not implement {what}"
        );
        assert_eq!(error, expected);
    }
}
