//! From the checkout's `book/` to pages, by `checker-book`: a program of its own,
//! so that mdBook is built by those who read, and not before the first verdict.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Once;

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::process::Command;

use super::pages::Pages;
use crate::compile::{self, Built, Target};
use crate::progress::Progress;

/// Builds the book as often as it is wanted.
#[derive(Debug)]
pub struct Builder {
    program: PathBuf,
    book: PathBuf,
    into: TempDir,
}

impl Builder {
    /// Builds `checker-book` itself. The first time that takes a while.
    ///
    /// # Errors
    /// Where there is no cargo, or this checkout's `checker-book` does not build.
    pub async fn prepare(root: &Path) -> anyhow::Result<Self> {
        let book = root.join("book");
        anyhow::ensure!(
            book.join("book.toml").is_file(),
            "{} has no book.toml; is the checkout whole?",
            book.display()
        );
        let target = Target::new("checker-book", "checker-book");
        let progress = Progress::on_stderr();
        let once = Once::new();
        let said = |crates, since| {
            progress.building("the book's server", crates, since);
            if crates > 0 && !progress.is_shown() {
                // Who reads this in a file or through a pipe sees no line that moves.
                once.call_once(|| {
                    let _ = writeln!(
                        std::io::stderr(),
                        "Building the book's server. The first time that takes a while."
                    );
                });
            }
        };
        let built = compile::build(root, &target, &said).await;
        progress.clear();
        let program = match built?.0 {
            Built::Program { path, .. } => path,
            Built::Broken { rendered } => anyhow::bail!(
                "checker-book, which builds the book, does not compile here. Is checker/book as it was shipped?\n{rendered}"
            ),
        };
        let into = tempfile::tempdir().context("no temporary folder to build the book into")?;
        Ok(Self {
            program,
            book,
            into,
        })
    }

    /// Builds the book as it is now.
    ///
    /// # Errors
    /// What mdBook says about it.
    pub async fn build(&self) -> anyhow::Result<Pages> {
        let built = Command::new(&self.program)
            .arg(&self.book)
            .arg(self.into.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("checker-book could not be started")?;
        let said = String::from_utf8_lossy(&built.stderr);
        anyhow::ensure!(
            built.status.success(),
            "the book cannot be built: {}",
            said.trim().trim_start_matches("error: ")
        );
        Pages::read(self.into.path())
    }
}
