//! What a learner's workshop is made of, as this checker carries it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use include_dir::{Dir, DirEntry, include_dir};

use super::update::slashed;
use super::{lock, manifest};
use crate::embedded;
use crate::workshop::Exercise;

/// Every file by its path in the workshop.
pub type Files = BTreeMap<PathBuf, Cow<'static, [u8]>>;

static BOOK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../book/src");
static THEME: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../book/theme");
static BUILDER: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/book/src");
static SERVICES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../mock-services/src");

/// Whole folders, and where they belong.
static FOLDERS: [(&str, &Dir<'static>); 4] = [
    ("book/src", &BOOK),
    ("book/theme", &THEME),
    ("checker/book/src", &BUILDER),
    ("mock-services/src", &SERVICES),
];

/// Single files, and where they belong.
static SINGLES: [(&str, &str); 9] = [
    (".gitignore", "target/\nbook/build/\n.workshop/\n"),
    ("LICENSE", include_str!("../../../LICENSE")),
    ("README.md", include_str!("readme.md")),
    (
        "rust-toolchain.toml",
        include_str!("../../../rust-toolchain.toml"),
    ),
    ("book/book.toml", include_str!("../../../book/book.toml")),
    (
        "checker/book/Cargo.toml",
        include_str!("../../book/Cargo.toml"),
    ),
    (
        "checker/unified/Cargo.toml",
        include_str!("../../unified/Cargo.toml"),
    ),
    (
        "checker/unified/src/lib.rs",
        include_str!("../../unified/src/lib.rs"),
    ),
    (
        "mock-services/Cargo.toml",
        include_str!("../../../mock-services/Cargo.toml"),
    ),
];

/// The answers, and the wrong programs that the book quotes.
static SOLUTIONS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../solutions");

/// The whole course.
///
/// # Errors
/// Never for a checker whose tests pass.
pub fn files(with_solutions: bool) -> anyhow::Result<Files> {
    let mut all = unlocked(with_solutions)?;
    let lock = lock::pruned(&manifest::packages(&all)?)?;
    all.insert("Cargo.lock".into(), lock.into_bytes().into());
    Ok(all)
}

/// The course without a lock.
///
/// # Errors
/// As [`files`].
pub fn unlocked(with_solutions: bool) -> anyhow::Result<Files> {
    let mut all = Files::new();
    for (path, text) in SINGLES {
        all.insert(path.into(), text.as_bytes().into());
    }
    for starter in embedded::starters() {
        let path = Path::new("exercises").join(starter.path);
        all.insert(path, starter.contents.into());
    }
    for (place, folder) in FOLDERS {
        collect(folder, Path::new(place), &mut all);
    }
    quote(&mut all)?;
    call_by_name(&mut all);
    if with_solutions {
        answers(&mut all)?;
    }
    all.insert(
        "Cargo.toml".into(),
        manifest::workspace(&all, with_solutions)?
            .into_bytes()
            .into(),
    );
    all.insert(
        "Cargo.lock".into(),
        lock::pruned(&manifest::packages(&all)?)?
            .into_bytes()
            .into(),
    );
    Ok(all)
}

fn collect(folder: &'static Dir<'static>, place: &Path, all: &mut Files) {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => collect(folder, place, all),
            DirEntry::File(file) => {
                all.insert(place.join(file.path()), file.contents().into());
            }
        }
    }
}

/// Puts into the book what it quotes of programs that a learner does not have.
fn quote(all: &mut Files) -> anyhow::Result<()> {
    const BEGIN: &str = "{{#include ../../solutions/";
    for (path, contents) in all.iter_mut() {
        if !path.starts_with("book") || path.extension().is_none_or(|end| end != "md") {
            continue;
        }
        let text = std::str::from_utf8(contents).with_context(|| path.display().to_string())?;
        if !text.contains(BEGIN) {
            continue;
        }
        let mut quoted = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            match line.trim().strip_prefix(BEGIN) {
                Some(rest) => quoted += &quotation(rest.trim_end_matches('}'))?,
                None => quoted += line,
            }
        }
        *contents = quoted.into_bytes().into();
    }
    Ok(())
}

/// In a checkout of the repository the checker is an alias of cargo's. A learner's
/// workshop has no such alias: whoever has made it has a `checker`.
fn call_by_name(all: &mut Files) {
    for (path, contents) in all.iter_mut() {
        let is_read = path
            .extension()
            .is_some_and(|end| end == "md" || end == "js");
        let Some(text) = std::str::from_utf8(contents).ok().filter(|_| is_read) else {
            continue;
        };
        if text.contains("cargo checker") {
            *contents = text.replace("cargo checker", "checker").into_bytes().into();
        }
    }
}

/// The lines of `FOLDER/src/bin/NAME.rs:ANCHOR`.
fn quotation(what: &str) -> anyhow::Result<String> {
    let (path, anchor) = what.split_once(':').unwrap_or((what, ""));
    let text = solution(path)?;
    let (begin, end) = (format!("ANCHOR: {anchor}"), format!("ANCHOR_END: {anchor}"));
    let lines: Vec<_> = text
        .lines()
        .skip_while(|line| !line.ends_with(&begin))
        .skip(1)
        .take_while(|line| !line.ends_with(&end))
        .filter(|line| !line.contains("ANCHOR"))
        .collect();
    anyhow::ensure!(!lines.is_empty(), "solutions/{path} has no anchor {anchor}");
    Ok(lines.join("\n") + "\n")
}

/// The text of a file beneath `solutions/`.
fn solution(path: &str) -> anyhow::Result<&'static str> {
    SOLUTIONS
        .get_file(path)
        .and_then(|file| file.contents_utf8())
        .with_context(|| format!("this checker does not carry solutions/{path}"))
}

/// Adds the answers, and the wrong program that `compare` runs; no other.
fn answers(all: &mut Files) -> anyhow::Result<()> {
    for folder in SOLUTIONS.dirs() {
        let folder = folder.path();
        let described = Path::new("exercises").join(folder).join("exercise.toml");
        // Some folders, such as the attackers', belong to no exercise.
        let Some(described) = all.get(&described) else {
            continue;
        };
        let exercise: Exercise = toml::from_str(std::str::from_utf8(described)?)?;
        let own = &exercise.solution.package;
        let compared = exercise.compare.as_ref().map(|compare| &compare.sequential);
        let others = exercise
            .bonus
            .iter()
            .map(|bonus| &bonus.solution_binary)
            .chain(
                compared
                    .filter(|it| it.package == *own)
                    .map(|it| &it.binary),
            )
            // The main file, which is there anyway.
            .filter(|binary| **binary != exercise.solution.binary);
        let mut files: Vec<_> = others.map(|name| format!("src/bin/{name}.rs")).collect();
        files.push("src/main.rs".to_owned());
        for file in files {
            let text = solution(&slashed(&folder.join(&file)))?;
            let place = Path::new("solutions").join(folder).join(file);
            all.insert(place, text.as_bytes().into());
        }
        // Without the wrong programs that it may name.
        let manifest = folder.join("Cargo.toml");
        let mut answer: toml::Table = toml::from_str(solution(&slashed(&manifest))?)?;
        answer.remove("bin");
        answer.remove("features");
        let answer = toml::to_string(&answer)?;
        let place = Path::new("solutions").join(manifest);
        all.insert(place, answer.into_bytes().into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_course_carries_what_lies_in_the_repository() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the workshop");
        for (place, folder) in FOLDERS {
            let mut carried = Files::new();
            collect(folder, Path::new(place), &mut carried);
            let mut folders = vec![root.join(place)];
            let mut seen = 0;
            while let Some(folder) = folders.pop() {
                for entry in std::fs::read_dir(folder).expect("read").flatten() {
                    let path = entry.path();
                    if path.is_dir() {
                        folders.push(path);
                        continue;
                    }
                    seen += 1;
                    let there = path.strip_prefix(root).expect("beneath it");
                    assert!(
                        carried.contains_key(there),
                        "{} is not carried; `touch checker/src/course/files.rs` and build again",
                        there.display()
                    );
                }
            }
            assert_eq!(seen, carried.len(), "{place}");
        }
    }

    #[test]
    fn a_learner_is_told_no_command_that_is_not_there() {
        for (path, contents) in files(true).expect("a course") {
            let text = String::from_utf8_lossy(&contents);
            assert!(!text.contains("cargo checker"), "{}", path.display());
        }
    }

    #[test]
    fn no_answer_is_there_unless_it_is_asked_for() {
        let without = files(false).expect("a course");
        assert!(!without.keys().any(|path| path.starts_with("solutions")));
        let text = |path: &str| String::from_utf8_lossy(&without[Path::new(path)]).into_owned();
        assert!(!text("Cargo.toml").contains("solutions"));
        assert!(!text("Cargo.lock").contains("-solution"));
        let with = files(true).expect("a course");
        let exercise = |folder: &&Dir<'_>| Path::new("exercises").join(folder.path());
        let answered: Vec<_> = SOLUTIONS
            .dirs()
            .filter(|folder| with.contains_key(&exercise(folder).join("exercise.toml")))
            .collect();
        assert_eq!(answered.len(), 6);
        for exercise in answered {
            let main = Path::new("solutions")
                .join(exercise.path())
                .join("src/main.rs");
            assert!(with.contains_key(&main), "{}", main.display());
        }
    }

    #[test]
    fn the_book_quotes_nothing_that_is_not_there() {
        let all = files(false).expect("a course");
        for (path, contents) in all.iter().filter(|(path, _)| path.starts_with("book/src")) {
            let text = String::from_utf8_lossy(contents);
            for quoted in text.lines().filter(|line| line.starts_with("{{#include ")) {
                let what = quoted
                    .trim_start_matches("{{#include ")
                    .trim_end_matches('}');
                let file = what.split(':').next().unwrap_or_default();
                let mut place = path.parent().unwrap_or(Path::new("")).to_owned();
                for part in Path::new(file).components() {
                    match part {
                        std::path::Component::ParentDir => {
                            place.pop();
                        }
                        other => place.push(other),
                    }
                }
                assert!(all.contains_key(&place), "{}: {quoted}", path.display());
            }
        }
    }
}
