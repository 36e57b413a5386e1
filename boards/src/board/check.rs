//! The rules of board files.
//!
//! Not here: that the device has the capacities the file says; nobody can check that but a tool.

use super::file::{File, FileClock, FileLeds, FilePll, FileReset};
use super::{
    ActivePin, Board, ClockInput, ConstraintsFormat, Flow, Memory, Pin, PllLimits, Primitive,
    Problem, Sources, quantity,
};
use crate::packages::{has_pin, is_pin};
use crate::pll;
use heartbit_compiler::resources::Family;
use heartbit_compiler::search::fit::Capacity;
use toml::Spanned;

type Text = Spanned<String>;

/// Families of boards that no resource model covers yet.
const UNMODELLED: [&str; 2] = ["xcup", "cyclone5"];
/// Devices that nextpnr-ice40 and nextpnr-ecp5 know; that for Gowin has names of its own.
const ICE40_PARTS: [&str; 9] =
    ["lp384", "lp1k", "lp4k", "lp8k", "hx1k", "hx4k", "hx8k", "up3k", "up5k"];
const ECP5_PARTS: [&str; 10] =
    ["12k", "25k", "45k", "85k", "um-25k", "um-45k", "um-85k", "um5g-25k", "um5g-45k", "um5g-85k"];

/// The line of a place in a text, from 1.
pub(super) fn line(text: &str, offset: usize) -> usize {
    1 + text[..offset.min(text.len())].matches('\n').count()
}

/// What is wrong with a file so far, and which pins are taken.
struct Checker<'a> {
    text: &'a str,
    part: Option<String>,
    package: String,
    standard: String,
    taken: Vec<(String, usize)>,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn problem(&mut self, at: usize, rule: impl Into<String>) {
        self.problems.push(Problem { line: line(self.text, at), rule: rule.into() });
    }

    fn check(&mut self, at: usize, holds: bool, rule: impl FnOnce() -> String) {
        if !holds {
            self.problem(at, rule());
        }
    }

    /// The value of a text, or the default where it has none.
    fn value<T: Default>(&mut self, text: &Text, read: fn(&str) -> Result<T, String>) -> T {
        read(text.get_ref()).unwrap_or_else(|rule| {
            self.problem(text.span().start, rule);
            T::default()
        })
    }

    /// The entry that a text names.
    fn one_of<T: Copy>(&mut self, text: &Text, what: &str, all: &[(&str, T)]) -> Option<T> {
        let found = all.iter().find(|(name, _)| name == text.get_ref());
        if found.is_none() {
            let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
            let rule = format!("`{}` is no {what}: {}", text.get_ref(), names.join(", "));
            self.problem(text.span().start, rule);
        }
        found.map(|(_, value)| *value)
    }

    fn not_empty(&mut self, text: &Text) -> String {
        let (at, text) = (text.span().start, text.get_ref());
        // These texts are printed into constraints and scripts.
        let plain = !text.trim().is_empty() && !text.contains(|c: char| c.is_control());
        self.check(at, plain, || "the text is empty, or of more than a line".to_owned());
        text.clone()
    }

    /// A word for a constraints file or a command line, where it must not end or begin another.
    fn word(&mut self, text: &Text) -> String {
        let (at, text) = (text.span().start, text.get_ref());
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_./- ".contains(c);
        let plain =
            text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(allowed);
        self.check(at, plain, || {
            format!("`{text}` must begin with a letter or digit, and hold only those and _ . / -")
        });
        text.clone()
    }

    fn pin(&mut self, site: &Text, standard: Option<&Text>) -> Pin {
        let (at, name) = (site.span().start, site.get_ref());
        let known = match &self.part {
            Some(part) => has_pin(part, &self.package, name),
            None => None,
        };
        match known {
            Some(true) => {}
            Some(false) => {
                let rule = format!("the package {} has no user pin `{name}`", self.package);
                self.problem(at, rule);
            }
            None => self.check(at, is_pin(name), || {
                format!("`{name}` is no pin: a number, behind a row of one or two letters if any")
            }),
        }
        let here = line(self.text, at);
        let other = self.taken.iter().find(|(taken, _)| taken == name).map(|(_, line)| *line);
        if let Some(other) = other {
            self.problem(at, format!("pin `{name}` is taken in line {other} already"));
        }
        self.taken.push((name.clone(), here));
        let standard = match standard {
            Some(text) => self.word(text),
            None => self.standard.clone(),
        };
        Pin { site: name.clone(), standard }
    }

    fn active_pin(&mut self, site: &Text, active: &Text, standard: Option<&Text>) -> ActivePin {
        let active_low = self.one_of(active, "level", &[("low", true), ("high", false)]);
        ActivePin { pin: self.pin(site, standard), active_low: active_low.unwrap_or_default() }
    }

    fn clock(&mut self, clock: Option<&FileClock>) -> ClockInput {
        let Some(clock) = clock else {
            self.problem(0, "there is no [clock]: a board has a pin with a clock");
            let pin = Pin { site: String::new(), standard: String::new() };
            return ClockInput { pin, mhz: 0.0 };
        };
        ClockInput {
            mhz: self.value(&clock.frequency, quantity::mhz),
            pin: self.pin(&clock.pin, clock.standard.as_ref()),
        }
    }

    fn leds(&mut self, leds: &FileLeds) -> [Option<ActivePin>; 4] {
        [&leds.ready, &leds.busy, &leds.error, &leds.heartbeat].map(|site| {
            let site = site.as_ref()?;
            Some(self.active_pin(site, &leds.active, leds.standard.as_ref()))
        })
    }

    fn range(&mut self, range: &Spanned<[f64; 2]>) -> [f64; 2] {
        let [low, high] = *range.get_ref();
        let rising = 0.0 < low && low < high && high <= 10_000.0;
        self.check(range.span().start, rising, || {
            format!("[{low}, {high}] is no range: the lower limit in MHz, then the higher one")
        });
        [low, high]
    }

    fn pll(&mut self, pll: &FilePll, family: &str) -> Option<PllLimits> {
        let of_family = Primitive::ALL.into_iter().filter(|p| p.family() == family);
        let all: Vec<_> = of_family.map(|p| (p.cell(), p)).collect();
        let primitive = self.one_of(&pll.primitive, &format!("PLL of {family}"), &all);
        let needs = primitive == Some(Primitive::Gowin);
        self.check(pll.primitive.span().start, needs == pll.device.is_some(), || {
            "rPLL, and no other PLL, has a `device`".to_owned()
        });
        Some(PllLimits {
            pfd_mhz: self.range(&pll.pfd_mhz),
            vco_mhz: self.range(&pll.vco_mhz),
            out_mhz: self.range(&pll.out_mhz),
            device: pll.device.as_ref().map(|text| self.word(text)),
            primitive: primitive?,
        })
    }

    fn reset(&mut self, reset: &FileReset) -> ActivePin {
        self.active_pin(&reset.pin, &reset.active, reset.standard.as_ref())
    }

    /// The clock of the array has to be one that the board can make.
    fn reachable(
        &mut self,
        at: usize,
        clock_mhz: f64,
        clock: &ClockInput,
        pll: Option<&PllLimits>,
    ) {
        if self.problems.is_empty()
            && let Err(error) = pll::Clocking::plan(clock.mhz, pll, clock_mhz)
        {
            self.problem(at, error.to_string());
        }
    }
}

/// The formats of a family, and whether open tools place and route it.
fn tools(family: &str) -> (Flow, ConstraintsFormat) {
    match family {
        "ice40" => (Flow::Open, ConstraintsFormat::Pcf),
        "ecp5" => (Flow::Open, ConstraintsFormat::Lpf),
        "gowin" => (Flow::Open, ConstraintsFormat::Cst),
        "cyclone5" => (Flow::Vendor, ConstraintsFormat::Qsf),
        _ => (Flow::Vendor, ConstraintsFormat::Xdc),
    }
}

/// The part for the open tools, which the vendor's tool has no use for.
fn part(check: &mut Checker<'_>, read: &File, family: &str, flow: Flow) {
    let at = read.flow.span().start;
    match (&read.part, flow) {
        (None, Flow::Open) => {
            check.problem(at, "the open flow needs `part`: the device as nextpnr names it");
        }
        (Some(part), Flow::Vendor) => {
            check.problem(part.span().start, "`part` is for the open flow; `device` will do here");
        }
        (Some(part), Flow::Open) => {
            check.word(part);
            let known: &[&str] = match family {
                "ice40" => &ICE40_PARTS,
                "ecp5" => &ECP5_PARTS,
                _ => return,
            };
            let all: Vec<_> = known.iter().map(|name| (*name, ())).collect();
            check.one_of(part, &format!("part of {family}"), &all);
        }
        (None, Flow::Vendor) => {}
    }
}

/// A board, or all that is wrong with its file, by line.
pub(super) fn board(name: &str, text: &str, read: File) -> Result<Board, Vec<Problem>> {
    let mut check = Checker {
        text,
        part: read.part.as_ref().map(|part| part.get_ref().clone()),
        package: read.package.get_ref().clone(),
        standard: read.standard.get_ref().clone(),
        taken: Vec::new(),
        problems: Vec::new(),
    };
    let family = read.family.get_ref().as_str();
    let names = Family::ALL.map(Family::name).into_iter().chain(UNMODELLED);
    let families: Vec<_> = names.map(|name| (name, ())).collect();
    let known = check.one_of(&read.family, "family", &families).is_some();
    let flow = check.one_of(
        &read.flow,
        "flow",
        &[Flow::Open, Flow::Vendor].map(|flow| (flow.name(), flow)),
    );
    let formats = ConstraintsFormat::ALL.map(|format| (format.name(), format));
    let constraints = check.one_of(&read.constraints, "format of constraints", &formats);
    if known {
        let (wanted_flow, wanted) = tools(family);
        check.check(read.flow.span().start, flow.is_none_or(|f| f == wanted_flow), || {
            format!("{family} boards have the other flow")
        });
        check.check(read.constraints.span().start, constraints.is_none_or(|c| c == wanted), || {
            format!("the constraints of {family} boards are `{}`", wanted.name())
        });
        part(&mut check, &read, family, wanted_flow);
    }
    for text in [&read.package, &read.standard, &read.device].into_iter().chain(&read.speed) {
        check.word(text);
    }
    let clock_mhz = *read.clock_mhz.get_ref();
    check.check(read.clock_mhz.span().start, clock_mhz > 0.0 && clock_mhz <= 1000.0, || {
        format!("a clock is more than 0 and at most 1000 MHz, not {clock_mhz}")
    });
    let clock = check.clock(read.clock.as_ref());
    let pll = read.pll.as_ref().filter(|_| known);
    let pll = pll.and_then(|pll| check.pll(pll.get_ref(), family));
    let reset = read.reset.as_ref().map(|reset| check.reset(reset));
    let uart_rx = check.pin(&read.uart.rx, read.uart.standard.as_ref());
    let uart_tx = check.pin(&read.uart.tx, read.uart.standard.as_ref());
    let leds = read.leds.as_ref().map(|leds| check.leds(leds)).unwrap_or_default();
    let c = &read.capacity;
    for (what, n) in [("lut", &c.lut), ("ff", &c.ff), ("bram", &c.bram)] {
        check.check(n.span().start, *n.get_ref() > 0, || {
            format!("an FPGA has at least one `{what}`")
        });
    }
    let capacity = Capacity {
        lut: Some(*c.lut.get_ref()),
        ff: Some(*c.ff.get_ref()),
        bram: Some(*c.bram.get_ref()),
        dsp: Some(c.dsp),
    };
    let mut memories = Vec::new();
    for memory in &read.memory {
        memories.push(Memory {
            kind: check.not_empty(&memory.kind),
            part: check.not_empty(&memory.part),
            bytes: check.value(&memory.size, quantity::bytes),
            width_bits: check.value(&memory.width, quantity::bits),
        });
    }
    let source = sources(&mut check, &read);
    let (title, documentation) =
        (check.not_empty(&read.title), check.not_empty(&read.documentation));
    check.reachable(read.clock_mhz.span().start, clock_mhz, &clock, pll.as_ref());
    let Checker { mut problems, .. } = check;
    match (flow, constraints) {
        (Some(flow), Some(constraints)) if problems.is_empty() => Ok(Board {
            name: name.to_owned(),
            title,
            documentation,
            model: family.parse().ok(),
            family: family.to_owned(),
            device: read.device.into_inner(),
            part: read.part.map(Spanned::into_inner),
            package: read.package.into_inner(),
            speed: read.speed.map(Spanned::into_inner),
            flow,
            constraints,
            clock_mhz,
            clock,
            pll,
            reset,
            uart_rx,
            uart_tx,
            leds,
            memories,
            capacity,
            source,
        }),
        _ => {
            problems.sort_by_key(|problem| problem.line);
            Err(problems)
        }
    }
}

/// Every fact needs a source.
fn sources(check: &mut Checker<'_>, read: &File) -> Sources {
    let source = &read.source;
    let at = source.capacity.span().start;
    for (what, facts, source) in [
        ("pll", read.pll.is_some(), source.pll.is_some()),
        ("memory", !read.memory.is_empty(), source.memory.is_some()),
    ] {
        check.check(at, facts == source, || {
            format!("[source] has `{what}` where the board has one, and only there")
        });
    }
    Sources {
        capacity: check.not_empty(&source.capacity),
        clock: check.not_empty(&source.clock),
        pins: check.not_empty(&source.pins),
        pll: source.pll.as_ref().map(|text| check.not_empty(text)),
        memory: source.memory.as_ref().map(|text| check.not_empty(text)),
    }
}
