//! Reports in the forms that other programs and other people read: each is one
//! function from values to text.

mod destination;
mod gradescope;
mod html;
mod junit;
mod markdown;
mod summary;

use clap::ValueEnum;

use crate::render;
use crate::report::{Outcome, Report};

pub use destination::Destination;
pub use summary::step_summary;

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// As `schema/report-v1.schema.json` has it.
    Json,
    /// The XML that CI servers read.
    Junit,
    /// One page that needs nothing else.
    Html,
    /// For a pull request.
    #[value(alias = "md")]
    Markdown,
    /// The `results.json` of an autograder.
    Gradescope,
}

/// The text of these reports. `all` says whether they are those of `--all`,
/// which are an array in JSON.
///
/// # Errors
/// Never for reports of this checker's.
pub fn write(form: Form, reports: &[Report], all: bool) -> anyhow::Result<String> {
    Ok(match (form, reports) {
        (Form::Json, [report]) if !all => render::json(report)?,
        (Form::Json, _) => render::json_of(reports)?,
        (Form::Junit, _) => junit::write(reports)?,
        (Form::Html, _) => html::write(reports),
        (Form::Markdown, _) => markdown::write(reports),
        (Form::Gradescope, _) => gradescope::write(reports)?,
    })
}

/// `ex02`, and what was graded where that is not the learner's own program.
fn subject(report: &Report) -> String {
    match report.program.as_str() {
        "exercise" => report.exercise.clone(),
        other => format!("{} · {}", report.exercise, render::clean(other)),
    }
}

/// An outcome in words.
const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Kept => "kept",
        Outcome::Broken => "broken",
        Outcome::Inconclusive => "could not be judged",
        Outcome::NotReached => "not reached",
    }
}

/// `3 kept, 1 broken`
fn counts(report: &Report) -> String {
    [
        Outcome::Kept,
        Outcome::Broken,
        Outcome::Inconclusive,
        Outcome::NotReached,
    ]
    .into_iter()
    .filter_map(|wanted| {
        let of = report.findings.iter().filter(|f| f.outcome == wanted);
        match of.count() {
            0 => None,
            count => Some(format!("{count} {}", outcome(wanted))),
        }
    })
    .collect::<Vec<_>>()
    .join(", ")
}

/// Somebody else's text without colours, and with nothing in it that acts or hides.
fn harmless(text: &str) -> String {
    render::clean(&anstream::adapter::strip_str(text).to_string())
}
