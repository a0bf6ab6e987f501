//! `checker verify`: build, grade, say, remember, report.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::keeper;
use super::terminal::{Colour, print, sheet, warn};
use crate::hint;
use crate::progress::Progress;
use crate::records;
use crate::render::{self, link::Pointer};
use crate::report::{Report, Verdict, counted};
use crate::reports::{self, Destination, Form};
use crate::verify::{self, Prepared, Program};
use crate::workshop::Workshop;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
    Junit,
    Html,
    #[value(alias = "md")]
    Markdown,
    Gradescope,
}

impl Format {
    /// What that is among the forms of reports; `None` for the terminal's own.
    const fn form(self) -> Option<Form> {
        match self {
            Self::Human => None,
            Self::Json => Some(Form::Json),
            Self::Junit => Some(Form::Junit),
            Self::Html => Some(Form::Html),
            Self::Markdown => Some(Form::Markdown),
            Self::Gradescope => Some(Form::Gradescope),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Options {
    /// `ex02`, `2`, or an unambiguous part of its name; without one, the first that
    /// has not passed
    exercise: Option<String>,
    /// Grade every exercise
    #[arg(long)]
    all: bool,
    /// Grade the solution instead of your program
    #[arg(long, conflicts_with = "exec")]
    solution: bool,
    /// Grade the bonus program
    #[arg(long, conflicts_with_all = ["exec", "all"])]
    bonus: bool,
    /// Grade any program that keeps the contract
    #[arg(long, value_name = "CMD", conflicts_with = "all")]
    exec: Option<String>,
    /// Repeat a run: its bodies and names are drawn from this
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// How to answer
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Write a report as well; its name says the form: .json, .xml (JUnit),
    /// .html, .md, results.json (Gradescope), or FORM:FILE. May be repeated
    #[arg(long, value_name = "FILE")]
    report: Vec<Destination>,
    /// Say the verdict and no more
    #[arg(long, short, conflicts_with_all = ["format", "timings"])]
    quiet: bool,
    /// Say where the time went
    #[arg(long)]
    timings: bool,
    /// Do not count this as an attempt
    #[arg(long)]
    no_record: bool,
}

pub(super) async fn run(
    workshop: &Workshop,
    options: &Options,
    colour: Colour,
) -> anyhow::Result<u8> {
    let seed = u64::from(options.seed.unwrap_or_else(|| fastrand::u32(..)));
    let keeper = keeper()?;
    let program = match (&options.exec, options.bonus, options.solution) {
        (Some(line), ..) => Program::Command(split(line)?),
        (None, true, true) => Program::BonusSolution,
        (None, true, false) => Program::Bonus,
        (None, false, true) => Program::Solution,
        (None, false, false) => Program::Exercise,
    };
    let exercises: Vec<_> = match &options.exercise {
        Some(wanted) if options.all => {
            anyhow::bail!("`--all` grades every exercise, and {wanted} is one; leave out either")
        }
        Some(wanted) => vec![workshop.exercise(wanted)?],
        None if options.all => workshop.exercises.iter().collect(),
        None => vec![hint::current(workshop, options.bonus)?],
    };
    options.report.iter().try_for_each(Destination::check)?;
    let progress = Progress::on_stderr();
    let sheet = sheet(colour, options.timings);
    let work = async {
        let wanted = exercises.iter().map(|exercise| (*exercise, &program));
        let prepared = verify::prepare_all(workshop, wanted, &progress).await?;
        if options.format == Format::Human && !options.quiet {
            print(&opening(&prepared), colour)?;
        }
        let grading = prepared
            .into_iter()
            .map(|prepared| verify::grade(prepared, seed, &keeper, &progress));
        // Side by side: what they mostly do is wait.
        futures_util::future::try_join_all(grading).await
    };
    let reports: Vec<Report> = tokio::select! {
        reports = work => reports,
        () = progress.keep_drawing() => Ok(Vec::new()),
    }
    .inspect_err(|_| progress.clear())?;
    progress.clear();
    if matches!(program, Program::Exercise | Program::Bonus) && !options.no_record {
        warn(records::remember(&workshop.root, &reports));
    }
    let text = match options.format.form() {
        None if options.quiet => reports
            .iter()
            .map(|report| render::verdict_line(report, &sheet))
            .collect(),
        None => reports
            .iter()
            .map(|report| render::human(report, &sheet))
            .chain((reports.len() > 1).then(|| render::verdict_lines(&reports, &sheet)))
            .collect::<Vec<_>>()
            .join("\n"),
        Some(form) => reports::write(form, &reports, options.all)?,
    };
    // Each goes its own way: where one cannot, the others still do.
    let said = print(&text, colour);
    if let Some(warning) = reports::step_summary(&reports) {
        let _ = writeln!(std::io::stderr(), "warning: {warning}");
    }
    let saved = options
        .report
        .iter()
        .map(|to| to.save(&reports, options.all))
        .fold(Ok(()), anyhow::Result::and);
    said.and(saved)?;
    if options.format == Format::Human && !options.quiet {
        let pointers = pointers(workshop, &reports, &options.report);
        print(&render::link::pointers(&pointers, &sheet), colour)?;
    }
    Ok(exit_code(&reports))
}

/// What is graded, and how long cargo has built it: once, where it was in one go.
fn opening(prepared: &[Prepared]) -> String {
    if let [one] = prepared {
        return render::opening(&one.title(), one.build_time());
    }
    let titles = prepared
        .iter()
        .map(|one| render::opening(&one.title(), Duration::ZERO));
    let build = prepared.iter().map(Prepared::build_time).max();
    let all = counted(prepared.len(), "program");
    titles
        .chain([render::opening(&all, build.unwrap_or_default())])
        .collect()
}

/// Where to go on: the page of what is not passed, and the reports.
fn pointers(workshop: &Workshop, reports: &[Report], written: &[Destination]) -> Vec<Pointer> {
    let pointer = |what, name: String, file: &Path| Pointer {
        what,
        name,
        url: file
            .canonicalize()
            .ok()
            .and_then(|file| url::Url::from_file_path(file).ok())
            .map(String::from),
    };
    let pages = reports
        .iter()
        .filter(|report| report.verdict() == Verdict::Fail)
        .filter_map(|report| {
            let chapter = if report.does_not_compile() {
                "compiler-errors.md"
            } else {
                workshop.exercise(&report.exercise).ok()?.chapter.as_str()
            };
            let page = Path::new("book").join("src").join(chapter);
            Some(pointer(
                "read more",
                in_book(&page),
                &workshop.root.join(&page),
            ))
        });
    let next = reports
        .iter()
        .filter(|report| report.verdict() == Verdict::Pass && report.program == "exercise")
        .filter_map(|report| {
            let mut later = workshop.exercises.iter();
            later.find(|exercise| exercise.id == report.exercise)?;
            later.next()
        })
        .filter(|_| reports.len() == 1)
        .map(|exercise| {
            let page = Path::new("book").join("src").join(&exercise.chapter);
            pointer(
                "next",
                format!("{}, {}: {}", exercise.id, exercise.title, in_book(&page)),
                &workshop.root.join(&page),
            )
        });
    let written = written
        .iter()
        .map(|to| pointer("report", to.file.display().to_string(), &to.file));
    let ours = reports
        .iter()
        .filter(|report| report.verdict() == Verdict::Pass && report.program == "exercise")
        .filter(|_| reports.len() == 1)
        .map(|report| Pointer {
            what: "compare",
            name: format!(
                "`checker solution {}` shows another answer",
                report.exercise
            ),
            url: None,
        });
    pages.chain(ours).chain(next).chain(written).collect()
}

/// A page of the book is Markdown, and better read in a browser.
fn in_book(page: &Path) -> String {
    format!("{} (in a browser: `checker book`)", page.display())
}

/// A fail anywhere is a fail; else anything undecided is inconclusive.
fn exit_code(reports: &[Report]) -> u8 {
    let verdicts: Vec<_> = reports.iter().map(Report::verdict).collect();
    [Verdict::Fail, Verdict::Inconclusive]
        .into_iter()
        .find(|verdict| verdicts.contains(verdict))
        .unwrap_or(Verdict::Pass)
        .exit_code()
}

fn split(line: &str) -> anyhow::Result<Vec<OsString>> {
    let words = shell_words::split(line)
        .context("--exec: a quote is not closed; write it as you would in a shell")?;
    Ok(words.into_iter().map(OsString::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_command_is_split_or_refused(line in r#"[\PC'"\\ ]{0,60}"#) {
            if let Err(error) = split(&line) {
                proptest::prop_assert!(error.to_string().starts_with("--exec: "));
            }
        }

        #[test]
        fn what_is_quoted_stays_together(words in proptest::collection::vec(r"\PC{0,12}", 0..6)) {
            let line = shell_words::join(&words);
            let words: Vec<_> = words.into_iter().map(OsString::from).collect();
            proptest::prop_assert_eq!(split(&line).expect("every quote is closed"), words);
        }
    }
}
