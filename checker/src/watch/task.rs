//! What is being watched: an exercise, or its bonus.

use anyhow::Context as _;

use crate::standing::{self, Standing};
use crate::verify::Program;
use crate::workshop::{Exercise, Workshop};

use super::Options;

/// A program of the learner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task<'a> {
    pub(super) exercise: &'a Exercise,
    /// Whether it is the bonus.
    pub(super) bonus: bool,
}

impl<'a> Task<'a> {
    /// The exercise itself.
    pub(super) fn of(exercise: &'a Exercise) -> Self {
        Self {
            exercise,
            bonus: false,
        }
    }

    /// What these options mean to this learner.
    pub(super) fn meant(
        workshop: &'a Workshop,
        standings: &[Standing<'a>],
        options: &Options,
    ) -> anyhow::Result<Self> {
        let wanted = options.exercise.as_deref();
        let named = wanted.map(|name| workshop.exercise(name)).transpose()?;
        if let (Some(exercise), true) = (named, options.bonus) {
            exercise.the_bonus()?;
        }
        let exercise = named.or_else(|| standing::meant(standings, options.bonus));
        let none = if options.bonus {
            "no exercise of this workshop has a bonus"
        } else {
            "this workshop has no exercises"
        };
        Ok(Self {
            exercise: exercise.context(none)?,
            bonus: options.bonus,
        })
    }

    /// What is built and graded.
    pub(super) fn program(self) -> Program {
        if self.bonus {
            Program::Bonus
        } else {
            Program::Exercise
        }
    }

    /// The name of its binary.
    pub(super) fn binary(self) -> &'a str {
        match &self.exercise.bonus {
            Some(bonus) if self.bonus => &bonus.binary,
            _ => &self.exercise.binary,
        }
    }

    /// `ex02`, `the bonus of ex02`
    pub(super) fn name(self) -> String {
        let id = &self.exercise.id;
        if self.bonus {
            format!("the bonus of {id}")
        } else {
            id.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::{Attempt, Record};
    use crate::report::Verdict;

    fn passed(exercise: &str, bonus: bool) -> Record {
        Record::Attempt(Attempt {
            at: 0,
            exercise: exercise.to_owned(),
            bonus,
            verdict: Verdict::Pass,
            diagnosis: None,
            verify: Duration::ZERO,
            pace: None,
        })
    }

    #[test]
    fn the_first_that_has_not_passed_is_meant_where_none_is_named() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let workshop = Workshop::find(here).expect("the workshop");
        let meant = |records: &[Record], exercise: Option<&str>, bonus| {
            let standings = standing::all(&workshop, records);
            let exercise = exercise.map(str::to_owned);
            let task = Task::meant(&workshop, &standings, &Options { exercise, bonus });
            task.map(Task::name).map_err(|error| error.to_string())
        };
        let name = |name: &str| Ok(name.to_owned());
        assert_eq!(meant(&[], None, false), name("ex01"));
        assert_eq!(meant(&[passed("ex01", false)], None, false), name("ex02"));
        assert_eq!(meant(&[], None, true), name("the bonus of ex02"));
        let first = [passed("ex02", true)];
        assert_eq!(meant(&first, None, true), name("the bonus of ex04"));
        assert_eq!(meant(&first, Some("2"), true), name("the bonus of ex02"));
        assert_eq!(
            meant(&[], Some("ex01"), true),
            Err("ex01 (Weather client) has no bonus".to_owned())
        );
    }
}
