//! Where the timeline of a broken check shows what its WebSockets waited for.

use mock_services::exchange::{Exchange, Frames, Way};
use mock_services::moment::Moment;

use crate::client::YOU;
use crate::diagnosis::Diagnosis;
use crate::observation::Observation;
use crate::report::{Finding, Gap};
use crate::stage::Waited;

/// The stretch that tells the story of `finding`, where its evidence has one.
pub(super) fn of(finding: &Finding, seen: &Observation) -> Option<Gap> {
    let evidence: Vec<_> = finding
        .evidence
        .iter()
        .filter_map(|id| seen.exchange(*id))
        .collect();
    match finding.diagnosis? {
        Diagnosis::UnboundedQueue => {
            unread(&evidence, "it reads nothing, and everything is kept for it")
        }
        Diagnosis::StaleQueue => unread(&evidence, "it reads nothing, and old levels pile up"),
        Diagnosis::SilentlyDropped => unread(&evidence, "it reads nothing, and misses something"),
        Diagnosis::SlowReaderStallsAll => {
            // Whoever never received anything may be the one that does not read.
            let others = evidence
                .into_iter()
                .filter(|x| x.service == YOU && came(x).next().is_some());
            let label = match finding.check.as_str() {
                "ex05/slow" | "ex06/flow" => "nothing comes here while another does not read",
                _ => "nothing more comes here",
            };
            silence(others, seen, None, label)
        }
        Diagnosis::NotDelivered => {
            let said = said(seen)?;
            silence(
                evidence,
                seen,
                Some(said),
                "what was said does not come here",
            )
        }
        Diagnosis::LevelLost => {
            let said = said(seen)?;
            silence(
                evidence,
                seen,
                Some(said),
                "the newest level does not come here",
            )
        }
        Diagnosis::PingIgnored => unanswered(&evidence, seen, "no pong comes"),
        Diagnosis::CloseIgnored => unanswered(&evidence, seen, "no goodbye comes"),
        Diagnosis::NoReconnect => {
            let last = evidence.iter().max_by_key(|x| x.arrived)?;
            gap(last, last.ended?, gave_up(seen)?, "nobody comes back")
        }
        Diagnosis::NoTimeout => {
            let hung = evidence.iter().rfind(|x| x.answered.is_none())?;
            gap(hung, hung.arrived, gave_up(seen)?, "no limit ends this")
        }
        _ => None,
    }
}

fn gap(on: &Exchange, from: Moment, to: Moment, label: &str) -> Option<Gap> {
    (from < to).then(|| Gap {
        from,
        to,
        exchange: on.id,
        label: label.to_owned(),
    })
}

/// When we gave up waiting.
fn gave_up(seen: &Observation) -> Option<Moment> {
    seen.rendezvous
        .iter()
        .find(|met| matches!(met.waited, Waited::GaveUp(_)))
        .map(|met| met.released)
}

fn frames(of: &Exchange, way: Way) -> impl DoubleEndedIterator<Item = &Frames> {
    of.frames.iter().filter(move |frames| frames.way == way)
}

/// From its opening until it read on, if it did.
fn unread(evidence: &[&Exchange], label: &str) -> Option<Gap> {
    let slow = evidence.first()?;
    let until = frames(slow, Way::Received)
        .next()
        .map(|frames| frames.at)
        .or(slow.ended)?;
    gap(slow, slow.answered?, until, label)
}

/// What came out of the program over this one.
fn came(over: &Exchange) -> impl DoubleEndedIterator<Item = &Frames> {
    frames(
        over,
        if over.service == YOU {
            Way::Received
        } else {
            Way::Sent
        },
    )
}

/// When a client of ours last said something before we gave up.
fn said(seen: &Observation) -> Option<Moment> {
    let until = gave_up(seen)?;
    seen.exchanges
        .iter()
        .filter(|x| x.service == YOU)
        .flat_map(|x| frames(x, Way::Sent))
        .map(|frames| frames.at)
        .filter(|at| *at < until)
        .max()
}

/// From `since`, or from what came last, until we gave up; on the one that has
/// waited longest.
fn silence<'a>(
    evidence: impl IntoIterator<Item = &'a Exchange>,
    seen: &Observation,
    since: Option<Moment>,
    label: &str,
) -> Option<Gap> {
    let until = gave_up(seen)?;
    let last = |x: &Exchange| {
        // What came later came because we had left.
        came(x)
            .rfind(|frames| frames.at < until)
            .map(|frames| frames.at)
    };
    let on = evidence.into_iter().min_by_key(|x| last(x))?;
    gap(on, since.or(last(on)).or(on.answered)?, until, label)
}

/// From the last that was sent until we gave up.
fn unanswered(evidence: &[&Exchange], seen: &Observation, label: &str) -> Option<Gap> {
    let on = evidence.first()?;
    let sent = frames(on, Way::Sent).next_back()?;
    gap(on, sent.at, gave_up(seen)?, label)
}
