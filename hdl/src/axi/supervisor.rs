//! Watches the accelerator: what it is doing, for how long, and when it has to be reset.
//!
//! | port           | dir | width | meaning                                                       |
//! | -------------- | --- | ----- | ------------------------------------------------------------- |
//! | `abort`        | in  | 1     | the host wants a reset                                        |
//! | `illegal`      | in  | 1     | the accelerator met a descriptor that it cannot run           |
//! | `busy`         | in  | 1     | the accelerator's port                                        |
//! | `complete`, `broken` | in | 1  | of `pixels`                                                   |
//! | `finished`, `stalled` | in | 1 | of `results`                                                  |
//! | `class_now`    | in  | 16    | with `finished`                                               |
//! | `class_taken`  | in  | 1     | the host reads it                                             |
//! | `watchdog`, `timeout` | in | 32 | limits                                                       |
//! | `waits`, `beat` | in | 1     | a port waits for the host, something moves                    |
//! | `early`, `late` | in | 1     | of `pixels`                                                   |
//! | `load_active`  | in  | 1     | of `loader`                                                   |
//! | `weight_wait`  | in  | 1     | the accelerator's port; only with a weight ring               |
//! | `kill`         | out | 1     | resets the accelerator, for a cycle                           |
//! | `image_waiting` | out | 1    | a complete image has not begun                                |
//! | `barked`       | out | 1     | the watchdog                                                  |
//! | `timed_out`    | out | 1     | a port has waited for so long                                 |
//! | `cycles`, `stalls`, `images`, `dropped`, `load_cycles` | out | 32 | registers              |
//! | `weight_stalls` | out | 32   | a register; only with a weight ring                           |
//! | `last_class`, `fresh`, `underrun` | out | 16, 1, 1 | the class, not read before, read too often |

use super::Hardware;
use crate::build::{Builder, Module, Sig};

/// Describes the module `axi_supervisor`, or `host_supervisor` without AXI, which has no limits and
/// counts cycles only: the program ends by itself, and the link has limits of its own.
pub(super) fn supervisor(hardware: &Hardware) -> Module {
    let is_axi = hardware.axi.is_some();
    let name = if is_axi { "axi_supervisor" } else { "host_supervisor" };
    let m = Builder::new(name, "Watches the accelerator.");
    let bit = |name: &str, doc: &str| m.input(name, 1, doc);
    let (busy, stalled) = (bit("busy", "not idle"), bit("stalled", "a beat must wait"));
    let finished = bit("finished", "the class comes");
    let before = m.reg("busy_q", 1, 0);
    before.next(busy);

    let work = counted(&m, "work", [busy, *before], !stalled);
    let latched = |name: &str, value: Sig<'_>| {
        let reg = m.reg(&format!("{name}_last"), 32, 0);
        reg.next_when(finished, value);
        m.output(name, *reg, "of the last image");
    };
    latched("cycles", work);
    if is_axi {
        latched("stalls", counted(&m, "stall", [busy, *before], stalled));
    }
    if hardware.depths.ring.is_some() {
        let waits = bit("weight_wait", "a step waits for its weights");
        latched("weight_stalls", counted(&m, "weight_stall", [busy, *before], waits));
    }
    let barked = is_axi.then(|| {
        let limit = m.input("watchdog", 32, "most cycles of an image");
        // The limit is reached and the image not at its end: it takes longer.
        let barked = busy & limit.any() & work.ge(limit) & !finished;
        barked.named("barked_now")
    });

    let kill = m.reg("kill_q", 1, 0);
    let waiting = m.reg("waiting", 1, 0);
    let complete = bit("complete", "the image is complete");
    let started = busy & !*before;
    waiting.next_when(complete | started | *kill, complete & !*kill);
    let mend = bit("broken", "part of an image was passed on") & !busy & !*waiting;
    let illegal = bit("illegal", "a descriptor that cannot run");
    let want = bit("abort", "the host wants it") | illegal;
    let want = barked.map_or(want, |barked| want | barked) | mend;
    kill.next(want & !*kill);
    m.output("kill", *kill, "resets the accelerator");
    m.output("image_waiting", *waiting, "a complete image has not begun");
    if let Some(barked) = barked {
        m.output("barked", barked & !*kill, "the image takes too long");
        of_axi(&m, finished);
    }
    m.finish()
}

/// What only a host behind AXI asks for.
fn of_axi(m: &Builder, finished: Sig<'_>) {
    let bit = |name: &str, doc: &str| m.input(name, 1, doc);
    let idle = m.reg("idle_cycles", 32, 0);
    let timeout = m.input("timeout", 32, "cycles that a port may wait");
    let waits = bit("waits", "a port waits for the host") & !bit("beat", "something moves");
    idle.next(m.mux(waits, *idle + 1, 0));
    m.output("timed_out", waits & timeout.any() & idle.eq(timeout), "a port has waited so long");

    counter(m, "images", finished);
    counter(m, "dropped", bit("early", "too short") | bit("late", "too long"));
    let active = bit("load_active", "a memory image is being read");
    let load_before = m.reg("load_before", 1, 0);
    load_before.next(active);
    let loading = m.reg("load_cycles_q", 32, 0);
    loading.next_when(active, m.mux(*load_before, *loading + 1, 1));
    m.output("load_cycles", *loading, "of the last load");

    let class = m.reg("class_q", 16, 0);
    class.next_when(finished, m.input("class_now", 16, "with `finished`"));
    let taken = bit("class_taken", "the host reads it");
    let fresh = m.reg("fresh_q", 1, 0);
    fresh.next_when(finished | taken, finished);
    m.output("last_class", *class, "of the last image");
    m.output("fresh", *fresh, "not read before");
    m.output("underrun", taken & !*fresh, "read too often");
}

/// So many cycles of the image at work, up to the present one, which is its first one where it was
/// not `busy` before.
fn counted<'m>(m: &'m Builder, name: &str, [busy, before]: [Sig<'m>; 2], of: Sig<'m>) -> Sig<'m> {
    let so_far = m.reg_without_reset(&format!("{name}_q"), 32);
    let sum = (m.mux(before, *so_far, 0) + of.zero_extend(32)).named(&format!("{name}_now"));
    so_far.next_when(busy, sum);
    sum
}

fn counter(m: &Builder, name: &str, step: Sig<'_>) {
    let reg = m.reg(&format!("{name}_q"), 32, 0);
    reg.next_when(step, *reg + 1);
    m.output(name, *reg, "since the reset");
}
