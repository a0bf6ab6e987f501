//! The course's invariants: what has to hold before anyone is taught by it.

use std::path::Path;

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::Say;
use super::corpus::{self, Entry, Score};
use crate::diagnosis::Diagnosis;
use crate::exercises::Graded;
use crate::progress::Progress;
use crate::report::{Outcome, Report, counted};
use crate::verify::{self, Program};
use crate::workshop::{Exercise, Workshop};

/// How to check.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Only programs whose name contains this
    #[arg(long)]
    pub only: Option<String>,
    /// How many are graded at a time
    #[arg(long, default_value_t = 4)]
    pub jobs: usize,
}

/// Diagnoses that some wrong program has to show. `connection-per-call` is an
/// advice to a right one.
fn wanted() -> impl Iterator<Item = Diagnosis> {
    Diagnosis::ALL
        .into_iter()
        .filter(|d| *d != Diagnosis::ConnectionPerCall)
}

/// Proves the course's invariants; 0 where they hold, else 1.
///
/// # Errors
/// Faults that are not the course's.
pub async fn run(
    workshop: &Workshop,
    options: &Options,
    keeper: &Path,
    say: Say<'_>,
) -> anyhow::Result<u8> {
    let mut complaints: Vec<String> = Vec::new();
    for exercise in &workshop.exercises {
        complaints.extend(description(workshop, exercise));
    }
    complaints.extend(super::starters::differences(workshop)?);
    let all = corpus::all(workshop)?;
    for diagnosis in wanted() {
        if !all.iter().any(|entry| entry.diagnosis == Some(diagnosis)) {
            complaints.push(format!("{diagnosis}: no wrong program shows it"));
        }
    }
    let mut programs = starters(workshop)?;
    programs.extend(all);
    programs.retain(|e| {
        options
            .only
            .as_ref()
            .is_none_or(|only| e.name.contains(only))
    });
    say(&format!("{}\n", counted(programs.len(), "program")))?;
    let prepared = corpus::prepared(workshop, programs, &Progress::silent()).await?;
    let mut grading = stream::iter(prepared.into_iter().map(|(entry, prepared)| async move {
        let report = verify::grade(prepared.clone(), 1, keeper, &Progress::silent()).await;
        (entry, prepared, report)
    }))
    .buffered(options.jobs.max(1));
    let (mut passed, mut failed) = (0, 0);
    let mut surprises = Vec::new();
    while let Some((entry, prepared, report)) = grading.next().await {
        let report = report?;
        if entry.score(&report) == Score::Right {
            passed += 1;
            complaints.extend(hidden(&entry, &report));
            say(&format!("ok    {:48} {}\n", entry.name, summary(&report)))?;
        } else {
            say(&format!("again {:48} {}\n", entry.name, summary(&report)))?;
            surprises.push((entry, prepared));
        }
    }
    // Whether the course is right is asked here. How often the checker is right
    // on a busy machine, as this one just was, is for `author soak` to count: a
    // surprise is graded once more, alone, and stays in sight above.
    drop(grading);
    for (entry, prepared) in surprises {
        let report = verify::grade(prepared, 1, keeper, &Progress::silent()).await?;
        let right = entry.score(&report) == Score::Right;
        if right {
            passed += 1;
            complaints.extend(hidden(&entry, &report));
        } else {
            failed += 1;
        }
        say(&format!(
            "{} {:48} {} (alone)\n",
            if right { "ok   " } else { "WRONG" },
            entry.name,
            summary(&report)
        ))?;
        if !right {
            complaints.push(format!(
                "{}: wanted {}, got {}",
                entry.name,
                entry.diagnosis.map_or("a pass", Diagnosis::code),
                summary(&report)
            ));
        }
    }
    for complaint in &complaints {
        say(&format!("the course is not right: {complaint}\n"))?;
    }
    say(&format!("{passed} passed, {failed} failed\n"))?;
    Ok(u8::from(!complaints.is_empty()))
}

/// Evidence that a learner cannot see.
fn hidden(entry: &Entry, report: &Report) -> Option<String> {
    let hidden = report.out_of_sight();
    (!hidden.is_empty()).then(|| {
        format!(
            "{}: of the exchanges that prove what is told, {hidden:?} are not in the timeline drawn",
            entry.name
        )
    })
}

fn summary(report: &Report) -> String {
    let undecided = report
        .findings
        .iter()
        .find(|f| f.outcome == Outcome::Inconclusive);
    match (report.leading(), undecided) {
        (Some(finding), _) => format!(
            "{} at {} ({:.0} ms)",
            finding.diagnosis.map_or("?", Diagnosis::code),
            finding.check,
            report.timings.verify_ms
        ),
        (None, Some(finding)) => format!("inconclusive at {}", finding.check),
        (None, None) => format!("pass ({:.0} ms)", report.timings.verify_ms),
    }
}

/// What learners are given: it must fail, each for its own reason.
fn starters(workshop: &Workshop) -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for exercise in &workshop.exercises {
        let mut push = |name: String, program, code: &str| {
            entries.push(Entry {
                name,
                exercise: exercise.clone(),
                program,
                diagnosis: Diagnosis::from_code(code),
                advice: None,
            });
        };
        push(
            format!("{} (starter)", exercise.id),
            Program::Exercise,
            &exercise.starter_fails_with,
        );
        if let Some(bonus) = &exercise.bonus {
            push(
                format!("{} (bonus starter)", exercise.id),
                Program::Bonus,
                &bonus.starter_fails_with,
            );
        }
    }
    Ok(entries)
}

/// What is wrong with an exercise's description.
fn description(workshop: &Workshop, exercise: &Exercise) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut demand = |holds: bool, complaint: &str| {
        if !holds {
            complaints.push(format!("{}: {complaint}", exercise.folder_name()));
        }
    };
    demand(
        exercise
            .folder_name()
            .starts_with(&format!("{}-", exercise.id)),
        "its folder is not named after its id",
    );
    demand(Graded::from_id(&exercise.id).is_some(), "nothing grades it");
    demand(!exercise.title.trim().is_empty(), "it has no title");
    demand(
        (1..=240).contains(&exercise.minutes),
        "its minutes are not plausible",
    );
    demand(
        exercise.hints.len() == 3 && exercise.hints.iter().all(|h| !h.trim().is_empty()),
        "it needs three hints",
    );
    let codes = std::iter::once(&exercise.starter_fails_with)
        .chain(exercise.bonus.iter().map(|bonus| &bonus.starter_fails_with));
    for code in codes {
        demand(
            Diagnosis::from_code(code).is_some(),
            &format!("`{code}` is no diagnosis"),
        );
    }
    demand(
        workshop
            .root
            .join("solutions")
            .join(exercise.folder_name())
            .join("Cargo.toml")
            .is_file(),
        "it has no solution folder of the same name",
    );
    demand(
        exercise.folder.join("README.md").is_file(),
        "it has no README.md",
    );
    if let Some(compare) = &exercise.compare {
        let starter = exercise.folder.join("src/main.rs");
        let copy = workshop
            .root
            .join("solutions")
            .join(exercise.folder_name())
            .join(format!("src/bin/{}.rs", compare.sequential.binary));
        // A learner's checkout differs here, and is meant to.
        // The book takes pieces of the copy by anchors, which would be in a learner's way.
        let read = |file| std::fs::read_to_string(file).map(without_anchors);
        let same = matches!((read(starter), read(copy)), (Ok(one), Ok(other)) if one == other);
        demand(
            same,
            "its starter and the sequential version that `compare` runs are not the same file",
        );
    }
    let orphans = std::fs::read_dir(workshop.root.join("solutions"))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            !workshop
                .exercises
                .iter()
                .any(|x| entry.file_name() == *x.folder_name())
                && entry.file_name() != super::hostile::FOLDER
        })
        .count();
    demand(orphans == 0, "solutions/ has folders without an exercise");
    complaints
}

fn without_anchors(source: String) -> Vec<String> {
    let is_anchor = |line: &str| {
        let line = line.trim_start();
        line.starts_with("// ANCHOR: ") || line.starts_with("// ANCHOR_END: ")
    };
    let lines = source.lines().filter(|line| !is_anchor(line));
    lines.map(str::to_owned).collect()
}
