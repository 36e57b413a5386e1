//! The first two words of the program.

use super::{pack, unpack};

/// Words of the [`Header`] in the program memory.
pub const HEADER_WORDS: usize = 2;

/// What the input and output ports need to know of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Rows of the image.
    pub image_height: u16,
    /// Columns of the image.
    pub image_width: u16,
    /// Logits that are sent.
    pub classes: u16,
    /// Side of the stem's kernel, at most 7.
    pub stem_kernel: u8,
    /// Stride of the stem, at most 3.
    pub stem_stride: u8,
    /// Windows of an image row, below 2048.
    pub image_tiles: u16,
}

impl Header {
    /// Returns the words of the program memory.
    ///
    /// # Panics
    /// If a field is out of its range: a bug of the compiler.
    pub fn encode(&self) -> [u32; HEADER_WORDS] {
        let fits = self.stem_kernel < 8 && self.stem_stride < 4 && self.image_tiles < 1 << 11;
        assert!(fits, "bug: {self:?}");
        let stem = u16::from(self.stem_kernel) | u16::from(self.stem_stride) << 3;
        [
            pack(self.image_height, self.image_width),
            pack(self.classes, stem | self.image_tiles << 5),
        ]
    }

    /// Reads the words of the program memory.
    pub fn decode(words: [u32; HEADER_WORDS]) -> Self {
        let (image_height, image_width) = unpack(words[0]);
        let (classes, stem) = unpack(words[1]);
        let [low, _] = stem.to_le_bytes();
        Self {
            image_height,
            image_width,
            classes,
            stem_kernel: low & 7,
            stem_stride: low >> 3 & 3,
            image_tiles: stem >> 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_encoding() {
        let header = Header {
            image_height: 224,
            image_width: 223,
            classes: 1000,
            stem_kernel: 7,
            stem_stride: 2,
            image_tiles: 2047,
        };
        assert_eq!(Header::decode(header.encode()), header);
    }
}
