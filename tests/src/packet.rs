//! Images and results as packets on AXI4-Stream.

use heartbit_ir::interp::{Interpreter, predicted_class};
use heartbit_ir::program::Header;

/// An image, and the packet that is its result.
pub struct Image {
    /// A beat for each pixel.
    pub pixels: Vec<u32>,
    /// The logits, then the class.
    pub result: Vec<u32>,
}

impl Image {
    /// The packets of an image of this header's size, as the interpreter says them.
    ///
    /// # Panics
    /// If the image has another size: a bug of the test.
    pub fn new(interpreter: &Interpreter<'_>, header: &Header, bytes: &[u8]) -> Self {
        let n_pixels = usize::from(header.image_height) * usize::from(header.image_width);
        let logits = interpreter.logits(bytes).expect("bug: an image of the right size");
        let mut result: Vec<u32> = logits.iter().map(|l| l.cast_unsigned()).collect();
        result.push(u32::try_from(predicted_class(&logits)).expect("bug: few classes"));
        let pixels = bytes.chunks_exact(bytes.len() / n_pixels);
        let word = |p: &[u8]| p.iter().rev().fold(0, |w, &b| w << 8 | u32::from(b));
        // The top byte does not count.
        Self { pixels: pixels.map(|p| 0xc300_0000 | word(p)).collect(), result }
    }
}
