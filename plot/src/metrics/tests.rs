//! Tests of the reader: older and newer records, hostile lines, truncation.

use super::*;
use proptest::prelude::*;

const OLD: &str = r#"{"epoch":0,"lr":0.1,"tau":0.85,"train_loss":2.0,"train_accuracy":0.25,"test_accuracy":0.33}"#;
const NEW: &str = r#"{"epoch":1,"lr":0.1,"tau":null,"train_loss":1.5,"train_accuracy":0.5,"test_accuracy":0.5,"flip_rate":0.1,"never_flipped":0.7,"silent":null,"ags_ratio":0.05,"layers":[{"name":"layer1.0.conv1","flip_rate":0.1,"never_flipped":0.6,"silent":0.5,"ags_ratio":null}],"seconds":80.0,"images_per_second":560.0,"later":[1]}"#;

fn parse_text(text: &str) -> Result<Metrics, Error> {
    parse(Path::new("run/metrics.jsonl"), text.as_bytes())
}

/// Checks that a text is refused at a line, with these words.
#[track_caller]
fn refused(text: &str, line: usize, words: &str) {
    let error = parse_text(text).expect_err("refused");
    let message = error.to_string();
    assert!(message.contains("run/metrics.jsonl"), "{message}");
    assert!(message.contains(&format!("line {line}:")), "{message}");
    assert!(message.contains(words), "{message}");
}

#[test]
fn absent_and_null_are_kept_apart() {
    let metrics = parse_text(&format!("{OLD}\n{NEW}\n")).expect("two records");
    assert!(!metrics.truncated);
    let [old, new] = &metrics.epochs[..] else { panic!("two records") };
    assert_eq!((old.flip_rate, old.silent), (Field::Absent, Field::Absent));
    assert_eq!((new.flip_rate, new.silent), (Field::Value(0.1), Field::NotApplicable));
    assert_eq!((old.tau, new.tau), (Field::Value(0.85), Field::NotApplicable));
    assert_eq!(new.layers[0].silent, Field::Value(0.5));
    assert!(old.layers.is_empty());
}

#[test]
fn last_line_may_break_off_anywhere() {
    for end in 1..NEW.len() {
        let metrics = parse_text(&format!("{OLD}\n{}", &NEW[..end])).expect("the first record");
        assert!(metrics.truncated, "{end}");
        assert_eq!(metrics.epochs.len(), 1, "{end}");
    }
    assert_eq!(parse_text(&format!("{OLD}\n{NEW}")).expect("both").epochs.len(), 2);
}

#[test]
fn other_lines_may_not_break_off() {
    refused(&format!("{}\n{NEW}\n", &OLD[..40]), 1, "EOF");
    refused(&format!("{OLD}\n{}\n", &NEW[..40]), 2, "EOF");
    refused(&format!("{OLD}\nnonsense"), 2, "expected");
    refused(&format!("{OLD}\n[]"), 2, "");
}

#[test]
fn numbers_out_of_range_are_named() {
    let with = |from: &str, to: &str| {
        assert!(NEW.contains(from));
        format!("{OLD}\n{}\n", NEW.replacen(from, to, 1))
    };
    refused(&with("\"flip_rate\":0.1", "\"flip_rate\":1.5"), 2, "`flip_rate` is 1.5");
    refused(&with("\"train_loss\":1.5", "\"train_loss\":-1"), 2, "`train_loss` is -1");
    refused(&with("\"train_loss\":1.5", "\"train_loss\":1e999"), 2, "number out of range");
    refused(&with("\"train_loss\":1.5", "\"train_loss\":1e200"), 2, "`train_loss`");
    refused(&with("\"train_loss\":1.5", "\"train_loss\":null"), 2, "null");
    refused(&with("\"never_flipped\":0.6", "\"never_flipped\":-0.6"), 2, "layer `layer1.0.conv1`");
    refused(&with("\"epoch\":1", "\"epoch\":0"), 2, "epoch 0 after epoch 0");
    refused(&with("\"epoch\":1", "\"epoch\":-1"), 2, "-1");
}

#[test]
fn nothing_is_an_error() {
    for text in ["", "\n\n", &OLD[..30]] {
        assert!(matches!(parse_text(text), Err(Error::NoEpoch { .. })), "{text}");
    }
}

proptest! {
    #[test]
    fn mutated_files_never_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..8),
    ) {
        let mut bytes = format!("{OLD}\n{NEW}\n").into_bytes();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => bytes.truncate(at.max(1)),
            }
        }
        // What is accepted keeps the promises that drawing relies on.
        if let Ok(metrics) = parse(Path::new("m"), &bytes) {
            prop_assert!(!metrics.epochs.is_empty());
            prop_assert!(metrics.epochs.windows(2).all(|pair| pair[0].epoch < pair[1].epoch));
            for epoch in &metrics.epochs {
                prop_assert!((0.0..=1.0).contains(&epoch.test_accuracy));
                prop_assert!(epoch.train_loss.is_finite());
            }
        }
    }
}
