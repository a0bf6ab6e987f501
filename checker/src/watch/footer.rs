//! What is always to be seen: what happens now, what changed, and the keys.

use crate::report::{Verdict, counted};
use crate::workshop::Exercise;

use super::Task;

const KEYS: &str = "h hint · r rerun · n next · l list · ? help · q quit";

/// How many changes are shown.
const CHANGES: usize = 4;

/// What it is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Footer<'a> {
    /// While a run is under way: what it waits for.
    pub(super) waiting: Option<&'a str>,
    /// To be said once.
    pub(super) notice: Option<&'a str>,
    /// What is watched.
    pub(super) task: Option<Task<'a>>,
    /// What the last run came to.
    pub(super) verdict: Option<Verdict>,
    /// The next exercise that has not passed.
    pub(super) next: Option<&'a Exercise>,
    /// What changed with the last run; `None` where it was the first.
    pub(super) changes: Option<&'a [String]>,
}

impl Footer<'_> {
    /// A row of air, the status, the changes, the keys.
    pub(super) fn rows(&self) -> Vec<String> {
        let mut rows = vec![String::new(), self.status()];
        if self.waiting.is_none()
            && let Some(changes) = self.changes
        {
            rows.extend(changes.iter().take(CHANGES).map(|line| format!("  {line}")));
            match changes.len() {
                0 => rows.push("  nothing changed since the last run".to_owned()),
                n if n > CHANGES => {
                    rows.push(format!("  and {}", counted(n - CHANGES, "more change")));
                }
                _ => {}
            }
        }
        rows.push(format!("\u{1b}[2m{KEYS}\u{1b}[0m"));
        rows
    }

    fn status(&self) -> String {
        let bold = |text: &str| format!("\u{1b}[1m{text}\u{1b}[0m");
        if let Some(said) = self.waiting.or(self.notice) {
            return bold(said);
        }
        let (Some(task), Some(verdict)) = (self.task, self.verdict) else {
            return String::new();
        };
        match (verdict, self.next) {
            (Verdict::Pass, Some(next)) => bold(&format!(
                "{} passed. n goes on to {} · {}",
                task.name(),
                next.id,
                next.title
            )),
            (Verdict::Pass, None) => bold(&format!(
                "{} passed, and so has every other exercise.",
                task.name()
            )),
            _ => format!(
                "waiting for a save in exercises/{}",
                task.exercise.folder_name()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workshop::Workshop;

    #[test]
    fn what_happens_now_comes_first_and_changes_are_for_when_it_is_over() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let workshop = Workshop::find(here).expect("the workshop");
        let changes: Vec<_> = (0..6).map(|n| format!("change {n}")).collect();
        let over = Footer {
            waiting: None,
            notice: None,
            task: workshop.exercises.first().map(Task::of),
            verdict: Some(Verdict::Pass),
            next: workshop.exercises.get(1),
            changes: Some(&changes),
        };
        let rows = |footer: Footer<'_>| {
            let rows = footer.rows();
            let plain = |row: &String| anstream::adapter::strip_str(row).to_string();
            rows.iter().map(plain).collect::<Vec<_>>()
        };
        let told = rows(over);
        assert_eq!(
            told[1],
            "ex01 passed. n goes on to ex02 · Today and tomorrow in parallel"
        );
        assert_eq!(told[2], "  change 0");
        assert_eq!(told[6..], ["  and 2 more changes", KEYS]);
        let running = Footer {
            waiting: Some("building ex01"),
            notice: Some("a notice"),
            ..over
        };
        assert_eq!(rows(running), ["", "building ex01", KEYS]);
        let failed = Footer {
            verdict: Some(Verdict::Fail),
            changes: Some(&[]),
            ..over
        };
        assert_eq!(
            rows(failed)[1],
            "waiting for a save in exercises/ex01-weather-client"
        );
        assert_eq!(rows(failed)[2], "  nothing changed since the last run");
    }
}
