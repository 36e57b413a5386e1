//! Times and clocks.

use heartbit_sim::kernels::time_stamp;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Operations of the chain that the core's clock is measured with.
const CHAIN: u32 = 200_000;

/// Returns the processor time of this thread, so that other work on the machine does not count.
#[cfg(unix)]
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("bug: the clock began before the thread")
}

/// Returns the time, where there is no clock for a thread alone.
#[cfg(not(unix))]
fn thread_time() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// Returns the shortest of several runs on this thread, in seconds of processor time.
pub(super) fn shortest(repetitions: usize, mut work: impl FnMut()) -> f64 {
    let run = |_| {
        let started = thread_time();
        work();
        thread_time().saturating_sub(started).as_secs_f64()
    };
    (0..repetitions.max(1)).map(run).fold(f64::INFINITY, f64::min)
}

/// Measures the core's clock, in Hz: a chain in which each operation waits for the one before.
///
/// An exclusive or, a rotation and an addition take one cycle each on every core of today.
pub(super) fn core_hertz() -> f64 {
    let chain = || {
        let mut value = black_box(1u64);
        let key = black_box(0x9e37_79b9_7f4a_7c15u64);
        for _ in 0..CHAIN {
            value = (value ^ key).rotate_left(7).wrapping_add(key);
        }
        black_box(value);
    };
    3.0 * f64::from(CHAIN) / shortest(40, chain)
}

/// Measures the rate of the time-stamp counter, in Hz.
pub(super) fn time_stamp_hertz() -> Option<f64> {
    let (started, first) = (Instant::now(), time_stamp()?);
    std::thread::sleep(Duration::from_millis(100));
    let (elapsed, last) = (started.elapsed(), time_stamp()?);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let counted = last.wrapping_sub(first) as f64;
    Some(counted / elapsed.as_secs_f64())
}
