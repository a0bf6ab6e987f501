//! Draws a timeline of a recorded report: how the pictures of the book are made.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Deserialize;

use crate::render::{Sheet, svg, timeline};
use crate::report::{Report, Timeline};

/// Pixels of a picture that stands alone.
const WIDTH: u32 = 760;

/// What to draw, and how.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// What `verify --format json` wrote; `-` is standard input
    #[arg(value_name = "REPORT.json")]
    pub report: PathBuf,
    /// Of which probe, such as ex02/overlap [default: the one that tells the story]
    #[arg(long, value_name = "ID")]
    pub probe: Option<String>,
    /// As SVG, not as text
    #[arg(long)]
    pub svg: bool,
    /// The picture's width in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = WIDTH, requires = "svg",
          value_parser = clap::value_parser!(u32).range(300..=4000))]
    pub width: u32,
}

/// A report, or those of `--all`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Recorded {
    Many(Vec<Report>),
    One(Box<Report>),
}

/// The drawing; the same for the same report.
///
/// # Errors
/// Where there is no such report, or no such timeline in it.
pub fn run(options: &Options, sheet: Sheet) -> anyhow::Result<String> {
    let shown = options.report.display();
    let text = read(&options.report).with_context(|| format!("{shown} cannot be read"))?;
    let recorded: Recorded = serde_json::from_str(&text).ok().with_context(|| {
        format!("{shown} is no report; `checker verify --format json` writes one")
    })?;
    let reports = match recorded {
        Recorded::Many(reports) => reports,
        Recorded::One(report) => vec![*report],
    };
    let (timeline, evidence) = find(&reports, options.probe.as_deref())
        .with_context(|| missing(&reports, options.probe.as_deref()))?;
    let drawn = if options.svg {
        let id: String = timeline
            .probe
            .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let options = svg::Options {
            id: &id,
            evidence,
            width: Some(options.width),
        };
        svg::draw(timeline, options) + "\n"
    } else {
        timeline::draw(timeline, evidence, &sheet)
    };
    if drawn.trim().is_empty() {
        bail!(
            "nothing happened in {}, so there is nothing to draw",
            timeline.probe
        );
    }
    Ok(drawn)
}

fn read(file: &Path) -> std::io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file)
}

fn find<'a>(reports: &'a [Report], probe: Option<&str>) -> Option<(&'a Timeline, &'a [u32])> {
    let Some(probe) = probe else {
        return reports.iter().find_map(Report::drawn);
    };
    let report = reports.iter().find(|r| r.timeline(probe).is_some())?;
    let evidence = report.findings.iter().find(|f| f.check == probe);
    let evidence = evidence.map_or(&[][..], |finding| &finding.evidence);
    Some((report.timeline(probe)?, evidence))
}

fn missing(reports: &[Report], probe: Option<&str>) -> String {
    let Some(probe) = probe else {
        return "the report has no timeline that tells of its verdict; name one with --probe"
            .to_owned();
    };
    let all: Vec<_> = reports
        .iter()
        .flat_map(|report| &report.timelines)
        .map(|timeline| timeline.probe.as_str())
        .collect();
    format!(
        "the report has no timeline `{probe}`; it has {}",
        all.join(", ")
    )
}
