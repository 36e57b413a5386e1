//! The stream of pixels: lets whole images through to the accelerator and keeps others out.
//!
//! An image is as many beats as the header of the program says, with `TLAST` at the last one. A
//! pixel that would complete an image of the wrong length is not passed on, so such an image never
//! runs: the accelerator has to be reset when it is idle (`broken`), and goes on with the next one.
//!
//! | port          | dir | width | meaning                                                  |
//! | ------------- | --- | ----- | -------------------------------------------------------- |
//! | `s_axis_*`    |     |       | AXI4-Stream, 32 bits, channel `c` in bits `8c+7..8c`     |
//! | `open`        | in  | 1     | there is a program, and nothing is being loaded          |
//! | `height`, `width` | in | 16 | of the image                                             |
//! | `kill`        | in  | 1     | the accelerator is being reset                           |
//! | `resync`      | in  | 1     | the next beat begins an image                            |
//! | `in_valid`, `in_ready`, `in_data` | out, in, out | 1, 1, 24 | the accelerator's port     |
//! | `beat`        | out | 1     | a pixel is accepted                                      |
//! | `offered`     | out | 1     | a pixel is there that would not be dropped               |
//! | `receiving`   | out | 1     | an image has begun and is not complete                   |
//! | `starved`     | out | 1     | a pixel of it could be accepted, but there is none       |
//! | `complete`    | out | 1     | the last pixel of an image is passed on                  |
//! | `early`, `late` | out | 1   | an image is found too short, too long                    |
//! | `broken`      | out | 1     | part of an image was passed on that will not be complete |
//! | `discarding`  | out | 1     | beats are dropped up to `TLAST`                          |
//!
//! `s_axis_tready` is a function of registers.

use crate::build::{Builder, Module, Reg, Sig};

/// Describes the module `axi_pixels`.
pub(super) fn pixels() -> Module {
    let m = Builder::new("axi_pixels", "Lets whole images through.");
    let valid = m.input("s_axis_tvalid", 1, "a pixel is there");
    let data = m.input(
        "s_axis_tdata",
        32,
        "pixel, channel 0 in the low byte; the top byte does not count",
    );
    let tlast = m.input("s_axis_tlast", 1, "it is the last one of its image");
    let open = m.input("open", 1, "pixels may be accepted");
    let height = m.input("height", 16, "rows of the image");
    let width = m.input("width", 16, "columns of the image");
    let kill = m.input("kill", 1, "the accelerator is being reset");
    let resync = m.input("resync", 1, "the next beat begins an image");
    let in_ready = m.input("in_ready", 1, "the accelerator accepts a pixel");

    let broken = m.reg("broken_q", 1, 0);
    let discarding = m.reg("discarding_q", 1, 0);
    let receiving = m.reg("receiving_q", 1, 0);
    let gate = (open & !kill & !resync & !*broken & !*discarding).named("gate");
    let accept = (gate & in_ready).named("accept");
    let beat = (valid & accept).named("beat_now");
    let columns = Counter::declare(&m, "x", width);
    let rows = Counter::declare(&m, "y", height);
    let (row_end, last_row) = (columns.at_end(), rows.at_end());
    let last = (row_end & last_row).named("last_pixel");
    let over = (tlast | last).named("over");
    let again = (kill | resync).named("again");
    columns.count(beat | again, again | over | row_end);
    let line = beat & (row_end | tlast);
    rows.count(line | again, again | over);
    receiving.next_when(beat | again, beat & !over);

    let given_up = resync & *receiving & !kill;
    let early = ((beat & tlast & !last) | given_up).named("early_now");
    let late = (beat & last & !tlast).named("late_now");
    broken.next_when(early | late | kill, early | late);
    let cut = late | (kill & *receiving);
    let found = *discarding & ((valid & tlast) | resync);
    discarding.next_when(cut | found, cut & !resync);

    m.output("s_axis_tready", accept | *discarding, "a pixel is accepted");
    m.output("in_valid", valid & gate & !(last & !tlast), "a pixel for the accelerator");
    m.output("in_data", data.keep(0, 24), "it");
    m.output("beat", beat, "a pixel is accepted");
    m.output("offered", valid & !*discarding, "a pixel is there");
    m.output("receiving", *receiving, "an image is not complete");
    m.output("starved", *receiving & accept & !valid, "there is no pixel");
    m.output("complete", beat & last & tlast, "the image is complete");
    m.output("early", early, "the image is too short");
    m.output("late", late, "the image is too long");
    m.output("broken", *broken, "the accelerator needs a reset");
    m.output("discarding", *discarding, "beats are dropped");
    m.finish()
}

/// Counts from 1 to a limit that has not changed for two cycles when it is counted, and knows in a
/// register whether it is there, which nobody asks before there is a limit.
struct Counter<'m> {
    m: &'m Builder,
    value: Reg<'m>,
    at_end: Reg<'m>,
    limit: Sig<'m>,
    before: Sig<'m>,
    one: Sig<'m>,
}

impl<'m> Counter<'m> {
    fn declare(m: &'m Builder, name: &str, limit: Sig<'m>) -> Self {
        Self {
            m,
            value: m.reg(name, 16, 1),
            at_end: m.reg_without_reset(&format!("{name}_at_end"), 1),
            limit,
            before: m.pipe(&format!("{name}_before_end"), limit - 1),
            one: m.pipe(&format!("{name}_is_one"), limit.eq(1)),
        }
    }

    fn at_end(&self) -> Sig<'m> {
        *self.at_end
    }

    fn count(&self, moves: Sig<'m>, restart: Sig<'m>) {
        let (m, value) = (self.m, *self.value);
        let moved = m.mux(restart, self.one, value.eq(self.before));
        self.at_end.next(m.mux(moves, moved, value.eq(self.limit)));
        self.value.next_when(moves, m.mux(restart, 1, value + 1));
    }
}
