//! Tests of the landscape's reader.

use super::*;

const GOOD: &str = r#"{"schema":1,"radius":1.0,"alpha":[-1,0,1],"beta":[-1,1],"loss":[[1,0.5,1],[2,null,2]],"loss_1d":[1.5,0.1,1.5],"checkpoint":"c","images":100}"#;

fn read_text(text: &str) -> Result<Landscape, Error> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("landscape.json");
    std::fs::write(&path, text).expect("written");
    read(&path)
}

#[test]
fn rows_are_beta_and_null_is_no_loss() {
    let landscape = read_text(GOOD).expect("good");
    assert_eq!(landscape.loss[1], [Some(2.0), None, Some(2.0)]);
    assert_eq!(landscape.loss_1d.len(), 3);
}

#[test]
fn a_slice_may_be_left_out() {
    assert!(read_text(r#"{"schema":1,"alpha":[0,1],"loss_1d":[1,2]}"#).is_ok());
    assert!(read_text(r#"{"schema":1,"alpha":[0,1],"beta":[0],"loss":[[1,2]]}"#).is_ok());
}

#[test]
fn wrong_shapes_and_numbers_are_named() {
    for (from, to, words) in [
        ("\"schema\":1", "\"schema\":2", "`schema` is 2"),
        ("[-1,0,1]", "[-1,1,0]", "does not rise from 1 to 0"),
        ("[-1,0,1]", "[]", "`alpha` is empty"),
        ("\"beta\":[-1,1]", "\"beta\":[-1]", "`loss` has 2 rows"),
        ("[1,0.5,1]", "[1,1]", "row 0"),
        ("[1.5,0.1,1.5]", "[1.5]", "`loss_1d` has 1"),
        ("[1.5,0.1,1.5]", "[1.5,-1,1.5]", "a loss is -1"),
        ("[1.5,0.1,1.5]", "[1.5,1e999,1.5]", "out of range"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let error = read_text(&GOOD.replacen(from, to, 1)).expect_err(to).to_string();
        assert!(error.contains(words), "{to}: {error}");
        assert!(error.contains("landscape.json"), "{error}");
    }
}
