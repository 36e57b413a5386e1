//! Reads what commands are given: models, builds, images.

use crate::args::DataArgs;
use crate::failure::{Code, Failure, Outcome};
use heartbit_compiler::build::{self, Build};
use heartbit_compiler::fold::fold;
use heartbit_dataset::planes::to_interleaved;
use heartbit_dataset::{Dataset, DatasetKind, OpenOptions, Split};
use heartbit_ir::network::{Network, OpKind};
use heartbit_model::Checkpoint;
use std::path::Path;
use std::sync::Arc;

/// Largest checkpoint that is read.
const MAX_CHECKPOINT: u64 = 1 << 31;

/// What to give where a checkpoint is wanted.
const CHECKPOINT_HELP: &str =
    "give a checkpoint (.safetensors) that `heartbit train`, `import` or `random` wrote";

/// Reads a file of limited size.
pub(crate) fn bytes(path: &Path, help: &str) -> Outcome<Vec<u8>> {
    let io = |error: std::io::Error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("cannot read `{}`", path.display()))
            .help(help)
    };
    let size = std::fs::metadata(path).map_err(io)?.len();
    if size > MAX_CHECKPOINT {
        let message = format!("`{}` has {size} bytes, more than 2 GiB", path.display());
        return Err(Failure::new(Code::BadInput, message).help(help));
    }
    std::fs::read(path).map_err(io)
}

/// Reads a checkpoint.
pub(crate) fn checkpoint(path: &Path) -> Outcome<Checkpoint> {
    Checkpoint::from_bytes(&bytes(path, CHECKPOINT_HELP)?).map_err(|error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("cannot use `{}`", path.display()))
            .help(CHECKPOINT_HELP)
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

/// Images with their labels.
pub(crate) struct Images {
    set: Arc<Dataset>,
    len: usize,
}

impl Images {
    /// Reads the test set, or its first images.
    pub(crate) fn test(args: &DataArgs) -> Outcome<Self> {
        Self::open(args, Split::Test)
    }

    /// Reads a split, or its first images.
    pub(crate) fn open(args: &DataArgs, split: Split) -> Outcome<Self> {
        let options = OpenOptions { side: args.side, ..OpenOptions::default() };
        let set = Dataset::open_with(args.dataset, split, &args.data, options)?;
        Self::first(set, &args.data, args.images)
    }

    /// Reads the first images of the test set of CIFAR-10.
    pub(crate) fn load(directory: &Path, limit: Option<usize>) -> Outcome<Self> {
        let set = Dataset::open(DatasetKind::Cifar10, Split::Test, directory)?;
        Self::first(set, directory, limit)
    }

    fn first(set: Dataset, directory: &Path, limit: Option<usize>) -> Outcome<Self> {
        let len = limit.unwrap_or(set.len());
        if len == 0 || len > set.len() {
            let message =
                format!("{len} images, but `{}` holds {}", directory.display(), set.len());
            let help = format!("give `--images` 1 to {}", set.len());
            return Err(Failure::new(Code::Usage, message).help(help));
        }
        Ok(Self { set: Arc::new(set), len })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of an image in `[y][x][channel]` order.
    pub(crate) fn image(&self, index: usize) -> Outcome<Vec<u8>> {
        let [channels, ..] = self.set.image_shape();
        Ok(to_interleaved(&self.set.image(index)?, channels))
    }

    pub(crate) fn label(&self, index: usize) -> usize {
        self.set.label(index) as usize
    }

    /// Refuses images of another size than the network's.
    pub(crate) fn check_size(&self, network: &Network) -> Outcome {
        let [channels, height, width] = self.set.image_shape();
        let given = (height, width, channels);
        let Some(OpKind::Image { height, width, channels, .. }) =
            network.ops.first().map(|op| &op.kind)
        else {
            return Ok(()); // A network that begins otherwise is refused by every engine.
        };
        if given == (*height, *width, *channels) {
            return Ok(());
        }
        let kind = self.set.kind();
        let message = format!(
            "`{kind}` has images of {}×{}×{}, but network `{}` takes {height}×{width}×{channels} \
             (rows, columns, channels)",
            given.0, given.1, given.2, network.arch
        );
        let help = if kind.has_files() {
            "give the network's size to `--side`, or the data set it was trained on to `--dataset`"
        } else {
            "give the data set that the network was trained on to `--dataset`"
        };
        Err(Failure::new(Code::BadInput, message).help(help))
    }

    /// Refuses images of other classes than the network's, where accuracy would mean nothing.
    pub(crate) fn check_classes(&self, network: &Network) -> Outcome {
        let (kind, has) = (self.set.kind(), self.set.classes());
        if network.classes() == has as usize {
            return Ok(());
        }
        let message = format!("`{kind}` has {has} classes, but the network {}", network.classes());
        Err(Failure::new(Code::BadInput, message)
            .help("give the data set that the network was trained on to `--dataset`"))
    }

    /// The whole set, of which the first [`len`](Self::len) images count.
    #[cfg(feature = "train")]
    pub(crate) fn set(&self) -> &Arc<Dataset> {
        &self.set
    }
}
