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

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use mock_services::exchange::Exchange;

use super::Say;
use crate::client::YOU;
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
    let wanted = |name: &str| options.only.as_ref().is_none_or(|only| name.contains(only));
    let mut changed = 0;
    if wanted(COMPARE) {
        let file = folder.join(format!("{COMPARE}.json"));
        let contenders = three_versions(workshop, keeper).await?;
        let shape: Vec<_> = contenders.iter().map(Shape::of_contender).collect();
        if options.check {
            let recorded: Vec<Contender> = read(&file)?;
            let recorded: Vec<_> = recorded.iter().map(Shape::of_contender).collect();
            changed += compared(COMPARE, &recorded, &shape, say)?;
        } else {
            write(&file, &serde_json::to_string_pretty(&contenders)?)?;
            for (name, drawn) in drawings(&contenders) {
                write(&folder.join(name), &drawn)?;
            }
            say(&format!("recorded {COMPARE}\n"))?;
        }
    }
    for scene in scenes().iter().filter(|scene| wanted(scene.name)) {
        let file = folder.join(format!("{}.json", scene.name));
        let report = play(workshop, scene, keeper).await?;
        if options.check {
            let recorded: Report = read(&file)?;
            let [recorded, now] =
                [&recorded, &report].map(|one| vec![Shape::of_report(one, scene)]);
            changed += compared(scene.name, &recorded, &now, say)?;
        } else {
            write(&file, &serde_json::to_string_pretty(&report)?)?;
            write(&file.with_extension("txt"), &drawing(&report))?;
            say(&format!("recorded {}\n", scene.name))?;
        }
    }
    Ok(u8::from(changed > 0))
}

async fn three_versions(workshop: &Workshop, keeper: &Path) -> anyhow::Result<Vec<Contender>> {
    let options = compare::Options {
        exercise: "ex01".to_owned(),
        clients: 5,
        latency: Duration::from_millis(200),
    };
    compare::contenders(workshop, &options, keeper, &Progress::silent()).await
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

/// What stays the same from run to run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shape {
    what: String,
    /// By service and request: how many there were, and the statuses of their answers.
    rows: BTreeMap<String, (usize, Vec<u16>)>,
    /// How many calls were in flight at most at the place that counts.
    peak: usize,
    /// Whether it ran on one thread; `None` where that is not told.
    one_thread: Option<bool>,
    /// What the timeline points at.
    gap: Option<String>,
}

impl Shape {
    fn of_contender(one: &Contender) -> Self {
        Self {
            what: one.name.clone(),
            peak: one.in_flight_peak,
            one_thread: one.threads.map(|threads| threads == 1),
            ..Self::of(&one.timeline, "")
        }
    }

    fn of_report(report: &Report, scene: &Scene) -> Self {
        let diagnosis = report.leading().and_then(|finding| finding.diagnosis);
        let verdict = format!("{:?}", report.verdict());
        Self {
            what: diagnosis.map_or(verdict, |diagnosis| diagnosis.to_string()),
            ..Self::of(&report.timelines[0], scene.gated)
        }
    }

    fn of(timeline: &Timeline, gated: &str) -> Self {
        let mut rows: BTreeMap<_, (usize, Vec<u16>)> = BTreeMap::new();
        for one in &timeline.exchanges {
            let row = rows
                .entry(format!("{} {}", one.service, one.request))
                .or_default();
            row.0 += 1;
            row.1.extend(one.status);
            row.1.sort_unstable();
        }
        let calls: Vec<_> = timeline
            .exchanges
            .iter()
            .filter(|x| x.service != YOU && x.service == gated)
            .collect();
        let together = |one: &&Exchange| calls.iter().filter(|x| spans(x, one)).count();
        Self {
            what: String::new(),
            rows,
            peak: calls.iter().map(together).max().unwrap_or(0),
            one_thread: None,
            gap: timeline.gap.as_ref().map(|gap| gap.label.clone()),
        }
    }
}

/// Whether `one` was under way when `other` arrived.
fn spans(one: &Exchange, other: &Exchange) -> bool {
    one.arrived <= other.arrived && one.ended.is_none_or(|end| end > other.arrived)
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} in flight at most", self.what, self.peak)?;
        match self.one_thread {
            Some(true) => write!(f, ", one thread")?,
            Some(false) => write!(f, ", several threads")?,
            None => {}
        }
        if let Some(gap) = &self.gap {
            write!(f, ", {gap:?}")?;
        }
        for (request, (count, statuses)) in &self.rows {
            write!(f, "; {count} × {request} → {statuses:?}")?;
        }
        Ok(())
    }
}

/// Says whether a recording still holds; 1 where it does not.
fn compared(name: &str, recorded: &[Shape], now: &[Shape], say: Say<'_>) -> anyhow::Result<u8> {
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
        told(now),
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

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &str = include_str!("../../../book/src/timelines/ex01-compare.json");
    const LOCKED: &str = include_str!("../../../book/src/timelines/ex04-starter.json");

    fn three(text: &str) -> Vec<Shape> {
        let contenders: Vec<Contender> = serde_json::from_str(text).expect("contenders");
        contenders.iter().map(Shape::of_contender).collect()
    }

    fn locked(text: &str) -> Shape {
        let report: Report = serde_json::from_str(text).expect("a report");
        let scenes = scenes();
        let scene = scenes.iter().find(|scene| scene.name == "ex04-starter");
        Shape::of_report(&report, scene.expect("the scene"))
    }

    #[test]
    fn sequential_has_one_in_flight_and_the_others_have_all() {
        let peaks: Vec<_> = three(THREE).iter().map(|shape| shape.peak).collect();
        assert_eq!(peaks, [1, 5, 5]);
        let one_thread: Vec<_> = three(THREE).iter().map(|shape| shape.one_thread).collect();
        assert_eq!(one_thread, [Some(true), Some(true), Some(false)]);
        assert_eq!(locked(LOCKED).peak, 1);
    }

    #[test]
    fn a_shape_knows_no_milliseconds() {
        let mut contenders: Vec<Contender> = serde_json::from_str(THREE).expect("contenders");
        for one in &mut contenders {
            one.wall *= 3;
            one.memory = Some(1);
        }
        let later: Vec<_> = contenders.iter().map(Shape::of_contender).collect();
        assert_eq!(later, three(THREE));
    }

    #[test]
    fn another_number_in_flight_another_answer_or_another_reason_is_another_shape() {
        for (from, to) in [
            ("\"in_flight_peak\": 5", "\"in_flight_peak\": 2"),
            ("\"status\": 200", "\"status\": 502"),
            ("\"threads\": 1", "\"threads\": 9"),
            ("GET /today", "GET /tomorrow"),
        ] {
            assert!(THREE.contains(from), "{from}");
            assert_ne!(three(&THREE.replacen(from, to, 1)), three(THREE), "{to}");
        }
        for (from, to) in [
            ("serialised-clients", "sequential"),
            ("19 clients waited", "18 clients waited"),
        ] {
            assert!(LOCKED.contains(from), "{from}");
            assert_ne!(locked(&LOCKED.replace(from, to)), locked(LOCKED), "{to}");
        }
    }
}
