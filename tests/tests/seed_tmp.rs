//! tmp
use heartbit_cases::generate::Source;
use heartbit_cases::file::CaseFile;
use heartbit_compiler::random;
use heartbit_model::{Arch, Sizes};
use std::fs;
use std::path::Path;
fn put(t: &str, n: &str, b: &[u8]) { let d = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(t); fs::create_dir_all(&d).unwrap(); fs::write(d.join(n), b).unwrap(); println!("{t}/{n} {}", b.len()); }
#[test]
fn seeds() {
    for (i, n) in [0u64, 3, 5, 8].into_iter().enumerate() {
        let s = Source { seed: 2, networks: 1, max_channels: 4 };
        let c = s.case(n);
        put("network", &format!("random{i}.hbn"), &c.problem.network().to_bytes().unwrap());
        if i < 3 { put("case", &format!("random{i}.json"), CaseFile::new(&c, "seed".into(), None).unwrap().to_json().as_bytes()); }
    }
    let sizes = Sizes { image_side: 8, classes: 2, widths: vec![1, 1, 1] };
    let c = random::checkpoint(Arch::ResNet20, &sizes, 1);
    match c { Ok(c) => put("checkpoint", "resnet20.safetensors", &c.to_bytes()), Err(e) => println!("{e}") }
}
