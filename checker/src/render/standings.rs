//! Where a learner stands: one look at all exercises, and what to do now.

mod home;
mod list;

pub use home::home;
pub use list::list;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::critical_path::Pace;
    use crate::record::Attempt;
    use crate::render::{Sheet, prose};
    use crate::report::Verdict;
    use crate::standing::Standing;
    use crate::workshop::{Exercise, Workshop};

    fn workshop() -> Workshop {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        Workshop::find(here).expect("the workshop")
    }

    fn standing(exercise: &Exercise, attempts: usize, passed: bool, minutes: u64) -> Standing<'_> {
        let pace = passed.then_some(Pace {
            wall: Duration::from_micros(2_412),
            critical_path: Duration::from_micros(1_390),
        });
        Standing {
            exercise,
            attempts,
            passed,
            bonus_passed: passed && exercise.bonus.is_some(),
            last: (attempts > 0).then(|| Attempt {
                at: 0,
                exercise: exercise.id.clone(),
                bonus: false,
                verdict: if passed { Verdict::Pass } else { Verdict::Fail },
                diagnosis: (!passed).then(|| "guard-across-await".to_owned()),
                verify: Duration::ZERO,
                pace,
            }),
            best: pace,
            at_work: Duration::from_secs(minutes * 60),
            hint: 0,
            tried_since_hint: false,
        }
    }

    fn at_all_widths(draw: impl Fn(&Sheet) -> String) -> String {
        let sheets = [
            (60, true, false),
            (100, true, false),
            (60, false, false),
            (80, true, true),
        ];
        sheets
            .into_iter()
            .map(|(width, unicode, plain)| {
                let sheet = Sheet {
                    width,
                    unicode,
                    plain,
                    ..Sheet::default()
                };
                let drawn = anstream::adapter::strip_str(&draw(&sheet)).to_string();
                let is_narrow = |line: &str| prose::width(line) <= width;
                assert!(plain || drawn.lines().all(is_narrow), "{drawn}");
                format!("── {width}, unicode: {unicode}, plain: {plain}\n{drawn}")
            })
            .collect()
    }

    fn half_way(workshop: &Workshop) -> Vec<Standing<'_>> {
        workshop
            .exercises
            .iter()
            .enumerate()
            .map(|(i, exercise)| match i {
                0 => standing(exercise, 12, true, 31),
                1 => standing(exercise, 3, true, 9),
                2 => standing(exercise, 1, false, 0),
                _ => standing(exercise, 0, false, 0),
            })
            .collect()
    }

    #[test]
    fn half_way_through() {
        let workshop = workshop();
        let standings = half_way(&workshop);
        insta::assert_snapshot!(at_all_widths(|sheet| {
            home(&standings, sheet) + "\n" + &list(&standings, sheet)
        }));
    }

    #[test]
    fn at_the_beginning_and_at_the_end() {
        let workshop = workshop();
        let fresh = workshop
            .exercises
            .iter()
            .map(|one| standing(one, 0, false, 0));
        let fresh: Vec<_> = fresh.collect();
        let done = workshop
            .exercises
            .iter()
            .map(|one| standing(one, 2, true, 20));
        let done: Vec<_> = done.collect();
        insta::assert_snapshot!(at_all_widths(|sheet| {
            home(&fresh, sheet) + "\n" + &home(&done, sheet)
        }));
    }
}
