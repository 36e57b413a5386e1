//! Checkpoints of other programs that cannot be imported.

use crate::transcript::Transcript;
use expect_test::expect_file;
use heartbit_model::{Tensor, TensorFile};
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn files_that_are_not_imported() {
    let mut t = Transcript::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/fixtures");
    std::os::unix::fs::symlink(&fixtures, t.path("f")).expect("writable");
    t.fails(3, "import absent.pth");
    t.fails(3, "import f/README.md");
    let mut hostile: Vec<String> = std::fs::read_dir(fixtures.join("hostile"))
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pth"))
        .map(|path| path.file_name().expect("a file").to_string_lossy().into_owned())
        .collect();
    hostile.sort();
    for name in &hostile {
        t.fails(3, &format!("import f/hostile/{name}"));
    }
    let whole = std::fs::read(fixtures.join("ovsw-resnet20.pth")).expect("a fixture");
    t.write("cut.pth", &whole[..whole.len() / 2]);
    t.fails(3, "import cut.pth");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    t.write("flipped.pth", flipped);
    t.fails(3, "import flipped.pth");
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    t.write("old.pth", tar);
    t.fails(3, "import old.pth");
    t.check(&expect_file!["import-files.txt"]);
}

#[test]
fn parameters_that_are_no_network_of_ours() {
    let mut t = Transcript::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/fixtures");
    std::os::unix::fs::symlink(&fixtures, t.path("f")).expect("writable");
    t.prepare("random --arch resnet20 --out own.safetensors");
    t.fails(3, "import own.safetensors --out a.safetensors");
    t.fails(3, "import f/recu-resnet20.pth.tar --arch vgg-small");
    t.fails(3, "import f/recu-resnet20.pth.tar --method ovsw");
    let own = TensorFile::from_bytes(&t.read("own.safetensors")).expect("just written");
    let good = TensorFile { metadata: BTreeMap::new(), ..own };
    let mut broken = |arguments: &str, change: &dyn Fn(&mut BTreeMap<String, Tensor>)| {
        let mut file = good.clone();
        change(&mut file.tensors);
        t.write("b.safetensors", file.to_bytes());
        t.fails(3, &format!("import b.safetensors --out a.safetensors{arguments}"));
    };
    let key = |tensors: &BTreeMap<String, Tensor>, end: &str| {
        tensors.keys().find(|key| key.ends_with(end)).expect("such a parameter").clone()
    };
    broken("", &|tensors| tensors.clear());
    broken("", &|tensors| tensors.retain(|key, _| !key.contains("layer3")));
    broken("", &|tensors| {
        let weight = key(tensors, "layer1.0.conv1.weight");
        let other =
            weight.strip_prefix("module.").map_or(format!("module.{weight}"), str::to_owned);
        let tensor = tensors[&weight].clone();
        tensors.insert(other, tensor);
    });
    broken(" --arch resnet20", &|tensors| {
        tensors
            .insert("layer9.0.conv1.weight".to_owned(), Tensor::new(&[1, 1, 3, 3], vec![0.5; 9]));
    });
    broken(" --arch resnet20", &|tensors| {
        let weight = key(tensors, "layer1.0.conv1.weight");
        tensors.insert(weight, Tensor::new(&[1, 1, 3, 3], vec![0.5; 9]));
    });
    broken("", &|tensors| {
        let bias = key(tensors, "bn1.running_var");
        tensors.get_mut(&bias).expect("there").data.fill(f32::NAN);
    });
    let text = |bytes: &[u8], from: &[u8], to: &[u8]| -> Vec<u8> {
        let at = bytes.windows(from.len()).position(|window| window == from).expect("there");
        [&bytes[..at], to, &bytes[at + from.len()..]].concat()
    };
    t.write("integers.safetensors", text(&good.to_bytes(), b"F32", b"I32"));
    t.fails(3, "import integers.safetensors --out a.safetensors");
    t.fails(3, "import f/recu-resnet20.pth.tar --image-side 7");
    t.fails(3, "import f/recu-vgg-small.pth --image-side 64");
    t.write("c.safetensors", good.to_bytes());
    t.fails(2, "import c.safetensors");
    t.check(&expect_file!["import-parameters.txt"]);
}
