//! What `checker doctor` saw, a row for each, and beneath it what mends it.

use crate::doctor::{Checkup, Row, State};

use super::Sheet;
use super::canvas::{Canvas, Column};
use super::style::{BAD, GOOD, PLAIN, QUIET, STRONG, UNSURE};

const MARGIN: usize = 2;
/// The longest state and the longest name, and air.
const NAME: Column = Column(MARGIN + 9);
const SEEN: Column = NAME.right(13);

/// The rows on a sheet, and a last line that says what follows from them.
pub fn draw(checkup: &Checkup, sheet: &Sheet) -> String {
    let mut canvas = Canvas::new(sheet);
    for row in &checkup.rows {
        one(&mut canvas, row);
    }
    canvas.paragraph();
    canvas.line();
    let count = |state| checkup.rows.iter().filter(|row| row.state == state).count();
    let (said, style) = match (count(State::Missing), count(State::Warning)) {
        (0, 0) => ("Everything is here.".to_owned(), GOOD),
        (0, _) => (
            "Everything that is needed is here; see the warnings above.".to_owned(),
            UNSURE,
        ),
        (1, _) => (
            "1 thing is missing that the workshop needs.".to_owned(),
            BAD,
        ),
        (missing, _) => (
            format!("{missing} things are missing that the workshop needs."),
            BAD,
        ),
    };
    canvas.put_wrapped(Column(MARGIN), &said, style);
    canvas.flush()
}

fn one(canvas: &mut Canvas, row: &Row) {
    let (word, style) = match row.state {
        State::Ok => ("ok", GOOD),
        State::Warning => ("warning", UNSURE),
        State::Missing => ("MISSING", BAD),
    };
    canvas.line();
    canvas.put(Column(MARGIN), word, style);
    canvas.put(NAME, row.name, STRONG);
    let seen = canvas.glyphs.text(&row.seen);
    canvas.put_wrapped(SEEN, &seen, PLAIN);
    if let Some(mend) = &row.mend {
        canvas.line();
        let at = canvas.put(SEEN, canvas.glyphs.quote, QUIET).right(1);
        let mend = canvas.glyphs.text(mend);
        canvas.put_wrapped(at, &mend, STRONG);
    }
}
