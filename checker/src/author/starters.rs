//! The mirror of `exercises/` that is embedded in the checker.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::Say;
use crate::embedded::{self, MANIFEST};
use crate::workshop::Workshop;

/// What to do with the mirror.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Make the mirror what `exercises/` is now
    #[arg(long)]
    pub save: bool,
}

/// Compares the mirror with `exercises/`, or makes it the same; 0 where nothing
/// differs, else 1.
///
/// # Errors
/// Where files cannot be read or written.
pub fn run(workshop: &Workshop, options: &Options, say: Say<'_>) -> anyhow::Result<u8> {
    if options.save {
        save(workshop)?;
        say("checker/starters/ is what exercises/ is; build the checker to embed it\n")?;
        return Ok(0);
    }
    let differences = differences(workshop)?;
    for difference in &differences {
        say(&format!("{difference}\n"))?;
    }
    if differences.is_empty() {
        say("the embedded starters are what exercises/ is\n")?;
    }
    Ok(u8::from(!differences.is_empty()))
}

/// What `exercises/` has and this checker does not carry, or carries otherwise.
///
/// # Errors
/// Where files cannot be read.
pub fn differences(workshop: &Workshop) -> anyhow::Result<Vec<String>> {
    let exercises = files(&workshop.root.join("exercises"))?;
    let embedded: BTreeMap<_, _> = embedded::starters()
        .into_iter()
        .map(|starter| (starter.path, starter.contents))
        .collect();
    let mut said = vec![];
    for (path, contents) in &exercises {
        let how = match embedded.get(path) {
            Some(same) if same == contents => continue,
            Some(_) => "differs from the embedded starter",
            None => "is not embedded",
        };
        said.push(format!(
            "exercises/{} {how}; run `checker author starters --save`, and build the checker",
            path.display()
        ));
    }
    for path in embedded
        .keys()
        .filter(|path| !exercises.contains_key(*path))
    {
        said.push(format!(
            "{} is embedded, but not in exercises/; run `checker author starters --save`, and build the checker",
            path.display()
        ));
    }
    Ok(said)
}

fn save(workshop: &Workshop) -> anyhow::Result<()> {
    let checker = workshop.root.join("checker");
    anyhow::ensure!(
        checker.is_dir(),
        "there is no folder {}; only a checkout with the checker's source has starters to keep",
        checker.display()
    );
    let mirror = checker.join("starters");
    let wanted = files(&workshop.root.join("exercises"))?;
    if mirror.is_dir() {
        fs::remove_dir_all(&mirror)
            .with_context(|| format!("cannot empty {}", mirror.display()))?;
    }
    for (path, contents) in wanted {
        let mut path = mirror.join(path);
        if path.file_name().is_some_and(|name| name == "Cargo.toml") {
            path.set_file_name(MANIFEST);
        }
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, contents));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    // Cargo does not see new files; it sees this one change.
    let embedder = checker.join("src/embedded.rs");
    let text =
        fs::read(&embedder).with_context(|| format!("cannot read {}", embedder.display()))?;
    fs::write(&embedder, text).with_context(|| format!("cannot write {}", embedder.display()))
}

/// Every file beneath a folder, by its path from there; without what is hidden,
/// built, or left by editors and by `checker reset`.
fn files(folder: &Path) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries =
            fs::read_dir(&next).with_context(|| format!("cannot read {}", next.display()))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("cannot read {}", next.display()))?
                .path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || name.ends_with('~') || name.contains(".kept-") {
                continue;
            }
            if path.is_dir() {
                if name != "target" {
                    folders.push(path);
                }
                continue;
            }
            let contents =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let from_there = path.strip_prefix(folder).unwrap_or(&path).to_owned();
            found.insert(from_there, contents);
        }
    }
    Ok(found)
}
