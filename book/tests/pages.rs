//! Every page of the book is compiled, and its code stands as `lib.rs` says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every page beneath `folder`, as a path within `book/src`.
fn pages_in(folder: &Path) -> BTreeSet<String> {
    let mut pages = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("its entries can be read").path();
        if path.is_dir() {
            pages.extend(pages_in(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let within = path.strip_prefix(source()).expect("it lies beneath");
            pages.insert(within.to_string_lossy().replace('\\', "/"));
        }
    }
    pages
}

/// A block of code: what stands behind its opening fence, and its lines.
struct Block {
    language: String,
    lines: Vec<String>,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = vec![];
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Block {
                    language: language.trim().to_owned(),
                    lines: vec![],
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.lines.push(line.to_owned()),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block of code is not closed");
    blocks
}

fn each_block(claim: impl Fn(&Block) -> bool, otherwise: &str) {
    for page in pages_in(&source()) {
        let text = fs::read_to_string(source().join(&page)).expect("the page can be read");
        for block in blocks(&text) {
            assert!(
                claim(&block),
                "book/src/{page}: {otherwise}:\n```{}\n{}\n```",
                block.language,
                block.lines.join("\n")
            );
        }
    }
}

fn includes(block: &Block) -> usize {
    let is_include = |line: &&String| line.contains("{{#") && !line.contains("\\{{#");
    block.lines.iter().filter(is_include).count()
}

#[test]
fn every_page_is_compiled() {
    let mut there = pages_in(&source());
    there.remove("SUMMARY.md");
    let compiled: BTreeSet<_> = [book::PAGES, book::diagnoses::PAGES]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let missing: Vec<_> = there.difference(&compiled).collect();
    assert!(missing.is_empty(), "not in book/listings: {missing:?}");
}

#[test]
fn every_block_names_its_language() {
    each_block(
        |block| !block.language.is_empty(),
        "a block without a language; `text` for plain text",
    );
}

#[test]
fn no_rust_block_escapes_the_compiler() {
    each_block(
        |block| {
            let words: Vec<_> = block.language.split(',').map(str::trim).collect();
            match words.as_slice() {
                // Why it must not compile is looked at in `compiler_errors.rs`.
                ["rust", "compile_fail", _] | ["rust"] | ["rs"] => true,
                ["rust", rest @ ..] => rest
                    .iter()
                    .all(|word| matches!(*word, "no_run" | "should_panic")),
                _ => !block.language.contains("rust"),
            }
        },
        "a Rust block that no test compiles",
    );
}

#[test]
fn included_code_is_built_elsewhere_and_nothing_else_is_called_rs() {
    each_block(
        |block| match block.language.split(',').next() {
            Some("rs") => block.lines.len() == 1 && includes(block) == 1,
            Some("rust") => includes(block) == 0,
            _ => true,
        },
        "`rs` is for one {{#include …}}, `rust` for code that stands here",
    );
}
