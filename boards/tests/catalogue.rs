//! docs/boards.md is what the board files and the results say. Print it anew with
//! `heartbit boards --catalogue boards/results > docs/boards.md`.

use heartbit_boards::board::boards;
use heartbit_boards::catalogue::{Record, page, read};
use std::path::{Path, PathBuf};

fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results")
}

fn records() -> Vec<Record> {
    read(&results()).expect("the results are readable")
}

#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/boards.md");
    let kept = std::fs::read_to_string(path).expect("the page exists");
    assert_eq!(kept, page(&boards(), &records()), "docs/boards.md is not what the results say");
}

#[test]
fn results_are_of_known_boards_and_agree_with_themselves() {
    for record in records() {
        let board = boards().into_iter().find(|board| board.name == record.board);
        let board = board.unwrap_or_else(|| panic!("no board {}", record.board));
        assert_eq!(board.device, record.device);
        assert_eq!(record.met, record.report.met());
        assert_eq!(record.met, record.bitstream.is_some());
        assert!(record.report.lut.used <= record.report.lut.available);
    }
}

#[test]
fn every_figure_is_labelled_and_every_board_is_on_the_page() {
    let page = page(&boards(), &records());
    for board in boards() {
        assert!(page.contains(&format!("| [{}]({})", board.title, board.documentation)));
    }
    for label in ["cycles (S)", "LUT (P)", "FF (P)", "RAM (P)", "Fmax MHz (P)", "images/s (P/S)"] {
        assert!(page.contains(label), "{label}");
    }
}

#[test]
fn what_is_no_result_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(read(folder.path()).expect("empty"), []);
    std::fs::write(folder.path().join("a.json"), "{}").expect("writable");
    let error = read(folder.path()).expect_err("no result").to_string();
    assert!(error.contains("a.json") && error.contains("missing field"), "{error}");
    assert!(read(&folder.path().join("none")).is_err());
}
