//! Brings a workshop to what this checker carries. What the learner has changed
//! is told apart by a hash of what was written, and never touched.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::VERSION;
use super::files::{Files, files};
use crate::replace::replace;

/// Where a workshop remembers what was written.
const KNOWN: &str = ".workshop/course.json";

/// What was written into a workshop, by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The checker that wrote it last.
    version: String,
    /// Whether the answers are there.
    pub with_solutions: bool,
    /// The hash of each file as the course had it, by a path with slashes.
    files: BTreeMap<String, String>,
}

/// What became of a file; nothing is told of one that stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there.
    Written,
    /// It was as an older course had it.
    Updated,
    /// It was as an older course had it, and this one has it no more.
    Removed,
    /// The learner has changed it, and so has the course: that is beside it.
    Beside(PathBuf),
    /// The learner has changed it, and the course has it no more.
    Left,
}

impl Known {
    /// Of a workshop in which nothing is yet.
    pub fn fresh(with_solutions: bool) -> Self {
        Self {
            version: VERSION.to_owned(),
            with_solutions,
            files: BTreeMap::new(),
        }
    }

    /// What is known of that workshop; `None` where `init` has not made it.
    ///
    /// # Errors
    /// Where the file is damaged.
    pub fn read(workshop: &Path) -> anyhow::Result<Option<Self>> {
        let file = workshop.join(KNOWN);
        match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).map(Some).with_context(|| {
                format!(
                    "{} is damaged, so nobody knows what is yours; move it away and use `checker init` on a new folder",
                    file.display()
                )
            }),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
        }
    }

    fn write(&self, workshop: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        write(&workshop.join(KNOWN), text.as_bytes())
    }
}

/// Brings the workshop up to date.
///
/// # Errors
/// Where a file cannot be read or written. To try again goes on from there.
pub fn apply(workshop: &Path, known: Known) -> anyhow::Result<Vec<(PathBuf, Outcome)>> {
    let new = files(known.with_solutions)?;
    bring(workshop, known, &new, VERSION)
}

fn bring(
    workshop: &Path,
    mut known: Known,
    new: &Files,
    version: &str,
) -> anyhow::Result<Vec<(PathBuf, Outcome)>> {
    // First, so that a workshop that was not finished is known for one.
    if known.files.is_empty() {
        known.write(workshop)?;
    }
    let mut outcomes = vec![];
    for (path, contents) in new {
        let file = workshop.join(path);
        let before = known.files.get(&slashed(path)).cloned();
        let outcome = one(&file, contents, before.as_deref(), version)?;
        known.files.insert(slashed(path), hash(contents));
        if let Some(outcome) = outcome {
            let outcome = match outcome {
                Outcome::Beside(file) => {
                    Outcome::Beside(file.strip_prefix(workshop).unwrap_or(&file).to_owned())
                }
                other => other,
            };
            outcomes.push((path.clone(), outcome));
        }
    }
    let gone: Vec<_> = known
        .files
        .keys()
        .filter(|path| !new.contains_key(Path::new(path)))
        .cloned()
        .collect();
    for path in gone {
        let file = workshop.join(&path);
        let before = known.files.remove(&path);
        match found(&file)? {
            None => {}
            Some(there) if Some(&there) == before.as_ref() => {
                fs::remove_file(&file)
                    .with_context(|| format!("{} cannot be removed", file.display()))?;
                outcomes.push((path.into(), Outcome::Removed));
            }
            Some(_) => outcomes.push((path.into(), Outcome::Left)),
        }
    }
    known.version = version.to_owned();
    known.write(workshop)?;
    Ok(outcomes)
}

/// Brings one file up to date, of which the course had `before`.
fn one(
    file: &Path,
    contents: &[u8],
    before: Option<&str>,
    version: &str,
) -> anyhow::Result<Option<Outcome>> {
    let new = hash(contents);
    let Some(there) = found(file)? else {
        write(file, contents)?;
        return Ok(Some(Outcome::Written));
    };
    if there == new {
        return Ok(None);
    }
    if Some(there.as_str()) == before {
        write(file, contents)?;
        return Ok(Some(Outcome::Updated));
    }
    // The learner's. Where the course has not changed, there is nothing to tell.
    if Some(new.as_str()) == before {
        return Ok(None);
    }
    let beside = beside(file, &new, version)?;
    write(&beside, contents)?;
    Ok(Some(Outcome::Beside(beside)))
}

/// `FILE.new-VERSION`, or the first such name that holds nothing else.
fn beside(file: &Path, new: &str, version: &str) -> anyhow::Result<PathBuf> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    for nth in 1_u32.. {
        let more = if nth == 1 {
            String::new()
        } else {
            format!("-{nth}")
        };
        let beside = file.with_file_name(format!("{name}.new-{version}{more}"));
        match found(&beside)? {
            Some(other) if other != new => {}
            _ => return Ok(beside),
        }
    }
    anyhow::bail!("there is no name left beside {}", file.display())
}

/// The hash of what is there. A link is the learner's, whatever it leads to.
fn found(file: &Path) -> anyhow::Result<Option<String>> {
    let cannot = || format!("{} cannot be read", file.display());
    match fs::symlink_metadata(file) {
        Ok(there) if there.is_file() => Ok(Some(hash(&fs::read(file).with_context(cannot)?))),
        Ok(_) => Ok(Some("the learner's".to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(cannot),
    }
}

fn write(file: &Path, contents: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    replace(file, contents).with_context(|| format!("{} cannot be written", file.display()))
}

fn hash(contents: &[u8]) -> String {
    let digest = Sha256::digest(contents);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A path as it is written on every system.
pub(super) fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(files: &[(&str, &'static str)]) -> Files {
        files
            .iter()
            .map(|(path, text)| (PathBuf::from(path), text.as_bytes().into()))
            .collect()
    }

    /// A workshop that has been made of these, and what `bring` makes of it.
    struct Case(tempfile::TempDir);

    impl Case {
        fn made(files: &[(&str, &'static str)]) -> Self {
            let case = Self(tempfile::tempdir().expect("a folder"));
            let fresh = Known::fresh(false);
            bring(case.0.path(), fresh, &course(files), "1").expect("made");
            case
        }

        fn update(&self, files: &[(&str, &'static str)], version: &str) -> Vec<(String, Outcome)> {
            let known = Known::read(self.0.path()).expect("read").expect("known");
            let outcomes = bring(self.0.path(), known, &course(files), version).expect("brought");
            outcomes
                .into_iter()
                .map(|(path, outcome)| (slashed(&path), outcome))
                .collect()
        }

        fn text(&self, path: &str) -> Option<String> {
            fs::read_to_string(self.0.path().join(path)).ok()
        }

        fn change(&self, path: &str, text: &str) {
            fs::write(self.0.path().join(path), text).expect("written");
        }
    }

    fn told(path: &str, outcome: Outcome) -> Vec<(String, Outcome)> {
        vec![(path.to_owned(), outcome)]
    }

    #[test]
    fn a_file_that_nobody_touched_is_updated() {
        let case = Case::made(&[("a/b.rs", "old")]);
        assert_eq!(case.update(&[("a/b.rs", "old")], "2"), []);
        assert_eq!(
            case.update(&[("a/b.rs", "new")], "2"),
            told("a/b.rs", Outcome::Updated)
        );
        assert_eq!(case.text("a/b.rs").as_deref(), Some("new"));
    }

    #[test]
    fn a_file_that_the_learner_changed_stays_and_the_new_one_is_beside_it() {
        let case = Case::made(&[("b.rs", "old")]);
        case.change("b.rs", "mine");
        assert_eq!(
            case.update(&[("b.rs", "old")], "2"),
            [],
            "the course has not changed"
        );
        let beside = Outcome::Beside("b.rs.new-2".into());
        assert_eq!(case.update(&[("b.rs", "new")], "2"), told("b.rs", beside));
        assert_eq!(case.text("b.rs").as_deref(), Some("mine"));
        assert_eq!(case.text("b.rs.new-2").as_deref(), Some("new"));
        assert_eq!(case.update(&[("b.rs", "new")], "2"), [], "it is told once");

        // The learner has taken it over: from now on it is like any other.
        case.change("b.rs", "new");
        assert_eq!(
            case.update(&[("b.rs", "newer")], "3"),
            told("b.rs", Outcome::Updated)
        );
    }

    #[test]
    fn nothing_beside_is_written_over() {
        let case = Case::made(&[("b.rs", "old")]);
        case.change("b.rs", "mine");
        case.change("b.rs.new-2", "my notes");
        let beside = Outcome::Beside("b.rs.new-2-2".into());
        assert_eq!(case.update(&[("b.rs", "new")], "2"), told("b.rs", beside));
        assert_eq!(case.text("b.rs.new-2").as_deref(), Some("my notes"));
    }

    #[test]
    fn new_files_come_and_those_of_the_learner_stay() {
        let case = Case::made(&[("a.rs", "a")]);
        case.change("mine.rs", "mine");
        case.change("c.rs", "mine too");
        let course = [("a.rs", "a"), ("b.rs", "b"), ("c.rs", "c")];
        let outcomes = case.update(&course, "2");
        let beside = Outcome::Beside("c.rs.new-2".into());
        assert_eq!(
            outcomes,
            [
                ("b.rs".to_owned(), Outcome::Written),
                ("c.rs".to_owned(), beside)
            ]
        );
        assert_eq!(case.text("mine.rs").as_deref(), Some("mine"));
        assert_eq!(case.text("c.rs").as_deref(), Some("mine too"));
    }

    #[test]
    fn what_was_deleted_comes_back() {
        let case = Case::made(&[("a.rs", "a"), ("b.rs", "b")]);
        fs::remove_file(case.0.path().join("a.rs")).expect("removed");
        let course = [("a.rs", "a"), ("b.rs", "b")];
        assert_eq!(case.update(&course, "1"), told("a.rs", Outcome::Written));
    }

    #[test]
    fn what_the_course_has_no_more_goes_unless_the_learner_changed_it() {
        let case = Case::made(&[("a.rs", "a"), ("b.rs", "b"), ("c.rs", "c")]);
        case.change("b.rs", "mine");
        let outcomes = case.update(&[("c.rs", "c")], "2");
        assert_eq!(
            outcomes,
            [
                ("a.rs".to_owned(), Outcome::Removed),
                ("b.rs".to_owned(), Outcome::Left)
            ]
        );
        assert_eq!(case.text("a.rs"), None);
        assert_eq!(case.text("b.rs").as_deref(), Some("mine"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_of_the_learners_is_not_replaced() {
        let case = Case::made(&[("a.rs", "a")]);
        let (link, own) = (case.0.path().join("a.rs"), case.0.path().join("own.rs"));
        fs::write(&own, "a").expect("written");
        fs::remove_file(&link).expect("removed");
        std::os::unix::fs::symlink(&own, &link).expect("linked");
        let beside = Outcome::Beside("a.rs.new-2".into());
        assert_eq!(case.update(&[("a.rs", "new")], "2"), told("a.rs", beside));
        assert!(link.is_symlink() && case.text("own.rs").as_deref() == Some("a"));
    }

    #[test]
    fn a_workshop_that_was_not_finished_is_finished_later() {
        let case = Case(tempfile::tempdir().expect("a folder"));
        Known::fresh(false).write(case.0.path()).expect("written");
        case.change("a.rs", "a");
        let outcomes = case.update(&[("a.rs", "a"), ("b.rs", "b")], "1");
        assert_eq!(outcomes, told("b.rs", Outcome::Written));
    }

    #[test]
    fn a_damaged_memory_is_told_and_nothing_is_written() {
        let case = Case::made(&[("a.rs", "a")]);
        case.change(KNOWN, "{ half");
        let error = Known::read(case.0.path()).expect_err("damaged");
        assert!(error.to_string().contains("damaged"), "{error}");
    }
}
