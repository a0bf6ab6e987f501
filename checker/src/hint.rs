//! Hints: a question first, then the tool, then a few lines of code. One more
//! honest attempt earns the next.

use crate::record::{self, Hint, Record};
use crate::records::{Records, Remembered};
use crate::standing::{self, Standing};
use crate::workshop::{Exercise, Workshop};

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// This level, whatever was earned.
    pub level: Option<u8>,
    /// The next level, whatever was earned.
    pub more: bool,
}

/// A hint that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    /// The exercise.
    pub exercise: &'a Exercise,
    /// 1, 2 or 3.
    pub level: u8,
    /// What it says.
    pub text: &'a str,
    /// With a question: the code of what the last attempt met.
    pub last_time: Option<String>,
    /// How to get at the next one, if there is one.
    pub next: Option<String>,
    /// Whether it was never shown before.
    pub is_new: bool,
}

/// The hint that this learner gets now.
///
/// # Errors
/// Where the exercise has no such hint.
pub fn choose<'a>(standing: &Standing<'a>, wanted: Wanted) -> anyhow::Result<Shown<'a>> {
    let exercise = standing.exercise;
    let last = u8::try_from(exercise.hints.len()).unwrap_or(u8::MAX);
    let level = match wanted.level {
        Some(level) => level,
        None if standing.hint == 0 || wanted.more || standing.tried_since_hint => {
            (standing.hint + 1).min(last)
        }
        None => standing.hint,
    };
    let text = usize::from(level)
        .checked_sub(1)
        .and_then(|index| exercise.hints.get(index));
    let Some(text) = text else {
        anyhow::bail!(
            "{} has {last} hints, and none of level {level}",
            exercise.id
        );
    };
    Ok(Shown {
        exercise,
        level,
        text,
        last_time: standing
            .last
            .as_ref()
            .filter(|_| level == 1)
            .and_then(|attempt| attempt.diagnosis.clone()),
        next: (level < last).then(|| {
            format!(
                "Hint {} comes after one more attempt, or with `checker hint {} --more`.",
                level + 1,
                exercise.id
            )
        }),
        is_new: level > standing.hint,
    })
}

/// The learner's current exercise: the first that has not passed, else the last.
///
/// # Errors
/// Where the workshop has no exercise.
pub fn current(workshop: &Workshop) -> anyhow::Result<&Exercise> {
    let Remembered { records, .. } = Records::of(&workshop.root).read();
    let standings = standing::all(workshop, &records);
    standing::current(&standings)
        .or(standings.last())
        .map(|standing| standing.exercise)
        .ok_or_else(|| anyhow::anyhow!("this workshop has no exercises"))
}

/// Chooses a hint, remembers that it was shown, and renders it; and what is to
/// be said about the file that remembers.
///
/// # Errors
/// Where the exercise has no such hint.
pub fn give(
    workshop: &Workshop,
    exercise: &Exercise,
    wanted: Wanted,
    render: impl Fn(&Shown<'_>) -> String,
) -> anyhow::Result<(String, Option<String>)> {
    let file = Records::of(&workshop.root);
    let Remembered {
        records,
        mut notice,
    } = file.read();
    let standings = standing::all(workshop, &records);
    let Some(standing) = standings.iter().find(|one| one.exercise.id == exercise.id) else {
        anyhow::bail!("{} is not an exercise of this workshop", exercise.id);
    };
    let shown = choose(standing, wanted)?;
    if shown.is_new {
        let hint = Record::Hint(Hint {
            at: record::now(),
            exercise: exercise.id.clone(),
            level: shown.level,
        });
        match file.add(&hint) {
            Ok(said) => notice = notice.or(said),
            Err(error) => notice = Some(format!("this hint is not remembered: {error:#}")),
        }
    }
    Ok((render(&shown), notice))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Attempt;
    use crate::report::Verdict;
    use std::time::Duration;

    fn workshop() -> Workshop {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        Workshop::find(here).expect("the workshop")
    }

    fn hint(level: u8) -> Record {
        Record::Hint(Hint {
            at: 0,
            exercise: "ex01".to_owned(),
            level,
        })
    }

    fn attempt(verdict: Verdict) -> Record {
        Record::Attempt(Attempt {
            at: 0,
            exercise: "ex01".to_owned(),
            bonus: false,
            verdict,
            diagnosis: Some("sequential".to_owned()),
            verify: Duration::ZERO,
            pace: None,
        })
    }

    fn chosen(records: &[Record], wanted: Wanted) -> (u8, bool) {
        let workshop = workshop();
        let standing = standing::all(&workshop, records).remove(0);
        let shown = choose(&standing, wanted).expect("a hint");
        assert_eq!(shown.next.is_some(), shown.level < 3);
        (shown.level, shown.is_new)
    }

    #[test]
    fn each_attempt_earns_one_hint() {
        let plain = Wanted::default();
        let fail = attempt(Verdict::Fail);
        assert_eq!(chosen(&[], plain), (1, true));
        assert_eq!(chosen(std::slice::from_ref(&fail), plain), (1, true));
        assert_eq!(chosen(&[fail.clone(), hint(1)], plain), (1, false));
        assert_eq!(chosen(&[hint(1), fail.clone()], plain), (2, true));
        // A machine too busy to judge has judged no attempt.
        let busy = attempt(Verdict::Inconclusive);
        assert_eq!(chosen(&[hint(1), busy], plain), (1, false));
        let all = [hint(1), fail.clone(), hint(2), fail.clone(), hint(3), fail];
        assert_eq!(chosen(&all, plain), (3, false));
    }

    #[test]
    fn who_asks_for_more_gets_it() {
        let more = Wanted {
            more: true,
            level: None,
        };
        assert_eq!(chosen(&[], more), (1, true));
        assert_eq!(chosen(&[hint(1)], more), (2, true));
        assert_eq!(chosen(&[hint(3)], more), (3, false));
        let third = Wanted {
            level: Some(3),
            more: false,
        };
        assert_eq!(chosen(&[], third), (3, true));
    }

    #[test]
    fn the_question_names_what_the_last_attempt_met() {
        let workshop = workshop();
        let records = [attempt(Verdict::Fail)];
        let standing = standing::all(&workshop, &records).remove(0);
        let shown = choose(&standing, Wanted::default()).expect("a hint");
        assert_eq!(shown.last_time.as_deref(), Some("sequential"));
        let sheet = crate::render::Sheet::default();
        let text = crate::render::hint(&shown, &sheet);
        let text = anstream::adapter::strip_str(&text).to_string();
        assert!(
            text.contains("ex01 · Weather client, hint 1 of 3"),
            "{text}"
        );
        assert!(text.contains("sequential, one after the other"), "{text}");
        assert!(text.contains("Draw a line"), "{text}");
        assert!(text.contains("--more"), "{text}");
    }
}
