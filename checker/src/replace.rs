//! Files that are written whole or not at all.

use std::io::{self, Write as _};
use std::path::Path;

/// Puts `contents` in place of the file, which stays whole until then.
///
/// # Errors
/// The system's.
pub fn replace(file: &Path, contents: &[u8]) -> io::Result<()> {
    let folder = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".new-");
    #[cfg(unix)]
    {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt as _;
        // As any other new file: less what the umask takes.
        builder.permissions(Permissions::from_mode(0o666));
    }
    let mut new = builder.tempfile_in(folder)?;
    new.write_all(contents)?;
    new.as_file().sync_all()?;
    new.persist(file)?;
    Ok(())
}
