//! An AXI4 memory, read channels: what a burst may be, and its data with random delays.

use super::channel::Channel;
use super::{Pins, Stalls};
use std::collections::VecDeque;

/// A fault to commit at a beat, counted from the last [`Memory::fill`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Response `SLVERR`.
    Response(u64),
    /// `RLAST` where it does not belong, or not where it does.
    Last(u64),
    /// No further beat from this one on.
    Silence(u64),
    /// Response `SLVERR` at an address.
    Address(u64),
}

/// Answers on `m_axi_*`, in order.
#[derive(Debug)]
pub struct Memory {
    /// When it waits, on each channel.
    pub stalls: Stalls,
    /// What to do wrong.
    pub fault: Option<Fault>,
    /// Most bursts that were asked for and not answered, at any time.
    pub most_bursts: usize,
    /// What can be read: the last one is what [`Memory::fill`] replaces.
    regions: Vec<(u64, Vec<u8>)>,
    beat_bytes: u64,
    bursts: VecDeque<(u64, u64)>,
    address: Channel,
    ready: bool,
    offering: bool,
    served: u64,
}

impl Memory {
    /// A memory without contents behind a port of so many bits.
    pub fn new(stalls: Stalls, data_bits: u64) -> Self {
        Self {
            stalls,
            fault: None,
            most_bursts: 0,
            regions: vec![(0, Vec::new())],
            beat_bytes: data_bits / 8,
            bursts: VecDeque::new(),
            address: Channel::new("m_axi ar"),
            ready: false,
            offering: false,
            served: 0,
        }
    }

    /// Puts bytes at an address, in place of those that were put so before; reads elsewhere are
    /// errors.
    pub fn fill(&mut self, base: u64, bytes: Vec<u8>) {
        self.regions.pop();
        self.regions.push((base, bytes));
        self.served = 0;
    }

    /// Puts bytes at an address, where they stay; they hide what was put there before.
    pub fn keep(&mut self, base: u64, bytes: Vec<u8>) {
        self.regions.insert(0, (base, bytes));
    }

    /// Bytes at an address, if all of them are in one region.
    fn bytes(&self, address: u64, n: u64) -> Option<&[u8]> {
        self.regions.iter().find_map(|(base, bytes)| {
            let at = usize::try_from(address.checked_sub(*base)?).ok()?;
            bytes.get(at..at.checked_add(usize::try_from(n).ok()?)?)
        })
    }

    fn beat(&self) -> (u64, u64, bool) {
        let Some(&(address, left)) = self.bursts.front() else { return (0xbad, 3, true) };
        let bytes = self.bytes(address, self.beat_bytes).expect("bug: checked");
        let data = bytes.iter().rev().fold(0, |d, &b| d << 8 | u64::from(b));
        let broken = |fault| self.fault == Some(fault);
        let wrong = broken(Fault::Response(self.served)) || broken(Fault::Address(address));
        let response = if wrong { 2 } else { 0 };
        (data, response, (left == 1) != broken(Fault::Last(self.served)))
    }

    /// Sets the pins of the cycle.
    pub fn drive(&mut self, pins: &mut impl Pins) {
        self.ready = !self.stalls.now();
        let silent = matches!(self.fault, Some(Fault::Silence(from)) if self.served >= from);
        let begin = !self.bursts.is_empty() && !silent && !self.stalls.now();
        self.offering = self.offering || begin;
        let (data, response, last) = self.beat();
        pins.set("m_axi_arready", self.ready.into());
        pins.set("m_axi_rvalid", self.offering.into());
        pins.set("m_axi_rdata", if self.offering { data } else { 0x1bad_1dea });
        pins.set("m_axi_rresp", response);
        pins.set("m_axi_rlast", last.into());
    }

    /// Looks at the pins of the cycle.
    ///
    /// # Errors
    /// As [`Channel::observe`], and for a burst that is not allowed.
    pub fn sample(&mut self, pins: &impl Pins) -> Result<(), String> {
        if self.offering && pins.get("m_axi_rready") == 1 {
            self.offering = false;
            self.served += 1;
            let (address, left) = self.bursts.pop_front().expect("bug: a burst is offered");
            if left > 1 {
                self.bursts.push_front((address + self.beat_bytes, left - 1));
            }
        }
        let names = ["araddr", "arlen", "arsize", "arburst", "arcache", "arprot"];
        let payload = names.map(|name| pins.get(&format!("m_axi_{name}")));
        if self.address.observe(pins.get("m_axi_arvalid") == 1, self.ready, &payload)? {
            let [address, length, size, burst, ..] = payload;
            self.accept(address, length + 1, size, burst)?;
        }
        Ok(())
    }

    /// Takes a burst of `beats` beats.
    ///
    /// # Errors
    /// If it is not `INCR` of full beats, crosses 4 KiB, or leaves the memory.
    pub fn accept(
        &mut self,
        address: u64,
        beats: u64,
        size: u64,
        burst: u64,
    ) -> Result<(), String> {
        let end = address + beats * self.beat_bytes;
        let fail = |what: &str| Err(format!("m_axi ar: {what}: {beats} beats at {address:#x}"));
        if burst != 1 || 1 << size != self.beat_bytes || !address.is_multiple_of(self.beat_bytes) {
            return fail("not INCR of full, aligned beats");
        }
        if address / 4096 != (end - 1) / 4096 {
            return fail("crosses 4 KiB");
        }
        if self.bytes(address, end - address).is_none() {
            return fail("outside the memory");
        }
        self.bursts.push_back((address, beats));
        self.most_bursts = self.most_bursts.max(self.bursts.len());
        Ok(())
    }

    /// Forgets what it was asked for.
    pub fn reset(&mut self) {
        self.bursts.clear();
        self.offering = false;
        self.address.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::Memory;
    use crate::bus::Stalls;

    fn memory() -> Memory {
        let mut memory = Memory::new(Stalls::new(0, 0.0), 64);
        memory.fill(0, vec![0; 8]);
        memory.keep(0x8000, vec![0; 16]);
        memory.fill(0xff8, vec![0; 0x2000]);
        memory
    }

    #[track_caller]
    fn check(address: u64, beats: u64, size: u64, burst: u64, why: Option<&str>) {
        let said = memory().accept(address, beats, size, burst);
        match why {
            None => assert_eq!(said, Ok(())),
            Some(why) => assert!(said.clone().is_err_and(|s| s.contains(why)), "{said:?}"),
        }
    }

    #[test]
    fn only_allowed_bursts_pass() {
        check(0xff8, 1, 3, 1, None);
        check(0x1000, 256, 3, 1, None);
        check(0xff8, 2, 3, 1, Some("crosses"));
        check(0x1ff0, 3, 3, 1, Some("crosses"));
        check(0x1004, 1, 3, 1, Some("aligned"));
        check(0x1000, 1, 2, 1, Some("full"));
        check(0x1000, 1, 3, 0, Some("INCR"));
        check(0x2ff8, 1, 3, 1, Some("outside"));
        check(0xff0, 1, 3, 1, Some("outside"));
        check(0, 1, 3, 1, Some("outside"));
        check(0x8000, 2, 3, 1, None);
        check(0x8008, 2, 3, 1, Some("outside"));
    }
}
