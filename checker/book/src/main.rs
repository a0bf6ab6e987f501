//! Builds the book into a folder: `checker-book BOOK INTO`.
//!
//! `checker book` starts it, where mdbook need not be installed. It is a program
//! of its own so that nobody builds mdBook who only wants a verdict.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use mdbook_driver::MDBook;

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let outcome = match arguments.as_slice() {
        [book, into] => build(book, into),
        _ => Err(anyhow::anyhow!(
            "usage: checker-book BOOK INTO (`checker book` is the one to call)"
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn build(book: &Path, into: &Path) -> anyhow::Result<()> {
    let mut loaded =
        MDBook::load(book).with_context(|| format!("{} is no book", book.display()))?;
    into.clone_into(&mut loaded.config.build.build_dir);
    loaded
        .build()
        .with_context(|| format!("{} cannot be built", book.display()))
}
