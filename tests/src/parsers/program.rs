//! A build directory: `program.json`, memory images, and a program that no compiler made.

use super::folder::{Folder, sections};
use crate::problem::{After, Block, MaxPool, Port, Problem, Read};
use heartbit_compiler::build as directory;
use heartbit_compiler::schedule::{Compiled, Target, compile};
use heartbit_ir::network::Network;
use heartbit_ir::program::PortSlots;
use heartbit_sim::{Simulator, fast};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// A build, and the contents of its files by name.
struct Base {
    network: Network,
    compiled: Compiled,
    files: Vec<(String, Vec<u8>)>,
}

/// Replaces files of a small build, in sections, and loads what is read back into the simulators.
pub fn program(bytes: &[u8]) {
    static BASE: OnceLock<Base> = OnceLock::new();
    let base = BASE.get_or_init(Base::new);
    Folder::with(|folder| {
        let path = folder.path("build");
        if !path.exists() {
            base.write(&path);
        }
        let mut replaced = Vec::new();
        for (name, text) in sections(bytes) {
            // Only names of the build: a section leads nowhere else.
            if let Some((name, contents)) = base.files.iter().find(|(file, _)| file == name) {
                folder.write(&format!("build/{name}"), text);
                replaced.push((name, contents));
            }
        }
        load(&path);
        for (name, contents) in replaced {
            folder.write(&format!("build/{name}"), contents);
        }
    });
}

fn load(path: &Path) {
    if let Ok(build) = directory::read(path) {
        drop(Simulator::new(&build.compiled.program));
        drop(fast::Engine::new(&build.compiled.program));
    }
}

impl Base {
    /// A network with a bit of everything, on an array whose weights are streamed.
    fn new() -> Self {
        let network = problem().network();
        let shape = "2x2x8".parse().expect("an array");
        let target = Target { extended: Some(true), ..Target::sized_for_network(shape) };
        let target = problem().target(&network, target);
        let compiled = compile(&network, &target).expect("fits");
        let mut base = Self { network, compiled, files: Vec::new() };
        let temporary = tempfile::tempdir().expect("a directory");
        let path = temporary.path().join("build");
        base.write(&path);
        for folder in ["", "mem"] {
            for entry in fs::read_dir(path.join(folder)).expect("readable") {
                let file = entry.expect("readable").path();
                if file.is_file() {
                    let name = file.strip_prefix(&path).expect("bug: in the build");
                    let name = name.to_str().expect("bug: a UTF-8 name").to_owned();
                    base.files.push((name, fs::read(&file).expect("readable")));
                }
            }
        }
        base.files.sort();
        base
    }

    fn write(&self, path: &Path) {
        directory::write(path, &self.network, &self.compiled, &[]).expect("writable");
    }
}

fn problem() -> Problem {
    let block = Block {
        channels: 3,
        kernel: 3,
        stride: 1,
        read: Read::Levels(2),
        after: After::Shortcut,
        prelu: true,
        pool: Some(MaxPool { kernel: 2, stride: 1, padding: 0 }),
    };
    let thresholds = Block {
        read: Read::Sign,
        after: After::Threshold,
        prelu: false,
        pool: None,
        kernel: 1,
        ..block
    };
    Problem {
        height: 4,
        width: 3,
        image_channels: 1,
        stem: (3, 2),
        wide_stem: false,
        blocks: vec![block, thresholds],
        flatten: false,
        head_levels: 8,
        classes: 2,
        head_bits: 2,
        seed: 3,
        port: Some(Port {
            divisor: 1,
            slots: PortSlots::at_rate(2, 1, 2),
            doublings: Some(0),
            resident: 4,
        }),
    }
}
