//! Tests on made-up class folders of small PNG files.

use super::*;
use crate::{Augment, Dataset, Loader, LoaderConfig, OpenOptions, Order};
use std::fs;
use std::sync::Arc;
use tempfile::TempDir;

/// Writes a PNG of one colour with a brighter left half.
fn write_image(path: &Path, width: u32, height: u32, level: u8) {
    fs::create_dir_all(path.parent().expect("in a folder")).expect("writable");
    let mut encoder = png::Encoder::new(fs::File::create(path).expect("writable"), width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    let row = (0..width).flat_map(|x| if 2 * x < width { [level, 200, 9] } else { [level, 0, 9] });
    let pixels: Vec<u8> = row.collect::<Vec<u8>>().repeat(height as usize);
    writer.write_image_data(&pixels).expect("all pixels");
}

/// `ImageNet` with the classes n1, n2 and n3 of 6, 7 and 8 training images and a test image each.
///
/// Image `i` of class `c` has the level `20 c + i` in its red channel.
fn imagenet() -> TempDir {
    let dir = tempfile::tempdir().expect("temporary folder");
    for class in 1..=3u8 {
        for i in 0..5 + class {
            let path = dir.path().join(format!("train/n{class}/n{class}_{i}.JPEG"));
            write_image(&path, 20 + u32::from(i), 16, 20 * class + i);
        }
        let path = dir.path().join(format!("val/n{class}/image.png"));
        write_image(&path, 16, 30, 100 + class);
    }
    dir
}

const SMALL: OpenOptions = OpenOptions { side: Some(14), classes: Some(3) };

fn open(dir: &TempDir, split: Split) -> Result<Dataset, Error> {
    Dataset::open_with(DatasetKind::Imagenet, split, dir.path(), SMALL)
}

fn open_tiny(dir: &TempDir, split: Split) -> Result<Dataset, Error> {
    Dataset::open_with(DatasetKind::TinyImagenet, split, dir.path(), SMALL)
}

#[track_caller]
fn check_refused(result: Result<Dataset, Error>, words: &[&str]) {
    let message = result.expect_err("refused").to_string();
    for word in words {
        assert!(message.contains(word), "`{word}` is missing in: {message}");
    }
}

#[test]
fn classes_are_folders_in_order_of_their_names() {
    let dir = imagenet();
    fs::write(dir.path().join("train/n2/notes.txt"), "not an image").expect("writable");
    fs::write(dir.path().join("train/.DS_Store"), "").expect("writable");
    let set = open(&dir, Split::Train).expect("valid");
    assert_eq!((set.len(), set.classes(), set.image_shape()), (21, 3, [3, 14, 14]));
    let labels: Vec<u32> = (0..21).map(|i| set.label(i)).collect();
    assert_eq!(labels, [[0; 6].as_slice(), &[1; 7], &[2; 8]].concat());
    assert!(set.path(6).expect("a file").ends_with("train/n2/n2_0.JPEG"));
    let image = set.image(6).expect("a PNG called .JPEG");
    assert!(image[..196].iter().all(|&p| p == 40), "red");
    assert_eq!((image[196], image[196 + 13], image[400]), (200, 0, 9), "green, blue");
}

#[test]
fn side_is_224_unless_another_is_asked_for() {
    let dir = imagenet();
    let options = OpenOptions { side: None, ..SMALL };
    let set = Dataset::open_with(DatasetKind::Imagenet, Split::Test, dir.path(), options);
    let set = set.expect("valid");
    assert_eq!((set.len(), set.image_shape()), (3, [3, 224, 224]));
    assert_eq!(set.image(2).expect("readable").len(), 3 * 224 * 224);
    for side in [0, 1025] {
        let options = OpenOptions { side: Some(side), ..SMALL };
        let set = Dataset::open_with(DatasetKind::Imagenet, Split::Test, dir.path(), options);
        check_refused(set, &["ImageNet", "1 to 1024"]);
    }
}

#[test]
fn wrong_folders_are_named() {
    let dir = imagenet();
    let whole = Dataset::open(DatasetKind::Imagenet, Split::Train, dir.path());
    check_refused(whole, &["train` has 3 classes, but ImageNet has 1000"]);
    fs::create_dir(dir.path().join("train/n4")).expect("writable");
    check_refused(open(&dir, Split::Train), &["train` has 4 classes", "has 3"]);
    fs::remove_dir_all(dir.path().join("train/n1")).expect("writable");
    check_refused(open(&dir, Split::Train), &["class `n1` is in one of", "train", "val"]);
    fs::rename(dir.path().join("train/n4"), dir.path().join("train/n1")).expect("writable");
    check_refused(open(&dir, Split::Train), &["n1` holds no .jpeg, .jpg or .png"]);
    fs::remove_dir_all(dir.path().join("train")).expect("writable");
    check_refused(open(&dir, Split::Train), &["no ImageNet", "train/", "one folder a class"]);
    assert_eq!(open(&dir, Split::Test).expect("needs no training set").len(), 3);
}

/// `Tiny-ImageNet` as it is published, with three classes.
fn tiny() -> TempDir {
    let dir = tempfile::tempdir().expect("temporary folder");
    for (class, level) in [("n9", 90), ("n3", 30), ("n5", 50)] {
        let path = dir.path().join(format!("train/{class}/images/{class}_0.JPEG"));
        write_image(&path, 64, 64, level);
        fs::write(dir.path().join(format!("train/{class}/{class}_boxes.txt")), "").expect("boxes");
    }
    for i in 0..4 {
        write_image(&dir.path().join(format!("val/images/val_{i}.JPEG")), 64, 64, 10 + i);
    }
    annotate(&dir, "val_0.JPEG\tn5\t0\t0\t9\t9\nval_2.JPEG\tn9\t0\t0\t9\t9\nval_1.JPEG\tn3\n");
    dir
}

fn annotate(dir: &TempDir, text: &str) {
    fs::write(dir.path().join("val/val_annotations.txt"), text).expect("writable");
}

#[test]
fn published_tiny_imagenet_is_read_through_its_annotations() {
    let dir = tiny();
    let train = open_tiny(&dir, Split::Train).expect("valid");
    let levels = |set: &Dataset| {
        let level = |i| (set.label(i), set.image(i).expect("readable")[0]);
        (0..set.len()).map(level).collect::<Vec<_>>()
    };
    assert_eq!(levels(&train), [(0, 30), (1, 50), (2, 90)]);
    let test = open_tiny(&dir, Split::Test).expect("valid");
    assert_eq!(levels(&test), [(1, 10), (2, 12), (0, 11)]);
}

#[test]
fn tiny_imagenet_in_class_folders_is_read_too() {
    let dir = tiny();
    fs::remove_dir_all(dir.path().join("val")).expect("writable");
    write_image(&dir.path().join("val/n3/a.JPEG"), 64, 64, 1);
    write_image(&dir.path().join("val/n5/images/b.jpg"), 64, 64, 2);
    write_image(&dir.path().join("val/n9/c.PNG"), 64, 64, 3);
    let test = open_tiny(&dir, Split::Test).expect("valid");
    assert_eq!((test.len(), test.label(1)), (3, 1));
    assert_eq!(test.image(1).expect("readable")[0], 2);
}

#[test]
fn malformed_annotations_name_the_line() {
    let dir = tiny();
    let good = "val_0.JPEG\tn5\nval_2.JPEG\tn9\nval_1.JPEG\tn3\n";
    for (line, problem) in [
        ("val_3.JPEG", "expected a file name, a tab and a class"),
        ("../../secret\tn3", "name of a file in `images`"),
        ("\tn3", "name of a file in `images`"),
        ("val_3.JPEG\t", "and a class"),
        ("val_0.JPEG\tn3", "listed before"),
    ] {
        annotate(&dir, &format!("{good}{line}\n"));
        check_refused(open_tiny(&dir, Split::Test), &["annotations.txt`, line 4", problem]);
    }
    annotate(&dir, &good.replace("n9", "n8"));
    check_refused(open_tiny(&dir, Split::Test), &["class `n8` is in one of"]);
    check_refused(open_tiny(&dir, Split::Train), &["class `n8` is in one of"]);
    annotate(&dir, "val_0.JPEG\tn5\n");
    check_refused(open_tiny(&dir, Split::Test), &["val` has 1 classes, but Tiny-ImageNet has 3"]);
}

#[test]
fn file_that_does_not_decode_is_replaced_and_reported() {
    let dir = imagenet();
    let bad = dir.path().join("train/n2/n2_3.JPEG");
    fs::write(&bad, "no image").expect("writable");
    let set = Arc::new(open(&dir, Split::Train).expect("names are fine"));
    let error = set.image(9).expect_err("no image").to_string();
    assert!(error.contains("n2_3.JPEG` (neither JPEG nor PNG)"), "{error}");
    let sequential = LoaderConfig {
        order: Order::Sequential,
        ..LoaderConfig::training(DatasetKind::Imagenet, 21, 1, 0)
    };
    let mut epoch = Loader::epoch(&set, sequential);
    let batch = epoch.next().expect("a batch").expect("one is tolerated");
    // Image 10, of the same class, is there twice, from two different windows.
    let image = |i: usize| &batch.pixels[i * 588..][..588];
    assert_eq!((batch.labels[9], image(9)[0], image(10)[0]), (1, 44, 44));
    let report: Vec<_> = epoch.corrupt().iter().collect();
    assert_eq!((report.len(), report[0].index, &report[0].path), (1, 9, &bad));
    let mut evaluation = Loader::epoch(&set, LoaderConfig::evaluation(21));
    let error = evaluation.next().expect("an item").expect_err("none is tolerated").to_string();
    assert!(error.contains("1 of 21 images cannot be read, more than the limit of 0"), "{error}");
}

#[test]
fn random_changes_do_not_depend_on_workers_but_on_the_epoch() {
    let dir = imagenet();
    let set = Arc::new(open(&dir, Split::Train).expect("valid"));
    let augment = Augment {
        rotation: Some(20.0),
        crop: Some(2),
        lighting: Some(0.1),
        ..Augment::published(DatasetKind::Imagenet)
    };
    let pixels = |workers, epoch| {
        let training = LoaderConfig::training(DatasetKind::Imagenet, 8, 1, epoch);
        let config = LoaderConfig { augment, workers, ..training };
        Loader::epoch(&set, config).map(|b| b.expect("readable")).collect::<Vec<_>>()
    };
    let one = pixels(1, 0);
    assert_eq!(one.len(), 3);
    assert!(one == pixels(2, 0) && one == pixels(5, 0));
    assert!(one != pixels(1, 1));
}
