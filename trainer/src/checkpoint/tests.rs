//! Checkpoints round trip, and bad files are refused by name.

use super::*;
use crate::data::stream;

fn checkpoint(method: Method) -> (ResNet20, Checkpoint) {
    let net = ResNet20::new(method, &mut stream(41, 0));
    let checkpoint = Checkpoint::of(&net, Norm::Ovsw, &Grid::default(), 3, 41);
    (net, checkpoint)
}

fn saved(checkpoint: &Checkpoint) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("checkpoint.safetensors");
    checkpoint.save(&path).expect("save");
    (dir, path)
}

#[test]
fn network_and_description_survive_a_round_trip() {
    for method in [Method::Vanilla, Method::Recu, Method::Ovsw] {
        let (net, written) = checkpoint(method);
        let (_dir, path) = saved(&written);
        let read = Checkpoint::load(&path).expect("load");
        assert_eq!(read.metadata, written.metadata);
        let (back, description) = network(&read, &path).expect("a network");
        assert_eq!((back.params, back.buffers), (net.params, net.buffers));
        assert_eq!(description, Description { method, norm: Norm::Ovsw, grid: Grid::default() });
    }
}

#[test]
fn metadata_are_strings_of_the_specification() {
    let (_, checkpoint) = checkpoint(Method::Recu);
    let get = |key: &str| checkpoint.metadata[key].as_str();
    assert_eq!(
        [get("heartbit.schema"), get("arch"), get("method"), get("norm"), get("classes")],
        ["1", "resnet20", "recu", "ovsw", "10"]
    );
    assert_eq!((get("epoch"), get("seed")), ("3", "41"));
}

#[test]
fn same_contents_give_the_same_bytes() {
    assert_eq!(checkpoint(Method::Recu).1.to_bytes(), checkpoint(Method::Recu).1.to_bytes());
}

#[track_caller]
fn check_refused(change: impl FnOnce(&mut Checkpoint), reason: &str) {
    let (_, mut checkpoint) = checkpoint(Method::Recu);
    change(&mut checkpoint);
    let error = network(&checkpoint, Path::new("x")).expect_err("must be refused").to_string();
    assert!(error.contains(reason), "{error}");
}

#[test]
fn unusable_checkpoints_are_refused_by_name() {
    check_refused(
        |c| c.arrays.list.retain(|a| a.name != "layer2.1.bn1.running_var"),
        "`layer2.1.bn1.running_var` is missing",
    );
    check_refused(
        |c| {
            c.arrays.list.iter_mut().for_each(|a| {
                if a.name == "linear.bias" {
                    a.shape = vec![2, 5];
                }
            });
        },
        "`linear.bias` has shape [2, 5], not [10]",
    );
    check_refused(|c| c.arrays.list.iter_mut().for_each(|a| a.values[0] = f32::NAN), "not finite");
    check_refused(|c| drop(c.metadata.insert("arch".into(), "vgg".into())), "`arch` is `vgg`");
    check_refused(|c| drop(c.metadata.remove("norm")), "metadata `norm` is missing");
    check_refused(|c| drop(c.metadata.insert("method".into(), "ovsw".into())), "disagree");
}

#[test]
fn damaged_file_is_an_error() {
    let (_, checkpoint) = checkpoint(Method::Recu);
    let (_dir, path) = saved(&checkpoint);
    let bytes = std::fs::read(&path).expect("read");
    for cut in [0, 7, 100, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..cut]).expect("write");
        assert!(matches!(Checkpoint::load(&path), Err(Error::Checkpoint { .. })), "{cut}");
    }
}
