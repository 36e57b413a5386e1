//! The image: its input port, its memory, and the words that the rows get from it.
//!
//! Microarchitecture.md, sections 2.1, 4.2 and 6. `windows` writes the banks, `stem` reads them.
//!
//! | port        | dir | width   | stage | meaning                                               |
//! | ----------- | --- | ------- | ----- | ----------------------------------------------------- |
//! | `height`, `width`, `tiles` | in | 16, 16, 11 | | of the image, windows of a row               |
//! | `stem_7`    | in  | 1       |       | k = 7, s = 2 instead of k = 3, s = 1; extended        |
//! | `in_valid`, `in_ready`, `in_data` | in, out, in | 1, 1, 24 | | one pixel a beat            |
//! | `free`      | in  | 1       |       | the image has been used                               |
//! | `full`      | out | 1       |       | a complete image waits                                |
//! | `load`      | in  | 1       |       | the layer begins                                      |
//! | `tile_end`, `line_end`, `ct_end` | in | 1 | `t` | last step of a tile, a line, a column tile  |
//! | `source_image` | in | 1     | layer | flag                                                  |
//! | `in_base`, `in_y_words`, `in_xt_words` | in | 16 | layer | where it begins in the image     |
//! | `step_word` | in  | 32      | `t+1` | word of the step memory of lane group 0               |
//! | `row_{r}`   | out | `lanes` | `t+5` | word of row `r`, 0 unless `source_image`              |
//!
//! Timing: `full` rises, and `in_ready` falls, in the cycle after the last pixel's beat; both
//! change back in the cycle after `free`. The last windows are written meanwhile, in at most 16
//! cycles, which are over before the sequencer has fetched a descriptor.

use super::sizes::Sizes;
use super::stem::stem;
use super::store::Store;
use super::windows::windows;
use crate::build::{Builder, Module, Sig};

/// Rows of the image that are read at once, and that lie in banks of their own.
pub(super) const SLOT_ROWS: u32 = 3;

/// Whether the stem has k = 7 and s = 2: an input of extended hardware, otherwise 0.
pub(super) fn stem_7<'m>(m: &'m Builder, sizes: &Sizes) -> Sig<'m> {
    if sizes.extended { m.input("stem_7", 1, "k = 7 and s = 2") } else { m.lit(1, 0) }
}

/// Describes the module `image`.
pub(super) fn image(sizes: &Sizes) -> Module {
    let m = Builder::new("image", "Image memory, its input port and the words of the rows.");
    let windows = m.inst("windows", &windows(sizes));
    let stem = m.inst("stem", &stem(sizes));
    for (name, width, doc) in
        [("height", 16, "rows of the image"), ("tiles", 11, "windows of a row")]
    {
        let value = m.input(name, width, doc);
        windows.set(name, value);
        stem.set(name, value);
    }
    if sizes.extended {
        let stem_7 = m.input("stem_7", 1, "k = 7 and s = 2");
        windows.set("stem_7", stem_7);
        stem.set("stem_7", stem_7);
    }
    for (name, width, doc) in [
        ("width", 16, "columns of the image"),
        ("in_valid", 1, "a pixel is there"),
        ("in_data", 24, "pixel, channel 0 in the low byte"),
        ("free", 1, "the image has been used"),
    ] {
        windows.set(name, m.input(name, width, doc));
    }
    for (name, width, doc) in [
        ("load", 1, "the layer begins"),
        ("tile_end", 1, "last step of a tile, t"),
        ("line_end", 1, "of a line"),
        ("ct_end", 1, "of a column tile"),
        ("source_image", 1, "flag"),
        ("in_base", 16, "first row"),
        ("in_y_words", 16, "its thirds, in windows"),
        ("in_xt_words", 16, "its rest by 3"),
        ("step_word", 32, "word of the step memory, t+1"),
    ] {
        stem.set(name, m.input(name, width, doc));
    }
    for row in 0..SLOT_ROWS {
        for e in 0..sizes.stem_planes {
            let name = format!("bank_{row}_{e}");
            let memory = Store::new(&m, &name, 3 * sizes.window_pixels, sizes.depths.image);
            let data = windows.out(&format!("data_{e}"));
            memory.write(windows.out("row_en").bit(row), windows.out("to"), data);
            let word = memory.read(stem.out(&format!("addr_{row}_{e}")));
            stem.set(&format!("word_{row}_{e}"), word);
        }
    }
    for r in 0..sizes.rows {
        let name = format!("row_{r}");
        m.output(&name, stem.out(&name), "word of the row, t+5");
    }
    m.output("in_ready", windows.out("in_ready"), "a pixel is accepted");
    m.output("full", windows.out("full"), "a complete image waits");
    m.finish()
}

#[cfg(test)]
mod tests;
