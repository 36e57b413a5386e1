//! Names runs, and puts the seeds of one setting together.
//!
//! Runs whose settings differ in the seed only are one group, drawn as mean and range. A group is
//! named by its method, and by what else tells the groups of this call apart.

use crate::run::Run;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Settings that do not change what is trained.
const NEUTRAL: [&str; 5] = ["seed", "data", "out", "threads", "resume"];
/// Settings that name every group as soon as two runs differ in one.
const PRIMARY: [&str; 3] = ["arch", "dataset", "epochs"];
/// Longest name.
const MAX_NAME: usize = 60;

/// Runs that are drawn as one curve.
#[derive(Clone, Debug)]
pub(crate) struct Group<'a> {
    pub(crate) name: String,
    /// At least one; with different seeds where there are more.
    pub(crate) runs: Vec<&'a Run>,
}

/// Groups runs, in the order of each group's first run.
pub(crate) fn groups(runs: &[Run]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for run in runs {
        match groups.iter_mut().find(|group| joins(run, group)) {
            Some(group) => group.runs.push(run),
            None => groups.push(Group { name: String::new(), runs: vec![run] }),
        }
    }
    let names = names(&groups.iter().map(|g| g.runs[0]).collect::<Vec<_>>());
    for (group, name) in groups.iter_mut().zip(names) {
        group.name = name;
    }
    groups
}

/// Whether a run is a further seed of a group.
fn joins(run: &Run, group: &Group<'_>) -> bool {
    let seed = run.config.get("seed");
    seed.is_some()
        && settings(run) == settings(group.runs[0])
        && group.runs.iter().all(|other| other.config.get("seed") != seed)
}

/// The settings that matter, with nested ones as `tau.min`; one that is off has no entry.
fn settings(run: &Run) -> Vec<(String, String)> {
    let mut flat = Vec::new();
    flatten("", &run.config, &mut flat);
    flat.retain(|(key, _)| !NEUTRAL.contains(&key.as_str()));
    flat.sort();
    flat
}

fn flatten(prefix: &str, map: &Map<String, Value>, flat: &mut Vec<(String, String)>) {
    for (key, value) in map {
        let key = format!("{prefix}{key}");
        match value {
            Value::Object(map) => flatten(&format!("{key}."), map, flat),
            Value::Null => {}
            Value::String(text) => flat.push((key, text.clone())),
            other => flat.push((key, other.to_string())),
        }
    }
}

/// Names for the first runs of the groups, different where the settings allow it.
fn names(runs: &[&Run]) -> Vec<String> {
    let all: Vec<Vec<(String, String)>> = runs.iter().map(|run| settings(run)).collect();
    let mut names: Vec<String> = runs.iter().map(|run| method(run)).collect();
    for key in PRIMARY {
        let values: Vec<Option<&str>> = all.iter().map(|settings| get(settings, key)).collect();
        if values.windows(2).any(|pair| pair[0] != pair[1]) {
            for (name, value) in names.iter_mut().zip(&values) {
                if let Some(value) = value {
                    name.push_str(", ");
                    name.push_str(&describe(key, value));
                }
            }
        }
    }
    for same in equal_names(&names) {
        for &i in &same {
            names[i].push_str(&differences(i, &same, &all));
        }
    }
    for same in equal_names(&names) {
        for &i in &same {
            names[i] = format!("{} ({})", names[i], folder(runs[i]));
        }
    }
    names.iter().map(|name| printable(name)).collect()
}

/// The sets of indices whose names are equal, two or more each.
fn equal_names(names: &[String]) -> Vec<Vec<usize>> {
    let distinct: BTreeSet<&String> = names.iter().collect();
    let sets = distinct.into_iter().map(|name| {
        let same = |i: &usize| names[*i] == *name;
        (0..names.len()).filter(same).collect::<Vec<_>>()
    });
    sets.filter(|set| set.len() > 1).collect()
}

/// What tells setting `i` from the others of a set, as `, key value`.
fn differences(i: usize, set: &[usize], all: &[Vec<(String, String)>]) -> String {
    let keys: BTreeSet<&str> =
        set.iter().flat_map(|&j| &all[j]).map(|(key, _)| key.as_str()).collect();
    let differs = |key: &&str| set.iter().any(|&j| get(&all[j], key) != get(&all[i], key));
    let mut parts: Vec<String> = Vec::new();
    for key in keys.into_iter().filter(differs) {
        let part = match get(&all[i], key) {
            Some(value) => format!(", {}", describe(key, value)),
            // One word for all that is under a part that is off.
            None => format!(", no {}", key.split('.').next().unwrap_or(key)),
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.concat()
}

fn get<'a>(settings: &'a [(String, String)], key: &str) -> Option<&'a str> {
    settings.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
}

fn method(run: &Run) -> String {
    match run.text("method") {
        Some("recu") => "ReCU".to_owned(),
        Some("ovsw") => "OvSW".to_owned(),
        Some(other) => other.to_owned(),
        None => folder(run),
    }
}

/// A setting as it stands in a name.
fn describe(key: &str, value: &str) -> String {
    match key {
        "arch" => value
            .strip_prefix("resnet")
            .map_or_else(|| value.to_owned(), |rest| format!("ResNet-{rest}")),
        "dataset" => value
            .strip_prefix("cifar")
            .map_or_else(|| value.to_owned(), |rest| format!("CIFAR-{rest}")),
        "epochs" => format!("{value} epochs"),
        _ => format!("{key} {value}"),
    }
}

/// The folder's own name.
fn folder(run: &Run) -> String {
    let path = run.path.canonicalize().unwrap_or_else(|_| run.path.clone());
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into())
}

/// A text that XML may hold and that fits a legend.
pub(crate) fn printable(text: &str) -> String {
    let allowed = |c: char| if c.is_control() || c >= '\u{fffe}' { '\u{fffd}' } else { c };
    let mut chars = text.chars().map(allowed);
    let mut short: String = chars.by_ref().take(MAX_NAME).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
