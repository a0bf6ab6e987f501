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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::render::{self, samples};

    /// Something that a field may hold instead of what it should.
    fn anything() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<u64>().prop_map(Value::from),
            (0_u64..20).prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[a-z]{0,4}/[a-z]{0,8}".prop_map(Value::from),
            Just(json!([])),
            Just(json!({})),
        ]
    }

    /// How many places a document has.
    fn places(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(places).sum(),
            Value::Object(fields) => fields.values().map(places).sum(),
            _ => 0,
        }
    }

    /// The place with that number.
    fn place<'a>(value: &'a mut Value, number: &mut usize) -> Option<&'a mut Value> {
        if *number == 0 {
            return Some(value);
        }
        *number -= 1;
        match value {
            Value::Array(items) => items.iter_mut().find_map(|item| place(item, number)),
            Value::Object(fields) => fields.values_mut().find_map(|item| place(item, number)),
            _ => None,
        }
    }

    fn draw_all(text: &str, width: usize) {
        let Ok(recorded) = serde_json::from_str::<Recorded>(text) else {
            return;
        };
        let reports = match recorded {
            Recorded::Many(reports) => reports,
            Recorded::One(report) => vec![*report],
        };
        let sheet = Sheet {
            width,
            ..Sheet::default()
        };
        missing(&reports, Some("ex02/overlap"));
        for report in &reports {
            render::human(report, &sheet);
        }
        if let Some((timeline, evidence)) = find(&reports, None) {
            timeline::draw(timeline, evidence, &sheet);
            let options = svg::Options {
                id: "any",
                evidence,
                width: Some(WIDTH),
            };
            svg::draw(timeline, options);
        }
    }

    proptest! {
        #[test]
        fn any_report_that_is_read_back_is_drawn(
            sample: prop::sample::Index,
            seed: u64,
            width in 0_usize..200,
            changes in prop::collection::vec((any::<prop::sample::Index>(), anything()), 0..6),
        ) {
            let mut reports = samples::all();
            let mut report = reports.swap_remove(sample.index(reports.len()));
            if seed % 2 == 0 {
                report.timelines.push(samples::random_timeline(seed));
            }
            let mut report = serde_json::to_value(&report).expect("JSON");
            for (at, becomes) in changes {
                let mut number = at.index(places(&report));
                if let Some(place) = place(&mut report, &mut number) {
                    *place = becomes;
                }
            }
            draw_all(&report.to_string(), width);
        }

        #[test]
        fn any_text_is_a_report_or_refused(text: String, json in r#"[{}\[\]:,"a-z0-9 ]{0,80}"#) {
            draw_all(&text, 80);
            draw_all(&json, 80);
        }
    }
}
