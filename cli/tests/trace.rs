//! The waveform of an image that does not differ, and the files that open it.

mod support;

use heartbit_cosim::{Waveform, time_of};
use std::path::Path;
use support::{data, fail, heartbit, succeed, temporary, text};

#[test]
fn traced_image_has_save_files_that_open_it_where_it_begins() {
    let directory = temporary();
    let data = data();
    // A narrow network: the waveform has every signal of every cycle.
    let random = ["random", "--arch", "resnet20", "--widths", "4,4,4", "--out", "r.safetensors"];
    succeed(&directory, &random);
    succeed(&directory, &["compile", "r.safetensors", "--array", "8x4x64", "--out", "build"]);
    let args = ["cosim", "build", "--data", text(&data), "--images", "1", "--no-report"];
    for simulator in ["verilator", "icarus"] {
        let [wave, gtkwave, surfer] =
            ["fst", "gtkw", "sucl"].map(|extension| format!("{simulator}.{extension}"));
        let trace = ["--simulator", simulator, "--trace", &wave];
        let output = heartbit(&directory, &[&args[..], &trace].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let shown = String::from_utf8(output.stdout).expect("UTF-8");
        let lines =
            [format!("gtkwave {gtkwave}"), format!("surfer {wave} --command-file {surfer}")];
        for line in &lines {
            assert!(shown.contains(line), "`{line}` is not in: {shown}");
        }
        let read = |file| std::fs::read_to_string(directory.path().join(file)).expect("a text");
        let (gtkwave, surfer) = (read(gtkwave), read(surfer));
        assert!(gtkwave.contains(&format!("[dumpfile] \"{wave}\"")), "{gtkwave}");
        assert!(gtkwave.contains("@800200\n-sequencer"), "{gtkwave}");
        assert!(surfer.contains("divider_add sequencer\n"), "{surfer}");
        begins_where_the_marker_is(&directory.path().join(&wave), &gtkwave);
    }
    let nowhere = [&args[..], &["--trace", "no/such/wave.fst"]].concat();
    for simulator in ["verilator", "icarus"] {
        let args = [&nowhere[..], &["--simulator", simulator]].concat();
        fail(&directory, &args, 3, &["no/such/wave.fst", "check that the directory exists"]);
    }
}

/// The marker is in the first cycle in which the sequencer fetches.
fn begins_where_the_marker_is(wave: &Path, save_file: &str) {
    let marker = save_file.lines().find_map(|line| line.strip_prefix('*')).expect("a marker");
    let time = marker.split(' ').nth(1).expect("its time").parse::<u64>().expect("a number");
    let mut wave = Waveform::open(wave).expect("a waveform");
    let state = "heartbit.mon_state";
    let samples = wave.read(&[state.to_owned()]).expect("the state");
    let cycle = time / time_of(1);
    let (before, here) = (samples[0].number(cycle - 1), samples[0].number(cycle));
    assert!(before != here, "the state is {before:?} before the marker and {here:?} there");
}
