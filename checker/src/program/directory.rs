//! The directory that a learner's program runs in, and what is left of those
//! whose checker was killed.
//!
//! Whoever made one holds a lock on a file in it for as long as it lives. The
//! kernel lets go of that lock however a process ends, so a directory that is
//! not locked belongs to nobody, and the next checker removes it.
//!
//! ```text
//! made, empty → the file → its lock → is it still there? → all else that is in it
//! ```
//!
//! Up to the lock another checker may take it for one that belongs to nobody.
//! Whoever makes it sees that, and makes another.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

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
/// How often one may be swept while it is made. Once is rare.
const TRIES: usize = 8;

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
        let mut made = made();
        for _ in 1..TRIES {
            match &made {
                Err(error) if error.kind() == ErrorKind::NotFound => made = self::made(),
                _ => break,
            }
        }
        let (place, owner) = made.map_err(|error| StartError::NoDirectory {
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

/// One try. It is not found where a sweep has met it.
fn made() -> io::Result<(TempDir, File)> {
    let place = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
    let file = place.path().join(OWNER);
    let owner = File::create(&file)?;
    owner.lock()?;
    fs::metadata(&file)?;
    fs::create_dir(place.path().join(HOME))?;
    fs::create_dir(place.path().join(TEMPORARY))?;
    Ok((place, owner))
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
        if is_one {
            remove_abandoned(&entry.path());
        }
    }
}

/// Removes a directory, if it belongs to nobody.
fn remove_abandoned(place: &Path) {
    let owner = || File::open(place.join(OWNER));
    let mut found = owner();
    if found.as_ref().is_err_and(is_missing) {
        // Its maker has not got further, or a removal has not. An empty one goes at
        // once: a maker that lives will notice. In another one the file is the first
        // thing that is made, so where it is missing still, it was there before.
        match fs::remove_dir(place) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => found = owner(),
            _ => return,
        }
    }
    match found {
        // The lock is held until all is gone, so that nobody takes it meanwhile.
        Ok(owner) if owner.try_lock().is_ok() => remove(place),
        Err(error) if is_missing(&error) => remove(place),
        // In use, or we cannot know.
        Ok(_) | Err(_) => {}
    }
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
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
        let empty = folder.path().join("checker-run-empty");
        fs::create_dir(&empty).unwrap();
        let halfway = left_by_nobody(folder.path(), "checker-run-halfway");
        fs::remove_file(halfway.join(OWNER)).unwrap();
        sweep_in(folder.path());
        let left = [&abandoned, &another, &held, &empty, &halfway].map(|place| place.exists());
        assert_eq!(left, [false, true, true, false, false]);
        drop(owner);
        sweep_in(folder.path());
        assert!(!held.exists());
    }

    #[test]
    fn a_sweep_takes_nothing_from_who_makes_one_meanwhile() {
        let made = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !made.load(std::sync::atomic::Ordering::Relaxed) {
                    sweep();
                }
            });
            for _ in 0..200 {
                let directory = Directory::make().unwrap();
                assert!(directory.path().join(TEMPORARY).is_dir());
            }
            made.store(true, std::sync::atomic::Ordering::Relaxed);
        });
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
