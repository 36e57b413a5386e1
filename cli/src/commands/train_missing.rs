//! `train`, `bench train`, `landscape` and the float engine in a binary that was built without
//! the trainer.

use super::eval::FloatAndGrid;
use crate::args::{Format, TrainArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::inputs::Images;
use std::path::Path;

pub(crate) fn run(_: &TrainArgs, _: Format) -> Outcome {
    Err(missing())
}

pub(crate) fn evaluate(_: &Path, _: &Images) -> Outcome<FloatAndGrid> {
    Err(missing())
}

pub(crate) fn missing() -> Failure {
    Failure::new(Code::Usage, "this binary was built without the trainer").help(
        "install it with `cargo install --path cli --locked --features train`, in the checkout",
    )
}
