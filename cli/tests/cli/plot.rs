//! `plot`: figures of runs.

use crate::support::{fail, heartbit, names, succeed, temporary, training_run};
use serde_json::Value;
use std::path::Path;

#[test]
fn plot_draws_runs_and_names_what_they_lack() {
    let directory = temporary();
    let run = training_run(&directory, "run");
    let json = succeed(&directory, &["plot", "run"]);
    let files = |json: &Value| -> Vec<String> {
        let plots = json["plots"].as_array().expect("plots").iter();
        plots.map(|plot| plot["file"].as_str().expect("a file").to_owned()).collect()
    };
    assert_eq!(files(&json), ["loss.svg", "accuracy.svg", "flips.svg", "schedules.svg"]);
    let mut expected = files(&json);
    expected.push("index.html".to_owned());
    expected.sort();
    assert_eq!(names(&run.join("plots")), expected);
    let missing = json["missing"].as_array().expect("missing");
    assert!(missing.iter().any(|m| m["plot"] == "silent" && m["run"].is_null()), "{json}");
    assert!(json["notes"].to_string().contains("breaks off"), "{json}");
    // The same bytes in another folder.
    succeed(&directory, &["plot", "run", "--out", "again"]);
    for name in expected {
        let read = |folder: &Path| std::fs::read(folder.join(&name)).expect("readable");
        assert_eq!(read(&run.join("plots")), read(&directory.path().join("again")), "{name}");
    }
}

#[test]
fn help_of_plot_tells_what_a_run_is_and_what_is_drawn() {
    let directory = temporary();
    let help = String::from_utf8(heartbit(&directory, &["plot", "--help"]).stdout).expect("UTF-8");
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["Each RUN is a folder", "differ in the seed only are one curve", "Examples:"] {
        assert!(words.contains(part), "`{part}` is not in: {help}");
    }
}

#[test]
fn plot_names_bad_files_with_their_lines() {
    let directory = temporary();
    let run = training_run(&directory, "run");
    fail(&directory, &["plot"], 2, &["RUN"]);
    fail(&directory, &["plot", "nowhere"], 3, &["nowhere", "metrics.jsonl", "help:"]);
    fail(&directory, &["plot", "run", "--x", "hours"], 3, &["seconds", "--x hours"]);
    #[cfg(not(feature = "png"))]
    fail(&directory, &["plot", "run", "--png"], 2, &["--features png"]);
    let metrics = run.join("metrics.jsonl");
    let text = std::fs::read_to_string(&metrics).expect("readable");
    std::fs::write(&metrics, text + "\n").expect("written");
    fail(&directory, &["plot", "run"], 3, &["metrics.jsonl", "line 3", "help:"]);
    assert_eq!(names(&run), ["config.json", "metrics.jsonl"]);
}
