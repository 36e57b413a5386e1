//! Streams against a memory with latency: the beats of the port, and what the bus may see.

use super::super::tests::sizes;
use super::super::{AxiConfig, Hardware, beats_of_unit};
use super::weights;
use crate::{Simulator, test_random};
use heartbit_ir::program::{ArrayConfig, WeightRing};
use std::collections::VecDeque;

/// Where the sequence is; its first burst is not a whole one.
const BASE: u64 = 0x1_0008;

/// The unit around a memory, and a consumer.
struct Bench {
    sim: Simulator,
    data_bits: u64,
    port_bits: u32,
    units: Vec<u64>,
    seed: u64,
    cycle: u64,
    latency: u64,
    /// In how many of 8 cycles memory, address channel and consumer are ready.
    speed: [u64; 3],
    /// Beats to come: when at the earliest, address, last of its burst.
    due: VecDeque<(u64, u64, bool)>,
    bursts: usize,
    /// Beats of the port since the sequence began.
    taken: usize,
    /// The beat with a bad response, if any.
    fault: Option<u64>,
}

impl Bench {
    fn new(data_bits: u32, lanes: usize, port_cols: usize, units: usize) -> Self {
        let (array, depths) = sizes();
        let ring = WeightRing { words: 4, port_cols };
        let axi = AxiConfig { data_bits, address_bits: 33 };
        let array = ArrayConfig { cols: port_cols, lanes, ..array };
        let mut sim =
            Simulator::new(&weights(&Hardware { axi: Some(axi), array, depths }, axi, ring));
        let mut seed = lanes as u64;
        let units: Vec<_> = (0..units).map(|_| test_random(&mut seed)).collect();
        sim.set("base", BASE | 5);
        sim.set("length", 8 * units.len() as u64);
        sim.set("take", 1);
        sim.set("rst", 1);
        sim.step();
        sim.set("rst", 0);
        sim.set("take", 0);
        // What is there now is for the next program.
        sim.set("base", 0);
        sim.set("length", 8);
        let port_bits = u32::try_from(lanes * port_cols).expect("bug: small");
        Self {
            sim,
            data_bits: data_bits.into(),
            port_bits,
            units,
            seed,
            cycle: 0,
            latency: 0,
            speed: [8; 3],
            due: VecDeque::new(),
            bursts: 0,
            taken: 0,
            fault: None,
        }
    }

    fn is_ready(&mut self, which: usize) -> bool {
        test_random(&mut self.seed) % 8 < self.speed[which]
    }

    /// Bits of what is in memory, repeated for ever.
    fn bit(&self, unit: usize, bit: u32) -> bool {
        self.units[(unit + bit as usize / 64) % self.units.len()] >> (bit % 64) & 1 == 1
    }

    /// The limbs of a beat of the port, counted from the begin of the sequence.
    fn beat(&self, index: usize) -> Vec<u64> {
        let per_unit = beats_of_unit(self.port_bits);
        let wide = self.port_bits.div_ceil(64) as usize;
        let (unit, low) = match per_unit {
            1 => (index * wide, 0),
            n => {
                let at = u32::try_from(index % n as usize).expect("bug: small");
                (index / n as usize, at * self.port_bits)
            }
        };
        let mut limbs = vec![0; wide];
        for bit in (0..self.port_bits).filter(|bit| self.bit(unit, low + bit)) {
            limbs[bit as usize / 64] |= 1 << (bit % 64);
        }
        limbs
    }

    /// The memory's answer in this cycle.
    fn drive_memory(&mut self) {
        let bytes = self.data_bits / 8;
        let due = self.due.front().copied().filter(|due| due.0 <= self.cycle);
        let due = due.filter(|_| self.is_ready(0));
        self.sim.set("m_axi_rvalid", due.is_some().into());
        let Some((_, address, last)) = due else { return };
        let at = address - BASE;
        let unit = self.units[usize::try_from(at / 8).expect("bug: small")];
        let data = unit >> (8 * (at % 8 / bytes * bytes)) & (u64::MAX >> (64 - self.data_bits));
        self.sim.set("m_axi_rdata", data);
        self.sim.set("m_axi_rlast", last.into());
        self.sim.set("m_axi_rresp", if self.fault == Some(at) { 2 } else { 0 });
        assert_eq!(self.sim.get("m_axi_rready"), 1, "data are due");
        self.bursts -= usize::from(last);
        self.due.pop_front();
    }

    fn take_address(&mut self) {
        let ready = self.is_ready(1);
        self.sim.set("m_axi_arready", ready.into());
        if !ready || self.sim.get("m_axi_arvalid") == 0 {
            return;
        }
        let (address, beats) = (self.sim.get("m_axi_araddr"), self.sim.get("m_axi_arlen") + 1);
        let bytes = self.data_bits / 8;
        let end = address + beats * bytes;
        assert!(address >= BASE && end <= BASE + 8 * self.units.len() as u64, "in the sequence");
        assert_eq!(address / (16 * bytes), (end - 1) / (16 * bytes), "a burst ends at a multiple");
        for beat in 0..beats {
            let time = self.cycle + self.latency + 1;
            self.due.push_back((time, address + beat * bytes, beat + 1 == beats));
        }
        self.bursts += 1;
        assert!(self.bursts <= 4, "bursts under way");
    }

    /// A cycle; returns whether an error was reported.
    fn cycle(&mut self) -> bool {
        self.drive_memory();
        self.take_address();
        let ready = self.is_ready(2);
        self.sim.set("wt_ready", ready.into());
        if self.sim.get("wt_valid") == 1 {
            assert_eq!(self.sim.get_words("wt_data"), self.beat(self.taken), "beat {}", self.taken);
            self.taken += usize::from(ready);
        }
        let error = self.sim.get("response") == 1;
        self.sim.step();
        self.cycle += 1;
        error
    }

    /// Drops what was read; with the next cycle the sequence begins anew.
    fn cancel(&mut self) {
        self.sim.set("cancel", 1);
        self.sim.eval();
        assert_eq!(self.sim.get("wt_valid"), 0, "no offer while it is cancelled");
        self.cycle();
        self.sim.set("cancel", 0);
        self.taken = 0;
    }
}

/// Sequences that are repeated and cancelled, at all speeds.
#[track_caller]
fn check_stream(data_bits: u32, lanes: usize, port_cols: usize, units: usize) {
    let mut bench = Bench::new(data_bits, lanes, port_cols, units);
    for round in 0..20 {
        bench.latency = [0, 3, 40][round % 3];
        bench.speed = [[8, 8, 8], [8, 8, 2], [3, 8, 8], [8, 2, 8], [4, 4, 4]][round % 5];
        bench.cancel();
        bench.sim.set("run", u64::from(round % 7 != 6));
        let cycles = 100 + test_random(&mut bench.seed) % 1500;
        (0..cycles).for_each(|_| assert!(!bench.cycle()));
        assert_eq!(bench.taken > 0, round % 7 != 6, "round {round}");
    }
}

#[test]
fn port_gets_the_sequence_again_and_again() {
    for (lanes, port_cols, units) in
        [(64, 1, 50), (4, 1, 7), (20, 1, 9), (20, 2, 33), (70, 1, 24), (32, 6, 30), (64, 4, 128)]
    {
        check_stream(64, lanes, port_cols, units);
        check_stream(32, lanes, port_cols, units);
    }
}

/// The slowest consumer leaves room for what is under way, and the fastest gets a beat a cycle.
#[test]
fn latency_of_the_memory_is_hidden() {
    for (data_bits, lanes) in [(64, 64), (32, 64), (64, 16)] {
        let mut bench = Bench::new(data_bits, lanes, 1, 1600);
        bench.latency = 40;
        bench.sim.set("run", 1);
        (0..200).for_each(|_| assert!(!bench.cycle()));
        let before = bench.taken;
        (0..1000).for_each(|_| assert!(!bench.cycle()));
        let rate = if data_bits == 64 { 1000 } else { 500 };
        assert!(bench.taken - before >= rate - 10, "{} beats", bench.taken - before);
    }
}

#[test]
fn errors_of_the_bus_are_reported_unless_they_are_dropped() {
    let mut bench = Bench::new(64, 64, 1, 40);
    bench.fault = Some(8 * 20);
    bench.latency = 20;
    bench.sim.set("run", 1);
    let mut cycles = 0..100;
    assert!(cycles.any(|_| bench.cycle()), "an error");
    bench.fault = None;
    bench.cancel();
    // Cancelled between the request and the bad beat.
    (0..20).for_each(|_| assert!(!bench.cycle()));
    bench.fault = Some(8 * 2);
    bench.sim.set("run", 0);
    bench.cancel();
    (0..100).for_each(|_| assert!(!bench.cycle()));
}
