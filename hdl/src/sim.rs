//! Native simulation of a described module: two-valued, cycle by cycle.
//!
//! Everything starts at zero. In Verilog a register without reset and a memory start unknown, so
//! a design must not depend on it; the tests of the text start both sides at zero.

mod flatten;
mod instr;

use std::collections::BTreeMap;

use flatten::{Memory, Place};
use instr::Instr;

use crate::build::node::{fit_words, words};
use crate::build::{Direction, Module, Port};

/// A port of the simulated module, for fast access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortId {
    kind: PortKind,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortKind {
    Clock,
    Reset,
    Input,
    Output,
}

/// Simulates a module. See [`crate::Builder`] for an example.
///
/// Setting a port and looking at another one settles the logic in between;
/// [`Simulator::step`] makes one rising edge of the clock. Values are 64-bit words, least
/// significant first, with zeros above the width.
#[derive(Clone, Debug)]
pub struct Simulator {
    ports: Vec<Port>,
    ids: BTreeMap<String, PortId>,
    names: BTreeMap<String, Place>,
    state: BTreeMap<String, Place>,
    code: Vec<Instr>,
    tables: Vec<u32>,
    store: Vec<u64>,
    state_words: usize,
    resets: Vec<(u32, u64)>,
    mems: Vec<Memory>,
    reset: bool,
    settled: bool,
    collisions: u64,
}

impl Simulator {
    /// Flattens the module.
    pub fn new(module: &Module) -> Self {
        let flat = flatten::flatten(module);
        let ports = module.ports();
        let mut ids = BTreeMap::new();
        let (mut inputs, mut outputs) = (flat.inputs.iter(), flat.outputs.iter());
        for port in &ports {
            let implicit = Place { at: 0, width: 1 };
            let (kind, place) = match (port.name.as_str(), port.direction) {
                (name, _) if name == module.clock() => (PortKind::Clock, Some(&implicit)),
                (name, _) if name == module.reset() => (PortKind::Reset, Some(&implicit)),
                (_, Direction::Input) => (PortKind::Input, inputs.next()),
                (_, Direction::Output) => (PortKind::Output, outputs.next()),
            };
            let place = *place.expect("bug: every port has a place");
            ids.insert(port.name.clone(), PortId { kind, place });
        }
        Self {
            ports,
            ids,
            names: flat.names,
            state: flat.state,
            code: flat.code,
            tables: flat.tables,
            store: flat.store,
            state_words: flat.state_words,
            resets: flat.resets,
            mems: flat.mems,
            reset: false,
            settled: false,
            collisions: 0,
        }
    }

    /// The ports of the module, as in [`Module::ports`].
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// Instructions evaluated a cycle, a measure of speed that does not depend on the machine.
    pub fn instructions(&self) -> usize {
        self.code.len()
    }

    /// A port by name.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn port(&self, name: &str) -> PortId {
        match self.ids.get(name) {
            Some(id) => *id,
            None => panic!("bug: no port `{name}`; there are {:?}", self.ids.keys()),
        }
    }

    /// Sets an input (or `rst`) of up to 64 bits; higher bits of `value` must be zero.
    ///
    /// # Panics
    /// If there is no such input or the value does not fit.
    #[track_caller]
    pub fn set(&mut self, name: &str, value: u64) {
        self.drive(self.port(name), &[value]);
    }

    /// Sets an input from words; missing words are zero.
    ///
    /// # Panics
    /// If there is no such input or the value does not fit.
    #[track_caller]
    pub fn set_words(&mut self, name: &str, value: &[u64]) {
        self.drive(self.port(name), value);
    }

    /// Sets an input by id; missing words are zero.
    ///
    /// # Panics
    /// If the port is no input or the value does not fit.
    #[track_caller]
    pub fn drive(&mut self, port: PortId, value: &[u64]) {
        let place = port.place;
        let fits = fitted(value, place.width);
        assert!(fits, "bug: {value:x?} does not fit a port of {} bits", place.width);
        match port.kind {
            PortKind::Input => {
                let at = place.at as usize;
                for k in 0..words(place.width) {
                    self.store[at + k] = value.get(k).copied().unwrap_or(0);
                }
                self.settled = false;
            }
            PortKind::Reset => self.reset = value.first() == Some(&1),
            PortKind::Clock => panic!("bug: the clock is driven by `step`"),
            PortKind::Output => panic!("bug: an output is not driven from outside"),
        }
    }

    /// A port's value, of up to 64 bits.
    ///
    /// # Panics
    /// If there is no such port or it is wider.
    #[track_caller]
    pub fn get(&mut self, name: &str) -> u64 {
        match self.read(self.port(name)) {
            [word] => *word,
            _ => panic!("bug: port `{name}` has more than 64 bits: use `get_words`"),
        }
    }

    /// A port's value in words.
    ///
    /// # Panics
    /// If there is no such port.
    #[track_caller]
    pub fn get_words(&mut self, name: &str) -> Vec<u64> {
        self.read(self.port(name)).to_vec()
    }

    /// A port's value by id. The clock always reads 0: one looks between edges.
    pub fn read(&mut self, port: PortId) -> &[u64] {
        match port.kind {
            PortKind::Clock => &[0],
            PortKind::Reset => [&[0], &[1]][usize::from(self.reset)],
            PortKind::Input | PortKind::Output => {
                self.eval();
                self.words(port.place)
            }
        }
    }

    /// Settles the logic after a change. Done by itself where it is needed.
    pub fn eval(&mut self) {
        if !self.settled {
            instr::run(&self.code, &self.tables, &mut self.store);
            self.settled = true;
        }
    }

    /// One rising edge of the clock.
    pub fn step(&mut self) {
        self.eval();
        self.memories();
        let n = self.state_words;
        self.store.copy_within(n..2 * n, 0);
        if self.reset {
            for (at, value) in &self.resets {
                self.store[*at as usize] = *value;
            }
        }
        self.settled = false;
    }

    fn memories(&mut self) {
        let store = &mut self.store;
        for mem in &mut self.mems {
            let n = words(mem.width);
            let word = |at: u32| store[at as usize];
            let index = |at: u32| usize::try_from(word(at)).expect("bug: an address in range");
            let reads = mem.read_enable.is_none_or(|at| word(at) == 1);
            let writes = word(mem.write_enable) == 1;
            let (from, to) = (index(mem.read_address), index(mem.write_address));
            let q = mem.read_data as usize;
            let next = q + self.state_words;
            if reads {
                store[next..next + n].copy_from_slice(&mem.data[from * n..from * n + n]);
            } else {
                store.copy_within(q..q + n, next);
            }
            if writes {
                let at = mem.write_data as usize;
                mem.data[to * n..to * n + n].copy_from_slice(&store[at..at + n]);
            }
            self.collisions += u64::from(reads && writes && from == to);
        }
    }

    /// Edges on which a memory read the very address that it wrote, over all memories. In
    /// hardware such a read is undefined (see [`crate::Memory`]), so its data must be ignored.
    pub fn collisions(&self) -> u64 {
        self.collisions
    }

    /// Paths of all registers, in order.
    pub fn registers(&self) -> impl Iterator<Item = (&str, u32)> {
        self.state.iter().map(|(path, place)| (path.as_str(), place.width))
    }

    /// Paths, widths and depths of all memories.
    pub fn memory_paths(&self) -> impl Iterator<Item = (&str, u32, u32)> {
        self.mems.iter().map(|m| (m.path.as_str(), m.width, m.depth))
    }

    /// A register, port or named net by path (`row_0.pe_1.acc`), or nothing if no such net takes
    /// part in the simulation.
    pub fn peek(&mut self, path: &str) -> Option<Vec<u64>> {
        self.eval();
        self.names.get(path).map(|place| self.words(*place).to_vec())
    }

    /// A register's words and width, without settling anything.
    pub(crate) fn state_of(&self, path: &str) -> Option<(&[u64], u32)> {
        self.state.get(path).map(|place| (self.words(*place), place.width))
    }

    /// Overwrites a register by path.
    ///
    /// # Panics
    /// If there is no such register or the value does not fit.
    #[track_caller]
    pub fn poke(&mut self, path: &str, value: &[u64]) {
        let Some(place) = self.state.get(path).copied() else {
            panic!("bug: no register `{path}`")
        };
        assert!(fitted(value, place.width), "bug: {value:x?} does not fit `{path}`");
        let at = place.at as usize;
        let value = fit_words(value, place.width);
        self.store[at..at + value.len()].copy_from_slice(&value);
        self.settled = false;
    }

    /// One word of a memory by path.
    ///
    /// # Panics
    /// If there is no such memory or address.
    #[track_caller]
    pub fn peek_memory(&self, path: &str, address: usize) -> &[u64] {
        let mem = &self.mems[self.memory(path, address)];
        let n = words(mem.width);
        &mem.data[address * n..address * n + n]
    }

    /// Overwrites one word of a memory by path.
    ///
    /// # Panics
    /// If there is no such memory or address, or the value does not fit.
    #[track_caller]
    pub fn poke_memory(&mut self, path: &str, address: usize, value: &[u64]) {
        let at = self.memory(path, address);
        let mem = &mut self.mems[at];
        assert!(fitted(value, mem.width), "bug: {value:x?} does not fit `{path}`");
        let n = words(mem.width);
        mem.data[address * n..address * n + n].copy_from_slice(&fit_words(value, mem.width));
    }

    #[track_caller]
    fn memory(&self, path: &str, address: usize) -> usize {
        let found = self.mems.iter().position(|m| m.path == path);
        let Some(at) = found else { panic!("bug: no memory `{path}`") };
        let depth = self.mems[at].depth;
        assert!(address < depth as usize, "bug: address {address} of {depth} in `{path}`");
        at
    }

    fn words(&self, place: Place) -> &[u64] {
        &self.store[place.at as usize..place.at as usize + words(place.width)]
    }
}

/// Whether all bits above `width` are zero.
fn fitted(value: &[u64], width: u32) -> bool {
    let fit = fit_words(value, width);
    value.iter().enumerate().all(|(k, word)| fit.get(k).copied().unwrap_or(0) == *word)
}
