//! What is remembered of a learner's way: one line each, with a checksum.
//!
//! ```text
//! ["9f1b02c4",{"kind":"attempt","at":1790000000,"exercise":"ex02", …}]
//! ```
//!
//! The line is JSON. The checksum is the CRC-32 of the text of the object.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::critical_path::Pace;
use crate::report::{Report, Verdict};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Record {
    /// The learner's own program was graded.
    Attempt(Attempt),
    /// A hint was shown that had not been shown before.
    Hint(Hint),
}

/// A verdict on the learner's own program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Seconds since 1970.
    pub at: u64,
    /// The exercise's id.
    pub exercise: String,
    /// Whether it was the bonus program.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bonus: bool,
    /// What came of it.
    pub verdict: Verdict,
    /// The code of the leading diagnosis. Text, since a later checker may know more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<String>,
    /// From the end of the build to the verdict.
    #[serde(rename = "verify_us", with = "micros")]
    pub verify: Duration,
    /// Where it passed: how quick it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
}

/// A hint that was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// Seconds since 1970.
    pub at: u64,
    /// The exercise's id.
    pub exercise: String,
    /// 1, 2 or 3.
    pub level: u8,
}

/// One line of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// As it stands in the file, without the newline.
    pub text: String,
    /// What it says; `None` where only a later checker knows.
    pub record: Option<Record>,
}

impl Attempt {
    /// The attempt that this report is about; `None` where what was graded is
    /// neither the learner's program nor the bonus.
    pub fn of(report: &Report, at: u64) -> Option<Self> {
        let bonus = match report.program.as_str() {
            "exercise" => false,
            "bonus" => true,
            _ => return None,
        };
        Some(Self {
            at,
            exercise: report.exercise.clone(),
            bonus,
            verdict: report.verdict(),
            diagnosis: report
                .leading()
                .and_then(|finding| finding.diagnosis)
                .map(|diagnosis| diagnosis.code().to_owned()),
            verify: Duration::from_secs_f64(report.timings.verify_ms.max(0.0) / 1e3),
            pace: Pace::of(report),
        })
    }
}

impl Record {
    /// Seconds since 1970.
    pub fn at(&self) -> u64 {
        match self {
            Self::Attempt(attempt) => attempt.at,
            Self::Hint(hint) => hint.at,
        }
    }

    /// The exercise's id.
    pub fn exercise(&self) -> &str {
        match self {
            Self::Attempt(attempt) => &attempt.exercise,
            Self::Hint(hint) => &hint.exercise,
        }
    }
}

impl Line {
    /// The line that says this.
    ///
    /// # Errors
    /// Never for a record of ours.
    pub fn of(record: &Record) -> serde_json::Result<Self> {
        let body = serde_json::to_string(record)?;
        Ok(Self {
            text: format!("[\"{}\",{body}]", checksum(&body)),
            record: Some(record.clone()),
        })
    }

    /// Reads a line; `None` where it is damaged.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (sum, body) = text
            .strip_prefix("[\"")?
            .strip_suffix(']')?
            .split_once("\",")?;
        (sum == checksum(body)).then(|| Self {
            text: text.to_owned(),
            record: serde_json::from_str(body).ok(),
        })
    }
}

fn checksum(body: &str) -> String {
    format!("{:08x}", crc32fast::hash(body.as_bytes()))
}

/// The present time, in seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Durations as whole microseconds.
pub(crate) mod micros {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(at: u64, exercise: &str, verdict: Verdict) -> Record {
        Record::Attempt(Attempt {
            at,
            exercise: exercise.to_owned(),
            bonus: false,
            verdict,
            diagnosis: (verdict == Verdict::Fail).then(|| "sequential".to_owned()),
            verify: Duration::from_micros(61_234),
            pace: (verdict == Verdict::Pass).then_some(Pace {
                wall: Duration::from_micros(2_100),
                critical_path: Duration::from_micros(1_400),
            }),
        })
    }

    #[test]
    fn a_line_says_what_was_recorded() {
        let hint = Record::Hint(Hint {
            at: 7,
            exercise: "ex02".to_owned(),
            level: 2,
        });
        for record in [
            attempt(1_790_000_000, "ex02", Verdict::Fail),
            attempt(1_790_000_060, "ex02", Verdict::Pass),
            hint,
        ] {
            let line = Line::of(&record).expect("it is JSON");
            assert_eq!(Line::read(line.text.as_bytes()), Some(line.clone()));
            assert_eq!(line.record, Some(record));
            assert!(serde_json::from_str::<serde_json::Value>(&line.text).is_ok());
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let line = Line::of(&attempt(1, "ex02", Verdict::Pass)).expect("it is JSON");
        for bit in 0..line.text.len() * 8 {
            let mut bytes = line.text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Line::read(&bytes), None, "bit {bit}");
        }
    }

    #[test]
    fn what_a_later_checker_wrote_is_intact() {
        let body = r#"{"kind":"badge","at":1}"#;
        let text = format!("[\"{}\",{body}]", checksum(body));
        let line = Line::read(text.as_bytes()).expect("it is intact");
        assert_eq!((line.text, line.record), (text, None));
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_read_or_damaged(bytes: Vec<u8>, body in r#"[{}\[\]:,"a-z0-9 ]{0,60}"#) {
            Line::read(&bytes);
            let line = format!("[\"{}\",{body}]", checksum(&body));
            let read = Line::read(line.as_bytes()).expect("its checksum is right");
            proptest::prop_assert_eq!(read.text, line);
        }
    }
}
