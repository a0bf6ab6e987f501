//! What one verify found out: findings, timings, timelines. The verdict is
//! computed from the findings, so no second field can disagree with them.

use std::time::Duration;

use mock_services::exchange::Exchange;
use mock_services::moment::Moment;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::diagnosis::Diagnosis;

/// The version of the JSON that a [`Report`] becomes.
pub const SCHEMA: u32 = 1;

/// What is said where a machine was too busy to judge.
pub const TOO_BUSY: &str = "This machine was too busy to judge. Nothing is held against you.";

/// The result of one verify. Every rendering (terminal, JSON, …) reads this.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Report {
    /// The exercise's id: `ex02`.
    pub exercise: String,
    /// Its title: `Today and tomorrow in parallel`.
    pub title: String,
    /// What was graded: `exercise`, `solution`, `bonus`, or the command of `--exec`.
    pub program: String,
    /// What the bodies and names of this run were drawn from.
    pub seed: u64,
    /// How long it took.
    pub timings: Timings,
    /// One per check, in teaching order.
    pub findings: Vec<Finding>,
    /// What was recorded, one timeline per probe.
    pub timelines: Vec<Timeline>,
    /// The program's own last words, cleaned of control characters.
    #[serde(default)]
    pub output: String,
}

/// Where the time of a verify went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// `cargo build` in milliseconds, with `--all` of everything that is graded; 0 where
    /// nothing was built.
    pub build_ms: f64,
    /// From the end of the build to the verdict, in milliseconds.
    pub verify_ms: f64,
    /// Of that, from the first spawn to the first `/healthz` that answered 200.
    pub start_ms: f64,
    /// Of that, all probes.
    pub probe_ms: f64,
}

/// Pass, fail, or a machine too busy to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every check was kept.
    Pass,
    /// At least one check was broken, and that is proved.
    Fail,
    /// Nothing was proved broken, but not everything could be decided.
    Inconclusive,
}

/// One check and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The check's stable id: `ex02/overlap`.
    pub check: String,
    /// What the check asks, in a few words: `both calls are in flight together`.
    pub title: String,
    /// What came of it.
    pub outcome: Outcome,
    /// The mistake's name, where the check was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Diagnosis>,
    /// Something worth knowing that fails nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<Diagnosis>,
    /// What the contract asks for.
    pub expected: String,
    /// What was seen.
    pub observed: String,
    /// The one thing to do now; empty where nothing is to be done.
    pub next_step: String,
    /// The ids of the exchanges that prove it.
    pub evidence: Vec<u32>,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The contract was kept.
    Kept,
    /// The contract was broken, and that is proved.
    Broken,
    /// The machine was too busy, or cut off the question, or what was seen proves nothing
    /// either way; nobody's fault.
    Inconclusive,
    /// A deeper problem stood before it.
    NotReached,
}

/// What one probe saw, ready to be drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// The probe's id, the same as its check's: `ex02/overlap`.
    pub probe: String,
    /// What was done: `one client, both answers withheld until both were asked`.
    pub title: String,
    /// Every exchange, in order of arrival.
    pub exchanges: Vec<Exchange>,
    /// The stretch that tells the story, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
}

/// A stretch of a timeline that is worth pointing at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Where it starts.
    pub from: Moment,
    /// Where it ends.
    pub to: Moment,
    /// The exchange it belongs to (drawn beneath its row).
    pub exchange: u32,
    /// What it is, in a few words: `tomorrow not asked until today had answered`.
    pub label: String,
}

impl Report {
    /// Fail where a check is broken; else inconclusive where one could not be
    /// decided (or none was decided at all); else pass.
    pub fn verdict(&self) -> Verdict {
        let any = |outcome| self.findings.iter().any(|f| f.outcome == outcome);
        if any(Outcome::Broken) {
            Verdict::Fail
        } else if any(Outcome::Inconclusive) || !any(Outcome::Kept) || any(Outcome::NotReached) {
            Verdict::Inconclusive
        } else {
            Verdict::Pass
        }
    }

    /// The broken finding with the deepest cause: the one to talk about.
    pub fn leading(&self) -> Option<&Finding> {
        self.findings
            .iter()
            .filter(|f| f.outcome == Outcome::Broken)
            .min_by_key(|f| f.diagnosis.unwrap_or(Diagnosis::ConnectionPerCall))
    }

    /// The finding to tell of: the leading one, or else the first that could not
    /// be decided.
    pub fn told(&self) -> Option<&Finding> {
        self.leading().or_else(|| {
            self.findings
                .iter()
                .find(|f| f.outcome == Outcome::Inconclusive)
        })
    }

    /// What to say beside the verdict, in one line.
    pub fn headline(&self) -> String {
        match self.leading().and_then(|finding| finding.diagnosis) {
            Some(diagnosis) => format!("{diagnosis}: {}", diagnosis.headline()),
            None if self.verdict() == Verdict::Inconclusive => {
                let unsure = |finding: &Finding| finding.observed != TOO_BUSY;
                let why = match self.told() {
                    Some(finding) if unsure(finding) => "what was seen proves nothing either way",
                    _ => "this machine was too busy to judge",
                };
                format!("{why}; nothing is held against you")
            }
            None => "every check was kept".to_owned(),
        }
    }

    /// The timeline that belongs to what is told, with the evidence in it; on a
    /// pass the one in which most waits at once.
    pub fn drawn(&self) -> Option<(&Timeline, &[u32])> {
        let Some(finding) = self.told() else {
            let timeline = ["overlap", "together", "slow", "fresh"]
                .iter()
                .find_map(|check| self.timeline(&format!("{}/{check}", self.exercise)))?;
            return Some((timeline, &[]));
        };
        let holds_evidence = |timeline: &&Timeline| {
            finding
                .evidence
                .iter()
                .any(|id| timeline.exchanges.iter().any(|x| x.id == *id))
        };
        // By its evidence first: it need not lie in the check's own timeline.
        let timeline = self
            .timeline(&finding.check)
            .filter(holds_evidence)
            .or_else(|| self.timelines.iter().find(holds_evidence))
            .or_else(|| self.timeline(&finding.check))?;
        (!timeline.exchanges.is_empty()).then_some((timeline, finding.evidence.as_slice()))
    }

    /// The exchanges that prove what is told, and are not in the timeline drawn for it.
    pub fn out_of_sight(&self) -> Vec<u32> {
        let shown = self
            .drawn()
            .map_or(&[][..], |(timeline, _)| &timeline.exchanges);
        let evidence = self.told().map_or(&[][..], |finding| &finding.evidence);
        let is_hidden = |id: &&u32| !shown.iter().any(|x| x.id == **id);
        evidence.iter().filter(is_hidden).copied().collect()
    }

    /// Whether the compiler is the one to listen to.
    pub fn does_not_compile(&self) -> bool {
        let leading = self.leading().and_then(|finding| finding.diagnosis);
        leading == Some(Diagnosis::NotCompiling)
    }

    /// The timeline of a check's probe.
    pub fn timeline(&self, check: &str) -> Option<&Timeline> {
        self.timelines.iter().find(|t| t.probe == check)
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("Report", 10)?;
        report.serialize_field("schema", &SCHEMA)?;
        report.serialize_field("exercise", &self.exercise)?;
        report.serialize_field("title", &self.title)?;
        report.serialize_field("program", &self.program)?;
        report.serialize_field("verdict", &self.verdict())?;
        report.serialize_field("seed", &self.seed)?;
        report.serialize_field("timings", &self.timings)?;
        report.serialize_field("findings", &self.findings)?;
        report.serialize_field("timelines", &self.timelines)?;
        report.serialize_field("output", &self.output)?;
        report.end()
    }
}

impl Verdict {
    /// The exit code that stands for it.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Inconclusive => 3,
        }
    }
}

impl Timeline {
    /// The earliest and the latest moment in it; `None` where nothing happened.
    pub fn span(&self) -> Option<(Moment, Moment)> {
        let start = self.exchanges.iter().map(|x| x.arrived).min()?;
        let end = self
            .exchanges
            .iter()
            .flat_map(|x| {
                let end = x.ended.or(x.answered).unwrap_or(x.arrived);
                x.frames.iter().map(|frames| frames.at).chain([end])
            })
            .max()?;
        Some((start, end))
    }
}

/// A number of things: `1 minute`, `2 minutes`.
pub fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// Milliseconds of a report. It may have been read back, and say anything.
pub fn milliseconds(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms.max(0.0) / 1e3).unwrap_or(Duration::MAX)
}

/// A duration as people read it: `340 µs`, `2.1 ms`, `43 ms`, `1.20 s`.
pub fn words(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{:.1} ms", duration.as_secs_f64() * 1e3),
        10_000..1_000_000 => format!("{:.0} ms", duration.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", duration.as_secs_f64()),
    }
}
