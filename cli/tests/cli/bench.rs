//! `bench`: the fields that scripts rely on, and peers.

use crate::support::{fail, succeed, temporary};
use serde_json::Value;

#[test]
fn bench_of_arrays_says_what_fits_and_how_well() {
    let directory = temporary();
    let args = ["bench", "arrays", "--arch", "resnet20,resnet18", "--array", "8x8x16"];
    let json = succeed(&directory, &args);
    let results = json["results"].as_array().expect("results");
    let value = |name: &str| {
        let found = results.iter().find(|r| r["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {json}"))["value"].clone()
    };
    assert!(value("resnet20/8x8x16/utilisation.binary").as_f64().is_some_and(|u| u > 0.9));
    assert!(value("resnet20/8x8x16/cycles").as_u64().is_some_and(|n| n < 60_000));
    // Its weights are out of reach of 16 address bits.
    assert!(value("resnet18/8x8x16/cycles").is_null());
}

#[test]
fn bench_of_simulators_has_verilator_as_the_peer() {
    let directory = temporary();
    let json = succeed(
        &directory,
        &["bench", "simulators", "--array", "2x4x32", "--repetitions", "1", "--rtl-images", "1"],
    );
    let results = json["results"].as_array().expect("results");
    let names: Vec<&Value> = results.iter().map(|result| &result["name"]).collect();
    let engines = ["fast engine", "cycle by cycle", "Verilator"];
    for (name, engine) in names.iter().step_by(2).zip(engines) {
        assert!(name.as_str().is_some_and(|name| name.starts_with(engine)), "{names:?}");
    }
    assert!(results.iter().all(|result| result["value"].as_f64().is_some_and(|v| v > 0.0)));
    assert_eq!(results[5]["ratio"], 1.0);
}

#[test]
fn bench_of_kernels_and_latency_compares_with_peers() {
    let directory = temporary();
    let kernels = ["bench", "kernels", "--channels", "16", "--repetitions", "2"];
    let json = succeed(&directory, &kernels);
    let portable = &json["results"][0];
    assert_eq!(portable["name"], "3x3/16/portable");
    let of = |name: &str| portable[name].as_f64().unwrap_or_else(|| panic!("no {name}: {json}"));
    assert!(of("value") > 0.0 && json["core_hz"].as_f64().is_some_and(|hertz| hertz > 1e8));
    assert!((of("ratio") * of("peer_value") / of("value") - 1.0).abs() < 1e-9);
    let line = r#"{"network":"resnet20","threads":1,"milliseconds":2.0,"torch":"2","frozen":true}"#;
    std::fs::write(directory.path().join("peer.jsonl"), line).expect("writable");
    let latency = ["bench", "latency", "--arch", "resnet20", "--repetitions", "1"];
    let with = |more: &[&'static str]| [&latency[..], more].concat();
    let json = succeed(&directory, &with(&["--peer", "peer.jsonl", "--isa", "portable"]));
    let [time, size] = [&json["results"][0], &json["results"][1]];
    assert_eq!((&time["name"], &time["peer_value"]), (&"resnet20/latency".into(), &2.0.into()));
    assert!(time["value"].as_f64().is_some_and(|ms| ms > 0.0));
    assert!(size["ratio"].as_f64().is_some_and(|ratio| ratio < 0.1), "{json}");
    fail(&directory, &with(&["--isa", "mmx"]), 2, &["portable"]);
    fail(&directory, &with(&["--peer", "none"]), 3, &["latency.py"]);
}

#[cfg(feature = "train")]
#[test]
fn measured_training_step_has_the_fields_that_scripts_rely_on() {
    let directory = temporary();
    let peer = "{\"network\":\"resnet20\",\"method\":\"recu\",\"batch\":16,\"threads\":1,\
                \"channels_last\":false,\"compile\":false,\"images_per_second\":2.0,\
                \"windows\":[1.0,2.0],\"peak_rss_mib\":100,\"torch\":\"2.0.0\"}\n";
    std::fs::write(directory.path().join("peer"), peer).expect("writable");
    let run = |threads: &str| {
        let mut args = vec!["bench", "train", "--arch", "resnet20", "--batch", "16"];
        args.extend(["--steps", "1", "--warmup", "0", "--windows", "2", "--peer", "peer"]);
        args.extend(["--threads", threads]);
        succeed(&directory, &args)
    };
    let json = run("1");
    assert_eq!(json["settings"]["batch"], 16);
    let results = json["results"].as_array().expect("results").clone();
    let expected = [
        ("train/resnet20", "images/s", 2.0),
        ("train/resnet20/median", "images/s", 1.5),
        ("train/resnet20/peak", "MiB", 100.0),
    ];
    assert_eq!(results.len(), expected.len());
    for (result, (name, unit, theirs)) in results.iter().zip(expected) {
        assert_eq!((&result["name"], &result["unit"]), (&name.into(), &unit.into()));
        assert_eq!(
            (&result["peer"], &result["peer_value"]),
            (&"pytorch 2.0.0".into(), &theirs.into())
        );
        let value = result["value"].as_f64().expect("a number");
        assert!(value > 0.0, "{result}");
        assert_eq!(result["ratio"], value / theirs);
    }
    assert!(results[0]["value"].as_f64() >= results[1]["value"].as_f64(), "{json}");
    // Parameters, momentum and gradients alone are more than 3 MiB.
    assert!(results[2]["value"].as_f64().is_some_and(|mib| mib > 3.0), "{json}");
    for result in run("2")["results"].as_array().expect("results") {
        assert!(result["peer"].is_null() && result["ratio"].is_null(), "{result}");
    }
    std::fs::write(directory.path().join("peer"), "{}").expect("writable");
    let bench = ["bench", "train", "--peer", "peer"];
    fail(&directory, &bench, 3, &["line 1 of `peer`", "help: every line"]);
    fail(&directory, &["bench", "train", "--batch", "1"], 2, &["--batch"]);
}
