//! `heartbit fuzz`: the same cases whatever threads and shards are, and stored cases.

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use support::{fail, heartbit, succeed, temporary, text};
use tempfile::TempDir;

/// A result but for its time.
fn timeless(mut json: Value) -> Value {
    json["seconds"] = json!(0);
    json
}

fn stored_case() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases");
    let entries = fs::read_dir(directory).expect("tests/cases");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths.into_iter().next().expect("a case")
}

#[test]
fn shards_and_threads_run_the_same_cases() {
    let directory = temporary();
    let run = ["fuzz", "--cases", "60", "--seed", "9", "--max-channels", "6"];
    let whole = timeless(succeed(&directory, &run));
    assert_eq!((&whole["verdict"], &whole["tally"]["cases"]), (&json!("pass"), &json!(60)));
    assert_eq!(whole["subject"]["engines"], json!(["sim", "fast"]));
    for feature in ["streamed weights", "bands", "shortcut"] {
        assert!(whole["tally"]["features"][feature].as_u64() > Some(0), "{feature}");
    }
    let alone = std::process::Command::new(env!("CARGO_BIN_EXE_heartbit"))
        .args(run)
        .args(["--format", "json"])
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .expect("the command starts");
    let alone: Value = serde_json::from_slice(&alone.stdout).expect("JSON");
    assert_eq!(timeless(alone), whole);

    for shard in 1..=3 {
        let shard_text = format!("{shard}/3");
        let args = [&run[..], &["--shard", &shard_text]].concat();
        let part = succeed(&directory, &args);
        assert_eq!(part["tally"]["cases"], 20);
        fs::write(directory.path().join(format!("{shard}.json")), part.to_string())
            .expect("writes");
    }
    let merged = succeed(&directory, &["merge", "3.json", "1.json", "2.json"]);
    assert_eq!(timeless(merged), whole);
    fail(&directory, &["merge", "3.json", "1.json"], 3, &["shard 2/3 is missing"]);
    fail(&directory, &["merge", "1.json", "2.json", "3.json", "--junit", "x"], 2, &["`--junit`"]);

    // A run that goes on where another ended.
    let continued = ["fuzz", "--cases", "30", "--seed", "9", "--max-channels", "6"];
    let first = succeed(&directory, &continued);
    let second = succeed(&directory, &[&continued[..], &["--first", "30"]].concat());
    let layers = |json: &Value| json["tally"]["layers"].as_u64().expect("a number");
    assert_eq!(layers(&first) + layers(&second), layers(&whole));
}

#[test]
fn networks_of_a_group_have_their_array_in_common() {
    let directory = temporary();
    let run = ["fuzz", "--cases", "24", "--networks", "8", "--engines", "fast,sim,sim"];
    let json = succeed(&directory, &run);
    assert_eq!(json["subject"]["engines"], json!(["sim", "fast"]));
    assert_eq!(json["subject"]["source"]["networks"], 8);
    let inside = [&run[..], &["--first", "12"]].concat();
    fail(&directory, &inside, 2, &["case 12 is inside a group", "a multiple of 8"]);
    let shard = [&run[..], &["--shard", "4/4"]].concat();
    fail(&directory, &shard, 2, &["shard 4/4 of 3 arrays has none", "1 to 3"]);
    fail(&directory, &["fuzz", "--engines", "vcs"], 2, &["there is no engine `vcs`"]);
    fail(&directory, &["fuzz", "--minutes", "1", "--shard", "1/2"], 2, &["cannot be used with"]);
}

#[test]
fn stored_cases_are_replayed() {
    let directory = temporary();
    let case = stored_case();
    let replay = |directory: &TempDir, file: &str| {
        succeed(directory, &["fuzz", "--replay", file, "--engines", "sim,fast,native"])
    };
    let json = replay(&directory, text(&case));
    assert_eq!((&json["verdict"], &json["cases"][0]["verdict"]), (&json!("pass"), &json!("pass")));
    let shown = heartbit(&directory, &["fuzz", "--replay", text(&case)]);
    assert!(String::from_utf8_lossy(&shown.stdout).starts_with("ok "), "{shown:?}");

    // The network is the file's own: a new seed changes what the generator would make.
    let stored = fs::read_to_string(&case).expect("readable");
    let mut value: Value = serde_json::from_str(&stored).expect("JSON");
    value["case"]["problem"]["seed"] = json!(77);
    let changed = directory.path().join("changed.json");
    fs::write(&changed, value.to_string()).expect("writes");
    let json = replay(&directory, text(&changed));
    assert!(json["cases"][0]["lines"].to_string().contains("the file's own"), "{json}");

    fs::write(directory.path().join("bad.json"), "{}").expect("writes");
    fail(&directory, &["fuzz", "--replay", "bad.json"], 3, &["bad.json", "help:"]);
    fail(&directory, &["fuzz", "--replay", "none.json"], 3, &["none.json", "help:"]);
}

/// A Verilator that gets another processing element than the one that was emitted.
#[cfg(unix)]
fn verilator_of_wrong_elements(directory: &TempDir) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = directory.path().join("verilator");
    let script = "#!/bin/sh\n\
                  set -e\n\
                  if [ -e rtl/pe.v ]; then\n\
                  grep -q '~(a_q ^ w_q)' rtl/pe.v\n\
                  sed -i.right 's/~(a_q ^ w_q)/(a_q ^ w_q)/' rtl/pe.v\n\
                  fi\n\
                  exec verilator \"$@\"\n";
    fs::write(&path, script).expect("writes");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a script");
    path
}

/// The hardware is wrong, and the command itself says where, with a waveform.
#[cfg(unix)]
#[test]
fn wrong_hardware_fails_a_replay_with_its_place_and_waveform() {
    let directory = temporary();
    let case = stored_case();
    let verilator = verilator_of_wrong_elements(&directory);
    let replay = |verilator: &Path| {
        std::process::Command::new(env!("CARGO_BIN_EXE_heartbit"))
            .args(["fuzz", "--engines", "rtl", "--out", "found", "--replay", text(&case)])
            .env("VERILATOR", verilator)
            .current_dir(directory.path())
            .output()
            .expect("the command starts")
    };
    let wrong = replay(&verilator);
    let shown = String::from_utf8_lossy(&wrong.stdout).into_owned();
    let error = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(wrong.status.code(), Some(1), "{shown}{error}");
    assert!(shown.starts_with("FAIL "), "{shown}");
    for words in ["RTL", "cycle", "PE row"] {
        assert!(shown.contains(words), "`{words}` is not in: {shown}");
    }
    assert!(error.contains("the engines disagree"), "{error}");
    let files = support::names(&directory.path().join("found"));
    assert!(
        files.iter().any(|name| Path::new(name).extension().is_some_and(|end| end == "fst")),
        "{files:?}"
    );
    let right = replay(Path::new("verilator"));
    assert_eq!(right.status.code(), Some(0), "{}", String::from_utf8_lossy(&right.stdout));
}
