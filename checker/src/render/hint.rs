//! A hint: which one it is, what it says, and how to get at the next.

use crate::diagnosis::Diagnosis;
use crate::hint::{Answer, Passed, Shown};

use super::Sheet;
use super::canvas::{Canvas, Column};
use super::clean::clean;
use super::prose::width;
use super::style::{CALL, PLAIN, QUIET, STRONG};

const MARGIN: Column = Column(2);

/// The hint on a sheet; or that none is needed, and what to do instead.
pub fn hint(answer: &Answer<'_>, sheet: &Sheet) -> String {
    match answer {
        Answer::Hint(shown) => level(shown, sheet),
        Answer::Passed(passed) => instead(passed, sheet),
    }
}

fn instead(passed: &Passed<'_>, sheet: &Sheet) -> String {
    let mut canvas = Canvas::new(sheet);
    canvas.line();
    let head = format!(
        "{} · {} has passed: there is nothing left to hint at.",
        passed.exercise.id, passed.exercise.title
    );
    let head = canvas.glyphs.text(&head);
    canvas.put_wrapped(Column(0), &head, STRONG);
    canvas.paragraph();
    let rows: Vec<_> = passed
        .instead
        .iter()
        .map(|(command, what)| (sheet.call.spell(command), what))
        .collect();
    let widest = rows.iter().map(|(command, _)| width(command)).max();
    let beside = MARGIN.right(widest.unwrap_or(0) + 2);
    for (command, what) in &rows {
        canvas.line();
        canvas.put(MARGIN, command, CALL);
        let what = canvas.glyphs.text(what);
        canvas.put_wrapped(beside, &what, PLAIN);
    }
    canvas.flush()
}

fn level(shown: &Shown<'_>, sheet: &Sheet) -> String {
    let mut canvas = Canvas::new(sheet);
    canvas.line();
    let head = format!(
        "{} · {}, hint {} of {}",
        shown.exercise.id,
        shown.exercise.title,
        shown.level,
        shown.exercise.hints.len()
    );
    let head = canvas.glyphs.text(&head);
    canvas.put_wrapped(Column(0), &head, STRONG);
    canvas.paragraph();
    if let Some(code) = &shown.last_time {
        let said = match Diagnosis::from_code(code) {
            // The question is about what the starter does wrong.
            Some(known) if *code != shown.exercise.starter_fails_with => format!(
                "Your last attempt: {known}, {}. `checker explain {known}` is about that; here \
                 follows the exercise's own hint.",
                known.headline()
            ),
            Some(known) => format!("Your last attempt: {known}, {}.", known.headline()),
            None => format!("Your last attempt: {}.", clean(code)),
        };
        let said = canvas.glyphs.text(&said);
        canvas.line();
        canvas.put_wrapped(MARGIN, &said, PLAIN);
        canvas.paragraph();
    }
    let text = shown.text.trim();
    if text.contains('\n') {
        // Code keeps its lines, whatever their width.
        for line in text.lines() {
            let line = canvas.glyphs.letters(clean(line));
            canvas.keep(format!("  {line}").trim_end().to_owned());
        }
    } else {
        let text = canvas.glyphs.text(text);
        canvas.line();
        canvas.put_wrapped(MARGIN, &text, PLAIN);
    }
    if let Some(next) = &shown.next {
        canvas.paragraph();
        canvas.line();
        let next = canvas.glyphs.text(next);
        canvas.put_wrapped(MARGIN, &next, QUIET);
    }
    canvas.flush()
}
