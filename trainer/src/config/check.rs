//! Which settings make no sense; all of them are reported at once.

use std::fmt::Debug;

use heartbit_dataset::Augment;

use super::{Stage, TrainConfig};
use crate::Error;
use crate::device::DEVICES;
use crate::error::Problem;
use crate::optim::OptimizerSettings;
use crate::schedule::LrShape;

/// Collects the settings that break a rule.
#[derive(Default)]
struct Checker {
    problems: Vec<Problem>,
}

impl Checker {
    fn check(&mut self, ok: bool, name: &str, value: impl Debug, rule: &str) {
        if !ok {
            self.problems.push(Problem::new(name, format!("{value:?}"), rule.to_owned()));
        }
    }
}

fn positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

fn not_negative(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

impl TrainConfig {
    /// Checks the values. Whether files exist is not looked at.
    ///
    /// # Errors
    /// [`Error::Config`] with every setting that makes no sense.
    pub fn validate(&self) -> Result<(), Error> {
        let mut c = Checker::default();
        self.check_network(&mut c);
        self.check_data(&mut c);
        self.check_schedule(&mut c);
        self.check_optimizer(&mut c);
        self.check_hooks(&mut c);
        if c.problems.is_empty() { Ok(()) } else { Err(Error::Config { problems: c.problems }) }
    }

    fn check_network(&self, c: &mut Checker) {
        if let Err(error) = self.graph() {
            let name = match error.what {
                "image side" => "image_side",
                what => what,
            };
            c.problems.push(Problem::new(name, &error.value, error.rule));
        }
        c.check(
            self.weight_gradient.fits(self.method),
            "weight_gradient",
            self.weight_gradient.name(),
            "`recu` is for the methods with centred weights, the others are for the other methods",
        );
        let scale = self.init.binary_scale;
        c.check(positive(scale), "init.binary_scale", scale, "it is positive");
        let scale = self.init.norm_scale;
        c.check(scale.is_finite(), "init.norm_scale", scale, "it is a number");
        c.check(
            self.grid.is_valid(),
            "grid",
            &self.grid,
            "levels have 1 to 8 bits and the stream 1 to 14 fraction bits",
        );
        let known = DEVICES.contains(&self.device.as_str());
        c.check(known, "device", &self.device, "it is `cpu`, `cuda`, `rocm` or `wgpu`");
    }

    fn check_data(&self, c: &mut Checker) {
        c.check(self.batch >= 2, "batch", self.batch, "batch statistics need two images");
        let two = |n: Option<usize>| n.is_none_or(|n| n >= 2);
        c.check(two(self.train_images), "train_images", self.train_images, "there are at least 2");
        let one = |n: Option<usize>| n.is_none_or(|n| n >= 1);
        c.check(one(self.test_images), "test_images", self.test_images, "there is at least 1");
        let side = self.sizes().image_side;
        c.check(
            self.crop.is_none_or(|pad| pad < side),
            "crop",
            self.crop,
            "the padding is smaller than the image",
        );
        // The rules of the loader, which stops at the first that is broken.
        let augment = self.augmentation();
        for one in [
            Augment { resized_crop: augment.resized_crop, ..Augment::NONE },
            Augment { rotation: augment.rotation, ..Augment::NONE },
            Augment { lighting: augment.lighting, ..Augment::NONE },
        ] {
            if let Err(heartbit_dataset::Error::Augment { option, value, rule }) = one.validate() {
                let name = option.replace(' ', "_");
                c.problems.push(Problem::new(name, value, format!("it must be {rule}")));
            }
        }
        c.check(self.keep >= 1, "keep", self.keep, "the last epoch at least is kept");
    }

    fn check_schedule(&self, c: &mut Checker) {
        c.check(self.epochs >= 1, "epochs", self.epochs, "there is at least one");
        c.check(positive(self.lr), "lr", self.lr, "it is positive");
        c.check(
            self.warmup_epochs <= self.epochs,
            "warmup_epochs",
            self.warmup_epochs,
            "it is at most `epochs`",
        );
        if let LrShape::Step { milestones, gamma } = &self.lr_shape {
            c.check(
                !milestones.is_empty() && milestones.is_sorted_by(|a, b| a < b),
                "lr_shape.milestones",
                milestones,
                "there is at least one, and they rise",
            );
            let inside = *gamma > 0.0 && *gamma <= 1.0;
            c.check(inside, "lr_shape.gamma", gamma, "it is above 0 and at most 1");
        }
        let tau = self.tau;
        c.check(
            tau.min > 0.5 && tau.min <= tau.max && tau.max <= 1.0,
            "tau",
            [tau.min, tau.max],
            "it grows within 0.5 to 1",
        );
    }

    fn check_optimizer(&self, c: &mut Checker) {
        match self.optimizer {
            OptimizerSettings::Sgd { momentum, nesterov } => {
                let inside = (0.0..1.0).contains(&momentum);
                c.check(inside, "optimizer.momentum", momentum, "it is in 0..1");
                let fits = !nesterov || momentum > 0.0;
                c.check(fits, "optimizer.nesterov", nesterov, "it needs a momentum");
            }
            OptimizerSettings::Adam { betas, eps } => {
                let inside = betas.iter().all(|b| (0.0..1.0).contains(b));
                c.check(inside, "optimizer.betas", betas, "both are in 0..1");
                c.check(positive(eps), "optimizer.eps", eps, "it is positive");
            }
        }
        let decay = self.weight_decay;
        c.check(not_negative(decay), "weight_decay", decay, "it is not negative");
        let smoothing = self.label_smoothing;
        let inside = (0.0..1.0).contains(&smoothing);
        c.check(inside, "label_smoothing", smoothing, "it is in 0..1");
        c.check(
            smoothing == 0.0 || self.teacher.is_none(),
            "label_smoothing",
            smoothing,
            "with a teacher there is no label to smooth",
        );
    }

    fn check_hooks(&self, c: &mut Checker) {
        if let Some(ags) = self.ags {
            c.check(positive(ags.lambda), "ags.lambda", ags.lambda, "it is positive");
        }
        if let Some(sad) = self.sad {
            c.check(not_negative(sad.sigma), "sad.sigma", sad.sigma, "it is not negative");
            let inside = (0.0..1.0).contains(&sad.momentum);
            c.check(inside, "sad.momentum", sad.momentum, "it is in 0..1");
            c.check(positive(sad.threshold), "sad.threshold", sad.threshold, "it is positive");
        }
        if self.stage == Stage::RealWeights {
            let rule = "real weights have no signs that could be silent";
            c.check(self.ags.is_none(), "ags", self.ags, rule);
            c.check(self.sad.is_none(), "sad", self.sad, rule);
        }
    }
}
