//! The whole compiler on an untrained ResNet-20.

use heartbit_compiler::build;
use heartbit_compiler::fold::{FoldError, fold};
use heartbit_compiler::predict::predict;
use heartbit_compiler::random;
use heartbit_compiler::schedule::{ScheduleError, Target, compile};
use heartbit_ir::network::{Network, OpKind};
use heartbit_model::{Arch, Checkpoint, CheckpointError};

fn checkpoint(seed: u64) -> Checkpoint {
    random::checkpoint(Arch::ResNet20, &Arch::ResNet20.published(), seed).expect("valid sizes")
}

fn network() -> Network {
    fold(&checkpoint(1)).expect("complete")
}

fn target(shape: &str) -> Target {
    Target::sized_for_network(shape.parse().expect("an array"))
}

#[test]
fn random_checkpoints_repeat_and_survive_their_file() {
    let made = checkpoint(7);
    assert_eq!(made, checkpoint(7));
    assert_ne!(made, checkpoint(8));
    let bytes = made.to_bytes();
    assert_eq!(bytes, made.clone().to_bytes());
    assert_eq!(Checkpoint::from_bytes(&bytes).expect("readable"), made);
}

#[test]
fn folding_keeps_the_specified_binary_macs() {
    let network = network();
    let types = network.validate().expect("valid");
    assert_eq!(network.binary_macs(&types), 40_108_032);
    assert_eq!(network.classes(), 10);
}

#[test]
fn a_missing_parameter_is_named() {
    let mut checkpoint = checkpoint(1);
    checkpoint.tensors.remove("layer2.1.bn2.running_var");
    let error = fold(&checkpoint).expect_err("incomplete");
    assert!(matches!(
        error,
        FoldError::Checkpoint(CheckpointError::MissingTensor { ref key })
            if key == "layer2.1.bn2.running_var"
    ));
}

#[test]
fn descriptors_agree_with_the_prediction_on_every_array() {
    let network = network();
    for shape in ["8x8x16", "4x8x32", "8x16x64", "3x5x7", "16x7x4", "1x4x8"] {
        let compiled = compile(&network, &target(shape)).expect("fits");
        let cycles = predict(&compiled.program).total().0;
        let binary = network.binary_macs(&compiled.plan.types);
        let a = compiled.program.array;
        let peak = (a.rows * a.cols * a.lanes) as u64;
        assert!(cycles > binary / peak, "{shape}: {cycles} cycles");
    }
}

#[test]
fn everything_that_does_not_fit_is_reported() {
    let network = network();
    let mut target = target("8x8x16");
    let needed = compile(&network, &target).expect("fits").program;
    target.acc_bits = Some(needed.array.acc_bits - 1);
    target.depths = Some(needed.depths);
    if let Some(depths) = &mut target.depths {
        depths.weight -= 1;
        depths.stream -= 1;
    }
    let Err(ScheduleError::DoesNotFit(misfits)) = compile(&network, &target) else {
        panic!("compiled for an array that is too small");
    };
    let resources: Vec<_> = misfits.iter().map(|m| m.resource).collect();
    assert_eq!(resources, ["--acc-bits", "--weight-words", "--stream-words"]);
    assert_eq!(misfits[0].layer.as_deref(), Some("linear"));
}

#[test]
fn builds_are_read_back_and_replaced_whole() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("build");
    let network = network();
    for shape in ["8x8x16", "4x8x32", "4x3x70"] {
        let compiled = compile(&network, &target(shape)).expect("fits");
        build::write(&path, &network, &compiled, &[]).expect("writable");
        let read = build::read(&path).expect("readable");
        assert_eq!(read.network, network);
        assert_eq!(read.compiled, compiled);
    }
    assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 1);
    let steps = path.join("mem/steps_0.hex");
    let text = std::fs::read_to_string(&steps).expect("readable");
    std::fs::write(&steps, format!("g{}", &text[1..])).expect("writable");
    let error = build::read(&path).expect_err("damaged").to_string();
    assert!(error.contains("steps_0.hex") && error.contains("line 1"), "{error}");
}

#[test]
fn a_directory_that_is_no_build_is_kept() {
    let directory = tempfile::tempdir().expect("temporary directory");
    std::fs::write(directory.path().join("precious"), "data").expect("writable");
    let network = network();
    let compiled = compile(&network, &target("8x8x16")).expect("fits");
    let error = build::write(directory.path(), &network, &compiled, &[]).expect_err("occupied");
    assert!(matches!(error, build::BuildError::NotABuild { .. }));
    assert!(directory.path().join("precious").exists());
}

#[test]
fn a_strided_stem_is_refused() {
    let mut network = network();
    let OpKind::Conv { stride, .. } = &mut network.ops[1].kind else { panic!("the stem") };
    *stride = 2;
    assert!(matches!(compile(&network, &target("8x8x16")), Err(ScheduleError::Plan(_))));
}
