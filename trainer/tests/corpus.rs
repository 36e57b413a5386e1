//! The committed corpus of settings: a value or a typed error, never a panic.

use heartbit_trainer::config::{Choice, TrainConfig};
use std::path::Path;

#[test]
fn corpus_files_are_settings_or_errors() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/settings");
    let (mut accepted, mut refused) = (0, 0);
    for entry in std::fs::read_dir(directory).expect("the corpus") {
        let path = entry.expect("readable").path();
        let text = std::fs::read_to_string(path).expect("a text");
        let ends = (0..=text.len()).rev().step_by(13).filter(|&end| text.is_char_boundary(end));
        for end in ends {
            let config = TrainConfig::resolve(Choice::default(), Some(&text[..end]));
            match config.and_then(|config| config.validate()) {
                Ok(()) => accepted += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(accepted >= 2 && refused >= 2, "{accepted} accepted, {refused} refused");
}
