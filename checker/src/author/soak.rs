//! Grades the corpus again and again, on an idle machine or a busy one, and
//! counts how often the checker is right.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::Say;
use super::busy::Load;
use super::corpus::{self, Entry, Score};
use crate::interrupt;
use crate::progress::Progress;
use crate::report::{Report, words};
use crate::verify::{self, Prepared};
use crate::workshop::Workshop;

/// How to soak.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// How many times each program is graded
    #[arg(long, default_value_t = 10)]
    pub runs: u32,
    /// Busy processes per core beside it
    #[arg(long, default_value_t = 0, value_name = "K")]
    pub load: usize,
    /// Those are busy for moments only, all at the same times
    #[arg(long, requires = "load")]
    pub fitful: bool,
    /// The programs that try to fool, hang or harm the checker, each graded by
    /// a checker of its own
    #[arg(long)]
    pub hostile: bool,
    /// Only programs whose name contains this
    #[arg(long)]
    pub only: Option<String>,
    /// How many are graded at a time
    #[arg(long, default_value_t = 4)]
    pub jobs: usize,
    /// Write the reports of wrong verdicts here
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// Everything that was counted for one program.
#[derive(Clone, Debug, Default)]
struct Tally {
    scores: Vec<Score>,
    times: Vec<Duration>,
    complaints: Vec<String>,
}

/// Builds every program of the corpus.
async fn prepared(
    workshop: &Workshop,
    only: Option<&str>,
    progress: &Progress,
    say: Say<'_>,
) -> anyhow::Result<Vec<(Entry, Prepared)>> {
    let entries: Vec<_> = corpus::all(workshop)?
        .into_iter()
        .filter(|entry| only.is_none_or(|only| entry.name.contains(only)))
        .collect();
    anyhow::ensure!(
        !entries.is_empty(),
        "no program of the corpus has that in its name"
    );
    say(&format!("building {} programs\n", entries.len()))?;
    corpus::prepared(workshop, entries, progress).await
}

/// Runs a soak; 0 where every verdict was right or inconclusive, else 1. Ctrl-C
/// ends it early, with what was counted so far.
///
/// # Errors
/// Faults that are not the corpus's.
pub async fn run(
    workshop: &Workshop,
    options: &Options,
    keeper: &Path,
    say: Say<'_>,
) -> anyhow::Result<u8> {
    let progress = Progress::on_stderr();
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let programs = tokio::select! {
        programs = prepared(workshop, options.only.as_deref(), &progress, say) => Arc::new(programs?),
        _ = &mut interrupted => return Ok(interrupt::stopped()),
    };
    if let Some(folder) = &options.keep {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let load = Load::start(options.load, options.fitful)?;
    let began = Instant::now();
    let mut tallies = vec![Tally::default(); programs.len()];
    // Round by round, so that a passing disturbance meets many programs once.
    let order = (0..options.runs).flat_map(|_| 0..programs.len());
    let mut graded = stream::iter(order.map(|index| {
        let programs = programs.clone();
        async move {
            let (_, prepared) = &programs[index];
            let began = Instant::now();
            let seed = u64::from(fastrand::u32(..));
            let report = verify::grade(prepared.clone(), seed, keeper, &Progress::silent()).await;
            (index, report, began.elapsed())
        }
    }))
    .buffer_unordered(options.jobs.max(1));
    let mut tick = tokio::time::interval(pace(&progress));
    tick.tick().await;
    let was_stopped = loop {
        let (index, report, took) = tokio::select! {
            // What ends at the same moment may have ended by it.
            biased;
            _ = &mut interrupted => break true,
            _ = tick.tick() => {
                tell(&progress, &standing(&tallies, options.runs, began.elapsed()));
                continue;
            }
            next = graded.next() => match next {
                Some(graded) => graded,
                None => break false,
            },
        };
        let entry = &programs[index].0;
        let tally = &mut tallies[index];
        tally.times.push(took);
        let score = match &report {
            Ok(report) => entry.score(report),
            Err(_) => Score::Inconclusive,
        };
        tally.scores.push(score);
        if score != Score::Right {
            tally.complaints.push(complaint(&report));
            if let (Some(folder), Ok(report)) = (&options.keep, &report) {
                let file = folder.join(format!("{}-{}.json", entry.name, tally.scores.len()));
                std::fs::write(&file, serde_json::to_vec_pretty(report)?)
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
        }
    };
    drop(graded);
    drop(load);
    progress.clear();
    say(&table(&programs, &tallies))?;
    let all = || tallies.iter().flat_map(|tally| &tally.scores);
    let count = |score| all().filter(|s| **s == score).count();
    say(&format!(
        "{} verdicts in {}, {} busy processes per core{}: {} right, {} false pass, {} false fail, {} wrong diagnosis, {} inconclusive\n",
        all().count(),
        words(began.elapsed()),
        options.load,
        if options.fitful { ", at times" } else { "" },
        count(Score::Right),
        count(Score::FalsePass),
        count(Score::FalseFail),
        count(Score::WrongDiagnosis),
        count(Score::Inconclusive),
    ))?;
    if was_stopped {
        return Ok(interrupt::stopped());
    }
    Ok(u8::from(all().any(|score| score.is_wrong())))
}

/// How often to say how far it is.
pub(super) fn pace(progress: &Progress) -> Duration {
    Duration::from_secs(if progress.is_shown() { 1 } else { 60 })
}

/// One line that is redrawn in a terminal, and a line of its own elsewhere.
pub(super) fn tell(progress: &Progress, line: &str) {
    if progress.is_shown() {
        progress.draw(line);
    } else {
        // Nothing can be done where standard error is gone.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

/// `round 3 of 10: 251 of 1200 verdicts, 1 wrong, 2 inconclusive, about 12m left`
fn standing(tallies: &[Tally], runs: u32, elapsed: Duration) -> String {
    let scores = || tallies.iter().flat_map(|tally| &tally.scores);
    let (done, all) = (scores().count(), tallies.len() * runs as usize);
    let round = (done / tallies.len() + 1).min(runs as usize);
    let wrong = scores().filter(|score| score.is_wrong()).count();
    let undecided = scores()
        .filter(|score| **score == Score::Inconclusive)
        .count();
    let left = match done {
        0 => String::new(),
        _ => format!(
            ", about {} left",
            whole(elapsed / done as u32 * (all - done) as u32)
        ),
    };
    format!(
        "round {round} of {runs}: {done} of {all} verdicts, {wrong} wrong, {undecided} inconclusive{left}"
    )
}

/// To the minute, or to the second where there is less than one: `1h 4m`, `30s`.
pub(super) fn whole(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let rounded = if seconds < 60 {
        seconds
    } else {
        seconds - seconds % 60
    };
    humantime::format_duration(Duration::from_secs(rounded)).to_string()
}

fn complaint(report: &anyhow::Result<Report>) -> String {
    match report {
        Err(error) => format!("error: {error:#}"),
        Ok(report) => {
            let undecided = report
                .findings
                .iter()
                .find(|f| f.outcome == crate::report::Outcome::Inconclusive);
            match report.leading().or(undecided) {
                Some(finding) => format!(
                    "seed {}: {} {}: {}",
                    report.seed,
                    finding.check,
                    finding.diagnosis.map_or("inconclusive", |d| d.code()),
                    finding.observed
                ),
                None => format!("seed {}: passed", report.seed),
            }
        }
    }
}

fn table(programs: &[(Entry, Prepared)], tallies: &[Tally]) -> String {
    let widest = programs
        .iter()
        .map(|(e, _)| e.name.len())
        .max()
        .unwrap_or(0);
    let mut text = format!(
        "\n{:widest$}  {:>6} {:>6} {:>6} {:>6} {:>6}  {:>8} {:>8}\n",
        "program", "right", "f.pass", "f.fail", "diagn.", "incon.", "median", "p99"
    );
    for ((entry, _), tally) in programs.iter().zip(tallies) {
        let count = |score| tally.scores.iter().filter(|s| **s == score).count();
        text += &format!(
            "{:widest$}  {:>6} {:>6} {:>6} {:>6} {:>6}  {:>8} {:>8}\n",
            entry.name,
            count(Score::Right),
            count(Score::FalsePass),
            count(Score::FalseFail),
            count(Score::WrongDiagnosis),
            count(Score::Inconclusive),
            words(quantile(&tally.times, 0.5)),
            words(quantile(&tally.times, 0.99)),
        );
        for complaint in tally.complaints.iter().take(3) {
            text += &format!("    {}\n", complaint.replace('\n', " "));
        }
    }
    text
}

/// The time that this share of all times does not exceed.
pub(super) fn quantile(times: &[Duration], share: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    let index = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(index.clamp(1, sorted.len().max(1)) - 1)
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standing_names_the_round_and_what_is_left() {
        let tally = |scores: &[Score]| Tally {
            scores: scores.to_vec(),
            ..Tally::default()
        };
        let none = [tally(&[]), tally(&[])];
        assert_eq!(
            standing(&none, 3, Duration::ZERO),
            "round 1 of 3: 0 of 6 verdicts, 0 wrong, 0 inconclusive"
        );
        let some = [
            tally(&[Score::Right, Score::FalseFail]),
            tally(&[Score::Inconclusive]),
        ];
        assert_eq!(
            standing(&some, 3, Duration::from_secs(65)),
            "round 2 of 3: 3 of 6 verdicts, 1 wrong, 1 inconclusive, about 1m left"
        );
        let all = [tally(&[Score::Right; 3]), tally(&[Score::Right; 3])];
        assert_eq!(
            standing(&all, 3, Duration::from_secs(65)),
            "round 3 of 3: 6 of 6 verdicts, 0 wrong, 0 inconclusive, about 0s left"
        );
    }
}
