//! The presets against section 4.1 and 1.8 of the specification, number by number.

use super::*;

const CIFAR: [Arch; 5] =
    [Arch::ResNet20, Arch::ResNet18, Arch::ResNet18Ovsw, Arch::VggSmall, Arch::VggSmallOvsw];

fn cifar(arch: Arch, method: Method) -> TrainConfig {
    preset(arch, method, DatasetKind::Cifar10, Stage::Binary)
}

#[test]
fn every_preset_is_valid() {
    for arch in Arch::ALL {
        for method in Method::ALL {
            for dataset in DatasetKind::ALL {
                for stage in Stage::ALL {
                    let config = preset(arch, method, dataset, stage);
                    let found = config.validate();
                    assert!(found.is_ok(), "{arch} {dataset} {stage:?}: {found:?}");
                }
            }
        }
    }
}

#[test]
fn cifar_takes_the_values_of_both_papers() {
    for arch in CIFAR {
        for method in Method::ALL {
            let c = cifar(arch, method);
            assert_eq!((c.epochs, c.batch, c.warmup_epochs), (600, 256, 5));
            assert_eq!((c.lr, c.weight_decay), (0.1, 5e-4));
            assert_eq!(c.optimizer, OptimizerSettings::Sgd { momentum: 0.9, nesterov: false });
            assert_eq!(c.decay_groups, DecayGroups::All);
            assert_eq!(c.init.norm_scale, 1.0);
            let hooks =
                (c.ags.map(|a| a.lambda), c.sad.map(|s| (s.sigma, s.momentum, s.threshold)));
            let ovsw = matches!(method, Method::Ovsw | Method::RecuOvsw);
            let expected =
                if ovsw { (Some(0.04), Some((9e-4, 0.999, 1e-4))) } else { (None, None) };
            assert_eq!(hooks, expected);
        }
        assert_eq!(cifar(arch, Method::Recu).lr_shape, LrShape::RecuCosine);
        assert_eq!(cifar(arch, Method::Ovsw).lr_shape, LrShape::OvswCosine);
    }
}

#[test]
fn imagenet_takes_the_values_of_both_papers() {
    let config = |arch, method| preset(arch, method, DatasetKind::Imagenet, Stage::Binary);
    for arch in [Arch::ResNet18ImageNet, Arch::ResNet34ImageNet] {
        for method in Method::ALL {
            let c = config(arch, method);
            assert_eq!((c.epochs, c.batch, c.warmup_epochs), (200, 512, 5));
            assert_eq!((c.lr, c.weight_decay), (0.1, 1e-4));
            assert_eq!(c.init.norm_scale, 1e-8);
        }
        assert_eq!(config(arch, Method::Recu).decay_groups, DecayGroups::RecuImagenet);
        let ovsw = config(arch, Method::Ovsw);
        assert_eq!(ovsw.decay_groups, DecayGroups::OvswImagenet);
        assert_eq!(ovsw.ags.map(|a| a.lambda), Some(0.02));
        assert_eq!(ovsw.sad.map(|s| s.sigma), Some(2e-5));
    }
}

#[test]
fn two_stages_take_adam_and_no_decay_but_on_real_convolutions() {
    for (dataset, batch) in [(DatasetKind::Cifar10, 256), (DatasetKind::Imagenet, 512)] {
        let stage = |stage| preset(Arch::ReActNet18, Method::Recu, dataset, stage);
        let (first, second) = (stage(Stage::RealWeights), stage(Stage::Binary));
        for c in [&first, &second] {
            assert_eq!((c.epochs, c.batch, c.lr), (256, batch, 1e-3));
            assert_eq!(c.optimizer, OptimizerSettings::Adam { betas: [0.9, 0.999], eps: 1e-8 });
            assert_eq!(c.init.binary, WeightInit::Standard);
        }
        assert_eq!((first.weight_decay, first.decay_groups), (1e-5, DecayGroups::ConvWeights));
        assert_eq!((first.lr_shape, first.warmup_epochs), (LrShape::Linear, 0));
        assert_eq!((second.weight_decay, second.decay_groups), (0.0, DecayGroups::None));
        assert_eq!((second.lr_shape, second.warmup_epochs), (LrShape::RecuCosine, 5));
        let imagenet = dataset == DatasetKind::Imagenet;
        assert_eq!(first.resized_crop, imagenet.then_some([0.08, 1.0]));
        assert_eq!(second.resized_crop, None);
    }
}

#[test]
fn initial_values_are_those_of_the_networks_and_methods() {
    use WeightInit::{FanOutNormal, KaimingNormal, Standard};
    for (arch, method, binary, real) in [
        (Arch::ResNet20, Method::Recu, KaimingNormal, KaimingNormal),
        (Arch::ResNet20, Method::RecuOvsw, KaimingNormal, KaimingNormal),
        (Arch::ResNet20, Method::Ovsw, KaimingNormal, Standard),
        (Arch::ResNet18Ovsw, Method::Vanilla, KaimingNormal, Standard),
        (Arch::VggSmall, Method::Recu, FanOutNormal, FanOutNormal),
        (Arch::VggSmallOvsw, Method::Ovsw, FanOutNormal, FanOutNormal),
    ] {
        let init = cifar(arch, method).init;
        assert_eq!((init.binary, init.real), (binary, real), "{arch} {method:?}");
        let vgg = matches!(arch, Arch::VggSmall | Arch::VggSmallOvsw);
        assert_eq!(init.classifier_normal, vgg);
    }
}
