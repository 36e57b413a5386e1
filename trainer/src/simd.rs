//! Compiles a loop for AVX-512, for AVX2 with FMA, and portably, and picks one at run time.
//!
//! The loops are plain safe Rust; the compiler vectorises them for the features of each build.
//! Rust never contracts `a * b + c`, so a loop gives the same bits in every build unless it asks
//! for `mul_add` itself.

/// The portable build.
pub(crate) const PORTABLE: u8 = 0;
/// The build with AVX-512F/VL/BW/DQ.
pub(crate) const AVX512: u8 = 2;

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
                    body::<2 $(, $gen)?>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2$(<$gen: $bound>)?($($arg: $ty),*) $(-> $ret)? {
                    body::<1 $(, $gen)?>($($arg),*)
                }

                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                {
                    // SAFETY: the features that the build enables were detected just now; every
                    // processor with AVX-512 has AVX2 and FMA.
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the features that the build enables were detected just now.
                    return unsafe { avx2($($arg),*) };
                }
            }
            body::<{ $crate::simd::PORTABLE } $(, $gen)?>($($arg),*)
        }
    };
}
pub(crate) use simd;
