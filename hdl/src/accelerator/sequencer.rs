//! The sequencer: issues steps, waits between layers, and hands over to `output`.
//!
//! Microarchitecture.md, section 5.4, whose cycle counts hold exactly.
//! It says when descriptors are to be fetched; the module `fetch` does it.
//!
//! | port           | dir | width | meaning                                                   |
//! | -------------- | --- | ----- | --------------------------------------------------------- |
//! | `image_full`   | in  | 1     | a complete image waits                                    |
//! | `sent`         | in  | 1     | the last beat of `Send` is accepted                       |
//! | `illegal`      | in  | 1     | the layer of the front must not begin                     |
//! | `hold`         | in  | 1     | the step must wait; only with a weight ring               |
//! | fields of the descriptor | in | .. | by their names                                     |
//! | `idle`, `fetching` | out | 1 | states                                                    |
//! | `begin_front`  | out | 1     | first cycle of `Fetch`                                    |
//! | `begin_wait`   | out | 1     | first cycle of `Gap`, and a layer follows                 |
//! | `load`         | out | 1     | last cycle before `Run`: counters begin                   |
//! | `step_addr`    | out | 16    | word of the step memory                                   |
//! | `weight_addr`  | out | 16    | word of the weight memories                               |
//! | `issue`, `first`, `last` | out | 1 | a step is issued, the first, the last of its tile   |
//! | `line_end`, `ct_end` | out | 1 | with `last`: of the last tile of a row, a column tile    |
//! | `first_tile`, `last_tile` | out | 1 | of a column tile; only with a weight ring     |
//! | `weight_wait`  | out | 1     | a step waits; only with a weight ring                     |
//! | `free`         | out | 1     | last cycle of the first layer without `keep_image`        |
//! | `sending`      | out | 1     | state `Send`                                              |
//! | `busy`         | out | 1     | not in state `Idle`                                       |
//! | `error`        | out | 1     | state `Halt`, until reset                                 |
//! | `state`, `layer`, `entered` | out | 3, 8, 1 | monitor: state, layer, first cycle of a state  |
//!
//! Timing: `t` of the page is the cycle of `issue`. Fields of the front, and `illegal`, must stand
//! one cycle before `load`.

use heartbit_ir::program::DESCRIPTOR_WORDS;

use super::lines::Lines;
use super::sizes::Sizes;
use crate::build::{Builder, Module, Reg, Sig};

/// States, as the monitor shows them.
const IDLE: u64 = 0;
const FETCH: u64 = 1;
const RUN: u64 = 2;
const GAP: u64 = 3;
const SEND: u64 = 4;
const HALT: u64 = 5;
/// The last index that a layer can have.
const LAST_LAYER: u64 = 255;
/// Bits of a number of lines, up to the end of a tile that may be beyond the map.
const LINE_BITS: u32 = 17;
/// Phases of `Run`.
const STEPS: u64 = 0;
const TILE_GAP: u64 = 1;
const COL_GAP: u64 = 2;

/// Describes the module `sequencer`.
pub(super) fn sequencer(sizes: &Sizes) -> Module {
    let m = Builder::new("sequencer", "Issues steps and waits between layers.");
    let image_full = m.input("image_full", 1, "a complete image waits");
    let sent = m.input("sent", 1, "the last beat is accepted");
    let front = Front::inputs(&m, sizes);

    let state = m.reg("state_q", 3, IDLE);
    let idle = state.eq(IDLE).named("idle_now");
    let fetch = state.eq(FETCH).named("fetch_now");
    let run = state.eq(RUN).named("run");
    let gap = state.eq(GAP).named("gap");
    let send = state.eq(SEND).named("send");
    let phase = m.reg("phase", 2, STEPS);
    let in_phase = |of: u64| run & phase.eq(of);
    // First and last cycle of the present state, or of the present phase of `Run`.
    let first_cycle = m.reg("first_cycle", 1, 0);
    let cycles = Countdown::declare(&m, "cycle", 16);

    // Loops.
    let stepping = in_phase(STEPS);
    let waits = sizes.ring.map(|_| waits(&m, stepping));
    let issue = waits.map_or(stepping, |waits| stepping & !waits).named("issue_now");
    let last = (issue & cycles.last()).named("last_now");
    let tile_gap_over = in_phase(TILE_GAP) & cycles.last();
    let tile_over = ((last & !front.has_tile_gap) | tile_gap_over).named("tile_over");
    let (tiles, lines) = (Countdown::declare(&m, "tile", 16), Countdown::declare(&m, "line", 17));
    let cts = Countdown::declare(&m, "ct", 16);
    let (last_xt, last_y) = (tiles.last(), lines.last());
    let line_over = (tile_over & last_xt).named("line_over");
    let tiles_over = (line_over & last_y).named("tiles_over");
    let col_gap_over = in_phase(COL_GAP) & cycles.last();
    let col_over = ((tiles_over & !front.has_col_gap) | col_gap_over).named("col_over");
    let layer_over = (col_over & cts.last()).named("layer_over");
    let line_end = (last & last_xt).named("line_end_now");
    let ct_end = (line_end & last_y).named("ct_end_now");

    // The next front is fetched in `Gap`, so what is needed there is kept.
    let gap_over = (gap & cycles.last()).named("gap_over");
    let layer = m.reg("layer_q", 8, 0);
    let is_last = m.reg_without_reset("is_last_layer", 1);
    // A program without a last layer ends when its layers can be counted no more.
    let illegal = front.illegal | (gap & layer.eq(LAST_LAYER));
    let follows = ((fetch & cycles.last()) | (gap_over & !*is_last)).named("layer_follows");
    let load = (follows & !illegal).named("load_now");
    is_last.next_when(load, front.last_layer);
    let keeps_image = m.pipe_when("keeps_image", load, front.keep_image);
    let layer_gap = m.pipe_when("gap_cycles", load, front.layer_gap);

    tiles.count(load | tile_over, load | last_xt, front.row_tiles);
    lines.count_lines(load | line_over, load | last_y, front.out_height, &front.lines);
    cts.count(load | col_over, load, front.col_tiles);
    let into_tile_gap = (last & front.has_tile_gap).named("into_tile_gap");
    let into_col_gap = (tiles_over & front.has_col_gap).named("into_col_gap");
    let after_tile = m.mux(into_col_gap, COL_GAP, m.lit(2, STEPS));
    phase.next_when(last | tile_over | col_over, m.mux(into_tile_gap, TILE_GAP, after_tile));

    // State.
    let wake = (idle & image_full).named("wake");
    let to_idle = m.mux(send & sent, IDLE, *state);
    let to_send = m.mux(gap_over & *is_last, SEND, to_idle);
    let to_gap = m.mux(layer_over, GAP, to_send);
    let begin = m.mux(illegal, HALT, m.lit(3, RUN));
    let next = m.mux(wake, FETCH, m.mux(follows, begin, to_gap)).named("state_next");
    state.next(next);
    let entered = m.reg("entered_q", 1, 0);
    entered.next(next.ne(*state));
    layer.next_when(wake | (gap_over & !*is_last), m.mux(wake, 0, *layer + 1));
    let needed = m.reg("image_needed", 1, 0);
    let free = (gap_over & *needed & !keeps_image).named("free_now");
    needed.next_when(wake | free, wake);
    let begin_wait = (gap & *first_cycle & !*is_last).named("begin_wait_now");

    // How long what begins takes; `Fetch` and `Gap` take several cycles.
    let enable = waits.map_or(m.lit(1, 1), |waits| !waits);
    let begins = (wake | load | last | tile_over | col_over).named("begins");
    first_cycle.next_when(enable, begins);
    let several = |value| Count { value, one: m.lit(1, 0) };
    let limit = front
        .steps
        .or(wake, several(m.lit(16, DESCRIPTOR_WORDS as u64 + 2)))
        .or(into_col_gap, front.col_gap)
        .or(into_tile_gap, front.tile_gap)
        .or(layer_over, several(layer_gap));
    cycles.count(enable, begins, limit);

    if sizes.ring.is_some() {
        ends_of_column_tile(&m, load | col_over, tile_over, last_xt & last_y);
    }
    addresses(&m, load, issue, last, ct_end);
    m.output("idle", idle, "state Idle");
    m.output("fetching", fetch, "state Fetch");
    m.output("begin_front", fetch & *first_cycle, "first cycle of Fetch");
    m.output("begin_wait", begin_wait, "first cycle of Gap, and a layer follows");
    m.output("load", load, "the layer begins");
    m.output("issue", issue, "a step is issued");
    m.output("first", issue & *first_cycle, "first step of a tile");
    m.output("last", last, "last step of a tile");
    m.output("line_end", line_end, "of the last tile of a line");
    m.output("ct_end", ct_end, "of the last tile of a column tile");
    m.output("free", free, "the image has been used");
    m.output("sending", send, "state Send");
    m.output("busy", !idle, "not in state Idle");
    m.output("error", state.eq(HALT), "state Halt, until reset");
    m.output("state", *state, "monitor");
    m.output("layer", *layer, "monitor");
    m.output("entered", *entered, "monitor: first cycle of a state");
    m.finish()
}

/// What the front says of the order of the steps, and what follows from it, in registers.
struct Front<'m> {
    steps: Count<'m>,
    tile_gap: Count<'m>,
    has_tile_gap: Sig<'m>,
    col_gap: Count<'m>,
    has_col_gap: Sig<'m>,
    layer_gap: Sig<'m>,
    row_tiles: Count<'m>,
    /// In lines, of which a turn takes as many as a tile has.
    out_height: Count<'m>,
    col_tiles: Count<'m>,
    lines: Lines<'m>,
    last_layer: Sig<'m>,
    keep_image: Sig<'m>,
    illegal: Sig<'m>,
}

impl<'m> Front<'m> {
    fn inputs(m: &'m Builder, sizes: &Sizes) -> Self {
        let word = |name: &str, doc: &str| m.input(name, 16, doc);
        let count = |name: &str, doc: &str| {
            let value = word(name, doc);
            Count { value, one: m.pipe(&format!("{name}_one"), value.eq(1)) }
        };
        let tile_gap = count("tile_gap", "idle cycles after a tile");
        let col_gap = count("col_gap", "idle cycles after a column tile");
        let lines = Lines::input(m, sizes, "lines");
        let height = word("out_height", "lines").zero_extend(LINE_BITS);
        let one = lines.choose(|q| height.lt(u64::from(q) + 1));
        Self {
            steps: count("steps", "K"),
            tile_gap,
            has_tile_gap: m.pipe("has_tile_gap", tile_gap.value.any()),
            col_gap,
            has_col_gap: m.pipe("has_col_gap", col_gap.value.any()),
            layer_gap: word("layer_gap", "idle cycles after the last tile"),
            row_tiles: count("row_tiles", "tiles of a line"),
            out_height: Count { value: height, one: m.pipe("out_height_one", one) },
            col_tiles: count("col_tiles", "column tiles"),
            lines,
            last_layer: m.input("last_layer", 1, "flag"),
            keep_image: m.input("keep_image", 1, "flag"),
            illegal: m.input("illegal", 1, "the layer must not begin"),
        }
    }
}

/// A number of cycles or turns.
#[derive(Clone, Copy)]
struct Count<'m> {
    value: Sig<'m>,
    /// There is only one.
    one: Sig<'m>,
}

impl<'m> Count<'m> {
    /// This one, or another one on a condition.
    fn or(self, condition: Sig<'m>, other: Self) -> Self {
        let choose =
            |this: Sig<'m>, other: Sig<'m>| condition.builder().mux(condition, other, this);
        Self { value: choose(self.value, other.value), one: choose(self.one, other.one) }
    }
}

/// Counts down, and knows in a register whether the present cycle or turn is the last one: the
/// loops are so deep that a comparison before them would be too long.
struct Countdown<'m> {
    left: Reg<'m>,
    last: Reg<'m>,
}

impl<'m> Countdown<'m> {
    fn declare(m: &'m Builder, name: &str, width: u32) -> Self {
        let left = m.reg(&format!("{name}s_left"), width, 0);
        Self { left, last: m.reg(&format!("last_of_{name}s"), 1, 0) }
    }

    fn last(&self) -> Sig<'m> {
        *self.last
    }

    /// Counts by one if enabled, or begins anew with `from` if `restart` also is.
    fn count(&self, enable: Sig<'m>, restart: Sig<'m>, from: Count<'m>) {
        self.next(enable, restart, from, *self.left - 1, self.left.eq(2));
    }

    /// The same by the lines of a tile.
    fn count_lines(&self, enable: Sig<'m>, restart: Sig<'m>, from: Count<'m>, lines: &Lines<'m>) {
        let after = *self.left - lines.number(LINE_BITS);
        self.next(
            enable,
            restart,
            from,
            after,
            lines.choose(|q| self.left.lt(2 * u64::from(q) + 1)),
        );
    }

    fn next(
        &self,
        enable: Sig<'m>,
        restart: Sig<'m>,
        from: Count<'m>,
        after: Sig<'m>,
        last: Sig<'m>,
    ) {
        let m = enable.builder();
        self.left.next_when(enable, m.mux(restart, from.value, after));
        self.last.next_when(enable, m.mux(restart, from.one, last));
    }
}

/// Whether a step waits for its weights.
fn waits<'m>(m: &'m Builder, stepping: Sig<'m>) -> Sig<'m> {
    let waits = (stepping & m.input("hold", 1, "the step must wait")).named("waits");
    m.output("weight_wait", waits, "a step waits");
    waits
}

/// Whether the tile is the first one since a column tile began, and the last one of it.
fn ends_of_column_tile<'m>(m: &'m Builder, begins: Sig<'m>, tile_over: Sig<'m>, last: Sig<'m>) {
    let first_tile = m.reg("first_tile_q", 1, 0);
    first_tile.next_when(begins | tile_over, begins);
    m.output("first_tile", *first_tile, "first tile of a column tile");
    m.output("last_tile", last, "last tile of a column tile");
}

/// The words that the next step reads.
fn addresses<'m>(m: &'m Builder, load: Sig<'m>, issue: Sig<'m>, last: Sig<'m>, ct_end: Sig<'m>) {
    let counter = |name: &str| m.reg_without_reset(name, 16);
    let step_base = m.input("step_base", 16, "first step");
    let step_addr = counter("step_addr_q");
    step_addr.next_when(load | issue, m.mux(load | last, step_base, *step_addr + 1));
    let weight_base = m.input("weight_base", 16, "first weight word");
    let (weight_addr, weight_tile) = (counter("weight_addr_q"), counter("weight_tile"));
    let following = *weight_addr + 1;
    weight_tile.next_when(load | ct_end, m.mux(load, weight_base, following));
    let weight_next = m.mux(last & !ct_end, *weight_tile, following);
    weight_addr.next_when(load | issue, m.mux(load, weight_base, weight_next));
    m.output("step_addr", *step_addr, "word of the step memory");
    m.output("weight_addr", *weight_addr, "word of the weight memories");
}

/// Sets the fields of a layer that say how its steps follow each other.
#[cfg(test)]
pub(super) fn set_layer(sim: &mut crate::Simulator, layer: &heartbit_ir::program::LayerDescriptor) {
    for (name, value) in [
        ("steps", layer.steps),
        ("step_base", layer.step_base),
        ("weight_base", layer.weight_base),
        ("col_tiles", layer.col_tiles),
        ("row_tiles", layer.row_tiles),
        ("out_height", layer.out_height),
        ("tile_gap", layer.tile_gap),
        ("col_gap", layer.col_gap),
        ("layer_gap", layer.layer_gap),
        ("last_layer", u16::from(layer.flags.last_layer)),
    ] {
        sim.set(name, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::super::sizes::{Sizes, test_sizes};
    use super::{FETCH, GAP, HALT, IDLE, RUN, SEND, sequencer};
    use crate::{Simulator, test_random};
    use heartbit_ir::program::LayerDescriptor;

    fn set_layer(sim: &mut Simulator, sizes: &Sizes, layer: &LayerDescriptor) {
        if sizes.lines > 1 {
            sim.set("lines", layer.lines.trailing_zeros().into());
        }
        super::set_layer(sim, layer);
        sim.set("keep_image", layer.flags.keep_image.into());
    }

    /// One cycle of `state` in which no step is issued.
    #[track_caller]
    fn quiet(sim: &mut Simulator, state: u64, entered: bool) {
        assert_eq!((sim.get("state"), sim.get("issue"), sim.get("last")), (state, 0, 0));
        assert_eq!((sim.get("first"), sim.get("line_end"), sim.get("ct_end")), (0, 0, 0));
        assert_eq!(sim.get("entered"), u64::from(entered));
        assert_eq!(sim.get("busy"), u64::from(state != IDLE));
    }

    #[track_caller]
    fn check_layer(
        sim: &mut Simulator,
        sizes: &Sizes,
        index: u64,
        layer: &LayerDescriptor,
        next: Option<&LayerDescriptor>,
        frees: bool,
    ) {
        if index == 0 {
            for cycle in 0..23 {
                quiet(sim, FETCH, cycle == 0);
                let begins = (u64::from(cycle == 0), 0);
                assert_eq!((sim.get("begin_front"), sim.get("begin_wait")), begins);
                assert_eq!((sim.get("layer"), sim.get("load")), (0, u64::from(cycle == 22)));
                sim.step();
            }
        }
        let mut cycle = 0;
        let tiles = layer.out_height.div_ceil(layer.lines.into()) * layer.row_tiles;
        for ct in 0..layer.col_tiles {
            for tile in 0..tiles {
                for step in 0..layer.steps {
                    let last = step + 1 == layer.steps;
                    let line_end = last && (tile + 1) % layer.row_tiles == 0;
                    let ct_end = last && tile + 1 == tiles;
                    assert_eq!((sim.get("state"), sim.get("issue")), (RUN, 1));
                    assert_eq!(sim.get("layer"), index);
                    assert_eq!(sim.get("entered"), u64::from(cycle == 0));
                    assert_eq!(sim.get("first"), u64::from(step == 0));
                    assert_eq!(sim.get("last"), u64::from(last));
                    assert_eq!(sim.get("line_end"), u64::from(line_end));
                    assert_eq!(sim.get("ct_end"), u64::from(ct_end));
                    let word = layer.step_base.wrapping_add(step);
                    assert_eq!(sim.get("step_addr"), u64::from(word));
                    let word = layer.weight_base.wrapping_add(ct * layer.steps).wrapping_add(step);
                    assert_eq!(sim.get("weight_addr"), u64::from(word));
                    cycle += 1;
                    sim.step();
                }
                (0..layer.tile_gap).for_each(|_| {
                    quiet(sim, RUN, false);
                    sim.step();
                });
            }
            (0..layer.col_gap).for_each(|_| {
                quiet(sim, RUN, false);
                sim.step();
            });
        }
        for cycle in 1..=layer.layer_gap {
            quiet(sim, GAP, cycle == 1);
            let follows = !layer.flags.last_layer;
            let begins = u64::from(cycle == 1 && follows);
            assert_eq!((sim.get("begin_front"), sim.get("begin_wait")), (0, begins));
            let over = cycle == layer.layer_gap;
            assert_eq!(sim.get("load"), u64::from(over && follows));
            assert_eq!(sim.get("free"), u64::from(frees && over));
            let stands = cycle + 1 == layer.layer_gap;
            if cycle > 1 && !stands && !over {
                // The next front enters.
                sim.set("layer_gap", 7);
                sim.set("last_layer", u64::from(follows));
                sim.set("keep_image", u64::from(!layer.flags.keep_image));
            }
            if stands && let Some(next) = next {
                set_layer(sim, sizes, next);
            }
            sim.step();
        }
    }

    #[track_caller]
    fn check_images(most_lines: u32) {
        let sizes = Sizes { lines: most_lines, ..test_sizes(4, 1, 4) };
        let mut sim = Simulator::new(&sequencer(&sizes));
        let mut seed = 2;
        for _ in 0..20 {
            let mut random =
                |below: u64| u16::try_from(test_random(&mut seed) % below).expect("bug: 16 bits");
            let mut layers: Vec<_> = (0..=random(3))
                .map(|_| LayerDescriptor {
                    steps: 1 + random(6),
                    step_base: random(65_536),
                    weight_base: random(65_536),
                    lines: 1 << random(u64::from(most_lines.trailing_zeros() + 1)),
                    col_tiles: 1 + random(3),
                    row_tiles: 1 + random(4),
                    out_height: 1 + random(if most_lines == 1 { 4 } else { 9 }),
                    tile_gap: random(3),
                    col_gap: random(3),
                    layer_gap: 2 + random(20),
                    ..LayerDescriptor::default()
                })
                .collect();
            layers.last_mut().expect("bug: a layer").flags.last_layer = true;
            let n_keep = usize::from(random(layers.len() as u64));
            layers[..n_keep].iter_mut().for_each(|layer| layer.flags.keep_image = true);
            // What layers behind the last one of the image say does not count.
            layers[n_keep + 1..].iter_mut().for_each(|l| l.flags.keep_image = random(2) == 1);
            quiet(&mut sim, IDLE, false);
            sim.set("image_full", 1);
            quiet(&mut sim, IDLE, false);
            sim.step();
            sim.set("image_full", 0);
            set_layer(&mut sim, &sizes, &layers[0]);
            for (index, layer) in layers.iter().enumerate() {
                let (next, frees) = (layers.get(index + 1), index == n_keep);
                check_layer(&mut sim, &sizes, index as u64, layer, next, frees);
            }
            for cycle in 0..3 {
                quiet(&mut sim, SEND, cycle == 0);
                assert_eq!(sim.get("sending"), 1);
                sim.set("sent", u64::from(cycle == 2));
                sim.step();
            }
            sim.set("sent", 0);
            quiet(&mut sim, IDLE, true);
            sim.step();
        }
    }

    #[test]
    fn layers_take_the_cycles_of_the_page() {
        [1, 2, 4].into_iter().for_each(check_images);
    }

    /// An image whose layer `illegal` must not begin.
    #[track_caller]
    fn check_halt(illegal: u64) {
        let sizes = test_sizes(4, 1, 4);
        let mut sim = Simulator::new(&sequencer(&sizes));
        let layer = LayerDescriptor {
            steps: 2,
            col_tiles: 1,
            row_tiles: 1,
            out_height: 1,
            layer_gap: 11,
            ..LayerDescriptor::default()
        };
        set_layer(&mut sim, &sizes, &layer);
        sim.set("image_full", 1);
        for _ in 0..200 {
            let bad = sim.get("layer") + u64::from(sim.get("state") == GAP) == illegal;
            sim.set("illegal", bad.into());
            sim.step();
        }
        assert_eq!((sim.get("state"), sim.get("error"), sim.get("busy")), (HALT, 1, 1));
        assert_eq!((sim.get("layer"), sim.get("issue")), (illegal, 0));
        sim.set("rst", 1);
        sim.step();
        sim.set("rst", 0);
        sim.set("image_full", 0);
        quiet(&mut sim, IDLE, false);
        assert_eq!(sim.get("error"), 0);
    }

    #[test]
    fn an_illegal_layer_halts_until_reset() {
        [0, 1, 3].into_iter().for_each(check_halt);
    }
}
