//! Checkpoints that PyTorch wrote (`model/fixtures`): every one is imported and computes the logits
//! that PyTorch computed; damaged and hostile ones are errors.
//!
//! Not here: the pickle machine and views alone, which have tests beside them.

use heartbit_model::graph::Parameter;
use heartbit_model::import::{self, Container, ImportError, Imported, Layout, Options};
use heartbit_model::{Arch, Method, Norm, Tensor, TensorFile, float};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zip::write::SimpleFileOptions;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A checkpoint with what is known about it.
struct Fixture {
    name: String,
    bytes: Vec<u8>,
    facts: Value,
}

impl Fixture {
    fn load(name: &str) -> Self {
        let json = read(&folder().join(format!("{name}.json")));
        let facts: Value = serde_json::from_slice(&json).expect("JSON");
        let file = facts["file"].as_str().expect("a name");
        Self { name: name.to_owned(), bytes: read(&folder().join(file)), facts }
    }

    /// All of them.
    fn all() -> Vec<Self> {
        let mut names: Vec<String> = std::fs::read_dir(folder())
            .expect("the folder of fixtures")
            .map(|entry| entry.expect("readable").path())
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
            .map(|path| path.file_stem().expect("a name").to_str().expect("ASCII").to_owned())
            .collect();
        names.sort();
        assert!(names.len() >= 10, "fixtures are missing: {names:?}");
        names.iter().map(|name| Self::load(name)).collect()
    }

    fn text(&self, key: &str) -> &str {
        self.facts[key].as_str().expect("a text")
    }

    fn side(&self) -> usize {
        number(&self.facts["image"]["height"])
    }

    fn has(&self, feature: &str) -> bool {
        self.facts["features"].as_array().expect("a list").iter().any(|f| f == feature)
    }

    /// The image's side, which files of networks with a global pool do not say.
    fn options(&self) -> Options {
        let flattens = self.text("arch").starts_with("vgg");
        Options { image_side: (!flattens).then(|| self.side()), ..Options::default() }
    }

    fn import(&self) -> Imported {
        let options = self.options();
        import::import(&self.bytes, &self.name, &options)
            .unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// The bytes of an image by the rule in `byte_rule`.
    fn image(&self, n: usize) -> Vec<u8> {
        let rule = "(37 n + 91 c + 7 y^2 + 13 x + 29 ((x y) mod 11)) mod 256";
        assert_eq!(self.text("byte_rule"), rule);
        let side = self.side();
        let mut bytes = Vec::new();
        for c in 0..3 {
            for y in 0..side {
                bytes.extend((0..side).map(|x| {
                    let sum = 37 * n + 91 * c + 7 * y * y + 13 * x + 29 * ((x * y) % 11);
                    u8::try_from(sum % 256).expect("below 256")
                }));
            }
        }
        bytes
    }
}

fn number(value: &Value) -> usize {
    value.as_u64().and_then(|n| n.try_into().ok()).expect("a count")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
}

#[test]
fn fixtures_are_recognised() {
    for fixture in Fixture::all() {
        let imported = fixture.import();
        let checkpoint = &imported.checkpoint;
        let name = &fixture.name;
        assert_eq!(checkpoint.arch.name(), fixture.text("arch"), "{name}");
        assert_eq!(checkpoint.method.name(), fixture.text("method"), "{name}");
        assert_eq!(checkpoint.norm.name(), fixture.text("norm"), "{name}");
        assert_eq!(imported.layout.name(), fixture.text("layout"), "{name}");
        let container = match fixture.text("container") {
            "zip" => Container::Zip,
            "legacy" => Container::Legacy,
            "safetensors" => Container::Safetensors,
            other => panic!("{name}: container `{other}`"),
        };
        assert_eq!(imported.container, container, "{name}");
        assert_eq!(checkpoint.sizes.classes, number(&fixture.facts["classes"]), "{name}");
        assert_eq!(checkpoint.sizes.image_side, fixture.side(), "{name}");
        let widths: Vec<usize> =
            fixture.facts["widths"].as_array().expect("a list").iter().map(number).collect();
        assert_eq!(checkpoint.sizes.widths, widths, "{name}");
        assert_eq!(imported.zeros, 0, "{name}");
        assert_eq!(imported.scales_moved, fixture.has("learned_scale"), "{name}");
    }
}

#[test]
fn every_key_of_the_fixtures_is_accounted_for() {
    let known = ["num_batches_tracked", "tau", "weight_prev", "tracker"];
    for fixture in Fixture::all() {
        let imported = fixture.import();
        assert_eq!(imported.unused, [""; 0], "{}", fixture.name);
        for key in &imported.not_needed {
            assert!(known.iter().any(|end| key.ends_with(&format!(".{end}"))), "{key}");
        }
        let buffers = |end: &str| imported.not_needed.iter().filter(|k| k.ends_with(end)).count();
        let graph = imported.checkpoint.graph();
        let norms = if fixture.has("no_batch_counts") { 0 } else { graph.norms().len() };
        assert_eq!(buffers(".num_batches_tracked"), norms, "{}", fixture.name);
        let convs = graph.binary_convs().count();
        let recu = if imported.layout == Layout::Recu { convs } else { 0 };
        assert_eq!(buffers(".tau"), recu, "{}", fixture.name);
        let silence = if fixture.has("silence") { convs } else { 0 };
        assert_eq!(buffers(".tracker"), silence, "{}", fixture.name);
        let parameters: usize =
            graph.parameters(imported.checkpoint.method).iter().map(Parameter::len).sum();
        assert_eq!(imported.parameters, parameters);
    }
}

#[test]
fn fixtures_compute_the_logits_of_pytorch() {
    for fixture in Fixture::all() {
        let imported = fixture.import();
        // Moved scales are rounded to `f32` once more.
        let tolerance = if imported.scales_moved { 1e-5 } else { 1e-9 };
        let expected = fixture.facts["logits_f64"].as_array().expect("a list");
        assert_eq!(expected.len(), 2);
        for (n, expected) in expected.iter().enumerate() {
            let expected = numbers(expected);
            let actual = float::logits(&imported.checkpoint, &fixture.image(n));
            assert_eq!(actual.len(), expected.len());
            let largest = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            for (a, e) in actual.iter().zip(&expected) {
                let name = &fixture.name;
                assert!((a - e).abs() <= tolerance * largest, "{name}, image {n}: {a} and {e}");
            }
        }
    }
}

#[test]
fn provenance_says_where_a_checkpoint_is_from() {
    let fixture = Fixture::load("recu-resnet20");
    let provenance = fixture.import().checkpoint.provenance;
    let get = |key: &str| provenance.get(key).map(String::as_str);
    assert_eq!(get("import.file"), Some("recu-resnet20"));
    assert_eq!(get("import.container"), Some("PyTorch legacy"));
    assert_eq!(get("import.layout"), Some("ReCU"));
    assert_eq!(get("import.epoch"), Some("8"));
    assert_eq!(get("import.best_accuracy"), Some("61.25"), "a tensor of one element");
    let hash = blake3::hash(&fixture.bytes).to_hex();
    assert_eq!(get("import.blake3"), Some(hash.as_str()));
}

#[test]
fn the_same_network_in_two_containers_is_the_same_checkpoint() {
    let legacy = Fixture::load("recu-resnet20").import().checkpoint;
    let safetensors = Fixture::load("recu-resnet20-safetensors").import().checkpoint;
    assert_eq!(legacy.sizes, safetensors.sizes);
    assert_eq!(legacy.tensors, safetensors.tensors);
}

/// The tensors of a fixture under their keys, to be changed and written as safetensors.
fn tensors(name: &str) -> BTreeMap<String, Tensor> {
    Fixture::load(name).import().checkpoint.tensors
}

fn import_tensors(tensors: &BTreeMap<String, Tensor>) -> Result<Imported, ImportError> {
    import_with(tensors, &Options::default())
}

fn import_with(
    tensors: &BTreeMap<String, Tensor>,
    options: &Options,
) -> Result<Imported, ImportError> {
    let file = TensorFile { metadata: BTreeMap::new(), tensors: tensors.clone() };
    import::import(&file.to_bytes(), "changed", options)
}

#[test]
fn every_architecture_is_recognised_among_all_with_published_sizes_or_not() {
    for arch in Arch::ALL {
        for method in [Method::Recu, Method::Ovsw] {
            let mut sizes = arch.published();
            sizes.widths = vec![4; sizes.widths.len()];
            let graph = arch.graph_with(&sizes).expect("valid");
            let mut tensors: BTreeMap<String, Tensor> = graph
                .parameters(method)
                .into_iter()
                .map(|p| (p.key.clone(), Tensor::new(&p.shape, vec![0.5; p.len()])))
                .collect();
            for (key, channels) in graph.buffers() {
                tensors.insert(key, Tensor::new(&[channels], vec![1.0; channels]));
            }
            let imported = import_tensors(&tensors).expect("complete");
            assert_eq!((imported.checkpoint.arch, imported.checkpoint.method), (arch, method));
            assert_eq!(imported.checkpoint.sizes, sizes);
            // Filters of equal weights: every weight is its filter's mean.
            let weights: usize = graph.binary_convs().map(|c| c.cout * c.fan_in()).sum();
            assert_eq!(imported.zeros, if method == Method::Recu { weights } else { 0 });
        }
    }
}

#[test]
fn what_is_asked_for_is_taken_where_it_fits() {
    let recu = tensors("recu-resnet20");
    let ovsw = tensors("ovsw-resnet20");
    let vanilla = Options { method: Some(Method::Vanilla), ..Options::default() };
    assert_eq!(import_with(&ovsw, &vanilla).expect("fits").checkpoint.method, Method::Vanilla);
    let norm = Options { norm: Some(Norm::Recu), ..Options::default() };
    assert_eq!(import_with(&ovsw, &norm).expect("fits").checkpoint.norm, Norm::Recu);
    let both = Options { method: Some(Method::RecuOvsw), ..Options::default() };
    assert_eq!(import_with(&recu, &both).expect("fits").checkpoint.method, Method::RecuOvsw);
    let error = import_with(&recu, &vanilla).expect_err("scales");
    assert_eq!(
        error.to_string(),
        "the file has ReCU's learned scales (`alpha`), which method `vanilla` does not"
    );
    let recu_of_ovsw = Options { method: Some(Method::Recu), ..Options::default() };
    let error = import_with(&ovsw, &recu_of_ovsw).expect_err("no scales");
    assert!(matches!(error, ImportError::NoArchitecture { .. }), "{error}");
    let vgg = Options { arch: Some(Arch::VggSmall), ..Options::default() };
    let error = import_with(&recu, &vgg).expect_err("another network");
    assert!(
        error.to_string().starts_with("`vgg-small` needs parameters that the file lacks: conv0."),
        "{error}"
    );
}

#[track_caller]
fn refuse(change: impl Fn(&mut BTreeMap<String, Tensor>), message: &str) {
    let mut tensors = tensors("recu-resnet20");
    change(&mut tensors);
    let error = import_tensors(&tensors).expect_err("refused").to_string();
    assert!(error.contains(message), "{error}");
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    refuse(
        |t| {
            t.remove("layer2.1.conv1.alpha");
            t.remove("bn2.running_var");
        },
        "`resnet20` is closest and lacks layer2.1.conv1.alpha, bn2.running_var",
    );
    refuse(
        |t| drop(t.insert("bn2.weight".into(), Tensor::new(&[15], vec![1.0; 15]))),
        "parameters have other shapes than `resnet20` needs: `bn2.weight` has [15], needed [16]",
    );
    refuse(
        |t| drop(t.insert("layer1.3.conv1.weight".into(), Tensor::new(&[1; 4], vec![1.0]))),
        "the file has convolutions that `resnet20` lacks: layer1.3.conv1.weight",
    );
    refuse(
        |t| drop(t.insert("module.linear.bias".into(), Tensor::new(&[10], vec![1.0; 10]))),
        "keys `linear.bias` and `module.linear.bias` name the same parameter",
    );
    refuse(
        |t| t.get_mut("linear.bias").expect("there").data[3] = f32::NAN,
        "parameter `linear.bias` holds NaN",
    );
    refuse(
        |t| {
            let thin = Tensor::new(&[6, 4, 3, 3], vec![1.0; 216]);
            t.insert("layer2.0.conv1.weight".into(), thin);
        },
        "`resnet20` cannot have widths [4, 6, 16]",
    );
}

#[test]
fn unknown_keys_are_listed_and_do_not_matter() {
    let mut changed = tensors("recu-resnet20");
    changed.insert("teacher.bias".into(), Tensor::new(&[1], vec![1.0]));
    changed.insert("elsewhere.tau".into(), Tensor::new(&[1], vec![1.0]));
    let imported = import_tensors(&changed).expect("complete");
    assert_eq!(imported.unused, ["elsewhere.tau", "teacher.bias"]);
    assert_eq!(imported.checkpoint.tensors, tensors("recu-resnet20"));
}

#[test]
fn classifier_may_be_a_convolution_and_alpha_of_any_rank() {
    let mut changed = tensors("recu-resnet20");
    changed.get_mut("linear.weight").expect("there").shape = vec![10, 16, 1, 1];
    changed.get_mut("layer1.0.conv1.alpha").expect("there").shape = vec![4];
    let imported = import_tensors(&changed).expect("only sizes of 1 differ");
    assert_eq!(imported.checkpoint.tensors, tensors("recu-resnet20"));
}

#[test]
fn side_of_the_image_follows_from_a_flattened_map() {
    let mut changed = tensors("recu-vgg-small");
    changed.insert("fc.weight".into(), Tensor::new(&[10, 32 * 9], vec![0.5; 10 * 32 * 9]));
    assert_eq!(import_tensors(&changed).expect("3·3").checkpoint.sizes.image_side, 24);
    changed.insert("fc.weight".into(), Tensor::new(&[10, 32 * 8], vec![0.5; 10 * 32 * 8]));
    let error = import_tensors(&changed).expect_err("8 is no square").to_string();
    assert_eq!(error, "`fc.weight` has 256 columns, but 32 channels of a square map are needed");
}

/// `ReActNet`'s own keys and scales: the same as learned scales of the mean magnitudes.
#[test]
fn reactnet_takes_the_mean_magnitude_as_scale() {
    let mut plain = tensors("recu-reactnet18");
    plain.retain(|key, _| key.rsplit('.').next() != Some("alpha"));
    let mut scaled = plain.clone();
    for (key, weights) in &plain {
        if let Some(conv) = key.strip_suffix("conv.weight").filter(|c| !c.is_empty()) {
            let filters = weights.data.chunks(weights.data.len() / weights.shape[0]);
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let mean = |f: &[f32]| f.iter().map(|w| w.abs()).sum::<f32>() / f.len() as f32;
            let scales: Vec<f32> = filters.map(mean).collect();
            scaled
                .insert(format!("{conv}conv.scaling_factor"), Tensor::new(&[scales.len()], scales));
        }
    }
    let reactnet: BTreeMap<String, Tensor> = plain
        .into_iter()
        .map(|(key, tensor)| {
            let own = key
                .replace(".conv.", ".binary_conv.")
                .replace(".bn.", ".bn1.")
                .replace(".nonlinear.", ".prelu.");
            let stem = own.replacen("conv.", "conv1.", usize::from(own.starts_with("conv.")));
            let stem = stem.replacen("bn.", "bn1.", usize::from(stem.starts_with("bn.")));
            (stem, tensor)
        })
        .collect();
    assert!(reactnet.contains_key("layer4.3.binary_conv.weight"));
    assert!(reactnet.contains_key("bn1.running_mean"));
    let imported = import_tensors(&reactnet).expect("complete");
    assert_eq!((imported.layout, imported.unused.len()), (Layout::ReActNet, 0));
    assert!(imported.scales_moved);
    let expected = import_tensors(&scaled).expect("complete").checkpoint.tensors;
    for (key, tensor) in &imported.checkpoint.tensors {
        for (a, e) in tensor.data.iter().zip(&expected[key].data) {
            assert!((a - e).abs() <= 1e-5 * e.abs(), "{key}: {a} and {e}");
        }
    }
}

/// A scale of 0 leaves the offset, one of a constant filter cannot be expressed.
#[test]
fn scales_at_the_edge_are_exact_or_refused() {
    let mut scaled = tensors("ovsw-resnet20");
    let convs: Vec<String> =
        Arch::ResNet20.graph().binary_convs().map(|conv| conv.name.clone()).collect();
    for conv in &convs {
        let n = scaled[&format!("{conv}.weight")].shape[0];
        scaled.insert(format!("{conv}.scaling_factor"), Tensor::new(&[n], vec![0.0; n]));
    }
    let imported = import_tensors(&scaled).expect("scales of 0");
    let norm = |part: &str| f64::from(scaled[&format!("layer1.0.bn1.{part}")].data[2]);
    let offset =
        norm("bias") - norm("weight") * norm("running_mean") / (norm("running_var") + 1e-5).sqrt();
    let values = &imported.checkpoint.tensors;
    assert_eq!(values["layer1.0.bn1.weight"].data, [0.0; 4]);
    assert!((f64::from(values["layer1.0.bn1.bias"].data[2]) - offset).abs() < 1e-6);

    scaled.get_mut("layer1.0.conv1.scaling_factor").expect("there").data[1] = 0.5;
    let weights = scaled.get_mut("layer1.0.conv1.weight").expect("there");
    weights.data[36..72].fill(-0.25);
    let error = import_tensors(&scaled).expect_err("no statistic").to_string();
    assert_eq!(
        error,
        "filter 1 of `layer1.0.conv1.weight` is constant, so its scale 0.5 cannot be expressed"
    );
    scaled.remove("layer3.2.conv2.scaling_factor");
    let error = import_tensors(&scaled).expect_err("one is missing").to_string();
    assert!(error.ends_with("lacks: layer3.2.conv2.scaling_factor"), "{error}");
}

#[test]
fn hostile_files_are_errors_soon() {
    let folder = folder().join("hostile");
    let expected: BTreeMap<String, String> =
        serde_json::from_slice(&read(&folder.join("expected.json"))).expect("JSON");
    assert!(expected.len() >= 11);
    for (name, what) in expected {
        let bytes = read(&folder.join(&name));
        let start = Instant::now();
        let error = import::import(&bytes, &name, &Options::default());
        let error = error.expect_err(&what);
        assert!(start.elapsed() < Duration::from_secs(5), "{name} takes long");
        assert!(!error.to_string().is_empty());
        // A call of a function leaves no tensor; nothing else was evaluated.
        if name.starts_with("reduce") {
            assert_eq!(error.to_string(), "no tensors, neither under `state_dict` nor at the top");
        }
    }
}

#[test]
fn other_formats_are_named() {
    let refuse = |bytes: &[u8], message: &str| {
        let error = import::import(bytes, "x", &Options::default()).expect_err("refused");
        assert!(error.to_string().contains(message), "{error}");
    };
    refuse(b"", "neither a PyTorch checkpoint nor a safetensors file: it begins with []");
    refuse(b"#!/bin/sh", "it begins with [23, 21, 2f");
    let mut tar = vec![0; 300];
    tar[257..262].copy_from_slice(b"ustar");
    refuse(&tar, "a tar archive");
    refuse(b"\x80\x02K\x01.", "it does not begin with the magic number");
    let own = Fixture::load("recu-resnet20").import().checkpoint.to_bytes();
    refuse(&own, "already a heartbit checkpoint");
    let fixture = Fixture::load("recu-resnet18");
    let mut zip = fixture.bytes.clone();
    let order = find(&zip, b"little");
    zip[order] = b'L';
    refuse(&zip, "entry `recu-resnet18/byteorder` of the archive has checksum");
    let mut legacy = Fixture::load("recu-resnet20").bytes;
    let order = find(&legacy, b"little_endian");
    let truth = order + legacy[order..].iter().position(|b| *b == 0x88).expect("True");
    legacy[truth] = 0x89;
    refuse(&legacy, "written on a big-endian machine");
}

/// Writes the entries of an archive again, each changed.
fn rewritten(bytes: &[u8], change: impl Fn(&mut String, &mut Vec<u8>)) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("an archive");
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).expect("an entry");
        let mut name = entry.name().expect("ASCII").into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("stored");
        change(&mut name, &mut content);
        writer.start_file(name, stored).expect("in memory");
        writer.write_all(&content).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

#[test]
fn archives_that_pytorch_would_not_write_are_refused() {
    let fixture = Fixture::load("recu-resnet18");
    let import = |bytes: &[u8]| import::import(bytes, "x", &fixture.options());
    let refuse = |change: fn(&mut String, &mut Vec<u8>), message: &str| {
        let error = import(&rewritten(&fixture.bytes, change)).expect_err("refused");
        assert!(error.to_string().contains(message), "{error}");
    };
    let same = import(&rewritten(&fixture.bytes, |_, _| ())).expect("the same entries");
    assert_eq!(same.checkpoint.tensors, fixture.import().checkpoint.tensors);
    refuse(
        |name, content| {
            if name.ends_with("/byteorder") {
                *content = b"big".to_vec();
            }
        },
        "written on a big-endian machine",
    );
    refuse(
        |name, _| {
            if name.ends_with("/byteorder") {
                *name = "other/data.pkl".to_owned();
            }
        },
        "2 entries are called `FOLDER/data.pkl`, not 1",
    );
    refuse(
        |name, content| {
            if name.ends_with("/data/5") {
                content.pop();
            }
        },
        "storage `5` claims",
    );
}

fn find(bytes: &[u8], text: &[u8]) -> usize {
    bytes.windows(text.len()).position(|w| w == text).expect("there")
}

fn small_fixtures() -> impl Strategy<Value = Fixture> {
    prop::sample::select(vec!["recu-resnet20", "recu-resnet20-safetensors", "ovsw-resnet18"])
        .prop_map(Fixture::load)
}

impl std::fmt::Debug for Fixture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Changes of a few bytes, mostly where the structure is: at the start and the end.
    #[test]
    fn damaged_files_never_panic(
        fixture in small_fixtures(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0u8..3, any::<u8>()), 1..6),
    ) {
        let mut bytes = fixture.bytes;
        let len = bytes.len();
        for (at, region, with) in changes {
            let at = match region {
                0 => at.index(2_000),
                1 => len - 1 - at.index(8_000),
                _ => at.index(len),
            };
            bytes[at] = with;
        }
        if let Ok(imported) = import::import(&bytes, "damaged", &Options::default()) {
            imported.checkpoint.check().expect("what is imported is valid");
        }
    }

    #[test]
    fn cut_files_are_errors(fixture in small_fixtures(), cut in any::<prop::sample::Index>()) {
        let bytes = &fixture.bytes[..cut.index(fixture.bytes.len())];
        prop_assert!(import::import(bytes, "cut", &Options::default()).is_err());
    }
}
