//! A hint: which one it is, what it says, and how to get at the next.

use crate::diagnosis::Diagnosis;
use crate::hint::Shown;

use super::Sheet;
use super::canvas::{Canvas, Column};
use super::clean::clean;
use super::style::{PLAIN, QUIET, STRONG};

const MARGIN: Column = Column(2);

/// The hint on a sheet.
pub fn hint(shown: &Shown<'_>, sheet: &Sheet) -> String {
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
