//! Population count: the word-parallel masked adder tree.
//!
//! Level `k` adds neighbouring fields of `2^k` bits of the whole word at once,
//! `(x & mask) + ((x >> 2^k) & mask)`, so Verilator makes one machine operation of it and
//! synthesis prunes the constant zeros. Registers without reset follow some of the levels.
//! Under Verilator this text runs 30 times faster than explicit full adders, and it costs no more
//! cells for the same throughput.
//!
//! | port      | dir | width                  | meaning                                         |
//! | --------- | --- | ---------------------- | ----------------------------------------------- |
//! | `x`       | in  | `lanes`                | the word                                        |
//! | `skip`    | in  | groups                 | [`gated_popcount`]: groups that do not count    |
//! | `count`   | out | [`count_bits`]`(lanes)`| its ones, [`Popcount::latency`] later           |

use crate::build::{Builder, Module, Sig};

/// Bits of a count of `lanes` ones: enough for `0..=lanes`.
pub fn count_bits(lanes: u32) -> u32 {
    u32::BITS - lanes.leading_zeros()
}

/// A popcount module and its latency.
#[derive(Clone, Debug)]
pub struct Popcount {
    /// The module `popcount`.
    pub module: Module,
    /// Edges between `x` and its `count`.
    pub latency: u32,
}

/// A popcount module whose word consists of groups, and its latency.
#[derive(Clone, Debug)]
pub struct GatedPopcount {
    /// The module `popcount`.
    pub module: Module,
    /// Edges between `x` and its `count`.
    pub latency: u32,
    /// Edges between `x` and its `skip`.
    pub gate: u32,
}

/// Describes a popcount of `lanes` bits with a register after every `every`-th adder level, but
/// none after the last one; `every == 0` means no registers at all.
///
/// # Panics
/// If `lanes` is 0.
///
/// # Examples
/// ```
/// use heartbit_hdl::{Simulator, popcount::popcount};
/// let p = popcount(37, 2);
/// assert_eq!(p.latency, 2);
/// let mut sim = Simulator::new(&p.module);
/// sim.set("x", 0b1011);
/// (0..p.latency).for_each(|_| sim.step());
/// assert_eq!(sim.get("count"), 3);
/// ```
pub fn popcount(lanes: u32, every: u32) -> Popcount {
    assert!(lanes > 0, "bug: a popcount of no lanes");
    let m = Builder::new("popcount", &format!("Ones of a word of {lanes} bits."));
    let x = m.input("x", lanes, "word");
    let levels = levels(lanes);
    let registers = match every {
        0 => Vec::new(),
        _ => (1..levels).filter(|level| level.is_multiple_of(every)).collect(),
    };
    let sum = add_levels(&m, x, 0..levels, &registers, "");
    m.output("count", narrow(sum, count_bits(lanes)), "number of ones");
    Popcount { module: m.finish(), latency: edges(&registers) }
}

/// Describes a popcount of `groups` (a power of two) equal parts of a word of `lanes` bits, without
/// those whose bit of `skip` is 1. Its latency is that of `popcount(lanes, 2)`.
///
/// Registers follow the levels 3, 5, 7 and so on: at 64 lanes a processing element with them has
/// 161 LUT4 on ECP5, with registers after the levels 2 and 4 it has 185. Skipping a group costs no
/// logic, as the synchronous clear of registers that hold parts of its count does it.
///
/// # Panics
/// If `lanes` is 0 or no multiple of `groups`.
///
/// # Examples
/// ```
/// use heartbit_hdl::{Simulator, popcount::gated_popcount};
/// let p = gated_popcount(8, 2);
/// let mut sim = Simulator::new(&p.module);
/// sim.set("x", 0b0111_0001);
/// sim.set("skip", 0b01);
/// (0..p.latency).for_each(|_| sim.step());
/// assert_eq!(sim.get("count"), 3);
/// ```
pub fn gated_popcount(lanes: u32, groups: u32) -> GatedPopcount {
    let divides = groups.is_power_of_two() && lanes.is_multiple_of(groups);
    assert!(lanes > 0 && divides, "bug: {groups} groups of {lanes} lanes");
    let m = Builder::new("popcount", &format!("Ones of {groups} parts of {lanes} bits."));
    let x = m.input("x", lanes, "word");
    let skip = m.input("skip", groups, "parts that do not count");
    let levels = levels(lanes);
    let group_level = levels - groups.trailing_zeros();
    let registers = gated_registers(levels, group_level);
    // The last register in which no field has lanes of two groups.
    let gate = registers.iter().rposition(|level| *level <= group_level);
    let gate_level = gate.map_or(group_level, |at| registers[at]);

    // Each group has adders of its own as long as it may be unknown: a simulator that knows X takes
    // all of a sum for unknown where a bit of an operand is.
    let mut fields = Vec::new();
    for (group, part) in (0..).zip(in_fields(x, groups, group_level)) {
        let suffix = if groups > 1 { format!("_{group}") } else { String::new() };
        let sums = add_levels(&m, part, 0..gate_level, &registers, &suffix);
        for i in 0..sums.width().div_ceil(1 << gate_level) {
            let at = i << gate_level;
            let field = sums.slice(at, (sums.width() - at).min(1 << gate_level));
            let count = m.mux(skip.bit(group), 0, narrow(field, count_bits(field.width())));
            let name = format!("level_{gate_level}_{}", group << (group_level - gate_level) | i);
            let count = if gate.is_some() { m.pipe(&name, count) } else { count };
            fields.push(count.zero_extend(field.width().max(count.width())));
        }
    }
    fields.reverse();
    let sum = add_levels(&m, m.concat(&fields), gate_level..levels, &registers, "");
    let last = registers.last() == Some(&levels) && gate_level < levels;
    let sum = if last { m.pipe("level_last", sum) } else { sum };
    m.output("count", narrow(sum, count_bits(lanes)), "number of ones that count");
    let gate = u32::try_from(gate.unwrap_or(0)).expect("bug: a few registers");
    GatedPopcount { module: m.finish(), latency: edges(&registers), gate }
}

/// Adder levels of a word.
fn levels(lanes: u32) -> u32 {
    lanes.next_power_of_two().trailing_zeros()
}

fn edges(registers: &[u32]) -> u32 {
    u32::try_from(registers.len()).expect("bug: a few registers")
}

/// Levels that registers follow: every second one from the third one on, which comes earlier if
/// groups end before it.
fn gated_registers(levels: u32, group_level: u32) -> Vec<u32> {
    let n = levels.div_ceil(2).saturating_sub(1);
    let mut registers: Vec<_> = (1..=n).map(|i| 2 * i + 1).collect();
    if let Some(first) = registers.first_mut() {
        *first = group_level.clamp(1, 3);
    }
    registers
}

/// The groups, each with zeros above, up to `2^level` bits; a single group as it is.
fn in_fields(x: Sig<'_>, groups: u32, level: u32) -> Vec<Sig<'_>> {
    let lanes = x.width() / groups;
    let bits = if groups == 1 { lanes } else { 1 << level };
    (0..groups).map(|group| x.slice(group * lanes, lanes).zero_extend(bits)).collect()
}

/// The sums of fields of `2^end` bits from those of `2^start` bits; `suffix` ends the names of
/// registers.
fn add_levels<'m>(
    m: &'m Builder,
    x: Sig<'m>,
    levels: std::ops::Range<u32>,
    registers: &[u32],
    suffix: &str,
) -> Sig<'m> {
    let end = levels.end;
    levels.fold(x, |sum, level| {
        let sum = add_neighbours(m, sum, level);
        let done = level + 1;
        // The caller places the register of the last level.
        if done < end && registers.contains(&done) {
            m.pipe(&format!("level_{done}{suffix}"), sum)
        } else {
            sum
        }
    })
}

/// Adds the odd fields of `2^level` bits to the even ones. No field overflows: a field of `n` bits
/// holds at most `n`, the cut-off last one included.
fn add_neighbours<'m>(m: &'m Builder, x: Sig<'m>, level: u32) -> Sig<'m> {
    let width = x.width();
    let field = 1_u32 << level;
    let mut mask = vec![0_u64; width.div_ceil(64) as usize];
    for bit in (0..width).filter(|bit| (bit / field).is_multiple_of(2)) {
        mask[(bit / 64) as usize] |= 1 << (bit % 64);
    }
    let mask = m.lit_words(width, &mask);
    let odd = x.slice(field, width - field).zero_extend(width);
    (x & mask) + (odd & mask)
}

/// The low bits, where the whole count is.
fn narrow(sum: Sig<'_>, bits: u32) -> Sig<'_> {
    if bits >= sum.width() { sum.zero_extend(bits) } else { sum.keep(0, bits) }
}

#[cfg(test)]
mod tests {
    use super::{count_bits, gated_popcount, gated_registers, popcount};
    use crate::Simulator;

    #[track_caller]
    fn check_lanes(lanes: u32, every: u32) {
        let p = popcount(lanes, every);
        let mut sim = Simulator::new(&p.module);
        let words = lanes.div_ceil(64) as usize;
        let mut seed = u64::from(lanes) << 8 | u64::from(every);
        let mut expected = std::collections::VecDeque::new();
        for cycle in 0..200_u32 {
            let mut x: Vec<u64> = (0..words).map(|_| crate::test_random(&mut seed)).collect();
            match cycle {
                0 => x.fill(0),
                1 => x.fill(u64::MAX),
                _ => {}
            }
            let x = crate::build::node::fit_words(&x, lanes);
            expected.push_back(u64::from(x.iter().map(|w| w.count_ones()).sum::<u32>()));
            sim.set_words("x", &x);
            if expected.len() > p.latency as usize {
                assert_eq!(Some(sim.get("count")), expected.pop_front(), "{lanes} lanes");
            }
            sim.step();
        }
    }

    #[test]
    fn popcount_agrees_with_count_ones_after_its_latency() {
        for lanes in [1, 2, 3, 5, 8, 16, 37, 64, 100, 128, 257] {
            for every in 0..4 {
                check_lanes(lanes, every);
            }
        }
    }

    #[track_caller]
    fn check_groups(lanes: u32, groups: u32) {
        let p = gated_popcount(lanes, groups);
        assert_eq!(p.latency, popcount(lanes, 2).latency, "{lanes} lanes");
        let mut sim = Simulator::new(&p.module);
        let mut seed = u64::from(lanes) << 8 | u64::from(groups);
        let ones = |bits: u32| u64::MAX >> (64 - bits);
        // What was put in, the oldest first.
        let mut past = std::collections::VecDeque::new();
        for cycle in 0..200_u32 {
            let mut random = |bits: u32| crate::test_random(&mut seed) & ones(bits);
            let (x, counted) = match cycle {
                0 => (ones(lanes), ones(groups)),
                _ => (random(lanes), random(groups)),
            };
            past.push_front((x, counted));
            sim.set("x", x);
            if let Some((_, counted)) = past.get(p.gate as usize) {
                sim.set("skip", *counted ^ ones(groups));
            }
            if let Some((x, counted)) = past.get(p.latency as usize) {
                let group = |g: u32| x >> (g * (lanes / groups)) & ones(lanes / groups);
                let count = |g| if counted >> g & 1 == 1 { group(g).count_ones() } else { 0 };
                let expected: u32 = (0..groups).map(count).sum();
                assert_eq!(sim.get("count"), u64::from(expected), "{groups} of {lanes} lanes");
            }
            sim.step();
        }
    }

    #[test]
    fn gated_popcount_counts_the_groups_that_count() {
        for lanes in [1, 4, 5, 8, 12, 16, 20, 24, 32, 36, 37, 48, 64] {
            for groups in [1, 2, 4].into_iter().filter(|groups| lanes % groups == 0) {
                check_groups(lanes, groups);
            }
        }
    }

    #[test]
    fn registers_hold_the_counts_of_the_groups() {
        assert_eq!(gated_registers(6, 6), [3, 5]);
        assert_eq!(gated_registers(6, 4), [3, 5]);
        assert_eq!(gated_registers(7, 5), [3, 5, 7]);
        assert_eq!(gated_registers(4, 2), [2]);
        assert_eq!(gated_registers(3, 1), [1]);
        assert!(gated_registers(2, 1).is_empty());
        let gate = |lanes, groups| gated_popcount(lanes, groups).gate;
        assert_eq!([gate(64, 1), gate(64, 2), gate(64, 4)], [1, 1, 0]);
        assert_eq!([gate(128, 1), gate(128, 4), gate(4, 4)], [2, 1, 0]);
    }

    #[test]
    fn popcount_registers_follow_every_second_level() {
        let latency = |lanes| popcount(lanes, 2).latency;
        assert_eq!([1, 2, 4, 8, 16, 64, 100].map(latency), [0, 0, 0, 1, 1, 2, 3]);
        assert_eq!([1, 2, 3, 4, 63, 64].map(count_bits), [1, 2, 2, 3, 6, 7]);
    }
}
