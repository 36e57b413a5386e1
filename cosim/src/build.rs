//! Builds the shared object of a design: Verilator, one compiler call, a link with the runtime.
//!
//! The commands are
//!
//! ```text
//! verilator --cc -O3 --threads 1 --assert --prefix Vmodel ... rtl/*.v   no make, no python
//! g++ -O1 -fPIC -shared ... obj/model.cpp verilated.o ... -o model.so   one translation unit
//! ```
//!
//! Verilator's warnings are errors, as they are by default.
//! The runtime's objects are cache entries of their own, compiled once per toolchain.
//! Only the `hb_*` functions of `shim.cpp` are exported, so several models live in one process, each
//! with its own copy of the runtime.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::cache::{Cache, KeyBuilder};
use crate::header::{check_ports, cpp_name};
use crate::{Design, Direction, Error, Model, Port, Toolchain, coverage, process};

/// Number of the C interface between `shim.cpp` and the module `ffi`.
pub(crate) const ABI: u32 = 3;

const SHIM: &str = include_str!("shim.cpp");
const RUNTIME_HEADER: &str = include_str!("runtime.h");
const EXPORTS: &str = "{ global: hb_*; local: *; };\n";
const PRODUCT: &str = "model.so";

/// Options of every compiler call. The `VL_USER_` macros leave out the runtime's functions that
/// print and abort; `shim.cpp` has its own.
const CXX_FLAGS: [&str; 8] = [
    "-std=gnu++17",
    "-fPIC",
    "-pthread",
    "-fvisibility=hidden",
    "-DVL_USER_FINISH",
    "-DVL_USER_STOP",
    "-DVL_USER_FATAL",
    "-include",
];

/// Optimization level of the model's C++.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Optimization {
    /// Compiles about three times faster than `O1`, runs three to four times slower: short tests.
    O0,
    /// Within a few per cent of `-O3`.
    #[default]
    O1,
}

/// Waveform support of the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trace {
    /// None.
    #[default]
    None,
    /// FST files; free while no file is open, twice the C++ to compile.
    Fst,
}

/// What registers and memories hold before the first clock edge, unless the design says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Initial {
    /// Zeros.
    #[default]
    Zero,
    /// Values drawn from this seed: finds state that a reset forgets.
    Random(u32),
}

/// A build of one design.
#[derive(Clone, Debug)]
pub struct Build {
    design: Arc<Design>,
    optimization: Optimization,
    trace: Trace,
    allowed: Vec<&'static str>,
    cache_dir: Option<PathBuf>,
}

impl Build {
    /// A build with `-O1`, no waveforms, and the user's cache directory.
    pub fn new(design: Design) -> Self {
        Self {
            design: Arc::new(design),
            optimization: Optimization::default(),
            trace: Trace::default(),
            allowed: Vec::new(),
            cache_dir: None,
        }
    }

    /// Sets the optimization level.
    #[must_use]
    pub fn optimization(mut self, optimization: Optimization) -> Self {
        self.optimization = optimization;
        self
    }

    /// Sets the waveform support.
    #[must_use]
    pub fn trace(mut self, trace: Trace) -> Self {
        self.trace = trace;
        self
    }

    /// Lets these warnings of Verilator pass, as `-Wno-UNOPTFLAT`: for netlists and models that
    /// others wrote. The emitted Verilog has none.
    #[must_use]
    pub fn allow(mut self, flags: &[&'static str]) -> Self {
        self.allowed.extend(flags);
        self
    }

    /// Uses this cache instead of `$XDG_CACHE_HOME/heartbit/cosim` or `~/.cache/heartbit/cosim`.
    #[must_use]
    pub fn cache_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(directory.into());
        self
    }

    /// Compiles the design and makes one model that starts with zeros.
    ///
    /// # Errors
    /// As [`Build::compile`] and [`Compiled::instantiate`].
    pub fn model(&self, toolchain: &Toolchain) -> Result<Model, Error> {
        self.compile(toolchain)?.instantiate(Initial::Zero)
    }

    /// Compiles the design, or finds it in the cache.
    ///
    /// # Errors
    /// [`Error::InvalidDesign`] and [`Error::PortMismatch`] for a wrong description,
    /// [`Error::ToolFailed`] when Verilator or the compiler rejects the design, [`Error::Io`] and
    /// [`Error::NoCacheDirectory`] for the cache.
    pub fn compile(&self, toolchain: &Toolchain) -> Result<Compiled, Error> {
        self.design.validate()?;
        let cache = Cache::open(self.cache_dir.as_deref())?;
        let product = cache.product(&self.key(toolchain), PRODUCT, |directory| {
            self.translate(toolchain, directory)?;
            self.link(toolchain, &cache, directory)
        })?;
        let coverage = toolchain
            .coverage()
            .map(|directory| coverage::keep_design(directory, &self.key(toolchain), &self.design));
        Ok(Compiled {
            design: Arc::clone(&self.design),
            path: product.path,
            is_fresh: product.is_fresh,
            trace: self.trace,
            coverage: coverage.transpose()?,
        })
    }

    /// The hash of all that the shared object depends on.
    fn key(&self, toolchain: &Toolchain) -> String {
        let mut key = KeyBuilder::new("model");
        key.add_all(toolchain.identity());
        key.add(ABI.to_le_bytes());
        key.add_all([SHIM, RUNTIME_HEADER, EXPORTS, &self.prelude()]);
        let flags =
            self.verilator_flags(toolchain).into_iter().chain(self.compiler_flags(toolchain));
        key.add_all(flags);
        for (name, text) in &self.design.files {
            key.add(name);
            key.add(text);
        }
        key.finish()
    }

    /// Options of Verilator, without files.
    fn verilator_flags(&self, toolchain: &Toolchain) -> Vec<&str> {
        let mut flags = vec!["--cc", "-O3", "--threads", "1", "--assert"];
        flags.extend(["--prefix", "Vmodel", "--Mdir", "obj"]);
        if self.trace == Trace::Fst {
            flags.extend(["--trace-fst", "--trace-max-width", "4096"]);
        }
        if toolchain.coverage().is_some() {
            flags.extend(["--coverage-line", "--coverage-toggle", "--coverage-underscore"]);
        }
        flags.extend(&self.allowed);
        flags.extend(["-Irtl", "--top-module", &self.design.top]);
        flags
    }

    /// Options of the compiler for the model, without paths.
    fn compiler_flags(&self, toolchain: &Toolchain) -> Vec<&'static str> {
        let mut flags = vec![match self.optimization {
            // Counters of every bit take a compiler that optimizes minutes.
            _ if toolchain.coverage().is_some() => "-O0",
            Optimization::O0 => "-O0",
            Optimization::O1 => "-O1",
        }];
        if self.trace == Trace::Fst {
            flags.extend(["-DVM_TRACE=1", "-DVM_TRACE_FST=1"]);
        }
        if toolchain.coverage().is_some() {
            flags.extend(["-DVM_COVERAGE=1", "-DHB_COVERAGE=1"]);
        }
        flags.extend(unique_flag(toolchain));
        flags.extend(CXX_FLAGS);
        flags
    }

    /// Writes the Verilog files and runs Verilator in `directory`, where relative names keep its
    /// messages readable.
    fn translate(&self, toolchain: &Toolchain, directory: &Path) -> Result<(), Error> {
        let rtl = directory.join("rtl");
        fs::create_dir(&rtl).map_err(Error::io("create", &rtl))?;
        self.design.write_to(&rtl)?;
        let mut command = process::command(toolchain.verilator());
        command.current_dir(directory).args(self.verilator_flags(toolchain));
        command.args(self.design.sources().map(|name| format!("rtl/{name}")));
        run_tool(&mut command, "verilator", "translate", &self.design.top)?;

        let header = directory.join("obj/Vmodel.h");
        let text = fs::read_to_string(&header).map_err(Error::io("read", &header))?;
        check_ports(&self.design, &text)
    }

    /// Compiles the generated C++ and the shim into the product, then removes the intermediates.
    fn link(&self, toolchain: &Toolchain, cache: &Cache, directory: &Path) -> Result<(), Error> {
        let obj = directory.join("obj");
        let mut generated = Vec::new();
        for item in fs::read_dir(&obj).map_err(Error::io("list", &obj))? {
            let name = item.map_err(Error::io("list", &obj))?.file_name();
            let name = name.to_string_lossy().into_owned();
            if Path::new(&name).extension().is_some_and(|extension| extension == "cpp") {
                generated.push(name);
            }
        }
        generated.sort();
        let mut unit = String::new();
        for name in &generated {
            writeln!(unit, "#include \"{name}\"").expect("bug: writing to a string");
        }
        unit.push_str(&self.prelude());
        unit.push_str(SHIM);
        for (name, text) in
            [("model.cpp", unit.as_str()), ("runtime.h", RUNTIME_HEADER), ("exports.map", EXPORTS)]
        {
            let path = obj.join(name);
            fs::write(&path, text).map_err(Error::io("write", &path))?;
        }

        let mut command = process::command(toolchain.cxx());
        command.current_dir(directory).args(self.compiler_flags(toolchain)).arg("obj/runtime.h");
        command.arg("-Iobj").arg("-I").arg(toolchain.include());
        command.args(["-shared", "-Wl,-Bsymbolic", "-Wl,-z,defs"]);
        command.args(["-Wl,--version-script=obj/exports.map", "obj/model.cpp"]);
        for source in self.runtime_sources(toolchain) {
            command.arg(runtime_object(toolchain, cache, source)?);
        }
        if self.trace == Trace::Fst {
            command.arg("-lz");
        }
        command.args(["-o", PRODUCT]);
        run_tool(&mut command, "g++", "compile", &self.design.top)?;
        fs::remove_dir_all(&obj).map_err(Error::io("remove", &obj))
    }

    /// Files of Verilator's runtime that the model needs.
    fn runtime_sources(&self, toolchain: &Toolchain) -> Vec<&'static str> {
        let mut sources = vec!["verilated", "verilated_threads"];
        if self.trace == Trace::Fst {
            sources.push("verilated_fst_c");
        }
        if toolchain.coverage().is_some() {
            sources.push("verilated_cov");
        }
        sources
    }

    /// The part of the translation unit that depends on the design: macros before the shim.
    fn prelude(&self) -> String {
        let design = &self.design;
        let is_traced = self.trace == Trace::Fst;
        let mut text = String::new();
        if is_traced {
            text.push_str("#include <verilated_fst_c.h>\n");
        }
        let mut define = |name: &str, value: u32| {
            writeln!(text, "#define {name} {value}").expect("bug: writing to a string");
        };
        define("HB_ABI", ABI);
        define("HB_TRACE", u32::from(is_traced));
        define("HB_HAS_CLOCK", u32::from(design.has_clock()));
        define("HB_PORT_COUNT", u32::try_from(design.ports.len()).expect("bug: too many ports"));
        if let Some(clock) = design.clock() {
            writeln!(text, "#define HB_CLOCK {clock}").expect("bug: writing to a string");
        }
        text.push_str("#define HB_PORTS");
        for port in &design.ports {
            let name = cpp_name(&port.name);
            let is_input = port.direction == Direction::Input;
            write!(text, " \\\n HB_PORT({name}, {}, {}, {is_input})", bytes(port), port.n_words())
                .expect("bug: writing to a string");
        }
        text.push('\n');
        text
    }
}

/// Size of the integer in which Verilator keeps a port; 0 for an array of words.
fn bytes(port: &Port) -> u32 {
    match port.width {
        0..=8 => 1,
        9..=16 => 2,
        17..=32 => 4,
        33..=64 => 8,
        _ => 0,
    }
}

/// Unique symbols would be shared between models and keep them from being unloaded.
fn unique_flag(toolchain: &Toolchain) -> Option<&'static str> {
    (!toolchain.is_clang()).then_some("-fno-gnu-unique")
}

/// Returns the compiled runtime file `source`, compiling it the first time.
fn runtime_object(toolchain: &Toolchain, cache: &Cache, source: &str) -> Result<PathBuf, Error> {
    let flags: Vec<_> =
        ["-Os", "-c"].into_iter().chain(unique_flag(toolchain)).chain(CXX_FLAGS).collect();
    let mut key = KeyBuilder::new("runtime");
    key.add_all(toolchain.identity());
    key.add_all(&flags);
    key.add(RUNTIME_HEADER);
    key.add(source);
    let object = format!("{source}.o");
    let product = cache.product(&key.finish(), &object, |directory| {
        let header = directory.join("runtime.h");
        fs::write(&header, RUNTIME_HEADER).map_err(Error::io("write", &header))?;
        let mut command = process::command(toolchain.cxx());
        command.current_dir(directory).args(&flags).arg("runtime.h");
        command.arg("-I").arg(toolchain.include());
        command.arg(toolchain.include().join(format!("{source}.cpp"))).args(["-o", &object]);
        run_tool(&mut command, "g++", "compile", source)
    })?;
    Ok(product.path)
}

/// Runs Verilator or the compiler, both of which ran when the toolchain was made.
fn run_tool(
    command: &mut Command,
    tool: &'static str,
    step: &'static str,
    subject: &str,
) -> Result<(), Error> {
    let program = PathBuf::from(command.get_program());
    process::run(command, tool, step, subject, || Error::ToolMissing {
        tool,
        program,
        hint: format!("it was there a moment ago; run `{}`", crate::error::INSTALL_LINE),
    })
    .map(drop)
}

/// A compiled design in the cache; makes any number of independent models.
#[derive(Clone, Debug)]
pub struct Compiled {
    design: Arc<Design>,
    path: PathBuf,
    is_fresh: bool,
    trace: Trace,
    /// Where models of this design write what they covered.
    coverage: Option<PathBuf>,
}

impl Compiled {
    /// Loads the shared object and makes a model.
    ///
    /// # Errors
    /// [`Error::Load`] and [`Error::AbiMismatch`] for a shared object that does not fit;
    /// [`Error::Stopped`] when the design stops while it is constructed.
    pub fn instantiate(&self, initial: Initial) -> Result<Model, Error> {
        let mut model = Model::load(Arc::clone(&self.design), &self.path, self.trace, initial)?;
        model.coverage.clone_from(&self.coverage);
        Ok(model)
    }

    /// The shared object.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this call compiled it, rather than found it in the cache.
    pub fn is_fresh(&self) -> bool {
        self.is_fresh
    }
}
