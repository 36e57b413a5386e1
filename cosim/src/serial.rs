//! A model with a serial line, a bit at a time: 8 data bits, no parity, one stop bit.
//!
//! Bytes go to the input `uart_rx` one after the other without gaps, and what comes on `uart_tx` is
//! taken in the middle of each bit, as a receiver does that knows nothing else of the design.
//!
//! Not here: what the bytes mean.

use std::collections::VecDeque;

use crate::{Error, Model, PortId, Simulation};

/// Bits of a byte on the line: start, data, stop.
const LINE_BITS: u64 = 10;
/// Parts of a clock in which the length of a bit is kept.
const PARTS: u64 = 1 << 16;
/// The bit of `status` that says that the design is at work.
const BUSY: u64 = 1 << 1;
/// Bits of time for which nothing may happen before a design counts as idle.
const QUIET_BITS: u64 = 12;

/// A running design with the ports of `heartbit_uart`.
#[derive(Debug)]
pub struct Serial {
    model: Model,
    receive: PortId,
    transmit: PortId,
    status: PortId,
    /// Clocks of a bit, in parts of [`PARTS`].
    bit: u64,
    queue: VecDeque<u8>,
    /// Bits of the byte that is sent, the lowest first, and clocks since its start.
    sending: Option<(u16, u64)>,
    /// Clocks since the start bit, the bits so far and how many, while a byte comes.
    coming: Option<(u64, u16, u64)>,
    /// Cycles since anything happened.
    quiet: u64,
    framing_errors: u64,
}

impl Serial {
    /// Resets a design whose bits have so many clocks, which need not be a whole number.
    ///
    /// # Errors
    /// [`Error::UnknownPort`] where it has not the ports, [`Error::Stopped`].
    ///
    /// # Panics
    /// If a bit has fewer than two clocks, or more than 2^32.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "at most 2^48 parts"
    )]
    pub fn new(mut model: Model, clocks_per_bit: f64) -> Result<Self, Error> {
        let fits = (2.0..=2_f64.powi(32)).contains(&clocks_per_bit);
        assert!(fits, "bug: bits of {clocks_per_bit} clocks");
        let bit = (clocks_per_bit * PARTS as f64).round() as u64;
        let reset = model.port("reset")?;
        let [receive, transmit, status] =
            [model.port("uart_rx")?, model.port("uart_tx")?, model.port("status")?];
        model.set(receive, 1);
        model.set(reset, 1);
        model.run(4)?;
        model.set(reset, 0);
        // A board's own reset ends some clocks after that of its button.
        model.run(2 * bit / PARTS)?;
        Ok(Self {
            model,
            receive,
            transmit,
            status,
            bit,
            queue: VecDeque::new(),
            sending: None,
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
        self.quiet > QUIET_BITS * self.bit / PARTS
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
        let is_over = |age: u64| age * PARTS >= LINE_BITS * self.bit;
        if self.sending.is_none_or(|(_, age)| is_over(age)) {
            let byte = self.queue.pop_front();
            self.sending = byte.map(|byte| (1 << 9 | u16::from(byte) << 1, 0));
        }
        let Some((bits, age)) = &mut self.sending else { return };
        let place = *age * PARTS / self.bit;
        self.model.set(self.receive, u64::from(*bits >> place & 1));
        *age += 1;
    }

    fn sample(&mut self) -> Option<u8> {
        let level = self.model.get(self.transmit) == 1;
        let sends = self.sending.is_some() || !self.queue.is_empty();
        let works = sends || !level || self.coming.is_some() || self.status() & BUSY != 0;
        self.quiet = if works { 0 } else { self.quiet.saturating_add(1) };
        let Some((age, bits, n)) = &mut self.coming else {
            self.coming = (!level).then_some((0, 0, 0));
            return None;
        };
        *age += 1;
        if *age < (2 * *n + 1) * self.bit / (2 * PARTS) {
            return None;
        }
        *bits = *bits >> 1 | u16::from(level) << 9;
        *n += 1;
        // The next start bit may follow the middle of the stop bit at once.
        if *n < LINE_BITS {
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
