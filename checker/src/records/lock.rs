//! One checker at a time.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;

/// Others hold the lock for some milliseconds. Whoever holds it for longer was
/// stopped, and may never be woken.
const PATIENCE: Duration = Duration::from_secs(3);

/// Holds the lock until the file is closed, however that comes about.
pub(super) fn take(path: &Path) -> anyhow::Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        // Some file systems know no locks; one checker at a time is the rule there.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            return Ok(file);
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
        Err(TryLockError::WouldBlock) => {}
    }
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let locked = file.lock().map(|()| file);
        let _ = tell.send(locked); // nobody waits any more: the file is closed, the lock gone
    });
    told.recv_timeout(PATIENCE)
        .with_context(|| {
            format!(
                "another checker holds {} and does not go on; is it stopped?",
                path.display()
            )
        })?
        .with_context(|| format!("cannot lock {}", path.display()))
}
