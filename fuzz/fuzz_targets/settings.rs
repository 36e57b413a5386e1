//! Settings of a training run: `config.json`, or an object with some of its entries.
#![no_main]

use heartbit_trainer::config::{Choice, TrainConfig};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(config) = TrainConfig::resolve(Choice::default(), Some(text))
    {
        drop(config.validate());
    }
});
