//! Links within the book lead somewhere, to sections, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// Where the headings of a page can be jumped to, as mdBook names them.
fn sections(markdown: &str) -> BTreeSet<String> {
    let mut sections = BTreeSet::new();
    let mut heading: Option<String> = None;
    for event in Parser::new(markdown) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let heading = heading.take().unwrap_or_default().to_lowercase();
                let letters = heading.trim().chars().filter_map(|c| match c {
                    _ if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                    _ if c.is_whitespace() => Some('-'),
                    _ => None,
                });
                sections.insert(letters.collect());
            }
            _ => {}
        }
    }
    sections
}

/// A page with the pages that it includes in place, since their headings are its own.
fn whole(page: &Path) -> String {
    let text = fs::read_to_string(page)
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", page.display()));
    let mut whole = String::new();
    for line in text.lines() {
        let included = line
            .strip_prefix("{{#include ")
            .and_then(|rest| rest.split(['}', ':']).next())
            .filter(|path| path.ends_with(".md"));
        match (included, page.parent()) {
            (Some(path), Some(folder)) => {
                whole +=
                    &fs::read_to_string(folder.join(path)).expect("what a page includes is there")
            }
            _ => whole += line,
        }
        whole.push('\n');
    }
    whole
}

/// `diagnoses/../ex01.md` is `ex01.md`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[test]
fn every_link_within_the_book_leads_somewhere() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let pages = [book::PAGES, book::diagnoses::PAGES, &["SUMMARY.md"]].concat();
    let texts: BTreeMap<PathBuf, String> = pages
        .iter()
        .map(|page| (PathBuf::from(page), whole(&source.join(page))))
        .collect();
    let mut links = 0;
    let mut broken = vec![];
    for (page, text) in &texts {
        for event in Parser::new(text) {
            let Event::Start(Tag::Link { dest_url, .. }) = event else {
                continue;
            };
            if dest_url.contains("://") {
                continue;
            }
            links += 1;
            let (file, section) = match dest_url.split_once('#') {
                Some((file, section)) => (file, Some(section)),
                None => (&*dest_url, None),
            };
            let target = match file {
                "" => page.clone(),
                file => normal(&page.parent().expect("a page lies in a folder").join(file)),
            };
            let why = match (texts.get(&target), section) {
                (None, _) => "there is no such page",
                (Some(text), Some(section)) if !sections(text).contains(section) => {
                    "it has no such section"
                }
                _ => continue,
            };
            broken.push(format!("{}: {dest_url}: {why}", page.display()));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(links > 60, "only {links} links were found");
}
