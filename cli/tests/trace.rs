//! The waveform of an image that does not differ, and the files that open it.

mod support;

use support::{build, data, heartbit, succeed, temporary, text};

#[test]
fn traced_image_has_save_files_that_open_it_where_it_begins() {
    let directory = temporary();
    let (build, data) = (build(&directory), data());
    let args = ["cosim", text(&build), "--data", text(&data), "--images", "1", "--no-report"];
    let args = [&args[..], &["--trace", "wave.fst"]].concat();
    let json = succeed(&directory, &args);
    for (key, file) in [("file", "wave.fst"), ("gtkwave", "wave.gtkw"), ("surfer", "wave.sucl")] {
        assert_eq!(json["trace"][key], file);
        assert!(directory.path().join(file).is_file(), "{file}");
    }
    let read = |file| std::fs::read_to_string(directory.path().join(file)).expect("a text");
    let (gtkwave, surfer) = (read("wave.gtkw"), read("wave.sucl"));
    assert!(gtkwave.contains("[dumpfile] \"wave.fst\"") && gtkwave.contains("@800200\n-sequencer"));
    assert!(surfer.contains("divider_add sequencer\n"), "{surfer}");
    let output = heartbit(&directory, &args);
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(shown.contains("surfer wave.fst --command-file wave.sucl"), "{shown}");
}
