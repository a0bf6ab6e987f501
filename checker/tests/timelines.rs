//! The book's timelines: drawn from recordings, and still what the code does.
//!
//! `checker author record --check` holds all of them against the code. It needs
//! the starters as they are shipped, so CI runs it. The three versions of ex01
//! are nobody's homework: they are held against the code here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use checker::author::record::{self, FOLDER};
use checker::render::compare::Contender;
use checker::report::Report;

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the checker lies in the workshop").to_owned()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn recordings() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(FOLDER)).expect("the recordings");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|file| {
            file.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn each_drawing_in_the_book_is_its_recordings() {
    let mut drawn = 0;
    for file in recordings() {
        let text = read(&file);
        let drawings = if file.ends_with("ex01-compare.json") {
            let contenders: Vec<Contender> = serde_json::from_str(&text).expect("contenders");
            record::drawings(&contenders)
        } else {
            let report: Report = serde_json::from_str(&text).expect("a report");
            let name = file.with_extension("txt");
            let name = name.file_name().expect("a name").to_string_lossy();
            vec![(name.into_owned(), record::drawing(&report))]
        };
        for (name, drawing) in drawings {
            assert_eq!(read(&root().join(FOLDER).join(&name)), drawing, "{name}");
            drawn += 1;
        }
    }
    assert_eq!(drawn, 15);
}

#[test]
fn every_drawing_stands_in_the_book() {
    let pages = fs::read_dir(root().join("book/src")).expect("the pages");
    let book: String = pages
        .map(|page| page.expect("an entry").path())
        .filter(|page| page.extension().is_some_and(|extension| extension == "md"))
        .map(|page| read(&page))
        .collect();
    for entry in fs::read_dir(root().join(FOLDER)).expect("the drawings") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".txt") {
            let include = format!("{{{{#include timelines/{name}}}}}");
            assert!(book.contains(&include), "no page shows {name}");
        }
    }
}

#[test]
fn the_three_versions_still_do_what_the_book_shows() {
    let output = Command::new(env!("CARGO_BIN_EXE_checker"))
        .args(["author", "record", "--check", "--only", "ex01-compare"])
        .current_dir(root())
        .output()
        .expect("the checker runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("ok    ex01-compare"), "{said}");
}
