//! The committed corpus of `heartbit merge`: a value or an error, never a panic.

use heartbit_cli::check_results;
use std::fs;
use std::path::Path;

/// The texts behind lines `-- NAME --`, each the result of a shard.
fn results(text: &str) -> Vec<&[u8]> {
    let parts = text.split("-- ").skip(1);
    parts.filter_map(|part| part.split_once(" --\n")).map(|(_, text)| text.as_bytes()).collect()
}

#[test]
fn corpus_files_are_merged_or_refused() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/merge");
    let mut outcomes = [0, 0];
    for entry in fs::read_dir(directory).expect("the corpus") {
        let path = entry.expect("readable").path();
        let text = fs::read_to_string(&path).expect("a text");
        let results = results(&text);
        assert!(!results.is_empty(), "{}", path.display());
        outcomes[usize::from(check_results(&results).is_err())] += 1;
        // Cut anywhere.
        for end in (0..text.len()).step_by(97).filter(|&end| text.is_char_boundary(end)) {
            let cut = self::results(&text[..end]);
            if !cut.is_empty() {
                drop(check_results(&cut));
            }
        }
    }
    assert!(outcomes.iter().all(|&n| n >= 2), "{outcomes:?}");
}

/// The number of shards is the file's own: it decides on no memory.
#[test]
fn a_result_of_very_many_shards_is_refused() {
    let subject = r#"{"command":"sim","arch":"a","network_crc32":"0","array":"8x8x16","images":1}"#;
    let result = |shards: &str| {
        format!(
            r#"{{"schema":1,"subject":{subject},"shard":{{"number":1,"of":{shards}}},"images":1,
            "correct":1,"tensors":1,"elements":1,"differing":0,"first_divergence":null,
            "cycle_error":null,"cycles":{{"predicted":1,"sim":1,"rtl":null}},"seconds":1.0}}"#
        )
    };
    assert_eq!(check_results(&[result("1").as_bytes()]), Ok(()));
    let error = check_results(&[result("18446744073709551615").as_bytes()]).expect_err("refused");
    assert!(error.contains("shard 2/18446744073709551615 is missing"), "{error}");
}

/// Sums of counts that no run has do not overflow.
#[test]
fn counts_beyond_all_runs_are_added_without_a_panic() {
    let most = u64::MAX;
    let result = |number: usize| {
        format!(
            r#"{{"schema":1,"subject":{{"command":"fuzz","source":{{"seed":1,"networks":1,
            "max_channels":4}},"engines":["sim"],"first":0,"cases":2}},
            "shard":{{"number":{number},"of":2}},"tally":{{"cases":{most},"unfit":{most},
            "layers":{most},"images":{most},"tensors":{most},"elements":{most},
            "features":{{"bands":{most}}}}},"found":null,"seconds":1e308}}"#
        )
    };
    let results = [result(1), result(2)];
    assert_eq!(check_results(&results.each_ref().map(String::as_bytes)), Ok(()));
}
