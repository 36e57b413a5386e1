//! The measurements that the model is fitted to and judged by.
//!
//! One file a family, written by `boards/examples/measure.rs` (docs/resources.md). A line is a
//! role, a design ([`Design::from_fields`]), and the cells of one module, `*` for the whole design.
//! The role `check` is never fitted.

use super::Design;
use super::family::{Cells, Family};

/// Name of the line that holds the whole array.
pub(super) const WHOLE: &str = "*";

/// Name of what is modelled as one: the sequencer and the registers of the descriptor.
pub(super) const CONTROL: &str = "control";

/// The modules that it has had.
const CONTROL_MODULES: [&str; 6] =
    ["sequencer", "descriptor", "front_fields", "result_fields", "fetch", "legality"];

/// Cells of one kind of module in one array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    /// Whether the model must not see it.
    pub(super) is_check: bool,
    pub(super) design: Design,
    /// Name of the module.
    pub(super) module: String,
    /// How many instances there are.
    pub(super) instances: u64,
    /// Cells of one of them.
    pub(super) cells: Cells,
}

/// All measurements of a family.
pub(super) fn of(family: Family) -> Vec<Measured> {
    let text = match family {
        Family::Ice40 => include_str!("measured/ice40.csv"),
        Family::Ecp5 => include_str!("measured/ecp5.csv"),
        Family::Gowin => include_str!("measured/gowin.csv"),
        Family::Xc7 => include_str!("measured/xc7.csv"),
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.map(|line| read(line).expect("bug: a line of the measurements"));
    lines.fold(Vec::new(), |mut all, mut line| {
        if !CONTROL_MODULES.contains(&line.module.as_str()) {
            all.push(line);
            return all;
        }
        CONTROL.clone_into(&mut line.module);
        let same =
            |other: &&mut Measured| (&other.module, other.design) == (&line.module, line.design);
        match all.iter_mut().find(same) {
            Some(control) => control.cells += line.cells,
            None => all.push(line),
        }
        all
    })
}

fn read(line: &str) -> Option<Measured> {
    let fields: Vec<&str> = line.split(',').collect();
    let (design, rest) = fields.get(1..)?.split_at_checked(Design::FIELDS)?;
    let count = |i: usize| rest.get(i)?.parse::<u64>().ok();
    Some(Measured {
        is_check: match *fields.first()? {
            "check" => true,
            "fit" | "both" => false,
            _ => return None,
        },
        design: Design::from_fields(design)?,
        module: (*rest.first()?).to_owned(),
        instances: count(1)?,
        cells: Cells {
            lut: count(2)?,
            carry: count(3)?,
            lut_ram: count(4)?,
            ff: count(5)?,
            lone_ff: count(6)?,
            bram: count(7)?,
            dsp: count(8)?,
        },
    })
}
