//! What the registers of an emitted popcount hold, for `block_count` of `pe.sv`.
//!
//! A register `level_5` has all fields of the sums after five adder levels, `level_last` those after
//! the last level. Field `i` of level `k` counts the bits `i·2^k ..` of the word, in which a lane
//! group begins at a multiple of `2^(levels - log2 groups)` bits. Where groups may be skipped, level
//! `k`, a register `level_k_5` is field 5; below, where each group has adders of its own, `level_3_1`
//! has all fields of group 1.
//!
//! What is said here is asserted like everything else: were it wrong, the proof would fail.

use std::fmt::Write as _;

/// The registers of a popcount, and when `skip` reaches them.
pub(crate) struct Cuts {
    /// Text of `cuts.vh`.
    pub(crate) text: String,
    /// Cycles from words at the processing element to its popcount's output: `P`.
    pub(crate) latency: u32,
    /// Cycles from words at the processing element to their `skip`.
    pub(crate) skip: u32,
}

/// A register of the emitted text.
struct Register {
    name: String,
    level: u32,
    /// The field or the lane group that it holds; `None` if it holds all fields of the level.
    part: Option<u32>,
    bits: u32,
}

impl Register {
    /// Reads a line such as `  reg [3:0] level_3_7;`.
    fn parse(line: &str, levels: u32) -> Option<Self> {
        let rest = line.trim().strip_prefix("reg ")?.strip_suffix(';')?;
        let (range, name) = rest.rsplit_once(' ').unwrap_or(("[0:0]", rest));
        let bits = range.strip_prefix('[')?.strip_suffix(":0]")?.parse::<u32>().ok()? + 1;
        let place = name.strip_prefix("level_")?;
        let (level, part) = match place.split_once('_') {
            _ if place == "last" => (levels, None),
            Some((level, part)) => (level.parse().ok()?, Some(part.parse().ok()?)),
            None => (place.parse().ok()?, None),
        };
        Some(Self { name: name.to_owned(), level, part, bits })
    }

    /// Fields with the bits where they begin and how many they have.
    fn fields(&self, gate_level: u32, group_level: u32) -> Vec<(u32, u32, u32)> {
        let first = match self.part {
            Some(field) if self.level >= gate_level => return vec![(field, 0, self.bits)],
            Some(group) => group << (group_level - self.level),
            None => 0,
        };
        let width = 1 << self.level;
        (0..self.bits.div_ceil(width))
            .map(|field| (first + field, field * width, (self.bits - field * width).min(width)))
            .collect()
    }
}

impl Cuts {
    /// Reads the emitted text of a popcount of `groups` lane groups.
    pub(crate) fn of(popcount: &str, lanes: u32, groups: u32) -> Self {
        let levels = lanes.next_power_of_two().trailing_zeros();
        let group_level = levels - groups.trailing_zeros();
        let registers: Vec<_> =
            popcount.lines().filter_map(|line| Register::parse(line, levels)).collect();
        let mut stages: Vec<u32> = registers.iter().map(|register| register.level).collect();
        stages.sort_unstable();
        stages.dedup();
        // `skip` is applied before the last register whose fields lie within a group.
        let gate = stages.iter().rposition(|level| *level <= group_level);
        let gate_level = gate.map_or(group_level, |gate| stages[gate]);
        let small = |n: usize| u32::try_from(n).expect("bug: a few stages");
        let mut text = String::new();
        for register in &registers {
            let stage = stages.iter().position(|level| *level == register.level);
            let stage = 2 + small(stage.expect("bug: a stage of its own"));
            let fields = register.fields(gate_level, group_level);
            blocks(&mut text, register, &fields, stage, (lanes / groups, groups, group_level));
        }
        Self { text, latency: small(stages.len()) + 1, skip: small(gate.unwrap_or(0)) + 1 }
    }
}

/// One `block_count` for each of the fields of a register, which holds sums of the words of `stage` cycles
/// ago.
fn blocks(
    text: &mut String,
    register: &Register,
    fields: &[(u32, u32, u32)],
    stage: u32,
    (group_lanes, groups, group_level): (u32, u32, u32),
) {
    let Register { name, level, bits, .. } = register;
    let path = format!("\\dut.tree.{name} ");
    writeln!(text, "(* hierconn *) wire [{}:0] {path};", bits - 1).expect("bug: a string");
    for &(field, at, width) in fields {
        let begin = field << level;
        let first_group = begin >> group_level;
        let whole_groups = *level > group_level;
        let (from, to, n) = if whole_groups {
            let n = 1 << (level - group_level);
            (0, group_lanes, u32::min(n, groups - first_group))
        } else {
            let from = begin & ((1 << group_level) - 1);
            (from, group_lanes.min(from + (1 << level)), 1)
        };
        if from >= group_lanes {
            // Only padding of a group whose lanes are no power of two.
            let empty = format!("assert ({path}[{at} +: {width}] == 0)");
            writeln!(text, "always @* if (age >= {stage}) {empty};").expect("bug: a string");
            continue;
        }
        writeln!(
            text,
            "block_count #(.BITS({width}), .LANES(LANES), .TAPS(TAPS), .COUNT_BITS(COUNT_BITS), \
             .FIRST_GROUP({first_group}), .GROUPS({n}), .FROM({from}), .TO({to})) {name}_{field} \
             (.known(age >= {stage}), .totals(totals_at[TOTALS*{stage} +: TOTALS]), \
             .skip(skip_at[TAPS*{stage} +: TAPS]), .field({path}[{at} +: {width}]));"
        )
        .expect("bug: a string");
    }
}
