//! The checkout: where it is, and which exercises it has.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::compile::Target;

/// A checkout of the workshop.
#[derive(Clone, Debug)]
pub struct Workshop {
    /// Its top folder.
    pub root: PathBuf,
    /// Its exercises, by id.
    pub exercises: Vec<Exercise>,
}

/// What an `exercise.toml` says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exercise {
    /// `ex02`
    pub id: String,
    /// `Today and tomorrow in parallel`
    pub title: String,
    /// How long a learner needs.
    pub minutes: u32,
    /// The learner's package.
    pub package: String,
    /// The learner's binary.
    pub binary: String,
    /// The answer.
    pub solution: Binary,
    /// The diagnosis that the starter gets.
    pub starter_fails_with: String,
    /// The services that it talks to.
    pub services: Vec<String>,
    /// Its page in the book.
    pub chapter: String,
    /// From a question to a few lines of code.
    pub hints: Vec<String>,
    /// An optional second program to write.
    pub bonus: Option<Bonus>,
    /// Three versions to look at side by side.
    pub compare: Option<Compare>,
    /// The folder that this was read from.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// A binary of a package.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binary {
    /// The package.
    pub package: String,
    /// The binary.
    pub binary: String,
}

/// A second program, for those who want more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bonus {
    /// `The same in callbacks`
    pub title: String,
    /// The learner's binary, in the exercise's package.
    pub binary: String,
    /// The answer, in the solution's package.
    pub solution_binary: String,
    /// The diagnosis that its starter gets.
    pub starter_fails_with: String,
}

/// The three versions of one server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    /// One after the other.
    pub sequential: Binary,
    /// With callbacks.
    pub callbacks: Binary,
    /// With async and await.
    #[serde(rename = "async")]
    pub asynchronous: Binary,
}

impl Workshop {
    /// The workshop that this folder is in.
    ///
    /// # Errors
    /// Where there is none, or one of its `exercise.toml` is broken.
    pub fn find(from: &Path) -> anyhow::Result<Self> {
        let Some(root) = from.ancestors().find(|folder| {
            folder.join("exercises").is_dir() && folder.join("Cargo.toml").is_file()
        }) else {
            bail!(
                "{} is not inside the workshop: no folder above it has both Cargo.toml and \
                 exercises/. Go to your checkout and try again, or name it with --workshop DIR.",
                from.display()
            );
        };
        Self::open(root)
    }

    fn open(root: &Path) -> anyhow::Result<Self> {
        let folder = root.join("exercises");
        let mut exercises = Vec::new();
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let folder = entry
                .with_context(|| format!("cannot read {}", folder.display()))?
                .path();
            let file = folder.join("exercise.toml");
            if file.is_file() {
                exercises.push(read(root, &file, folder)?);
            }
        }
        exercises.sort_by(|a, b| a.id.cmp(&b.id));
        if exercises.is_empty() {
            bail!(
                "{} has no exercises: none of its folders has an exercise.toml. Is the checkout whole?",
                folder.display()
            );
        }
        Ok(Self {
            root: root.to_owned(),
            exercises,
        })
    }

    /// Whether the answers are here; a learner's workshop may be without.
    pub fn has_answers(&self) -> bool {
        self.root.join("solutions").is_dir()
    }

    /// The exercise that a learner means: `ex02`, `2`, or a part of its name.
    ///
    /// # Errors
    /// Where none or several fit.
    pub fn exercise(&self, wanted: &str) -> anyhow::Result<&Exercise> {
        let lower = wanted.to_lowercase();
        let number = lower.trim_start_matches("ex").parse::<u32>().ok();
        let by_number = number.map(|n| format!("ex{n:02}"));
        if let Some(exercise) = self
            .exercises
            .iter()
            .find(|x| x.id == lower || Some(&x.id) == by_number.as_ref())
        {
            return Ok(exercise);
        }
        let fits: Vec<_> = self
            .exercises
            .iter()
            .filter(|x| {
                !lower.is_empty()
                    && number.is_none()
                    && (x.folder_name().contains(&lower) || x.title.to_lowercase().contains(&lower))
            })
            .collect();
        match fits.as_slice() {
            [one] => Ok(one),
            [] => {
                let nearest = self
                    .exercises
                    .iter()
                    .flat_map(|x| {
                        let folder = x.folder_name();
                        let name = folder
                            .split_once('-')
                            .map_or("", |(_, name)| name)
                            .to_owned();
                        [x.id.clone(), name, folder].map(|name| (x, name))
                    })
                    .map(|(x, name)| (x, strsim::jaro_winkler(&lower, &name)))
                    .max_by(|(_, a), (_, b)| a.total_cmp(b))
                    // One number is not like another, nor is every word like some name.
                    .filter(|(_, likeness)| number.is_none() && *likeness > 0.75)
                    .map(|(x, _)| x);
                let all: Vec<_> = self.exercises.iter().map(|x| x.id.as_str()).collect();
                match nearest {
                    Some(x) => bail!(
                        "there is no exercise `{wanted}`; did you mean `{}` ({})? There are {}.",
                        x.id,
                        x.title,
                        all.join(", ")
                    ),
                    None => bail!(
                        "there is no exercise `{wanted}`. There are {}; `checker list` names them.",
                        all.join(", ")
                    ),
                }
            }
            several => bail!(
                "`{wanted}` fits {}; say which one by its id.",
                several
                    .iter()
                    .map(|x| format!("{} ({})", x.id, x.title))
                    .collect::<Vec<_>>()
                    .join(" and ")
            ),
        }
    }
}

impl Exercise {
    /// `ex02-parallel`
    pub fn folder_name(&self) -> String {
        self.folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// Its bonus.
    ///
    /// # Errors
    /// Where it has none.
    pub fn the_bonus(&self) -> anyhow::Result<&Bonus> {
        self.bonus
            .as_ref()
            .with_context(|| format!("{} ({}) has no bonus", self.id, self.title))
    }

    /// The learner's program.
    pub fn target(&self) -> Target {
        Target::new(&self.package, &self.binary)
    }

    /// The answer.
    pub fn solution_target(&self) -> Target {
        Target::new(&self.solution.package, &self.solution.binary)
    }
}

impl From<&Binary> for Target {
    fn from(binary: &Binary) -> Self {
        Self::new(&binary.package, &binary.binary)
    }
}

fn read(root: &Path, file: &Path, folder: PathBuf) -> anyhow::Result<Exercise> {
    let shown = file.strip_prefix(root).unwrap_or(file).display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    let exercise = parse(&text, &shown)?;
    Ok(Exercise { folder, ..exercise })
}

fn parse(text: &str, shown: &dyn std::fmt::Display) -> anyhow::Result<Exercise> {
    toml::from_str(text).map_err(|error| {
        let line = line_of(text, error.span());
        let wrong = text.lines().nth(line - 1).unwrap_or_default().trim();
        let said = error.message().replace('\n', ", ");
        anyhow::anyhow!("{shown}, line {line} (`{wrong}`): {said}")
    })
}

fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let start = span.map_or(0, |span| span.start).min(text.len());
    text.as_bytes()[..start]
        .iter()
        .filter(|b| **b == b'\n')
        .count()
        + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workshop() -> Workshop {
        let exercise = |id: &str, title: &str, folder: &str| Exercise {
            id: id.into(),
            title: title.into(),
            minutes: 20,
            package: id.into(),
            binary: id.into(),
            solution: Binary {
                package: format!("{id}-solution"),
                binary: format!("{id}-solution"),
            },
            starter_fails_with: "sequential".into(),
            services: vec![],
            chapter: format!("{id}.md"),
            hints: vec![],
            bonus: None,
            compare: None,
            folder: folder.into(),
        };
        Workshop {
            root: ".".into(),
            exercises: vec![
                exercise("ex01", "Weather client", "ex01-weather-client"),
                exercise("ex02", "Today and tomorrow in parallel", "ex02-parallel"),
            ],
        }
    }

    #[test]
    fn an_exercise_is_found_by_id_number_and_part_of_its_name() {
        let workshop = workshop();
        for wanted in ["ex02", "EX02", "2", "02", "ex2", "parallel", "Tomorrow"] {
            let found = workshop.exercise(wanted).expect(wanted);
            assert_eq!(found.id, "ex02", "{wanted}");
        }
    }

    #[test]
    fn a_wrong_name_gets_the_nearest_one() {
        let error = workshop().exercise("wether").expect_err("is no exercise");
        assert!(error.to_string().contains("did you mean `ex01`"), "{error}");
    }

    #[test]
    fn what_is_like_no_name_gets_all_of_them() {
        for wanted in ["7", "ex99", "xyzzy", ""] {
            let error = workshop().exercise(wanted).expect_err("is no exercise");
            assert_eq!(
                error.to_string(),
                format!(
                    "there is no exercise `{wanted}`. There are ex01, ex02; `checker list` names them."
                )
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_description_is_read_or_refused_with_its_line(
            text in r"\PC*",
            lines in proptest::collection::vec(r#"[a-z_]{0,8} ?=? ?["'\[{]{0,3}\PC{0,9}["'\]}]{0,3}"#, 0..12),
        ) {
            for text in [text, lines.join("\n"), lines.join("\r\n")] {
                if let Err(error) = parse(&text, &"exercise.toml") {
                    proptest::prop_assert!(error.to_string().starts_with("exercise.toml, line "));
                }
            }
        }
    }

    #[test]
    fn a_part_that_fits_two_is_refused() {
        let error = workshop().exercise("e").expect_err("fits both");
        assert!(error.to_string().contains("ex01"), "{error}");
        assert!(error.to_string().contains("ex02"), "{error}");
    }
}
