//! What a request had to wait for, from the recording of a program that passed.
//!
//! Of each request to the program that is alone under way, every call that
//! arrives meanwhile is made for it. The time that the union of these calls
//! covers is what had to be waited for: calls that overlap count once, calls
//! that have to follow one another count each. (A program that has passed
//! overlaps all that may overlap.) That is the *critical path*; the *wall* is
//! the whole request, from its first byte to its last. What lies between the
//! two is the program's own time, and the network's.

use std::time::Duration;

use mock_services::exchange::{Ending, Exchange};
use mock_services::moment::Moment;
use serde::{Deserialize, Serialize};

use crate::report::{Report, Timeline, Verdict};

/// The probes that ask one plain thing after another; the first there is counts.
/// An exercise of WebSockets has none: its requests last as long as people stay.
const PROBES: [&str; 2] = ["answer", "forward"];

/// The name of the learner's program among the services.
const YOU: &str = "you";

/// How long a request took, and how much of that was waited for services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// From the request's first byte to the answer's last.
    #[serde(rename = "wall_us", with = "crate::record::micros")]
    pub wall: Duration,
    /// What services took of it, overlaps counted once.
    #[serde(rename = "critical_path_us", with = "crate::record::micros")]
    pub critical_path: Duration,
}

impl Pace {
    /// The pace of the quickest request of a pass; `None` where the report is no
    /// pass, or has no probe in which that makes sense.
    pub fn of(report: &Report) -> Option<Self> {
        if report.verdict() != Verdict::Pass {
            return None;
        }
        PROBES
            .iter()
            .filter_map(|probe| report.timeline(&format!("{}/{probe}", report.exercise)))
            .find_map(quickest)
    }
}

fn quickest(timeline: &Timeline) -> Option<Pace> {
    let (requests, calls): (Vec<_>, Vec<_>) =
        timeline.exchanges.iter().partition(|x| x.service == YOU);
    requests
        .iter()
        .filter_map(|request| {
            let (from, to) = span(request)?;
            let is_good = request
                .status
                .is_some_and(|status| (200..300).contains(&status));
            let is_alone = requests
                .iter()
                .all(|other| other.id == request.id || !other.overlaps(request));
            let waits = calls
                .iter()
                .filter(|call| from <= call.arrived && call.arrived < to)
                .map(|call| span(call))
                .collect::<Option<Vec<_>>>()?;
            (is_good && is_alone && !waits.is_empty()).then(|| Pace {
                wall: to.since(from),
                critical_path: covered(waits, to),
            })
        })
        .min_by_key(|pace| pace.wall)
}

/// From the first byte to the last, of an exchange that was answered whole. A
/// WebSocket is not.
fn span(exchange: &Exchange) -> Option<(Moment, Moment)> {
    let is_whole = exchange.ending == Ending::Answered && exchange.status != Some(101);
    let end = exchange.ended.or(exchange.answered)?;
    is_whole.then_some((exchange.arrived, end))
}

/// How much time these spans cover together, up to `until`.
fn covered(mut spans: Vec<(Moment, Moment)>, until: Moment) -> Duration {
    spans.sort();
    let mut covered = Duration::ZERO;
    let mut reached = Moment::default();
    for (from, to) in spans {
        let to = to.min(until);
        covered += to.since(from.max(reached));
        reached = reached.max(to);
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Finding, Outcome, Timings};

    fn exchange(id: u32, service: &str, from: u64, to: u64) -> Exchange {
        Exchange {
            id,
            service: service.to_owned(),
            connection: 1,
            request: "GET /".to_owned(),
            arrived: Moment::from_micros(from),
            answered: Some(Moment::from_micros(to)),
            ended: Some(Moment::from_micros(to)),
            status: Some(200),
            ending: Ending::Answered,
            frames: vec![],
        }
    }

    fn report(outcome: Outcome, probe: &str, exchanges: Vec<Exchange>) -> Report {
        Report {
            exercise: "ex02".to_owned(),
            title: String::new(),
            program: "exercise".to_owned(),
            seed: 1,
            timings: Timings::default(),
            findings: vec![Finding {
                check: "ex02/answer".to_owned(),
                title: String::new(),
                outcome,
                diagnosis: None,
                advice: None,
                expected: String::new(),
                observed: String::new(),
                next_step: String::new(),
                evidence: vec![],
            }],
            timelines: vec![Timeline {
                probe: probe.to_owned(),
                title: String::new(),
                exchanges,
                gap: None,
            }],
            output: String::new(),
        }
    }

    fn pace(exchanges: Vec<Exchange>) -> Option<(u128, u128)> {
        let pace = Pace::of(&report(Outcome::Kept, "ex02/answer", exchanges))?;
        Some((pace.wall.as_micros(), pace.critical_path.as_micros()))
    }

    #[test]
    fn overlapping_calls_count_once_and_sequential_ones_each() {
        let together = vec![
            exchange(1, "you", 100, 1_000),
            exchange(2, "weather", 200, 700),
            exchange(3, "weather", 300, 800),
        ];
        assert_eq!(pace(together), Some((900, 600)));
        let in_a_row = vec![
            exchange(1, "you", 100, 1_000),
            exchange(2, "auth", 200, 300),
            exchange(3, "weather", 500, 700),
        ];
        assert_eq!(pace(in_a_row), Some((900, 300)));
        let one_within_the_other = vec![
            exchange(1, "you", 0, 1_000),
            exchange(2, "weather", 100, 900),
            exchange(3, "weather", 200, 300),
        ];
        assert_eq!(pace(one_within_the_other), Some((1_000, 800)));
    }

    #[test]
    fn the_quickest_request_counts() {
        let exchanges = vec![
            exchange(1, "you", 0, 1_000),
            exchange(2, "weather", 100, 900),
            exchange(3, "you", 2_000, 2_500),
            exchange(4, "weather", 2_100, 2_300),
        ];
        assert_eq!(pace(exchanges), Some((500, 200)));
    }

    #[test]
    fn a_call_that_outlives_its_request_counts_up_to_its_end() {
        let exchanges = vec![exchange(1, "you", 0, 500), exchange(2, "weather", 100, 900)];
        assert_eq!(pace(exchanges), Some((500, 400)));
    }

    #[test]
    fn nothing_is_said_where_it_makes_no_sense() {
        assert_eq!(pace(vec![]), None);
        // Nothing was waited for.
        assert_eq!(pace(vec![exchange(1, "you", 0, 500)]), None);
        // Whose call is it?
        let two = vec![
            exchange(1, "you", 0, 500),
            exchange(2, "you", 100, 600),
            exchange(3, "weather", 200, 300),
        ];
        assert_eq!(pace(two), None);
        let mut lane = exchange(1, "you", 0, 500);
        lane.status = Some(101);
        assert_eq!(pace(vec![lane, exchange(2, "parent", 100, 200)]), None);
        let good = vec![exchange(1, "you", 0, 500), exchange(2, "weather", 100, 200)];
        let failed = report(Outcome::Broken, "ex02/answer", good.clone());
        assert_eq!(Pace::of(&failed), None);
        let elsewhere = report(Outcome::Kept, "ex02/faults", good);
        assert_eq!(Pace::of(&elsewhere), None);
    }
}
