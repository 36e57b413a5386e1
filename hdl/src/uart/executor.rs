//! Carries out the frames: a master of the registers and streams of `heartbit_host`.
//!
//! A frame is read from the buffer byte by byte, four cycles each, or twelve where it is counted into
//! the checksum of what is loaded: always faster than the next frame can follow, unless a pixel has
//! to wait. Each wait ends after four ticks. What was answered last is kept, so that a frame that
//! comes once more is answered once more and not carried out again.
//!
//! | port          | dir | width | meaning                                              |
//! | ------------- | --- | ----- | ---------------------------------------------------- |
//! | `ended`, `complete`, `length`, `fault` | in | 1, 1, 8, 3 | of the deframer        |
//! | `kept`, `kept_from` | out | 1, 8 | for the deframer                                |
//! | `fetched_byte` | in | 8     | the byte at `fetch` of the buffer, two cycles later  |
//! | `fetch`       | out | 8     | see above                                            |
//! | `put`, `put_place`, `put_byte` | out | 1, 8, 8 | a byte of the answer, for the buffer    |
//! | `taken`       | in  | 1     | it is taken                                          |
//! | `begin_frame`, `kind`, `number`, `answer_length` | out | 1, 8, 8, 8 | for the framer  |
//! | `sending`     | in  | 1     | of the framer                                        |
//! | `timer`       | in  | 1     | a tick                                               |
//! | `write`, `read`, `word`, `data` | out | 1, 1, 8, 32 | a register is written, read      |
//! | `write_ok`, `read_ok`, `read_data` | in | 1, 1, 32 | whether it may be, and its value |
//! | `pixel_valid`, `pixel_last`, `pixel_ready` | out, out, in | 1 | the pixel in `data`     |
//! | `result_valid`, `result_ready`, `result_data`, `result_last` | in, out, in, in | 1, 1, 32, 1 | the stream of results |
//! | `load_crc`    | out | 32    | checksum of what was loaded                          |
//! | `active`      | out | 1     | a frame is being carried out                         |

use super::crc::{CRC_32, step};
use super::deframer::PATIENCE;
use super::protocol::{
    AGAIN, DAMAGED, DONE, FAILED, LENGTH, NO_COMMAND, OVERHEAD, PIXELS, READ, REFUSED, RESULT,
    SEQUENCE, SYNC, WAITED, WRITE,
};
use crate::axi::registers::register_named;
use crate::build::{Builder, Module, Reg, Sig};

/// States.
const IDLE: u64 = 0;
const HEADER: u64 = 1;
const BYTES: u64 = 2;
const PIXEL: u64 = 3;
const STORE: u64 = 4;
const WORD: u64 = 5;
const OUT: u64 = 6;
const ANSWER: u64 = 7;

/// Most words of an answer.
const MOST_WORDS_BITS: u32 = 6;
/// Where the payload begins, in the buffer.
const PAYLOAD: u64 = OVERHEAD - 2;

/// Describes the module `link_executor`.
pub(super) fn executor() -> Module {
    let m = Builder::new("link_executor", "Carries out frames.");
    let registers = Registers::declare(&m);
    let frame = registers.frame();
    let steps = registers.bytes(&frame);
    let word = registers.words();
    registers.advance(&frame, &steps, &word);
    registers.outputs(&frame, &steps, &word);
    m.finish()
}

struct Registers<'m> {
    m: &'m Builder,
    state: Reg<'m>,
    /// Where the frame is read.
    at: Reg<'m>,
    /// The byte there is being read, is there, and what follows from it is.
    reading: Reg<'m>,
    coming: Reg<'m>,
    fetched: Reg<'m>,
    kind: Reg<'m>,
    /// The kind is one of the commands.
    known: Reg<'m>,
    /// Number of the frame that is carried out next.
    expected: Reg<'m>,
    /// The frame has this number, or the one before.
    is_next: Reg<'m>,
    is_again: Reg<'m>,
    /// First byte of the payload: a register, or how pixels are.
    argument: Reg<'m>,
    /// Bytes of the payload, or words of the answer, that are left.
    left: Reg<'m>,
    /// What it is, from the cycle after it changed on.
    some_left: Sig<'m>,
    one_left: Sig<'m>,
    /// Bytes in `data`.
    group: Reg<'m>,
    data: Reg<'m>,
    answer: Reg<'m>,
    answer_length: Reg<'m>,
    /// The answer asks for the frame again, for this reason; 0 if not.
    again: Reg<'m>,
    age: Reg<'m>,
    timer: Sig<'m>,
    byte: Sig<'m>,
    /// It is no number of words of an answer, of no channels.
    too_many: Sig<'m>,
    no_channel: Sig<'m>,
}

/// The frame in the buffer, and what its header says.
struct Frame<'m> {
    /// The deframer has one.
    begin: Sig<'m>,
    pending: Sig<'m>,
    /// There is something else to say.
    trouble: Sig<'m>,
    report: Sig<'m>,
    /// The last byte of the header is there.
    decide: Sig<'m>,
    accept: Sig<'m>,
    repeat: Sig<'m>,
    fits: Sig<'m>,
    /// It begins a session.
    sync: Sig<'m>,
}

/// What happens to the bytes of a payload.
struct Bytes<'m> {
    /// A byte is used.
    consume: Sig<'m>,
    is_argument: Sig<'m>,
    /// The next one is wanted, but there is none.
    exhausted: Sig<'m>,
    /// It makes the value of a register, a pixel whole.
    fills: Sig<'m>,
    /// It is wrong.
    wrong: Sig<'m>,
    /// It is the number of words that are wanted.
    is_count: Sig<'m>,
    /// A zero for a channel that there is not.
    pad: Sig<'m>,
    offer: Sig<'m>,
    offered: Sig<'m>,
    write: Sig<'m>,
    refused: Sig<'m>,
    load_crc: Sig<'m>,
}

/// Words of an answer.
struct Words<'m> {
    take: Sig<'m>,
    value: Sig<'m>,
    read: Sig<'m>,
    unknown: Sig<'m>,
    /// No word is wanted at all.
    satisfied: Sig<'m>,
    result_ready: Sig<'m>,
    /// A byte is there, and taken.
    put: Sig<'m>,
    taken: Sig<'m>,
    /// The last byte of a word.
    end: Sig<'m>,
    /// No word is wanted any more.
    enough: Sig<'m>,
}

impl<'m> Registers<'m> {
    fn declare(m: &'m Builder) -> Self {
        let free = |name: &str, width: u32| m.reg_without_reset(name, width);
        let byte = m.input("fetched_byte", 8, "of the frame");
        let left = free("bytes_left", 8);
        let above = byte.slice(MOST_WORDS_BITS, 8 - MOST_WORDS_BITS);
        Self {
            m,
            state: m.reg("state", 3, IDLE),
            at: m.reg("at", 8, 0),
            reading: m.reg("reading", 1, 0),
            coming: m.reg("coming", 1, 0),
            fetched: m.reg("fetched", 1, 0),
            kind: free("kind_q", 3),
            known: free("known", 1),
            expected: m.reg("expected", 8, 0),
            is_next: free("is_next", 1),
            is_again: free("is_again", 1),
            argument: free("argument", 8),
            some_left: m.pipe("some_left", left.any()),
            one_left: m.pipe("one_left", left.eq(1)),
            left,
            group: m.reg("group", 2, 0),
            data: free("data_q", 32),
            answer: m.reg("answer", 6, 0),
            answer_length: m.reg("answer_length_q", 8, 0),
            again: m.reg("again", 3, 0),
            age: m.reg("age", 3, 0),
            timer: m.input("timer", 1, "a tick"),
            byte,
            too_many: m.pipe("too_many", above.any()),
            no_channel: m.pipe("no_channel", !byte.slice(0, 2).any()),
        }
    }

    fn is(&self, state: u64) -> Sig<'m> {
        self.state.eq(state)
    }

    fn frame(&self) -> Frame<'m> {
        let m = self.m;
        let ended = m.input("ended", 1, "a frame is over");
        let complete = m.input("complete", 1, "it is right");
        let length = m.input("length", 8, "its bytes");
        let fault = m.input("fault", 3, "why it is not");
        let pending = m.reg("pending", 1, 0);
        let kept_length = m.pipe_when("frame_length", complete, length);
        let begin = (self.is(IDLE) & *pending).named("starts");
        pending.next_when(complete | begin, complete);
        let trouble = m.reg("trouble", 3, 0);
        let report = (self.is(IDLE) & !*pending & trouble.any()).named("report");
        trouble.next_when((ended & fault.any()) | report, m.mux(ended, fault, 0));

        let have = (self.is(HEADER) & *self.fetched).named("have_header");
        let place = |at: u64| have & self.at.slice(0, 2).eq(at);
        let byte = self.byte;
        self.kind.next_when(place(0), byte.slice(0, 3));
        self.known.next_when(place(0), byte.lt(RESULT + 1));
        let sync = self.kind.eq(SYNC) & *self.known;
        self.is_next.next_when(place(1), byte.eq(*self.expected) | sync);
        self.is_again.next_when(place(1), byte.eq(self.before()));
        let decide = place(2).named("decide");
        let whole = byte.zero_extend(9) + OVERHEAD;
        let fits = m.pipe("fits", whole.eq(kept_length.zero_extend(9)));
        let accept = (decide & fits & *self.is_next).named("accept");
        let renew = place(1) & sync;
        let next = m.mux(renew, byte, *self.expected + 1);
        self.expected.next_when(renew | accept, next);
        let repeat = (decide & fits & !*self.is_next & *self.is_again).named("once_more");
        Frame {
            begin,
            pending: *pending,
            trouble: *trouble,
            report,
            decide,
            accept,
            repeat,
            fits,
            sync: accept & sync,
        }
    }

    /// Number of the frame that was carried out last.
    fn before(&self) -> Sig<'m> {
        *self.expected - 1
    }

    fn bytes(&self, frame: &Frame<'m>) -> Bytes<'m> {
        let m = self.m;
        let kind = |kind: u64| self.kind.eq(kind);
        // What a byte is used for stands before it is there, as the byte before it is long gone.
        let (writes, pixels) = (m.pipe("writes", kind(WRITE)), m.pipe("pixels", kind(PIXELS)));
        let there = self.is(BYTES) & *self.fetched;
        let have = (there & self.some_left).named("have_byte");
        let is_argument = m.pipe("is_argument", self.at.eq(PAYLOAD));

        // What goes to the load port is summed, a bit a cycle.
        let word = |name: &str| u64::from(register_named(name).offset / 4);
        let (select, control) = (word("LOAD_SELECT"), word("CONTROL"));
        let loads = m.pipe("loads", self.argument.eq(select) | self.argument.eq(select + 1));
        assert!(word("LOAD_DATA") == select + 1, "bug: the registers of a load are neighbours");
        let bits = m.reg("bits_summed", 4, 0);
        let counted = (writes & !is_argument & loads).named("counted");
        let summing = (have & counted & !bits.bit(3)).named("summing");
        bits.next(m.mux(summing, *bits + 1, 0));
        let consume = (have & !summing).named("consume");
        let closed = m.reg("closed", 1, 1);
        let crc = m.reg("crc", 32, 0xffff_ffff);
        let so_far = m.mux(*closed, m.ones(32), *crc);
        let bit = m.select(bits.slice(0, 3), &[0, 1, 2, 3, 4, 5, 6, 7].map(|k| self.byte.bit(k)));
        crc.next_when(summing, step(m, so_far, bit, CRC_32));

        let write = self.is(STORE).named("write_now");
        let commit = register_named("CONTROL").field("COMMIT").low;
        let commits = write & self.argument.eq(control) & self.data.bit(commit);
        closed.next_when(summing | commits | frame.sync, !summing);
        let refused = write & !m.input("write_ok", 1, "the register may be written");

        let channels = self.argument.slice(0, 2);
        let pixel_end = pixels & (*self.group + 1).eq(channels);
        let value_end = writes & self.group.all();
        let fills = m.pipe("fills", pixel_end | value_end);
        let more = (consume & !is_argument).named("consume_more");
        let takes_words = m.pipe("takes_words", kind(READ) | kind(RESULT));
        let is_count = (more & takes_words).named("is_count");
        let uncounted = is_count & (!self.one_left | self.too_many);
        let no_channel = consume & is_argument & pixels & self.no_channel;

        let waits = self.is(PIXEL);
        let pad = waits & !self.group.all();
        let offer = m.reg("offer", 1, 0);
        let ready = m.input("pixel_ready", 1, "the pixel is accepted");
        let offered = (*offer & ready).named("offered");
        offer.next(waits & self.group.all() & !offered & !self.expired());
        Bytes {
            consume,
            is_argument,
            exhausted: (there & !self.some_left).named("exhausted"),
            fills: more & fills,
            wrong: (uncounted | no_channel).named("wrong_byte"),
            is_count,
            pad,
            offer: *offer,
            offered,
            write,
            refused,
            load_crc: !*crc,
        }
    }

    fn words(&self) -> Words<'m> {
        let m = self.m;
        // In the second cycle of its state it is known whether a word is wanted.
        let (wanted, satisfied) = (m.reg("wanted", 1, 0), m.reg("satisfied", 1, 0));
        let reads = m.pipe("reads", self.kind.eq(READ));
        let read = (*wanted & reads).named("read_now");
        let result_ready = (*wanted & !reads).named("result_wanted");
        let valid = m.input("result_valid", 1, "a word of a result is there");
        let of_result = m.input("result_data", 32, "it");
        let last = m.input("result_last", 1, "it is the last one");
        let read_ok = m.input("read_ok", 1, "there is such a register");
        let read_data = m.input("read_data", 32, "its value");
        let take = (*wanted & (reads | valid)).named("take");
        let ended = m.pipe_when("result_ended", take, last & !reads);

        let put = self.is(OUT);
        let taken = put & m.input("taken", 1, "the byte is taken");
        let end = (taken & self.group.all()).named("word_end");
        let expired = self.expired();
        wanted.next(self.is(WORD) & self.left.any() & !take & !expired);
        satisfied.next(self.is(WORD) & !self.left.any() & !*satisfied);
        let waiting = (result_ready & !valid) | self.is(PIXEL);
        self.age.next(m.mux(waiting & !expired, *self.age + self.timer.zero_extend(3), 0));
        Words {
            take,
            value: m.mux(reads, read_data, of_result),
            read,
            unknown: read & !m.pipe("known_register", read_ok),
            satisfied: *satisfied,
            result_ready,
            put,
            taken,
            end,
            enough: end & (self.one_left | ended),
        }
    }

    fn advance(&self, frame: &Frame<'m>, bytes: &Bytes<'m>, words: &Words<'m>) {
        let m = self.m;
        let taken = words.taken;
        let partly = self.group.any();
        // How a frame ends: the first that holds.
        let waited = (self.expired() & !bytes.offered & !words.take).named("waited");
        let got_some = self.is(WORD) & self.answer_length.any();
        let short = bytes.exhausted & (partly | self.kind.eq(READ) | self.kind.eq(RESULT));
        let failures = [
            (frame.accept & !*self.known, NO_COMMAND),
            (bytes.wrong | short, LENGTH),
            (bytes.refused | words.unknown, REFUSED),
            (waited & !got_some, WAITED),
        ];
        let failed = failures.iter().fold(m.lit(1, 0), |any, (when, _)| any | *when).named("fails");
        let reason = failures
            .iter()
            .fold(m.lit(3, 0), |all, (when, code)| all | when.repeat(3) & m.lit(3, *code));
        let done = frame.sync | bytes.exhausted | words.enough | words.satisfied | waited;
        let finished = (failed | done).named("finished");
        let failure = m.concat(&[m.lit(3, (FAILED >> 3) & 7), reason]);
        let success = m.concat(&[m.lit(3, (DONE >> 3) & 7), *self.kind]);
        self.answer.next_when(finished, m.mux(failed, failure, success));

        let reject = frame.decide & !frame.accept & !frame.repeat;
        let why = m.mux(frame.fits, m.lit(3, SEQUENCE), DAMAGED);
        let again = m.mux(frame.report, frame.trouble, m.mux(reject, why, 0));
        self.again.next_when(frame.report | frame.decide, again);

        let to = |when: Sig<'m>, state: u64, other: Sig<'m>| m.mux(when, state, other);
        let state = *self.state;
        let mut next = to(frame.begin, HEADER, state);
        next = to(frame.accept | bytes.offered | bytes.write, BYTES, next);
        next = to(bytes.fills, PIXEL, next);
        next = to(bytes.fills & self.kind.eq(WRITE), STORE, next);
        next = to(bytes.is_count | words.end, WORD, next);
        next = to(words.take, OUT, next);
        next = to(finished | frame.report | reject | frame.repeat, ANSWER, next);
        let sending = m.input("sending", 1, "a frame is being sent");
        let sent = m.reg("begun", 1, 0);
        sent.next(self.is(ANSWER));
        let answered = self.is(ANSWER) & *sent & !sending;
        self.state.next(to(answered, IDLE, next));
        m.output("begin_frame", self.is(ANSWER) & !*sent, "an answer is to be sent");

        let moves = frame.begin | self.header_moves() | bytes.consume;
        self.at.next_when(moves, m.mux(frame.begin, 0, *self.at + 1));
        let fetches = (self.is(HEADER) | self.is(BYTES)) & !moves;
        self.reading.next(fetches);
        self.coming.next(fetches & *self.reading);
        self.fetched.next(fetches & *self.coming);
        self.argument.next_when(
            (bytes.consume & bytes.is_argument) | words.read | (bytes.write & self.at.eq(8)),
            m.mux(bytes.consume, self.byte, *self.argument + 1),
        );
        let fewer = *self.left - 1;
        let set = frame.decide | bytes.is_count;
        self.left.next_when(set | bytes.consume | words.end, m.mux(set, self.byte, fewer));
        let shifts = (bytes.consume & !bytes.is_argument & !bytes.is_count) | bytes.pad | taken;
        let clear = frame.decide | bytes.is_count | bytes.offered;
        self.group.next_when(shifts | clear, m.mux(clear, 0, *self.group + 1));
        let entering = m.mux(bytes.consume, self.byte, 0);
        let shifted = m.concat(&[entering, self.data.slice(8, 24)]);
        self.data.next_when(shifts | words.take, m.mux(words.take, words.value, shifted));
        let grown = *self.answer_length + 1;
        self.answer_length.next_when(frame.accept | taken, m.mux(taken, grown, 0));
    }

    /// A wait is over.
    fn expired(&self) -> Sig<'m> {
        self.age.eq(PATIENCE)
    }

    /// A byte of the header is used.
    fn header_moves(&self) -> Sig<'m> {
        self.is(HEADER) & *self.fetched
    }

    fn outputs(&self, frame: &Frame<'m>, bytes: &Bytes<'m>, words: &Words<'m>) {
        let m = self.m;
        let reads_frame = !self.state.bit(2) & self.state.any() | self.is(STORE);
        // A cycle late, which no byte of the line is early enough to see.
        let kept = m.pipe("kept_q", frame.pending | reads_frame);
        let kept_from = m.pipe("kept_from_q", m.mux(frame.pending, 0, *self.at));
        m.output("kept", kept, "a part of the buffer is needed");
        m.output("kept_from", kept_from, "from here on");
        m.output("fetch", *self.at, "the byte that is wanted");
        m.output("put", words.put, "a byte of the answer");
        m.output("put_place", *self.answer_length, "where");
        m.output("put_byte", self.data.slice(0, 8), "it");

        let asks = self.again.any().named("asks");
        let reason = m.concat(&[m.lit(5, AGAIN >> 3), *self.again]);
        let answer = m.concat(&[m.lit(2, DONE >> 6), *self.answer]);
        m.output("kind", m.mux(asks, reason, answer), "of the answer");
        m.output("number", m.mux(asks, *self.expected, self.before()), "which frame it is about");
        m.output("answer_length", m.mux(asks, 0, *self.answer_length), "bytes of its payload");

        m.output("write", bytes.write, "a register is written");
        m.output("read", words.read, "a register is read");
        m.output("word", *self.argument, "which");
        m.output("data", *self.data, "what is written");
        m.output("pixel_valid", bytes.offer, "a pixel is there");
        m.output(
            "pixel_last",
            self.argument.bit(7) & !self.some_left,
            "it is the last one of its image",
        );
        m.output("result_ready", words.result_ready, "a word of a result is wanted");
        m.output("load_crc", bytes.load_crc, "checksum of what was loaded");
        m.output("active", self.state.any(), "a frame is being carried out");
    }
}
