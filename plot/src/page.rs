//! The page of all figures: plain HTML that prints one figure after the other.

use crate::Report;
use crate::draw::escape;
use crate::figures::Input;
use crate::group::printable;
use crate::scene::Figure;
use std::fmt::Write as _;

const STYLE: &str = "\
body { font: 15px/1.45 Helvetica, Arial, sans-serif; color: #262626; max-width: 60em; \
margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin: 0 0 .4em; }
table { border-collapse: collapse; margin: 1em 0 2em; }
th, td { text-align: right; padding: .2em .8em; border-bottom: 1px solid #d9d9d9; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
figure { margin: 0 0 2.5em; break-inside: avoid; }
figure img { max-width: 100%; height: auto; }
figcaption { max-width: 42em; color: #404040; }
@media print { body { max-width: none; margin: 0; font-size: 10pt; } }";

/// Returns the page; its pictures are files beside it.
pub(crate) fn html(input: &Input<'_>, figures: &[Figure], report: &Report) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Training runs</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n\
         <h1>Training runs</h1>\n{}",
        table(input)
    );
    for figure in figures {
        let (heading, caption) = (escape(figure.heading), escape(&figure.caption));
        writeln!(
            page,
            "<figure>\n<h2>{heading}</h2>\n<img src=\"{0}.svg\" alt=\"{caption}\">\n\
             <figcaption>{caption}</figcaption>\n</figure>",
            figure.name
        )
        .expect("bug: writing to a string");
    }
    let missing = report.missing.iter().map(|missing| {
        let run = missing.run.as_ref().map(|run| format!("`{}`: ", run.display()));
        format!("{}: {}{}", missing.plot, run.unwrap_or_default(), missing.reason)
    });
    let left_out: Vec<String> = missing.chain(report.notes.iter().cloned()).collect();
    if !left_out.is_empty() {
        page.push_str("<h2>Not drawn, and notes</h2>\n<ul>\n");
        for line in left_out {
            writeln!(page, "<li>{}</li>", escape(&line)).expect("bug: writing to a string");
        }
        page.push_str("</ul>\n");
    }
    page + "</body>\n</html>\n"
}

/// A row a run: what it is, and how well it classifies.
fn table(input: &Input<'_>) -> String {
    let mut table = "<table>\n<tr><th>Run</th><th>Folder</th><th>Seed</th><th>Epochs</th>\
                     <th>Test accuracy, last</th><th>best</th></tr>\n"
        .to_owned();
    for (group, run) in input.groups.iter().flat_map(|g| g.runs.iter().map(move |run| (g, run))) {
        let seed = run.config.get("seed").map_or("–".to_owned(), ToString::to_string);
        let accuracies = run.epochs.iter().map(|epoch| epoch.test_accuracy);
        let last = accuracies.clone().next_back().unwrap_or(0.0);
        let best = accuracies.fold(0.0, f64::max);
        writeln!(
            table,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.2} %</td><td>{:.2} %</td></tr>",
            escape(&group.name),
            escape(&printable(&run.path.display().to_string())),
            escape(&printable(&seed)),
            run.epochs.len(),
            100.0 * last,
            100.0 * best,
        )
        .expect("bug: writing to a string");
    }
    table + "</table>\n"
}
