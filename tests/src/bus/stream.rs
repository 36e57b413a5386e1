//! AXI4-Stream: a source of packets and a sink.

use super::channel::Channel;
use super::{Pins, Stalls};
use std::collections::VecDeque;

/// Offers beats on `s_axis_*`.
#[derive(Debug)]
pub struct Source {
    /// Beats to come: data and last.
    pub beats: VecDeque<(u32, bool)>,
    /// When it waits before it offers a beat.
    pub stalls: Stalls,
    /// Beats that were accepted.
    pub accepted: u64,
    offering: bool,
}

impl Source {
    /// A source of nothing.
    pub fn new(stalls: Stalls) -> Self {
        Self { beats: VecDeque::new(), stalls, accepted: 0, offering: false }
    }

    /// Appends a packet.
    pub fn packet(&mut self, data: &[u32]) {
        let last = data.len() - 1;
        self.beats.extend(data.iter().enumerate().map(|(i, &word)| (word, i == last)));
    }

    /// Sets the pins of the cycle.
    pub fn drive(&mut self, pins: &mut impl Pins) {
        self.offering = self.offering || (!self.beats.is_empty() && !self.stalls.now());
        let (data, last) = self.beats.front().copied().unwrap_or_default();
        pins.set("s_axis_tvalid", self.offering.into());
        // What is not offered is noise.
        pins.set("s_axis_tdata", if self.offering { data.into() } else { 0xdead_beef });
        pins.set("s_axis_tlast", u64::from(!self.offering || last));
    }

    /// Looks at the pins of the cycle.
    pub fn sample(&mut self, pins: &impl Pins) {
        if self.offering && pins.get("s_axis_tready") == 1 {
            self.beats.pop_front();
            self.offering = false;
            self.accepted += 1;
        }
    }

    /// Forgets everything, also the beat that it offers.
    pub fn reset(&mut self) {
        self.beats.clear();
        self.offering = false;
    }
}

/// Takes beats from `m_axis_*`.
#[derive(Debug)]
pub struct Sink {
    /// Packets that ended.
    pub packets: VecDeque<Vec<u32>>,
    /// When it is not ready.
    pub stalls: Stalls,
    channel: Channel,
    packet: Vec<u32>,
    ready: bool,
}

impl Sink {
    /// A sink.
    pub fn new(stalls: Stalls) -> Self {
        let (packets, channel) = (VecDeque::new(), Channel::new("m_axis"));
        Self { packets, stalls, channel, packet: Vec::new(), ready: false }
    }

    /// Whether a packet has begun that has not ended.
    pub fn is_within_packet(&self) -> bool {
        !self.packet.is_empty()
    }

    /// Sets the pins of the cycle.
    pub fn drive(&mut self, pins: &mut impl Pins) {
        self.ready = !self.stalls.now();
        pins.set("m_axis_tready", self.ready.into());
    }

    /// Looks at the pins of the cycle.
    ///
    /// # Errors
    /// As [`Channel::observe`].
    pub fn sample(&mut self, pins: &impl Pins) -> Result<(), String> {
        let (data, last) = (pins.get("m_axis_tdata"), pins.get("m_axis_tlast"));
        if self.channel.observe(pins.get("m_axis_tvalid") == 1, self.ready, &[data, last])? {
            self.packet.push(u32::try_from(data).expect("bug: 32 bits"));
            if last == 1 {
                self.packets.push_back(std::mem::take(&mut self.packet));
            }
        }
        Ok(())
    }

    /// A reset ends a packet without a last beat.
    pub fn reset(&mut self) {
        self.packet.clear();
        self.channel.reset();
    }
}
