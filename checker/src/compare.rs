//! One server three times: sequential, with callbacks, with async and await,
//! under the same latency, drawn on one scale.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use mock_services::script::Treatment;

use crate::client::YOU;
use crate::compile::Target;
use crate::program::Figures;
use crate::progress::Progress;
use crate::render::Sheet;
use crate::render::compare::{Contender, draw};
use crate::report::{Timeline, counted};
use crate::run::{Candidate, Run};
use crate::stage::{Setting, Stage, Unset, Waited};
use crate::verify::{self, Program};
use crate::workshop::Workshop;

/// What to compare, and how.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// `ex01`, `1`, or an unambiguous part of its name
    pub exercise: String,
    /// How many clients ask at once
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub clients: u32,
    /// How long the weather takes to answer
    #[arg(long, default_value = "200ms", value_parser = latency)]
    pub latency: Duration,
}

fn latency(text: &str) -> Result<Duration, String> {
    let longest = Duration::from_secs(5);
    match humantime::parse_duration(text) {
        Ok(long) if long <= longest => Ok(long),
        Ok(_) => Err("5s is the longest that makes sense here".to_owned()),
        Err(error) => Err(format!("{error}; write it as 200ms or 1s")),
    }
}

/// Runs the three versions one after another and draws them.
///
/// # Errors
/// Where a version does not build or does not become ready.
pub async fn run(workshop: &Workshop, options: &Options, sheet: Sheet) -> anyhow::Result<String> {
    let progress = Progress::on_stderr();
    let keeper = std::env::current_exe()?;
    let contenders = tokio::select! {
        contenders = contenders(workshop, options, &keeper, &progress) => contenders?,
        () = progress.keep_drawing() => Vec::new(),
    };
    progress.clear();
    let mut drawn = draw(&contenders, &sheet);
    if !workshop.has_answers() {
        let folder = workshop.root.display();
        let said = format!(
            "\nThis workshop was made without the answers, so yours is compared. For all \
             three:\n  checker init {folder} --with-solutions\n"
        );
        drawn += &sheet.call.spell(&said);
    } else {
        let said = format!(
            "\nAll three are the workshop's; yours is graded by `checker verify {}`.\n",
            options.exercise
        );
        drawn += &sheet.call.spell(&said);
    }
    Ok(drawn)
}

/// Runs the three versions one after another.
///
/// # Errors
/// Where a version does not build or does not become ready.
pub async fn contenders(
    workshop: &Workshop,
    options: &Options,
    keeper: &Path,
    progress: &Progress,
) -> anyhow::Result<Vec<Contender>> {
    let exercise = workshop.exercise(&options.exercise)?;
    let Some(compare) = &exercise.compare else {
        anyhow::bail!("{} has no three versions to compare; ex01 has", exercise.id);
    };
    let versions = if workshop.has_answers() {
        vec![
            ("sequential", Target::from(&compare.sequential)),
            ("callbacks", Target::from(&compare.callbacks)),
            ("async", Target::from(&compare.asynchronous)),
        ]
    } else {
        vec![
            ("yours", exercise.target()),
            ("callbacks", Target::from(&compare.callbacks)),
        ]
    };
    let mut contenders = Vec::new();
    for (name, target) in versions {
        let program = Program::Target(target);
        let prepared = verify::prepare(workshop, exercise, &program, progress).await?;
        contenders.push(contend(name, prepared, options, keeper, progress).await?);
    }
    Ok(contenders)
}

async fn contend(
    name: &str,
    prepared: verify::Prepared,
    options: &Options,
    keeper: &Path,
    progress: &Progress,
) -> anyhow::Result<Contender> {
    let command = prepared.command()?;
    let keeper = keeper.to_owned();
    let run = Run::start(1, Candidate { command, keeper }, progress.clone()).await?;
    let _waiting = progress.waiting_for({
        let clients = counted(options.clients as usize, "client");
        format!("{clients} of {name}")
    });
    let stage = match Stage::set(&run, Setting::default()).await {
        Ok(stage) => stage,
        Err(Unset::Fault(error)) => return Err(error),
        Err(Unset::Trouble(trouble, _)) => {
            anyhow::bail!("{name} did not become ready: {trouble:?}")
        }
    };
    let latency = options.latency;
    stage.play(move |_| Treatment {
        latency,
        ..Treatment::default()
    });
    let began = run.clock.now();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..options.clients {
        let client = stage.client.clone();
        clients.spawn(async move { client.get("/today").await });
    }
    let all = async { while clients.join_next().await.is_some() {} };
    let patience = latency * options.clients * 2 + Duration::from_secs(5);
    let waited = stage.patiently(all, patience).await;
    anyhow::ensure!(
        matches!(waited, Ok(Waited::Done(()))),
        "{name} did not answer all clients"
    );
    let wall = run.clock.now().since(began);
    let figures: Option<Figures> = stage.program.figures();
    let exchanges = stage.journal.exchanges();
    stage.program.end().await;
    Ok(Contender {
        name: name.to_owned(),
        in_flight_peak: peak(&exchanges),
        timeline: Timeline {
            probe: name.to_owned(),
            title: format!("{} at once", counted(options.clients as usize, "client")),
            exchanges,
            gap: None,
        },
        wall,
        threads: figures.and_then(|f| u32::try_from(f.threads).ok()),
        memory: figures.map(|f| f.peak),
    })
}

/// How many calls were under way at the services at most.
fn peak(exchanges: &[mock_services::exchange::Exchange]) -> usize {
    let calls: Vec<_> = exchanges.iter().filter(|x| x.service != YOU).collect();
    calls
        .iter()
        .map(|one| {
            calls
                .iter()
                .filter(|x| x.arrived <= one.arrived && x.ended.is_none_or(|end| end > one.arrived))
                .count()
        })
        .max()
        .unwrap_or(0)
}
