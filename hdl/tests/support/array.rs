//! A small output-stationary array, to measure the layer with and to try RustHDL on.

use heartbit_hdl::{Builder, Module, popcount::popcount};

/// A processing element: both operands pass on, the count of equal bits accumulates.
fn pe(lanes: u32, acc_bits: u32) -> Module {
    let m = Builder::new("pe", "XNOR, popcount, accumulate.");
    let a = m.input("a", lanes, "activation word from the west");
    let w = m.input("w", lanes, "weight word from the north");
    let valid = m.input("valid", 1, "accumulate on this edge");
    let drain = m.input("drain", 1, "take the accumulator of the PE above");
    let acc_in = m.input("acc_in", acc_bits, "accumulator of the PE above");
    let pop = popcount(lanes, 0);
    let count = m.inst("pop", &pop.module).set("x", !(a ^ w)).out("count");
    let acc = m.reg("acc", acc_bits, 0);
    acc.next_when(valid | drain, m.mux(drain, acc_in, *acc + count.zero_extend(acc_bits)));
    m.output("a_out", m.pipe("a_q", a), "`a`, one cycle later");
    m.output("w_out", m.pipe("w_q", w), "`w`, one cycle later");
    m.output("acc_out", *acc, "accumulator");
    m.finish()
}

/// The grid; the accumulators of the last row are the outputs.
pub(crate) fn array(rows: u32, cols: u32, lanes: u32) -> Module {
    let acc_bits = 16;
    let m = Builder::new("array", "ROWS x COLS processing elements.");
    let (valid, drain) = (m.input("valid", 1, ""), m.input("drain", 1, ""));
    let mut west: Vec<_> = (0..rows).map(|r| m.input(&format!("a_{r}"), lanes, "")).collect();
    let mut north: Vec<_> = (0..cols).map(|c| m.input(&format!("w_{c}"), lanes, "")).collect();
    let mut above = vec![m.lit(acc_bits, 0); cols as usize];
    let pe = pe(lanes, acc_bits);
    for r in 0..rows {
        for c in 0..cols {
            let (row, col) = (r as usize, c as usize);
            let pe = m
                .inst(&format!("pe_{r}_{c}"), &pe)
                .set("a", west[row])
                .set("w", north[col])
                .set("valid", valid)
                .set("drain", drain)
                .set("acc_in", above[col]);
            west[row] = pe.out("a_out");
            north[col] = pe.out("w_out");
            above[col] = pe.out("acc_out");
        }
        m.discard(west[r as usize]);
    }
    for c in 0..cols {
        m.discard(north[c as usize]);
        m.output(&format!("acc_{c}"), above[c as usize], "");
    }
    m.finish()
}
