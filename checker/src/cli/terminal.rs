//! The terminal, or what stands in its place: how wide it is, whether it has
//! colours, and how things are said there.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use clap::ValueEnum;

use crate::call::Call;
use crate::render::Sheet;

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    Auto,
    Always,
    Never,
}

/// What is drawn on.
pub(super) fn sheet(colour: Colour, timings: bool) -> Sheet {
    let terminal = std::io::stdout().is_terminal();
    let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    Sheet {
        width: width.clamp(40, 200),
        plain: !terminal && colour != Colour::Always,
        unicode: is_unicode(),
        timings,
        links: colour != Colour::Never
            && supports_hyperlinks::on(supports_hyperlinks::Stream::Stdout),
        call: Call::of_this_process(),
    }
}

/// Whether the terminal can be trusted with more than ASCII.
fn is_unicode() -> bool {
    if cfg!(windows) {
        return std::env::var_os("WT_SESSION").is_some();
    }
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .unwrap_or_default()
        .to_lowercase();
    let terminal = std::env::var("TERM").unwrap_or_default();
    terminal != "linux" && (locale.contains("utf-8") || locale.contains("utf8"))
}

/// Prints to standard output, with colours only where they are wanted. A pipe
/// that was closed (`| head`) is no error.
pub(super) fn print(text: &str, colour: Colour) -> anyhow::Result<()> {
    let mut out = anstream::AutoStream::new(std::io::stdout().lock(), choice(colour));
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output cannot be written to"),
    }
}

/// Whether what is printed has colours.
pub(super) fn choice(colour: Colour) -> anstream::ColorChoice {
    match colour {
        Colour::Auto => anstream::AutoStream::choice(&std::io::stdout()),
        Colour::Always => anstream::ColorChoice::Always,
        Colour::Never => anstream::ColorChoice::Never,
    }
}

/// Says what went wrong beside the matter; that never changes an exit code.
pub(super) fn warn(notice: Option<String>) {
    if let Some(notice) = notice {
        let notice = Call::of_this_process().spell(&notice).into_owned();
        let _ = writeln!(std::io::stderr(), "warning: {notice}");
    }
}
