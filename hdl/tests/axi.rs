//! The AXI wrapper's text: clean for every tool, around an unchanged accelerator; and the files
//! that are printed from the register map equal those of the repository.
//!
//! What it does on its ports is checked in `heartbit-tests`, against independent bus models. To
//! print the files anew, run these tests with `UPDATE_GOLDEN=1`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use heartbit_hdl::axi::{AxiConfig, c_header, heartbit_axi, register_page, rust_module};
use heartbit_hdl::{accelerator, emit};
use heartbit_ir::program::{ArrayConfig, MemoryDepths, WeightRing};

const DEPTHS: MemoryDepths = MemoryDepths {
    image: 20,
    activation: 30,
    weight: 65_536,
    parameter: 3,
    stream: 50,
    logit: 2,
    step: 60,
    program: 70,
    ring: None,
};

fn array(lanes: usize, extended: bool) -> ArrayConfig {
    ArrayConfig { rows: 2, cols: 3, lanes, taps: 1, lines: 1, acc_bits: 14, extended }
}

#[test]
fn accelerator_inside_is_the_same_text() {
    let ring = WeightRing { words: 64, port_cols: 3 };
    for (lanes, ring) in [(4, None), (100, None), (4, Some(ring)), (100, Some(ring))] {
        let array = array(lanes, true);
        let depths = MemoryDepths { ring, ..DEPTHS };
        let inside = emit(&heartbit_axi(&array, &depths, AxiConfig::default()));
        assert_eq!(inside.iter().any(|file| file.name == "axi_weights"), ring.is_some());
        for file in emit(&accelerator(&array, &depths)) {
            assert!(inside.contains(&file), "{} differs", file.name);
        }
        assert_eq!(inside.last().map(|f| f.name.as_str()), Some("heartbit_axi"));
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

#[track_caller]
fn check_golden(path: &str, text: &str) {
    let path = root().join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(&path, text).expect("writable");
    }
    let kept = fs::read_to_string(&path).expect("the file exists");
    assert_eq!(kept, text, "{} is not what the table says", path.display());
}

#[test]
fn printed_files_are_those_of_the_repository() {
    check_golden("docs/registers.md", &register_page());
    check_golden("hdl/tests/golden/heartbit_regs.h", &c_header());
    check_golden("hdl/tests/golden/heartbit_regs.rs", &rust_module());
}

#[test]
fn c_header_compiles() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axi_header");
    fs::create_dir_all(&dir).expect("writable");
    let use_all: Vec<_> = c_header()
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.split_once(' '))
        .map(|(name, _)| format!("  {name},\n"))
        .collect();
    assert!(use_all.len() > 80, "{} constants", use_all.len());
    fs::write(dir.join("heartbit_regs.h"), c_header()).expect("writable");
    let include = "#include \"heartbit_regs.h\"\n";
    let text = format!("{include}{include}const unsigned all[] = {{\n{}}};\n", use_all.concat());
    fs::write(dir.join("use.c"), text).expect("writable");
    let output = Command::new("cc")
        .args(["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", "use.c"])
        .current_dir(&dir)
        .output()
        .expect("a C compiler (`apt install gcc`)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
