//! `checker reset`: an exercise as it was at first. Nothing that a learner has
//! written is lost.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::embedded::{self, Starter};
use crate::replace::replace;
use crate::workshop::{Exercise, Workshop};

/// A file that was not as it was at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The file.
    pub file: PathBuf,
    /// Where the learner's version is now; `None` where there was none.
    pub kept: Option<PathBuf>,
}

/// Makes the exercise the starter again, and says in sentences what that did.
///
/// # Errors
/// Where this checker does not carry the exercise, or a file cannot be written.
pub fn run(workshop: &Workshop, exercise: &Exercise) -> anyhow::Result<String> {
    let restored = restore(exercise)?;
    if restored.is_empty() {
        return Ok(format!(
            "{} is the starter already; nothing was changed.\n",
            exercise.id
        ));
    }
    let shown = |path: &Path| {
        path.strip_prefix(&workshop.root)
            .unwrap_or(path)
            .display()
            .to_string()
    };
    let mut said = format!("{} is the starter again.\n", exercise.id);
    for one in &restored {
        said += &match &one.kept {
            Some(kept) => format!("  {}: yours is now {}\n", shown(&one.file), shown(kept)),
            None => format!("  {}: it was missing\n", shown(&one.file)),
        };
    }
    Ok(said)
}

/// Only what the program is made of: the description and the text that came with
/// a checkout may be newer than this checker.
fn is_of_the_program(path: &Path) -> bool {
    !path.ends_with("exercise.toml") && !path.ends_with("README.md")
}

fn restore(exercise: &Exercise) -> anyhow::Result<Vec<Restored>> {
    let folder = exercise.folder_name();
    let starters: Vec<_> = embedded::starters()
        .into_iter()
        .filter_map(|starter| {
            let path = starter.path.strip_prefix(&folder).ok()?.to_owned();
            is_of_the_program(&path).then_some(Starter { path, ..starter })
        })
        .collect();
    anyhow::ensure!(
        !starters.is_empty(),
        "this checker does not carry the starter of {}; is it older than the checkout?",
        exercise.id
    );
    let mut restored = vec![];
    for Starter { path, contents } in starters {
        let file = exercise.folder.join(path);
        let theirs = match fs::read(&file) {
            Ok(theirs) if theirs == contents => continue,
            Ok(theirs) => Some(theirs),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        let kept = match theirs {
            Some(theirs) => Some(keep(&file, &theirs)?),
            None => None,
        };
        fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))
            .and_then(|()| replace(&file, contents))
            .with_context(|| format!("cannot write {}", file.display()))?;
        restored.push(Restored { file, kept });
    }
    Ok(restored)
}

/// Puts a copy beside the file, under the first name that is free.
fn keep(file: &Path, contents: &[u8]) -> anyhow::Result<PathBuf> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    for number in 1.. {
        let kept = file.with_file_name(format!("{name}.kept-{number}"));
        match File::create_new(&kept) {
            Ok(mut copy) => {
                let written = copy.write_all(contents).and_then(|()| copy.sync_all());
                if written.is_err() {
                    let _ = fs::remove_file(&kept);
                }
                written.with_context(|| format!("cannot write {}", kept.display()))?;
                return Ok(kept);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot write {}", kept.display()));
            }
        }
    }
    anyhow::bail!("there is no free name for a copy of {}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A copy of the workshop's descriptions, with what the learner has made of ex02.
    fn checkout(main: Option<&str>) -> (tempfile::TempDir, Workshop) {
        let root = tempfile::tempdir().expect("a folder");
        for starter in embedded::starters() {
            let file = root.path().join("exercises").join(starter.path);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, starter.contents).expect("a file");
        }
        fs::write(root.path().join("Cargo.toml"), "[workspace]\n").expect("a file");
        let file = root.path().join("exercises/ex02-parallel/src/main.rs");
        match main {
            Some(text) => fs::write(file, text).expect("a file"),
            None => fs::remove_file(file).expect("it was there"),
        }
        let workshop = Workshop::find(root.path()).expect("a workshop");
        (root, workshop)
    }

    #[test]
    fn what_the_learner_wrote_is_kept_beside_the_starter_each_time() {
        let (root, workshop) = checkout(Some("fn main() {}\n"));
        let exercise = workshop.exercise("ex02").expect("an exercise");
        let source = root.path().join("exercises/ex02-parallel/src");
        let said = run(&workshop, exercise).expect("it is reset");
        assert!(said.contains("main.rs.kept-1"), "{said}");
        let read = |name: &str| fs::read_to_string(source.join(name)).expect("a file");
        assert_eq!(read("main.rs.kept-1"), "fn main() {}\n");
        assert!(read("main.rs").contains("async fn"));

        let said = run(&workshop, exercise).expect("it is reset");
        assert!(said.contains("already"), "{said}");
        assert!(!source.join("main.rs.kept-2").exists());

        fs::write(source.join("main.rs"), "fn second() {}\n").expect("a file");
        run(&workshop, exercise).expect("it is reset");
        assert_eq!(read("main.rs.kept-2"), "fn second() {}\n");
        assert_eq!(read("main.rs.kept-1"), "fn main() {}\n");
        let left: Vec<_> = fs::read_dir(&source).expect("a folder").flatten().collect();
        assert_eq!(left.len(), 4, "main.rs, two copies and bin/: {left:?}");
    }

    #[test]
    fn a_missing_file_comes_back() {
        let (root, workshop) = checkout(None);
        let exercise = workshop.exercise("ex02").expect("an exercise");
        let said = run(&workshop, exercise).expect("it is reset");
        assert!(said.contains("it was missing"), "{said}");
        assert!(
            root.path()
                .join("exercises/ex02-parallel/src/main.rs")
                .is_file()
        );
    }
}
