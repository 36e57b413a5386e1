//! Walks whole layers through the modules that know the position of a pixel, `position`,
//! `addresses`, `borders` and `reader`, and compares every beat with the products of the page.

use super::sizes::{Sizes, test_sizes_of};
use super::{addresses, beats, borders, descriptor, position, reader};
use crate::build::{Builder, Direction, Instance, Module};
use crate::{Simulator, test_random};
use heartbit_ir::program::{Borders, FRONT_WORDS, Join, LayerDescriptor, LayerFlags, Shortcut};
use std::collections::VecDeque;

/// A part of the test bench.
struct Part<'m> {
    module: Module,
    instance: Instance<'m>,
}

impl<'m> Part<'m> {
    fn new(m: &'m Builder, name: &str, module: Module) -> Self {
        Self { instance: m.inst(name, &module), module }
    }

    fn names(&self, direction: Direction) -> Vec<String> {
        let ports = self.module.ports().into_iter();
        let ports = ports.filter(|p| p.direction == direction && p.name != "clk");
        ports.map(|p| p.name).filter(|name| name != "rst").collect()
    }

    /// Connects the inputs to outputs of the same names.
    fn connect(&self, sources: &[&Part<'m>]) {
        for name in self.names(Direction::Input) {
            let has = |part: &&&Part<'m>| part.names(Direction::Output).contains(&name);
            if let Some(source) = sources.iter().find(has) {
                self.instance.set(&name, source.instance.out(&name));
            }
        }
    }
}

/// The parts, connected by the names of their ports; all outputs but the descriptor's are outputs.
fn bench(sizes: &Sizes) -> Module {
    let m = Builder::new("bench", "");
    let fields = Part::new(&m, "results", descriptor::results(sizes));
    let beats = Part::new(&m, "beats", beats::beats(sizes));
    let position = Part::new(&m, "position", position::position(sizes));
    let parts = [
        Part::new(&m, "addresses", addresses::addresses(sizes)),
        Part::new(&m, "borders", borders::borders()),
        Part::new(&m, "reader", reader::reader(sizes)),
    ];
    let load = m.input("load", 1, "");
    fields.instance.set("take", m.input("fetch", 1, "")).set("word", m.input("word", 32, ""));
    beats.connect(&[&fields]);
    position.connect(&[&fields, &beats]);
    position.instance.set("start", m.input("start", 1, "")).set("load", load);
    for part in &parts {
        part.connect(&[&position, &fields]);
        part.instance.set("load", position.instance.out("loaded"));
    }
    for part in parts.iter().chain([&position]) {
        for name in part.names(Direction::Output) {
            m.output(&name, part.instance.out(&name), "");
        }
    }
    for part in [&fields, &beats] {
        part.names(Direction::Output).iter().for_each(|name| m.discard(part.instance.out(name)));
    }
    m.finish()
}

/// What one beat of a pixel should make of all outputs.
#[derive(Clone, Default)]
struct Beat {
    /// At D-1: `pixel`, `writing`, `last_pixel`.
    flags: [bool; 3],
    /// At D-1, of a pixel of the map: `x`, `y`, `ct`.
    position: Option<[u64; 3]>,
    /// At D-1, in a write: `sub`, `plane`.
    part: Option<[u64; 2]>,
    /// At D0, of a pixel of the map: `param`, `stream_out`, `stream_odd`.
    words: Option<[u64; 3]>,
    /// At D0, in a write: `bits_out`, `bank`, `slice`.
    bits: Option<[u64; 3]>,
    /// At D4: `first_word`, `take`, of a pixel of the map.
    join: Option<[u64; 2]>,
    /// At D1 `address`, at D3 `use_even` and `use_odd`, of a word that is taken.
    read: Option<[u64; 3]>,
    /// At D5, of a pixel of the map.
    live: Option<u64>,
}

/// One layer and its array.
struct Case<'a> {
    sizes: &'a Sizes,
    layer: LayerDescriptor,
}

fn word(sum: usize) -> u64 {
    (sum % 65_536) as u64
}

impl Case<'_> {
    fn reads(&self) -> usize {
        self.layer.shortcut.reads()
    }

    fn writes(&self) -> usize {
        let planes = if self.layer.flags.write_levels { self.layer.level_bits as usize } else { 1 };
        self.sizes.write_beats as usize * planes
    }

    /// The stream position of a read, if it is inside the map, and its word.
    fn read(&self, ct: usize, y: usize, x: usize, beat: usize) -> Option<[u64; 3]> {
        let layer = &self.layer;
        let stride = layer.shortcut.stride();
        let window = usize::from(layer.shortcut.window);
        let [above, left] = layer.shortcut.paddings();
        let (row, column) = match layer.shortcut.join {
            Join::None | Join::Add => (stride * y, stride * x),
            Join::Average => (2 * y + beat, 2 * x),
            Join::Extreme => {
                let row = (stride * y + beat / window).checked_sub(above)?;
                let column = (stride * x + beat % window).checked_sub(left)?;
                let inside = row < layer.in_height.into() && column < layer.in_width.into();
                inside.then_some((row, column))?
            }
        };
        let address = usize::from(layer.stream_in_base)
            + ct * usize::from(layer.stream_in_plane)
            + row * usize::from(layer.stream_in_row)
            + column / 2;
        let both = layer.shortcut.join == Join::Average;
        let uses = |bank: usize| u64::from(both || column % 2 == bank);
        Some([word(address), uses(0), uses(1)])
    }

    /// The slice that is written in beat `w` of the writes.
    fn bits(&self, ct: usize, y: usize, x: usize, w: usize) -> [u64; 3] {
        let layer = &self.layer;
        let [rows, slices, write_beats] =
            [self.sizes.rows, self.sizes.slices, self.sizes.write_beats].map(|n| n as usize);
        let (plane, sub) = (w / write_beats, w % write_beats);
        let slice = ct * write_beats + sub;
        let stride = if layer.flags.out_stride_2 { 2 } else { 1 };
        let (phase, xi) = (x % stride, x / stride);
        let wide = |value: u16| usize::from(value);
        // The folded lines above, and the lines of this one.
        let lines = usize::from(layer.out_lines);
        let line = y / (stride * lines) * stride + y % stride;
        let pixel = wide(layer.out_base) + line * wide(layer.out_y_words);
        let (pixel, bank) = if layer.flags.out_flat {
            (pixel + x * wide(layer.out_xt_words), 0)
        } else {
            let first_bank = y / stride % lines * (rows / lines);
            let phase = phase * wide(layer.out_phase_words);
            let pixel = pixel + phase + xi / rows * wide(layer.out_xt_words);
            (pixel, first_bank + xi % rows)
        };
        let address = pixel + plane * wide(layer.out_plane_words) + slice / slices;
        [word(address), bank as u64, (slice % slices) as u64]
    }

    fn beat(&self, ct: usize, t: usize, xt: usize, row: usize, beat: usize) -> Beat {
        let layer = &self.layer;
        let wide = |value: u16| usize::from(value);
        let [rows, cols, write_beats] =
            [self.sizes.rows, self.sizes.cols, self.sizes.write_beats].map(|n| n as usize);
        let lines = usize::from(layer.lines);
        let line_rows = rows / lines;
        let (y, x) = (t * lines + row / line_rows, xt * rows + row % line_rows);
        let inside = x < wide(layer.out_width) && y < wide(layer.out_height);
        let written = inside && beat + 1 >= self.reads();
        let pixel = inside && beat + 1 == self.reads();
        let last = pixel && row == 0 && xt + 1 == wide(layer.row_tiles);
        let mut out = Beat {
            flags: [pixel, written, last && (t + 1) * lines >= wide(layer.out_height)],
            ..Beat::default()
        };
        if !inside {
            return out;
        }
        out.position = Some([x as u64, y as u64, ct as u64]);
        let borders = &layer.borders;
        let class = borders.class(y, x, wide(layer.out_height), wide(layer.out_width));
        let stream = wide(layer.stream_out_base)
            + ct * wide(layer.stream_out_plane)
            + y * wide(layer.stream_out_row)
            + x / 2;
        let param = wide(layer.param_base) + ct * borders.classes() + class;
        out.words = Some([word(param), word(stream), (x % 2) as u64]);
        if written {
            let w = beat + 1 - self.reads();
            out.part = Some([(w % write_beats) as u64, (w / write_beats) as u64]);
            out.bits = Some(self.bits(ct, y, x, w));
        }
        let reading = beat < self.reads();
        out.read = self.read(ct, y, x, beat).filter(|_| reading);
        let before = (0..beat.min(self.reads())).any(|b| self.read(ct, y, x, b).is_some());
        let begin = out.read.is_some() && !before;
        out.join = Some([begin.into(), out.read.is_some().into()]);
        let live = wide(layer.shortcut_channels).saturating_sub(ct * cols).min(cols);
        let live = if layer.shortcut.join == Join::None { 0 } else { live };
        out.live = Some((1 << live) - 1);
        out
    }

    /// All beats of the layer, with gaps here and there.
    fn beats(&self, seed: &mut u64) -> Vec<Option<Beat>> {
        let layer = &self.layer;
        let mut out = Vec::new();
        for ct in 0..usize::from(layer.col_tiles) {
            for t in 0..usize::from(layer.out_height).div_ceil(layer.lines.into()) {
                for xt in 0..usize::from(layer.row_tiles) {
                    for row in (0..self.sizes.rows as usize).rev() {
                        let beats = 0..self.reads() + self.writes() - 1;
                        out.extend(beats.map(|beat| Some(self.beat(ct, t, xt, row, beat))));
                    }
                    // A start comes at once, or some cycles later.
                    let gap = (test_random(seed) % 8).saturating_sub(4);
                    out.extend((0..gap).map(|_| None));
                }
            }
        }
        out
    }

    /// The second cycles in front of the first beat of a tile.
    fn starts(&self, beats: &[Option<Beat>]) -> Vec<bool> {
        let tile = self.sizes.rows as usize * (self.reads() + self.writes() - 1);
        let mut starts = vec![false; beats.len() + 1];
        let mut shown = 0;
        for (cycle, beat) in beats.iter().enumerate() {
            if beat.is_some() {
                starts[cycle] = shown % tile == 0;
                shown += 1;
            }
        }
        starts
    }
}

#[track_caller]
fn check(sim: &mut Simulator, what: &str, names: &[&str], expected: Option<&[u64]>) {
    let Some(expected) = expected else { return };
    let seen: Vec<_> = names.iter().map(|name| sim.get(name)).collect();
    assert_eq!(seen, expected, "{what}: {names:?}");
}

#[track_caller]
fn check_layer(sim: &mut Simulator, case: &Case<'_>, seed: &mut u64) {
    sim.set("fetch", 1);
    for &word in &case.layer.encode()[FRONT_WORDS..] {
        sim.set("word", word.into());
        sim.step();
    }
    sim.set("fetch", 0);
    sim.set("load", 1);
    sim.step();
    sim.set("load", 0);
    let beats = case.beats(seed);
    let starts = case.starts(&beats);
    // The beats at D-1, D0 and so on.
    let mut past = VecDeque::from(vec![Beat::default(); 7]);
    for cycle in 0..beats.len() + 8 {
        let now = cycle.checked_sub(2).and_then(|at| beats.get(at).cloned().flatten());
        sim.set("start", starts.get(cycle).copied().unwrap_or(false).into());
        past.rotate_right(1);
        past[0] = now.unwrap_or_default();
        let what = format!("{:?}, cycle {cycle}", case.layer);
        let flags = past[0].flags.map(u64::from);
        check(sim, &what, &["pixel", "writing", "last_pixel"], Some(&flags));
        let list = |values: &Option<[u64; 3]>| values.map(|v| v.to_vec());
        check(sim, &what, &["x", "y", "ct"], list(&past[0].position).as_deref());
        if let Some([sub, plane]) = past[0].part {
            if case.sizes.write_beats > 1 {
                check(sim, &what, &["sub"], Some(&[sub]));
            }
            if case.sizes.extended {
                check(sim, &what, &["plane"], Some(&[plane]));
            }
        }
        let names = ["param", "stream_out", "stream_odd"];
        check(sim, &what, &names, list(&past[1].words).as_deref());
        check(sim, &what, &["bits_out", "bank", "slice"], list(&past[1].bits).as_deref());
        check(sim, &what, &["address"], past[2].read.map(|r| [r[0]]).as_ref().map(|r| &r[..]));
        let uses = past[4].read.map(|r| [r[1], r[2]]);
        check(sim, &what, &["use_even", "use_odd"], uses.as_ref().map(|r| &r[..]));
        check(sim, &what, &["first_word", "take"], past[5].join.as_ref().map(|r| &r[..]));
        check(sim, &what, &["live"], past[6].live.map(|l| [l]).as_ref().map(|l| &l[..]));
        sim.step();
    }
}

fn random_layer(sizes: &Sizes, seed: &mut u64) -> LayerDescriptor {
    let mut random = |below: u64| u16::try_from(test_random(seed) % below).expect("bug: 16 bits");
    let small = |n: u16| u8::try_from(n).expect("bug: small");
    let rows = u16::try_from(sizes.rows).expect("bug: small");
    let lines = 1_u16 << random(u64::from(sizes.lines.trailing_zeros() + 1));
    let several = lines > 1;
    let most_width = if several { rows / lines } else { 3 * rows };
    let (out_height, out_width) =
        (1 + random(if several { 11 } else { 4 }), 1 + random(most_width.into()));
    let joins = if sizes.extended { 4 } else { 3 };
    let join = [Join::None, Join::Add, Join::Average, Join::Extreme][usize::from(random(joins))];
    let window = match join {
        Join::None | Join::Add => 1,
        Join::Average => 2,
        Join::Extreme => small(1 + random(3)),
    };
    let free = sizes.extended && matches!(join, Join::Add | Join::Extreme);
    let padding = join == Join::Extreme && window > 1 && random(2) == 1;
    let inner = padding && random(2) == 1;
    let stride_2 = join == Join::Average || free && random(2) == 1;
    // Every window has a position inside the map.
    let size = |out: u16, padding: bool, more: u16| {
        let last = (if stride_2 { 2 } else { 1 }) * (out - 1);
        last.saturating_sub(padding.into()) + 1 + more
    };
    let levels = sizes.extended && random(3) == 0;
    let flat = sizes.extended && !several && random(3) == 0;
    let out_stride_2 = !flat && random(2) == 1;
    // The layer's lines divide the stride times these, into which a line fits.
    let out_stride = if out_stride_2 { 2 } else { 1 };
    let fits = |q: u16| q == 1 || !flat && out_width.div_ceil(out_stride) <= rows / q;
    let choices = [1, 2, 4].into_iter().filter(|&q| u32::from(q) <= sizes.lines && fits(q));
    let choices: Vec<_> = choices.filter(|q| (out_stride * q).is_multiple_of(lines)).collect();
    let out_lines = choices[usize::from(random(choices.len() as u64))];
    let out_xt_words = random(65_536);
    let flat_phase = (rows - 1).wrapping_mul(out_xt_words);
    LayerDescriptor {
        flags: LayerFlags {
            write_bits: !levels,
            write_levels: levels,
            out_flat: flat,
            out_stride_2,
            ..LayerFlags::default()
        },
        lines: small(lines),
        out_lines: small(out_lines),
        level_bits: if levels { (1 + random(8)).into() } else { 0 },
        shortcut: Shortcut { join, window, stride_2, padding, inner },
        borders: Borders {
            top: small(random(4)),
            bottom: small(random(4)),
            left: small(random(4)),
            right: small(random(4)),
        },
        col_tiles: 1 + random(4),
        row_tiles: out_width.div_ceil(rows),
        out_height,
        out_width,
        in_height: size(out_height, padding && !inner, random(2)),
        in_width: size(out_width, padding, random(2)),
        param_base: random(65_536),
        out_base: random(65_536),
        out_y_words: random(65_536),
        out_phase_words: if flat { flat_phase } else { random(65_536) },
        out_xt_words,
        out_plane_words: random(65_536),
        stream_in_base: random(65_536),
        stream_out_base: random(65_536),
        stream_in_row: random(65_536),
        stream_in_plane: random(65_536),
        stream_out_row: random(65_536),
        stream_out_plane: random(65_536),
        shortcut_channels: random(4 * u64::from(sizes.cols)),
        ..LayerDescriptor::default()
    }
}

/// Random layers, one after the other.
#[track_caller]
fn check_layers(sizes: &Sizes, layers: usize, seed: &mut u64) {
    let mut sim = Simulator::new(&bench(sizes));
    for _ in 0..layers {
        let layer = random_layer(sizes, seed);
        check_layer(&mut sim, &Case { sizes, layer }, seed);
    }
}

#[test]
fn addresses_are_the_products_of_the_page() {
    let mut seed = 5;
    for (rows, cols, lanes) in [(1, 1, 4), (2, 4, 16), (3, 7, 4), (5, 5, 16), (4, 13, 4)] {
        for extended in [false, true] {
            let sizes = test_sizes_of(rows, cols, lanes, 1, extended);
            check_layers(&sizes, if extended { 60 } else { 20 }, &mut seed);
        }
    }
}

#[test]
fn addresses_of_several_lines_are_the_products_of_the_page() {
    let mut seed = 6;
    for (rows, lines) in [(2, 2), (4, 2), (4, 4), (6, 2), (8, 4), (12, 4)] {
        for (cols, lanes, extended) in [(4, 16, false), (7, 4, false), (5, 16, true), (13, 4, true)]
        {
            let sizes = Sizes { lines, ..test_sizes_of(rows, cols, lanes, 1, extended) };
            check_layers(&sizes, 24, &mut seed);
        }
    }
}
