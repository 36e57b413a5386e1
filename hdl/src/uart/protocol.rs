//! The numbers of the link, as docs/link.md has them.
//!
//! Not here: what they mean for a host, which has numbers of its own (`heartbit-host`), so that a
//! mistake on one side is found by the other.

/// Begins and ends a frame.
pub(super) const FLAG: u64 = 0x7e;
/// The next byte has bit 5 turned.
pub(super) const ESCAPE: u64 = 0x7d;
/// What it is turned with.
pub(super) const TURN: u64 = 0x20;
/// Bytes of a frame that are no payload: kind, number, length and two of the check.
pub(super) const OVERHEAD: u64 = 5;

/// Begins a session.
pub(super) const SYNC: u64 = 0;
/// Writes a register, and the one after it again and again.
pub(super) const WRITE: u64 = 1;
/// Reads registers.
pub(super) const READ: u64 = 2;
/// Sends pixels.
pub(super) const PIXELS: u64 = 3;
/// Takes words of a result.
pub(super) const RESULT: u64 = 4;

/// An answer: the command was carried out; the low bits are its own.
pub(super) const DONE: u64 = 0x80;
/// An answer: it was not, and counts as carried out.
pub(super) const FAILED: u64 = 0xa0;
/// An answer: the frame does not count.
pub(super) const AGAIN: u64 = 0xc0;

/// Reasons of [`FAILED`].
pub(super) const NO_COMMAND: u64 = 1;
pub(super) const LENGTH: u64 = 2;
pub(super) const REFUSED: u64 = 3;
pub(super) const WAITED: u64 = 4;

/// Reasons of [`AGAIN`].
pub(super) const DAMAGED: u64 = 1;
pub(super) const SEQUENCE: u64 = 2;
pub(super) const OVERRUN: u64 = 3;
pub(super) const INCOMPLETE: u64 = 4;
