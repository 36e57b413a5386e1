//! An AXI4-Lite master that sends address and data of a write in any order.

use super::channel::Channel;
use super::{Pins, Stalls};

/// Response of a register that exists.
pub const OKAY: u64 = 0;
/// Response of one that does not, or does not want it.
pub const SLVERR: u64 = 2;

/// One write and one read at a time, independent of each other.
#[derive(Debug)]
pub struct Master {
    /// When it waits, on each of its channels.
    pub stalls: Stalls,
    address: Option<u64>,
    data: Option<(u64, u64)>,
    /// Channels offer: write address, write data, read address.
    offering: [bool; 3],
    read: Option<u64>,
    ready: [bool; 2],
    channels: [Channel; 2],
    /// What is accepted and not yet answered: write address, write data, read address.
    accepted: [bool; 3],
    /// The answer to the last write.
    pub write_answer: Option<u64>,
    /// The answer to the last read: data and response.
    pub read_answer: Option<(u64, u64)>,
}

impl Master {
    /// A master without anything to do.
    pub fn new(stalls: Stalls) -> Self {
        Self {
            stalls,
            address: None,
            data: None,
            offering: [false; 3],
            read: None,
            ready: [false; 2],
            channels: [Channel::new("s_axi b"), Channel::new("s_axi r")],
            accepted: [false; 3],
            write_answer: None,
            read_answer: None,
        }
    }

    /// Begins a write of the bytes in `strobes`.
    pub fn write(&mut self, address: u32, data: u32, strobes: u64) {
        self.address = Some(address.into());
        self.data = Some((data.into(), strobes));
        self.write_answer = None;
    }

    /// Begins a read.
    pub fn read(&mut self, address: u32) {
        self.read = Some(address.into());
        self.read_answer = None;
    }

    /// Sets the pins of the cycle.
    pub fn drive(&mut self, pins: &mut impl Pins) {
        let waiting = [self.address.is_some(), self.data.is_some(), self.read.is_some()];
        for (offering, waiting) in self.offering.iter_mut().zip(waiting) {
            *offering = waiting && (*offering || !self.stalls.now());
        }
        self.ready = [!self.stalls.now(), !self.stalls.now()];
        let [write_address, write_data, read_address] = self.offering;
        let noise = |offer: bool, value: Option<u64>| value.filter(|_| offer).unwrap_or(0xa5a);
        let (data, strobes) = self.data.filter(|_| write_data).unwrap_or((0x5a5a_5a5a, 9));
        for (pin, value) in [
            ("s_axi_awvalid", write_address.into()),
            ("s_axi_awaddr", noise(write_address, self.address)),
            ("s_axi_wvalid", write_data.into()),
            ("s_axi_wdata", data),
            ("s_axi_wstrb", strobes),
            ("s_axi_bready", self.ready[0].into()),
            ("s_axi_arvalid", read_address.into()),
            ("s_axi_araddr", noise(read_address, self.read)),
            ("s_axi_rready", self.ready[1].into()),
            ("s_axi_awprot", 0),
            ("s_axi_arprot", 2),
        ] {
            pins.set(pin, value);
        }
    }

    /// Looks at the pins of the cycle.
    ///
    /// # Errors
    /// As [`Channel::observe`], and for an answer to what was not asked.
    pub fn sample(&mut self, pins: &impl Pins) -> Result<(), String> {
        let response = pins.get("s_axi_bresp");
        let valid = pins.get("s_axi_bvalid") == 1;
        if valid && !(self.accepted[0] && self.accepted[1]) {
            return Err("s_axi b: an answer before address and data".to_owned());
        }
        if self.channels[0].observe(valid, self.ready[0], &[response])? {
            self.write_answer = Some(response);
            self.accepted[0] = false;
            self.accepted[1] = false;
        }
        let answer = [pins.get("s_axi_rdata"), pins.get("s_axi_rresp")];
        let valid = pins.get("s_axi_rvalid") == 1;
        if valid && !self.accepted[2] {
            return Err("s_axi r: an answer before the address".to_owned());
        }
        if self.channels[1].observe(valid, self.ready[1], &answer)? {
            self.read_answer = Some((answer[0], answer[1]));
            self.accepted[2] = false;
        }
        let readies = ["s_axi_awready", "s_axi_wready", "s_axi_arready"];
        let taken: Vec<bool> =
            readies.iter().zip(self.offering).map(|(pin, on)| on && pins.get(pin) == 1).collect();
        if taken[0] {
            self.address = None;
        }
        if taken[1] {
            self.data = None;
        }
        if taken[2] {
            self.read = None;
        }
        for (k, taken) in taken.into_iter().enumerate().filter(|(_, taken)| *taken) {
            self.accepted[k] = taken;
            self.offering[k] = false;
        }
        Ok(())
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        *self = Self::new(self.stalls.clone());
    }
}
