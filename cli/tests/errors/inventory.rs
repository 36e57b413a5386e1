//! Every message of the sources is in a transcript, or listed in `elsewhere.txt`.
//!
//! Messages are the texts of `#[error("…")]` in all crates that the command is made of, and in
//! `cli/src` those of `Failure::new`, `context` and `let message`. A message is shown if its words
//! stand, in their order, in a line of a transcript; what stands for a value may be anything.
//!
//! What this guards: nobody adds or changes a message without its being seen, and every test that
//! `elsewhere.txt` names exists. What it does not: texts that are put together elsewhere (rules of
//! the argument parser, the `reason` in a message), that a named test shows what is said of it, and
//! messages of less than four letters around their values, which any line would have.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Crates whose messages the command may print.
const CRATES: [&str; 14] = [
    "boards", "cases", "cli", "compiler", "cosim", "dataset", "hdl", "host", "ir", "model",
    "mutate", "plot", "sim", "trainer",
];

/// What comes before a message, in all crates and in `cli` only.
const ATTRIBUTE: &str = "#[error(";
const CALLS: [&str; 4] = ["Failure::new(", ".context(", "let message =", "bad("];

/// A message: where it is, and its words between the values.
#[derive(Debug)]
struct Message {
    file: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All Rust files below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("readable").map(|e| e.expect("readable").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The string literal with which a text begins, behind `format!(` and the like, and its value.
fn literal(text: &str) -> Option<String> {
    let mut rest = text.trim_start();
    while let Some(next) = ["format!(", "Code::"].iter().find_map(|word| rest.strip_prefix(word)) {
        let is_code = rest.starts_with("Code::");
        let next = if is_code { next.split_once(',').map_or("", |(_, next)| next) } else { next };
        rest = next.trim_start();
    }
    let mut value = String::new();
    let mut letters = rest.strip_prefix('"')?.chars();
    loop {
        match letters.next()? {
            '"' => return Some(value),
            '\\' => match letters.next()? {
                'n' => value.push('\n'),
                '\n' => {
                    let behind = letters.as_str().trim_start();
                    letters = behind.chars();
                }
                letter => value.push(letter),
            },
            letter => value.push(letter),
        }
    }
}

/// The messages of a source, without those of its tests.
fn messages_of(source: &str, is_cli: bool) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let words = CALLS.iter().filter(|_| is_cli).chain([&ATTRIBUTE]);
    words
        .flat_map(|word| source.match_indices(word).map(|(at, _)| &source[at + word.len()..]))
        .filter_map(literal)
        .filter(|text| pieces(text).iter().any(|piece| piece.trim().len() >= 4))
        .collect()
}

fn messages() -> Vec<Message> {
    let mut messages = Vec::new();
    for name in CRATES {
        let mut files = Vec::new();
        sources(&root().join(name).join("src"), &mut files);
        for path in files {
            let source = std::fs::read_to_string(&path).expect("readable");
            let file = path.strip_prefix(root()).expect("below").display().to_string();
            let of_file = messages_of(&source, name == "cli").into_iter();
            messages.extend(of_file.map(|text| Message { file: file.clone(), text }));
        }
    }
    messages
}

/// The words between the values, in the first line of the message.
fn pieces(text: &str) -> Vec<String> {
    let text = text.split('\n').next().unwrap_or_default();
    let text = text.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let mut pieces = vec![String::new()];
    let mut is_value = false;
    for letter in text.chars() {
        match letter {
            '{' => {
                is_value = true;
                pieces.push(String::new());
            }
            '}' => is_value = false,
            _ if is_value => {}
            '\u{1}' => pieces.last_mut().expect("one").push('{'),
            '\u{2}' => pieces.last_mut().expect("one").push('}'),
            letter => pieces.last_mut().expect("one").push(letter),
        }
    }
    pieces
}

/// Whether a line has these words in their order.
fn shows(line: &str, pieces: &[String]) -> bool {
    let mut rest = line;
    pieces.iter().all(|piece| match rest.split_once(piece.as_str()) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

/// The lines of all transcripts.
fn transcripts() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        let is_transcript = path.extension().is_some_and(|extension| extension == "txt")
            && path.file_name().is_some_and(|name| name != "elsewhere.txt");
        if is_transcript {
            let text = std::fs::read_to_string(path).expect("readable");
            lines.extend(text.lines().filter(|line| !line.starts_with('$')).map(str::to_owned));
        }
    }
    lines
}

/// A line of `elsewhere.txt`: file, message, and `test NAME` or the reason.
struct Elsewhere {
    file: String,
    text: String,
    why: String,
}

fn elsewhere() -> Vec<Elsewhere> {
    let list = include_str!("elsewhere.txt");
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(" | ").collect();
            let [file, text, why] = fields[..] else { panic!("not three fields: {line}") };
            Elsewhere { file: file.to_owned(), text: text.to_owned(), why: why.to_owned() }
        })
        .collect()
}

#[test]
fn every_message_is_shown_or_listed_with_a_reason() {
    let (lines, list) = (transcripts(), elsewhere());
    let mut missing = Vec::new();
    let mut needless = Vec::new();
    let mut used = BTreeSet::new();
    let messages = messages();
    assert!(messages.len() > 200, "only {} messages were found", messages.len());
    for message in &messages {
        let first = message.text.split('\n').next().unwrap_or_default();
        let pieces = pieces(first);
        let is_shown = lines.iter().any(|line| shows(line, &pieces));
        let listed = list.iter().position(|e| e.file == message.file && e.text == first);
        used.extend(listed);
        match (is_shown, listed) {
            (false, None) => missing.push(format!("{} | {first} |", message.file)),
            (true, Some(_)) => needless.push(format!("{} | {first}", message.file)),
            _ => {}
        }
    }
    for (index, entry) in list.iter().enumerate() {
        if !used.contains(&index) {
            needless.push(format!("{} | {}", entry.file, entry.text));
        }
    }
    assert!(missing.is_empty(), "in no transcript and not listed:\n{}", missing.join("\n"));
    assert!(needless.is_empty(), "listed, but shown or gone:\n{}", needless.join("\n"));
}

#[test]
fn tests_that_are_named_exist() {
    let mut files = Vec::new();
    for name in CRATES.iter().chain(&["tests"]) {
        sources(&root().join(name), &mut files);
    }
    let all: Vec<String> =
        files.iter().map(|path| std::fs::read_to_string(path).expect("readable")).collect();
    for entry in elsewhere() {
        let Some(test) = entry.why.strip_prefix("test ") else {
            assert!(entry.why.len() > 10, "{}: no reason: {}", entry.file, entry.why);
            continue;
        };
        let function = format!("fn {test}(");
        assert!(all.iter().any(|source| source.contains(&function)), "there is no test `{test}`");
    }
}

#[test]
fn messages_are_read_as_the_compiler_reads_them() {
    let source =
        "#[error(\"{x} is too \\\n        wide\")] .context(format!(\"of the other `{}`\"))";
    assert_eq!(messages_of(source, false), ["{x} is too wide"]);
    assert_eq!(messages_of(source, true), ["of the other `{}`", "{x} is too wide"]);
    assert_eq!(messages_of("Failure::new(Code::Usage, format!(\"no {}\nway\"))", true).len(), 0);
    assert_eq!(pieces("a {x} of {{b}}"), ["a ", " of {b}"]);
    assert!(shows("error: a 3 of {b}", &pieces("a {x} of {{b}}")));
    assert!(!shows("of {b}, a 3", &pieces("a {x} of {{b}}")));
}
