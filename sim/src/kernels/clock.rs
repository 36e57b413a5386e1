//! The time-stamp counter, which benchmarks count cycles with.

/// Returns the processor's time-stamp counter; `None` where there is none that programs may read.
///
/// It counts at a constant rate, which is not that of the core's clock.
pub fn time_stamp() -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: every `x86_64` processor has the instruction.
        Some(unsafe { std::arch::x86_64::_rdtsc() })
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        None
    }
}
