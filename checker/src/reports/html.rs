//! One HTML page that needs nothing else: no network, no other file, and no
//! JavaScript but for zooming. Whatever a program said is text, never markup.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::diagnosis::Diagnosis;
use crate::render::{sentences, svg};
use crate::report::{Finding, Outcome, Report, Timeline, Verdict, milliseconds, words};

use super::{counts, harmless, outcome, subject};

/// What tells such a page from others.
pub(super) const MARK: &str = r#"<meta name="generator" content="checker "#;

const STYLE: &str = include_str!("html.css");
const SCRIPT: &str = include_str!("html.js");

/// Nothing is loaded from anywhere, whatever might slip into the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      base-uri 'none'; form-action 'none'";

/// The reports as one page.
pub(super) fn write(reports: &[Report]) -> String {
    let title = match reports {
        [one] => format!("{}: {}", subject(one), verdict(one).1),
        several => {
            let passed = several.iter().filter(|r| r.verdict() == Verdict::Pass);
            format!("{} of {} exercises pass", passed.count(), several.len())
        }
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                (PreEscaped(MARK)) (env!("CARGO_PKG_VERSION")) (PreEscaped("\">"))
                title { (title) }
                style { (PreEscaped(svg::STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                main {
                    @if let [one] = reports {
                        (report(one, true))
                    } @else {
                        h1 { (title) }
                        (overview(reports))
                        @for one in reports { (report(one, false)) }
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string() + "\n"
}

/// A class, and the word.
fn verdict(report: &Report) -> (&'static str, &'static str) {
    match report.verdict() {
        Verdict::Pass => ("good", "pass"),
        Verdict::Fail => ("bad", "fail"),
        Verdict::Inconclusive => ("unsure", "inconclusive"),
    }
}

/// A class, and the mark.
const fn mark(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Kept => ("good", "✓"),
        Outcome::Broken => ("bad", "✗"),
        Outcome::Inconclusive => ("unsure", "?"),
        Outcome::NotReached => ("quiet", "–"),
    }
}

fn overview(reports: &[Report]) -> Markup {
    html! {
        ul class="overview" {
            @for report in reports {
                @let (class, word) = verdict(report);
                li {
                    a href={ "#" (id(&report.exercise, "")) } { (report.exercise) " · " (report.title) } " "
                    strong class=(class) { (word) }
                }
            }
        }
    }
}

fn report(report: &Report, alone: bool) -> Markup {
    let (class, word) = verdict(report);
    let title = html! {
        span class={ "verdict " (class) } { (word.to_uppercase()) } " "
        (subject(report)) " · " (report.title)
    };
    let told = report.told();
    let lead = report.drawn();
    let rest = report
        .timelines
        .iter()
        .filter(|t| !t.exchanges.is_empty() && lead.is_none_or(|(lead, _)| lead.probe != t.probe));
    let level = if alone { 2 } else { 3 };
    html! {
        section id=[(!alone).then(|| id(&report.exercise, ""))] {
            @if alone { h1 { (title) } } @else { h2 { (title) } }
            p class="headline" { (harmless(&report.headline())) }
            @if let Some(finding) = told { (next_step(finding)) }
            (advice(report))
            @if let Some((timeline, evidence)) = lead {
                (heading(level, "Timeline"))
                (figure(report, timeline, evidence))
            }
            (heading(level, "Checks"))
            ol class="checks" {
                @for finding in &report.findings {
                    (check(finding, told.is_some_and(|told| told.check == finding.check)))
                }
            }
            @if !report.output.trim().is_empty() {
                details {
                    summary { "What the program printed" }
                    pre tabindex="0" role="group" aria-label="What the program printed" {
                        (harmless(&report.output))
                    }
                }
            }
            @let rest: Vec<_> = rest.collect();
            @if !rest.is_empty() {
                (heading(level, "All other recordings"))
                @for timeline in rest {
                    details {
                        summary { (harmless(&timeline.probe)) ": " (harmless(&timeline.title)) }
                        (figure(report, timeline, evidence_of(report, timeline)))
                    }
                }
            }
            p class="quiet" {
                (counts(report))
                @if !report.does_not_compile() {
                    " · verified in " (millis(report.timings.verify_ms))
                }
                @if report.timings.build_ms > 0.0 {
                    " · built in " (millis(report.timings.build_ms))
                }
                " · seed " (report.seed)
            }
        }
    }
}

fn heading(level: u8, text: &str) -> Markup {
    match level {
        2 => html! { h2 { (text) } },
        _ => html! { h3 { (text) } },
    }
}

fn millis(ms: f64) -> String {
    words(milliseconds(ms))
}

fn next_step(finding: &Finding) -> Markup {
    html! {
        @if !finding.next_step.is_empty() {
            p class="next" { strong { "Next step: " } (prose(&finding.next_step)) }
        }
    }
}

fn advice(report: &Report) -> Markup {
    html! {
        @for finding in report.findings.iter().filter(|f| f.advice.is_some()) {
            p class="next" { strong { "Worth knowing: " } (prose(&finding.next_step)) }
        }
    }
}

/// A check; the next step of the one that is `told` stands above already.
fn check(finding: &Finding, told: bool) -> Markup {
    let (class, sign) = mark(finding.outcome);
    html! {
        li {
            span class={ "mark " (class) } aria-hidden="true" { (sign) }
            div {
                strong { (harmless(&finding.title)) } " "
                span class=(class) { (outcome(finding.outcome)) }
                @if let Some(diagnosis) = finding.diagnosis {
                    ": " (diagnosis.headline()) " (" code { (diagnosis.code()) } ")"
                }
                " " span class="quiet" { (harmless(&finding.check)) }
                @match finding.outcome {
                    Outcome::Kept => {}
                    Outcome::NotReached => { br; span class="quiet" { (prose(&finding.observed)) } }
                    _ => (facts(finding, told)),
                }
            }
        }
    }
}

fn facts(finding: &Finding, told: bool) -> Markup {
    html! {
        dl {
            @if !finding.expected.is_empty() {
                dt { "Expected" } dd { (prose(&finding.expected)) }
            }
            @if !finding.observed.is_empty() {
                dt { "Observed" }
                dd {
                    @if finding.diagnosis == Some(Diagnosis::NotCompiling) {
                        // As the compiler drew it: it must not be wrapped.
                        pre tabindex="0" role="group" aria-label="What the compiler says" {
                            (harmless(&finding.observed))
                        }
                    } @else { (prose(&finding.observed)) }
                }
            }
            @if !told && !finding.next_step.is_empty() {
                dt { "Next step" } dd { (prose(&finding.next_step)) }
            }
        }
    }
}

/// The drawing, and the same as a table for whoever does not see it.
fn figure(report: &Report, timeline: &Timeline, evidence: &[u32]) -> Markup {
    let id = id(&report.exercise, &timeline.probe);
    let options = svg::Options {
        id: &id,
        evidence,
        width: None,
    };
    let title = harmless(&timeline.title);
    html! {
        figure {
            div class="zoom" { (PreEscaped(svg::draw(timeline, options))) }
            figcaption { (harmless(&timeline.probe)) ": " (title) }
            details {
                summary { "The same as a table" }
                table {
                    caption { "What happened in " (harmless(&timeline.probe)) }
                    thead { tr { th scope="col" { "Time" } th scope="col" { "What happened" } } }
                    tbody {
                        @for (time, told) in sentences(timeline, evidence) {
                            tr { th scope="row" { (time) } td { (harmless(&told)) } }
                        }
                    }
                }
            }
        }
    }
}

fn evidence_of<'a>(report: &'a Report, timeline: &Timeline) -> &'a [u32] {
    report
        .findings
        .iter()
        .find(|finding| finding.check == timeline.probe)
        .map_or(&[], |finding| finding.evidence.as_slice())
}

/// An id that no other element of the page has.
fn id(exercise: &str, probe: &str) -> String {
    let whole = format!("{exercise}-{probe}");
    whole
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

/// A sentence in which code stands between backticks.
fn prose(text: &str) -> Markup {
    let text = harmless(text);
    let parts: Vec<_> = text.split('`').collect();
    html! {
        @if parts.len() % 2 == 0 { (text) } @else {
            @for (i, part) in parts.iter().enumerate() {
                @if i % 2 == 1 { code { (part) } } @else { (part) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::render::samples;
    use super::*;

    #[test]
    fn whatever_a_program_says_is_text() {
        const NASTY: &str =
            "</script><script>x</script><img src=x onerror=y> \" ' & `</pre>` \u{1b}[31m\u{202e}";
        for mut report in samples::all() {
            report.output = NASTY.to_owned();
            report.program = NASTY.to_owned();
            for finding in &mut report.findings {
                finding.observed = NASTY.to_owned();
                finding.next_step = NASTY.to_owned();
                finding.title = NASTY.to_owned();
            }
            for timeline in &mut report.timelines {
                timeline.title = NASTY.to_owned();
                for exchange in &mut timeline.exchanges {
                    exchange.request = NASTY.to_owned();
                    exchange.service = NASTY.to_owned();
                }
                if let Some(gap) = &mut timeline.gap {
                    gap.label = NASTY.to_owned();
                }
            }
            let page = write(&[report.clone(), report]);
            assert_eq!(page.matches("<script>").count(), 1, "{page}");
            assert!(!page.contains("<img") && !page.contains('\u{1b}'));
            assert!(!page.contains('\u{202e}'));
        }
    }

    #[test]
    fn a_page_asks_nobody_for_anything() {
        let page = write(&samples::all());
        // The name of the namespace is no address that is loaded.
        let page = page.replace("=\"http://www.w3.org/2000/svg\"", "");
        for bad in ["=\"http", "src=", "@import", "url(", "<link"] {
            assert!(!page.contains(bad), "{bad}");
        }
    }

    #[test]
    fn checks_stand_in_teaching_order() {
        let page = write(&[samples::sequential()]);
        let places: Vec<_> = [
            "ex02/ready",
            "ex02/answer",
            "ex02/overlap</span>",
            "ex02/labels",
        ]
        .iter()
        .map(|check| page.rfind(check).expect("it is there"))
        .collect();
        assert!(places.is_sorted(), "{places:?}");
    }
}
