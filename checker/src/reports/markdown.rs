//! Markdown for a pull request: a table, the next step, and the timeline as text.
//! Nothing that a program said becomes a link, a mention, or markup.

use std::fmt::Write as _;

use crate::diagnosis::Diagnosis;
use crate::render::{Sheet, timeline};
use crate::report::{Finding, Outcome, Report, Verdict};

use super::{counts, harmless, outcome, subject};

/// What every such text begins with; readers do not see it.
pub(super) const MARK: &str = "<!-- a report of the async workshop's checker -->\n";

/// Columns of a timeline: what a pull request shows without scrolling.
const WIDTH: usize = 90;

/// The reports as one text.
pub(super) fn write(reports: &[Report]) -> String {
    let mut text = MARK.to_owned();
    if reports.len() > 1 {
        text.push_str("\n| exercise | verdict | |\n|---|---|---|\n");
        for report in reports {
            let (subject, said) = (plain(&subject(report)), plain(&report.headline()));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| {subject} | {} | {said} |", verdict(report));
        }
    }
    for report in reports {
        one(&mut text, report);
    }
    text
}

const fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Kept => "✅",
        Outcome::Broken => "❌",
        Outcome::Inconclusive => "❔",
        Outcome::NotReached => "➖",
    }
}

fn verdict(report: &Report) -> &'static str {
    match report.verdict() {
        Verdict::Pass => "✅ pass",
        Verdict::Fail => "❌ fail",
        Verdict::Inconclusive => "❔ inconclusive",
    }
}

fn one(text: &mut String, report: &Report) {
    let _ = write!(
        text,
        "\n### {}: {}\n\n{}: {}\n\n| check | | |\n|---|---|---|\n",
        plain(&subject(report)),
        plain(&report.title),
        verdict(report),
        plain(&report.headline())
    );
    for finding in &report.findings {
        let aside = match (finding.outcome, finding.diagnosis) {
            (Outcome::Broken, Some(diagnosis)) => format!("broken: {diagnosis}"),
            (other, _) => outcome(other).to_owned(),
        };
        let _ = writeln!(
            text,
            "| {} {} | {} | {} |",
            mark(finding.outcome),
            plain(&finding.check),
            plain(&finding.title),
            plain(&aside)
        );
    }
    if let Some(finding) = report.told() {
        told(text, finding);
    }
    if let Some((timeline, evidence)) = report.drawn() {
        let sheet = Sheet {
            width: WIDTH,
            ..Sheet::default()
        };
        let drawn = timeline::draw(timeline, evidence, &sheet);
        let title = format!("{}: {}", timeline.probe, timeline.title);
        let _ = write!(
            text,
            "\n<details><summary>Timeline of {}</summary>\n\n{}\n</details>\n",
            plain(&title),
            fenced(&harmless(&drawn))
        );
    }
    let _ = write!(
        text,
        "\n<sub>{}, seed {}</sub>\n",
        plain(&counts(report)),
        report.seed
    );
}

fn told(text: &mut String, finding: &Finding) {
    let mut say = |name: &str, said: &str| {
        if !said.is_empty() {
            let _ = write!(text, "\n**{name}:** {}\n", prose(&harmless(said)));
        }
    };
    say("Expected", &finding.expected);
    if finding.diagnosis != Some(Diagnosis::NotCompiling) {
        say("Observed", &finding.observed);
    }
    say("Next step", &finding.next_step);
    if finding.diagnosis == Some(Diagnosis::NotCompiling) {
        let _ = write!(
            text,
            "\nThe compiler says:\n\n{}",
            fenced(&harmless(&finding.observed))
        );
    }
}

/// `text` in a fence that is longer than any in it.
fn fenced(text: &str) -> String {
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", text.trim_end())
}

/// A sentence of ours, in which code stands between backticks; the rest is
/// nothing but words.
fn prose(text: &str) -> String {
    let parts: Vec<_> = text.split('`').collect();
    let even = parts.len() % 2 == 1;
    let mut shown = String::new();
    for (i, part) in parts.iter().enumerate() {
        if i % 2 == 1 && even && !part.is_empty() {
            // HTML, in which every letter can be written so that it stays one.
            let _ = write!(shown, "<code>{}</code>", plain(part));
        } else {
            if i > 0 && !even {
                shown.push_str("&#96;");
            }
            shown.push_str(&plain(part));
        }
    }
    shown
}

/// `text` on one line with everything that could be markup, a mention, a
/// reference or an address written as a number: a reader sees the same letters.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let one_line = |c: char| if c.is_whitespace() { ' ' } else { c };
    let mut letters = text.chars().map(one_line).peekable();
    let mut before = ' ';
    while let Some(c) = letters.next() {
        let is_markup = matches!(
            c,
            '\\' | '`' | '*' | '_' | '~' | '[' | ']' | '<' | '>' | '|' | '#' | '@' | '&' | '$'
        );
        // `://` and `www.` are made into links.
        let is_address = c == ':' && letters.peek() == Some(&'/') || c == '.' && before == 'w';
        if is_markup || is_address {
            let _ = write!(shown, "&#{};", u32::from(c));
        } else {
            shown.push(c);
        }
        before = c;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::super::super::render::samples;
    use super::*;

    #[test]
    fn a_fail_as_it_stands_in_a_pull_request() {
        insta::assert_snapshot!(write(&[samples::sequential()]));
    }

    #[test]
    fn nothing_that_a_program_said_becomes_markup() {
        let nasty =
            "<script>x</script> @octocat #4321 | a | `b` ```\n# title\n[x](http://y) www.z.org";
        let mut report = samples::crashed();
        let finding = report.findings.last_mut().expect("one");
        finding.observed = nasty.to_owned();
        finding.next_step = nasty.to_owned();
        report.program = nasty.to_owned();
        let text = write(&[report]);
        for bad in [
            "<script",
            "@octocat",
            "#4321",
            "| a |",
            "](",
            "http://",
            "www.z",
            "\n# title",
        ] {
            assert!(!text.contains(bad), "{bad}: {text}");
        }
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        let text = fenced("a ```` b ``");
        assert!(
            text.starts_with("`````text\n") && text.ends_with("\n`````\n"),
            "{text}"
        );
    }

    #[test]
    fn a_table_row_has_three_cells_whatever_is_in_it() {
        let text = write(&samples::all());
        for row in text.lines().filter(|line| line.starts_with("| ")) {
            assert_eq!(row.matches('|').count(), 4, "{row}");
        }
    }
}
