//! Hints: a question first, then the tool, then a few lines of code. One more
//! honest attempt earns the next. What has passed needs none.

use crate::record::{self, Hint, Record};
use crate::records::{Records, Remembered};
use crate::remedy;
use crate::report::Verdict;
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

/// There is nothing left to hint at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed<'a> {
    /// The exercise.
    pub exercise: &'a Exercise,
    /// The next one that has not passed.
    pub next: Option<&'a Exercise>,
    /// What to do instead, and what that is.
    pub instead: Vec<(String, String)>,
}

/// What somebody hears who asks for a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// A hint.
    Hint(Shown<'a>),
    /// The latest attempt has passed.
    Passed(Passed<'a>),
}

/// What this learner hears now. A hint asks what the timeline shows: after a pass
/// it would ask about a timeline that is no more. Whoever names a level, or wants
/// more, gets it all the same.
///
/// # Errors
/// Where the exercise has no such hint.
pub fn answer<'a>(
    standings: &[Standing<'a>],
    standing: &Standing<'a>,
    wanted: Wanted,
) -> anyhow::Result<Answer<'a>> {
    let last = standing.last.as_ref().map(|attempt| attempt.verdict);
    if wanted != Wanted::default() || last != Some(Verdict::Pass) {
        return choose(standing, wanted).map(Answer::Hint);
    }
    let id = &standing.exercise.id;
    let mut instead = vec![(
        format!("checker solution {id}"),
        "our answer beside yours".to_owned(),
    )];
    let next = standing::next(standings, id).map(|next| next.exercise);
    instead.extend(next.map(|next| {
        let what = format!("goes on to {}", next.title);
        (format!("checker watch {}", next.id), what)
    }));
    instead.push((
        format!("checker hint {id} --more"),
        "the hints all the same".to_owned(),
    ));
    Ok(Answer::Passed(Passed {
        exercise: standing.exercise,
        next,
        instead,
    }))
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

/// The learner's current exercise: the first that has not passed (or whose bonus
/// has not), else the last.
///
/// # Errors
/// Where the workshop has no such exercise.
pub fn current(workshop: &Workshop, bonus: bool) -> anyhow::Result<&Exercise> {
    let Remembered { records, .. } = Records::of(&workshop.root).read();
    let standings = standing::all(workshop, &records);
    standing::meant(&standings, bonus)
        .ok_or_else(|| anyhow::anyhow!("this workshop has no such exercise; name one"))
}

/// Chooses what to say, remembers a hint that is shown, and renders it; and what
/// is to be said about the file that remembers.
///
/// # Errors
/// Where the exercise has no such hint.
pub fn give(
    workshop: &Workshop,
    exercise: &Exercise,
    wanted: Wanted,
    render: impl Fn(Answer<'_>) -> String,
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
    let answer = answer(&standings, standing, wanted)?;
    if let Answer::Hint(shown) = &answer
        && shown.is_new
    {
        let hint = Record::Hint(Hint {
            at: record::now(),
            exercise: exercise.id.clone(),
            level: shown.level,
        });
        match file.add(&hint) {
            Ok(said) => notice = notice.or(said),
            Err(error) => {
                let why = remedy::told(&error);
                notice = Some(format!("this hint is not remembered: {why}"));
            }
        }
    }
    Ok((render(answer), notice))
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
            diagnosis: (verdict == Verdict::Fail).then(|| "sequential".to_owned()),
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
    fn what_has_passed_needs_no_hint_but_whoever_wants_one_gets_it() {
        let workshop = workshop();
        let told = |records: &[Record], wanted| {
            let standings = standing::all(&workshop, records);
            let answer = answer(&standings, &standings[0], wanted).expect("an answer");
            let sheet = crate::render::Sheet::default();
            let text = crate::render::hint(&answer, &sheet);
            anstream::adapter::strip_str(&text).to_string()
        };
        let passed = [attempt(Verdict::Fail), hint(1), attempt(Verdict::Pass)];
        let text = told(&passed, Wanted::default());
        for words in [
            "ex01 · Weather client has passed",
            "nothing left to hint at",
            "checker solution ex01",
            "checker watch ex02",
            "checker hint ex01 --more",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let (more, level) = (true, None);
        let text = told(&passed, Wanted { more, level });
        assert!(text.contains("hint 2 of 3"), "{text}");
        let (more, level) = (false, Some(1));
        let text = told(&passed, Wanted { more, level });
        assert!(text.contains("hint 1 of 3"), "{text}");
        assert!(!text.contains("last attempt"), "{text}");

        // It was broken again.
        let broken = [attempt(Verdict::Pass), attempt(Verdict::Fail)];
        let text = told(&broken, Wanted::default());
        assert!(text.contains("hint 1 of 3"), "{text}");
    }

    #[test]
    fn the_question_names_what_the_last_attempt_met() {
        let workshop = workshop();
        let records = [attempt(Verdict::Fail)];
        let standing = standing::all(&workshop, &records).remove(0);
        let shown = choose(&standing, Wanted::default()).expect("a hint");
        assert_eq!(shown.last_time.as_deref(), Some("sequential"));
        let sheet = crate::render::Sheet::default();
        let text = crate::render::hint(&Answer::Hint(shown), &sheet);
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
