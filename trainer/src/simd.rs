//! Compiles a loop for AVX-512, for AVX2 with FMA, and portably, and picks one at run time.
//!
//! The loops are plain safe Rust; the compiler vectorises them for the features of each build.
//! Rust never contracts `a * b + c`, so a loop gives the same bits in every build unless it asks
//! for `mul_add` itself.

/// The portable build.
pub(crate) const PORTABLE: u8 = 0;
/// The build with AVX2 and FMA.
#[cfg(any(target_arch = "x86_64", test))]
pub(crate) const AVX2: u8 = 1;
/// The build with AVX-512F/VL/BW/DQ.
pub(crate) const AVX512: u8 = 2;

/// Returns the best build that the processor runs.
#[cfg(target_arch = "x86_64")]
#[inline]
fn detected() -> u8 {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq");
    match (avx2, avx512) {
        (true, true) => AVX512,
        (true, false) => AVX2,
        (false, _) => PORTABLE,
    }
}

/// Returns the best build that the processor runs.
#[cfg(not(target_arch = "x86_64"))]
fn detected() -> u8 {
    PORTABLE
}

/// Returns the build to run: one that the processor has.
#[cfg(not(test))]
#[inline]
pub(crate) fn level() -> u8 {
    detected()
}

/// Returns the build to run: the best one, or a lesser one inside [`on_each_build`].
#[cfg(test)]
pub(crate) fn level() -> u8 {
    detected().min(LIMIT.get())
}

#[cfg(test)]
thread_local! {
    /// The best build that this thread may use.
    static LIMIT: std::cell::Cell<u8> = const { std::cell::Cell::new(u8::MAX) };
}

/// Runs `f` once in each build that the processor has and returns the results, portable first.
///
/// rayon's threads are limited too: `f` runs in a pool of `threads` of them.
#[cfg(test)]
pub(crate) fn on_each_build<R: Send>(threads: usize, f: impl Fn() -> R + Sync) -> Vec<R> {
    [PORTABLE, AVX2, AVX512]
        .into_iter()
        .filter(|&build| build <= detected())
        .map(|build| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .start_handler(move |_| LIMIT.set(build))
                .build()
                .expect("a thread pool");
            pool.install(&f)
        })
        .collect()
}

/// Defines a function with three builds; `LEVEL` in its body is the build: 0 portable, 1 AVX2, 2
/// AVX-512.
macro_rules! simd {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<const $level:ident $(, $gen:ident: $bound:path)?>(
        $($arg:ident: $ty:ty),* $(,)?)
        $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "runtime dispatch"))]
        $vis fn $name$(<$gen: $bound>)?($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body<const $level: u8 $(, $gen: $bound)?>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn avx512$(<$gen: $bound>)?($($arg: $ty),*) $(-> $ret)? {
                    body::<{ $crate::simd::AVX512 } $(, $gen)?>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2$(<$gen: $bound>)?($($arg: $ty),*) $(-> $ret)? {
                    body::<{ $crate::simd::AVX2 } $(, $gen)?>($($arg),*)
                }

                match $crate::simd::level() {
                    // SAFETY: `level` returns only builds whose features the processor has.
                    $crate::simd::AVX512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::simd::AVX2 => return unsafe { avx2($($arg),*) },
                    _ => {}
                }
            }
            body::<{ $crate::simd::PORTABLE } $(, $gen)?>($($arg),*)
        }
    };
}
pub(crate) use simd;
