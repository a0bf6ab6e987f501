//! The timelines that stand in the book: recorded from real runs, and held
//! against what the code does today.
//!
//! ```text
//! run → recording (JSON) → drawing (text that a chapter includes)
//!  └──→ shape ── compared with the recording's, in CI
//! ```
//!
//! A shape is what does not change from run to run: who was asked how often,
//! what was answered, and how many calls were in flight at most where the
//! answers were withheld. Milliseconds are no part of it.

mod shape;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use self::shape::Shape;
use super::Say;
use crate::compare;
use crate::progress::Progress;
use crate::render::compare::{Contender, draw as draw_contenders};
use crate::render::{Sheet, timeline};
use crate::report::{Report, Timeline};
use crate::verify::{self, Program};
use crate::workshop::Workshop;

/// Where the recordings lie in the checkout.
pub const FOLDER: &str = "book/src/timelines";

/// The names and keys of all recordings are drawn from this.
const SEED: u64 = 7;

/// What to record.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Write nothing: run everything again, and fail where the shape is another
    #[arg(long)]
    pub check: bool,
    /// Run nothing: draw the recordings that are there again
    #[arg(long, conflicts_with = "check")]
    pub redraw: bool,
    /// Only recordings whose name contains this
    #[arg(long)]
    pub only: Option<String>,
}

/// A probe that the book shows.
struct Scene {
    name: &'static str,
    exercise: &'static str,
    program: Program,
    check: &'static str,
    /// Where the number in flight is certain, since answers are withheld there.
    gated: &'static str,
}

/// How many runs the calmest is taken from.
const RUNS: usize = 7;

/// The name under which the three versions of ex01 are recorded.
const COMPARE: &str = "ex01-compare";

/// How wide its drawings are: three of them stand side by side.
const COLUMN: usize = 66;

fn scenes() -> Vec<Scene> {
    let scene = |name, exercise, program, check, gated| Scene {
        name,
        exercise,
        program,
        check,
        gated,
    };
    use Program::{Exercise, Solution};
    vec![
        scene("ex01-starter", "ex01", Exercise, "ex01/together", "weather"),
        scene(
            "ex01-solution",
            "ex01",
            Solution,
            "ex01/together",
            "weather",
        ),
        scene("ex02-starter", "ex02", Exercise, "ex02/overlap", "weather"),
        scene("ex02-solution", "ex02", Solution, "ex02/overlap", "weather"),
        scene("ex03-starter", "ex03", Exercise, "ex03/guard", "pine-462"),
        scene("ex03-solution", "ex03", Solution, "ex03/guard", "pine-462"),
        scene("ex04-starter", "ex04", Exercise, "ex04/together", "auth"),
        scene("ex04-solution", "ex04", Solution, "ex04/together", "auth"),
        scene("ex05-starter", "ex05", Exercise, "ex05/slow", ""),
        scene("ex05-solution", "ex05", Solution, "ex05/slow", ""),
        scene("ex06-starter", "ex06", Exercise, "ex06/upstream", "parent"),
        scene("ex06-solution", "ex06", Solution, "ex06/upstream", "parent"),
    ]
}

/// Records what the book shows, or checks that it is still so: then 1 where a
/// shape is another.
///
/// # Errors
/// Where something does not build, or a file cannot be read or written.
pub async fn run(
    workshop: &Workshop,
    options: &Options,
    keeper: &Path,
    say: Say<'_>,
) -> anyhow::Result<u8> {
    let folder = workshop.root.join(FOLDER);
    if options.redraw {
        return redraw(&folder, say);
    }
    let wanted = |name: &str| options.only.as_ref().is_none_or(|only| name.contains(only));
    let mut changed = 0;
    if wanted(COMPARE) {
        let file = folder.join(format!("{COMPARE}.json"));
        if options.check {
            let recorded: Vec<Contender> = read(&file)?;
            let recorded: Vec<_> = recorded.iter().map(Shape::of_contender).collect();
            let now = || async {
                let contenders = three_versions(workshop, keeper).await?;
                anyhow::Ok(contenders.iter().map(Shape::of_contender).collect())
            };
            changed += compared(COMPARE, &recorded, now, say).await?;
        } else {
            let contenders = calmest_versions(workshop, keeper).await?;
            write(&file, &serde_json::to_string_pretty(&contenders)?)?;
            for (name, drawn) in drawings(&contenders) {
                write(&folder.join(name), &drawn)?;
            }
            say(&format!("recorded {COMPARE}\n"))?;
        }
    }
    for scene in scenes().iter().filter(|scene| wanted(scene.name)) {
        let file = folder.join(format!("{}.json", scene.name));
        if options.check {
            let recorded: Report = read(&file)?;
            let recorded = [Shape::of_report(&recorded, scene.gated)];
            let now = || async {
                let report = play(workshop, scene, keeper).await?;
                anyhow::Ok(vec![Shape::of_report(&report, scene.gated)])
            };
            changed += compared(scene.name, &recorded, now, say).await?;
        } else {
            let report = calmest(workshop, scene, keeper).await?;
            write(&file, &serde_json::to_string_pretty(&report)?)?;
            write(&file.with_extension("txt"), &drawing(&report))?;
            say(&format!("recorded {}\n", scene.name))?;
        }
    }
    Ok(u8::from(changed > 0))
}

/// Draws every recording again: for when the drawing has changed, not the code.
fn redraw(folder: &Path, say: Say<'_>) -> anyhow::Result<u8> {
    let contenders: Vec<Contender> = read(&folder.join(format!("{COMPARE}.json")))?;
    let mut all = drawings(&contenders);
    for scene in scenes() {
        let report: Report = read(&folder.join(format!("{}.json", scene.name)))?;
        all.push((format!("{}.txt", scene.name), drawing(&report)));
    }
    for (name, drawn) in &all {
        write(&folder.join(name), drawn)?;
    }
    say(&format!("drew {} timelines\n", all.len()))?;
    Ok(0)
}

async fn three_versions(workshop: &Workshop, keeper: &Path) -> anyhow::Result<Vec<Contender>> {
    let options = compare::Options {
        exercise: "ex01".to_owned(),
        clients: 5,
        latency: Duration::from_millis(200),
    };
    compare::contenders(workshop, &options, keeper, &Progress::silent()).await
}

/// As [`calmest`], by what the three took in all.
async fn calmest_versions(workshop: &Workshop, keeper: &Path) -> anyhow::Result<Vec<Contender>> {
    let length = |all: &[Contender]| all.iter().map(|one| one.wall).sum::<Duration>();
    let mut calmest = three_versions(workshop, keeper).await?;
    for _ in 1..RUNS {
        let contenders = three_versions(workshop, keeper).await?;
        if length(&contenders) < length(&calmest) {
            calmest = contenders;
        }
    }
    Ok(calmest)
}

/// The shortest of several runs: what this machine did beside it says nothing
/// about the program.
async fn calmest(workshop: &Workshop, scene: &Scene, keeper: &Path) -> anyhow::Result<Report> {
    let length = |report: &Report| {
        let span = report.timelines.first().and_then(Timeline::span);
        span.map(|(start, end)| end.since(start))
    };
    let mut calmest = play(workshop, scene, keeper).await?;
    for _ in 1..RUNS {
        let report = play(workshop, scene, keeper).await?;
        if length(&report) < length(&calmest) {
            calmest = report;
        }
    }
    Ok(calmest)
}

/// A report that holds the one timeline which the book shows.
async fn play(workshop: &Workshop, scene: &Scene, keeper: &Path) -> anyhow::Result<Report> {
    let silent = Progress::silent();
    let exercise = workshop.exercise(scene.exercise)?;
    let prepared = verify::prepare(workshop, exercise, &scene.program, &silent).await?;
    let mut report = verify::grade(prepared, SEED, keeper, &silent).await?;
    report.timelines.retain(|one| one.probe == scene.check);
    report.output.clear();
    anyhow::ensure!(
        report.timelines.len() == 1,
        "{}: nothing was recorded of {}; was this machine too busy? Try again.",
        scene.name,
        scene.check
    );
    Ok(report)
}

/// The drawing of a report that holds one timeline, as a chapter includes it.
pub fn drawing(report: &Report) -> String {
    let evidence = report
        .leading()
        .filter(|finding| report.timeline(&finding.check).is_some())
        .map_or(&[][..], |finding| &finding.evidence);
    let drawn = report
        .timelines
        .first()
        .map(|one| timeline::draw(one, evidence, &Sheet::default()));
    plain(&drawn.unwrap_or_default())
}

/// The drawings of versions on one scale, each with the file that it belongs in.
pub fn drawings(contenders: &[Contender]) -> Vec<(String, String)> {
    let sheet = Sheet {
        width: COLUMN,
        ..Sheet::default()
    };
    let drawn = plain(&draw_contenders(contenders, &sheet));
    contenders
        .iter()
        .zip(drawn.split("\n\n"))
        .map(|(one, drawn)| {
            (
                format!("ex01-{}.txt", one.name),
                format!("{}\n", drawn.trim_end()),
            )
        })
        .collect()
}

fn plain(styled: &str) -> String {
    let text = anstream::adapter::strip_str(styled).to_string();
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    format!("{}\n", lines.join("\n").trim_end())
}

/// Says whether a recording still holds; 1 where it does not. A busy machine may
/// spoil a run, so only a second one that differs, too, counts.
async fn compared(
    name: &str,
    recorded: &[Shape],
    run: impl AsyncFn() -> anyhow::Result<Vec<Shape>>,
    say: Say<'_>,
) -> anyhow::Result<u8> {
    let mut now = run().await?;
    if recorded != now {
        now = run().await?;
    }
    if recorded == now {
        say(&format!("ok    {name}\n"))?;
        return Ok(0);
    }
    let told = |shapes: &[Shape]| {
        let lines: Vec<_> = shapes.iter().map(|one| format!("        {one}")).collect();
        lines.join("\n")
    };
    say(&format!(
        "WRONG {name}: the code does something else than the book shows\n      recorded\n{}\n      now\n{}\n      \
         If the new one is right, record it: checker author record --only {name}\n",
        told(recorded),
        told(&now),
    ))?;
    Ok(1)
}

fn read<T: serde::de::DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no recording", file.display()))
}

fn write(file: &PathBuf, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
