//! Where a learner is, what is next, and which commands matter now.

use anstyle::Style;

use crate::render::Sheet;
use crate::render::canvas::{Canvas, Column};
use crate::render::clean::clean;
use crate::render::prose::width;
use crate::render::style::{CALL, PLAIN, QUIET, STRONG};
use crate::report::{Verdict, counted};
use crate::standing::{self, Standing};

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
        .map(|(command, what)| (sheet.call.spell(command), (*what).to_owned()))
        .collect();
    let commands: Vec<_> = commands
        .iter()
        .map(|(command, what)| (command.as_ref(), what.clone()))
        .collect();
    rows(&mut canvas, &commands, CALL, PLAIN);
    canvas.flush()
}

type Said = (String, String, Vec<(String, &'static str)>);

fn under_way(current: &Standing<'_>) -> Said {
    let exercise = current.exercise;
    let id = &exercise.id;
    let here = format!("{id} · {}, {}", exercise.title, so_far(current));
    let folder = exercise.folder_name();
    let next = match &current.last {
        None => format!("read exercises/{folder}/README.md"),
        Some(_) => format!("change exercises/{folder}/src/main.rs"),
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
                (
                    format!("checker watch {id} --bonus"),
                    "grades it each time you save",
                ),
            )
        }
        None => (
            "write one in another language, and grade it with --exec".to_owned(),
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
    let attempts = counted(standing.attempts, "attempt");
    match &standing.last {
        None => "not tried yet".to_owned(),
        Some(last) => match (&last.diagnosis, last.verdict) {
            (Some(diagnosis), _) => format!("{attempts}, last: {}", clean(diagnosis)),
            (None, Verdict::Inconclusive) => format!("{attempts}, last: inconclusive"),
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
