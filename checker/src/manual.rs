//! The command line described for others: man pages, and completions for shells.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Command};
use clap_complete::Shell;

use crate::replace;

/// What every exit code means, for `--help`; the README has the same table.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    pass
  1    fail
  2    wrong use, or a fault that is not yours (no cargo, no free port, a full disk)
  3    inconclusive: no telling, mostly for a busy machine; nothing is held against you
  130  you stopped it";

/// For which shell.
#[derive(Clone, Debug, Args)]
pub struct Completions {
    /// Your shell
    pub shell: Shell,
}

/// Where man pages go.
#[derive(Clone, Debug, Args)]
pub struct Man {
    /// A folder that gets a page per command [default: the page of `checker` itself, on standard output]
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// What a shell reads to complete the command line.
pub fn completions(options: &Completions, mut command: Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, "checker", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The page itself, or where the pages have been written.
///
/// # Errors
/// Where there is no such folder, or it cannot be written to.
pub fn man(options: &Man, command: Command) -> anyhow::Result<String> {
    let Some(folder) = &options.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .context("the page cannot be written")?;
        return Ok(String::from_utf8_lossy(&page).into_owned());
    };
    pages(folder, command)
}

fn pages(folder: &Path, command: Command) -> anyhow::Result<String> {
    let shown = folder.display();
    if !folder.is_dir() {
        bail!("there is no folder {shown}; make it first");
    }
    // Whole or not at all: first into a folder of their own beside the old ones.
    let written = || -> io::Result<()> {
        let new = tempfile::Builder::new()
            .prefix(".new-")
            .tempdir_in(folder)
            .map_err(replace::plain)?;
        clap_mangen::generate_to(command, new.path())?;
        for page in fs::read_dir(new.path())? {
            let page = page?;
            fs::rename(page.path(), folder.join(page.file_name()))?;
        }
        Ok(())
    };
    written().with_context(|| format!("man pages cannot be written to {shown}"))?;
    Ok(format!(
        "the man pages are in {shown}; `man -l {}` shows the first\n",
        folder.join("checker.1").display()
    ))
}
