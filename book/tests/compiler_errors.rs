//! What the book shows as failing fails, and with the very error that it names.
//!
//! `cargo test --doc` only sees that such a block does not compile. It might
//! lack an import.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use cargo_metadata::Message;
use cargo_metadata::diagnostic::{Diagnostic, DiagnosticLevel};

/// A block that must not compile.
struct Wrong {
    page: &'static str,
    /// An error's code, a lint's name, or words of a message without a code.
    reason: String,
    program: String,
}

/// Every such block of the pages.
fn wrongs() -> Vec<Wrong> {
    let mut wrongs = vec![];
    for page in [book::PAGES, book::diagnoses::PAGES].concat() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(page);
        let text = fs::read_to_string(path).expect("the page can be read");
        let mut open: Option<Wrong> = None;
        for line in text.lines() {
            if let Some(reason) = line.strip_prefix("```rust,compile_fail,") {
                open = Some(Wrong {
                    page,
                    reason: reason.to_owned(),
                    program: String::new(),
                });
            } else if line.starts_with("```") {
                wrongs.extend(open.take());
            } else if let Some(wrong) = &mut open {
                let line = match line.trim_start() {
                    "#" => "",
                    hidden => hidden.strip_prefix("# ").unwrap_or(line),
                };
                wrong.program.push_str(line);
                wrong.program.push('\n');
            }
        }
    }
    for wrong in &mut wrongs {
        if !wrong.program.contains("fn main()") {
            wrong.program = format!("fn main() {{\n{}\n}}", wrong.program);
        }
    }
    wrongs
}

/// `--extern` for each crate that a listing may use, as cargo has built it.
fn crates() -> Vec<String> {
    let manifest = include_str!("../Cargo.toml");
    let (_, dependencies) = manifest
        .split_once("[dependencies]\n")
        .expect("it has some");
    let (dependencies, _) = dependencies.split_once("\n\n").expect("more follows");
    let mut names: BTreeSet<_> = dependencies
        .lines()
        .filter_map(|line| line.split_once(".workspace"))
        .map(|(name, _)| name.replace('-', "_"))
        .collect();
    names.insert("book".to_owned());

    let built = Command::new(env!("CARGO"))
        .args(["build", "--package", "book", "--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let told = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "the book does not build:\n{told}");
    Message::parse_stream(built.stdout.as_slice())
        .filter_map(
            |message| match message.expect("cargo speaks its language") {
                Message::CompilerArtifact(artifact) => Some(artifact),
                _ => None,
            },
        )
        .filter(|artifact| names.contains(&artifact.target.name.replace('-', "_")))
        .filter_map(|artifact| {
            let library = artifact
                .filenames
                .iter()
                .find(|file| file.extension() == Some("rlib"))?;
            Some(format!(
                "{}={library}",
                artifact.target.name.replace('-', "_")
            ))
        })
        .collect()
}

/// The errors that rustc finds in a program.
fn errors(program: &Path, crates: &[String]) -> Vec<Diagnostic> {
    // Where this very test lies, all other crates lie as well.
    let test = std::env::current_exe().expect("a test has a file");
    let depends = test.parent().expect("it lies somewhere");
    let mut rustc = Command::new("rustc");
    rustc
        .args(["--edition", "2024", "--crate-type", "bin"])
        .args(["--emit", "metadata", "--error-format", "json"])
        .arg("-L")
        .arg(format!("dependency={}", depends.display()))
        .arg("--out-dir")
        .arg(program.parent().expect("it lies in a folder"))
        .arg(program)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    for name in crates {
        rustc.args(["--extern", name]);
    }
    let output = rustc.output().expect("rustc runs");
    String::from_utf8_lossy(&output.stderr)
        .lines()
        .map(|line| serde_json::from_str::<Diagnostic>(line).expect("rustc speaks JSON"))
        .filter(|said| matches!(said.level, DiagnosticLevel::Error))
        // "aborting due to 1 previous error"
        .filter(|said| !said.message.starts_with("aborting"))
        .collect()
}

fn is_the_reason(error: &Diagnostic, reason: &str) -> bool {
    match &error.code {
        Some(code) => code.code == reason,
        None => error.message.contains(&reason.replace('-', " ")),
    }
}

#[test]
fn each_wrong_listing_fails_with_the_error_that_it_names_and_no_other() {
    let crates = crates();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let wrongs = wrongs();
    assert!(wrongs.len() > 20, "only {} were found", wrongs.len());
    for (number, wrong) in wrongs.iter().enumerate() {
        let program = folder.join(format!("wrong{number}.rs"));
        fs::write(&program, &wrong.program).expect("it can be written");
        let errors = errors(&program, &crates);
        let told: Vec<_> = errors
            .iter()
            .map(|error| error.rendered.clone().unwrap_or_default())
            .collect();
        assert!(
            !errors.is_empty()
                && errors
                    .iter()
                    .all(|error| is_the_reason(error, &wrong.reason)),
            "{}: expected {} alone, and got\n{}\nfor\n{}",
            wrong.page,
            wrong.reason,
            told.join("\n"),
            wrong.program
        );
    }
}
