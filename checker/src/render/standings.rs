//! Where a learner stands: one look at all exercises, and what to do now.

use std::time::Duration;

use anstyle::Style;

use crate::report::{Verdict, words};
use crate::standing::{self, Standing};

use super::Sheet;
use super::canvas::{Canvas, Column};
use super::clean::clean;
use super::prose::{shorten, width};
use super::style::{BAD, CALL, GOOD, PLAIN, QUIET, STRONG};

const MARGIN: usize = 2;

/// Where you are, what is next, and the three commands that matter now.
pub fn home(standings: &[Standing<'_>], sheet: &Sheet) -> String {
    let mut canvas = Canvas::new(sheet);
    let passed = standings.iter().filter(|one| one.passed).count();
    canvas.line();
    let at = canvas.put(Column(0), "The async workshop", STRONG);
    let score = format!(
        " {} {passed} of {} passed",
        canvas.glyphs.dot,
        standings.len()
    );
    canvas.put(at, &score, PLAIN);
    canvas.paragraph();
    let (here, next, commands) = match standing::current(standings) {
        Some(current) => under_way(current),
        None => all_done(standings),
    };
    rows(
        &mut canvas,
        &[("you are at", here), ("next", next)],
        QUIET,
        STRONG,
    );
    canvas.paragraph();
    let commands: Vec<_> = commands
        .iter()
        .map(|(command, what)| (command.as_str(), (*what).to_owned()))
        .collect();
    rows(&mut canvas, &commands, CALL, PLAIN);
    canvas.flush()
}

type Said = (String, String, Vec<(String, &'static str)>);

fn under_way(current: &Standing<'_>) -> Said {
    let exercise = current.exercise;
    let id = &exercise.id;
    let here = format!("{id} · {}, {}", exercise.title, so_far(current));
    let file = format!("exercises/{}/src/main.rs", exercise.folder_name());
    let next = match &current.last {
        None => format!(
            "read exercises/{}/README.md, then change src/main.rs",
            exercise.folder_name()
        ),
        Some(_) => format!("change {file}, and save it under `checker watch`"),
    };
    let commands = vec![
        ("checker watch".to_owned(), "grades it each time you save"),
        (format!("checker hint {id}"), "a question first, more later"),
        (
            "checker list".to_owned(),
            "all exercises and how far you are",
        ),
    ];
    (here, next, commands)
}

fn all_done(standings: &[Standing<'_>]) -> Said {
    let bonus = standings
        .iter()
        .find(|one| one.exercise.bonus.is_some() && !one.bonus_passed);
    let last = standings.last().map_or("", |one| one.exercise.id.as_str());
    let (next, first) = match bonus {
        Some(one) => {
            let id = &one.exercise.id;
            let title = one
                .exercise
                .bonus
                .as_ref()
                .map_or("", |bonus| bonus.title.as_str());
            (
                format!("the bonus of {id}: {title}"),
                (format!("checker verify {id} --bonus"), "grades the bonus"),
            )
        }
        None => (
            "look at what others made of it, and at your own times".to_owned(),
            (
                "checker compare ex01".to_owned(),
                "three versions on one scale",
            ),
        ),
    };
    let commands = vec![
        first,
        (
            format!("checker solution {last}"),
            "our answer beside yours",
        ),
        (
            "checker list".to_owned(),
            "all exercises and how quick you are",
        ),
    ];
    (
        "the end: every exercise has passed".to_owned(),
        next,
        commands,
    )
}

/// What came of the attempts, in a few words.
fn so_far(standing: &Standing<'_>) -> String {
    let attempts = match standing.attempts {
        1 => "1 attempt".to_owned(),
        n => format!("{n} attempts"),
    };
    match &standing.last {
        None => format!("not tried yet, about {} minutes", standing.exercise.minutes),
        Some(last) => match (&last.diagnosis, last.verdict) {
            (Some(diagnosis), _) => format!("{attempts}, last: {}", clean(diagnosis)),
            (None, Verdict::Inconclusive) => format!("{attempts}, last: this machine was too busy"),
            (None, _) => attempts,
        },
    }
}

/// Names on the left, texts beside them, as far to the left as the names let them.
fn rows(canvas: &mut Canvas, rows: &[(&str, String)], name: Style, text: Style) {
    let widest = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let beside = Column(MARGIN + widest + 2);
    for (label, said) in rows {
        canvas.line();
        canvas.put(Column(MARGIN), label, name);
        let said = canvas.glyphs.text(said);
        canvas.put_wrapped(beside, &said, text);
    }
}

/// One row per exercise: its state, the best time against the critical path,
/// attempts, and minutes at work of those planned.
pub fn list(standings: &[Standing<'_>], sheet: &Sheet) -> String {
    let mut canvas = Canvas::new(sheet);
    if sheet.plain {
        for standing in standings {
            canvas.line();
            let said = canvas.glyphs.text(&sentence(standing));
            canvas.put_wrapped(Column(0), &said, PLAIN);
        }
        return canvas.flush();
    }
    let current = standing::current(standings).map(|one| one.exercise.id.as_str());
    let cells: Vec<_> = standings.iter().map(cells).collect();
    let head = ["exercise", "state", "best/path", "tries", "minutes"];
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
    let state_wide = widest(1).min(room * 2 / 5);
    let title_wide = (room.saturating_sub(state_wide)).min(widest(0));
    let state_at = Column(MARGIN + 2 + title_wide + 2);
    let mut row = |mark: &str, cells: &[String; 5], styles: [Style; 5]| {
        canvas.line();
        canvas.put(Column(MARGIN), mark, styles[1]);
        let ellipsis = canvas.glyphs.ellipsis;
        let fit = |text: &str, room| shorten(&canvas.glyphs.text(text), room, ellipsis);
        let title = fit(&cells[0], title_wide);
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

fn minutes(duration: Duration) -> u64 {
    duration.as_secs().div_ceil(60)
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
        1 => said += "; 1 attempt",
        n => said += &format!("; {n} attempts"),
    }
    match minutes(standing.at_work) {
        0 => said += &format!("; {} minutes planned", exercise.minutes),
        spent => said += &format!("; {spent} minutes at work, {} planned", exercise.minutes),
    }
    said
}
