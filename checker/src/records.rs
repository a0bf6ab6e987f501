//! The file that remembers a learner's way: `.workshop/progress.jsonl`.
//!
//! ```text
//! lock → read → (set what is damaged aside) → write all to a file beside it → sync → rename → sync the folder
//! ```
//!
//! So whoever is killed leaves the old file or the new one. The lock belongs to
//! an open file: the system lets go of it when its owner ends, however that is.

mod contents;
mod lock;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::record::{self, Attempt, Line, Record};
use crate::remedy;
use crate::report::{Report, counted};

use self::contents::Contents;

/// The folder in a checkout that holds what the checker remembers.
pub const FOLDER: &str = ".workshop";

const FILE: &str = "progress.jsonl";

/// The records of one checkout.
#[derive(Clone, Debug)]
pub struct Records {
    folder: PathBuf,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remembered {
    /// In the order in which it was written.
    pub records: Vec<Record>,
    /// What the learner has to be told about the file, in one sentence.
    pub notice: Option<String>,
}

impl Records {
    /// The records of the checkout with that top folder.
    pub fn of(root: &Path) -> Self {
        Self {
            folder: root.join(FOLDER),
        }
    }

    /// All records that are intact. Lines that are not are set aside with a
    /// notice; a file that cannot be read is a notice, too.
    pub fn read(&self) -> Remembered {
        let text = match self.bytes() {
            Ok(text) => text,
            Err(error) => {
                return Remembered {
                    records: vec![],
                    notice: Some(format!(
                        "what you did before is not counted: {}",
                        remedy::told(&error)
                    )),
                };
            }
        };
        let contents = Contents::read(&text);
        let notice = (contents.damaged > 0).then(|| match self.change(None) {
            Ok(Some(notice)) => notice,
            // Somebody else was quicker.
            Ok(None) => "damaged lines of your progress were set aside".to_owned(),
            Err(error) => format!(
                "{} of {} is damaged, the rest is in use, and it could not be set aside: {}",
                counted(contents.damaged, "line"),
                self.file().display(),
                remedy::told(&error)
            ),
        });
        Remembered {
            records: contents
                .lines
                .into_iter()
                .filter_map(|l| l.record)
                .collect(),
            notice,
        }
    }

    /// Adds a record; once this returns, it is on the disk. What else was in the
    /// file may be worth a notice.
    ///
    /// # Errors
    /// Where the checkout cannot be written to, the disk is full, and the like.
    /// What was there before is still there.
    pub fn add(&self, record: &Record) -> anyhow::Result<Option<String>> {
        self.change(Some(record))
    }

    fn change(&self, record: Option<&Record>) -> anyhow::Result<Option<String>> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make the folder {}", self.folder.display()))?;
        let _lock = lock::take(&self.folder.join("lock"))?;
        let bytes = self.bytes()?;
        let mut contents = Contents::read(&bytes);
        if record.is_none() && contents.damaged == 0 {
            return Ok(None);
        }
        let notice = match contents.damaged {
            0 => None,
            damaged => {
                let aside = self.set_aside(&bytes)?;
                Some(format!(
                    "{} of {} {} damaged; the whole file is kept as {}, and {} intact in use",
                    counted(damaged, "line"),
                    self.file().display(),
                    if damaged == 1 { "was" } else { "were" },
                    aside.display(),
                    match contents.lines.len() {
                        1 => "1 line is".to_owned(),
                        intact => format!("{intact} lines are"),
                    }
                ))
            }
        };
        if let Some(record) = record {
            contents.lines.push(Line::of(record)?);
        }
        let file = self.file();
        self.replace(&contents)
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(notice)
    }

    fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        match fs::read(self.file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
            read => read.with_context(|| format!("cannot read {}", self.file().display())),
        }
    }

    /// Keeps a copy of a damaged file under the first free name.
    fn set_aside(&self, bytes: &[u8]) -> anyhow::Result<PathBuf> {
        for number in 1.. {
            let path = self.folder.join(format!("{FILE}.damaged-{number}"));
            match File::create_new(&path) {
                Ok(mut copy) => {
                    let written = copy.write_all(bytes).and_then(|()| copy.sync_all());
                    if let Err(error) = written {
                        let _ = fs::remove_file(&path);
                        return Err(error)
                            .with_context(|| format!("cannot write {}", path.display()));
                    }
                    return Ok(path);
                }
                // An earlier try got no further than this.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if fs::read(&path).is_ok_and(|kept| kept == bytes) {
                        return Ok(path);
                    }
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot write {}", path.display()));
                }
            }
        }
        anyhow::bail!("there is no free name for a copy of {FILE}")
    }

    fn replace(&self, contents: &Contents) -> io::Result<()> {
        let aside = self.folder.join(format!("{FILE}.new"));
        let mut new = File::create(&aside)?;
        let written = new
            .write_all(&contents.to_bytes())
            .and_then(|()| new.sync_all())
            .and_then(|()| fs::rename(&aside, self.file()));
        if written.is_err() {
            let _ = fs::remove_file(&aside);
        }
        written?;
        // A rename is on the disk once its folder is. Windows has no such call.
        #[cfg(unix)]
        File::open(&self.folder)?.sync_all()?;
        Ok(())
    }
}

/// Remembers what was graded, where that is the learner's own; what has to be
/// said about that. A verdict never fails because it cannot be remembered.
pub fn remember(root: &Path, reports: &[Report]) -> Option<String> {
    let records = Records::of(root);
    let at = record::now();
    let mut notice = None;
    for attempt in reports.iter().filter_map(|report| Attempt::of(report, at)) {
        match records.add(&Record::Attempt(attempt)) {
            Ok(said) => notice = notice.or(said),
            Err(error) => {
                return Some(format!(
                    "this attempt is not remembered: {}",
                    remedy::told(&error)
                ));
            }
        }
    }
    notice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Hint;

    fn hint(at: u64) -> Record {
        Record::Hint(Hint {
            at,
            exercise: "ex02".to_owned(),
            level: 1,
        })
    }

    fn records(count: u64) -> (tempfile::TempDir, Records) {
        let root = tempfile::tempdir().expect("a folder");
        let records = Records::of(root.path());
        for at in 0..count {
            assert_eq!(records.add(&hint(at)).expect("it is written"), None);
        }
        (root, records)
    }

    #[test]
    fn what_was_added_is_read() {
        let (_root, records) = records(3);
        let read = records.read();
        assert_eq!(read.records, [hint(0), hint(1), hint(2)]);
        assert_eq!(read.notice, None);
    }

    #[test]
    fn nothing_is_remembered_of_a_fresh_checkout_and_nothing_is_written() {
        let root = tempfile::tempdir().expect("a folder");
        assert_eq!(Records::of(root.path()).read(), Remembered::default());
        assert!(!root.path().join(FOLDER).exists());
    }

    #[test]
    fn damage_is_set_aside_with_a_notice_and_the_rest_is_kept() {
        let (_root, records) = records(5);
        for round in 1..=3 {
            let mut bytes = fs::read(records.file()).expect("a file");
            bytes[10] ^= 4;
            fs::write(records.file(), &bytes).expect("a file");
            // Reading mends it, and so does adding.
            let notice = match round {
                2 => records.add(&hint(9)).expect("it is written"),
                _ => records.read().notice,
            };
            let notice = notice.expect("a notice");
            let copy = format!("{FILE}.damaged-{round}");
            assert!(
                notice.contains("1 line of") && notice.contains(&copy),
                "{notice}"
            );
            assert_eq!(fs::read(records.folder.join(copy)).expect("a copy"), bytes);
            assert_eq!(records.read().notice, None);
        }
        assert_eq!(records.read().records, [hint(3), hint(4), hint(9)]);
    }

    #[test]
    fn a_file_that_is_none_is_a_notice() {
        let root = tempfile::tempdir().expect("a folder");
        let records = Records::of(root.path());
        fs::create_dir_all(records.file()).expect("a folder");
        let read = records.read();
        assert!(read.records.is_empty());
        assert!(
            read.notice
                .is_some_and(|notice| notice.contains("cannot read"))
        );
        assert!(records.add(&hint(1)).is_err());
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        let (_root, records) = records(2);
        let aside = records.folder.join(format!("{FILE}.new"));
        fs::create_dir(&aside).expect("a folder in the way");
        let error = records.add(&hint(2)).expect_err("it cannot be written");
        assert!(format!("{error:#}").contains("cannot write"), "{error:#}");
        assert_eq!(records.read().records, [hint(0), hint(1)]);
        fs::remove_dir(&aside).expect("it is still there");
        records.add(&hint(2)).expect("it is written");
        assert_eq!(records.read().records.len(), 3);
    }

    #[test]
    fn whoever_keeps_the_lock_for_long_is_named() {
        let (_root, records) = records(1);
        let _held = lock::take(&records.folder.join("lock")).expect("a lock");
        let error = records.add(&hint(2)).expect_err("it is held");
        assert!(
            format!("{error:#}").contains("another checker"),
            "{error:#}"
        );
    }

    #[test]
    fn checkers_at_once_lose_nothing() {
        let (_root, records) = records(0);
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let records = records.clone();
                scope.spawn(move || {
                    for number in 0..25 {
                        records
                            .add(&hint(writer * 100 + number))
                            .expect("it is written");
                    }
                });
            }
        });
        let mut read: Vec<_> = records.read().records.iter().map(Record::at).collect();
        read.sort_unstable();
        let all: Vec<u64> = (0..4)
            .flat_map(|w| (0..25).map(move |n| w * 100 + n))
            .collect();
        assert_eq!(read, all);
    }
}
