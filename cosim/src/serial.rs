//! A model with a serial line, a bit at a time: 8 data bits, no parity, one stop bit.
//!
//! Bytes go to the input `uart_rx` one after the other without gaps, and what comes on `uart_tx` is
//! taken in the middle of each bit, as a receiver does that knows nothing else of the design.
//!
//! Not here: what the bytes mean.

use std::collections::VecDeque;

use crate::{Error, Model, PortId};

/// Bits of a byte on the line: start, data, stop.
const LINE_BITS: u32 = 10;
/// The bit of `status` that says that the design is at work.
const BUSY: u64 = 1 << 1;
/// Bits of time for which nothing may happen before a design counts as idle.
const QUIET_BITS: u32 = 12;

/// A running design with the ports of `heartbit_uart`.
#[derive(Debug)]
pub struct Serial {
    model: Model,
    receive: PortId,
    transmit: PortId,
    status: PortId,
    clocks_per_bit: u32,
    queue: VecDeque<u8>,
    /// Bits still to be sent, the lowest first, how many, and clocks of the present one.
    sending: (u16, u32, u32),
    /// Clocks since the start bit, and the bits so far, while a byte comes.
    coming: Option<(u32, u16)>,
    /// Cycles since anything happened.
    quiet: u32,
    framing_errors: u64,
}

impl Serial {
    /// Resets a design whose bits have so many clocks.
    ///
    /// # Errors
    /// [`Error::UnknownPort`] where it has not the ports, [`Error::Stopped`].
    ///
    /// # Panics
    /// If a bit has fewer than two clocks.
    pub fn new(mut model: Model, clocks_per_bit: u32) -> Result<Self, Error> {
        assert!(clocks_per_bit >= 2, "bug: bits of {clocks_per_bit} clocks");
        let reset = model.port("reset")?;
        let [receive, transmit, status] =
            [model.port("uart_rx")?, model.port("uart_tx")?, model.port("status")?];
        model.set(receive, 1);
        model.set(reset, 1);
        model.run(4)?;
        model.set(reset, 0);
        model.tick()?;
        Ok(Self {
            model,
            receive,
            transmit,
            status,
            clocks_per_bit,
            queue: VecDeque::new(),
            sending: (0, 0, 0),
            coming: None,
            quiet: 0,
            framing_errors: 0,
        })
    }

    /// Puts bytes on the line, behind those that wait.
    pub fn send(&mut self, bytes: &[u8]) {
        self.queue.extend(bytes);
        self.quiet = 0;
    }

    /// Runs so many cycles, or fewer where nothing goes on any more; returns the bytes that came.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Finished`].
    pub fn run(&mut self, cycles: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        for _ in 0..cycles {
            if self.is_idle() {
                break;
            }
            self.drive();
            self.model.tick()?;
            bytes.extend(self.sample());
        }
        Ok(bytes)
    }

    /// Whether nothing is on the line, and the design waits for what comes.
    pub fn is_idle(&self) -> bool {
        self.quiet > QUIET_BITS * self.clocks_per_bit
    }

    /// Cycles since the model began.
    pub fn cycle(&self) -> u64 {
        self.model.cycle()
    }

    /// The lamps: ready, busy, error, heartbeat, from the lowest bit.
    pub fn status(&self) -> u64 {
        self.model.get(self.status)
    }

    /// Bytes that came without a stop bit.
    pub fn framing_errors(&self) -> u64 {
        self.framing_errors
    }

    fn drive(&mut self) {
        let (bits, left, clocks) = &mut self.sending;
        if *clocks > 0 {
            *clocks -= 1;
            return;
        }
        if *left == 0 {
            let Some(byte) = self.queue.pop_front() else { return };
            *bits = 1 << 9 | u16::from(byte) << 1;
            *left = LINE_BITS;
        }
        self.model.set(self.receive, u64::from(*bits & 1));
        *bits >>= 1;
        *left -= 1;
        *clocks = self.clocks_per_bit - 1;
    }

    fn sample(&mut self) -> Option<u8> {
        let level = self.model.get(self.transmit) == 1;
        let sends = self.sending.1 > 0 || self.sending.2 > 0 || !self.queue.is_empty();
        let works = sends || !level || self.coming.is_some() || self.status() & BUSY != 0;
        self.quiet = if works { 0 } else { self.quiet.saturating_add(1) };
        let Some((age, bits)) = &mut self.coming else {
            self.coming = (!level).then_some((0, 0));
            return None;
        };
        *age += 1;
        if *age % self.clocks_per_bit == self.clocks_per_bit / 2 {
            *bits = *bits >> 1 | u16::from(level) << 9;
        }
        // The next start bit may follow the middle of the stop bit at once.
        if *age < (LINE_BITS - 1) * self.clocks_per_bit + self.clocks_per_bit / 2 {
            return None;
        }
        let bits = *bits;
        self.coming = None;
        if bits >> 9 == 1 && bits & 1 == 0 {
            return Some((bits >> 1 & 0xff).to_le_bytes()[0]);
        }
        self.framing_errors += 1;
        None
    }
}
