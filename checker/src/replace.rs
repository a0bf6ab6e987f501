//! Files that are written whole or not at all.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How the name of a file begins that is not whole yet.
const PREFIX: &str = ".new-";
/// What has been so for longer than this is left from a process that was killed.
const ABANDONED: Duration = Duration::from_secs(600);

/// Puts `contents` in place of the file, which stays whole until then.
///
/// Clears away what a `kill -9` has left of earlier ones in this folder.
///
/// # Errors
/// The system's.
pub fn replace(file: &Path, contents: &[u8]) -> io::Result<()> {
    let folder = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt as _;
        // As any other new file: less what the umask takes.
        builder.permissions(Permissions::from_mode(0o666));
    }
    sweep(folder, SystemTime::now() - ABANDONED);
    let mut new = builder.tempfile_in(folder).map_err(plain)?;
    new.write_all(contents).map_err(plain)?;
    new.as_file().sync_all()?;
    new.persist(file)?;
    Ok(())
}

/// Removes our unfinished files that nobody has written to since then. Whatever
/// cannot be removed stays; it harms nobody.
fn sweep(folder: &Path, since: SystemTime) {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name();
        // tempfile adds six characters.
        let is_ours = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .is_some_and(|rest| rest.len() == 6 && rest.chars().all(char::is_alphanumeric));
        let is_old = || {
            let data = entry.metadata().ok()?;
            Some(data.is_file() && data.modified().ok()? < since)
        };
        if is_ours && is_old() == Some(true) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The system's own error, without the name of a file that nobody has heard of:
/// tempfile says `… at path "….new-x"`.
pub(crate) fn plain(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((why, _)) => io::Error::new(error.kind(), why),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kill_has_left_is_cleared_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let make = |name: &str, age: u64| {
            let file = std::fs::File::create(at(name)).expect("a file");
            let then = SystemTime::now() - Duration::from_secs(age);
            file.set_modified(then).expect("a time");
        };
        make(".new-a1B2c3", 1000);
        make(".new-young0", 60);
        make(".new-notours", 1000);
        make("b.rs.new-2", 1000);
        replace(&at("a.md"), b"text").expect("it can be written");
        let mut left: Vec<_> = std::fs::read_dir(folder.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        left.sort();
        let stays = [".new-notours", ".new-young0", "a.md", "b.rs.new-2"];
        assert_eq!(left, stays);
    }

    #[test]
    fn who_cannot_write_is_told_of_no_file_but_theirs() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("no/such/a.md");
        let error = replace(&file, b"text").expect_err("there is no folder");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!error.to_string().contains(".new-"), "{error}");
    }
}
