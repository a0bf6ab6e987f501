//! Where a learner stands in each exercise: what the records come to.

use std::time::Duration;

use crate::critical_path::Pace;
use crate::record::{Attempt, Record};
use crate::report::Verdict;
use crate::workshop::{Exercise, Workshop};

/// Whoever leaves no trace for longer than this was elsewhere.
const BREAK: Duration = Duration::from_secs(15 * 60);

/// Where a learner stands in one exercise.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    /// The exercise.
    pub exercise: &'a Exercise,
    /// How often the learner's program was graded.
    pub attempts: usize,
    /// Whether it passed at least once.
    pub passed: bool,
    /// Whether the bonus passed at least once.
    pub bonus_passed: bool,
    /// The latest attempt.
    pub last: Option<Attempt>,
    /// The quickest pass.
    pub best: Option<Pace>,
    /// The time between what was done here and whatever was done before, without
    /// breaks. What came before the first attempt of a session is not known, so
    /// it is "at least".
    pub at_work: Duration,
    /// The deepest hint that was shown; 0 where none was.
    pub hint: u8,
    /// Whether an attempt was judged since that hint was shown.
    pub tried_since_hint: bool,
}

impl<'a> Standing<'a> {
    fn fresh(exercise: &'a Exercise) -> Self {
        Self {
            exercise,
            attempts: 0,
            passed: false,
            bonus_passed: false,
            last: None,
            best: None,
            at_work: Duration::ZERO,
            hint: 0,
            tried_since_hint: false,
        }
    }

    fn take(&mut self, record: &Record) {
        match record {
            Record::Attempt(attempt) if attempt.bonus => {
                self.bonus_passed |= attempt.verdict == Verdict::Pass;
            }
            Record::Attempt(attempt) => {
                self.attempts += 1;
                self.last = Some(attempt.clone());
                self.passed |= attempt.verdict == Verdict::Pass;
                self.tried_since_hint |= attempt.verdict != Verdict::Inconclusive;
                let paces = self.best.into_iter().chain(attempt.pace);
                self.best = paces.min_by_key(|pace| pace.wall);
            }
            Record::Hint(hint) => {
                self.hint = self.hint.max(hint.level);
                self.tried_since_hint = false;
            }
        }
    }
}

/// One standing per exercise, in the order of the workshop.
pub fn all<'a>(workshop: &'a Workshop, records: &[Record]) -> Vec<Standing<'a>> {
    let mut standings: Vec<_> = workshop.exercises.iter().map(Standing::fresh).collect();
    let mut before = None;
    for record in records {
        let found = standings
            .iter_mut()
            .find(|standing| standing.exercise.id == record.exercise());
        if let Some(standing) = found {
            standing.take(record);
            // A clock may have been set back.
            let since = before.map_or(0, |before| record.at().saturating_sub(before));
            let since = Duration::from_secs(since);
            if since <= BREAK {
                standing.at_work += since;
            }
        }
        before = Some(record.at());
    }
    standings
}

/// The first that has not passed; `None` where all have.
pub fn current<'s, 'a>(standings: &'s [Standing<'a>]) -> Option<&'s Standing<'a>> {
    standings.iter().find(|standing| !standing.passed)
}

/// What is meant where no exercise is named: the first that has not passed, or
/// whose bonus has not, and else the last. `None` where there is none at all.
pub fn meant<'a>(standings: &[Standing<'a>], bonus: bool) -> Option<&'a Exercise> {
    let has_it = |one: &&Standing<'_>| !bonus || one.exercise.bonus.is_some();
    let all = || standings.iter().filter(has_it);
    let open = all().find(|one| !if bonus { one.bonus_passed } else { one.passed });
    open.or(all().next_back()).map(|one| one.exercise)
}

/// The next one that has not passed after the exercise with that id, from the
/// start again where there is none after it; `None` where all others have passed.
pub fn next<'s, 'a>(standings: &'s [Standing<'a>], after: &str) -> Option<&'s Standing<'a>> {
    let at = standings
        .iter()
        .position(|standing| standing.exercise.id == after)?;
    standings[at + 1..]
        .iter()
        .chain(&standings[..at])
        .find(|standing| !standing.passed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Hint;

    fn workshop() -> Workshop {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        Workshop::find(here).expect("the workshop")
    }

    fn attempt(minute: u64, exercise: &str, verdict: Verdict, wall: u64) -> Record {
        Record::Attempt(Attempt {
            at: 1_000 + minute * 60,
            exercise: exercise.to_owned(),
            bonus: false,
            verdict,
            diagnosis: None,
            verify: Duration::ZERO,
            pace: (verdict == Verdict::Pass).then_some(Pace {
                wall: Duration::from_micros(wall),
                critical_path: Duration::from_micros(1),
            }),
        })
    }

    #[test]
    fn a_clock_that_jumps_by_an_hour_counts_for_nothing() {
        let workshop = workshop();
        let tried = |minute| attempt(minute, "ex01", Verdict::Fail, 0);
        let jumps = [100, 105, 45, 50, 110, 112].map(tried);
        let standings = all(&workshop, &jumps);
        assert_eq!(standings[0].attempts, 6);
        // 5, back by an hour, 5, on by an hour, 2.
        assert_eq!(standings[0].at_work, Duration::from_secs(12 * 60));
        assert_eq!(
            standings[0].last.as_ref().map(|last| last.at),
            Some(1_000 + 112 * 60)
        );
    }

    #[test]
    fn what_was_done_is_counted_and_the_quickest_pass_stays() {
        let workshop = workshop();
        let records = [
            attempt(0, "ex01", Verdict::Fail, 0),
            attempt(5, "ex01", Verdict::Pass, 30),
            attempt(7, "ex01", Verdict::Pass, 20),
            attempt(8, "ex01", Verdict::Fail, 0),
            attempt(18, "ex02", Verdict::Inconclusive, 0),
        ];
        let standings = all(&workshop, &records);
        let first = &standings[0];
        assert_eq!((first.attempts, first.passed), (4, true));
        assert_eq!(first.best.map(|pace| pace.wall.as_micros()), Some(20));
        assert_eq!(
            first.last.as_ref().map(|last| last.verdict),
            Some(Verdict::Fail)
        );
        assert_eq!(first.at_work, Duration::from_secs(8 * 60));
        assert_eq!(standings[1].at_work, Duration::from_secs(10 * 60));
        let current = current(&standings).expect("one is left");
        assert_eq!(current.exercise.id, "ex02");
    }

    #[test]
    fn breaks_and_clocks_that_were_set_back_are_no_work() {
        let workshop = workshop();
        let records = [
            attempt(0, "ex01", Verdict::Fail, 0),
            attempt(60, "ex01", Verdict::Fail, 0),
            attempt(62, "ex01", Verdict::Fail, 0),
            attempt(10, "ex01", Verdict::Fail, 0),
        ];
        let standings = all(&workshop, &records);
        assert_eq!(standings[0].at_work, Duration::from_secs(2 * 60));
    }

    #[test]
    fn an_attempt_counts_for_the_next_hint_only_if_it_was_judged_after_the_last() {
        let workshop = workshop();
        let hint = |level| {
            Record::Hint(Hint {
                at: 0,
                exercise: "ex01".to_owned(),
                level,
            })
        };
        let mut records = vec![attempt(0, "ex01", Verdict::Fail, 0), hint(1)];
        let standing = |records: &[Record]| {
            let standing = all(&workshop, records).remove(0);
            (standing.hint, standing.tried_since_hint)
        };
        assert_eq!(standing(&records), (1, false));
        records.push(attempt(1, "ex01", Verdict::Inconclusive, 0));
        assert_eq!(standing(&records), (1, false));
        records.push(attempt(2, "ex01", Verdict::Fail, 0));
        assert_eq!(standing(&records), (1, true));
        records.push(hint(2));
        assert_eq!(standing(&records), (2, false));
    }

    #[test]
    fn after_the_last_exercise_come_those_that_were_left_out() {
        let workshop = workshop();
        let last = workshop.exercises.last().expect("an exercise").id.clone();
        let mut records = vec![attempt(0, &last, Verdict::Pass, 1)];
        let after = |records: &[Record], id: &str| {
            let standings = all(&workshop, records);
            next(&standings, id).map(|standing| standing.exercise.id.clone())
        };
        assert_eq!(after(&records, &last).as_deref(), Some("ex01"));
        assert_eq!(after(&records, "ex01").as_deref(), Some("ex02"));
        for exercise in &workshop.exercises {
            records.push(attempt(0, &exercise.id, Verdict::Pass, 1));
        }
        assert_eq!(after(&records, "ex01"), None);
        assert!(current(&all(&workshop, &records)).is_none());
    }
}
