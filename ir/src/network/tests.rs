//! What [`Network::validate`] refuses, and with which words.

use super::*;

/// An image of `side`, and operations of which the last is checked.
fn messages(side: usize, kinds: Vec<OpKind>) -> Vec<String> {
    let kinds =
        std::iter::once(OpKind::Image { height: side, width: side, channels: 1 }).chain(kinds);
    let ops: Vec<Op> =
        kinds.enumerate().map(|(i, kind)| Op { name: format!("op{i}"), kind }).collect();
    let last = ops.last().expect("an image").name.clone();
    let network = Network {
        arch: "test".to_owned(),
        frac_bits: 12,
        logit_scale: 1.0,
        provenance: BTreeMap::new(),
        ops,
    };
    let problems = network.validate().expect_err("no logits").0;
    let (here, elsewhere): (Vec<_>, Vec<_>) = problems.into_iter().partition(|p| p.place == last);
    // The networks of this file never end in logits.
    assert_eq!(elsewhere.len(), 1, "{elsewhere:?}");
    here.into_iter().map(|p| p.message).collect()
}

/// Image and convolution: value 1 is sums of 2 channels.
fn sums() -> Vec<OpKind> {
    vec![conv(0, 8, 2, 2, 1, 1)]
}

/// Value 2 is a stream of 2 channels.
fn stream() -> Vec<OpKind> {
    let requantize = OpKind::Requantize {
        input: 1,
        shortcut: None,
        mul: vec![1; 2],
        bias: vec![0; 2],
        shift: 0,
        clip: 4096,
    };
    [sums(), vec![requantize]].concat()
}

/// Value 3 is 8-bit levels of 2 channels.
fn levels() -> Vec<OpKind> {
    [stream(), vec![OpKind::Quantize { input: 2, shift: 5, bits: 8 }]].concat()
}

fn conv(
    input: ValueId,
    bits: u32,
    cin: usize,
    cout: usize,
    kernel: usize,
    stride: usize,
) -> OpKind {
    let rows = cout * kernel * kernel;
    let top = crate::grid::max_level(bits);
    let weights = Levels::from_values(bits, rows, cin, &vec![top; rows * cin]);
    OpKind::Conv { input, weights, kernel, stride }
}

#[track_caller]
fn accept(side: usize, before: Vec<OpKind>, kind: OpKind) {
    assert_eq!(messages(side, [before, vec![kind]].concat()), Vec::<String>::new());
}

#[track_caller]
fn refuse(side: usize, before: Vec<OpKind>, kind: OpKind, words: &str) {
    let messages = messages(side, [before, vec![kind]].concat());
    assert!(messages.len() == 1 && messages[0] == words, "{messages:?}");
}

fn max_pool(input: ValueId, kernel: usize, stride: usize, padding: usize) -> OpKind {
    OpKind::MaxPool { input, kernel, stride, padding, take: vec![Extreme::Max, Extreme::Min] }
}

fn prelu(before: i32, slope: i32, shift: u32, after: i32, clip: i32) -> OpKind {
    OpKind::Prelu {
        input: 2,
        before: vec![0, before],
        slope: vec![0, slope],
        shift,
        after: vec![0, after],
        clip,
    }
}

#[test]
fn threshold_reads_sums_and_streams() {
    let threshold =
        |input, n| OpKind::Threshold { input, thresholds: vec![Threshold::AtLeast(0); n] };
    accept(4, sums(), threshold(1, 2));
    accept(4, stream(), threshold(2, 2));
    refuse(4, stream(), threshold(2, 3), "3 thresholds for 2 channels");
    refuse(4, levels(), threshold(3, 2), "reads levels(8) 4x4x2; needs sums or a stream");
}

#[test]
fn quantize_reads_streams_and_has_few_bits() {
    let quantize = |input, shift, bits| OpKind::Quantize { input, shift, bits };
    accept(4, stream(), quantize(2, 31, 8));
    accept(4, stream(), quantize(2, 0, 1));
    refuse(4, sums(), quantize(1, 0, 1), "input is sums 4x4x2; needs a stream");
    let rule = "1 to 8 bits and a shift up to 31";
    refuse(4, stream(), quantize(2, 5, 0), &format!("0 bits and shift 5; {rule}"));
    refuse(4, stream(), quantize(2, 5, 9), &format!("9 bits and shift 5; {rule}"));
    refuse(4, stream(), quantize(2, 32, 8), &format!("8 bits and shift 32; {rule}"));
}

#[test]
fn max_pool_has_small_windows() {
    accept(4, stream(), max_pool(2, 3, 2, 1));
    accept(4, levels(), max_pool(3, 2, 2, 0));
    accept(1, stream(), max_pool(2, 3, 2, 1));
    refuse(4, sums(), max_pool(1, 2, 2, 0), "pools sums 4x4x2; needs levels or a stream");
    let rule = "kernel 2 or 3, stride 1 or 2, padding up to half the kernel";
    for (k, s, p) in [(0, 1, 0), (1, 1, 0), (4, 2, 0), (2, 0, 0), (2, 3, 0), (2, 2, 2), (3, 2, 2)] {
        let message = format!("kernel {k}, stride {s}, padding {p}; {rule}");
        refuse(4, stream(), max_pool(2, k, s, p), &message);
    }
    refuse(
        4,
        stream(),
        max_pool(2, 2, 2, usize::MAX),
        &format!("kernel 2, stride 2, padding {}; {rule}", usize::MAX),
    );
    refuse(1, stream(), max_pool(2, 2, 2, 0), "a 2x2 window with padding 0 on stream 1x1x2");
    let short =
        OpKind::MaxPool { input: 2, kernel: 2, stride: 2, padding: 0, take: vec![Extreme::Max] };
    refuse(4, stream(), short, "1 extremes for 2 channels");
}

#[test]
fn flatten_reads_levels_that_fit_one_position() {
    accept(4, levels(), OpKind::Flatten { input: 3 });
    accept(90, levels(), OpKind::Flatten { input: 3 });
    refuse(4, stream(), OpKind::Flatten { input: 2 }, "flattens stream 4x4x2; needs levels");
    let message = "levels(8) 1x1x16562 is empty or larger than 4096x4096x16384";
    refuse(91, levels(), OpKind::Flatten { input: 3 }, message);
}

#[test]
fn prelu_has_the_ranges_of_its_registers() {
    accept(4, stream(), prelu(1 << 20, -32_767, 28, -(1 << 20), 32_767));
    let cases = [
        (prelu(-(1 << 20) - 1, 0, 0, 0, 1), "offset -1048577 exceeds 1048576 in magnitude"),
        (prelu(0, 0, 0, i32::MIN, 1), "offset -2147483648 exceeds 1048576 in magnitude"),
        (prelu(0, 32_768, 0, 0, 1), "slope 32768 exceeds 32767 in magnitude"),
        (prelu(0, i32::MIN, 0, 0, 1), "slope -2147483648 exceeds 32767 in magnitude"),
        (prelu(0, 0, 2, 0, 1), "shift 2 is not a multiple of 4 up to 28"),
        (prelu(0, 0, 32, 0, 1), "shift 32 is not a multiple of 4 up to 28"),
        (prelu(0, 0, 0, 0, 0), "clip 0 is not 1 to 32767"),
        (prelu(0, 0, 0, 0, 32_768), "clip 32768 is not 1 to 32767"),
    ];
    for (kind, words) in cases {
        refuse(4, stream(), kind, words);
    }
}

#[test]
fn prelu_has_three_integers_for_each_channel() {
    let lengths = [
        ([1, 2, 2], "1 offsets before for 2 channels"),
        ([2, 3, 2], "3 slopes for 2 channels"),
        ([2, 2, 0], "0 offsets after for 2 channels"),
    ];
    for ([before, slope, after], words) in lengths {
        let kind = OpKind::Prelu {
            input: 2,
            before: vec![0; before],
            slope: vec![0; slope],
            shift: 0,
            after: vec![0; after],
            clip: 1,
        };
        refuse(4, stream(), kind, words);
    }
    let of_sums = OpKind::Prelu {
        input: 1,
        before: vec![0; 2],
        slope: vec![0; 2],
        shift: 0,
        after: vec![0; 2],
        clip: 1,
    };
    refuse(4, sums(), of_sums, "input is sums 4x4x2; needs a stream");
}

#[test]
fn shortcut_pool_needs_even_sides() {
    let pool = |front, channels| OpKind::ShortcutPool { input: 2, front, channels };
    accept(4, stream(), pool(0, 2));
    accept(4, stream(), pool(1, 4));
    let message = "pools 2x2 blocks of stream 7x7x2; height and width must be even";
    refuse(7, stream(), pool(0, 2), message);
    refuse(4, stream(), pool(0, 1), "0 + 2 channels do not fit 1");
}

/// The convolutions of the ImageNet networks and of VGG-small that read several bits.
#[test]
fn convolutions_of_levels_stay_below_32_bits() {
    let shape = |side, kind| {
        let network = messages(side, vec![kind]);
        assert_eq!(network, Vec::<String>::new());
    };
    // 7x7 stem of stride 2, 4-bit weights; every tap may reach 255 · 15.
    shape(224, conv(0, 4, 2, 64, 7, 2));
    shape(224, conv(0, 8, 2, 64, 15, 1));
    accept(4, levels(), conv(3, 6, 2, 4, 1, 2));
    refuse(4, levels(), conv(3, 6, 2, 4, 17, 2), "kernel 17, stride 2; odd up to 15, and 1 or 2");
    refuse(4, levels(), conv(3, 6, 2, 4, 2, 1), "kernel 2, stride 1; odd up to 15, and 1 or 2");
    refuse(4, stream(), conv(2, 6, 2, 4, 1, 1), "convolves stream 4x4x2; needs levels");
    // 64x64x2 = 8192 elements · 255 · 63 = 131,604,480.
    let flat = [levels(), vec![OpKind::Flatten { input: 3 }]].concat();
    accept(64, flat, conv(4, 6, 8_192, 10, 1, 1));
}

/// The largest fan-in that 8-bit levels and 8-bit weights may have: 33,025 products.
#[test]
fn sum_that_could_leave_32_bits_is_refused() {
    let flat = |side| {
        let flat = [levels(), vec![OpKind::Flatten { input: 3 }]].concat();
        messages(side, [flat, vec![conv(4, 8, 2 * side * side, 1, 3, 1)]].concat())
    };
    // 9 · 2 · 42² = 31,752 products fit, 9 · 2 · 43² = 33,282 do not.
    assert_eq!(flat(42), Vec::<String>::new());
    assert_eq!(flat(43), ["a sum could reach 2164162050, more than 32 bits hold"]);
}

#[test]
fn result_types_have_the_sides_of_the_networks() {
    let side = |side: usize, kind: OpKind| {
        let input = ValueType { height: side, width: side, channels: 2, element: Element::Stream };
        result_type(&kind, &[input]).expect("valid")
    };
    // ImageNet: 112 to 56; VGG-small: 32 to 16.
    assert_eq!(side(112, max_pool(2, 3, 2, 1)).height, 56);
    assert_eq!(side(32, max_pool(2, 2, 2, 0)).width, 16);
    // Windows that do not fit are left out.
    assert_eq!(side(7, max_pool(2, 2, 2, 0)).width, 3);
    let stem = conv(0, 4, 4, 64, 7, 2);
    let image = ValueType { height: 224, width: 224, channels: 4, element: Element::Levels(8) };
    let sums = result_type(&stem, &[image]).expect("valid");
    assert_eq!(sums.to_string(), "sums 112x112x64");
    assert_eq!(sums.element, Element::Sums(49 * 4 * 255 * 15));
}
