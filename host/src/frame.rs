//! Frames, as docs/link.md has them.
//!
//! A frame lies between two flags. It has a kind, a number, the length of its payload, the payload,
//! and CRC-16/X-25 of all these. Flags and escapes within it are escaped, so that a flag is nothing
//! else: whatever came before, the byte behind a flag begins a frame.

use crc::{CRC_16_IBM_SDLC, Crc};

/// Begins and ends a frame.
pub const FLAG: u8 = 0x7e;
/// The next byte has bit 5 turned.
pub const ESCAPE: u8 = 0x7d;
const TURN: u8 = 0x20;
/// Bytes of a frame before the payload.
const HEADER: usize = 3;
/// Bytes of the check.
const CHECK: usize = 2;
/// Longest payload that an accelerator takes.
pub const MAX_PAYLOAD: usize = 250;
/// Longest payload of an answer.
const MAX_ANSWER: usize = 252;

/// Also known as X-25.
const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_IBM_SDLC);

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it asks for or answers.
    pub kind: u8,
    /// Its number.
    pub number: u8,
    /// At most 255 bytes.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The bytes of the line, flags included.
    ///
    /// ```
    /// use heartbit_host::frame::Frame;
    ///
    /// let frame = Frame { kind: 2, number: 0x7e, payload: vec![0, 1] };
    /// let bytes = frame.to_bytes();
    /// assert_eq!(bytes[..7], [0x7e, 2, 0x7d, 0x5e, 2, 0, 1]);
    /// assert_eq!(bytes.last(), Some(&0x7e));
    /// ```
    ///
    /// # Panics
    /// If the payload has more than 255 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = u8::try_from(self.payload.len()).expect("bug: a payload of at most 255 bytes");
        let mut content = vec![self.kind, self.number, length];
        content.extend_from_slice(&self.payload);
        content.extend(CRC.checksum(&content).to_le_bytes());
        let mut bytes = Vec::with_capacity(content.len() + 8);
        bytes.push(FLAG);
        for byte in content {
            match byte {
                FLAG | ESCAPE => bytes.extend([ESCAPE, byte ^ TURN]),
                _ => bytes.push(byte),
            }
        }
        bytes.push(FLAG);
        bytes
    }

    /// The frame that some bytes between flags are, escapes undone.
    fn of_content(content: &[u8]) -> Option<Self> {
        let body = content.len().checked_sub(CHECK).filter(|&length| length >= HEADER)?;
        let (body, check) = content.split_at(body);
        let payload = &body[HEADER..];
        let is_whole = usize::from(body[2]) == payload.len()
            && CRC.checksum(body).to_le_bytes().as_slice() == check;
        is_whole.then(|| Self { kind: body[0], number: body[1], payload: payload.to_vec() })
    }
}

/// What comes out of a [`Decoder`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A frame.
    Frame(Frame),
    /// Bytes between flags that are none.
    Damaged,
}

/// Finds frames among bytes.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    content: Vec<u8>,
    is_escaped: bool,
    is_bad: bool,
}

impl Decoder {
    /// Takes a byte; returns what it ends.
    pub fn push(&mut self, byte: u8) -> Option<Decoded> {
        match byte {
            FLAG => self.end(),
            ESCAPE => {
                self.is_escaped = true;
                None
            }
            _ => {
                let turn = if std::mem::take(&mut self.is_escaped) { TURN } else { 0 };
                // Garbage without flags must not grow.
                if self.content.len() == HEADER + MAX_ANSWER + CHECK {
                    self.is_bad = true;
                } else {
                    self.content.push(byte ^ turn);
                }
                None
            }
        }
    }

    fn end(&mut self) -> Option<Decoded> {
        let is_bad = std::mem::take(&mut self.is_bad) | std::mem::take(&mut self.is_escaped);
        let content = std::mem::take(&mut self.content);
        if content.is_empty() && !is_bad {
            return None;
        }
        let frame = Frame::of_content(&content).filter(|_| !is_bad);
        Some(frame.map_or(Decoded::Damaged, Decoded::Frame))
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoded, Decoder, FLAG, Frame};
    use proptest::prelude::*;

    fn decode(bytes: &[u8]) -> Vec<Decoded> {
        let mut decoder = Decoder::default();
        bytes.iter().filter_map(|byte| decoder.push(*byte)).collect()
    }

    fn frames() -> impl Strategy<Value = Frame> {
        let byte = prop_oneof![Just(0x7e), Just(0x7d), any::<u8>()];
        (any::<u8>(), any::<u8>(), prop::collection::vec(byte, 0..=252))
            .prop_map(|(kind, number, payload)| Frame { kind, number, payload })
    }

    proptest! {
        #[test]
        fn frames_come_back_whatever_came_before(
            garbage in prop::collection::vec(any::<u8>(), 0..600),
            frames in prop::collection::vec(frames(), 1..4),
        ) {
            let mut bytes = garbage;
            // Ends what the garbage may have begun.
            bytes.push(FLAG);
            bytes.extend(frames.iter().flat_map(Frame::to_bytes));
            let decoded = decode(&bytes);
            let expected: Vec<_> = frames.into_iter().map(Decoded::Frame).collect();
            prop_assert_eq!(&decoded[decoded.len() - expected.len()..], &expected[..]);
        }

        #[test]
        fn one_wrong_byte_is_noticed(frame in frames(), at in any::<prop::sample::Index>(), turn in 1..=255_u8) {
            let mut bytes = frame.to_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= turn;
            prop_assert!(!decode(&bytes).contains(&Decoded::Frame(frame)) || at == 0 || at == bytes.len() - 1);
        }
    }

    #[test]
    fn nothing_is_between_two_flags() {
        assert_eq!(decode(&[FLAG, FLAG, FLAG]), []);
        assert_eq!(decode(&[FLAG, 1, FLAG]), [Decoded::Damaged]);
    }

    #[test]
    fn frame_has_the_bytes_of_the_page() {
        let frame = Frame { kind: 2, number: 1, payload: vec![0, 1] };
        assert_eq!(frame.to_bytes(), [0x7e, 2, 1, 2, 0, 1, 0x75, 0x61, 0x7e]);
    }
}
