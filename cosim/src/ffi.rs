//! The only unsafe code: loads a model's shared object and calls its C interface.
//!
//! `shim.cpp` holds the other side. [`Handle`] checks every port number and buffer length before a
//! call, so its methods are safe for any arguments; directions and top-word bits are the caller's.

#![expect(unsafe_code, reason = "dlopen and C calls have no safe form")]

use std::ffi::{CStr, c_char, c_int};
use std::path::Path;
use std::ptr::NonNull;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::build::ABI;
use crate::{Design, Error, Initial};

/// The C++ object; never seen from here.
#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

/// Status of a model that runs.
pub(crate) const RUNNING: u32 = 0;

/// Status of a model that called `$finish`.
pub(crate) const FINISHED: u32 = 1;

/// "No stop port" in `hb_run`.
const NONE: u32 = u32::MAX;

type Run = unsafe extern "C" fn(
    *mut Opaque,
    u64,
    *const u32,
    u32,
    *const u32,
    u32,
    u32,
    *mut u32,
    u64,
    *mut u64,
    *mut u64,
) -> u32;

type SetSource =
    unsafe extern "C" fn(*mut Opaque, u32, u32, u32, *const u32, u64, *const u8, u64, u64);

/// The functions of one shared object.
struct Api {
    free: unsafe extern "C" fn(*mut Opaque),
    poke: unsafe extern "C" fn(*mut Opaque, u32, *const u32),
    peek: unsafe extern "C" fn(*const Opaque, u32, *mut u32),
    eval: unsafe extern "C" fn(*mut Opaque),
    source: SetSource,
    run: Run,
    cycle: unsafe extern "C" fn(*const Opaque) -> u64,
    status: unsafe extern "C" fn(*const Opaque) -> u32,
    text: unsafe extern "C" fn(*const Opaque, u32, *mut u8, u64) -> u64,
    clear_log: unsafe extern "C" fn(*mut Opaque),
    trace_start: unsafe extern "C" fn(*mut Opaque, *const c_char) -> c_int,
    trace_stop: unsafe extern "C" fn(*mut Opaque),
    coverage: unsafe extern "C" fn(*mut Opaque, *const c_char),
}

/// Why `hb_run` returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunReason {
    /// All cycles ran.
    Done,
    /// The stop port is non-zero.
    StopPort,
    /// `$finish`, `$fatal`, or an error of the runtime.
    Status,
    /// The next record would not fit.
    Full,
}

/// What `hb_run` did.
pub(crate) struct RunResult {
    pub(crate) reason: RunReason,
    pub(crate) cycles: u64,
    pub(crate) n_written: usize,
}

/// Which text of the model to copy.
#[derive(Clone, Copy)]
pub(crate) enum Text {
    Message = 0,
    Log = 1,
}

/// One model. Not `Sync`: evaluation writes through the pointer.
pub(crate) struct Handle {
    model: NonNull<Opaque>,
    api: Api,
    /// Words of each port, by number.
    n_words: Vec<usize>,
    // Last, so that it is unloaded after everything that points into it.
    _library: Library,
}

// SAFETY: the C++ object has its own VerilatedContext and a copy of the runtime whose thread-local
// state is set anew at the start of every call; one `Handle` is used by one thread at a time because
// it is not `Sync`. Measured with models moved between threads: identical results.
unsafe impl Send for Handle {}

/// Copies the address of the function `name`.
fn function<T: Copy>(library: &Library, name: &CStr) -> Result<T, libloading::Error> {
    // SAFETY: `T` is the Rust form of the declaration in shim.cpp; the ABI number is compared before
    // any other function is called, and the pointer does not outlive the library in `Handle`.
    unsafe { library.get::<T>(name.to_bytes_with_nul()).map(|symbol| *symbol) }
}

impl Handle {
    /// Loads the shared object at `path`, built for `design`, and makes a model.
    pub(crate) fn load(path: &Path, design: &Design, initial: Initial) -> Result<Self, Error> {
        let load_error = |source| Error::Load { path: path.to_owned(), source };
        // SAFETY: loading runs the initializers of the Verilator runtime and of the C++ library,
        // which touch only their own state. The file comes from our cache and has the digest it was
        // sealed with.
        let library =
            unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(load_error)?;
        let abi: unsafe extern "C" fn() -> u32 =
            function(&library, c"hb_abi").map_err(load_error)?;
        // SAFETY: takes nothing, returns a constant.
        let found = unsafe { abi() };
        if found != ABI {
            return Err(Error::AbiMismatch { path: path.to_owned(), found, expected: ABI });
        }
        let get = || -> Result<_, libloading::Error> {
            let new: unsafe extern "C" fn(u32, u32) -> *mut Opaque = function(&library, c"hb_new")?;
            let api = Api {
                free: function(&library, c"hb_free")?,
                poke: function(&library, c"hb_poke")?,
                peek: function(&library, c"hb_peek")?,
                eval: function(&library, c"hb_eval")?,
                source: function(&library, c"hb_source")?,
                run: function(&library, c"hb_run")?,
                cycle: function(&library, c"hb_cycle")?,
                status: function(&library, c"hb_status")?,
                text: function(&library, c"hb_text")?,
                clear_log: function(&library, c"hb_clear_log")?,
                trace_start: function(&library, c"hb_trace_start")?,
                trace_stop: function(&library, c"hb_trace_stop")?,
                coverage: function(&library, c"hb_coverage")?,
            };
            Ok((new, api))
        };
        let (new, api) = get().map_err(load_error)?;
        let (randomize, seed) = match initial {
            Initial::Zero => (0, 0),
            Initial::Random(seed) => (1, seed),
        };
        // SAFETY: any arguments are fine; null means out of memory.
        let model = NonNull::new(unsafe { new(randomize, seed) })
            .expect("bug: out of memory while making a model");
        let n_words = design.ports.iter().map(crate::Port::n_words).collect();
        Ok(Self { model, api, n_words, _library: library })
    }

    /// Writes all words of a port.
    pub(crate) fn poke(&mut self, port: u32, words: &[u32]) {
        assert_eq!(words.len(), self.n_words[port as usize], "bug: wrong number of words");
        // SAFETY: the port exists and `words` has as many words as it.
        unsafe { (self.api.poke)(self.model.as_ptr(), port, words.as_ptr()) }
    }

    /// Reads all words of a port.
    pub(crate) fn peek(&self, port: u32, words: &mut [u32]) {
        assert_eq!(words.len(), self.n_words[port as usize], "bug: wrong number of words");
        // SAFETY: the port exists and `words` has room for its words.
        unsafe { (self.api.peek)(self.model.as_ptr(), port, words.as_mut_ptr()) }
    }

    /// Evaluates the design for the present inputs.
    pub(crate) fn eval(&mut self) {
        // SAFETY: `model` is valid until drop.
        unsafe { (self.api.eval)(self.model.as_ptr()) }
    }

    /// Drives the ports `[valid, ready, data]` from now on; without beats they are left alone.
    pub(crate) fn set_source(
        &mut self,
        ports: [u32; 3],
        beats: &[u32],
        pattern: &[u8],
        latency: u64,
    ) {
        let [valid, ready, data] = ports;
        let words = self.n_words[data as usize];
        assert!(ports.iter().all(|&port| (port as usize) < self.n_words.len()), "bug: no port");
        assert!(beats.len().is_multiple_of(words), "bug: a part of a beat");
        assert!(beats.is_empty() || !pattern.is_empty(), "bug: no slots");
        // SAFETY: all port numbers exist, both slices have the lengths given and are copied.
        unsafe {
            (self.api.source)(
                self.model.as_ptr(),
                valid,
                ready,
                data,
                beats.as_ptr(),
                (beats.len() / words) as u64,
                pattern.as_ptr(),
                pattern.len() as u64,
                latency,
            );
        }
    }

    /// Runs up to `limit` cycles and writes a record into `out` after each one with a
    /// non-zero strobe.
    pub(crate) fn run(
        &mut self,
        limit: u64,
        strobes: &[u32],
        watched: &[u32],
        stop: Option<u32>,
        out: &mut [u32],
    ) -> RunResult {
        let ports = watched.iter().chain(strobes).chain(&stop);
        assert!(
            ports.into_iter().all(|&port| (port as usize) < self.n_words.len()),
            "bug: no port"
        );
        let count = |ports: &[u32]| u32::try_from(ports.len()).expect("bug: too many ports");
        let (mut written, mut cycles) = (0, 0);
        // SAFETY: all port numbers exist, the three slices have the lengths given, and the two
        // counters live until the call returns.
        let reason = unsafe {
            (self.api.run)(
                self.model.as_ptr(),
                limit,
                strobes.as_ptr(),
                count(strobes),
                watched.as_ptr(),
                count(watched),
                stop.unwrap_or(NONE),
                out.as_mut_ptr(),
                out.len() as u64,
                &raw mut written,
                &raw mut cycles,
            )
        };
        let reason = match reason {
            0 => RunReason::Done,
            1 => RunReason::StopPort,
            2 => RunReason::Status,
            3 => RunReason::Full,
            other => unreachable!("bug: hb_run returned {other}"),
        };
        let n_written = usize::try_from(written).expect("bug: more words than the buffer has");
        RunResult { reason, cycles, n_written }
    }

    /// Completed clock periods.
    pub(crate) fn cycle(&self) -> u64 {
        // SAFETY: `model` is valid until drop.
        unsafe { (self.api.cycle)(self.model.as_ptr()) }
    }

    /// [`RUNNING`], [`FINISHED`], or another number after an error.
    pub(crate) fn status(&self) -> u32 {
        // SAFETY: `model` is valid until drop.
        unsafe { (self.api.status)(self.model.as_ptr()) }
    }

    /// Copies a text of the model.
    pub(crate) fn text(&self, which: Text) -> String {
        // SAFETY: capacity 0 writes nothing.
        let length =
            unsafe { (self.api.text)(self.model.as_ptr(), which as u32, std::ptr::null_mut(), 0) };
        let mut bytes = vec![0; usize::try_from(length).expect("bug: text larger than memory")];
        // SAFETY: `bytes` has room for `length` bytes, and the text cannot change in between.
        unsafe {
            (self.api.text)(self.model.as_ptr(), which as u32, bytes.as_mut_ptr(), length);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Forgets what the design printed.
    pub(crate) fn clear_log(&mut self) {
        // SAFETY: `model` is valid until drop.
        unsafe { (self.api.clear_log)(self.model.as_ptr()) }
    }

    /// Opens a waveform file; false when it cannot be written.
    pub(crate) fn trace_start(&mut self, path: &CStr) -> bool {
        // SAFETY: `path` ends in a zero byte and is copied.
        unsafe { (self.api.trace_start)(self.model.as_ptr(), path.as_ptr()) != 0 }
    }

    /// Writes what was covered so far, if the model counts it.
    pub(crate) fn write_coverage(&mut self, path: &CStr) {
        // SAFETY: `path` ends in a zero byte and is used during the call only.
        unsafe { (self.api.coverage)(self.model.as_ptr(), path.as_ptr()) }
    }

    /// Closes the waveform file, if one is open.
    pub(crate) fn trace_stop(&mut self) {
        // SAFETY: `model` is valid until drop.
        unsafe { (self.api.trace_stop)(self.model.as_ptr()) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: made by `hb_new`, freed once; the library is still loaded.
        unsafe { (self.api.free)(self.model.as_ptr()) }
    }
}
