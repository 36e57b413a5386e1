//! All agents around one design, and what a driver does with them.

use super::lite::{Master, OKAY};
use super::memory::Memory;
use super::stream::{Sink, Source};
use super::{Pins, Stalls};
use crate::regs;

/// A design with its surroundings. Every method that runs the clock returns the first violation.
pub struct Bench<P> {
    /// The design.
    pub pins: P,
    /// Control.
    pub lite: Master,
    /// Pixels.
    pub source: Source,
    /// Results.
    pub sink: Sink,
    /// Memory images.
    pub memory: Memory,
    /// Cycles so far.
    pub cycle: u64,
}

/// Cycles after which something that has not happened never will.
const LIMIT: u64 = 3_000_000;

impl<P: Pins> Bench<P> {
    /// Resets a design whose AXI4 port has so many bits.
    pub fn new(mut pins: P, data_bits: u64) -> Self {
        pins.set("rst", 1);
        let never = || Stalls::new(0, 0.0);
        let mut bench = Self {
            pins,
            lite: Master::new(never()),
            source: Source::new(never()),
            sink: Sink::new(never()),
            memory: Memory::new(never(), data_bits),
            cycle: 0,
        };
        bench.reset();
        bench
    }

    /// Holds reset for some cycles; all agents begin anew.
    pub fn reset(&mut self) {
        self.pins.set("rst", 1);
        self.lite.reset();
        self.source.reset();
        self.sink.reset();
        self.memory.reset();
        for _ in 0..3 {
            self.drive();
            self.pins.tick();
        }
        self.pins.set("rst", 0);
    }

    /// Stalls of all agents, each with one of these probabilities.
    pub fn stall(&mut self, seed: u64, [lite, source, sink, memory]: [f64; 4]) {
        self.lite.stalls = Stalls::new(seed, lite);
        self.source.stalls = Stalls::new(seed + 1, source);
        self.sink.stalls = Stalls::new(seed + 2, sink);
        self.memory.stalls = Stalls::new(seed + 3, memory);
    }

    fn drive(&mut self) {
        self.lite.drive(&mut self.pins);
        self.source.drive(&mut self.pins);
        self.sink.drive(&mut self.pins);
        self.memory.drive(&mut self.pins);
    }

    /// One cycle.
    ///
    /// # Errors
    /// What the design does that no AXI design may do, and when.
    pub fn step(&mut self) -> Result<(), String> {
        self.drive();
        self.pins.settle();
        self.source.sample(&self.pins);
        let seen = [
            self.lite.sample(&self.pins),
            self.sink.sample(&self.pins),
            self.memory.sample(&self.pins),
        ];
        for result in seen {
            result.map_err(|what| format!("cycle {}: {what}", self.cycle))?;
        }
        self.pins.tick();
        self.cycle += 1;
        Ok(())
    }

    /// Some cycles.
    ///
    /// # Errors
    /// As [`Bench::step`].
    pub fn steps(&mut self, n: u64) -> Result<(), String> {
        (0..n).try_for_each(|_| self.step())
    }

    /// Runs until something holds.
    ///
    /// # Errors
    /// As [`Bench::step`], and if it never does.
    pub fn until(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), String> {
        for _ in 0..LIMIT {
            if holds(self) {
                return Ok(());
            }
            self.step()?;
        }
        Err(format!("cycle {}: still waiting: {what}", self.cycle))
    }

    /// Writes a register; returns the response.
    ///
    /// # Errors
    /// As [`Bench::step`].
    pub fn write_raw(&mut self, address: u32, data: u32, strobes: u64) -> Result<u64, String> {
        self.lite.write(address, data, strobes);
        self.until("answer to a write", |b| b.lite.write_answer.is_some())?;
        Ok(self.lite.write_answer.expect("bug: just seen"))
    }

    /// Reads a register; returns value and response.
    ///
    /// # Errors
    /// As [`Bench::step`].
    pub fn read_raw(&mut self, address: u32) -> Result<(u32, u64), String> {
        self.lite.read(address);
        self.until("answer to a read", |b| b.lite.read_answer.is_some())?;
        let (data, response) = self.lite.read_answer.expect("bug: just seen");
        Ok((u32::try_from(data).expect("bug: 32 bits"), response))
    }

    /// Writes a register that accepts it.
    ///
    /// # Errors
    /// As [`Bench::step`], and for another response than `OKAY`.
    pub fn write(&mut self, address: u32, data: u32) -> Result<(), String> {
        match self.write_raw(address, data, 15)? {
            OKAY => Ok(()),
            other => Err(format!("write to {address:#x}: response {other}")),
        }
    }

    /// Reads a register that exists.
    ///
    /// # Errors
    /// As [`Bench::step`], and for another response than `OKAY`.
    pub fn read(&mut self, address: u32) -> Result<u32, String> {
        match self.read_raw(address)? {
            (data, OKAY) => Ok(data),
            (_, other) => Err(format!("read of {address:#x}: response {other}")),
        }
    }

    /// Takes the errors, and clears them.
    ///
    /// # Errors
    /// As [`Bench::read`].
    pub fn take_errors(&mut self) -> Result<u32, String> {
        let errors = self.read(regs::ERROR)?;
        self.write(regs::ERROR, errors)?;
        Ok(errors)
    }

    /// Starts a load of a memory image.
    ///
    /// # Errors
    /// As [`Bench::write`].
    pub fn start_load(&mut self, base: u64, image: &[u8]) -> Result<(), String> {
        self.memory.fill(base, image.to_vec());
        let half = |n: u64| u32::try_from(n & 0xffff_ffff).expect("bug: 32 bits");
        self.write(regs::LOAD_BASE_LOW, half(base))?;
        self.write(regs::LOAD_BASE_HIGH, half(base >> 32))?;
        self.write(regs::LOAD_LENGTH, half(image.len() as u64))?;
        self.write(regs::CONTROL, regs::CONTROL_START_LOAD)
    }

    /// Puts streamed weights into memory, for the program that is loaded next.
    ///
    /// # Errors
    /// As [`Bench::write`].
    pub fn put_weights(&mut self, base: u64, weights: &[u8]) -> Result<(), String> {
        self.memory.keep(base, weights.to_vec());
        let half = |n: u64| u32::try_from(n & 0xffff_ffff).expect("bug: 32 bits");
        self.write(regs::WEIGHT_BASE_LOW, half(base))?;
        self.write(regs::WEIGHT_BASE_HIGH, half(base >> 32))?;
        self.write(regs::WEIGHT_LENGTH, half(weights.len() as u64))
    }

    /// Loads a memory image and waits for its end; returns the errors.
    ///
    /// # Errors
    /// As [`Bench::write`].
    pub fn load(&mut self, base: u64, image: &[u8]) -> Result<u32, String> {
        self.start_load(base, image)?;
        while self.read(regs::STATUS)? & regs::STATUS_LOADING != 0 {}
        self.take_errors()
    }

    /// Writes the sections of a memory image through registers, as a host without a memory port
    /// would, and commits.
    ///
    /// # Errors
    /// As [`Bench::write`].
    pub fn load_by_registers(
        &mut self,
        image: &[u8],
        units_of: impl Fn(u8) -> usize,
    ) -> Result<(), String> {
        let unit = |at: usize| -> [u8; 8] { image[at..at + 8].try_into().expect("bug: 8 bytes") };
        let mut at = 16;
        while at < image.len() {
            let [target, _, index, _, low, high, last_low, last_high] = unit(at);
            let address = u32::from(u16::from_le_bytes([low, high]));
            let words = usize::from(u16::from_le_bytes([last_low, last_high])) + 1;
            let select = u32::from(target)
                | u32::from(index) << regs::LOAD_SELECT_INDEX_SHIFT
                | address << regs::LOAD_SELECT_ADDRESS_SHIFT;
            self.write(regs::LOAD_SELECT, select)?;
            at += 8;
            for _ in 0..words * units_of(target) {
                let value = u64::from_le_bytes(unit(at));
                self.write(regs::LOAD_DATA, u32::try_from(value & 0xffff_ffff).expect("bug"))?;
                self.write(regs::LOAD_DATA, u32::try_from(value >> 32).expect("bug"))?;
                at += 8;
            }
        }
        self.write(regs::CONTROL, regs::CONTROL_COMMIT)
    }
}
