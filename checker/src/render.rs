//! Renderings of a [`Report`]: values in, text out. Nothing here prints.
//!
//! Text for people always carries its styles; whoever prints it takes them out
//! where colours are not wanted. Marks and words say everything a colour says.

mod axis;
mod canvas;
pub mod checkup;
mod clean;
pub mod compare;
mod difference;
mod glyphs;
mod hint;
mod human;
mod lanes;
pub mod link;
pub mod page;
mod prose;
mod rows;
#[cfg(test)]
pub(crate) mod samples;
pub mod standings;
mod story;
mod style;
pub mod svg;
pub mod timeline;

use std::time::Duration;

pub use clean::{clean, keep_colours};
pub use difference::difference;
pub use hint::hint;
pub use human::{human, verdict_line, verdict_lines};

use crate::call::Call;
use crate::report::{Report, Timeline, words};

/// What is drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// Columns; fewer than 40 are taken for 40.
    pub width: usize,
    /// Sentences instead of drawings: for screen readers, files and pipes.
    pub plain: bool,
    /// Whether more than ASCII can be shown.
    pub unicode: bool,
    /// Whether to say where the time went.
    pub timings: bool,
    /// Whether the terminal has links.
    pub links: bool,
    /// How commands are spelt.
    pub call: Call,
}

impl Default for Sheet {
    fn default() -> Self {
        Self {
            width: 80,
            plain: false,
            unicode: true,
            timings: false,
            links: false,
            call: Call::Checker,
        }
    }
}

impl Sheet {
    /// The columns to draw on.
    fn columns(&self) -> usize {
        self.width.max(40)
    }
}

/// `text` in letters that the sheet may use.
pub fn letters(text: String, sheet: &Sheet) -> String {
    glyphs::Glyphs::choose(sheet.unicode).letters(text)
}

/// The line that is said as soon as the build is over.
pub fn opening(title: &str, build: Duration) -> String {
    if build.is_zero() {
        format!("{title}\n")
    } else {
        format!("{title}, built in {}\n", words(build))
    }
}

/// A timeline in sentences, in order of time, each with its time. What `evidence`
/// names is never folded.
pub fn sentences(timeline: &Timeline, evidence: &[u32]) -> Vec<(String, String)> {
    let rows = rows::arrange(timeline, evidence, timeline::ROWS);
    story::sentences(timeline, &rows)
}

/// A report for programs, as `schema/report-v1.schema.json` has it.
///
/// # Errors
/// Never for a report of this checker's.
pub fn json(report: &Report) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// Several reports for programs: an array.
///
/// # Errors
/// Never for reports of this checker's.
pub fn json_of(reports: &[Report]) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(reports)? + "\n")
}
