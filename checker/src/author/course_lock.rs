//! Locks the course that `checker init` writes to what the repository is locked to.

use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::process::Command;

use super::Say;
use crate::course::files;
use crate::replace::replace;
use crate::workshop::Workshop;

/// Lets cargo make the course's lock of the repository's; 0 where that worked.
///
/// # Errors
/// Where cargo refuses, which it does where a crate is not here.
pub async fn run(workshop: &Workshop, say: Say<'_>) -> anyhow::Result<u8> {
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    for (path, contents) in files::unlocked(true)? {
        let file = folder.path().join(path);
        let parent = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&file, contents))
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let lock = folder.path().join("Cargo.lock");
    std::fs::copy(workshop.root.join("Cargo.lock"), &lock)
        .context("the repository's Cargo.lock cannot be copied")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--format-version", "1"])
        .current_dir(folder.path())
        .kill_on_drop(true)
        .output()
        .await
        .context("cargo does not run")?;
    if !output.status.success() {
        bail!(
            "cargo does not lock the course: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let made = std::fs::read(&lock).context("cargo has made no lock")?;
    let file = workshop.root.join("checker").join("course.lock");
    replace(&file, &made).with_context(|| format!("{} cannot be written", file.display()))?;
    say("checker/course.lock is up to date; build the checker again, which carries it\n")?;
    Ok(0)
}
