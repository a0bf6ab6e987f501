//! Which exchanges of a timeline are shown, in which order: calls under the
//! request they were made for, and long runs of alike ones folded.

use std::collections::HashMap;

use mock_services::exchange::{Ending, Exchange};
use mock_services::moment::Moment;

use crate::report::Timeline;

use super::lanes::{self, Classes, is_lane};

/// The name of the learner's program among the services.
pub(super) const YOU: &str = "you";

/// One row of a drawing, or one sentence of a story.
#[derive(Debug, PartialEq)]
pub(super) enum Row<'a> {
    One(Nested<'a>),
    /// Exchanges of which each is like one that is shown, in order of arrival.
    Folded(Vec<&'a Exchange>),
}

/// An exchange and the request it was made for, where only one comes into question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Nested<'a> {
    pub(super) exchange: &'a Exchange,
    /// The id of that request.
    pub(super) under: Option<u32>,
    /// Whether it is a WebSocket that received nothing while others did.
    pub(super) stalled: bool,
}

impl Row<'_> {
    pub(super) fn under(&self) -> Option<u32> {
        match self {
            Self::One(nested) => nested.under,
            Self::Folded(_) => None,
        }
    }
}

/// The rows of `timeline`. Where there are more than `limit`, alike ones are
/// folded; the first, the last and all that `evidence` names stay.
pub(super) fn arrange<'a>(timeline: &'a Timeline, evidence: &[u32], limit: usize) -> Vec<Row<'a>> {
    let mut nested = nest(&timeline.exchanges);
    for row in &mut nested {
        row.stalled = lanes::is_stalled(row.exchange, &timeline.exchanges);
    }
    if nested.len() <= limit {
        return nested.into_iter().map(Row::One).collect();
    }
    let shown = shown(&nested, |x| {
        evidence.contains(&x.id)
            || timeline
                .gap
                .as_ref()
                .is_some_and(|gap| gap.exchange == x.id)
    });
    fold(&nested, &shown)
}

/// The order of rows: each request to the learner's program, then the calls made
/// while it was under way. Where several requests were under way together,
/// nobody can tell from outside whose a call is: it is under none of them.
fn nest(exchanges: &[Exchange]) -> Vec<Nested<'_>> {
    let mut in_order: Vec<_> = exchanges.iter().collect();
    in_order.sort_by_key(|x| x.arrived);
    let (requests, calls): (Vec<_>, Vec<_>) = in_order.into_iter().partition(|x| x.service == YOU);

    let mut calls = calls.into_iter().peekable();
    let mut rows = vec![];
    let mut groups = together(&requests).into_iter().peekable();
    let before = groups.peek().map(|group| group[0].arrived);
    let free = |exchange| Nested {
        exchange,
        under: None,
        stalled: false,
    };
    while let Some(call) = calls.next_if(|x| before.is_none_or(|start| x.arrived < start)) {
        rows.push(free(call));
    }
    while let Some(group) = groups.next() {
        let until = groups.peek().map(|next| next[0].arrived);
        // What happens while a WebSocket is open need not happen for it.
        let under = (group.len() == 1 && !is_lane(group[0])).then(|| group[0].id);
        rows.extend(group.into_iter().map(free));
        while let Some(exchange) = calls.next_if(|x| until.is_none_or(|next| x.arrived < next)) {
            rows.push(Nested {
                under,
                ..free(exchange)
            });
        }
    }
    rows
}

/// Requests in groups that were under way together; each group in order of arrival.
fn together<'a>(requests: &[&'a Exchange]) -> Vec<Vec<&'a Exchange>> {
    let mut groups: Vec<Vec<&Exchange>> = vec![];
    let mut busy_until = None;
    for request in requests {
        let end = end_of(request);
        match groups.last_mut() {
            Some(group) if busy_until.is_some_and(|until| request.arrived < until) => {
                group.push(request);
                busy_until = busy_until.max(Some(end));
            }
            _ => {
                groups.push(vec![request]);
                busy_until = Some(end);
            }
        }
    }
    groups
}

fn end_of(exchange: &Exchange) -> Moment {
    match exchange.ending {
        Ending::Open => Moment::from_micros(u64::MAX),
        _ => exchange
            .ended
            .or(exchange.answered)
            .unwrap_or(exchange.arrived),
    }
}

/// Which rows stay: the first and the last of each kind, and the evidence. Where
/// all of a kind are evidence, that sets none of them apart.
fn shown(rows: &[Nested<'_>], is_evidence: impl Fn(&Exchange) -> bool) -> Vec<bool> {
    let all: Vec<_> = rows.iter().map(|row| row.exchange).collect();
    let classes = lanes::classes(&all);
    let mut kinds: HashMap<Kind<'_>, Vec<usize>> = HashMap::new();
    for (i, exchange) in all.iter().enumerate() {
        kinds.entry(kind(exchange, &classes)).or_default().push(i);
    }
    let mut shown = vec![false; rows.len()];
    for of_kind in kinds.values() {
        for i in of_kind.first().into_iter().chain(of_kind.last()) {
            shown[*i] = true;
        }
        if !of_kind.iter().all(|i| is_evidence(all[*i])) {
            for i in of_kind {
                shown[*i] |= is_evidence(all[*i]);
            }
        }
    }
    shown
}

/// Service, method and the first part of the path, the end, the status, and
/// what sets WebSockets apart.
type Kind<'a> = (&'a str, &'a str, Ending, Option<u16>, Option<(bool, usize)>);

/// Exchanges of one kind may stand for each other.
fn kind<'a>(exchange: &'a Exchange, classes: &Classes) -> Kind<'a> {
    let request = exchange.request.as_str();
    let path = request.find('/').map_or(request.len(), |at| at + 1);
    let end = request[path..]
        .find(['/', '?'])
        .map_or(request.len(), |at| path + at);
    let ending = match exchange.ending {
        // The recording ends while they are being closed.
        Ending::Left if is_lane(exchange) => Ending::Open,
        ending => ending,
    };
    (
        &exchange.service,
        &request[..end],
        ending,
        exchange.status,
        classes.get(&exchange.id).copied(),
    )
}

/// The services that these went to, each once, in order of arrival: a folded row
/// may stand under a row of another kind, so it says itself what is in it.
pub(super) fn services<'a>(folded: &[&'a Exchange]) -> Vec<&'a str> {
    let mut all: Vec<&str> = vec![];
    for exchange in folded {
        if !all.contains(&exchange.service.as_str()) {
            all.push(&exchange.service);
        }
    }
    all
}

/// Puts what is not shown into rows of its own; one alone is not worth folding.
fn fold<'a>(rows: &[Nested<'a>], shown: &[bool]) -> Vec<Row<'a>> {
    let marked: Vec<_> = rows.iter().zip(shown).collect();
    marked
        .chunk_by(|(_, a), (_, b)| a == b)
        .flat_map(|run| match run {
            [(_, false), _, ..] => vec![Row::Folded(
                run.iter().map(|(row, _)| row.exchange).collect(),
            )],
            _ => run.iter().map(|(row, _)| Row::One(**row)).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn ids(rows: &[Row<'_>]) -> Vec<String> {
        rows.iter()
            .map(|row| match row {
                Row::One(nested) => nested.exchange.id.to_string(),
                Row::Folded(of) => format!("+{}", of.len()),
            })
            .collect()
    }

    #[test]
    fn calls_stand_under_the_request_they_were_made_for() {
        let timeline = samples::sequential_timeline();
        let rows = arrange(&timeline, &[], 12);
        assert_eq!(ids(&rows), ["1", "2", "3"]);
        assert_eq!(rows[2].under(), Some(1));
    }

    #[test]
    fn calls_of_several_requests_at_once_are_attributed_to_none() {
        let timeline = samples::ten_clients_timeline();
        let rows = arrange(&timeline, &[], usize::MAX);
        assert!(rows.iter().all(|row| row.under().is_none()));
    }

    #[test]
    fn folding_keeps_the_first_the_last_and_the_evidence() {
        let timeline = samples::ten_clients_timeline();
        let rows = arrange(&timeline, &[14], 12);
        // Ten requests, then today and tomorrow in turn, one pair per client.
        assert_eq!(
            ids(&rows),
            ["1", "+8", "10", "11", "12", "13", "14", "+14", "29", "30"]
        );
    }

    #[test]
    fn evidence_that_names_all_of_a_kind_does_not_keep_them_all() {
        let timeline = samples::ten_clients_timeline();
        let everything: Vec<_> = timeline.exchanges.iter().map(|x| x.id).collect();
        assert!(arrange(&timeline, &everything, 12).len() <= 12);
    }

    #[test]
    fn every_exchange_is_in_exactly_one_row() {
        for seed in 0..300 {
            let timeline = samples::random_timeline(seed);
            let mut seen: Vec<_> = arrange(&timeline, &[1, 2], 12)
                .iter()
                .flat_map(|row| match row {
                    Row::One(nested) => vec![nested.exchange.id],
                    Row::Folded(of) => of.iter().map(|x| x.id).collect(),
                })
                .collect();
            seen.sort_unstable();
            let all: Vec<_> = timeline.exchanges.iter().map(|x| x.id).collect();
            assert_eq!(seen, all, "seed {seed}");
        }
    }
}
