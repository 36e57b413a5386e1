//! Images a second that the loader delivers: `cargo bench -p heartbit-dataset`.
//!
//! A synthetic CIFAR-10 of 10,000 images, batches of 256, the published augmentation.

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its figures"
)]

use heartbit_dataset::{Dataset, DatasetKind, Loader, LoaderConfig, Split};
use std::sync::Arc;
use std::time::Instant;

fn main() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let bytes: Vec<u8> = (0..10_000 * 3073_u32)
        .map(|i| if i % 3073 == 0 { 7 } else { (i % 251).to_le_bytes()[0] })
        .collect();
    std::fs::write(dir.path().join("data_batch_1.bin"), bytes).expect("writable");
    let kind = DatasetKind::Cifar10;
    let set = Arc::new(Dataset::open(kind, Split::Train, dir.path()).expect("valid"));
    for workers in [1, 2] {
        let started = Instant::now();
        let mut images = 0;
        for epoch in 0..20 {
            let config = LoaderConfig { workers, ..LoaderConfig::training(kind, 256, 1, epoch) };
            let labels = Loader::epoch(&set, config).map(|b| b.expect("readable").labels.len());
            images += labels.sum::<usize>();
        }
        let seconds = started.elapsed().as_secs_f64();
        let rate = images as f64 / seconds;
        println!(
            "cifar10, {workers} workers: {rate:.0} images/s, {:.3} ms a batch of 256",
            256e3 / rate
        );
    }
}
