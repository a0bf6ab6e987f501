//! What a timeline shows, apart from its milliseconds.

use std::collections::BTreeMap;
use std::fmt;

use mock_services::exchange::Exchange;

use crate::client::YOU;
use crate::render::compare::Contender;
use crate::report::{Report, Timeline};

/// What stays the same from run to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    what: String,
    /// By service and request: how many there were, and the statuses of their answers.
    rows: BTreeMap<String, (usize, Vec<u16>)>,
    /// How many calls were in flight at most at the place that counts.
    peak: usize,
    /// Whether it ran on one thread; `None` where that is not told.
    one_thread: Option<bool>,
    /// What the timeline points at.
    gap: Option<String>,
}

impl Shape {
    pub(super) fn of_contender(one: &Contender) -> Self {
        Self {
            what: one.name.clone(),
            peak: one.in_flight_peak,
            one_thread: one.threads.map(|threads| threads == 1),
            ..Self::of(&one.timeline, "")
        }
    }

    pub(super) fn of_report(report: &Report, gated: &str) -> Self {
        let diagnosis = report.leading().and_then(|finding| finding.diagnosis);
        let verdict = format!("{:?}", report.verdict());
        Self {
            what: diagnosis.map_or(verdict, |diagnosis| diagnosis.to_string()),
            ..Self::of(&report.timelines[0], gated)
        }
    }

    fn of(timeline: &Timeline, gated: &str) -> Self {
        let mut rows: BTreeMap<_, (usize, Vec<u16>)> = BTreeMap::new();
        for one in &timeline.exchanges {
            let row = rows
                .entry(format!("{} {}", one.service, one.request))
                .or_default();
            row.0 += 1;
            row.1.extend(one.status);
            row.1.sort_unstable();
        }
        let calls: Vec<_> = timeline
            .exchanges
            .iter()
            .filter(|x| x.service != YOU && x.service == gated)
            .collect();
        let together = |one: &&Exchange| calls.iter().filter(|x| spans(x, one)).count();
        Self {
            what: String::new(),
            rows,
            peak: calls.iter().map(together).max().unwrap_or(0),
            one_thread: None,
            gap: timeline.gap.as_ref().map(|gap| gap.label.clone()),
        }
    }
}

/// Whether `one` was under way when `other` arrived.
fn spans(one: &Exchange, other: &Exchange) -> bool {
    one.arrived <= other.arrived && one.ended.is_none_or(|end| end > other.arrived)
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} in flight at most", self.what, self.peak)?;
        match self.one_thread {
            Some(true) => write!(f, ", one thread")?,
            Some(false) => write!(f, ", several threads")?,
            None => {}
        }
        if let Some(gap) = &self.gap {
            write!(f, ", {gap:?}")?;
        }
        for (request, (count, statuses)) in &self.rows {
            write!(f, "; {count} × {request} → {statuses:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &str = include_str!("../../../../book/src/timelines/ex01-compare.json");
    const LOCKED: &str = include_str!("../../../../book/src/timelines/ex04-starter.json");

    fn three(text: &str) -> Vec<Shape> {
        let contenders: Vec<Contender> = serde_json::from_str(text).expect("contenders");
        contenders.iter().map(Shape::of_contender).collect()
    }

    fn locked(text: &str) -> Shape {
        let report: Report = serde_json::from_str(text).expect("a report");
        Shape::of_report(&report, "auth")
    }

    #[test]
    fn sequential_has_one_in_flight_and_the_others_have_all() {
        let peaks: Vec<_> = three(THREE).iter().map(|shape| shape.peak).collect();
        assert_eq!(peaks, [1, 5, 5]);
        let one_thread: Vec<_> = three(THREE).iter().map(|shape| shape.one_thread).collect();
        assert_eq!(one_thread, [Some(true), Some(true), Some(false)]);
        assert_eq!(locked(LOCKED).peak, 1);
    }

    #[test]
    fn a_shape_knows_no_milliseconds() {
        let mut contenders: Vec<Contender> = serde_json::from_str(THREE).expect("contenders");
        for one in &mut contenders {
            one.wall *= 3;
            one.memory = Some(1);
        }
        let later: Vec<_> = contenders.iter().map(Shape::of_contender).collect();
        assert_eq!(later, three(THREE));
    }

    #[test]
    fn another_number_in_flight_another_answer_or_another_reason_is_another_shape() {
        for (from, to) in [
            ("\"in_flight_peak\": 5", "\"in_flight_peak\": 2"),
            ("\"status\": 200", "\"status\": 502"),
            ("\"threads\": 1", "\"threads\": 9"),
            ("GET /today", "GET /tomorrow"),
        ] {
            assert!(THREE.contains(from), "{from}");
            assert_ne!(three(&THREE.replacen(from, to, 1)), three(THREE), "{to}");
        }
        for (from, to) in [
            ("serialised-clients", "sequential"),
            ("19 clients waited", "18 clients waited"),
        ] {
            assert!(LOCKED.contains(from), "{from}");
            assert_ne!(locked(&LOCKED.replace(from, to)), locked(LOCKED), "{to}");
        }
    }
}
