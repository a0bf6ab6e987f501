//! Renderings of a report.

use std::time::Duration;

use crate::report::{Outcome, Report, words};

pub mod compare;

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub struct Sheet {
    /// Columns.
    pub width: usize,
    /// Words instead of drawings.
    pub plain: bool,
    /// More than ASCII.
    pub unicode: bool,
    /// Only the verdict.
    pub quiet: bool,
    /// Where the time went.
    pub timings: bool,
}

/// The line that is said as soon as the build is over.
pub fn opening(title: String, build: Duration) -> String {
    format!("{title}, built in {}\n", words(build))
}

/// For people.
pub fn human(report: &Report, _sheet: &Sheet) -> String {
    let mut text = format!("{:?}\n", report.verdict());
    for f in &report.findings {
        text += &format!(
            "  {:?} {} {} {:?}\n",
            f.outcome,
            f.check,
            f.diagnosis.map_or("", |d| d.code()),
            f.advice
        );
        if matches!(f.outcome, Outcome::Broken | Outcome::Inconclusive) {
            text += &format!("      {}\n      -> {}\n", f.observed, f.next_step);
        }
    }
    text += &format!("{:?}\n", report.timings);
    text
}

/// For programs.
pub fn json(report: &Report) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// For programs, several.
pub fn json_of(reports: &[Report]) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(reports)? + "\n")
}
