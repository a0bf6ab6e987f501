//! Which files were saved, as the system tells it: nothing is asked for again
//! and again.
//!
//! All exercises are watched, so that one that is replaced as a whole (by a
//! rename, or by git) is not lost; and the top folder, so that `exercises/`
//! itself is not.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

/// Tells of saves for as long as it lives.
#[derive(Debug)]
pub(super) struct Saves {
    watcher: RecommendedWatcher,
    root: PathBuf,
}

impl Saves {
    /// Begins. `tell` is called for every file or folder beneath `exercises/`
    /// that may have changed, with its path from the top folder.
    pub(super) fn of(root: &Path, tell: impl Fn(PathBuf) + Send + 'static) -> anyhow::Result<Self> {
        // Some systems tell the real path, whatever they were asked for.
        let root = root
            .canonicalize()
            .with_context(|| format!("cannot find {}", root.display()))?;
        let top = root.clone();
        let heard = move |event: notify::Result<Event>| match event {
            Ok(event) if event.need_rescan() => tell(EXERCISES.into()),
            Ok(event) if is_change(event.kind) => {
                let paths = event.paths.iter().filter_map(|p| p.strip_prefix(&top).ok());
                paths
                    .filter(|path| path.starts_with(EXERCISES))
                    .for_each(|path| tell(path.to_owned()));
            }
            Ok(_) => {}
            // Something was missed; a run too many does no harm.
            Err(_) => tell(EXERCISES.into()),
        };
        let mut saves = Self {
            watcher: notify::recommended_watcher(heard).map_err(refused)?,
            root,
        };
        saves
            .watcher
            .watch(&saves.root, RecursiveMode::NonRecursive)
            .map_err(refused)?;
        saves.look_again().map_err(refused)?;
        Ok(saves)
    }

    /// Follows `exercises/` where it is a new folder.
    pub(super) fn look_again(&mut self) -> notify::Result<()> {
        let exercises = self.root.join(EXERCISES);
        let _ = self.watcher.unwatch(&exercises); // it may be gone
        if !exercises.is_dir() {
            return Ok(()); // we are told when it comes
        }
        self.watcher.watch(&exercises, RecursiveMode::Recursive)
    }
}

/// The folder of all exercises.
pub(super) const EXERCISES: &str = "exercises";

fn refused(error: notify::Error) -> anyhow::Error {
    let what = "saves cannot be watched here; press r in `checker watch`, or run `checker verify`, after each";
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => anyhow::anyhow!(
            "the system allows no more watched folders; close a program that watches many, or raise fs.inotify.max_user_watches"
        ),
        _ => anyhow::Error::new(error).context(what),
    }
}

/// Opening and reading are no change; nor are times and permissions.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        EventKind::Modify(ModifyKind::Metadata(_)) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

/// Whether what lies at `path` (from the top folder) can change the program of
/// the exercise in `folder`.
pub(super) fn concerns(path: &Path, folder: &OsStr) -> bool {
    let mut parts = path.components().map(Component::as_os_str);
    if parts.next() != Some(OsStr::new(EXERCISES)) {
        return false;
    }
    match parts.next() {
        None => true, // all exercises were replaced
        Some(exercise) if exercise != folder => false,
        Some(_) => parts
            .map(|part| part.to_string_lossy())
            .all(|part| is_source(&part)),
    }
}

/// Hidden files, what editors leave beside a file, what cargo builds, copies of
/// ours, and texts are not part of a program.
fn is_source(name: &str) -> bool {
    let is_copy = name
        .rsplit_once(".kept-")
        .is_some_and(|(_, n)| n.parse::<u32>().is_ok());
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    !(name.starts_with('.')
        || name.ends_with('~')
        || name.starts_with('#')
        || name == "target"
        || name == "exercise.toml"
        || name == "4913" // vim tries whether it may write
        || is_copy
        || ["md", "swp", "swx", "tmp", "bak", "orig", "rej"].contains(&extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_change_the_program_concerns_it() {
        let concerns = |path: &str| super::concerns(Path::new(path), "ex02-parallel".as_ref());
        for path in [
            "exercises",
            "exercises/ex02-parallel",
            "exercises/ex02-parallel/src",
            "exercises/ex02-parallel/src/main.rs",
            "exercises/ex02-parallel/src/weather/mod.rs",
            "exercises/ex02-parallel/Cargo.toml",
            "exercises/ex02-parallel/page.html",
        ] {
            assert!(concerns(path), "{path}");
        }
        for path in [
            "Cargo.lock",
            "exercises/ex01-weather-client/src/main.rs",
            "exercises/ex02-parallel/README.md",
            "exercises/ex02-parallel/exercise.toml",
            "exercises/ex02-parallel/target/debug/ex02",
            "exercises/ex02-parallel/.git/index",
            "exercises/ex02-parallel/src/.main.rs.swp",
            "exercises/ex02-parallel/src/main.rs~",
            "exercises/ex02-parallel/src/#main.rs#",
            "exercises/ex02-parallel/src/4913",
            "exercises/ex02-parallel/src/main.rs.kept-1",
            "exercises/ex02-parallel/src/main.rs.bak",
        ] {
            assert!(!concerns(path), "{path}");
        }
    }
}
