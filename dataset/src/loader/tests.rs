//! Tests of batches over made-up images, some of which cannot be read, panic or are slow.

use super::*;
use rand::Rng;
use std::sync::Mutex;
use std::time::Duration;

/// Bytes of an image: its index, then what was drawn for it.
const BYTES: usize = 1 << 16;

/// Images that hold their index and a random number.
#[derive(Default)]
struct Fake {
    len: usize,
    unreadable: Vec<usize>,
    panics_at: Option<usize>,
    nap: Duration,
    read: Mutex<usize>,
}

impl Fake {
    fn new(len: usize) -> Self {
        Self { len, ..Self::default() }
    }
}

impl Images for Fake {
    fn image_bytes(&self) -> usize {
        BYTES
    }

    fn len(&self) -> usize {
        self.len
    }

    fn label(&self, i: usize) -> u32 {
        u32::try_from(i).expect("small")
    }

    fn append(
        &self,
        i: usize,
        _: &Augment,
        rng: &mut ChaCha8Rng,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        *self.read.lock().expect("no panic while locked") += 1;
        assert_ne!(Some(i), self.panics_at, "the image that panics");
        thread::sleep(self.nap);
        out.extend((i as u64).to_le_bytes());
        if self.unreadable.contains(&i) {
            return Err(Unreadable { path: format!("{i}.jpg").into(), reason: "torn".into() });
        }
        out.extend(rng.random::<u64>().to_le_bytes());
        out.resize(out.len() + BYTES - 16, 0);
        Ok(())
    }
}

fn config(batch: usize, workers: usize) -> LoaderConfig {
    LoaderConfig {
        workers,
        corrupt_limit: None,
        order: Order::Shuffled,
        seed: 5,
        epoch: 3,
        ..LoaderConfig::evaluation(batch)
    }
}

/// The index and the random number of every image of a batch.
fn contents(batch: &Batch) -> Vec<(u64, u64)> {
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes"));
    batch.pixels.chunks_exact(BYTES).map(|image| (word(image), word(&image[8..]))).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "made for the call")]
fn epoch(fake: Fake, config: LoaderConfig) -> (Vec<Batch>, CorruptReport) {
    let mut epoch = start(Arc::new(fake), &config);
    let batches: Vec<Batch> = (&mut epoch).map(|batch| batch.expect("readable")).collect();
    (batches, epoch.corrupt().clone())
}

#[test]
fn pieces_cover_each_place_once_and_never_cross_a_batch() {
    for (images, batch, piece) in [(10, 4, 2), (10, 4, 3), (9, 3, 100), (5, 100, 2), (0, 3, 1)] {
        let ranges = pieces(images, batch, piece);
        assert!(ranges.iter().cloned().flatten().eq(0..images));
        for range in ranges {
            assert_eq!(range.start / batch, (range.end - 1) / batch, "{images} {batch} {piece}");
            assert!(range.len() <= piece);
        }
    }
    assert!(pieces(3, usize::MAX, usize::MAX).into_iter().eq(std::iter::once(0..3)));
}

#[test]
fn epoch_visits_every_image_once_with_a_smaller_last_batch() {
    let (batches, corrupt) = epoch(Fake::new(37), config(16, 2));
    let sizes: Vec<usize> = batches.iter().map(|b| b.labels.len()).collect();
    assert_eq!(sizes, [16, 16, 5]);
    let mut labels: Vec<u32> = batches.iter().flat_map(|b| b.labels.clone()).collect();
    assert_ne!(labels, (0..37).collect::<Vec<u32>>(), "shuffled");
    labels.sort_unstable();
    assert_eq!(labels, (0..37).collect::<Vec<u32>>());
    assert!(corrupt.is_empty());
    for batch in &batches {
        let labels = batch.labels.iter().map(|&l| u64::from(l));
        assert!(contents(batch).into_iter().map(|c| c.0).eq(labels));
    }
}

#[test]
fn number_of_workers_changes_nothing() {
    // 150 images of 64 KiB in batches of 100: two pieces a batch.
    let fake = || Fake { unreadable: vec![3, 50, 51, 149], ..Fake::new(150) };
    let one = epoch(fake(), config(100, 1));
    assert_eq!(one.1.iter().map(|c| c.index).collect::<Vec<_>>(), [3, 50, 51, 149]);
    for workers in [0, 2, 5, 64] {
        assert!(epoch(fake(), config(100, workers)) == one, "{workers} workers");
    }
}

#[test]
fn changes_depend_on_seed_epoch_and_image_but_not_on_batch() {
    let drawn = |config: LoaderConfig| {
        let (batches, _) = epoch(Fake::new(20), config);
        let mut drawn: Vec<_> = batches.iter().flat_map(contents).collect();
        drawn.sort_unstable();
        drawn
    };
    let base = drawn(config(7, 1));
    assert_eq!(base, drawn(config(20, 2)));
    assert_eq!(base, drawn(LoaderConfig { order: Order::Sequential, ..config(7, 1) }));
    for other in
        [LoaderConfig { seed: 6, ..config(7, 1) }, LoaderConfig { epoch: 4, ..config(7, 1) }]
    {
        let other = drawn(other);
        assert!(base.iter().zip(&other).all(|(a, b)| a.0 == b.0 && a.1 != b.1));
    }
    let mut numbers: Vec<u64> = base.iter().map(|d| d.1).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 20, "every image draws its own");
}

#[test]
fn order_depends_on_seed_and_epoch() {
    let order = |seed, epoch| super::order(&LoaderConfig { seed, epoch, ..config(1, 1) }, 50);
    assert_eq!(order(1, 0), order(1, 0));
    assert_ne!(order(1, 0), order(1, 1));
    assert_ne!(order(1, 0), order(2, 0));
}

#[test]
fn first_images_are_taken_and_more_than_there_are_is_all() {
    let sequential = LoaderConfig { workers: 2, ..LoaderConfig::evaluation(4) };
    let labels = |images| {
        let config = LoaderConfig { images, ..sequential.clone() };
        let (batches, _) = epoch(Fake::new(9), config);
        batches.iter().flat_map(|b| b.labels.clone()).collect::<Vec<_>>()
    };
    assert_eq!(labels(Some(6)), [0, 1, 2, 3, 4, 5]);
    assert_eq!(labels(Some(0)), []);
    assert_eq!(labels(Some(10)).len(), 9);
    assert_eq!(labels(None).len(), 9);
}

#[test]
fn unreadable_image_is_replaced_by_the_next_of_the_epoch() {
    let sequential = LoaderConfig { order: Order::Sequential, ..config(10, 2) };
    let fake = Fake { unreadable: vec![3, 4, 9], ..Fake::new(10) };
    let (replaced, corrupt) = epoch(fake, sequential.clone());
    let (whole, _) = epoch(Fake::new(10), sequential);
    let (replaced, whole) = (contents(&replaced[0]), contents(&whole[0]));
    let indices: Vec<u64> = replaced.iter().map(|c| c.0).collect();
    assert_eq!(indices, [0, 1, 2, 5, 5, 5, 6, 7, 8, 0], "after the last comes the first");
    let drawn = |contents: &[(u64, u64)]| contents.iter().map(|c| c.1).collect::<Vec<_>>();
    assert_eq!(drawn(&replaced), drawn(&whole), "in the random form of what is replaced");
    let first = corrupt.iter().next().expect("three");
    assert_eq!((first.index, first.path.to_str(), &*first.reason), (3, Some("3.jpg"), "torn"));
    assert_eq!(corrupt.len(), 3);
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "made for the call")]
fn check_too_many(fake: Fake, config: LoaderConfig, good: usize, expected: &str) {
    let mut epoch = start(Arc::new(fake), &config);
    for _ in 0..good {
        epoch.next().expect("a batch").expect("readable");
    }
    let message = epoch.next().expect("an error").expect_err("too many").to_string();
    assert!(message.contains(expected), "{message}");
    assert!(epoch.next().is_none(), "nothing after an error");
}

#[test]
fn too_many_unreadable_images_are_fatal_at_the_same_batch_for_any_workers() {
    for workers in [1, 2, 5] {
        let order = super::order(&config(10, 1), 100);
        let unreadable = vec![order[5], order[35], order[36]];
        let fake = Fake { unreadable, ..Fake::new(100) };
        let config = LoaderConfig { corrupt_limit: Some(2), ..config(10, workers) };
        let first = order[35].min(order[5]).min(order[36]);
        check_too_many(
            fake,
            config,
            3,
            &format!(
                "3 of 100 images cannot be read, more than the limit of 2: `{first}.jpg` (torn), "
            ),
        );
    }
}

#[test]
fn evaluation_tolerates_no_unreadable_image() {
    let fake = Fake { unreadable: vec![5], ..Fake::new(9) };
    check_too_many(fake, LoaderConfig::evaluation(3), 1, "1 of 9 images cannot be read");
}

#[test]
fn epoch_without_a_readable_image_ends_with_an_error() {
    let fake = Fake { unreadable: (0..4).collect(), ..Fake::new(4) };
    check_too_many(fake, config(2, 2), 0, "4 of 4 images cannot be read, more than the limit of 3");
}

#[test]
fn default_limit_is_one_in_a_thousand_but_at_least_ten() {
    assert_eq!([0, 9_999, 50_000].map(default_corrupt_limit), [10, 10, 50]);
}

#[test]
fn dropping_early_stops_the_workers_soon() {
    let fake = Arc::new(Fake { nap: Duration::from_millis(1), ..Fake::new(100_000) });
    let mut epoch = start(Arc::clone(&fake), &config(8, 3));
    epoch.next().expect("a batch").expect("readable");
    drop(epoch);
    // The workers have ended: they hold no images any more.
    assert_eq!(Arc::strong_count(&fake), 1);
    let read = *fake.read.lock().expect("no panic while locked");
    assert!(read < 1000, "{read} images read, of a queue of 3 workers × 5 pieces × 8 images");
}

#[test]
fn dropping_without_a_batch_ends() {
    drop(start(Arc::new(Fake::new(10_000)), &config(8, 2)));
}

#[test]
fn panic_of_a_worker_surfaces_in_the_caller() {
    for workers in [1, 3] {
        let fake = Fake { panics_at: Some(4), ..Fake::new(500) };
        let config = LoaderConfig { workers, ..LoaderConfig::evaluation(2) };
        let mut epoch = start(Arc::new(fake), &config);
        assert!(epoch.next().is_some() && epoch.next().is_some(), "the batches before it");
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| epoch.next()));
        let panic = caught.expect_err("a panic, not the end of the epoch");
        let message = panic.downcast_ref::<String>().expect("a message");
        assert!(message.contains("the image that panics"), "{message}");
    }
}

#[test]
fn empty_batch_is_an_error() {
    let mut epoch = start(Arc::new(Fake::new(3)), &config(0, 1));
    assert_eq!(epoch.batches(), 0);
    assert!(matches!(epoch.next(), Some(Err(Error::EmptyBatch))));
    assert!(epoch.next().is_none());
}
