//! The link in the native simulation, a bit at a time, against a codec of the tests' own.
//!
//! What a whole network does behind it is checked in `heartbit-tests`, with the driver.

use super::{UartConfig, UartError, heartbit_uart};
use crate::axi::registers::{ID, register_named};
use crate::{Direction, Simulator, test_random};
use heartbit_ir::program::{ArrayConfig, MemoryDepths};

/// CRC-16/X-25 as its definition has it.
fn check(bytes: &[u8]) -> u16 {
    let mut crc = u16::MAX;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x8408 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn check_is_that_of_the_catalogue() {
    assert_eq!(check(b"123456789"), 0x906e);
}

fn frame(kind: u8, number: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short payload");
    let mut content = vec![kind, number, length];
    content.extend_from_slice(payload);
    content.extend(check(&content).to_le_bytes());
    let mut bytes = vec![0x7e];
    for byte in content {
        if byte == 0x7e || byte == 0x7d {
            bytes.extend([0x7d, byte ^ 0x20]);
        } else {
            bytes.push(byte);
        }
    }
    bytes.push(0x7e);
    bytes
}

/// The design, and what is on its lines.
struct Line {
    sim: Simulator,
    clocks: u32,
    /// Bytes that have come, and the line since the start bit of one that comes.
    received: Vec<u8>,
    coming: Option<(u32, u16)>,
}

impl Line {
    fn new(config: UartConfig) -> Self {
        let array = ArrayConfig {
            rows: 1,
            cols: 1,
            lanes: 4,
            taps: 1,
            lines: 1,
            acc_bits: 9,
            extended: false,
        };
        let depths = MemoryDepths { program: 23, ..MemoryDepths::uniform(1) };
        let mut sim = Simulator::new(&heartbit_uart(&array, &depths, config));
        sim.set("uart_rx", 1);
        sim.set("reset", 1);
        sim.step();
        sim.set("reset", 0);
        Self { sim, clocks: config.clocks_per_bit(), received: Vec::new(), coming: None }
    }

    fn step(&mut self) {
        self.sim.step();
        let level = self.sim.get("uart_tx") == 1;
        let Some((age, bits)) = &mut self.coming else {
            if !level {
                self.coming = Some((0, 0));
            }
            return;
        };
        *age += 1;
        if *age % self.clocks == self.clocks / 2 {
            *bits = *bits >> 1 | u16::from(level) << 9;
        }
        if *age == 10 * self.clocks - 1 {
            assert_eq!((*bits & 1, *bits >> 9), (0, 1), "start and stop bit");
            self.received.push(u8::try_from(*bits >> 1 & 0xff).expect("8 bits"));
            self.coming = None;
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        for byte in bytes {
            for bit in 0..10 {
                let level = u64::from(0x200 | u16::from(*byte) << 1) >> bit & 1;
                self.sim.set("uart_rx", level);
                (0..self.clocks).for_each(|_| self.step());
            }
        }
    }

    /// Kind, number and payload of the next frame, which comes within so many clocks.
    fn answer_within(&mut self, clocks: u32) -> Option<(u8, u8, Vec<u8>)> {
        for _ in 0..clocks {
            let flags: Vec<_> =
                (0..self.received.len()).filter(|&i| self.received[i] == 0x7e).collect();
            if let [first, second, ..] = flags[..] {
                assert_eq!(first, 0, "nothing between frames");
                let mut content = Vec::new();
                let mut turn = 0;
                for byte in self.received.drain(..=second).skip(1) {
                    match byte {
                        0x7e => {}
                        0x7d => turn = 0x20,
                        _ => {
                            content.push(byte ^ turn);
                            turn = 0;
                        }
                    }
                }
                let (body, sent) = content.split_at(content.len() - 2);
                assert_eq!(sent, check(body).to_le_bytes());
                assert_eq!(usize::from(body[2]), body.len() - 3);
                return Some((body[0], body[1], body[3..].to_vec()));
            }
            self.step();
        }
        None
    }

    #[track_caller]
    fn answer(&mut self) -> (u8, u8, Vec<u8>) {
        self.answer_within(20_000).expect("every frame gets an answer")
    }

    #[track_caller]
    fn ask(&mut self, kind: u8, number: u8, payload: &[u8]) -> (u8, u8, Vec<u8>) {
        self.send(&frame(kind, number, payload));
        self.answer()
    }
}

fn config(clocks: u32) -> UartConfig {
    UartConfig::new(clocks * 10_000, 10_000).expect("a rate that is exact")
}

fn word(name: &str) -> u8 {
    u8::try_from(register_named(name).offset / 4).expect("few registers")
}

#[test]
fn registers_answer_at_any_rate() {
    for clocks in [4, 5, 8, 13] {
        let mut line = Line::new(config(clocks));
        assert_eq!(line.ask(0, 77, &[]), (0x80, 77, vec![]));
        let id = ID.to_le_bytes().to_vec();
        assert_eq!(line.ask(2, 78, &[0, 1]), (0x82, 78, id), "{clocks} clocks a bit");
        // A value with flags and escapes in it.
        let load = [0x7e, 0x7d, 0x00, 0x00];
        let payload = [&[word("LOAD_SELECT")][..], &[0; 4], &load].concat();
        assert_eq!(line.ask(1, 79, &payload), (0x81, 79, vec![]));
        let crc = crc32(&payload[1..]).to_le_bytes().to_vec();
        assert_eq!(line.ask(2, 80, &[word("LOAD_CRC"), 1]), (0x82, 80, crc));
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn a_frame_is_carried_out_once() {
    let mut line = Line::new(config(4));
    line.ask(0, 0, &[]);
    let payload = [word("LOAD_SELECT"), 0, 0, 0, 0];
    // Once more: answered once more, and not counted twice.
    for _ in 0..3 {
        assert_eq!(line.ask(1, 1, &payload), (0x81, 1, vec![]));
    }
    let crc = crc32(&payload[1..]).to_le_bytes().to_vec();
    for _ in 0..2 {
        assert_eq!(line.ask(2, 2, &[word("LOAD_CRC"), 1]), (0x82, 2, crc.clone()));
    }
    // Neither this one nor the one before: what is wanted is said.
    for number in [1, 4, 200] {
        assert_eq!(line.ask(2, number, &[0, 1]), (0xc2, 3, vec![]));
    }
    assert_eq!(line.ask(2, 3, &[0, 1]).0, 0x82);
}

#[test]
fn what_is_wrong_is_said() {
    let mut line = Line::new(config(4));
    line.ask(0, 255, &[]);
    let failures: [(u8, &[u8], u8); 11] = [
        (5, &[], 1),
        (0x85, &[1], 1),
        (1, &[word("CONTROL"), 1, 2], 2),
        (2, &[0], 2),
        (2, &[0, 64], 2),
        (2, &[0, 1, 0], 2),
        (3, &[0, 1, 2, 3], 2),
        (3, &[3, 1, 2], 2),
        (4, &[], 2),
        (1, &[word("ID"), 0, 0, 0, 0], 3),
        (2, &[200, 1], 3),
    ];
    for (number, (kind, payload, reason)) in (0_u8..).zip(failures) {
        let expected = (0xa0 | reason, number, vec![]);
        assert_eq!(line.ask(kind, number, payload), expected, "{kind} {payload:?}");
    }
    // A length that is not that of the frame, under a check that is right.
    let mut content = vec![2, 11, 3, 0, 1];
    content.extend(check(&content).to_le_bytes());
    line.send(&[&[0x7e][..], &content, &[0x7e]].concat());
    assert_eq!(line.answer(), (0xc1, 11, vec![]));
    // Nothing is there to be taken, and no pixel can be.
    line.send(&frame(4, 11, &[0, 1]));
    assert_eq!(line.answer_within(100_000), Some((0xa4, 11, vec![])));
    line.send(&frame(3, 12, &[3, 1, 2, 3]));
    assert_eq!(line.answer_within(100_000), Some((0xa4, 12, vec![])));
}

#[test]
fn damaged_frames_are_asked_for_again() {
    let mut line = Line::new(config(4));
    line.ask(0, 9, &[]);
    let good = frame(2, 10, &[0, 2]);
    let mut seed = 4;
    for _ in 0..60 {
        let mut bad = good.clone();
        let at =
            1 + usize::try_from(test_random(&mut seed) % (bad.len() as u64 - 2)).expect("small");
        match test_random(&mut seed) % 3 {
            0 => {
                let bit = test_random(&mut seed) % 8;
                bad[at] ^= 1 << bit;
                if bad[at] == 0x7e {
                    continue; // Two frames, each of which is damaged.
                }
            }
            1 => drop(bad.remove(at)),
            _ => bad.insert(at, 0x55),
        }
        line.send(&bad);
        assert_eq!(line.answer(), (0xc1, 10, vec![]), "{bad:x?}");
    }
    // Garbage between frames.
    line.send(&[0x00, 0xff, 0x7d]);
    line.send(&good);
    assert_eq!(line.answer(), (0xc1, 10, vec![]));
    assert_eq!(line.answer().0, 0x82);
    // Far too long.
    line.send(&[0x7e]);
    line.send(&[0x11; 600]);
    line.send(&[0x7e]);
    assert_eq!(line.answer(), (0xc1, 11, vec![]));
    assert_eq!(line.ask(2, 11, &[0, 1]).0, 0x82);
}

#[test]
fn half_a_frame_times_out_and_so_does_a_line_that_stays_low() {
    let mut line = Line::new(config(4));
    line.ask(0, 0, &[]);
    line.send(&frame(2, 1, &[0, 1])[..5]);
    assert_eq!(line.answer_within(100_000), Some((0xc4, 1, vec![])));
    assert_eq!(line.ask(2, 1, &[0, 1]).0, 0x82);
    line.sim.set("uart_rx", 0);
    assert_eq!(line.answer_within(100_000), Some((0xc4, 2, vec![])));
    // Once.
    assert_eq!(line.answer_within(100_000), None);
    line.sim.set("uart_rx", 1);
    (0..40).for_each(|_| line.step());
    assert_eq!(line.ask(2, 2, &[0, 1]).0, 0x82);
}

#[test]
fn frames_may_follow_each_other() {
    let mut line = Line::new(config(4));
    line.ask(0, 0, &[]);
    let fill = [&[word("LOAD_SELECT"), 2, 0, 0, 0][..], &[0; 240]].concat();
    let mut bytes = Vec::new();
    for number in 1..=6 {
        bytes.extend(frame(1, number, &fill));
    }
    line.send(&bytes);
    for number in 1..=6 {
        assert_eq!(line.answer(), (0x81, number, vec![]));
    }
}

#[test]
fn a_glitch_is_no_start_bit() {
    let mut line = Line::new(config(8));
    line.ask(0, 0, &[]);
    for _ in 0..20 {
        line.sim.set("uart_rx", 0);
        line.step();
        line.sim.set("uart_rx", 1);
        (0..9).for_each(|_| line.step());
    }
    assert_eq!(line.answer_within(100_000), None);
    assert_eq!(line.ask(2, 1, &[0, 1]).0, 0x82);
}

#[test]
fn ports_are_those_that_a_board_connects() {
    let line = Line::new(config(4));
    let ports: Vec<_> =
        line.sim.ports().iter().map(|p| (p.name.clone(), p.width, p.direction)).collect();
    let port = |name: &str, width, direction| (name.to_owned(), width, direction);
    let expected = [
        port("clock", 1, Direction::Input),
        port("reset", 1, Direction::Input),
        port("uart_rx", 1, Direction::Input),
        port("uart_tx", 1, Direction::Output),
        port("status", 4, Direction::Output),
    ];
    assert_eq!(ports, expected);
}

#[test]
fn rates_that_a_clock_cannot_give_are_refused() {
    assert_eq!(UartConfig::new(12_000_000, 115_200).map(UartConfig::clocks_per_bit), Ok(104));
    assert_eq!(UartConfig::new(12_000_000, 3_000_000).map(UartConfig::clocks_per_bit), Ok(4));
    let (clock_hz, baud) = (0, 9600);
    assert_eq!(UartConfig::new(clock_hz, baud), Err(UartError::Zero { clock_hz, baud }));
    let (clock_hz, baud) = (12_000_000, 4_000_000);
    assert_eq!(UartConfig::new(clock_hz, baud), Err(UartError::TooFast { clock_hz, baud }));
    let (clock_hz, baud, clocks) = (12_000_000, 2_600_000, 5);
    assert_eq!(UartConfig::new(clock_hz, baud), Err(UartError::Inexact { clock_hz, baud, clocks }));
}
