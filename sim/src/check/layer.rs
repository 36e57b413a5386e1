//! Descriptors: fields, flags and the shortcut of a layer.

use super::Extent;
use crate::error::Error;
use crate::layout::{lines, out_lines};
use crate::plan::classes;
use heartbit_ir::program::{Join, LayerDescriptor, Program};

/// One layer under examination.
pub(super) struct Layer<'a> {
    pub(super) index: usize,
    pub(super) d: &'a LayerDescriptor,
    pub(super) program: &'a Program,
}

impl Layer<'_> {
    pub(super) fn at_least(
        &self,
        field: &'static str,
        value: u64,
        limit: u64,
    ) -> Result<(), Error> {
        let error = Error::Layer { layer: self.index, field, value, rule: "at least", limit };
        if value >= limit { Ok(()) } else { Err(error) }
    }

    pub(super) fn at_most(&self, field: &'static str, value: u64, limit: u64) -> Result<(), Error> {
        let error = Error::Layer { layer: self.index, field, value, rule: "at most", limit };
        if value <= limit { Ok(()) } else { Err(error) }
    }

    pub(super) fn exactly(&self, field: &'static str, value: u64, limit: u64) -> Result<(), Error> {
        let error = Error::Layer { layer: self.index, field, value, rule: "exactly", limit };
        if value == limit { Ok(()) } else { Err(error) }
    }

    /// The first rule that is broken.
    fn rules<const N: usize>(&self, rules: [(bool, &'static str); N]) -> Result<(), Error> {
        match rules.into_iter().find(|(broken, _)| *broken) {
            Some((_, rule)) => Err(Error::Flags { layer: self.index, rule }),
            None => Ok(()),
        }
    }

    pub(super) fn check(&self, extent: &mut Extent) -> Result<(), Error> {
        self.check_sizes()?;
        self.check_fields()?;
        self.check_flags()?;
        self.check_plain()?;
        self.check_shortcut()?;
        self.check_copies()?;
        self.check_lines()?;
        self.check_schedule()?;
        self.check_steps()?;
        self.check_source(extent)?;
        self.check_streams(extent)?;
        self.check_writes(extent)?;
        self.check_weights(extent)?;
        let tiles = usize::from(self.d.col_tiles);
        let parameters = usize::from(self.d.param_base) + tiles * classes(self.d);
        extent.parameter = extent.parameter.max(parameters);
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), Error> {
        let d = self.d;
        let sizes = [
            ("steps", d.steps),
            ("col_tiles", d.col_tiles),
            ("row_tiles", d.row_tiles),
            ("out_height", d.out_height),
            ("out_width", d.out_width),
        ];
        for (field, value) in sizes {
            self.at_least(field, value.into(), 1)?;
        }
        let tiles = usize::from(d.out_width).div_ceil(self.program.array.rows) as u64;
        self.exactly("row_tiles (the tiles of out_width)", d.row_tiles.into(), tiles)?;
        if d.flags.logits {
            let depth = self.program.depths.logit as u64;
            self.at_most("col_tiles, each a logit word,", d.col_tiles.into(), depth)?;
        }
        Ok(())
    }

    fn check_fields(&self) -> Result<(), Error> {
        let d = self.d;
        self.at_most("clip", d.clip.into(), 32767)?;
        self.at_most("value_clip", d.value_clip.into(), 32767)?;
        self.at_most("shift", d.shift.into(), 28)?;
        self.exactly("shift modulo 4", (d.shift % 4).into(), 0)?;
        self.at_most("value_shift", d.value_shift.into(), 28)?;
        self.exactly("value_shift modulo 4", (d.value_shift % 4).into(), 0)?;
        self.at_most("level_shift", d.level_shift.into(), 31)?;
        self.at_most("level_bits", d.level_bits.into(), 8)?;
        if d.flags.write_levels || d.flags.pool {
            self.at_least("level_bits", d.level_bits.into(), 1)?;
        }
        let b = &d.borders;
        let borders = [("top", b.top), ("bottom", b.bottom), ("left", b.left), ("right", b.right)];
        borders.into_iter().try_for_each(|(field, n)| self.at_most(field, n.into(), 3))
    }

    fn check_flags(&self) -> Result<(), Error> {
        let flags = &self.d.flags;
        let last = self.index + 1 == self.program.layers.len();
        let maps = [flags.write_bits, flags.write_levels, flags.pool];
        self.rules([
            (maps.iter().filter(|&&set| set).count() > 1, "it writes several maps"),
            (flags.out_flat && flags.out_stride_2, "its map is flat and read with stride 2"),
            (flags.last_layer && !last, "`last_layer` is set before the last layer"),
            (!flags.last_layer && last, "`last_layer` is not set in the last layer"),
            (
                !flags.keep_image && self.image_follows(),
                "`keep_image` is not set, but a later layer reads the image",
            ),
            (
                flags.keep_image && !self.image_follows(),
                "`keep_image` is set, but no later layer reads the image",
            ),
        ])
    }

    /// Whether a later layer reads the image.
    fn image_follows(&self) -> bool {
        self.program.layers[self.index + 1..].iter().any(|d| d.flags.source_image)
    }

    /// Section 1: what plain hardware leaves out.
    fn check_plain(&self) -> Result<(), Error> {
        if self.program.array.extended {
            return Ok(());
        }
        let (flags, shortcut) = (&self.d.flags, &self.d.shortcut);
        let strided_add = shortcut.join == Join::Add && shortcut.stride_2;
        self.rules([
            (flags.out_flat, "plain hardware has no flattened maps"),
            (flags.write_levels, "plain hardware has no maps of levels"),
            (self.d.value_shift != 0, "plain hardware has no nonlinearity"),
            (shortcut.join == Join::Extreme, "plain hardware has no extremes of windows"),
            (strided_add, "plain hardware adds the stream without a stride"),
        ])
    }

    /// Sections 3.1 and 5.3: the window of the shortcut.
    fn check_shortcut(&self) -> Result<(), Error> {
        let (d, s) = (self.d, &self.d.shortcut);
        self.at_most("window", s.window.into(), 3)?;
        match s.join {
            Join::None => self.rules([(
                s.window != 1 || s.stride_2 || s.padding || s.inner,
                "it has a window but no shortcut",
            )]),
            Join::Add => {
                self.rules([(s.window != 1 || s.padding || s.inner, "it adds words of a window")])
            }
            Join::Average => self.rules([(
                s.window != 2 || !s.stride_2 || s.padding || s.inner,
                "it averages other windows than 2x2 with stride 2",
            )]),
            Join::Extreme => {
                self.rules([(
                    s.inner && !s.padding,
                    "its windows are inner ones without padding",
                )])?;
                let padding = u64::from(s.padding);
                self.at_least("window (of which an element must be inside)", s.window.into(), {
                    padding + 1
                })?;
                let [above, left] = s.paddings().map(|padding| padding as u64);
                let last = |size: u16| s.stride() as u64 * (u64::from(size) - 1);
                let highest = |size: u16, padding: u64| u64::from(size) + padding;
                self.at_least(
                    "in_height + padding",
                    highest(d.in_height, above),
                    last(d.out_height) + 1,
                )?;
                self.at_least(
                    "in_width + padding",
                    highest(d.in_width, left),
                    last(d.out_width) + 1,
                )?;
                self.at_least("in_height", d.in_height.into(), 1)?;
                self.at_least("in_width", d.in_width.into(), 1)
            }
        }
    }

    /// Sections 1 and 3.2: copies, and the lanes of one of them.
    fn check_copies(&self) -> Result<(), Error> {
        let (d, array) = (self.d, &self.program.array);
        for (field, copies) in [("in_copies", d.in_copies), ("out_copies", d.out_copies)] {
            self.at_most(field, copies.into(), array.taps as u64)?;
            self.rules([(copies == 3, "copies must be 1, 2 or 4")])?;
        }
        let lanes = array.lanes / usize::from(d.in_copies.max(1));
        self.at_most("last_lanes (of a copy)", d.last_lanes.into(), lanes as u64)?;
        if d.out_copies > 1 {
            let slices = u64::from(d.col_tiles) * array.write_beats() as u64;
            let limit = array.slices_per_word() / usize::from(d.out_copies);
            self.at_most("slices of a pixel with copies", slices, limit as u64)?;
        }
        if d.flags.out_flat {
            let expected = (array.rows as u64 - 1) * u64::from(d.out_xt_words);
            self.exactly("out_phase_words of a flat map", d.out_phase_words.into(), expected)?;
        }
        Ok(())
    }

    /// Sections 2, 3.1 and 4.1: lines of the tiles, and of those that read the written map.
    fn check_lines(&self) -> Result<(), Error> {
        let (array, d, flags) = (&self.program.array, self.d, &self.d.flags);
        for (field, lines) in [("lines", d.lines), ("out_lines", d.out_lines)] {
            self.at_most(field, lines.into(), array.lines as u64)?;
            self.rules([(lines == 3, "lines must be 1, 2 or 4")])?;
        }
        let (lines, out_lines) = (lines(d), out_lines(d));
        self.rules([
            (flags.source_image && lines > 1, "a tile of the stem has one line"),
            (flags.out_flat && out_lines > 1, "its map is flat and folded"),
        ])?;
        if lines > 1 {
            let pitch = (array.rows / lines) as u64;
            self.at_most("out_width (in a line of the array)", d.out_width.into(), pitch)?;
        }
        if !(flags.write_bits || flags.write_levels) {
            return Ok(());
        }
        let stride = if flags.out_stride_2 { 2 } else { 1 };
        if out_lines > 1 {
            let width = usize::from(d.out_width).div_ceil(stride) as u64;
            let pitch = (array.rows / out_lines) as u64;
            self.at_most("columns of a phase (in a line of the folded map)", width, pitch)?;
        }
        let rest = (stride * out_lines % lines) as u64;
        self.exactly("stride times lines of the reader of the map modulo lines", rest, 0)
    }

    pub(super) fn results(&self) -> u128 {
        let d = self.d;
        let pixels = u128::from(d.out_height) * u128::from(d.out_width);
        pixels * u128::from(d.col_tiles) * self.program.array.cols as u128
    }
}
