//! Where a map lies in the banks: microarchitecture.md, sections 1 and 2.

use heartbit_ir::network::ValueType;
use heartbit_ir::program::{ArrayConfig, IMAGE_CHANNELS};

/// Physical position of channels in the words of a pixel.
#[derive(Clone, Debug)]
pub(super) struct ChannelMap {
    /// Word and lane of each physical channel.
    positions: Vec<(usize, usize)>,
}

impl ChannelMap {
    /// Channels as the array writes them, or as an image word holds them: the constant in the
    /// lane after the last possible pixel channel.
    pub(super) fn new(array: &ArrayConfig, image: bool, channels: usize) -> Self {
        let position = |p: usize| {
            if image {
                let constant = p + 1 == channels;
                return (0, if constant { IMAGE_CHANNELS } else { p });
            }
            let (tile, col) = (p / array.cols, p % array.cols);
            let slice = tile * array.write_beats() + col / array.slice_bits();
            let lane =
                slice % array.slices_per_word() * array.slice_bits() + col % array.slice_bits();
            (slice / array.slices_per_word(), lane)
        };
        Self { positions: (0..channels).map(position).collect() }
    }

    /// Words of a pixel that hold a channel.
    pub(super) fn used_words(&self) -> usize {
        self.positions.iter().map(|(word, _)| word + 1).max().unwrap_or(0)
    }

    /// One more than the highest lane with a channel in the last used word.
    pub(super) fn last_lanes(&self) -> usize {
        let last = self.used_words() - 1;
        let lanes = self.positions.iter().filter(|(word, _)| *word == last);
        lanes.map(|(_, lane)| lane + 1).max().unwrap_or(0)
    }

    /// Physical channels of a word with their lanes.
    pub(super) fn in_word(&self, word: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.positions
            .iter()
            .enumerate()
            .filter(move |(_, (w, _))| *w == word)
            .map(|(channel, (_, lane))| (channel, *lane))
    }
}

/// Addresses of a map.
#[derive(Clone, Copy, Debug)]
pub(super) struct MapLayout {
    /// First word.
    pub(super) base: usize,
    /// Whether it is the image.
    pub(super) image: bool,
    /// Bit planes.
    pub(super) planes: usize,
    height: usize,
    /// 2 if even and odd columns are apart.
    phases: usize,
    /// Words of a bank for one row and phase, in pixels.
    tiles: usize,
    plane_words: usize,
}

impl MapLayout {
    /// A map that the array writes, for a consumer with this stride.
    pub(super) fn new(array: &ArrayConfig, map: &ValueType, stride: usize, planes: usize) -> Self {
        let slices = map.channels.div_ceil(array.cols) * array.write_beats();
        Self {
            base: 0,
            image: false,
            planes,
            height: map.height,
            phases: stride,
            tiles: map.width.div_ceil(stride).div_ceil(array.rows),
            plane_words: slices.div_ceil(array.slices_per_word()),
        }
    }

    /// The image: one word a pixel, the plane is chosen behind the memory.
    pub(super) fn image(array: &ArrayConfig, map: &ValueType) -> Self {
        Self {
            base: 0,
            image: true,
            planes: 8,
            height: map.height,
            phases: 1,
            tiles: map.width.div_ceil(array.rows),
            plane_words: 1,
        }
    }

    /// Words of one plane of a pixel: `px_words`.
    pub(super) fn plane_words(&self) -> usize {
        self.plane_words
    }

    /// Words of a pixel with all planes, the distance between tiles of a row.
    pub(super) fn pixel_words(&self) -> usize {
        self.plane_words * if self.image { 1 } else { self.planes }
    }

    /// Words of one phase of a row.
    pub(super) fn phase_words(&self) -> usize {
        self.tiles * self.pixel_words()
    }

    /// Words of a row.
    pub(super) fn row_words(&self) -> usize {
        self.phases * self.phase_words()
    }

    /// Words of a bank.
    pub(super) fn words(&self) -> usize {
        self.height * self.row_words()
    }
}
