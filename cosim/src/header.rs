//! Compares the port table with the ports that Verilator found.
//!
//! Verilator's model class declares each port as `VL_IN8(&clk,0,0);` or `VL_OUTW(&y,99,0,4);`:
//! direction, C++ name, most and least significant bit.
//! Reading these lines is the whole contact with Verilator's output format; a form that is not
//! understood shows up as a missing port and fails loudly.

use std::collections::BTreeMap;

use crate::{Design, Direction, Error};

/// The name that Verilator gives a port in C++.
pub(crate) fn cpp_name(verilog: &str) -> String {
    verilog.replace("__", "___05F")
}

/// Checks that `header`, the text of the model class, has exactly the ports of `design`.
pub(crate) fn check_ports(design: &Design, header: &str) -> Result<(), Error> {
    let mut found: BTreeMap<String, (Option<Direction>, Option<u32>)> =
        header.lines().filter_map(parse_port).map(|(n, d, w)| (n, (d, w))).collect();
    let mut problems = Vec::new();
    for port in &design.ports {
        let name = &port.name;
        let Some((direction, width)) = found.remove(&cpp_name(name)) else {
            problems.push(format!("`{name}` is in the table but not in the module"));
            continue;
        };
        if direction != Some(port.direction) {
            problems.push(format!("`{name}` is not an {:?}", port.direction).to_lowercase());
        }
        match width {
            Some(width) if width == port.width => {}
            Some(width) => problems.push(format!(
                "`{name}` has {width} bits in the module and {} in the table",
                port.width
            )),
            None => problems.push(format!("`{name}` is an array in the module")),
        }
    }
    for name in found.keys() {
        problems.push(format!("`{name}` is in the module but not in the table"));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::PortMismatch { top: design.top.clone(), problems })
    }
}

/// Reads one port declaration: name, direction (none for `inout`), width (none for an array).
fn parse_port(line: &str) -> Option<(String, Option<Direction>, Option<u32>)> {
    let rest = line.trim().strip_prefix("VL_")?;
    let (direction, rest) = if let Some(rest) = rest.strip_prefix("INOUT") {
        (None, rest)
    } else if let Some(rest) = rest.strip_prefix("IN") {
        (Some(Direction::Input), rest)
    } else {
        (Some(Direction::Output), rest.strip_prefix("OUT")?)
    };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == 'W');
    let arguments = rest.strip_prefix('(')?.strip_suffix(");")?;
    let mut arguments = arguments.split(',');
    let declarator = arguments.next()?;
    let name: String = declarator
        .trim_start_matches(['(', '&'])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    let msb: i64 = arguments.next()?.trim().parse().ok()?;
    let lsb: i64 = arguments.next()?.trim().parse().ok()?;
    let width = u32::try_from(msb.abs_diff(lsb) + 1).ok()?;
    let is_array = declarator.contains('[');
    Some((name, direction, (!is_array).then_some(width)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Port;

    const HEADER: &str = "class Vmodel {\n    VL_IN8(&clk,0,0);\n    VL_OUT16(&z___05Fq,15,0);\n    \
                          VL_INW(&w,511,0,16);\n    VL_UNCOPYABLE(Vmodel);\n};\n";

    fn design() -> Design {
        Design::new("top")
            .port(Port::input("clk", 1))
            .port(Port::input("w", 512))
            .port(Port::output("z__q", 16))
    }

    #[test]
    fn check_ports_accepts_the_table_that_agrees() {
        check_ports(&design(), HEADER).expect("bug: the table agrees");
    }

    #[test]
    fn check_ports_names_width_direction_missing_and_extra_port() {
        let mut design = design().port(Port::input("gone", 3));
        design.ports[1].width = 500;
        design.ports[2].direction = Direction::Input;
        let header = HEADER.replace("VL_UNCOPYABLE(Vmodel);", "VL_IN8(&more,1,0);");
        let Err(Error::PortMismatch { problems, .. }) = check_ports(&design, &header) else {
            panic!("the table disagrees in four places")
        };
        assert_eq!(problems.len(), 4, "{problems:#?}");
    }
}
