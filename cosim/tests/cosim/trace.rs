//! Waveform files.

use std::fs;
use std::path::Path;

use heartbit_cosim::{Error, Simulation, Trace};

use crate::{build, counter, fail, toolchain};

/// First byte of an FST file: the header block.
const FST_HEADER_BLOCK: u8 = 0;

#[test]
fn trace_windows_are_complete_fst_files() {
    let directory = tempfile::tempdir().expect("bug: a temporary directory");
    let build = build(counter("")).trace(Trace::Fst);
    let mut model = build.model(&toolchain()).unwrap_or_else(|error| fail(&error));
    let step = model.port("step").expect("bug: the port exists");
    model.set(step, 3);
    model.run(10).expect("bug: the design does not stop");
    for window in ["first.fst", "second.fst"] {
        let path = directory.path().join(window);
        model.trace_start(&path).unwrap_or_else(|error| fail(&error));
        model.run(20).expect("bug: the design does not stop");
        model.eval().expect("bug: the design does not stop");
        model.trace_stop();
        model.run(5).expect("bug: the design does not stop");
        let bytes = fs::read(&path).expect("bug: the file is there");
        assert!(bytes.len() > 330, "the header block alone has 330 bytes");
        assert_eq!(bytes[0], FST_HEADER_BLOCK);
        assert_eq!(bytes[1..9], 329u64.to_be_bytes(), "length of the header block");
        let time =
            |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("bug: eight bytes"));
        let first_cycle = if window == "first.fst" { 10 } else { 35 };
        assert!((first_cycle * 10..first_cycle * 10 + 5).contains(&time(9)), "{}", time(9));
        assert_eq!(time(17), (first_cycle + 20) * 10 + 1, "end time in {window}");
    }
    assert_eq!(model.take_log(), "", "no dump was out of order");
}

#[test]
fn trace_without_waveforms_built_in_is_an_error() {
    let mut model = crate::model(counter(""));
    assert!(matches!(model.trace_start(Path::new("unused.fst")), Err(Error::TraceNotBuilt)));
}

#[test]
fn trace_into_a_missing_directory_is_an_error_and_the_model_runs_on() {
    let build = build(counter("")).trace(Trace::Fst);
    let mut model = build.model(&toolchain()).unwrap_or_else(|error| fail(&error));
    let failure = model.trace_start(Path::new("/nonexistent/wave.fst"));
    assert!(matches!(failure, Err(Error::Io { .. })));
    assert_eq!(model.run(3).expect("bug: the design does not stop"), 3);
}
