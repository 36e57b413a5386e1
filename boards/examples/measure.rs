//! Measures the cells of designs with yosys, as a table for the resource model (docs/resources.md).
//!
//! `measure FAMILY < arrays.csv >> measurements.csv`: each line of the input is a role (`fit`:
//! module by module, or of a design with a wrapper only that; `check`: as a whole; or `both`) and a
//! design; each line of the output those and a module with its cells, `*` for the whole design
//! synthesised across its modules' borders.

use heartbit_boards::synthesis::{by_module, whole, wrapper};
use heartbit_compiler::resources::{Cells, Design, Family, Wrapper};
use std::io::{BufRead, Write};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let family: Family = std::env::args().nth(1).ok_or("which family?")?.parse()?;
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let fields: Vec<&str> = line.split(',').skip(1).collect();
        let design = Design::from_fields(&fields).ok_or("a role and a design")?;
        let mut print = |module: &str, instances: u64, c: &Cells| {
            writeln!(
                out,
                "{line},{module},{instances},{},{},{},{},{},{},{}",
                c.lut, c.carry, c.lut_ram, c.ff, c.lone_ff, c.bram, c.dsp
            )
        };
        if !line.starts_with("check,") {
            if design.wrapper == Wrapper::None {
                for m in by_module(family, &design)? {
                    print(&m.module, m.instances, &m.cells)?;
                }
            } else {
                print(design.wrapper.module(), 1, &wrapper(family, &design)?)?;
            }
        }
        if !line.starts_with("fit,") {
            print("*", 1, &whole(family, &design)?)?;
        }
        out.flush()?;
    }
    Ok(())
}
