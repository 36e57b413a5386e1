//! Data sets that are missing, broken, or of another network.

use crate::transcript::Transcript;
use expect_test::expect_file;

#[test]
fn data_sets_that_cannot_be_read() {
    let mut t = Transcript::new();
    let eval = "eval model.hbn --data d";
    t.fails(2, "eval model.hbn --data d --dataset cifar");
    t.fails(3, eval);
    t.write("d/test_batch.bin", [0; 3_072]);
    t.fails(3, eval);
    t.write("d/test_batch.bin", vec![0; 3_073 * 10_001]);
    t.fails(3, eval);
    t.write("d/test_batch.bin", [11; 2 * 3_073]);
    t.fails(3, eval);
    std::fs::remove_file(t.path("d/test_batch.bin")).expect("there");
    t.write("d/test_batch.bin.xz", "no xz");
    t.fails(3, eval);
    std::fs::remove_file(t.path("d/test_batch.bin.xz")).expect("there");
    std::fs::create_dir(t.path("d/test_batch.bin")).expect("writable");
    t.fails(3, eval);

    t.write("m/t10k-images-idx3-ubyte", [0; 16]);
    t.write("m/t10k-labels-idx1-ubyte", [0; 9]);
    t.fails(3, "eval model.hbn --data m --dataset mnist");
    let photo = include_bytes!("../../../dataset/src/decode/fixtures/rgb.jpg");
    for class in 0..200 {
        t.write(&format!("t/val/n{class:03}/a.JPEG"), photo);
    }
    t.fails(3, "eval model.hbn --data t --dataset imagenet");
    t.fails(3, "eval model.hbn --data t --dataset tinyimagenet");
    t.fails(3, "eval model.hbn --data t --dataset tinyimagenet --side 0");
    t.fails(3, "eval model.hbn --data t --dataset tinyimagenet --side 32");
    t.fails(3, "eval model.hbn --data data --side 64");
    std::fs::remove_file(t.path("t/val/n003/a.JPEG")).expect("there");
    t.fails(3, "eval model.hbn --data t --dataset tinyimagenet --side 32");
    t.write("v/val/images/a.JPEG", photo);
    t.write("v/val/val_annotations.txt", "a.JPEG\n");
    t.fails(3, "eval model.hbn --data v --dataset tinyimagenet --side 32");
    t.fails(2, "eval model.hbn --data data --images 501");
    t.fails(2, "eval model.hbn --data data --images 0");
    t.prepare("random --arch resnet20 --classes 100 --out c.safetensors");
    t.fails(3, "eval c.safetensors --data data");
    t.check(&expect_file!["data.txt"]);
}
