//! `heartbit merge` on sections, each the result of a shard.
#![no_main]

use heartbit_tests::parsers::sections;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let results: Vec<&[u8]> = sections(bytes).into_iter().map(|(_, text)| text).collect();
    if !results.is_empty() {
        drop(heartbit_cli::check_results(&results));
    }
});
