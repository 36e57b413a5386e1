//! The tutorial's commands all run, in its order, and print what it shows.
//!
//! Blocks marked `sh` are run line by line; a block marked `text` is what the command before it
//! prints on standard output, in order, where `…` stands for any lines. The page shows no rates.
#![cfg(feature = "train")]

mod support;

use std::path::Path;
use support::{heartbit, temporary};

/// A fenced block of a page.
#[derive(Debug, PartialEq)]
struct Block<'a> {
    language: &'a str,
    lines: Vec<&'a str>,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (line.strip_prefix("```"), inside) {
            (Some(language), false) => blocks.push(Block { language, lines: Vec::new() }),
            (None, true) => blocks.last_mut().expect("bug: inside a block").lines.push(line),
            _ => {}
        }
        inside ^= line.starts_with("```");
    }
    assert!(!inside, "a block is not closed");
    blocks
}

/// Checks that lines occur in an output in this order.
#[track_caller]
fn check_shown(shown: &[&str], output: &str) {
    let mut rest = output.lines();
    for line in shown.iter().filter(|line| **line != "…") {
        assert!(rest.any(|printed| printed == *line), "`{line}` is not printed here:\n{output}");
    }
}

#[cfg(unix)]
#[test]
fn every_command_of_the_tutorial_does_what_the_page_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/tutorial.md")).expect("readable");
    let directory = temporary();
    std::os::unix::fs::symlink(root.join("data"), directory.path().join("data")).expect("a link");

    let (mut commands, mut compared, mut printed) = (0, 0, String::new());
    for block in blocks(&page) {
        match block.language {
            "sh" => {
                for line in block.lines {
                    let arguments: Vec<&str> = line.split(' ').collect();
                    assert_eq!(arguments[0], "heartbit", "{line}");
                    let output = heartbit(&directory, &arguments[1..]);
                    let error = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "{line}: {error}");
                    printed = String::from_utf8(output.stdout).expect("UTF-8");
                    commands += 1;
                }
            }
            "text" => {
                check_shown(&block.lines, &printed);
                compared += 1;
            }
            _ => {}
        }
    }
    assert!(commands >= 9 && compared >= 4, "{commands} commands, {compared} outputs");
}

#[test]
#[should_panic(expected = "`two` is not printed here")]
fn lines_out_of_order_are_found() {
    check_shown(&["three", "two"], "one\ntwo\nthree\n");
}
