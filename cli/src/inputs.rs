//! Reads what commands are given: models, builds, images.

use crate::args::DataArgs;
use crate::failure::{Code, Failure, Outcome};
use crate::shard::Shard;
use heartbit_compiler::build::{self, Build};
use heartbit_compiler::fold::fold;
use heartbit_dataset::planes::to_interleaved;
use heartbit_dataset::{Dataset, DatasetKind, OpenOptions, Split};
use heartbit_ir::file::CHECKSUM_BYTES;
use heartbit_ir::network::{Network, OpKind};
use heartbit_model::Checkpoint;
use std::path::Path;
use std::sync::Arc;

/// Largest checkpoint that is read.
const MAX_CHECKPOINT: u64 = 1 << 31;

/// What to give where a checkpoint is wanted.
const CHECKPOINT_HELP: &str =
    "give a checkpoint (.safetensors) that `heartbit train`, `import` or `random` wrote";

/// CRC-32 of a network, given its file: the one that the file ends with. That of the whole file is
/// the same for every network.
pub(crate) fn network_checksum(file: &[u8]) -> u32 {
    let body = file.len().saturating_sub(CHECKSUM_BYTES);
    crc32fast::hash(&file[..body])
}

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
    Ok(model(path)?.0)
}

/// Reads a network, and the checkpoint that it is folded from where the file is one.
pub(crate) fn model(path: &Path) -> Outcome<(Network, Option<Checkpoint>)> {
    let in_file = |failure: Failure| failure.context(format!("in `{}`", path.display()));
    if path.extension().is_some_and(|e| e == "safetensors") {
        let checkpoint = checkpoint(path)?;
        let network = fold(&checkpoint).map_err(|error| in_file(error.into()))?;
        return Ok((network, Some(checkpoint)));
    }
    let network = Network::read(path).map_err(|error| in_file(error.into()))?;
    Ok((network, None))
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

/// The first images of a data set, or a shard of them, with their labels.
#[derive(Clone)]
pub(crate) struct Images {
    set: Arc<Dataset>,
    total: usize,
    shard: Shard,
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
        let total = limit.unwrap_or(set.len());
        if total == 0 || total > set.len() {
            let message =
                format!("{total} images, but `{}` holds {}", directory.display(), set.len());
            let help = format!("give `--images` 1 to {}", set.len());
            return Err(Failure::new(Code::Usage, message).help(help));
        }
        Ok(Self { set: Arc::new(set), total, shard: Shard::WHOLE })
    }

    /// The images of a shard, which has at least one.
    pub(crate) fn shard(self, shard: Option<Shard>) -> Outcome<Self> {
        let shard = shard.unwrap_or(Shard::WHOLE);
        if shard.count(self.total) == 0 {
            let message = format!("shard {shard} of {} images has none", self.total);
            let help = format!("divide them among 1 to {}", self.total);
            return Err(Failure::new(Code::Usage, message).help(help));
        }
        Ok(Self { shard, ..self })
    }

    /// Those that are among the first `n` of all, which may be none.
    pub(crate) fn among_first(&self, n: usize) -> Self {
        Self { set: Arc::clone(&self.set), total: self.total.min(n), shard: self.shard }
    }

    /// Images of this shard.
    pub(crate) fn len(&self) -> usize {
        self.shard.count(self.total)
    }

    /// Images of all shards.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// The shard, unless it is the whole.
    pub(crate) fn shard_if_any(&self) -> Option<Shard> {
        (self.shard != Shard::WHOLE).then_some(self.shard)
    }

    /// Where in the data set an image is.
    pub(crate) fn number(&self, index: usize) -> usize {
        self.shard.image(index)
    }

    /// Bytes of an image in `[y][x][channel]` order.
    pub(crate) fn image(&self, index: usize) -> Outcome<Vec<u8>> {
        self.numbered(self.number(index))
    }

    /// Bytes of an image in `[channel][y][x]` order.
    pub(crate) fn planes(&self, index: usize) -> Outcome<Vec<u8>> {
        Ok(self.set.image(self.number(index))?)
    }

    /// The image at a place of the data set, in `[y][x][channel]` order.
    pub(crate) fn numbered(&self, number: usize) -> Outcome<Vec<u8>> {
        let [channels, ..] = self.set.image_shape();
        Ok(to_interleaved(&self.set.image(number)?, channels))
    }

    pub(crate) fn label(&self, index: usize) -> usize {
        self.set.label(self.number(index)) as usize
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

    /// The whole set, of which the first [`total`](Self::total) images count.
    #[cfg(feature = "train")]
    pub(crate) fn set(&self) -> &Arc<Dataset> {
        &self.set
    }
}
