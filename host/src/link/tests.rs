//! The link against a model of the other end, over a line that loses, turns and adds bytes.
//!
//! The model is written from docs/link.md. Against the hardware itself: `heartbit-tests`.

use super::{Command, Limits, Link, LinkError, READ, Refusal, WRITE};
use crate::frame::{Decoded, Decoder, Frame};
use crate::port::Port;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// What a line does to the bytes that pass it.
#[derive(Clone, Copy, Debug)]
struct Noise {
    /// One byte in so many is spoilt; none if 0.
    rate: u64,
    seed: u64,
}

impl Noise {
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.seed >> 33
    }

    fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for &byte in bytes {
            if self.rate == 0 || !self.random().is_multiple_of(self.rate) {
                out.push(byte);
                continue;
            }
            match self.random() % 3 {
                0 => out.push(byte ^ 1 << (self.random() % 8)),
                1 => {}
                _ => out.extend([byte, self.random().to_le_bytes()[0]]),
            }
        }
        out
    }
}

/// The other end: keeps the payloads that it was sent, answers a read with all of them.
struct Peer {
    noise: Noise,
    decoder: Decoder,
    expected: u8,
    last: Frame,
    kept: Vec<Vec<u8>>,
    answers: VecDeque<u8>,
    is_open: bool,
}

impl Peer {
    fn new(noise: Noise) -> Self {
        Self {
            noise,
            decoder: Decoder::default(),
            expected: 200,
            last: Frame { kind: 0x80, number: 199, payload: Vec::new() },
            kept: Vec::new(),
            answers: VecDeque::new(),
            is_open: true,
        }
    }

    fn again(&self, reason: u8) -> Frame {
        Frame { kind: 0xc0 | reason, number: self.expected, payload: Vec::new() }
    }

    fn answer(&mut self, decoded: Decoded) -> Frame {
        let Decoded::Frame(frame) = decoded else { return self.again(1) };
        if frame.number.wrapping_add(1) == self.expected && frame.kind != 0 {
            return self.last.clone();
        }
        if frame.number != self.expected && frame.kind != 0 {
            return self.again(2);
        }
        self.expected = frame.number.wrapping_add(1);
        let (kind, payload) = match frame.kind {
            0 => (0x80, Vec::new()),
            WRITE => {
                self.kept.push(frame.payload);
                (0x80 | WRITE, Vec::new())
            }
            READ => (0x80 | READ, vec![u8::try_from(self.kept.len()).unwrap_or(255)]),
            _ => (0xa1, Vec::new()),
        };
        self.last = Frame { kind, number: frame.number, payload };
        self.last.clone()
    }
}

impl Port for &mut Peer {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.is_open {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        for byte in self.noise.pass(bytes) {
            if let Some(decoded) = self.decoder.push(byte) {
                let answer = self.answer(decoded).to_bytes();
                let passed = self.noise.pass(&answer);
                self.answers.extend(passed);
            }
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &mut [u8], patience: Duration) -> io::Result<usize> {
        let n = bytes.len().min(self.answers.len());
        if n == 0 {
            // Nothing will come any more: time may as well pass at once.
            std::thread::sleep(patience.min(Duration::from_millis(2)));
        }
        bytes.iter_mut().zip(self.answers.drain(..n)).for_each(|(to, byte)| *to = byte);
        Ok(n)
    }
}

const LIMITS: Limits = Limits {
    answer: Duration::from_millis(2),
    attempts: 40,
    window: 5,
    quiet: Duration::from_millis(1),
};

fn commands(n: usize) -> Vec<Command> {
    let payload = |i: usize| vec![u8::try_from(i).expect("few"); i % 7 + 1];
    (0..n).map(|i| Command { kind: WRITE, payload: payload(i) }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn frames_arrive_in_order_and_once(seed in any::<u64>(), rate in 30..200_u64, n in 1..60_usize) {
        let mut peer = Peer::new(Noise { rate, seed });
        let mut link = Link::new(&mut peer, LIMITS);
        link.begin().expect("it answers in the end");
        let sent = commands(n);
        link.send("sending", &sent).expect("they arrive in the end");
        let count = link.ask("asking", READ, &[]).expect("it answers in the end");
        prop_assert_eq!(usize::from(count[0]), n);
        let sent: Vec<_> = sent.into_iter().map(|command| command.payload).collect();
        prop_assert_eq!(&peer.kept, &sent);
    }
}

#[test]
fn numbers_go_on_behind_255() {
    let mut peer = Peer::new(Noise { rate: 0, seed: 1 });
    let mut link = Link::new(&mut peer, LIMITS);
    link.begin().expect("it answers");
    link.send("sending", &commands(200)).expect("they arrive");
    link.send("sending", &commands(200)).expect("they arrive");
    assert_eq!(link.statistics().again, 0);
    assert_eq!(peer.kept.len(), 400);
}

#[test]
fn what_is_refused_is_said_and_the_link_goes_on() {
    let mut peer = Peer::new(Noise { rate: 0, seed: 1 });
    let mut link = Link::new(&mut peer, LIMITS);
    link.begin().expect("it answers");
    let error = link.ask("asking", 9, &[]).expect_err("no such command");
    assert!(matches!(error, LinkError::Refused { reason: Refusal::Command, .. }), "{error}");
    link.send("sending", &commands(3)).expect("they arrive");
    assert_eq!(peer.kept.len(), 3);
}

#[test]
fn silence_noise_and_a_closed_port_are_errors() {
    let mut peer = Peer::new(Noise { rate: 1, seed: 1 });
    let few = Limits { attempts: 3, ..LIMITS };
    let error = Link::new(&mut peer, few).begin().expect_err("nothing arrives");
    assert!(matches!(error, LinkError::Silent { .. } | LinkError::Noisy { .. }), "{error}");

    let mut peer = Peer::new(Noise { rate: 0, seed: 1 });
    peer.is_open = false;
    let error = Link::new(&mut peer, few).begin().expect_err("it is closed");
    assert!(matches!(error, LinkError::Closed { .. }), "{error}");
}

/// A cable between the two lines of the same port.
struct Loop(VecDeque<u8>);

impl Port for Loop {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend(bytes);
        Ok(())
    }

    fn receive(&mut self, bytes: &mut [u8], _: Duration) -> io::Result<usize> {
        let n = bytes.len().min(self.0.len());
        bytes.iter_mut().zip(self.0.drain(..n)).for_each(|(to, byte)| *to = byte);
        Ok(n)
    }
}

#[test]
fn an_echo_is_no_answer() {
    let limits = Limits { attempts: 3, ..LIMITS };
    let error = Link::new(Loop(VecDeque::new()), limits).begin().expect_err("an echo");
    assert!(matches!(error, LinkError::Silent { .. }), "{error}");
}
