//! The whole way from an exercise to its report.

mod exec;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::FutureExt as _;

use crate::allowance;
use crate::compile::{self, Beforehand, Built, Target};
use crate::diagnosis::Diagnosis;
use crate::exercises::{Graded, Judged};
use crate::judge::{self, Check, Fault};
use crate::observation::{Disturbance, Observation};
use crate::probe;
use crate::probing::Probing;
use crate::progress::Progress;
use crate::report::{Finding, Outcome, Report, Timings, Verdict, counted};
use crate::run::{Candidate, Run};
use crate::source::{self, Hints};
use crate::stage::Stage;
use crate::tape::{Ruling, Tape};
use crate::workshop::{Exercise, Workshop};

/// What is graded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The learner's own.
    Exercise,
    /// The answer.
    Solution,
    /// The learner's bonus program.
    Bonus,
    /// The bonus program's answer.
    BonusSolution,
    /// Any binary of the workspace.
    Target(Target),
    /// Any program that keeps the contract.
    Command(Vec<OsString>),
}

impl Program {
    fn name(&self) -> String {
        match self {
            Self::Exercise => "exercise".to_owned(),
            Self::Solution => "solution".to_owned(),
            Self::Bonus => "bonus".to_owned(),
            Self::BonusSolution => "bonus solution".to_owned(),
            Self::Target(target) => target.binary.clone(),
            Self::Command(command) => command
                .iter()
                .map(|part| part.to_string_lossy())
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    fn target(&self, exercise: &Exercise) -> anyhow::Result<Option<Target>> {
        Ok(match self {
            Self::Exercise => Some(exercise.target()),
            Self::Solution => Some(exercise.solution_target()),
            Self::Bonus => Some(Target::new(
                &exercise.package,
                &exercise.the_bonus()?.binary,
            )),
            Self::BonusSolution => Some(Target::new(
                &exercise.solution.package,
                &exercise.the_bonus()?.solution_binary,
            )),
            Self::Target(target) => Some(target.clone()),
            Self::Command(_) => None,
        })
    }
}

/// A program that is ready to be graded, or why it is not.
#[derive(Clone, Debug)]
pub struct Prepared {
    exercise: Exercise,
    graded: Graded,
    name: String,
    bonus: bool,
    outcome: Result<(Vec<OsString>, Option<PathBuf>), String>,
    build: Duration,
}

/// Builds what is to be graded.
///
/// # Errors
/// Faults that are not the learner's: no cargo, no such exercise in this checker.
pub async fn prepare(
    workshop: &Workshop,
    exercise: &Exercise,
    program: &Program,
    progress: &Progress,
) -> anyhow::Result<Prepared> {
    let beforehand = Beforehand::default();
    prepare_from(workshop, exercise, program, progress, &beforehand).await
}

/// Builds all that is to be graded, in one go as far as it compiles. Each is said to
/// have taken as long as all.
///
/// # Errors
/// As of [`prepare`].
pub async fn prepare_all(
    workshop: &Workshop,
    wanted: impl Iterator<Item = (&Exercise, &Program)> + Clone,
    progress: &Progress,
) -> anyhow::Result<Vec<Prepared>> {
    allowance::suffices()?;
    let mut targets = Vec::new();
    for (exercise, program) in wanted.clone() {
        targets.extend(program.target(exercise)?);
    }
    let beforehand = match targets.as_slice() {
        // Its errors are wanted as well.
        [] | [_] => Beforehand::default(),
        all => {
            let name = counted(all.len(), "program");
            let said = |crates, since| progress.building(&name, crates, since);
            said(0, Duration::ZERO);
            compile::build_all(&workshop.root, all, &said).await
        }
    };
    let mut prepared = Vec::with_capacity(targets.len());
    for (exercise, program) in wanted {
        prepared.push(prepare_from(workshop, exercise, program, progress, &beforehand).await?);
    }
    Ok(prepared)
}

async fn prepare_from(
    workshop: &Workshop,
    exercise: &Exercise,
    program: &Program,
    progress: &Progress,
    beforehand: &Beforehand,
) -> anyhow::Result<Prepared> {
    allowance::suffices()?;
    let Some(graded) = Graded::from_id(&exercise.id) else {
        anyhow::bail!(
            "this checker cannot grade {} ({}) yet; is it older than the checkout?",
            exercise.id,
            exercise.title
        );
    };
    let (outcome, build) = match program.target(exercise)? {
        None => {
            let Program::Command(command) = program else {
                anyhow::bail!("nothing to build and nothing to run");
            };
            (Ok((exec::found(command)?, None)), Duration::ZERO)
        }
        Some(target) => {
            anyhow::ensure!(
                target.package != exercise.solution.package || workshop.has_answers(),
                "this workshop was made without the answers; `checker init {} --with-solutions` adds them",
                workshop.root.display()
            );
            let said = |crates, since| progress.building(&target.binary, crates, since);
            said(0, Duration::ZERO);
            let (built, took) = match beforehand.get(&target) {
                Some(built) => built,
                None => compile::build(&workshop.root, &target, &said).await?,
            };
            let outcome = match built {
                Built::Program { path, source } => Ok((vec![path.into_os_string()], Some(source))),
                Built::Broken { rendered } => Err(rendered),
            };
            (outcome, took)
        }
    };
    progress.clear();
    Ok(Prepared {
        exercise: exercise.clone(),
        graded,
        name: program.name(),
        bonus: matches!(program, Program::Bonus | Program::BonusSolution),
        outcome,
        build,
    })
}

impl Prepared {
    /// `ex02 · Today and tomorrow in parallel`
    pub fn title(&self) -> String {
        format!("{} · {}", self.exercise.id, self.exercise.title)
    }

    /// What to run.
    ///
    /// # Errors
    /// Where it did not compile.
    pub fn command(&self) -> anyhow::Result<Vec<OsString>> {
        match &self.outcome {
            Ok((command, _)) => Ok(command.clone()),
            Err(rendered) => anyhow::bail!("{} does not compile:\n{rendered}", self.name),
        }
    }

    /// How long the build took.
    pub fn build_time(&self) -> Duration {
        self.build
    }
}

fn ready_check(id: &str) -> Check {
    Check {
        id: format!("{id}/ready"),
        title: "it builds, starts and answers /healthz",
        expected: "it compiles, listens on 127.0.0.1:$PORT, and answers GET /healthz with 200"
            .to_owned(),
    }
}

/// Grades a prepared program.
///
/// # Errors
/// Faults that are not the learner's.
pub async fn grade(
    prepared: Prepared,
    seed: u64,
    keeper: &Path,
    progress: &Progress,
) -> anyhow::Result<Report> {
    Ok(graded(prepared, seed, keeper, progress, false).await?.0)
}

/// Grades a prepared program, and says what it was judged by; nothing where it
/// did not compile.
///
/// # Errors
/// Faults that are not the learner's.
pub async fn record(
    prepared: Prepared,
    seed: u64,
    keeper: &Path,
    progress: &Progress,
) -> anyhow::Result<(Report, Option<Tape>)> {
    graded(prepared, seed, keeper, progress, true).await
}

/// What to do about errors of the compiler.
pub const MEND_THE_FIRST: &str = "Mend the first error; the others often follow from it.";

async fn graded(
    prepared: Prepared,
    seed: u64,
    keeper: &Path,
    progress: &Progress,
    records: bool,
) -> anyhow::Result<(Report, Option<Tape>)> {
    let _files = allowance::share().await?;
    let began = Instant::now();
    let mut report = Report {
        exercise: prepared.exercise.id.clone(),
        title: prepared.exercise.title.clone(),
        program: prepared.name,
        seed,
        timings: Timings {
            build_ms: prepared.build.as_secs_f64() * 1e3,
            ..Timings::default()
        },
        findings: Vec::new(),
        timelines: Vec::new(),
        output: String::new(),
    };
    let (command, source) = match prepared.outcome {
        Ok(built) => built,
        Err(rendered) => {
            let fault = Fault::new(
                Diagnosis::NotCompiling,
                rendered,
                format!(
                    "{MEND_THE_FIRST} `checker watch {}` looks again whenever you save.",
                    prepared.exercise.id
                ),
            );
            let broken = ready_check(&report.exercise).broken(fault);
            report.findings = unreached(broken, prepared.graded);
            return Ok((finish(report, began), None));
        }
    };
    let run = Run::start(
        seed,
        Candidate {
            command,
            keeper: keeper.to_owned(),
        },
        progress.clone(),
    )
    .await?;
    let waiting = run.progress.waiting_for("it to be ready");
    let first = Stage::set(&run, prepared.graded.setting(prepared.bonus)).await;
    drop(waiting);
    let probing = match first {
        Ok(first) => {
            report.timings.start_ms = first.ready_after.as_secs_f64() * 1e3;
            Probing::of(&run, first, records)
        }
        Err(unset) => Probing::unready(&run, probe::unready(unset)?, records),
    };
    let probes_began = Instant::now();
    let judged = judged(prepared.graded, &report.exercise, &probing, prepared.bonus).await?;
    if probing.never_ready().is_none() {
        report.timings.probe_ms = probes_began.elapsed().as_secs_f64() * 1e3;
    }
    let tape = records.then(|| Tape {
        program: report.program.clone(),
        exercise: report.exercise.clone(),
        bonus: prepared.bonus,
        seed,
        seen: probing.into_recording(),
        ruling: Ruling::from(&judged),
    });
    report.findings = judged.findings;
    report.timelines = judged.timelines;
    report.output = judged.output;
    if let Some(disturbance) = run.disturbance() {
        excuse(&mut report, disturbance);
    }
    if report.verdict() != Verdict::Pass {
        run.talk().await?;
    }
    if report.leading().is_some() {
        match source {
            Some(source) => {
                let hints = source::hints(keeper, &source).await;
                refine(&mut report, prepared.graded, &hints);
            }
            None => leave_open(&mut report),
        }
    }
    Ok((finish(report, began), tape))
}

/// What is made of a program once its probes can begin, or could not.
async fn judged(
    graded: Graded,
    id: &str,
    probing: &Probing<'_>,
    bonus: bool,
) -> anyhow::Result<Judged> {
    let ready = ready_check(id);
    if let Some(seen) = probing.never_ready() {
        return Ok(Judged {
            findings: unreached(not_ready(ready, seen), graded),
            timelines: Vec::new(),
            output: seen.output.text.clone(),
        });
    }
    let mut judged = graded.grade(probing, bonus).await?;
    judged.findings.insert(0, ready.kept("it was ready"));
    Ok(judged)
}

/// Judges what is on a tape once more.
///
/// # Errors
/// Where the tape ends before judging does, or is of an unknown exercise.
pub fn judge_again(tape: &Tape) -> anyhow::Result<Ruling> {
    let graded = Graded::from_id(&tape.exercise)
        .with_context(|| format!("nothing grades {}", tape.exercise))?;
    let probing = Probing::again(tape);
    let judged = judged(graded, &tape.exercise, &probing, tape.bonus)
        .now_or_never()
        .context("judging a tape waits for nothing")??;
    Ok(Ruling::from(&judged))
}

/// Holds nothing against a program that was stopped, or that a checker looked at
/// which stood still itself.
fn excuse(report: &mut Report, disturbance: Disturbance) {
    for finding in &mut report.findings {
        if matches!(finding.outcome, Outcome::Broken | Outcome::Inconclusive) {
            finding.outcome = Outcome::Inconclusive;
            finding.diagnosis = None;
            finding.evidence.clear();
            finding.observed = format!("{} Nothing is held against you.", disturbance.words());
            "Let both run undisturbed, and try again.".clone_into(&mut finding.next_step);
        }
    }
}

fn not_ready(ready: Check, seen: &Observation) -> Finding {
    match judge::trouble(seen, "before it was ready") {
        Some(fault) => ready.broken(fault),
        None => ready.inconclusive(),
    }
}

/// Every check after one that stands before them all.
fn unreached(first: Finding, graded: Graded) -> Vec<Finding> {
    let because = format!("{} comes first", first.check);
    std::iter::once(first)
        .chain(
            graded
                .checks()
                .into_iter()
                .map(|check| check.not_reached(because.clone())),
        )
        .collect()
}

/// Where there is no source to tell two mistakes apart, both are named.
fn leave_open(report: &mut Report) {
    for finding in &mut report.findings {
        if finding.diagnosis == Some(Diagnosis::BlockedRuntime) {
            finding.next_step += " If there is none: does the loop that accepts connections serve each to its end, \
                 instead of making it a task of its own?";
        }
    }
}

/// Names the mistake by its source where two look alike from outside.
fn refine(report: &mut Report, graded: Graded, hints: &Hints) {
    for finding in &mut report.findings {
        let (Outcome::Broken, Some(diagnosis)) = (finding.outcome, finding.diagnosis) else {
            continue;
        };
        match graded.refine(&finding.check, diagnosis, hints) {
            same if same == diagnosis => {}
            Diagnosis::CreatedNotStarted => {
                finding.diagnosis = Some(Diagnosis::CreatedNotStarted);
                let line = hints.created_then_awaited.unwrap_or_default();
                finding.observed += &format!(
                    " Both futures were created before that, but creating one does not start it: \
                     it starts when it is first polled, at its `.await` (line {line})."
                );
                finding.next_step =
                    "Poll both together: hand the two futures to `tokio::try_join!` instead of \
                     awaiting one and then the other."
                        .to_owned();
            }
            Diagnosis::NotSpawned => {
                finding.diagnosis = Some(Diagnosis::NotSpawned);
                let line = hints.awaits_between_accepts.unwrap_or_default();
                finding.observed += &format!(
                    " In line {line} a connection is accepted, and served to its end before the \
                     loop accepts the next."
                );
                finding.next_step = format!(
                    "Make each connection a task of its own: hand what serves it to \
                     `tokio::spawn` and do not wait for that task, so that the loop is back at line \
                     {line} at once. (Or leave accepting to axum, which does just that.)"
                );
            }
            Diagnosis::NeverAwaited => {
                finding.diagnosis = Some(Diagnosis::NeverAwaited);
                let line = hints.never_awaited.unwrap_or_default();
                finding.observed += &format!(
                    " In line {line} a future is built that nobody awaits: it does nothing."
                );
                finding.next_step = format!(
                    "Put `.await` on the call in line {line} and use its result, or hand it to \
                     `tokio::spawn`. (The compiler warns of many such futures: \"futures do nothing unless you `.await` or poll \
                     them\".)"
                );
            }
            other => finding.diagnosis = Some(other),
        }
    }
}

fn finish(mut report: Report, began: Instant) -> Report {
    report.timings.verify_ms = began.elapsed().as_secs_f64() * 1e3;
    report
}
