//! The few styles in use. Each must be legible on a light and on a dark
//! background, so there is no plain yellow, white, black or blue among them,
//! and a word or a mark always says the same as the colour.

use anstyle::{AnsiColor, Style};

pub(super) const PLAIN: Style = Style::new();
pub(super) const STRONG: Style = Style::new().bold();
pub(super) const QUIET: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const UNSURE: Style = AnsiColor::Magenta.on_default().bold();
/// Code within a sentence.
pub(super) const CODE: Style = AnsiColor::Cyan.on_default();
/// Calls that the learner's program makes.
pub(super) const CALL: Style = AnsiColor::Cyan.on_default();
/// The stretch of a timeline that tells the story.
pub(super) const STORY: Style = AnsiColor::Magenta.on_default().bold();
