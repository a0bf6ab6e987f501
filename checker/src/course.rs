//! A workshop for a learner, from what the checker carries: `checker init` writes
//! it, `checker update` brings it up to date.
//!
//! It has the layout of the repository, less the checker itself: so the book's
//! includes, the manifests and everything that is named by its path hold in both.
//!
//! - [`files`]: what belongs to it; [`manifest`]: its `Cargo.toml`; [`lock`]: its
//!   `Cargo.lock`.
//! - [`mod@update`]: what is written, and that no line of the learner's is touched.

pub mod files;
pub mod lock;
pub mod manifest;
pub mod update;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use self::update::{Known, Outcome};
use crate::call::Call;
use crate::records;

/// What this checker's course is called in names of files.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where a workshop is to be.
#[derive(Clone, Debug, Args)]
pub struct Init {
    /// A folder that is new or empty; a workshop that is there is brought up to date
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Write the answers, too
    #[arg(long)]
    pub with_solutions: bool,
}

/// Writes a fresh workshop, and says in sentences what to do next.
///
/// # Errors
/// Where the folder holds something else, or cannot be written to.
pub fn init(options: &Init, call: Call) -> anyhow::Result<String> {
    let folder = &options.folder;
    let shown = folder.display();
    let known = Known::read(folder)?;
    if let Some(mut known) = known {
        known.with_solutions |= options.with_solutions;
        return tell(folder, &update::apply(folder, known)?);
    }
    fs::create_dir_all(folder).with_context(|| format!("{shown} cannot be made"))?;
    let mut entries = fs::read_dir(folder).with_context(|| format!("{shown} cannot be read"))?;
    // Without the file that makes a workshop of it, this folder is an `init` that
    // got no further.
    let ours = |entry: &fs::DirEntry| entry.file_name() == records::FOLDER;
    if entries.any(|entry| !entry.is_ok_and(|entry| ours(&entry))) {
        bail!("{shown} is not empty and is no workshop; name a folder that is new or empty");
    }
    update::apply(folder, Known::fresh(options.with_solutions))?;
    // What cargo runs by an alias of this checkout is not to be had elsewhere.
    let install = match call {
        Call::Checker => "",
        Call::CargoChecker => {
            "  cargo install --path checker   # here, once: then `checker` is there, too\n"
        }
    };
    Ok(format!(
        "The workshop is in {shown}.\n{install}  cd {shown}\n  cargo fetch --locked   # once: then no network is needed\n  checker verify ex01    # it fails, and shows why\n"
    ))
}

/// Brings the workshop up to date with this checker, and says what that did.
///
/// # Errors
/// Where it was not made by `init`, or cannot be written to.
pub fn update(folder: &Path) -> anyhow::Result<String> {
    let Some(known) = Known::read(folder)? else {
        bail!(
            "{} was not made by `checker init`; a checkout of the repository is brought up to date with `git pull`",
            folder.display()
        );
    };
    tell(folder, &update::apply(folder, known)?)
}

fn tell(folder: &Path, outcomes: &[(PathBuf, Outcome)]) -> anyhow::Result<String> {
    let mut said = String::new();
    for (path, outcome) in outcomes {
        let path = path.display();
        said += &match outcome {
            Outcome::Written => format!("  new      {path}\n"),
            Outcome::Updated => format!("  updated  {path}\n"),
            Outcome::Removed => format!("  removed  {path}, which is of no use any more\n"),
            Outcome::Beside(new) => format!(
                "  yours    {path} is as you left it; the new one is {}\n",
                new.display()
            ),
            Outcome::Left => {
                format!("  yours    {path} is as you left it; the course has it no more\n")
            }
        };
    }
    Ok(if said.is_empty() {
        format!(
            "The workshop in {} is up to date ({VERSION}).\n",
            folder.display()
        )
    } else {
        format!("The workshop is that of checker {VERSION} now.\n{said}")
    })
}
