//! The programs that the checker has to be right about. Their names say what
//! they are: `ex02-wrong-labels-swap--channel.rs`, `ex01-right-hyper.rs`. Files
//! in `other/` are written in other languages.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::compile::Target;
use crate::diagnosis::Diagnosis;
use crate::progress::Progress;
use crate::report::{Report, Verdict};
use crate::verify::{self, Prepared, Program};
use crate::workshop::{Exercise, Workshop};

/// A program and what the checker has to say about it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its file's name.
    pub name: String,
    /// The exercise that it answers.
    pub exercise: Exercise,
    /// How to get it.
    pub program: Program,
    /// `None` for a right program.
    pub diagnosis: Option<Diagnosis>,
    /// What a right program is to be told all the same.
    pub advice: Option<Diagnosis>,
}

/// How a verdict compares with the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Score {
    /// Verdict and diagnosis are right.
    Right,
    /// A wrong program passed.
    FalsePass,
    /// A right program failed.
    FalseFail,
    /// A wrong program failed for another reason than its own.
    WrongDiagnosis,
    /// The checker could not say.
    Inconclusive,
}

impl Score {
    /// Whether the checker said what is not so.
    pub fn is_wrong(self) -> bool {
        matches!(
            self,
            Self::FalsePass | Self::FalseFail | Self::WrongDiagnosis
        )
    }
}

impl Entry {
    /// How right a report about this program is.
    pub fn score(&self, report: &Report) -> Score {
        let found = report.leading().and_then(|finding| finding.diagnosis);
        match (report.verdict(), self.diagnosis) {
            (Verdict::Inconclusive, _) => Score::Inconclusive,
            (Verdict::Pass, None) => {
                let advised = |advice| report.findings.iter().any(|f| f.advice == Some(advice));
                if self.advice.is_none_or(advised) {
                    Score::Right
                } else {
                    Score::WrongDiagnosis
                }
            }
            (Verdict::Pass, Some(_)) => Score::FalsePass,
            (Verdict::Fail, None) => Score::FalseFail,
            (Verdict::Fail, wanted) if found == wanted => Score::Right,
            (Verdict::Fail, Some(_)) => Score::WrongDiagnosis,
        }
    }
}

/// Every program of the course: starters, solutions, bonuses, right and wrong.
///
/// # Errors
/// Where a file's name does not say what it is.
pub fn all(workshop: &Workshop) -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for exercise in &workshop.exercises {
        let entry = |name: String, program, diagnosis| Entry {
            name,
            exercise: exercise.clone(),
            program,
            diagnosis,
            advice: None,
        };
        let code = |code: &str| {
            Diagnosis::from_code(code)
                .with_context(|| format!("{}: `{code}` is no diagnosis", exercise.folder_name()))
        };
        entries.push(entry(
            format!("{}-solution", exercise.id),
            Program::Solution,
            None,
        ));
        if exercise.bonus.is_some() {
            entries.push(entry(
                format!("{}-bonus-solution", exercise.id),
                Program::BonusSolution,
                None,
            ));
        }
        if let Some(compare) = &exercise.compare {
            entries.push(entry(
                compare.callbacks.binary.clone(),
                Program::Target(Target::from(&compare.callbacks)),
                None,
            ));
        }
        let folder = workshop.root.join("solutions").join(exercise.folder_name());
        for name in files(&folder.join("src/bin"), "rs")? {
            let Some(kind) = name.strip_prefix(&format!("{}-", exercise.id)) else {
                bail!(
                    "{name}.rs in {}: its name begins with another exercise",
                    folder.display()
                );
            };
            let mut target = Target::new(&exercise.solution.package, &name);
            if name.ends_with("-not-compiling") {
                target.features.push("not-compiling".to_owned());
            }
            let program = Program::Target(target);
            match kind.split_once('-') {
                Some(("right", variant)) => entries.push(Entry {
                    advice: Diagnosis::from_code(variant),
                    ..entry(name.clone(), program, None)
                }),
                Some(("wrong", variant)) => {
                    let wanted = code(variant.split("--").next().unwrap_or(variant))?;
                    entries.push(entry(name.clone(), program, Some(wanted)));
                }
                _ => {}
            }
        }
        for name in files(&folder.join("other"), "py")? {
            if !has_python() {
                continue;
            }
            let file = folder.join("other").join(format!("{name}.py"));
            let program = Program::Command(vec![OsString::from("python3"), file.into_os_string()]);
            let kind = name
                .strip_prefix(&format!("{}-", exercise.id))
                .unwrap_or(&name);
            let wanted = match kind.strip_prefix("wrong-") {
                Some(variant) => Some(code(variant.split("--").next().unwrap_or(variant))?),
                None => None,
            };
            entries.push(entry(format!("{name}.py"), program, wanted));
        }
    }
    Ok(entries)
}

/// Builds these programs, those that compile in one go.
///
/// # Errors
/// Faults that are not theirs.
pub async fn prepared(
    workshop: &Workshop,
    entries: Vec<Entry>,
    progress: &Progress,
) -> anyhow::Result<Vec<(Entry, Prepared)>> {
    let wanted = entries
        .iter()
        .map(|entry| (&entry.exercise, &entry.program));
    let prepared = verify::prepare_all(workshop, wanted, progress).await?;
    Ok(entries.into_iter().zip(prepared).collect())
}

/// The names of the files of a kind in a folder, sorted; none where there is
/// no such folder.
fn files(folder: &Path, kind: &str) -> anyhow::Result<Vec<String>> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot read {}", folder.display()))?
            .path();
        if path.extension().is_some_and(|extension| extension == kind) {
            let name = path.file_stem().unwrap_or_default();
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn has_python() -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join("python3").is_file())
}
