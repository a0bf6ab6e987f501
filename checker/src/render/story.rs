//! Tells a timeline in sentences, in order of time: for screen readers, files
//! and every place where a drawing is of no use.

use std::time::Duration;

use mock_services::exchange::{Ending, Exchange, Way};
use mock_services::moment::Moment;

use crate::report::{Timeline, words};

use super::axis::Unit;
use super::canvas::{Canvas, Column};
use super::lanes::{self, is_lane};
use super::prose::width;
use super::rows::{self, Nested, Row, YOU};
use super::style::{PLAIN, QUIET, STORY};
use super::timeline::extent;

/// A body is told apart from its answer where it took this share of the whole.
const VISIBLE: u32 = 50;

const MARGIN: usize = 2;

/// What the program between the services is called: the learner's own, or one of several
/// that are shown to them.
pub(super) const YOURS: &str = "your server";
pub(super) const SOMEBODYS: &str = "the server";

/// What happened at one moment.
struct Event {
    at: Moment,
    told: String,
    is_gap: bool,
}

/// The sentences for `rows` and the timeline's gap, each with its time.
pub(super) fn sentences(timeline: &Timeline, rows: &[Row<'_>]) -> Vec<(String, String)> {
    let Some((zero, length)) = extent(timeline) else {
        return vec![];
    };
    let unit = Unit::of(length);
    events(timeline, rows, length, YOURS)
        .into_iter()
        .map(|event| (time(event.at.since(zero), unit), event.told))
        .collect()
}

/// Writes the sentences for `rows` and the timeline's gap; in them, the program is called
/// `server`.
pub(super) fn tell(canvas: &mut Canvas, timeline: &Timeline, rows: &[Row<'_>], server: &str) {
    let Some((zero, length)) = extent(timeline) else {
        return;
    };
    let unit = Unit::of(length);
    let glyphs = canvas.glyphs;
    let events = events(timeline, rows, length, server);
    let times: Vec<_> = events
        .iter()
        .map(|event| glyphs.text(&time(event.at.since(zero), unit)))
        .collect();
    let widest = times.iter().map(|time| width(time)).max().unwrap_or(0);
    for (event, time) in events.iter().zip(&times) {
        canvas.line();
        canvas.put(Column(MARGIN + widest - width(time)), time, QUIET);
        let style = if event.is_gap { STORY } else { PLAIN };
        let told = glyphs.text(&event.told);
        canvas.put_wrapped(Column(MARGIN + widest + 2), &told, style);
    }
}

fn time(since: Duration, unit: Unit) -> String {
    let decimals = match unit {
        Unit::Micros => 0,
        Unit::Millis => 1,
        Unit::Seconds => 3,
    };
    format!(
        "{} {}",
        unit.number(since.as_micros(), decimals),
        unit.name()
    )
}

fn events(timeline: &Timeline, rows: &[Row<'_>], length: Duration, server: &str) -> Vec<Event> {
    let mut events = vec![];
    let mut tell = |at, told| {
        events.push(Event {
            at,
            told,
            is_gap: false,
        })
    };
    for row in rows {
        match row {
            Row::One(nested) if is_lane(nested.exchange) => {
                tell(nested.exchange.arrived, lane(nested, server));
            }
            Row::One(nested) => exchange(nested.exchange, length, server, &mut tell),
            Row::Folded(alike) => {
                if let Some(first) = alike.first() {
                    let last = alike
                        .iter()
                        .map(|x| x.arrived)
                        .max()
                        .unwrap_or(first.arrived);
                    let over = words(last.since(first.arrived));
                    let to = rows::services(alike).join(", ");
                    let what = if is_lane(first) {
                        "connections"
                    } else {
                        "requests"
                    };
                    let mut told =
                        format!("{} more {what} to {to} begin, over {over}", alike.len());
                    if is_lane(first) {
                        told.push_str("; ");
                        told.push_str(&each(alike));
                    }
                    tell(first.arrived, told);
                }
            }
        }
    }
    if let Some(gap) = &timeline.gap {
        let on = timeline
            .exchanges
            .iter()
            .find(|x| x.id == gap.exchange && is_lane(x))
            .map(|x| format!("on connection {}: ", of_service(x)))
            .unwrap_or_default();
        let over = words(gap.to.since(gap.from));
        events.push(Event {
            at: gap.from,
            told: format!("{on}{} (for {over})", gap.label),
            is_gap: true,
        });
    }
    // The sort is stable: what is told first of one moment comes first.
    events.sort_by_key(|event| event.at);

    let open = rows.iter().filter_map(|row| match row {
        Row::One(nested) if nested.exchange.ending == Ending::Open && !is_lane(nested.exchange) => {
            Some(nested.exchange)
        }
        _ => None,
    });
    let end = extent(timeline).map(|(zero, length)| zero + length);
    for (exchange, at) in open.zip(std::iter::repeat(end.unwrap_or_default())) {
        let missing = if exchange.answered.is_some() {
            "unfinished"
        } else {
            "unanswered"
        };
        let told = format!(
            "{} still has {} {missing}",
            name(exchange, server),
            exchange.request
        );
        events.push(Event {
            at,
            told,
            is_gap: false,
        });
    }
    events
}

/// A WebSocket in one sentence: its whole life.
fn lane(row: &Nested<'_>, server: &str) -> String {
    let x = row.exchange;
    let opened = lanes::opened(x);
    let (who, closed_by) = if x.service == YOU {
        ("the client", server)
    } else {
        (server, x.service.as_str())
    };
    let asked = if x.service == YOU {
        format!("{server} was asked {}", x.request)
    } else {
        format!("{server} asked {}: {}", x.service, x.request)
    };
    let mut told = format!(
        "{asked} (connection {}); it opened after {}",
        x.connection,
        words(opened.since(x.arrived))
    );
    let sent = lanes::count(x, Way::Sent);
    let received = lanes::count(x, Way::Received);
    told.push_str("; ");
    told.push_str(&match (sent, received) {
        (0, 0) if row.stalled => "it received nothing while others did".to_owned(),
        (0, 0) => "no frame went over it".to_owned(),
        (sent, 0) => format!("{who} sent {}", frames(sent)),
        (0, received) => format!("{who} received {}", frames(received)),
        (sent, received) => {
            format!("{who} sent {} and received {received}", frames(sent))
        }
    });
    if let Some((first, last)) = lanes::talk(x) {
        let (first, last) = (words(first.since(opened)), words(last.since(opened)));
        told.push_str(&if first == last {
            format!(", {last} after it opened")
        } else {
            format!(", between {first} and {last} after it opened")
        });
    }
    if row.stalled && sent > 0 {
        told.push_str("; it received nothing while others did");
    }
    let after = x.ended.map(|end| words(end.since(opened)));
    let after = after.unwrap_or_default();
    told.push_str("; ");
    told.push_str(&match x.ending {
        Ending::Open => "it was open to the end".to_owned(),
        Ending::Answered => format!("it was closed with a goodbye after {after}"),
        Ending::Left => format!("{who} closed it after {after}"),
        Ending::Cut => format!("{closed_by} broke it off after {after}"),
    });
    told
}

/// What went over each of many WebSockets.
fn each(alike: &[&Exchange]) -> String {
    let of_all = |way| alike.iter().map(|x| lanes::count(x, way)).sum::<u64>();
    let (way, verb) = match (of_all(Way::Sent), of_all(Way::Received)) {
        (0, 0) => return "no frame went over them".to_owned(),
        (_, 0) => (Way::Sent, "sends"),
        _ => (Way::Received, "receives"),
    };
    match lanes::range(alike, way).as_str() {
        "1" => format!("each {verb} 1 frame"),
        range => format!("each {verb} {range} frames"),
    }
}

fn frames(count: u64) -> String {
    match count {
        1 => "1 frame".to_owned(),
        _ => format!("{count} frames"),
    }
}

/// A connection's number, with its service where that is not the learner's program.
fn of_service(x: &Exchange) -> String {
    if x.service == YOU {
        x.connection.to_string()
    } else {
        format!("{} to {}", x.connection, x.service)
    }
}

/// The sentences of one exchange, but for the one that says that it is still open.
fn exchange(x: &Exchange, length: Duration, server: &str, tell: &mut impl FnMut(Moment, String)) {
    let request = &x.request;
    let who = name(x, server);
    let after = |at: Moment| words(at.since(x.arrived));
    tell(
        x.arrived,
        if x.service == YOU {
            format!("{server} was asked {request}")
        } else {
            format!(
                "{server} asked {who}: {request} (connection {})",
                x.connection
            )
        },
    );

    let end = x.ended.or(x.answered).unwrap_or(x.arrived);
    let whole = x.ending == Ending::Answered;
    let answered = x.answered.or(whole.then_some(end));
    let with = x
        .status
        .map(|status| format!(" with {status}"))
        .unwrap_or_default();
    if let Some(at) = answered {
        let body_is_visible = end.since(at) * VISIBLE >= length && end > at;
        if whole && !body_is_visible {
            tell(
                at,
                format!("{who} answered {request}{with} after {}", after(at)),
            );
        } else {
            tell(
                at,
                format!("{who} began to answer {request}{with} after {}", after(at)),
            );
            if whole {
                tell(
                    end,
                    format!(
                        "{who} finished its answer to {request} after {}",
                        after(end)
                    ),
                );
            }
        }
    }

    let missing = if x.answered.is_some() {
        "the rest of the answer"
    } else {
        "an answer"
    };
    match x.ending {
        Ending::Left if x.service == YOU => tell(
            end,
            format!(
                "the client closed its connection after {}, without {missing} to {request}",
                after(end)
            ),
        ),
        Ending::Left => tell(
            end,
            format!(
                "{server} closed its connection to {who} after {}, without {missing} to {request}",
                after(end)
            ),
        ),
        Ending::Cut => tell(
            end,
            format!("{who} broke off {request} after {}", after(end)),
        ),
        Ending::Answered | Ending::Open => {}
    }
}

fn name<'a>(x: &'a Exchange, server: &'a str) -> &'a str {
    if x.service == YOU { server } else { &x.service }
}

#[cfg(test)]
mod tests {
    use super::super::{Sheet, samples, timeline};

    #[test]
    fn sentences_stand_in_order_of_time() {
        for seed in 0..200 {
            let mut timeline = samples::random_timeline(seed);
            timeline
                .exchanges
                .retain(|x| x.arrived.as_micros() < 900_000);
            let sheet = Sheet {
                plain: true,
                // So that no line begins with another number.
                width: 2000,
                ..Sheet::default()
            };
            let told = timeline::draw(&timeline, &[], &sheet);
            let told = anstream::adapter::strip_str(&told).to_string();
            let times: Vec<f64> = told
                .lines()
                .filter_map(|line| line.split_whitespace().next()?.parse().ok())
                .collect();
            assert!(times.is_sorted(), "seed {seed}: {told}");
        }
    }

    #[test]
    fn a_beginner_is_told_who_asked_whom() {
        let sheet = Sheet {
            plain: true,
            ..Sheet::default()
        };
        let told = timeline::draw(&samples::sequential_timeline(), &[], &sheet);
        let told = anstream::adapter::strip_str(&told).to_string();
        assert!(told.contains("your server was asked GET /both"), "{told}");
        assert!(
            told.contains("your server asked weather: GET /today (connection 1)"),
            "{told}"
        );
        assert!(
            told.contains("weather answered GET /today with 200 after 200 ms"),
            "{told}"
        );
    }
}
