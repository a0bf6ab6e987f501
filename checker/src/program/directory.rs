//! The directory that a learner's program runs in, and what is left of those
//! whose checker was killed.
//!
//! Whoever made one holds a lock on a file in it for as long as it lives. The
//! kernel lets go of that lock however a process ends, so a directory that is
//! not locked belongs to nobody, and the next checker removes it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::StartError;

/// Where the program's home and its temporary files are, within its directory.
pub(super) const HOME: &str = "home";
/// See [`HOME`].
pub(super) const TEMPORARY: &str = "tmp";

/// What the name of every such directory begins with.
const PREFIX: &str = "checker-run-";
/// The file that its owner has locked.
const OWNER: &str = "owner";
/// A directory without that file is being made, or its owner died meanwhile.
const MADE_WITHIN: Duration = Duration::from_secs(60);

/// A fresh directory, with a home and a place for temporary files. Dropped, it
/// is removed.
#[derive(Debug)]
pub(super) struct Directory {
    place: PathBuf,
    /// Its lock ends with this.
    _owner: File,
}

impl Directory {
    pub(super) fn make() -> Result<Self, StartError> {
        let made = || {
            let place = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
            let owner = File::create(place.path().join(OWNER))?;
            owner.lock()?;
            fs::create_dir(place.path().join(HOME))?;
            fs::create_dir(place.path().join(TEMPORARY))?;
            Ok((place, owner))
        };
        let (place, owner): (TempDir, File) =
            made().map_err(|error: std::io::Error| StartError::NoDirectory {
                parent: std::env::temp_dir(),
                why: error.kind(),
            })?;
        Ok(Self {
            place: place.keep(),
            _owner: owner,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.place
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        remove(&self.place);
    }
}

/// Removes a directory, whatever a program has made of it. Nothing is said where
/// that fails: the next checker tries again.
pub(super) fn remove(place: &Path) {
    if fs::remove_dir_all(place).is_ok() || !place.exists() {
        return;
    }
    // Folders that may not be looked into, or that lie deeper than there are
    // descriptors: these two take both.
    #[cfg(unix)]
    for (command, how) in [("chmod", "-R"), ("rm", "-rf")] {
        let mut arguments = vec![
            how.as_ref(),
            "u+rwx".as_ref(),
            "--".as_ref(),
            place.as_os_str(),
        ];
        if command == "rm" {
            arguments.remove(1);
        }
        let _ = std::process::Command::new(command)
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status();
    }
}

/// Removes what checkers have left that were killed before they could tidy up.
/// `main` calls this before anything is graded.
pub fn sweep() {
    sweep_in(&std::env::temp_dir());
}

fn sweep_in(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let is_one = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_one && is_abandoned(&entry.path()) {
            remove(&entry.path());
        }
    }
}

fn is_abandoned(place: &Path) -> bool {
    match File::open(place.join(OWNER)) {
        Ok(owner) => owner.try_lock().is_ok(),
        Err(_) => fs::metadata(place)
            .and_then(|data| data.modified())
            .is_ok_and(|made| {
                SystemTime::now()
                    .duration_since(made)
                    .is_ok_and(|age| age > MADE_WITHIN)
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_by_nobody(folder: &Path, name: &str) -> PathBuf {
        let place = folder.join(name);
        fs::create_dir_all(place.join(TEMPORARY)).unwrap();
        fs::write(place.join(OWNER), "").unwrap();
        place
    }

    #[test]
    fn only_what_belongs_to_nobody_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let abandoned = left_by_nobody(folder.path(), "checker-run-abc");
        let another = left_by_nobody(folder.path(), "checker-something");
        let held = left_by_nobody(folder.path(), "checker-run-def");
        let owner = File::open(held.join(OWNER)).unwrap();
        owner.lock().unwrap();
        let fresh = folder.path().join("checker-run-fresh");
        fs::create_dir(&fresh).unwrap();
        sweep_in(folder.path());
        let left = [&abandoned, &another, &held, &fresh].map(|place| place.exists());
        assert_eq!(left, [false, true, true, true]);
        drop(owner);
        sweep_in(folder.path());
        assert!(!held.exists());
    }

    #[test]
    fn a_directory_goes_with_its_owner_whatever_is_in_it() {
        let directory = Directory::make().unwrap();
        let place = directory.path().to_owned();
        let mut deep = place.join(TEMPORARY);
        for _ in 0..10 {
            deep.push("n".repeat(200));
            fs::create_dir(&deep).unwrap();
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&deep, fs::Permissions::from_mode(0o000)).unwrap();
        }
        drop(directory);
        assert!(!place.exists());
    }
}
