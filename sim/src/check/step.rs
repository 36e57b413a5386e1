//! Steps: section 3.2 of microarchitecture.md.

use super::layer::Layer;
use crate::error::Error;
use crate::layout::lines;
use heartbit_ir::program::{ImageStep, Step};

/// Bits 15..14, 28..20 and 31 of a step that reads the image.
const UNUSED_OF_IMAGE: u32 = 0x9ff0_c000;

impl Layer<'_> {
    /// Step fields are in their ranges, and the largest possible count fits 32 bits.
    pub(super) fn check_steps(&self) -> Result<(), Error> {
        let (base, steps) = (usize::from(self.d.step_base), usize::from(self.d.steps));
        let shortest = self.program.steps.iter().map(Vec::len).min().unwrap_or(0);
        self.at_most("step_base + steps", (base + steps) as u64, shortest as u64)?;
        let (mut matches, mut products) = (0u64, 0u64);
        for index in 0..steps {
            let words = self.program.steps.iter().map(|group| group[base + index]);
            let (double, taps) = if self.d.flags.source_image {
                let word = self.program.steps[0][base + index];
                self.check_image_step(index, word)?;
                let step = ImageStep::decode(word);
                (step.double, u64::from(step.tap_first))
            } else {
                words.clone().try_for_each(|word| self.check_step(index, word))?;
                let taps = words.clone().filter(|&word| Step::decode(word).tap_first).count();
                (Step::decode(self.program.steps[0][base + index]).double, taps as u64)
            };
            let factor = if double && index > 0 { 2 } else { 1 };
            matches = matches * factor + self.program.array.lanes as u64;
            products = products * factor + taps * u64::from(self.d.fan_in);
            self.at_most("largest possible count", matches.max(products), u32::MAX.into())?;
        }
        Ok(())
    }

    fn check_step(&self, index: usize, word: u32) -> Result<(), Error> {
        let step = Step::decode(word);
        self.step_field(index, "shift", step.shift.into(), (-1, 1))?;
        let most = i64::from(lines(self.d) > 1);
        self.step_field(index, "line_shift", step.line_shift.into(), (-most, most))
    }

    fn check_image_step(&self, index: usize, word: u32) -> Result<(), Error> {
        let (array, header) = (&self.program.array, &self.program.header);
        let field = |name, value: i64, range| self.step_field(index, name, value, range);
        field("bits without a meaning", (word & UNUSED_OF_IMAGE).into(), (0, 0))?;
        let step = ImageStep::decode(word);
        field("n_rows", step.n_rows.into(), (1, 3))?;
        let planes = array.stem_planes();
        let elements = planes * array.stem_group_stride(header.stem_kernel.into());
        let parts = i64::try_from(elements.div_ceil(array.lanes)).unwrap_or(i64::MAX);
        field("part", step.part.into(), (0, parts - 1))?;
        if planes == 1 {
            return field("use_1", step.planes[1].is_some().into(), (0, 0));
        }
        for (parity, plane) in step.planes.iter().enumerate() {
            if let Some(plane) = *plane {
                let parity = i64::from(parity == 1);
                field("parity of a plane", i64::from(plane) % 2, (parity, parity))?;
            }
        }
        Ok(())
    }

    fn step_field(
        &self,
        step: usize,
        field: &'static str,
        value: i64,
        (low, high): (i64, i64),
    ) -> Result<(), Error> {
        let error = Error::Step { layer: self.index, step, field, value, low, high };
        if (low..=high).contains(&value) { Ok(()) } else { Err(error) }
    }
}
