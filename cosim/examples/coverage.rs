//! Joins the coverage of the RTL and of the Rust code into one report: a table each, and the holes.
//!
//! ```text
//! coverage --rtl DIRECTORY --rust FILE.lcov [--holes FILE.md]
//! ```
//!
//! DIRECTORY is what tests wrote with `HEARTBIT_RTL_COVERAGE`, FILE.lcov what
//! `llvm-cov export -format=lcov` printed. `make coverage` calls this.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a report is its purpose")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use heartbit_cosim::{Coverage, ModuleCoverage};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut rtl, mut rust, mut holes) = (None, None, None);
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or(format!("`{option}` needs a path"))?;
        match option.as_str() {
            "--rtl" => rtl = Some(PathBuf::from(value)),
            "--rust" => rust = Some(PathBuf::from(value)),
            "--holes" => holes = Some(PathBuf::from(value)),
            _ => return Err(format!("no option `{option}`: give --rtl, --rust, --holes").into()),
        }
    }
    let modules = rtl.map(|path| Coverage::read(&path)).transpose()?.map(|c| c.modules());
    let crates = rust.map(|path| read_lcov(&path)).transpose()?;
    let mut list = String::new();
    if let Some(modules) = &modules {
        println!("{}", rtl_table(modules));
        list.push_str(&rtl_holes(modules)?);
    }
    if let Some(crates) = &crates {
        println!("{}", rust_table(crates));
        list.push_str(&rust_holes(crates)?);
    }
    match holes {
        Some(path) => std::fs::write(&path, list)
            .map_err(|error| format!("cannot write `{}`: {error}", path.display()))?,
        None => println!("{list}"),
    }
    Ok(())
}

/// A percentage, rounded down, so that only all is 100.0.
fn percent([covered, all]: [usize; 2]) -> String {
    if all == 0 {
        return "-".to_owned();
    }
    let thousandths = covered * 1000 / all;
    format!("{}.{}", thousandths / 10, thousandths % 10)
}

fn total<'a>(counts: impl Iterator<Item = &'a [usize; 2]>) -> [usize; 2] {
    counts.fold([0, 0], |[a, b], [c, d]| [a + c, b + d])
}

fn rtl_table(modules: &BTreeMap<String, ModuleCoverage>) -> String {
    let mut text = "| module | branches | % | bits | % |\n|---|---|---|---|---|\n".to_owned();
    let mut row = |name: &str, lines: [usize; 2], bits: [usize; 2]| {
        let (of_lines, of_bits) = (percent(lines), percent(bits));
        writeln!(
            text,
            "| {name} | {} of {} | {of_lines} | {} of {} | {of_bits} |",
            lines[0], lines[1], bits[0], bits[1]
        )
        .expect("a string takes all text");
    };
    for (name, module) in modules {
        row(name, module.lines, module.bits);
    }
    let lines = total(modules.values().map(|module| &module.lines));
    row("all", lines, total(modules.values().map(|module| &module.bits)));
    text
}

fn rtl_holes(modules: &BTreeMap<String, ModuleCoverage>) -> Result<String, std::fmt::Error> {
    let mut text = "## RTL\n\n".to_owned();
    for (name, module) in modules.iter().filter(|(_, module)| !module.holes.is_empty()) {
        writeln!(text, "### {name}\n")?;
        for hole in &module.holes {
            let bits =
                if hole.bits.is_empty() { String::new() } else { format!(", bits {}", hole.bits) };
            writeln!(text, "* `{}`{bits}", hole.what)?;
        }
        text.push('\n');
    }
    Ok(text)
}

/// Executed lines by crate and file: the number of each line, and whether it was executed.
type Lines = BTreeMap<String, BTreeMap<String, BTreeMap<u32, bool>>>;

/// Reads what `llvm-cov` printed; crates are the directories in which the files' `src` is.
fn read_lcov(path: &Path) -> Result<Lines, Box<dyn Error>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    let root = std::env::current_dir()?;
    let mut crates = Lines::new();
    let mut file: Option<(String, String)> = None;
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            let path = Path::new(path).strip_prefix(&root).ok().and_then(Path::to_str);
            let parts = path.and_then(|path| path.split_once("/src/"));
            file = parts.map(|(name, file)| (name.to_owned(), file.to_owned()));
        } else if let (Some(counts), Some((name, file))) = (line.strip_prefix("DA:"), &file) {
            let wrong = || format!("`{}`: no line and count in `{line}`", path.display());
            let (number, count) = counts.split_once(',').ok_or_else(wrong)?;
            let is_executed = count.split(',').next() != Some("0");
            let lines = crates.entry(name.clone()).or_default().entry(file.clone()).or_default();
            *lines.entry(number.parse().map_err(|_| wrong())?).or_default() |= is_executed;
        }
    }
    if crates.is_empty() {
        return Err(format!("`{}` has no file of this workspace", path.display()).into());
    }
    Ok(crates)
}

fn counts(lines: &BTreeMap<u32, bool>) -> [usize; 2] {
    [lines.values().filter(|&&is_executed| is_executed).count(), lines.len()]
}

fn rust_table(crates: &Lines) -> String {
    let mut text = "| crate | lines | % |\n|---|---|---|\n".to_owned();
    let mut sum = [0, 0];
    let mut row = |name: &str, lines: [usize; 2]| {
        let share = percent(lines);
        writeln!(text, "| {name} | {} of {} | {share} |", lines[0], lines[1])
            .expect("a string takes all text");
    };
    for (name, files) in crates {
        let lines = files.values().map(counts).collect::<Vec<_>>();
        let lines = total(lines.iter());
        sum = total([sum, lines].iter());
        row(name, lines);
    }
    row("all", sum);
    text
}

fn rust_holes(crates: &Lines) -> Result<String, std::fmt::Error> {
    let mut text = "## Rust\n\n".to_owned();
    for (name, files) in crates {
        writeln!(text, "### {name}\n")?;
        for (file, lines) in files {
            let missing = lines.iter().filter(|(_, is_executed)| !**is_executed);
            let missing: Vec<u32> = missing.map(|(number, _)| *number).collect();
            if !missing.is_empty() {
                let [covered, all] = counts(lines);
                writeln!(text, "* `{file}`, {covered} of {all}: {}", ranges(&missing))?;
            }
        }
        text.push('\n');
    }
    Ok(text)
}

/// Ascending numbers as `3, 8-15`.
fn ranges(numbers: &[u32]) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => parts.push((number, number)),
        }
    }
    let part =
        |(first, last)| if first == last { format!("{first}") } else { format!("{first}-{last}") };
    parts.into_iter().map(part).collect::<Vec<_>>().join(", ")
}
