//! What the probes of one verdict saw, kept so that it can be judged again without
//! them. `checker author tapes` records; `tests/tapes.rs` judges what was recorded.

use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::exercises::Judged;
use crate::observation::Observation;
use crate::report::{Finding, Gap};

/// One verdict, and all that it follows from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub struct Tape {
    /// The program's name.
    pub program: String,
    /// The exercise's id: `ex02`.
    pub exercise: String,
    /// Whether it is the bonus program's.
    pub bonus: bool,
    /// What the run was drawn from.
    pub seed: u64,
    /// What was judged.
    pub seen: Vec<Seen>,
    /// What was made of it.
    pub ruling: Ruling,
}

/// What one probe saw, and which probe it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub struct Seen {
    /// What was waited for.
    pub waiting_for: String,
    /// Which of those that wait for the same, counted from 1.
    pub nth: u32,
    /// What it saw.
    pub observation: Observation,
}

/// What judging says, before the source is read for hints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ruling {
    /// One per check.
    pub findings: Vec<Finding>,
    /// Each timeline's probe, and what it points at.
    pub gaps: Vec<(String, Option<Gap>)>,
}

impl Tape {
    /// Reads a tape. Its words stay in memory until the program ends, as the names
    /// of probes do that are written in the source.
    ///
    /// # Errors
    /// Where it cannot be read, or was recorded by another checker.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_str(text.leak()).with_context(|| {
            format!(
                "{} is no tape of this checker; record it again with `checker author tapes`",
                file.display()
            )
        })
    }
}

impl From<&Judged> for Ruling {
    fn from(judged: &Judged) -> Self {
        Self {
            findings: judged.findings.clone(),
            gaps: judged
                .timelines
                .iter()
                .map(|timeline| (timeline.probe.clone(), timeline.gap.clone()))
                .collect(),
        }
    }
}
