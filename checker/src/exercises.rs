//! How each exercise is probed and judged: one file per exercise, one line here.

mod ex01;
mod ex02;
mod ex03;
mod ex04;
mod ex05;
mod ex06;
mod gaps;
mod guests;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use crate::diagnosis::Diagnosis;
use crate::judge::Check;
use crate::observation::Observation;
use crate::probing::Probing;
use crate::report::{Finding, Timeline};
use crate::stage::Setting;

/// What an exercise makes of a program that has become ready.
#[derive(Debug)]
pub struct Judged {
    /// One per check, in teaching order, without `ready`.
    pub findings: Vec<Finding>,
    /// One per probe that is worth drawing.
    pub timelines: Vec<Timeline>,
    /// What the program printed in the probe that matters most.
    pub output: String,
}

/// An exercise that this checker can grade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graded {
    /// Weather client.
    Ex01,
    /// Today and tomorrow in parallel.
    Ex02,
    /// Discovery proxy.
    Ex03,
    /// Auth check.
    Ex04,
    /// Chat.
    Ex05,
    /// Noise gateway.
    Ex06,
}

impl Graded {
    /// The exercise with that id.
    pub fn from_id(id: &str) -> Option<Self> {
        match id {
            "ex01" => Some(Self::Ex01),
            "ex02" => Some(Self::Ex02),
            "ex03" => Some(Self::Ex03),
            "ex04" => Some(Self::Ex04),
            "ex05" => Some(Self::Ex05),
            "ex06" => Some(Self::Ex06),
            _ => None,
        }
    }

    /// The ids and titles of its checks, in teaching order, without `ready`.
    pub fn checks(self) -> Vec<Check> {
        match self {
            Self::Ex01 => ex01::checks(),
            Self::Ex02 => ex02::checks(),
            Self::Ex03 => ex03::checks(),
            Self::Ex04 => ex04::checks(),
            Self::Ex05 => ex05::checks(),
            Self::Ex06 => ex06::checks(),
        }
    }

    /// How the first stage of a verify is set.
    pub fn setting(self, bonus: bool) -> Setting {
        match self {
            Self::Ex01 | Self::Ex02 => Setting::default(),
            Self::Ex03 => ex03::setting(),
            Self::Ex04 => ex04::setting(bonus),
            Self::Ex05 => ex05::setting(),
            Self::Ex06 => ex06::setting(),
        }
    }

    /// Probes a program whose first instance is ready, and judges what it saw.
    ///
    /// # Errors
    /// Faults that are not the learner's.
    pub async fn grade(self, probing: &Probing<'_>, bonus: bool) -> anyhow::Result<Judged> {
        self.grading(probing, bonus).await
    }

    /// On the heap: each of these is hundreds of kilobytes of probes side by
    /// side, too much for the stacks that some systems and tests have.
    fn grading<'a, 'run: 'a>(
        self,
        probing: &'a Probing<'run>,
        bonus: bool,
    ) -> LocalBoxFuture<'a, anyhow::Result<Judged>> {
        match self {
            Self::Ex01 => ex01::grade(probing).boxed_local(),
            Self::Ex02 => ex02::grade(probing, bonus).boxed_local(),
            Self::Ex03 => ex03::grade(probing).boxed_local(),
            Self::Ex04 => ex04::grade(probing, bonus).boxed_local(),
            Self::Ex05 => ex05::grade(probing).boxed_local(),
            Self::Ex06 => ex06::grade(probing).boxed_local(),
        }
    }

    /// Mistakes that look alike from outside, told apart by the source.
    pub fn refine(
        self,
        check: &str,
        diagnosis: Diagnosis,
        hints: &crate::source::Hints,
    ) -> Diagnosis {
        match (self, diagnosis) {
            (_, Diagnosis::BlockedRuntime | Diagnosis::SerialisedClients)
                if hints.awaits_between_accepts.is_some() =>
            {
                Diagnosis::NotSpawned
            }
            (_, Diagnosis::NotAsked) if hints.never_awaited.is_some() => Diagnosis::NeverAwaited,
            // Who accepts a connection and serves it nowhere closes it.
            (_, Diagnosis::WrongStatus)
                if check.ends_with("/ready") && hints.never_awaited.is_some() =>
            {
                Diagnosis::NeverAwaited
            }
            (Self::Ex02, Diagnosis::Sequential) if hints.created_then_awaited.is_some() => {
                Diagnosis::CreatedNotStarted
            }
            _ => diagnosis,
        }
    }
}

/// One check that stands before all the others.
fn only(broken: &Finding, checks: Vec<Check>, timeline: Timeline, seen: &Observation) -> Judged {
    let findings = checks.into_iter().map(|check| {
        if check.id == broken.check {
            broken.clone()
        } else {
            check.not_reached(format!("{} comes first", broken.check))
        }
    });
    Judged {
        findings: findings.collect(),
        timelines: vec![timeline],
        output: seen.output.text.clone(),
    }
}

/// What the program printed where that matters most: with a panic, if anywhere.
fn telling_output(observations: &[&Observation]) -> String {
    observations
        .iter()
        .find(|seen| seen.output.panic().is_some())
        .or_else(|| observations.iter().find(|seen| seen.trouble.is_some()))
        .or_else(|| observations.first())
        .map(|seen| seen.output.text.clone())
        .unwrap_or_default()
}
