//! Measures the cells of arrays with yosys, as a table for the resource model (docs/resources.md).
//!
//! `measure FAMILY < arrays.csv >> measurements.csv`: each line of the input is a role (`fit`:
//! module by module, `check`: as a whole, or `both`), the seven numbers of the array, and the eight
//! depths; each line of the output those and
//! a module with its cells, `*` for the whole array synthesised across its modules' borders.

use heartbit_boards::synthesis::{by_module, whole};
use heartbit_compiler::resources::{Cells, Family};
use heartbit_ir::program::{ArrayConfig, MemoryDepths};
use std::io::{BufRead, Write};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let family: Family = std::env::args().nth(1).ok_or("which family?")?.parse()?;
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let (_, numbers) = line.split_once(',').ok_or("a role and numbers")?;
        let n: Vec<usize> = numbers.split(',').map(str::parse).collect::<Result<_, _>>()?;
        let [rows, cols, lanes, taps, lines, acc_bits, extended, rest @ ..] = n.as_slice() else {
            return Err("seven numbers of the array and eight depths".into());
        };
        let &[image, activation, weight, parameter, stream, logit, step, program] = rest else {
            return Err("eight depths".into());
        };
        let array = ArrayConfig {
            rows: *rows,
            cols: *cols,
            lanes: *lanes,
            taps: *taps,
            lines: *lines,
            acc_bits: u32::try_from(*acc_bits)?,
            extended: *extended == 1,
        };
        let depths = MemoryDepths {
            image,
            activation,
            weight,
            parameter,
            stream,
            logit,
            step,
            program,
            ring: None,
        };
        let mut print = |module: &str, instances: u64, c: &Cells| {
            writeln!(
                out,
                "{line},{module},{instances},{},{},{},{},{},{},{}",
                c.lut, c.carry, c.lut_ram, c.ff, c.lone_ff, c.bram, c.dsp
            )
        };
        if !line.starts_with("check,") {
            for m in by_module(family, &array, &depths)? {
                print(&m.module, m.instances, &m.cells)?;
            }
        }
        if !line.starts_with("fit,") {
            print("*", 1, &whole(family, &array, &depths)?)?;
        }
        out.flush()?;
    }
    Ok(())
}
