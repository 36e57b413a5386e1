//! Data sets: all kinds, and what is wrong with one.

use crate::support::{bundled_network, data, fail, succeed, temporary, text};

#[test]
fn data_that_are_missing_short_or_mislabelled_are_named() {
    let directory = temporary();
    let network = bundled_network();
    let eval = ["eval", text(&network), "--data", "images"];
    fail(&directory, &eval, 3, &["images", "test_batch.bin", "--data"]);
    let images = directory.path().join("images");
    std::fs::create_dir(&images).expect("writable");
    std::fs::write(images.join("test_batch.bin"), vec![0; 3_072]).expect("writable");
    fail(&directory, &eval, 3, &["test_batch.bin", "3072 bytes", "3073"]);
    std::fs::write(images.join("test_batch.bin"), vec![11; 2 * 3_073]).expect("writable");
    fail(&directory, &eval, 3, &["test_batch.bin", "11"]);
    std::fs::remove_file(images.join("test_batch.bin")).expect("writable");
    std::fs::write(images.join("test_batch.bin.xz"), b"not xz").expect("writable");
    fail(&directory, &eval, 3, &["test_batch.bin.xz"]);
    let data = data();
    let many = ["eval", text(&network), "--data", text(&data), "--images", "501"];
    fail(&directory, &many, 2, &["501 images", "holds 500"]);
}

#[test]
fn every_data_set_can_be_evaluated_and_must_fit_the_network() {
    let directory = temporary();
    let network = bundled_network();
    let at = |name: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("in a folder")).expect("writable");
        path
    };
    std::fs::write(at("c/test.bin"), vec![7; 2 * 3_074]).expect("writable");
    let random = ["--arch", "resnet20", "--classes", "100", "--out", "c.safetensors"];
    succeed(&directory, &[&["random"], &random[..]].concat());
    let json =
        succeed(&directory, &["eval", "c.safetensors", "--data", "c", "--dataset", "cifar100"]);
    assert_eq!(json["images"], 2);
    let eval = ["eval", text(&network), "--dataset"];
    let fail = |rest: &[&str], code, words: &[&str]| {
        fail(&directory, &[&eval, rest].concat(), code, words);
    };
    fail(&["cifar100", "--data", "c"], 3, &["`cifar100` has 100 classes, but the network 10"]);
    fail(&["cifar", "--data", "c"], 2, &["no data set is called `cifar`", "tinyimagenet"]);

    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
    let images = [words(&[0x803, 1, 28, 28]), vec![9; 784]].concat();
    std::fs::write(at("m/t10k-images-idx3-ubyte"), images).expect("writable");
    let labels = [words(&[0x801, 1]), vec![4]].concat();
    std::fs::write(at("m/t10k-labels-idx1-ubyte"), labels).expect("writable");
    let json = succeed(&directory, &[&eval[..], &["mnist", "--data", "m"]].concat());
    assert_eq!(json["images"], 1);

    let photo = include_bytes!("../../../dataset/src/decode/fixtures/rgb.jpg");
    for class in 0..200 {
        std::fs::write(at(&format!("t/val/n{class:03}/a.JPEG")), photo).expect("writable");
    }
    let tiny = ["tinyimagenet", "--data", "t"];
    fail(&tiny, 3, &["224×224×3", "`resnet20` takes 32×32×3", "--side"]);
    fail(&[&tiny[..], &["--side", "32"]].concat(), 3, &["has 200 classes"]);
    fail(&["imagenet", "--data", "t"], 3, &["val` has 200 classes, but ImageNet has 1000"]);
}
