//! `parsers::checkpoint` on bytes that libFuzzer finds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| heartbit_tests::parsers::checkpoint(bytes));
