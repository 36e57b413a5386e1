//! Networks and checkpoints that are none.

use crate::transcript::Transcript;
use expect_test::expect_file;
use heartbit_ir::network::Network;
use heartbit_model::{Tensor, TensorFile};
use std::fs::File;

/// A `.hbn` file of a header and a payload.
fn container(version: u32, header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"HBN1".to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend(u32::try_from(header.len()).expect("short").to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(header);
    bytes.extend(payload);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// Header and payload of a `.hbn` file.
fn parts(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let length = u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes")) as usize;
    let (header, payload) = bytes[20..bytes.len() - 4].split_at(length);
    (header.to_vec(), payload.to_vec())
}

#[test]
fn networks_that_are_none() {
    let mut t = Transcript::new();
    let whole = t.read("model.hbn");
    let (header, payload) = parts(&whole);
    t.fails(3, "inspect absent.hbn");
    t.write("text.hbn", "no network");
    t.fails(3, "inspect text.hbn");
    t.write("old.hbn", container(0, &header, &payload));
    t.fails(3, "inspect old.hbn");
    t.write("short.hbn", &whole[..100]);
    t.fails(3, "inspect short.hbn");
    let mut flipped = whole.clone();
    flipped[5_000] ^= 1;
    t.write("flipped.hbn", flipped);
    t.fails(3, "inspect flipped.hbn");
    t.write("header.hbn", container(1, b"{\"arch\": 3}", b""));
    t.fails(3, "inspect header.hbn");
    t.write("payload.hbn", container(1, &header, &payload[1..]));
    t.fails(3, "inspect payload.hbn");
    let text = String::from_utf8(header).expect("JSON");
    let invalid = text.replacen("\"kernel\":3", "\"kernel\":4", 1);
    assert_ne!(text, invalid, "the header has other words now");
    t.write("invalid.hbn", container(1, invalid.as_bytes(), &payload));
    t.fails(3, "inspect invalid.hbn");
    t.check(&expect_file!["models-networks.txt"]);
    Network::from_bytes(&whole).expect("the whole one is fine");
}

#[test]
fn checkpoints_that_are_none() {
    let mut t = Transcript::new();
    t.prepare("random --arch resnet20 --widths 4,8,16 --out good.safetensors");
    let good = TensorFile::from_bytes(&t.read("good.safetensors")).expect("just written");
    let mut broken = |change: &dyn Fn(&mut TensorFile)| {
        let mut file = good.clone();
        change(&mut file);
        t.write("a.safetensors", file.to_bytes());
        t.fails(3, "fold a.safetensors --out a.hbn");
    };
    let set = |key: &'static str, value: &'static str| {
        move |file: &mut TensorFile| drop(file.metadata.insert(key.to_owned(), value.to_owned()))
    };
    broken(&|file| drop(file.metadata.remove("arch")));
    broken(&set("heartbit.schema", "0"));
    broken(&set("arch", "alexnet"));
    broken(&set("widths", "4,8"));
    broken(&set("classes", "many"));
    broken(&set("method", "xnor"));
    broken(&set("norm", "none"));
    broken(&set("grid", "{}"));
    let weight = "layer1.0.conv1.weight";
    broken(&|file| drop(file.tensors.remove(weight)));
    broken(&|file| drop(file.tensors.insert(weight.to_owned(), Tensor::new(&[1], vec![0.0]))));
    broken(&|file| file.tensors.get_mut(weight).expect("there").data[3] = f32::NAN);
    t.write("a.safetensors", "no checkpoint");
    t.fails(3, "fold a.safetensors --out a.hbn");
    let header = br#"{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}"#;
    let length = (header.len() as u64).to_le_bytes();
    t.write("a.safetensors", [&length[..], header, &[0; 8]].concat());
    t.fails(3, "fold a.safetensors --out a.hbn");
    t.fails(3, "fold absent.safetensors --out a.hbn");
    let large = File::create(t.path("large.safetensors")).expect("writable");
    large.set_len(3 << 30).expect("a file with a hole");
    t.fails(3, "fold large.safetensors --out a.hbn");
    t.fails(3, "widths model.hbn --data data --images 2");
    t.fails(2, "widths good.safetensors --data data --images 2 --downsample-weight-bits 4");
    t.fails(2, "random --arch resnet99 --out a.safetensors");
    t.fails(2, "random --arch resnet20 --widths 4,8 --out a.safetensors");
    t.fails(2, "random --arch resnet20 --image-side 7 --out a.safetensors");
    t.check(&expect_file!["models-checkpoints.txt"]);
}
