//! The stream of results: a register that survives a reset of the accelerator.
//!
//! A beat that was offered stays until it is taken, and a result that an abort has cut off ends
//! with one more beat, [`CUT`] with `TLAST`, so that every packet ends. No class is [`CUT`].
//!
//! | port         | dir | width | meaning                                                      |
//! | ------------ | --- | ----- | ------------------------------------------------------------ |
//! | `out_valid`, `out_ready`, `out_data`, `out_last` | in, out, in, in | 1, 1, 32, 1 | the accelerator's port |
//! | `kill`       | in  | 1     | it is being reset                                            |
//! | `m_axis_*`   |     |       | AXI4-Stream, 32 bits                                         |
//! | `finished`   | out | 1     | the class comes from the accelerator                         |
//! | `stalled`    | out | 1     | the accelerator has a beat that must wait                    |
//! | `waiting`    | out | 1     | a beat waits to be taken                                     |
//! | `taken`      | out | 1     | a beat is taken                                              |
//!
//! Timing: a beat leaves one cycle after the accelerator offers it; a sink that is always ready
//! never stalls the accelerator.

use crate::build::{Builder, Module};

/// The last beat of a result that was cut off.
pub const CUT: u32 = u32::MAX;

/// Describes the module `axi_results`.
pub(super) fn results() -> Module {
    let m = Builder::new("axi_results", "Keeps beats of results.");
    let from_valid = m.input("out_valid", 1, "a beat is there");
    let from_data = m.input("out_data", 32, "logit, then the class");
    let from_last = m.input("out_last", 1, "it is the class");
    let kill = m.input("kill", 1, "the accelerator is being reset");
    let ready = m.input("m_axis_tready", 1, "the beat is accepted");

    let valid = m.reg("valid_q", 1, 0);
    // A packet has begun.
    let begun = m.reg("begun", 1, 0);
    let closing = m.reg("closing", 1, 0);
    let free = (!*valid | ready).named("free_now");
    let from_ready = (free & !*closing & !kill).named("from_ready");
    let take = (from_valid & from_ready).named("take_now");
    let close = (*closing & free).named("close_now");
    let cut = kill & *begun & !*closing;
    valid.next_when(free, take | close);
    begun.next_when(take | close, take & !from_last);
    closing.next_when(cut | close, cut);
    let data = m.pipe_when("data_q", take | close, m.mux(*closing, u64::from(CUT), from_data));
    let last = m.pipe_when("last_q", take | close, *closing | from_last);

    m.output("out_ready", from_ready, "the beat is accepted");
    m.output("m_axis_tvalid", *valid, "a beat is there");
    m.output("m_axis_tdata", data, "logit, then the class");
    m.output("m_axis_tlast", last, "it is the class");
    m.output("finished", take & from_last, "the class comes");
    m.output("stalled", from_valid & !from_ready, "a beat must wait");
    m.output("waiting", *valid & !ready, "a beat waits");
    m.output("taken", *valid & ready, "a beat is taken");
    m.finish()
}
