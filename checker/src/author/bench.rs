//! How long verdicts take, and where the time goes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;

use super::Say;
use super::soak::quantile;
use crate::progress::Progress;
use crate::report::words;
use crate::verify::{self, Program};
use crate::workshop::Workshop;

/// What to measure.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// How many times each figure is taken
    #[arg(long, default_value_t = 30)]
    pub runs: u32,
    /// Also the way from a saved file to its verdict: ex02's solution gets a
    /// comment at its end, is built and graded, and gets its own text back
    #[arg(long)]
    pub save: bool,
}

/// Measures and prints medians with their spread.
///
/// # Errors
/// Where something does not build, or a file cannot be written.
pub async fn run(
    workshop: &Workshop,
    options: &Options,
    keeper: &Path,
    say: Say<'_>,
) -> anyhow::Result<u8> {
    let silent = Progress::silent();
    say(&format!(
        "{:28} {:>9} {:>9} {:>9}   (of {} runs, beside the build)\n",
        "verdict", "min", "median", "max", options.runs
    ))?;
    for exercise in &workshop.exercises {
        for (what, program) in [("pass", Program::Solution), ("starter", Program::Exercise)] {
            let prepared = verify::prepare(workshop, exercise, &program, &silent).await?;
            let mut times = Vec::new();
            let mut verdict = None;
            for seed in 0..options.runs {
                let began = Instant::now();
                let report =
                    verify::grade(prepared.clone(), u64::from(seed), keeper, &silent).await?;
                times.push(began.elapsed());
                verdict = Some(report.verdict());
            }
            let name = format!("{} {what} ({verdict:?})", exercise.id).to_lowercase();
            row(say, &name.replace("some(", "").replace("))", ")"), &times)?;
        }
    }
    if options.save {
        save(workshop, options, keeper, say).await?;
    }
    Ok(0)
}

fn row(say: Say<'_>, name: &str, times: &[Duration]) -> anyhow::Result<()> {
    say(&format!(
        "{name:28} {:>9} {:>9} {:>9}\n",
        words(quantile(times, 0.0)),
        words(quantile(times, 0.5)),
        words(quantile(times, 1.0)),
    ))
}

/// From a saved file to its verdict.
async fn save(
    workshop: &Workshop,
    options: &Options,
    keeper: &Path,
    say: Say<'_>,
) -> anyhow::Result<()> {
    let silent = Progress::silent();
    let exercise = workshop.exercise("ex02")?;
    let file = workshop
        .root
        .join("solutions")
        .join(exercise.folder_name())
        .join("src/main.rs");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let (mut whole, mut builds, mut starts, mut probes) = (vec![], vec![], vec![], vec![]);
    let mut outcome = Ok(());
    for run in 0..options.runs.min(15) {
        // A line that changes what is compiled, and nothing that it does.
        let edited = format!("{text}\n#[allow(dead_code)]\nfn edit_{run}() {{}}\n");
        outcome = std::fs::write(&file, edited)
            .with_context(|| format!("cannot write {}", file.display()));
        if outcome.is_err() {
            break;
        }
        let began = Instant::now();
        let graded = async {
            let prepared = verify::prepare(workshop, exercise, &Program::Solution, &silent).await?;
            verify::grade(prepared, u64::from(run), keeper, &silent).await
        }
        .await;
        whole.push(began.elapsed());
        match graded {
            Ok(report) => {
                let millis = |ms: f64| Duration::from_secs_f64(ms / 1e3);
                builds.push(millis(report.timings.build_ms));
                starts.push(millis(report.timings.start_ms));
                probes.push(millis(report.timings.probe_ms));
            }
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    std::fs::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    outcome?;
    row(say, "save → verdict", &whole)?;
    row(say, "  of that, cargo", &builds)?;
    row(say, "  of that, start-up", &starts)?;
    row(say, "  of that, probing", &probes)
}
