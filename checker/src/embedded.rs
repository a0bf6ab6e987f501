//! What the checker carries with it: every exercise as a learner finds it, and
//! the answers. So it needs no git, and no checkout that nobody has touched.
//!
//! The starters are embedded from `checker/starters/`, which mirrors
//! `exercises/` and is kept by `checker author starters`. `exercises/` itself
//! would not do: in a checkout it is what the learner has written.

use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, include_dir};

static STARTERS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/starters");

/// A manifest's name in the mirror. Cargo takes every `Cargo.toml` beneath a
/// repository for a package, and there would be two of each.
pub(crate) const MANIFEST: &str = "Cargo.toml.txt";

/// The answers by the names of their binaries.
static ANSWERS: [(&str, &str); 7] = [
    (
        "ex01-solution",
        include_str!("../../solutions/ex01-weather-client/src/main.rs"),
    ),
    (
        "ex02-solution",
        include_str!("../../solutions/ex02-parallel/src/main.rs"),
    ),
    (
        "ex02-callbacks-solution",
        include_str!("../../solutions/ex02-parallel/src/bin/ex02-callbacks-solution.rs"),
    ),
    (
        "ex03-solution",
        include_str!("../../solutions/ex03-discovery-proxy/src/main.rs"),
    ),
    (
        "ex04-solution",
        include_str!("../../solutions/ex04-auth-check/src/main.rs"),
    ),
    (
        "ex05-solution",
        include_str!("../../solutions/ex05-chat/src/main.rs"),
    ),
    (
        "ex06-solution",
        include_str!("../../solutions/ex06-noise-gateway/src/main.rs"),
    ),
];

/// A file of `exercises/` as a learner finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starter {
    /// Where it belongs: `ex02-parallel/src/main.rs`.
    pub path: PathBuf,
    /// What is in it.
    pub contents: &'static [u8],
}

/// Every file of `exercises/`, in the order of their names.
pub fn starters() -> Vec<Starter> {
    let mut all = vec![];
    collect(&STARTERS, &mut all);
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

/// The main file of the answer with that binary.
pub fn answer(binary: &str) -> Option<&'static str> {
    ANSWERS
        .iter()
        .find(|(name, _)| *name == binary)
        .map(|(_, text)| *text)
}

fn collect(folder: &Dir<'static>, all: &mut Vec<Starter>) {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => collect(folder, all),
            DirEntry::File(file) => all.push(Starter {
                path: place(file.path()),
                contents: file.contents(),
            }),
        }
    }
}

/// Where a file of the mirror belongs.
pub(crate) fn place(mirrored: &Path) -> PathBuf {
    if mirrored.file_name().is_some_and(|name| name == MANIFEST) {
        return mirrored.with_file_name("Cargo.toml");
    }
    mirrored.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workshop::Workshop;

    #[test]
    fn every_exercise_has_its_starter_and_its_answers() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workshop = Workshop::find(here).expect("the workshop");
        let starters = starters();
        for exercise in &workshop.exercises {
            for file in ["src/main.rs", "Cargo.toml", "exercise.toml", "README.md"] {
                let path = Path::new(&exercise.folder_name()).join(file);
                let found = starters.iter().any(|starter| starter.path == path);
                assert!(found, "{} is not embedded", path.display());
            }
            let bonus = exercise.bonus.iter().map(|bonus| &bonus.solution_binary);
            for binary in bonus.chain([&exercise.solution.binary]) {
                assert!(answer(binary).is_some(), "{binary} is not embedded");
            }
        }
    }
}
