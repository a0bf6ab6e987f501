//! Spelling: every word of the book's prose stands in `words.txt`, and none is
//! spelt the American way.
//!
//! `words.txt` was held against a British dictionary once. A word that is new
//! to it is either misspelt or has to be read by somebody and added:
//! `UPDATE_WORDS=1 cargo test -p book --test words`, and look at the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// American spellings, and what stands here instead.
const AMERICAN: [(&str, &str); 33] = [
    ("analyze", "analyse"),
    ("artifact", "artefact"),
    ("behavior", "behaviour"),
    ("canceled", "cancelled"),
    ("canceling", "cancelling"),
    ("catalog", "catalogue"),
    ("center", "centre"),
    ("color", "colour"),
    ("colored", "coloured"),
    ("colors", "colours"),
    ("defense", "defence"),
    ("dialog", "dialogue"),
    ("favor", "favour"),
    ("favorite", "favourite"),
    ("fulfill", "fulfil"),
    ("gray", "grey"),
    ("honor", "honour"),
    ("initialize", "initialise"),
    ("judgment", "judgement"),
    ("labeled", "labelled"),
    ("modeled", "modelled"),
    ("neighbor", "neighbour"),
    ("optimize", "optimise"),
    ("organize", "organise"),
    ("realize", "realise"),
    ("recognize", "recognise"),
    ("serialized", "serialised"),
    ("serializes", "serialises"),
    ("signaled", "signalled"),
    ("spelled", "spelt"),
    ("synchronize", "synchronise"),
    ("toward", "towards"),
    ("traveled", "travelled"),
];

/// Titles and names that are not ours to spell.
const QUOTED: [&str; 1] = ["What Color is Your Function?"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The words of a page's prose: no code, no addresses.
fn words(markdown: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut in_code = false;
    let mut prose = String::new();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => in_code = true,
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Text(text) if !in_code => prose += &text,
            Event::Code(_) => prose += "`",
            Event::Html(_) | Event::InlineHtml(_) => {}
            Event::End(TagEnd::Emphasis | TagEnd::Strong) => {}
            Event::Start(Tag::Emphasis | Tag::Strong) => {}
            _ => prose.push('\n'),
        }
    }
    for title in QUOTED {
        prose = prose.replace(title, "");
    }
    for piece in prose.split_whitespace() {
        // Addresses, paths, and what is half in code (`Lagged`s) are no words.
        if piece.contains("://") || piece.contains('`') || piece.contains("{{") {
            continue;
        }
        for word in piece.split(|c: char| !c.is_alphabetic() && c != '\'' && c != '’') {
            let word = word.trim_matches(['\'', '’']).replace('’', "'");
            let word = word.strip_suffix("'s").unwrap_or(&word);
            if word.chars().count() > 1 {
                words.insert(word.to_lowercase());
            }
        }
    }
    words
}

/// Every word with a page that it stands on. The exercises' tasks are pages, too.
fn all_words() -> BTreeMap<String, String> {
    let mut pages: Vec<PathBuf> = [book::PAGES, book::diagnoses::PAGES]
        .concat()
        .iter()
        .map(|page| folder().join("src").join(page))
        .collect();
    let exercises = fs::read_dir(folder().join("../exercises")).expect("the exercises");
    for exercise in exercises {
        let task = exercise.expect("an entry").path().join("README.md");
        pages.extend(task.is_file().then_some(task));
    }
    let mut all = BTreeMap::new();
    for page in pages {
        let text = fs::read_to_string(&page).expect("the page can be read");
        for word in words(&text) {
            all.entry(word)
                .or_insert_with(|| page.display().to_string());
        }
    }
    all
}

#[test]
fn every_word_has_been_looked_at() {
    let list = folder().join("words.txt");
    let all = all_words();
    if std::env::var_os("UPDATE_WORDS").is_some() {
        let lines: String = all.keys().map(|word| format!("{word}\n")).collect();
        fs::write(&list, lines).expect("words.txt can be written");
    }
    let known = fs::read_to_string(&list).expect("words.txt can be read");
    let known: BTreeSet<&str> = known.lines().collect();
    let new: Vec<_> = all
        .iter()
        .filter(|(word, _)| !known.contains(word.as_str()))
        .map(|(word, page)| format!("{word}   in {page}"))
        .collect();
    assert!(
        new.is_empty(),
        "Not in book/words.txt. Mend what is misspelt, then add the rest with \
         UPDATE_WORDS=1 cargo test -p book --test words:\n{}",
        new.join("\n")
    );
}

#[test]
fn no_word_is_spelt_the_american_way() {
    let all = all_words();
    for (american, british) in AMERICAN {
        if let Some(page) = all.get(american) {
            panic!("{page}: {american}; in this book it is {british}");
        }
    }
}

#[test]
fn code_and_addresses_are_no_prose_and_words_come_without_marks() {
    let text = "*Cancel* it, `color`: <http://color.example> it's [here](behavior.md).\n\n```rust\ncolor();\n```\n";
    let found: Vec<_> = words(text).into_iter().collect();
    assert_eq!(found, ["cancel", "here", "it"]);
}
