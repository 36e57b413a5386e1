//! The `.hbn` container: what is written is read back, and nothing else is.

use heartbit_ir::file::{FileError, VERSION};
use heartbit_ir::levels::Levels;
use heartbit_ir::network::{Extreme, Network, Op, OpKind, Threshold};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A network with every operation.
fn sample() -> Network {
    let op = |name: &str, kind| Op { name: name.to_owned(), kind };
    let signs = |rows: usize, cols: usize| {
        let signs: Vec<bool> = (0..rows * cols).map(|i| i * i % 7 < 3).collect();
        Levels::from_signs(rows, cols, &signs)
    };
    Network {
        arch: "sample".to_owned(),
        frac_bits: 12,
        logit_scale: 0.1 + 0.2,
        provenance: BTreeMap::from([("seed".to_owned(), "1".to_owned())]),
        ops: vec![
            op("image", OpKind::Image { height: 4, width: 4, channels: 3 }),
            op(
                "stem",
                OpKind::Conv {
                    input: 0,
                    weights: Levels::from_values(2, 45, 4, &[1, -3, 3, -1].repeat(45)),
                    kernel: 3,
                    stride: 1,
                },
            ),
            op(
                "stem.stream",
                OpKind::Requantize {
                    input: 1,
                    shortcut: None,
                    mul: vec![1, -2, 3, -4, 32_767],
                    bias: vec![9, 8, -7, 6, i32::MAX],
                    shift: 8,
                    clip: 4096,
                },
            ),
            op("stem.sign", OpKind::Sign { input: 2 }),
            op("conv", OpKind::Conv { input: 3, weights: signs(63, 5), kernel: 3, stride: 2 }),
            op(
                "conv.threshold",
                OpKind::Threshold {
                    input: 4,
                    thresholds: [
                        Threshold::AtLeast(3),
                        Threshold::AtMost(-4),
                        Threshold::Constant(true),
                    ]
                    .repeat(3)[..7]
                        .to_vec(),
                },
            ),
            op("shortcut", OpKind::ShortcutPool { input: 2, front: 1, channels: 7 }),
            op("conv2", OpKind::Conv { input: 5, weights: signs(7, 7), kernel: 1, stride: 1 }),
            op(
                "conv2.stream",
                OpKind::Requantize {
                    input: 7,
                    shortcut: Some(6),
                    mul: vec![500; 7],
                    bias: vec![0; 7],
                    shift: 0,
                    clip: 32_767,
                },
            ),
            op("pool", OpKind::GlobalPool { input: 8, shift: 7, bits: 8 }),
            op(
                "prelu",
                OpKind::Prelu {
                    input: 8,
                    before: vec![1 << 20, -1, 0, 1, 2, 3, -(1 << 20)],
                    slope: vec![32_767, -32_767, 0, 1, -2, 3, -4],
                    shift: 12,
                    after: vec![-(1 << 20), 0, 5, -6, 7, -8, 1 << 20],
                    clip: 20_000,
                },
            ),
            op(
                "extremes",
                OpKind::MaxPool {
                    input: 10,
                    kernel: 3,
                    stride: 1,
                    padding: 1,
                    take: [Extreme::Min, Extreme::Max].repeat(4)[..7].to_vec(),
                },
            ),
            op("quantize", OpKind::Quantize { input: 11, shift: 9, bits: 3 }),
            op("flatten", OpKind::Flatten { input: 12 }),
            op(
                "shifted_sign",
                OpKind::Threshold { input: 10, thresholds: vec![Threshold::AtLeast(-77); 7] },
            ),
            op("linear", OpKind::Conv { input: 13, weights: signs(3, 28), kernel: 1, stride: 1 }),
            op("logits", OpKind::Logits { input: 15, bias: vec![-1, 0, 1] }),
        ],
    }
}

fn reseal(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&checksum);
    bytes
}

#[test]
fn what_is_written_is_read_back() {
    let network = sample();
    let bytes = network.to_bytes().expect("valid");
    assert_eq!(Network::from_bytes(&bytes).expect("readable"), network);
}

#[test]
fn every_truncation_is_refused() {
    let bytes = sample().to_bytes().expect("valid");
    for len in 0..bytes.len() {
        let error = Network::from_bytes(&bytes[..len]).expect_err("truncated");
        assert!(matches!(error, FileError::Magic | FileError::Length { .. }), "{len}: {error}");
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = sample().to_bytes().expect("valid");
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Network::from_bytes(&bytes).is_err(), "bit {bit}");
    }
}

#[test]
fn another_version_is_named() {
    let mut bytes = sample().to_bytes().expect("valid");
    bytes[4] = 9;
    let error = Network::from_bytes(&reseal(bytes)).expect_err("version");
    assert!(matches!(error, FileError::Version { found: 9 }));
    assert!(error.to_string().contains(&format!("reads version {VERSION}")));
}

/// The same file with another header.
fn with_header(bytes: &[u8], change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let header_len = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize;
    let (header, rest) = bytes[20..].split_at(header_len);
    let header = change(std::str::from_utf8(header).expect("JSON"));
    let mut changed = bytes[..20].to_vec();
    changed[8..12].copy_from_slice(&u32::try_from(header.len()).expect("small").to_le_bytes());
    changed.extend_from_slice(header.as_bytes());
    changed.extend_from_slice(rest);
    reseal(changed)
}

#[test]
fn huge_shapes_do_not_allocate() {
    let bytes = sample().to_bytes().expect("valid");
    for small in ["\"rows\":45", "\"channels\":7,\"kernel\":3", "\"channels\":7,\"shift\":12"] {
        let hostile = with_header(&bytes, |header| {
            assert_eq!(header.matches(small).count(), 1, "{small} in {header}");
            header.replace(small, &small.replacen(':', ":4500000000000000", 1))
        });
        let error = Network::from_bytes(&hostile).expect_err("hostile");
        assert!(matches!(error, FileError::Payload { .. }), "{error}");
    }
}

#[test]
fn unknown_operations_and_tags_are_refused() {
    let bytes = sample().to_bytes().expect("valid");
    let unknown = with_header(&bytes, |header| header.replace("\"max_pool\"", "\"mean_pool\""));
    let error = Network::from_bytes(&unknown).expect_err("unknown operation");
    assert!(matches!(&error, FileError::Header(m) if m.contains("mean_pool")), "{error}");
    let take = [1, 0, 1, 0, 1, 0, 1];
    let at = bytes.windows(take.len()).rposition(|w| w == take).expect("the extremes");
    let mut tag = bytes;
    tag[at] = 2;
    let error = Network::from_bytes(&reseal(tag)).expect_err("unknown extreme");
    assert_eq!(error.to_string(), "malformed payload of `extremes`: unknown extreme");
}

#[test]
fn every_problem_of_a_network_is_reported() {
    let mut network = sample();
    network.frac_bits = 99;
    let OpKind::Requantize { shift, .. } = &mut network.ops[2].kind else { unreachable!() };
    *shift = 5;
    network.ops[9].kind = OpKind::GlobalPool { input: 0, shift: 7, bits: 8 };
    let error = network.validate().expect_err("invalid");
    let places: Vec<_> = error.0.iter().map(|p| p.place.as_str()).collect();
    assert_eq!(places, ["stem.stream", "pool", "network"]);
    assert!(matches!(network.to_bytes(), Err(FileError::Invalid(_))));
}

#[test]
fn unwritable_output_leaves_nothing_behind() {
    let path = std::path::Path::new("/nonexistent-directory/a.hbn");
    assert!(matches!(sample().write(path), Err(FileError::Io { .. })));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Network::from_bytes(&bytes).is_err());
    }

    /// Past the checksum, so that the parser itself meets the damage.
    #[test]
    fn resealed_damage_never_panics(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut bytes = sample().to_bytes().expect("valid");
        let at = at.index(bytes.len() - 12) + 8;
        bytes[at] = value;
        if let Ok(network) = Network::from_bytes(&reseal(bytes)) {
            prop_assert!(network.validate().is_ok());
        }
    }

    /// Every number of the header, replaced by one that a careless sum or product cannot hold.
    #[test]
    fn hostile_numbers_never_panic(
        at in any::<prop::sample::Index>(),
        value in prop_oneof![
            Just(i128::from(u64::MAX)), Just(i128::from(i64::MAX)), Just(1 << 32), Just(1 << 31),
            Just(-1), -2i128..40,
        ],
    ) {
        let bytes = with_header(&sample().to_bytes().expect("valid"), |header| {
            let numbers: Vec<_> = header
                .match_indices(|c: char| c.is_ascii_digit())
                .filter(|(i, _)| header.as_bytes()[i - 1] == b':')
                .collect();
            let from = numbers[at.index(numbers.len())].0;
            let digits = header[from..].chars().take_while(char::is_ascii_digit).count();
            format!("{}{value}{}", &header[..from], &header[from + digits..])
        });
        if let Ok(network) = Network::from_bytes(&bytes) {
            prop_assert!(network.validate().is_ok());
        }
    }
}
