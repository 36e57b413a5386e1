//! The documentation hangs together: every link leads somewhere, in the files and in the book that
//! mdBook makes of them, which has every page.
//!
//! Not here: whether what the pages show is true. The tutorial's commands run in `cli/tests`, the
//! drawings and register maps are compared where they are made.

use mdbook_driver::MDBook;
use mdbook_driver::config::Config;
use scraper::{Html, Selector};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

/// Every page that is under version control, or will be.
fn pages() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.md"])
        .current_dir(root())
        .output()
        .expect("git is there, since this is a checkout");
    let list = String::from_utf8(output.stdout).expect("UTF-8");
    let pages: Vec<_> = list.lines().map(|line| root().join(line)).filter(|p| p.exists()).collect();
    assert!(pages.len() > 30, "only {} pages found", pages.len());
    pages
}

fn read(page: &Path) -> String {
    std::fs::read_to_string(page).unwrap_or_else(|e| panic!("{}: {e}", page.display()))
}

/// The lines of a page outside of fenced blocks.
fn prose(text: &str) -> Vec<&str> {
    let mut inside = false;
    let mut outside = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    };
    text.lines().filter(|line| outside(line)).collect()
}

/// Targets of links and images, without those in code.
fn targets(line: &str) -> Vec<&str> {
    let mut code = false;
    let mut found = Vec::new();
    for (at, character) in line.char_indices() {
        code ^= character == '`';
        if !code && line[at..].starts_with("](") {
            let target = &line[at + 2..];
            let end = target.find(')').unwrap_or_else(|| panic!("a link is not closed: {line}"));
            found.push(&target[..end]);
        }
    }
    found
}

/// The anchor of a heading, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    text.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// What is wrong with a link of a page, if anything is.
fn broken(page: &Path, target: &str) -> Option<String> {
    if target.starts_with("http://") || target.starts_with("https://") {
        return None;
    }
    let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() {
        page.to_owned()
    } else {
        page.parent().expect("a directory").join(file)
    };
    if !path.exists() {
        return Some(format!("{}: `{target}` does not exist", page.display()));
    }
    if fragment.is_empty() {
        return None;
    }
    let text = read(&path);
    let has = prose(&text).iter().any(|line| line.starts_with('#') && anchor(line) == fragment);
    (!has).then(|| format!("{}: `{target}` has no such heading", page.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let mut links = 0;
    let mut wrong = Vec::new();
    for page in pages() {
        let text = read(&page);
        for target in prose(&text).into_iter().flat_map(targets) {
            links += 1;
            wrong.extend(broken(&page, target));
        }
    }
    assert!(links > 80, "only {links} links found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn broken_links_are_found() {
    let page = root().join("docs/SUMMARY.md");
    assert_eq!(broken(&page, "why.md#why-one-bit"), None);
    assert!(broken(&page, "why.md#why-two-bits").is_some());
    assert!(broken(&page, "no-such-page.md").is_some());
    assert_eq!(targets("a [b](c.md) and `[d](e.md)` and ![f](g.svg)"), ["c.md", "g.svg"]);
}

#[test]
fn the_book_has_every_page() {
    let docs = root().join("docs");
    let summary = read(&docs.join("SUMMARY.md"));
    let listed: BTreeSet<_> = summary.lines().flat_map(targets).map(|t| docs.join(t)).collect();
    let pages: BTreeSet<_> = pages()
        .into_iter()
        .filter(|page| page.starts_with(&docs) && !page.ends_with("SUMMARY.md"))
        .collect();
    let missing: Vec<_> = pages.difference(&listed).collect();
    assert!(missing.is_empty(), "not in docs/SUMMARY.md: {missing:?}");
}

/// The HTML files below a folder.
fn html_pages(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let pages = entries.flat_map(|entry| match entry.expect("an entry").path() {
        path if path.is_dir() => html_pages(&path),
        path if path.extension().is_some_and(|extension| extension == "html") => vec![path],
        _ => Vec::new(),
    });
    pages.collect()
}

/// As mdBook builds it: what links out of the folder of the book is found here.
#[test]
fn every_link_of_the_built_book_leads_somewhere() {
    let out = tempfile::tempdir().expect("a folder");
    let mut config = Config::from_disk(root().join("book.toml")).expect("book.toml");
    config.build.build_dir = out.path().to_owned();
    config.build.create_missing = false;
    let book = MDBook::load_with_config(root(), config).expect("SUMMARY.md");
    book.build().expect("the book");

    let (links, images) = (Selector::parse("a[href]"), Selector::parse("img[src]"));
    let (links, images) = (links.expect("a selector"), images.expect("a selector"));
    let mut followed = 0;
    let mut wrong = Vec::new();
    for page in html_pages(out.path()) {
        let html = Html::parse_document(&read(&page));
        let links = html.select(&links).filter_map(|link| link.attr("href"));
        let images = html.select(&images).filter_map(|image| image.attr("src"));
        for target in links.chain(images).filter(|target| !target.contains("://")) {
            let file = target.split('#').next().filter(|file| !file.is_empty());
            followed += 1;
            let folder = page.parent().expect("a folder");
            if file.is_some_and(|file| !folder.join(file).exists()) {
                wrong.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(followed > 300, "only {followed} links found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
