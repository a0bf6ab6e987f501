//! A report as a person reads it: the verdict and the mistake's name, the
//! checks, the timeline, what was expected and seen, and one next step.

use anstyle::Style;

use crate::diagnosis::Diagnosis;
use crate::report::{Finding, Outcome, Report, Verdict, milliseconds, words};

use super::Sheet;
use super::canvas::{Canvas, Column};
use super::clean::{clean, keep_colours};
use super::prose::width;
use super::style::{BAD, GOOD, PLAIN, QUIET, STRONG, UNSURE};
use super::timeline;

const MARGIN: usize = 2;

/// Where the text beside `expected`, `observed` and `next step` begins.
const BESIDE: Column = Column(MARGIN + 11);

/// How many of a program's last lines are shown.
const LAST_WORDS: usize = 10;

/// The report on a sheet.
pub fn human(report: &Report, sheet: &Sheet) -> String {
    let mut canvas = Canvas::new(sheet);
    headline(&mut canvas, report);
    checks(&mut canvas, report, sheet.plain);
    let told = report.told();
    if let Some((timeline, evidence)) = report.drawn() {
        canvas.paragraph();
        canvas.line();
        canvas.put_wrapped(
            Column(MARGIN),
            &format!("{}: {}", timeline.probe, timeline.title),
            QUIET,
        );
        timeline::draw_on(&mut canvas, timeline, evidence, sheet);
    }
    if let Some(finding) = told {
        explain(&mut canvas, finding);
        last_words(&mut canvas, report, finding);
    }
    advice(&mut canvas, report);
    footer(&mut canvas, report, sheet);
    canvas.flush()
}

/// The verdict and no more, on one line however long.
pub fn verdict_line(report: &Report, sheet: &Sheet) -> String {
    let sheet = Sheet {
        width: usize::from(u16::MAX),
        ..*sheet
    };
    let mut canvas = Canvas::new(&sheet);
    headline(&mut canvas, report);
    canvas.flush()
}

/// All verdicts beneath each other, of reports that were shown one by one.
pub fn verdict_lines(reports: &[Report], sheet: &Sheet) -> String {
    let mut canvas = Canvas::new(sheet);
    for report in reports {
        headline(&mut canvas, report);
    }
    canvas.flush()
}

fn verdict(report: &Report) -> (&'static str, Style) {
    match report.verdict() {
        Verdict::Pass => ("PASS", GOOD),
        Verdict::Fail => ("FAIL", BAD),
        Verdict::Inconclusive => ("INCONCLUSIVE", UNSURE),
    }
}

fn headline(canvas: &mut Canvas, report: &Report) {
    let (word, style) = verdict(report);
    canvas.line();
    let at = canvas.put(Column(0), word, style).right(1);
    let dot = canvas.glyphs.dot;
    let what = match report.program.as_str() {
        "exercise" => report.exercise.clone(),
        other => format!("{} {dot} {}", report.exercise, clean(other)),
    };
    let said = format!("{what} {dot} {}", report.headline());
    let said = canvas.glyphs.text(&said);
    canvas.put_wrapped(at, &said, STRONG);
}

fn checks(canvas: &mut Canvas, report: &Report, plain: bool) {
    let mark = |canvas: &Canvas, outcome| match (plain, outcome) {
        (false, _) => canvas.glyphs.outcome(outcome),
        (true, Outcome::Kept) => "kept:",
        (true, Outcome::Broken) => "BROKEN:",
        (true, Outcome::Inconclusive) => "undecided:",
        (true, Outcome::NotReached) => "not reached:",
    };
    // Where it did not even start, no more is told than has to be: the last line
    // counts what was not reached.
    let any_kept = report.findings.iter().any(|f| f.outcome == Outcome::Kept);
    let is_told = |f: &&Finding| any_kept || f.outcome != Outcome::NotReached;
    let shown: Vec<_> = report.findings.iter().filter(is_told).collect();
    let marks = shown.iter().map(|f| width(mark(canvas, f.outcome)));
    let check_at = Column(MARGIN + marks.max().unwrap_or(1) + 1);
    let widest = shown.iter().map(|f| width(&f.check)).max();
    let title_at = check_at.right(widest.unwrap_or(0) + 2);
    for finding in shown {
        canvas.line();
        let style = match finding.outcome {
            Outcome::Kept => GOOD,
            Outcome::Broken => BAD,
            Outcome::Inconclusive => UNSURE,
            Outcome::NotReached => QUIET,
        };
        canvas.put(Column(MARGIN), mark(canvas, finding.outcome), style);
        let text = if finding.outcome == Outcome::Broken {
            STRONG
        } else {
            PLAIN
        };
        canvas.put(check_at, &finding.check, text);
        let aside = match (finding.outcome, finding.diagnosis) {
            (Outcome::Broken, Some(diagnosis)) => diagnosis.code().to_owned(),
            (Outcome::Inconclusive, _) => "could not be judged".to_owned(),
            (Outcome::NotReached, _) => finding.observed.clone(),
            _ => String::new(),
        };
        let mut title = canvas.glyphs.text(&finding.title);
        if !aside.is_empty() {
            let dash = canvas.glyphs.not_reached;
            title = format!("{title} {dash} {}", canvas.glyphs.text(&aside));
        }
        canvas.put_wrapped(title_at, &title, text);
    }
}

fn explain(canvas: &mut Canvas, finding: &Finding) {
    let rows = [
        ("expected", &finding.expected),
        ("observed", &finding.observed),
        ("next step", &finding.next_step),
    ];
    canvas.paragraph();
    for (name, text) in rows {
        if text.is_empty() {
            continue;
        }
        canvas.line();
        canvas.put(Column(MARGIN), name, QUIET);
        if name == "observed" && finding.diagnosis == Some(Diagnosis::NotCompiling) {
            // As the compiler drew it: it must not be wrapped.
            canvas.put(BESIDE, "the compiler says:", PLAIN);
            canvas.line();
            for line in keep_colours(text).lines() {
                canvas.keep(line.to_owned());
            }
            canvas.line();
            continue;
        }
        let style = if name == "next step" { STRONG } else { PLAIN };
        let text = canvas.glyphs.text(&clean(text));
        canvas.put_wrapped(BESIDE, &text, style);
    }
    if let (Outcome::Broken, Some(diagnosis)) = (finding.outcome, finding.diagnosis) {
        more(canvas, diagnosis);
    }
}

/// Where a whole page about the mistake is.
fn more(canvas: &mut Canvas, diagnosis: Diagnosis) {
    canvas.line();
    canvas.put(Column(MARGIN), "more", QUIET);
    canvas.put_wrapped(BESIDE, &format!("checker explain {diagnosis}"), PLAIN);
}

fn last_words(canvas: &mut Canvas, report: &Report, finding: &Finding) {
    let told = matches!(
        finding.diagnosis,
        Some(
            Diagnosis::Crashed
                | Diagnosis::Exited
                | Diagnosis::Hung
                | Diagnosis::NotListening
                | Diagnosis::FloodedOutput
        )
    );
    let lines: Vec<_> = report
        .output
        .lines()
        .filter(|l| !l.trim().is_empty())
        .collect();
    if !told || lines.is_empty() {
        return;
    }
    canvas.paragraph();
    canvas.line();
    let shown = &lines[lines.len().saturating_sub(LAST_WORDS)..];
    let title = if shown.len() < lines.len() {
        "the last lines that your program printed:"
    } else {
        "what your program printed:"
    };
    canvas.put(Column(MARGIN), title, QUIET);
    for line in shown {
        canvas.line();
        let quote = canvas.glyphs.quote;
        canvas.put(Column(MARGIN), quote, QUIET);
        let line = canvas.glyphs.text(&clean(line));
        canvas.put_wrapped(Column(MARGIN + 2), &line, PLAIN);
    }
}

fn advice(canvas: &mut Canvas, report: &Report) {
    for finding in &report.findings {
        if let Some(advice) = finding.advice {
            canvas.paragraph();
            canvas.line();
            canvas.put(Column(MARGIN), "advice", QUIET);
            let text = canvas.glyphs.text(&finding.next_step);
            canvas.put_wrapped(BESIDE, &text, PLAIN);
            more(canvas, advice);
        }
    }
}

fn footer(canvas: &mut Canvas, report: &Report, sheet: &Sheet) {
    let count = |outcome| {
        report
            .findings
            .iter()
            .filter(|f| f.outcome == outcome)
            .count()
    };
    let millis = |ms: f64| words(milliseconds(ms));
    let mut facts: Vec<String> = [
        (Outcome::Kept, "kept"),
        (Outcome::Broken, "broken"),
        (Outcome::NotReached, "not reached"),
        (Outcome::Inconclusive, "inconclusive"),
    ]
    .into_iter()
    .filter(|(outcome, _)| count(*outcome) > 0)
    .map(|(outcome, name)| format!("{} {name}", count(outcome)))
    .collect();
    let timings = report.timings;
    if !report.does_not_compile() {
        facts.push(format!("verified in {}", millis(timings.verify_ms)));
    }
    facts.push(format!("seed {}", report.seed));
    canvas.paragraph();
    canvas.line();
    let dot = format!(" {} ", canvas.glyphs.dot);
    canvas.put_wrapped(Column(MARGIN), &facts.join(&dot), QUIET);
    if sheet.timings {
        let rest = timings.verify_ms - timings.start_ms - timings.probe_ms;
        let line = format!(
            "time: cargo {}, start-up {}, probing {}, the rest {}",
            millis(timings.build_ms),
            millis(timings.start_ms),
            millis(timings.probe_ms),
            millis(rest)
        );
        canvas.line();
        canvas.put_wrapped(Column(MARGIN), &line, QUIET);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{prose, samples};
    use super::*;

    fn strip(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn at(report: &Report, width: usize, unicode: bool, plain: bool) -> String {
        strip(&human(
            report,
            &Sheet {
                width,
                unicode,
                plain,
                ..Sheet::default()
            },
        ))
    }

    #[test]
    fn a_sequential_program_is_told_so() {
        let report = samples::sequential();
        insta::assert_snapshot!(format!(
            "── 60\n{}── 80\n{}── 120, ASCII\n{}── 80, plain\n{}",
            at(&report, 60, true, false),
            at(&report, 80, true, false),
            at(&report, 120, false, false),
            at(&report, 80, true, true),
        ));
    }

    #[test]
    fn a_pass_is_short() {
        insta::assert_snapshot!(at(&samples::passed(), 80, true, false));
    }

    #[test]
    fn a_busy_machine_is_nobodys_fault() {
        insta::assert_snapshot!(at(&samples::inconclusive(), 80, true, false));
    }

    #[test]
    fn a_crash_shows_the_panic_and_the_programs_last_words() {
        insta::assert_snapshot!(at(&samples::crashed(), 80, true, false));
    }

    #[test]
    fn a_compile_error_is_shown_as_the_compiler_drew_it_once() {
        let text = at(&samples::not_compiling(), 80, true, false);
        assert_eq!(text.matches("error[E0308]").count(), 1, "{text}");
        assert!(text.contains("  --> src/main.rs:3:5\n"), "{text}");
    }

    #[test]
    fn before_a_compile_error_stands_nothing_that_was_not_reached() {
        let mut report = samples::not_compiling();
        let unreached = Finding {
            check: "ex02/overlap".to_owned(),
            outcome: Outcome::NotReached,
            diagnosis: None,
            observed: "ex02/ready comes first".to_owned(),
            ..report.findings[0].clone()
        };
        report.findings.extend([unreached.clone(), unreached]);
        for plain in [false, true] {
            let text = at(&report, 80, true, plain);
            assert!(!text.contains("ex02/overlap"), "{text}");
            assert!(text.contains("1 broken · 2 not reached"), "{text}");
        }
    }

    #[test]
    fn no_line_is_wider_than_the_sheet() {
        let reports = [
            samples::sequential(),
            samples::passed(),
            samples::crashed(),
            samples::inconclusive(),
        ];
        for report in &reports {
            for width in 40..=200 {
                for plain in [false, true] {
                    for line in at(report, width, true, plain).lines() {
                        assert!(prose::width(line) <= width, "{width}: {line}");
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_that_a_program_printed_acts_on_the_terminal() {
        let mut report = samples::crashed();
        report.output = "\u{1b}[2J\u{1b}[HPASS\u{202e}\u{7}".to_owned();
        let drawn = human(&report, &Sheet::default());
        assert!(
            !drawn.contains("\u{1b}[2J") && !drawn.contains('\u{202e}') && !drawn.contains('\u{7}')
        );
    }
}
