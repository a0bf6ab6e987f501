//! What follows from what was seen. Plain functions over observations.

use std::time::Duration;

use super::probes::{
    self, AFTER_BAD, CAP, FOR_EVER, GO_BY, LEFT, NO_NUMBER, NUMBER, NUMBERS, PARENTS_OWN, PING,
    REFUSED, SPOKEN, STARTS_OVER, TOLD_AGAIN,
};
use crate::client::{End, Frame};
use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::{Observation, Talk};
use crate::report::words;
use crate::stage::{QUIET, Waited};

fn heard(talk: &Talk) -> impl Iterator<Item = (&str, f64)> {
    talk.heard.frames.iter().filter_map(|frame| match frame {
        Frame::Text(said) => Some((said.name.as_deref()?, said.value?)),
        _ => None,
    })
}

/// The connections of those who came, but for who only asked for something.
fn connections(seen: &Observation) -> Vec<u32> {
    let came = seen.talks.iter().filter(|talk| talk.refused.is_none());
    came.map(|talk| talk.exchange).collect()
}

fn ended(seen: &Observation) -> Option<(&Talk, &End)> {
    seen.talks
        .iter()
        .find_map(|talk| Some((talk, talk.heard.end.as_ref()?)))
}

/// What is wrong with what viewers see.
pub(super) fn levels(seen: &Observation) -> Option<Fault> {
    if let Some((met, after)) = seen.given_up().next() {
        let waited = after;
        let after = words(after.min(QUIET));
        let evidence = connections(seen);
        let killed = ended(seen).is_some();
        let odd = seen.talks.iter().find_map(|talk| {
            talk.heard.frames.iter().find_map(|frame| match frame {
                Frame::Text(said) if said.name.is_none() || said.value.is_none() => Some(said),
                _ => None,
            })
        });
        let fault = match met.about {
            "shown" if odd.is_some() => Fault::new(
                Diagnosis::WrongBody,
                format!(
                    "What came to a viewer was `{}`.",
                    crate::judge::excerpt(&odd.map(|said| said.raw.clone()).unwrap_or_default())
                ),
                "Send {\"name\": the room, \"value\": the level} as JSON text.",
            ),
            AFTER_BAD => Fault::new(
                Diagnosis::BadFrameKills,
                if killed {
                    "After a frame that is no level, a connection ended.".to_owned()
                } else {
                    format!("After a frame that is no level, levels no longer came, for {after}.")
                },
                "Ignore what you cannot read, and go on: no `unwrap` on what a client sends, and no \
                 `break`.",
            ),
            NUMBER => no_such_number(seen, &after),
            "late" => Fault::new(
                Diagnosis::LevelLost,
                format!(
                    "Somebody came when two rooms had spoken already, and for {after} did not see \
                     both of their levels."
                ),
                "Keep the newest level of every room, and send all of them to a new connection: a \
                 `watch` channel holds a value for whoever comes late.",
            ),
            "parent" => unheard(waited),
            "burst" => Fault::new(
                Diagnosis::LevelLost,
                format!(
                    "A room said 200 levels in one go, and the last of them did not come to \
                     everybody, for {after}."
                ),
                "You may skip levels, but never the newest: when you have been busy, look again \
                 before you wait.",
            ),
            _ if seen.talks.iter().all(|talk| heard(talk).next().is_some()) => Fault::new(
                Diagnosis::LevelLost,
                format!(
                    "A room said a new level soon after its last, and it did not come to everybody, \
                     for {after}."
                ),
                "You may skip levels, but never the newest: after a pause, look again at what there \
                 is to say.",
            ),
            _ => Fault::new(
                Diagnosis::NotDelivered,
                format!("A room said its level, and it did not come to everybody, for {after}."),
                "Send each room's newest level to every connection, the sender's too.",
            ),
        };
        return Some(fault.proved_by(evidence));
    }
    let taken = seen.talks.iter().find_map(|talk| {
        talk.heard.frames.iter().find_map(|frame| match frame {
            Frame::Text(said) if said.raw.contains(NO_NUMBER) => Some((talk.exchange, &said.raw)),
            _ => None,
        })
    });
    if let Some((exchange, raw)) = taken {
        return Some(
            Fault::new(
                Diagnosis::WrongBody,
                format!(
                    "A browser sent frames of a room whose value was no number, and you sent on `{}`.",
                    crate::judge::excerpt(raw)
                ),
                "Take a value only where the JSON has a number; `true`, `null` and a number in quotes \
                 are none.",
            )
            .proved_by([exchange]),
        );
    }
    seen.talks
        .iter()
        .find(|talk| talk.about == "asked" && talk.refused.as_deref() != Some("status 200 page"))
        .map(|talk| {
            Fault::new(
                Diagnosis::WrongBody,
                format!(
                    "`GET /` was answered with {}, and no page.",
                    talk.refused.as_deref().unwrap_or_default()
                ),
                "Serve the page that came with the exercise at `/`.",
            )
        })
}

/// A number that did not come as it was said.
fn no_such_number(seen: &Observation, after: &str) -> Fault {
    let came = seen
        .talks
        .iter()
        .find(|talk| talk.about == "room")
        .and_then(|room| {
            let of_its_own = |(name, value)| (name == room.name).then_some(value);
            heard(room).filter_map(of_its_own).last()
        })
        .unwrap_or_default();
    let position = NUMBERS.iter().position(|number| *number == came);
    let said = NUMBERS[position.map_or(0, |nth| nth + 1) % NUMBERS.len()];
    let is_another = position.is_none() && came != f64::from(probes::TOGETHER);
    if is_another {
        return Fault::new(
            Diagnosis::WrongBody,
            format!(
                "A room said a level, and what came to a viewer was {came}: it had not said that."
            ),
            "Send each level as it was said: it may be any number.",
        );
    }
    Fault::new(
        Diagnosis::LevelLost,
        format!(
            "A room's level was {came}, then it said {said}, and that did not come to everybody, for \
             {after}."
        ),
        "Take any number, above or below the last, whole or not, and send it on however little it \
         changed.",
    )
}

fn parents(seen: &Observation) -> Vec<u32> {
    seen.exchanges
        .iter()
        .filter(|x| x.service == "parent")
        .map(|x| x.id)
        .collect()
}

/// More than one way to the parent.
pub(super) fn upstream(seen: &Observation) -> Option<Fault> {
    let ways = seen.attempts.len();
    if ways > 1 {
        return Some(
            Fault::new(
                Diagnosis::UpstreamPerBrowser,
                format!("Thirty browsers were there, and the parent saw {ways} connections."),
                "Open one connection when the server starts, in a task of its own, and hand it the \
                 levels through a channel.",
            )
            .proved_by(parents(seen)),
        );
    }
    if let Some(fault) = dropped(seen) {
        return Some(fault);
    }
    let (met, after) = seen.given_up().next()?;
    if met.about == probes::MANY_ROOMS {
        return Some(
            Fault::new(
                Diagnosis::LevelLost,
                format!(
                    "A browser told of 120 more rooms, and not all of them came to the parent, for {}.",
                    words(after)
                ),
                "Keep the newest level of every room, however many rooms there are.",
            )
            .proved_by(parents(seen)),
        );
    }
    if met.about != "parent" || !met_nobody_else(seen) {
        return None;
    }
    Some(
        Fault::new(
            if ways == 0 {
                Diagnosis::NotAsked
            } else {
                Diagnosis::LevelLost
            },
            format!(
                "Thirty rooms spoke once each. The levels of {} came to the parent, and no more for \
                 {}.",
                seen.levels
                    .iter()
                    .map(|level| &level.name)
                    .collect::<std::collections::BTreeSet<_>>()
                    .len(),
                words(after)
            ),
            "Send the newest level of every room: a single slot for all rooms loses those that come \
             close after one another.",
        )
        .proved_by(parents(seen)),
    )
}

/// Whether the levels of thirty rooms were all that was waited for.
fn met_nobody_else(seen: &Observation) -> bool {
    seen.rendezvous.iter().all(|met| met.about == "parent")
}

/// A way to the parent that did not outlive the last browser.
fn dropped(seen: &Observation) -> Option<Fault> {
    let met = seen.rendezvous.iter().find(|met| met.about == LEFT)?;
    (met.reached == 0).then(|| {
        Fault::new(
            Diagnosis::UpstreamPerBrowser,
            match met.waited {
                Waited::GaveUp(after) => format!(
                    "The last browser left, and the parent's next ping was not answered, for {}.",
                    words(after)
                ),
                _ => "The last browser left, and you ended the connection to the parent.".to_owned(),
            },
            "The connection to the parent belongs to the server, not to the browsers: keep it when \
             none of them is there.",
        )
        .proved_by(parents(seen))
    })
    .filter(|_| met.waited != Waited::TooBusy)
}

/// What the parent said, and what came of it.
pub(super) fn spoken(seen: &Observation) -> Option<Fault> {
    let taken = seen.levels.iter().any(|level| is_the_parents(&level.name))
        || seen
            .talks
            .iter()
            .any(|talk| heard(talk).any(|(name, _)| is_the_parents(name)));
    if taken {
        return Some(
            Fault::new(
                Diagnosis::WrongBody,
                "The parent sent a level of its own, and you sent that on as if a browser had said it.",
                "Read what the parent sends, and ignore it: levels come from browsers only.",
            )
            .proved_by(parents(seen)),
        );
    }
    let met = seen
        .rendezvous
        .iter()
        .find(|met| [PING, SPOKEN].contains(&met.about) && met.reached == 0)?;
    let fault = match (met.about, met.waited) {
        (_, Waited::TooBusy) => return None,
        (SPOKEN, Waited::Done(())) => Fault::new(
            Diagnosis::BadFrameKills,
            "The parent sent texts and bytes, and you ended the connection.",
            "Read what the parent sends, and ignore it, whatever it is.",
        ),
        (PING, Waited::Done(())) => Fault::new(
            Diagnosis::PingIgnored,
            "The parent sent a ping, and you ended the connection.",
            "Answer a ping with a pong of the same payload; tungstenite does it for whoever reads on.",
        ),
        (about, Waited::GaveUp(after)) => Fault::new(
            Diagnosis::PingIgnored,
            format!(
                "The parent sent {}, and no pong came, for {}.",
                if about == PING {
                    "a ping"
                } else {
                    "texts, bytes and then a ping"
                },
                words(after)
            ),
            "Read what the parent sends for as long as the connection lasts, and answer its pings: \
             tungstenite does it for whoever reads on.",
        ),
        _ => return None,
    };
    Some(fault.proved_by(parents(seen)))
}

fn is_the_parents(name: &str) -> bool {
    name.starts_with(PARENTS_OWN)
}

/// Others that saw nothing new while somebody did not read.
pub(super) fn stalled(seen: &Observation, what: &str) -> Option<Fault> {
    let (met, after) = seen.given_up().next()?;
    (met.about == "flow").then(|| {
        Fault::new(
            Diagnosis::SlowReaderStallsAll,
            format!(
                "While {what}, another viewer no longer got the newest level, for {}, and the \
                 program sat idle.",
                words(after.min(QUIET))
            ),
            "Whoever brings a level must not wait for whoever reads it. Put it where each reader's \
             own task finds it (`tokio::sync::watch`), and hold no lock while you send.",
        )
        .proved_by(connections(seen))
    })
}

/// A slow viewer that got a queue of old levels, or not the newest.
pub(super) fn fresh(seen: &Observation) -> Option<Fault> {
    let slow = seen.talks.iter().find(|talk| talk.about == "slow")?;
    let got = heard(slow).count();
    stale(got, "viewer")
        .or_else(|| lost(seen, "viewer"))
        .map(|fault| fault.proved_by([slow.exchange]))
}

/// Socket buffers hold a few dozen levels of this length; whoever got more than
/// this had them kept in memory.
const FEW: usize = GO_BY as usize / 3;

fn stale(got: usize, who: &str) -> Option<Fault> {
    (got > FEW).then(|| {
        Fault::new(
            Diagnosis::StaleQueue,
            format!(
                "The {who} read nothing while {GO_BY} levels of a room went by. When it read on, it \
                 got {got} levels: old ones, one after the other, before the newest."
            ),
            "Nobody needs an old level. Keep one value per room, and let the newest replace it: \
             `tokio::sync::watch` is such a slot, a queue is not.",
        )
    })
}

fn lost(seen: &Observation, who: &str) -> Option<Fault> {
    let (met, after) = seen.given_up().next()?;
    (met.about == "newest").then(|| {
        Fault::new(
            Diagnosis::LevelLost,
            format!(
                "The {who} read on, and the newest level of one room or the other did not come, for \
                 {}.",
                words(after.min(QUIET))
            ),
            "You may skip old levels, but the newest of every room has to arrive, also after the \
             levels of other rooms.",
        )
    })
}

/// How few levels came, in words.
pub(super) fn how_fresh(seen: &Observation) -> String {
    let got = match seen.talks.iter().find(|talk| talk.about == "slow") {
        Some(slow) => heard(slow).count(),
        None => seen.levels.len(),
    };
    format!("{GO_BY} levels went by; {got} came when it read on, the newest last")
}

/// A parent that is well, and to which nothing comes.
fn unheard(after: Duration) -> Fault {
    Fault::new(
        Diagnosis::NotAsked,
        format!(
            "Rooms spoke, and their levels did not come to the parent, for {}.",
            words(after)
        ),
        "Keep a connection to PARENT_WS, and send every room's newest level over it.",
    )
}

/// A parent that came back, and was not told everything.
pub(super) fn returned(seen: &Observation) -> Option<Fault> {
    let (met, after) = seen.given_up().next()?;
    let fault = match met.about {
        "parent" => unheard(after),
        "meanwhile" => Fault::new(
            Diagnosis::SlowReaderStallsAll,
            format!(
                "While the parent was away, viewers did not get a new level, for {}.",
                words(after.min(QUIET))
            ),
            "Serve your viewers whatever the parent does: its connection has a task of its own.",
        ),
        "returned" if came_back(seen) => Fault::new(
            Diagnosis::LevelLost,
            format!(
                "The parent was well again and you came back to it, but for {} you did not tell it \
                 any level.",
                words(after)
            ),
            SEND_ALL_AGAIN,
        ),
        "returned" => Fault::new(
            Diagnosis::NoReconnect,
            format!(
                "The parent had ended the connection and was well again. For {} {}.",
                words(after),
                if seen.attempts.is_empty() {
                    "nobody tried to come back"
                } else {
                    "nothing came from you"
                }
            ),
            "When the connection ends, however it ends, wait a little and open it again: a loop \
             around connect and talk, that only ends with the server.",
        ),
        _ => Fault::new(
            Diagnosis::LevelLost,
            format!(
                "The parent was well again and was told {}, but not the newest level of both rooms \
                 (3 and 2), for {}.",
                seen.levels
                    .iter()
                    .map(|level| level.value.to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
                words(after.min(QUIET))
            ),
            SEND_ALL_AGAIN,
        ),
    };
    Some(fault.proved_by(parents(seen)))
}

const SEND_ALL_AGAIN: &str = "After a reconnect send the newest level of every room again: the \
                              parent may have forgotten everything.";

/// Whether a connection to the parent was opened after another one had ended.
fn came_back(seen: &Observation) -> bool {
    let parents = || seen.exchanges.iter().filter(|x| x.service == "parent");
    parents().any(|new| {
        new.status == Some(101)
            && parents().any(|old| old.ended.is_some_and(|ended| ended <= new.arrived))
    })
}

/// A connection that has carried something and ended, after which it does not come back
/// as soon as after the first one.
pub(super) fn starts_over(seen: &Observation) -> Option<Fault> {
    let (met, after) = seen.given_up().next()?;
    let times = seen.waits.len() + 1;
    let fault = match met.about {
        STARTS_OVER => Fault::new(
            Diagnosis::NoReconnect,
            format!(
                "Connections that had carried levels ended, one after the other. After the end of \
                 number {times} nobody came, for {}.",
                words(after)
            ),
            "A connection that has carried something starts over at RECONNECT_MS: set the wait back \
             when it ends.",
        ),
        TOLD_AGAIN => Fault::new(
            Diagnosis::LevelLost,
            format!(
                "Connections that had carried levels ended, one after the other. Over number {times} \
                 the newest level did not come, for {}.",
                words(after)
            ),
            SEND_ALL_AGAIN,
        ),
        _ => return None,
    };
    Some(fault.proved_by(parents(seen)))
}

/// A wait that is shorter than half of what is due.
pub(super) fn hasty(seen: &Observation) -> Option<Fault> {
    // Clocks that tick in milliseconds are allowed for.
    let (waited, least) = seen
        .waits
        .iter()
        .find(|(waited, least)| *waited < *least * 9 / 10)?;
    let due = *least * 2;
    let fault = if seen.attempts.len() > 1 {
        Fault::new(
            Diagnosis::ReconnectStorm,
            format!(
                "The parent ended every connection at once. After a dozen tries in vain you came \
                 again {} after the last, where {CAP} × RECONNECT_MS are {}.",
                words(*waited),
                words(due)
            ),
            "Wait twice as long after each try in vain, up to 64 × RECONNECT_MS, and stay there. \
             Jitter takes away half of a wait at most.",
        )
    } else {
        Fault::new(
            Diagnosis::ReconnectStorm,
            format!(
                "The parent ended a connection that had carried levels, and you came again after {}. \
                 RECONNECT_MS was {}.",
                words(*waited),
                due.as_millis()
            ),
            "Wait before the first try, too. Jitter takes away half of a wait at most.",
        )
    };
    Some(fault.proved_by(parents(seen)))
}

fn gaps(seen: &Observation) -> Vec<Duration> {
    seen.attempts
        .windows(2)
        .map(|pair| pair[1].since(pair[0]))
        .collect()
}

/// The waits between the later tries, by which a right program waits many times
/// `again_after`; the shortest first.
pub(super) fn late_gaps(seen: &Observation) -> Vec<Duration> {
    const EARLY: usize = 3;
    let mut late: Vec<_> = gaps(seen).into_iter().skip(EARLY).collect();
    late.sort_unstable();
    late
}

/// So many later tries make a storm, if it is one.
pub(super) const FEWEST: usize = 3;

/// Tries that do not wait longer and longer. A busy machine makes waits longer, never
/// shorter.
pub(super) fn storm(seen: &Observation) -> Option<Fault> {
    let again_after = seen.again_after;
    let late = late_gaps(seen);
    let middle = *late.get(late.len() / 2)?;
    let gaps = gaps(seen);
    (late.len() >= FEWEST && middle < again_after * 5 / 2).then(|| {
        Fault::new(
            Diagnosis::ReconnectStorm,
            format!(
                "The parent ended every connection at once. {} tries came, {} apart (RECONNECT_MS \
                 was {}).",
                seen.attempts.len(),
                gaps.iter()
                    .take(6)
                    .map(|gap| words(*gap))
                    .collect::<Vec<_>>()
                    .join(", "),
                again_after.as_millis()
            ),
            "Wait twice as long after each try that failed, up to a limit, and begin anew only after \
             a connection that has carried something. A little chance in each wait (jitter) keeps \
             many gateways from knocking together.",
        )
        .proved_by(parents(seen))
    })
}

/// For so many times the first wait the parent is away.
pub(super) const AWAY: u32 = 30;

/// Whether tries that are all as far apart as `again_after` says, or less, can have looked
/// like those that were seen: then it is lateness that has spaced them, and no waiting.
pub(super) fn may_be_a_storm(seen: &Observation) -> bool {
    let (again_after, late) = (seen.again_after, seen.late);
    match late_gaps(seen).as_slice() {
        // So few came that the rest of the time was spent on something.
        few if few.len() < FEWEST => late > AWAY * again_after / 2,
        gaps => {
            let (middle, rest) = (gaps[gaps.len() / 2], gaps.len() - gaps.len() / 2);
            late > middle.saturating_sub(again_after) * rest as u32
        }
    }
}

/// How it tried, in words.
pub(super) fn tries(seen: &Observation) -> String {
    let gaps = gaps(seen);
    if gaps.is_empty() {
        return "it came back without haste".to_owned();
    }
    format!(
        "waited {} between its tries",
        gaps.iter()
            .map(|gap| words(*gap))
            .collect::<Vec<_>>()
            .join(", ")
    )
}

/// A parent that hung or refused, and was not tried again.
pub(super) fn patient(seen: &Observation) -> Option<Fault> {
    let (met, after) = seen.given_up().next()?;
    let fault = match met.about {
        "parent" => unheard(after),
        "tried" => Fault::new(
            Diagnosis::NoReconnect,
            format!(
                "The parent had ended the connection. For {} nobody tried to come back.",
                words(after)
            ),
            "When the connection ends, however it ends, wait a little and open it again.",
        ),
        "given up" => Fault::new(
            Diagnosis::NoTimeout,
            format!(
                "The parent took the connection and did not answer the handshake. After {} you were \
                 still waiting for it. UPSTREAM_TIMEOUT_MS was {}.",
                words(after),
                seen.limit.as_millis()
            ),
            "Put a time limit around connecting, the handshake included \
             (`tokio::time::timeout(limit, connect_async(url))`), and try again after it.",
        ),
        probes::LET_GO => Fault::new(
            Diagnosis::NoTimeout,
            format!(
                "The parent did not answer the handshake, and you tried again. But the connection that \
                 you had given up stayed open, for {}.",
                words(after)
            ),
            "Close the connection that you give up: there is one to the parent, no more.",
        ),
        "meanwhile" => Fault::new(
            Diagnosis::SlowReaderStallsAll,
            format!(
                "While the parent hung, viewers did not get a new level, for {}.",
                words(after.min(QUIET))
            ),
            "Serve your viewers whatever the parent does: its connection has a task of its own.",
        ),
        _ => Fault::new(
            Diagnosis::NoReconnect,
            format!(
                "The parent refused connections for a moment and was well again. For {} nothing came \
                 from you.",
                words(after)
            ),
            "A refused connection is no reason to give up: wait, and try again, for as long as the \
             server runs. Then send the newest level of every room.",
        ),
    };
    Some(fault.proved_by(parents(seen)))
}

/// A parent that refused the handshake, and was not tried again.
pub(super) fn refused(seen: &Observation) -> Option<Fault> {
    let (met, after) = seen.given_up().next()?;
    if !REFUSED.contains(&met.about) {
        return None;
    }
    let said = match met.about {
        about if about == REFUSED[0] => "ended the connection",
        about if about == REFUSED[1] => "answered the handshake with status 503",
        _ => "answered the handshake with status 401, and was well after that",
    };
    Some(
        Fault::new(
            Diagnosis::NoReconnect,
            format!("The parent {said}. For {} nothing came from you.", words(after)),
            "A refused handshake is no reason to give up, whatever its status: wait, and try again, \
             for as long as the server runs.",
        )
        .proved_by(parents(seen)),
    )
}

/// A parent that was away for long, and was no longer tried.
pub(super) fn endured(seen: &Observation) -> Option<Fault> {
    let (met, after) = seen.given_up().next()?;
    let fault = match met.about {
        "parent" => unheard(after),
        FOR_EVER => Fault::new(
            Diagnosis::NoReconnect,
            format!(
                "The parent ended every connection at once. {} tries came, and then none for {} \
                 ({CAP} × RECONNECT_MS were {}).",
                seen.attempts.len(),
                words(after),
                words(CAP * seen.again_after)
            ),
            "Try again for as long as the server runs, and never wait longer than 64 × RECONNECT_MS.",
        ),
        _ => return None,
    };
    Some(fault.proved_by(parents(seen)))
}

/// What a parent that did not read did to others, and what it got in the end.
pub(super) fn deaf(seen: &Observation) -> Option<Fault> {
    stalled(seen, "the parent did not read")
        .or_else(|| stale(seen.levels.len(), "parent"))
        .or_else(|| lost(seen, "parent"))
        .or_else(|| returned(seen))
}

#[cfg(test)]
mod tests {
    use mock_services::exchange::{Ending, Exchange};
    use mock_services::moment::Moment;

    use super::*;
    use crate::observation::Rendezvous;

    /// What was seen of tries that came so many milliseconds after each other, where each
    /// was to wait for 20.
    fn tries_after(gaps: &[u64], late: u64) -> Observation {
        let mut at = 0;
        let mut attempts = vec![Moment::from_micros(0)];
        attempts.extend(gaps.iter().map(|gap| {
            at += gap * 1000;
            Moment::from_micros(at)
        }));
        Observation {
            attempts,
            again_after: Duration::from_millis(20),
            late: Duration::from_millis(late),
            ..Observation::default()
        }
    }

    #[test]
    fn waits_that_do_not_grow_are_a_storm() {
        let is_storm = |gaps: &[u64]| storm(&tries_after(gaps, 0)).is_some();
        assert!(is_storm(&[20, 20, 20, 20, 20, 20]));
        assert!(is_storm(&[20, 40, 40, 40, 40, 60]));
        assert!(!is_storm(&[20, 40, 80, 160, 160, 160]));
        assert!(!is_storm(&[20, 40, 80, 160]));
    }

    #[test]
    fn a_busy_machine_does_not_make_waits_grow() {
        let maybe = |gaps: &[u64], late| may_be_a_storm(&tries_after(gaps, late));
        // What was seen of a program whose waits are all the same, on such a machine.
        assert!(maybe(&[24, 52, 20, 53, 24, 93], 200));
        // For that they had to be late by at least twice what the middle one has too much.
        assert!(!maybe(&[20, 40, 80, 90, 100, 110], 159));
        assert!(maybe(&[20, 40, 80, 90, 100, 110], 161));
        // Four tries in a time for thirty.
        assert!(!maybe(&[20, 40, 80, 160], 299));
        assert!(maybe(&[20, 40, 80, 160], 301));
    }

    #[test]
    fn a_wait_is_too_short_below_half_of_it() {
        let ms = Duration::from_millis;
        let is_hasty = |waits: &[u64]| {
            let waits = waits.iter().map(|wait| (ms(*wait), ms(10))).collect();
            let seen = Observation {
                waits,
                ..Observation::default()
            };
            hasty(&seen).is_some()
        };
        assert!(!is_hasty(&[]));
        // What is late looks like patience; what is early is not.
        assert!(!is_hasty(&[10, 20, 9, 500]));
        assert!(is_hasty(&[10, 20, 8, 500]));
    }

    /// What was seen where that was waited for, and how that ended.
    fn met(about: &'static str, reached: usize, waited: Waited<()>) -> Observation {
        Observation {
            rendezvous: vec![Rendezvous {
                about,
                wanted: 1,
                reached,
                waited,
                released: Moment::from_micros(100),
                sat_idle: None,
            }],
            ..Observation::default()
        }
    }

    #[test]
    fn what_the_parent_says_is_read_and_ignored() {
        let silent = Waited::GaveUp(Duration::from_secs(1));
        let diagnosed = |about, reached, waited| {
            spoken(&met(about, reached, waited)).map(|fault| fault.diagnosis)
        };
        assert_eq!(diagnosed(PING, 1, Waited::Done(())), None);
        assert_eq!(diagnosed(SPOKEN, 0, Waited::TooBusy), None);
        let ignored = Some(Diagnosis::PingIgnored);
        assert_eq!(diagnosed(PING, 0, silent), ignored);
        assert_eq!(diagnosed(SPOKEN, 0, silent), ignored);
        let killed = Some(Diagnosis::BadFrameKills);
        assert_eq!(diagnosed(SPOKEN, 0, Waited::Done(())), killed);
        let mut taken = met(SPOKEN, 1, Waited::Done(()));
        taken.levels.push(mock_services::parent::Level {
            exchange: 1,
            name: format!("{PARENTS_OWN}x"),
            value: 1.0,
        });
        let taken = spoken(&taken).map(|fault| fault.diagnosis);
        assert_eq!(taken, Some(Diagnosis::WrongBody));
    }

    #[test]
    fn the_way_to_the_parent_outlives_the_browsers() {
        let is_dropped = |reached, waited| upstream(&met(LEFT, reached, waited)).is_some();
        assert!(!is_dropped(1, Waited::Done(())));
        assert!(!is_dropped(0, Waited::TooBusy));
        assert!(is_dropped(0, Waited::Done(())));
    }

    #[test]
    fn who_gives_up_for_ever_does_not_come_back() {
        let silent = Waited::GaveUp(Duration::from_secs(1));
        for (judge, about) in [
            (
                starts_over as fn(&Observation) -> Option<Fault>,
                STARTS_OVER,
            ),
            (refused, REFUSED[1]),
            (endured, FOR_EVER),
        ] {
            let fault = judge(&met(about, 0, silent)).expect("a fault");
            assert_eq!(fault.diagnosis, Diagnosis::NoReconnect);
            assert!(judge(&met(about, 1, Waited::Done(()))).is_none());
            assert!(upstream(&met(about, 0, silent)).is_none());
        }
    }

    #[test]
    fn who_comes_back_and_says_nothing_has_come_back() {
        let parent = |id: u32, from: u64, to: Option<u64>, status| Exchange {
            id,
            service: "parent".to_owned(),
            connection: id,
            request: "WS /broadcast".to_owned(),
            arrived: Moment::from_micros(from),
            answered: None,
            ended: to.map(Moment::from_micros),
            status,
            ending: Ending::Cut,
            frames: Vec::new(),
        };
        let diagnosed = |exchanges| {
            let seen = Observation {
                exchanges,
                rendezvous: vec![Rendezvous {
                    about: "returned",
                    wanted: 1,
                    reached: 0,
                    waited: Waited::GaveUp(Duration::from_secs(5)),
                    released: Moment::from_micros(100),
                    sat_idle: None,
                }],
                ..Observation::default()
            };
            returned(&seen).map(|fault| fault.diagnosis)
        };
        let first = || parent(1, 0, Some(10), Some(101));
        let refused = parent(2, 20, Some(21), None);
        let gone = Some(Diagnosis::NoReconnect);
        assert_eq!(diagnosed(vec![first()]), gone);
        assert_eq!(diagnosed(vec![first(), refused.clone()]), gone);
        assert_eq!(
            diagnosed(vec![first(), refused, parent(3, 30, None, Some(101))]),
            Some(Diagnosis::LevelLost)
        );
        // One that was there all the time is not one that came back.
        let other = parent(2, 5, None, Some(101));
        assert_eq!(diagnosed(vec![first(), other]), gone);
    }
}
