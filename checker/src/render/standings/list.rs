//! Every exercise and how far it has come.

use std::time::Duration;

use anstyle::Style;

use crate::render::Sheet;
use crate::render::canvas::{Canvas, Column};
use crate::render::clean::clean;
use crate::render::prose::{shorten, width};
use crate::render::style::{BAD, GOOD, PLAIN, QUIET, STRONG};
use crate::report::{counted, words};
use crate::standing::{self, Standing};

const MARGIN: usize = 2;

/// One row per exercise: its state, the best time against the critical path,
/// attempts, and minutes at work of those planned.
pub fn list(standings: &[Standing<'_>], sheet: &Sheet) -> String {
    let mut canvas = Canvas::new(sheet);
    if sheet.plain {
        for standing in standings {
            // One line each, however long: whoever reads this may be a program.
            let said = canvas.glyphs.text(&sentence(standing));
            canvas.keep(said);
        }
        return canvas.flush();
    }
    let current = standing::current(standings).map(|one| one.exercise.id.as_str());
    let cells: Vec<_> = standings.iter().map(cells).collect();
    let head = ["", "state", "best/path", "tries", "minutes"];
    let widest = |column: usize| {
        let texts = cells.iter().map(|row| width(&row[column]));
        texts.chain([width(head[column])]).max().unwrap_or(0)
    };
    // Numbers stand at the right; what is left belongs to the titles.
    let first = if standings.iter().any(|one| one.best.is_some()) {
        2
    } else {
        3 // nothing to show yet: more room for the rest
    };
    let numbers: usize = (first..5).map(|column| widest(column) + 2).sum();
    let room = canvas.width().saturating_sub(MARGIN + 2 + numbers + 2);
    let state_wide = widest(1).min(room * 3 / 4);
    let id_wide = standings.iter().map(|one| width(&one.exercise.id)).max();
    let title_wide = match room.saturating_sub(state_wide).min(widest(0)) {
        // A title that is cut down to a syllable says less than none.
        0..12 => id_wide.unwrap_or(0),
        wide => wide,
    };
    let state_at = Column(MARGIN + 2 + title_wide + 2);
    let mut row = |mark: &str, cells: &[String; 5], styles: [Style; 5]| {
        canvas.line();
        canvas.put(Column(MARGIN), mark, styles[1]);
        let ellipsis = canvas.glyphs.ellipsis;
        let fit = |text: &str, room| shorten(&canvas.glyphs.text(text), room, ellipsis);
        let title = match cells[0].split_once(' ') {
            Some((id, _)) if width(id) == title_wide => id.to_owned(),
            _ => fit(&cells[0], title_wide),
        };
        let state = fit(&cells[1], state_wide);
        canvas.put(Column(MARGIN + 2), &title, styles[0]);
        canvas.put(state_at, &state, styles[1]);
        let mut at = state_at.right(state_wide);
        for column in first..5 {
            let text = canvas.glyphs.text(&cells[column]);
            at = at.right(2 + widest(column));
            canvas.put(Column(at.0 - width(&text).min(at.0)), &text, styles[column]);
        }
    };
    row(" ", &head.map(str::to_owned), [QUIET; 5]);
    for (standing, cells) in standings.iter().zip(&cells) {
        let is_current = current == Some(standing.exercise.id.as_str());
        let (mark, style) = match &standing.last {
            _ if standing.passed => (glyph(sheet, "✓", "+"), GOOD),
            Some(_) => (glyph(sheet, "✗", "x"), BAD),
            None => (" ", PLAIN),
        };
        let title = if is_current { STRONG } else { PLAIN };
        row(mark, cells, [title, style, PLAIN, PLAIN, PLAIN]);
    }
    legend(&mut canvas, standings);
    canvas.flush()
}

fn glyph(sheet: &Sheet, unicode: &'static str, ascii: &'static str) -> &'static str {
    if sheet.unicode { unicode } else { ascii }
}

fn legend(canvas: &mut Canvas, standings: &[Standing<'_>]) {
    canvas.paragraph();
    canvas.line();
    let mut said = "minutes: at work (as far as attempts show it) of those planned".to_owned();
    if standings.iter().any(|one| one.best.is_some()) {
        said.insert_str(
            0,
            "best/path: your quickest answer, and what of it was spent waiting for services. ",
        );
    }
    let said = canvas.glyphs.text(&said);
    canvas.put_wrapped(Column(MARGIN), &said, QUIET);
}

fn cells(standing: &Standing<'_>) -> [String; 5] {
    let exercise = standing.exercise;
    let best = standing.best.map_or(String::new(), |pace| {
        let (wall, path) = (words(pace.wall), words(pace.critical_path));
        // The same unit is named once.
        match (wall.split_once(' '), path.split_once(' ')) {
            (Some((wall, a)), Some((path, b))) if a == b => format!("{wall}/{path} {a}"),
            _ => format!("{wall}/{path}"),
        }
    });
    [
        format!("{} {}", exercise.id, exercise.title),
        state(standing),
        best,
        match standing.attempts {
            0 => String::new(),
            n => n.to_string(),
        },
        match minutes(standing.at_work) {
            0 => exercise.minutes.to_string(),
            spent => format!("{spent} of {}", exercise.minutes),
        },
    ]
}

fn state(standing: &Standing<'_>) -> String {
    match &standing.last {
        _ if standing.passed && standing.bonus_passed => "passed, bonus too".to_owned(),
        _ if standing.passed => "passed".to_owned(),
        None => "not tried".to_owned(),
        Some(last) => match &last.diagnosis {
            Some(diagnosis) => clean(diagnosis),
            None => "undecided".to_owned(),
        },
    }
}

fn minutes(duration: Duration) -> usize {
    usize::try_from(duration.as_secs().div_ceil(60)).unwrap_or(usize::MAX)
}

fn sentence(standing: &Standing<'_>) -> String {
    let exercise = standing.exercise;
    let mut said = format!("{} {}: {}", exercise.id, exercise.title, state(standing));
    if let Some(pace) = standing.best {
        said += &format!(
            "; best time {}, of which {} was spent waiting for services",
            words(pace.wall),
            words(pace.critical_path)
        );
    }
    match standing.attempts {
        0 => {}
        n => said += &format!("; {}", counted(n, "attempt")),
    }
    match minutes(standing.at_work) {
        0 => said += &format!("; {} minutes planned", exercise.minutes),
        spent => {
            let spent = counted(spent, "minute");
            said += &format!("; {spent} at work, {} planned", exercise.minutes);
        }
    }
    said
}
