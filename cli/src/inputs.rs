//! Reads what commands are given: models, builds, images.

use crate::args::DataArgs;
use crate::failure::{Code, Failure, Outcome};
use heartbit_compiler::build::{self, Build};
use heartbit_compiler::fold::fold;
use heartbit_dataset::Cifar10;
use heartbit_ir::network::Network;
use heartbit_model::Checkpoint;
use std::path::Path;

/// Largest checkpoint that is read.
const MAX_CHECKPOINT: u64 = 1 << 31;

/// Reads a checkpoint.
pub(crate) fn checkpoint(path: &Path) -> Outcome<Checkpoint> {
    let io = |error: std::io::Error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("cannot read `{}`", path.display()))
            .help("give a checkpoint (.safetensors) that `heartbit train` or `random` wrote")
    };
    let size = std::fs::metadata(path).map_err(io)?.len();
    if size > MAX_CHECKPOINT {
        let message = format!("`{}` has {size} bytes, more than 2 GiB", path.display());
        return Err(Failure::new(Code::BadInput, message).help("give a checkpoint"));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    Checkpoint::from_bytes(&bytes).map_err(|error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("cannot use `{}`", path.display()))
            .help("give a checkpoint (.safetensors) that `heartbit train` or `random` wrote")
    })
}

/// Reads a network, folding it first where the file is a checkpoint.
pub(crate) fn network(path: &Path) -> Outcome<Network> {
    if path.extension().is_some_and(|e| e == "safetensors") {
        let network = fold(&checkpoint(path)?);
        return network.map_err(|e| Failure::from(e).context(format!("in `{}`", path.display())));
    }
    Network::read(path).map_err(|e| Failure::from(e).context(format!("in `{}`", path.display())))
}

/// Reads a build.
pub(crate) fn build(path: &Path) -> Outcome<Build> {
    if !path.is_dir() {
        let message = format!("`{}` is not a build directory", path.display());
        let help = format!(
            "write one with `heartbit compile MODEL --array 8x8x16 --out {}`",
            path.display()
        );
        return Err(Failure::new(Code::BadInput, message).help(help));
    }
    Ok(build::read(path)?)
}

/// Test images with their labels.
pub(crate) struct Images {
    set: Cifar10,
    len: usize,
}

impl Images {
    /// Reads the test set, or its first images.
    pub(crate) fn test(args: &DataArgs) -> Outcome<Self> {
        Self::load(&args.data, args.images)
    }

    /// Reads the first images of a test set.
    pub(crate) fn load(directory: &Path, limit: Option<usize>) -> Outcome<Self> {
        let set = Cifar10::load_test(directory)?;
        let len = limit.unwrap_or(set.len());
        if len == 0 || len > set.len() {
            let message =
                format!("{len} images, but `{}` holds {}", directory.display(), set.len());
            let help = format!("give `--images` 1 to {}", set.len());
            return Err(Failure::new(Code::Usage, message).help(help));
        }
        Ok(Self { set, len })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of an image in `[y][x][channel]` order.
    pub(crate) fn image(&self, index: usize) -> Vec<u8> {
        self.set.image_hwc(index)
    }

    pub(crate) fn label(&self, index: usize) -> usize {
        usize::from(self.set.labels[index])
    }

    #[cfg(feature = "train")]
    pub(crate) fn set(&self) -> &Cifar10 {
        &self.set
    }
}
