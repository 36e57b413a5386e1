//! Frames that arrive: in order, each carried out once, or an error.
//!
//! The accelerator carries out the frame with the number that it expects, answers it, and asks for
//! this number again where it gets anything else. So several frames may be under way; where one is
//! lost, what follows it is sent again with it ("go back n"), but not before the answers to all that
//! is under way have come: frames that are sent into a line full of others would only be refused as
//! well. A noisy line has fewer frames under way. An answer with a payload is kept until the next
//! one only, so such frames travel alone.
//!
//! Every loop here ends: without progress, after [`Limits::attempts`] tries of [`Limits::answer`]
//! each.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use crate::frame::{Decoded, Decoder, Frame};
use crate::port::Port;

/// Begins a session.
const SYNC: u8 = 0;
/// Writes registers.
pub const WRITE: u8 = 1;
/// Reads registers.
pub const READ: u8 = 2;
/// Sends pixels.
pub const PIXELS: u8 = 3;
/// Takes words of a result.
pub const RESULT: u8 = 4;

const DONE: u8 = 0x80;
const FAILED: u8 = 0xa0;
const AGAIN: u8 = 0xc0;
/// The bits that tell these apart.
const CLASS: u8 = 0xe0;
/// Bytes of a payload that take longer on the line than any frame to be carried out.
const SHORT: usize = 80;

/// How long to wait, and how often to try.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest time without an answer while one is due; more than half a second, after which the
    /// accelerator itself gives up a wait, and what its line takes for the frames under way.
    pub answer: Duration,
    /// Tries without progress before it is an error.
    pub attempts: u32,
    /// Frames under way at most.
    pub window: usize,
    /// Silence after which no more answers are expected to what was lost.
    pub quiet: Duration,
}

impl Limits {
    /// Fit for a line of so many baud.
    pub fn of_baud(baud: u32) -> Self {
        let window = 8;
        // All frames under way, escaped throughout, and their answers.
        let bits = u64::try_from(window).expect("bug: small") * 2 * 300 * 10;
        let line = Duration::from_millis(1000 * bits / u64::from(baud.max(1)));
        // A frame and its answer, and the latency of a USB bridge each way.
        let quiet = Duration::from_millis(50) + line / 8;
        Self { answer: Duration::from_secs(1) + line, attempts: 8, window, quiet }
    }
}

/// Why frames do not arrive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The port is closed or unplugged.
    #[error("the serial port was closed or unplugged while {doing}")]
    Closed {
        /// What was under way.
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Nothing answers.
    #[error("no answer while {doing}, in {attempts} tries of {} ms", patience.as_millis())]
    Silent {
        /// What was under way.
        doing: &'static str,
        /// Tries.
        attempts: u32,
        /// Time of each.
        patience: Duration,
    },
    /// Frames are damaged again and again.
    #[error("the line is too noisy while {doing}: a frame was asked for again {again} times")]
    Noisy {
        /// What was under way.
        doing: &'static str,
        /// Times.
        again: u32,
    },
    /// The accelerator did not carry out a frame.
    #[error("the accelerator refused while {doing}: {reason}")]
    Refused {
        /// What was under way.
        doing: &'static str,
        /// Why.
        reason: Refusal,
    },
}

/// Why an accelerator does not carry out a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not know the kind.
    Command,
    /// The payload is of a wrong length or form.
    Payload,
    /// There is no such register, or it may not be written now.
    Register,
    /// It waited, for a result or until a pixel could go on, and gave up.
    Waited,
    /// Something that this version does not know.
    Other(u8),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Command => write!(f, "it does not know the command"),
            Refusal::Payload => write!(f, "the payload has a wrong length or form"),
            Refusal::Register => write!(f, "no such register, or it may not be written now"),
            Refusal::Waited => write!(f, "it waited in vain"),
            Refusal::Other(code) => write!(f, "reason {code}, which this version does not know"),
        }
    }
}

impl Refusal {
    fn of(kind: u8) -> Self {
        match kind & !CLASS {
            1 => Refusal::Command,
            2 => Refusal::Payload,
            3 => Refusal::Register,
            4 => Refusal::Waited,
            other => Refusal::Other(other),
        }
    }
}

/// What has passed a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames sent, those that were sent again included.
    pub frames: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    /// Frames that were sent again.
    pub again: u64,
    /// Answers that came damaged.
    pub damaged: u64,
    /// Waits that ended without an answer.
    pub silences: u64,
}

/// A line with an accelerator at its end.
pub struct Link<P> {
    port: P,
    decoder: Decoder,
    limits: Limits,
    /// Number of the next frame.
    next: u8,
    arrived: VecDeque<Decoded>,
    statistics: Statistics,
    /// Frames under way at most, as the line bears them.
    window: usize,
}

/// A frame to be sent.
#[derive(Clone, Debug)]
pub struct Command {
    /// What is asked for.
    pub kind: u8,
    /// At most [`crate::frame::MAX_PAYLOAD`] bytes.
    pub payload: Vec<u8>,
}

/// What is under way.
struct Flight {
    doing: &'static str,
    /// Frames that are answered, and that are sent.
    answered: usize,
    sent: usize,
    /// Frames that were ever sent: where answers are lost, more may be carried out than is known.
    most: usize,
    /// Tries and requests since something was answered.
    silences: u32,
    again: u32,
    /// Frames whose answers have not come, those that will be sent again included.
    owed: usize,
    /// A frame was lost: the other answers are waited for, and then it begins again there.
    is_returning: bool,
    deadline: Instant,
}

impl<P: Port> Link<P> {
    /// A line; nothing is sent yet.
    pub fn new(port: P, limits: Limits) -> Self {
        Self {
            port,
            decoder: Decoder::default(),
            limits,
            next: 0,
            arrived: VecDeque::new(),
            statistics: Statistics::default(),
            window: limits.window,
        }
    }

    /// What has passed so far.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Begins a session: frames are numbered anew, and what came before is forgotten.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn begin(&mut self) -> Result<(), LinkError> {
        let doing = "looking for the accelerator";
        self.drain(doing)?;
        self.exchange(doing, &[Command { kind: SYNC, payload: Vec::new() }]).map(drop)
    }

    /// Sends frames whose answers have no payload, several under way at a time.
    ///
    /// # Errors
    /// [`LinkError`]; which of the frames were carried out is then unknown.
    pub fn send(&mut self, doing: &'static str, commands: &[Command]) -> Result<(), LinkError> {
        self.exchange(doing, commands).map(drop)
    }

    /// Sends a frame and returns the payload of its answer.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn ask(
        &mut self,
        doing: &'static str,
        kind: u8,
        payload: &[u8],
    ) -> Result<Vec<u8>, LinkError> {
        self.exchange(doing, &[Command { kind, payload: payload.to_vec() }])
    }

    /// Sends frames until all are answered; returns the payload of the last answer.
    fn exchange(
        &mut self,
        doing: &'static str,
        commands: &[Command],
    ) -> Result<Vec<u8>, LinkError> {
        let base = self.next;
        let mut flight = Flight {
            doing,
            answered: 0,
            sent: 0,
            most: 0,
            silences: 0,
            again: 0,
            owed: 0,
            is_returning: false,
            deadline: Instant::now() + self.limits.answer,
        };
        let mut payload = Vec::new();
        while flight.answered < commands.len() {
            self.fill(&mut flight, base, commands)?;
            match self.receive(doing, flight.deadline)? {
                None if flight.is_returning => self.go_back(&mut flight),
                None => self.silence(&mut flight)?,
                Some(decoded) => {
                    flight.owed = flight.owed.saturating_sub(1);
                    if let Decoded::Frame(frame) = decoded
                        && let Some(answer) = self.judge(&mut flight, base, commands, frame)?
                    {
                        payload = answer;
                    }
                    if flight.is_returning {
                        flight.deadline = Instant::now() + self.limits.quiet;
                        if flight.owed == 0 {
                            self.go_back(&mut flight);
                        }
                    }
                }
            }
        }
        self.next = number(base, commands.len());
        Ok(payload)
    }

    /// Sends frames up to the window.
    fn fill(
        &mut self,
        flight: &mut Flight,
        base: u8,
        commands: &[Command],
    ) -> Result<(), LinkError> {
        while flight.sent < commands.len() && self.may_send(flight, commands) {
            let Command { kind, payload } = commands[flight.sent].clone();
            let frame = Frame { kind, number: number(base, flight.sent), payload };
            let bytes = frame.to_bytes();
            self.port.send(&bytes).map_err(closed(flight.doing))?;
            self.statistics.frames += 1;
            self.statistics.sent += bytes.len() as u64;
            flight.sent += 1;
            flight.most = flight.most.max(flight.sent);
            flight.owed += 1;
            flight.deadline = Instant::now() + self.limits.answer;
        }
        Ok(())
    }

    /// Whether another frame may be under way.
    fn may_send(&self, flight: &Flight, commands: &[Command]) -> bool {
        let under_way = flight.sent - flight.answered;
        // A short one may have come before the one in front of it is carried out, and then waits
        // where the next one would be stored.
        let waits = under_way > 1 && commands[flight.sent - 1].payload.len() < SHORT;
        under_way < self.window && !flight.is_returning && !waits
    }

    fn silence(&mut self, flight: &mut Flight) -> Result<(), LinkError> {
        self.statistics.silences += 1;
        flight.silences += 1;
        if flight.silences >= self.limits.attempts {
            return Err(LinkError::Silent {
                doing: flight.doing,
                attempts: flight.silences,
                patience: self.limits.answer,
            });
        }
        self.go_back(flight);
        Ok(())
    }

    /// Sends again what is not answered.
    fn go_back(&mut self, flight: &mut Flight) {
        self.statistics.again += (flight.sent - flight.answered) as u64;
        flight.sent = flight.answered;
        flight.owed = 0;
        flight.is_returning = false;
        flight.deadline = Instant::now() + self.limits.answer;
        self.window = (self.window / 2).max(1);
    }

    /// What an answer means; its payload where it answers a frame.
    fn judge(
        &mut self,
        flight: &mut Flight,
        base: u8,
        commands: &[Command],
        frame: Frame,
    ) -> Result<Option<Vec<u8>>, LinkError> {
        // How far behind the first frame that is not answered.
        let ahead = usize::from(frame.number.wrapping_sub(number(base, flight.answered)));
        let under_way = flight.most - flight.answered;
        let asked = commands.get(flight.answered + ahead).map(|command| DONE | command.kind);
        match frame.kind & CLASS {
            DONE if ahead < under_way && asked == Some(frame.kind) => {
                self.window = (self.window + 1).min(self.limits.window);
                flight.progress(ahead + 1);
                Ok(Some(frame.payload))
            }
            FAILED if ahead < under_way => {
                // The numbers go on behind the frame that failed.
                self.next = number(base, flight.answered + ahead + 1);
                self.settle(flight.doing)?;
                Err(LinkError::Refused { doing: flight.doing, reason: Refusal::of(frame.kind) })
            }
            AGAIN if ahead <= under_way => {
                // That the last one was carried out is not its answer: that comes once more.
                let behind = ahead.min(commands.len() - 1 - flight.answered);
                if behind > 0 {
                    flight.progress(behind);
                }
                if flight.sent > flight.answered && !flight.is_returning {
                    flight.again += 1;
                    if flight.again > 4 * self.limits.attempts {
                        return Err(LinkError::Noisy { doing: flight.doing, again: flight.again });
                    }
                    flight.is_returning = true;
                }
                Ok(None)
            }
            // Of an earlier frame, or an echo.
            _ => Ok(None),
        }
    }

    /// What comes next until a time, if anything does.
    fn receive(
        &mut self,
        doing: &'static str,
        deadline: Instant,
    ) -> Result<Option<Decoded>, LinkError> {
        loop {
            if let Some(decoded) = self.arrived.pop_front() {
                return Ok(Some(decoded));
            }
            let patience = deadline.saturating_duration_since(Instant::now());
            if patience.is_zero() {
                return Ok(None);
            }
            let mut bytes = [0; 512];
            let n = self.port.receive(&mut bytes, patience).map_err(closed(doing))?;
            self.statistics.received += n as u64;
            for byte in &bytes[..n] {
                if let Some(decoded) = self.decoder.push(*byte) {
                    self.statistics.damaged += u64::from(decoded == Decoded::Damaged);
                    self.arrived.push_back(decoded);
                }
            }
        }
    }

    /// Drops what is on its way from before, a fifth of a second's worth at most.
    fn drain(&mut self, doing: &'static str) -> Result<(), LinkError> {
        let deadline = Instant::now() + Duration::from_millis(200);
        let mut bytes = [0; 512];
        while Instant::now() < deadline {
            let n =
                self.port.receive(&mut bytes, Duration::from_millis(20)).map_err(closed(doing))?;
            if n == 0 {
                break;
            }
        }
        self.decoder = Decoder::default();
        self.arrived.clear();
        Ok(())
    }

    /// After a failure: frames that were under way behind it may still be carried out, so the
    /// numbers are agreed upon anew.
    fn settle(&mut self, doing: &'static str) -> Result<(), LinkError> {
        self.drain(doing)?;
        let sync = Frame { kind: SYNC, number: self.next, payload: Vec::new() };
        for _ in 0..self.limits.attempts {
            self.port.send(&sync.to_bytes()).map_err(closed(doing))?;
            let deadline = Instant::now() + self.limits.answer;
            while let Some(decoded) = self.receive(doing, deadline)? {
                let Decoded::Frame(frame) = decoded else { continue };
                if frame.kind == DONE | SYNC && frame.number == sync.number {
                    self.next = number(self.next, 1);
                    return Ok(());
                }
            }
        }
        let (attempts, patience) = (self.limits.attempts, self.limits.answer);
        Err(LinkError::Silent { doing, attempts, patience })
    }
}

impl Flight {
    fn progress(&mut self, frames: usize) {
        self.answered += frames;
        self.sent = self.sent.max(self.answered);
        self.silences = 0;
        self.again = 0;
    }
}

/// The number so many frames behind another.
fn number(base: u8, behind: usize) -> u8 {
    base.wrapping_add(u8::try_from(behind % 256).expect("bug: below 256"))
}

fn closed(doing: &'static str) -> impl Fn(io::Error) -> LinkError {
    move |source| LinkError::Closed { doing, source }
}

#[cfg(test)]
mod tests;
