//! The waveform of an image that does not differ, and the files that open it.

mod support;

use support::{data, heartbit, succeed, temporary, text};

#[test]
fn traced_image_has_save_files_that_open_it_where_it_begins() {
    let directory = temporary();
    let data = data();
    // A narrow network: the waveform has every signal of every cycle.
    let random = ["random", "--arch", "resnet20", "--widths", "8,8,8", "--out", "r.safetensors"];
    succeed(&directory, &random);
    succeed(&directory, &["compile", "r.safetensors", "--array", "4x4x8", "--out", "build"]);
    let args = ["cosim", "build", "--data", text(&data), "--images", "1", "--no-report"];
    let output = heartbit(&directory, &[&args[..], &["--trace", "wave.fst"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    for line in ["gtkwave wave.gtkw", "surfer wave.fst --command-file wave.sucl"] {
        assert!(shown.contains(line), "`{line}` is not in: {shown}");
    }
    let read = |file| std::fs::read_to_string(directory.path().join(file)).expect("a text");
    let (gtkwave, surfer) = (read("wave.gtkw"), read("wave.sucl"));
    assert!(gtkwave.contains("[dumpfile] \"wave.fst\""), "{gtkwave}");
    assert!(gtkwave.contains("@800200\n-sequencer"), "{gtkwave}");
    assert!(surfer.contains("divider_add sequencer\n"), "{surfer}");
}
