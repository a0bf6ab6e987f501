//! What follows from what was heard. Plain functions over observations.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::probes::{AGAIN, GO_BY, LONG};
use crate::client::{End, Frame, Said};
use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::{HealthSeen, Observation, Rendezvous, Talk};
use crate::report::words;
use crate::stage::{QUIET, Waited};

fn given_up(seen: &Observation) -> Option<(&Rendezvous, Duration)> {
    let (met, after) = seen.given_up().next()?;
    Some((met, after.min(QUIET)))
}

fn texts(talk: &Talk) -> impl Iterator<Item = &Said> {
    talk.heard.frames.iter().filter_map(|frame| match frame {
        Frame::Text(said) => Some(said),
        _ => None,
    })
}

fn shown(said: &Said) -> String {
    crate::judge::excerpt(&said.raw)
}

/// A WebSocket that could not be opened.
pub(crate) fn unopened(seen: &Observation) -> Option<Fault> {
    let talk = seen
        .talks
        .iter()
        .find(|talk| talk.about != "asked" && talk.refused.is_some())?;
    let why = talk.refused.as_deref().unwrap_or_default();
    Some(Fault::new(
        Diagnosis::WrongStatus,
        if talk.room.is_empty() {
            format!("A WebSocket was not opened: {why}.")
        } else {
            format!(
                "The WebSocket of `{}` in the room `{}` was not opened: {why}.",
                talk.name, talk.room
            )
        },
        "Answer the upgrade with 101, as axum's `WebSocketUpgrade::on_upgrade` does.",
    ))
}

/// Messages that did not come, came twice, or came in another shape.
pub(super) fn delivered(seen: &Observation) -> Option<Fault> {
    let talks: Vec<_> = seen.talks.iter().filter(|t| t.about == "talk").collect();
    let gave_up = given_up(seen);
    for reader in &talks {
        let in_room: Vec<_> = talks.iter().filter(|t| t.room == reader.room).collect();
        for sender in &in_room {
            for text in &sender.said {
                let copies: Vec<_> = texts(reader)
                    .filter(|said| {
                        said.from.as_deref() == Some(&sender.name)
                            && said.text.as_deref() == Some(text)
                    })
                    .collect();
                let fault = match copies.as_slice() {
                    [_] => continue,
                    [] => {
                        if let Some(odd) = in_another_shape(reader, sender, text) {
                            return Some(odd);
                        }
                        let (_, after) = gave_up?;
                        let to = if reader.exchange == sender.exchange {
                            "to its sender".to_owned()
                        } else {
                            format!("to `{}`", reader.name)
                        };
                        Fault::new(
                            Diagnosis::NotDelivered,
                            format!(
                                "`{}` said `{text}` in the room `{}`, and it did not come {to}, for \
                                 {}.",
                                sender.name,
                                sender.room,
                                words(after)
                            ),
                            "Send each message to everybody in the room, the sender too. Join the \
                             room before you answer the upgrade: what is said after that must not be \
                             missed.",
                        )
                    }
                    _ => Fault::new(
                        Diagnosis::Duplicated,
                        format!(
                            "`{}` said `{text}` once, and it came to `{}` {} times.",
                            sender.name,
                            reader.name,
                            copies.len()
                        ),
                        "Send each message to each reader once: the sender is one of the room, and \
                         not somebody beside it.",
                    ),
                };
                return Some(fault.proved_by([sender.exchange, reader.exchange]));
            }
        }
    }
    None
}

/// A frame that has the text somewhere, but not as the contract says.
fn in_another_shape(reader: &Talk, sender: &Talk, text: &str) -> Option<Fault> {
    let start = text.split(' ').next().unwrap_or(text);
    let frame = texts(reader).find(|said| said.raw.contains(start))?;
    let as_agreed = frame.from.as_deref() == Some(&sender.name);
    if as_agreed && frame.text.as_deref() == Some(text) {
        return None;
    }
    Some(
        Fault::new(
            Diagnosis::WrongBody,
            format!(
                "`{}` said `{text}`, and what came was `{}`.",
                sender.name,
                shown(frame)
            ),
            "Send {\"from\": the sender's name, \"text\": the text}, as JSON.",
        )
        .proved_by([sender.exchange, reader.exchange]),
    )
}

/// The page, and upgrades without a room or a name.
pub(super) fn page(seen: &Observation) -> Option<Fault> {
    seen.talks
        .iter()
        .filter(|talk| talk.about == "asked")
        .find_map(|talk| {
            let got = talk.refused.as_deref().unwrap_or_default();
            if talk.name == "/" {
                (got != "status 200 page").then(|| {
                    Fault::new(
                        Diagnosis::WrongBody,
                        format!("`GET /` was answered with {got}, and no page."),
                        "Serve the page that came with the exercise at `/`.",
                    )
                })
            } else {
                (got != "status 400").then(|| {
                    Fault::new(
                        Diagnosis::WrongStatus,
                        format!(
                            "`{}` lacks a room or a name, and {}.",
                            talk.name,
                            match got {
                                "opened" => "was opened all the same".to_owned(),
                                _ => format!("was answered with {got}"),
                            }
                        ),
                        "Answer 400 instead of an upgrade where the room or the name is missing.",
                    )
                })
            }
        })
}

/// Something that was said in another room.
pub(super) fn mixed(seen: &Observation) -> Option<Fault> {
    let talks: Vec<_> = seen.talks.iter().filter(|t| t.about == "talk").collect();
    // By speaker and reader, not as things came: the same program is told the
    // same in every run.
    for (speaker, reader) in talks
        .iter()
        .flat_map(|speaker| talks.iter().map(move |reader| (speaker, reader)))
        .filter(|(speaker, reader)| speaker.room != reader.room)
    {
        let overheard = speaker
            .said
            .iter()
            .find(|text| texts(reader).any(|said| said.text.as_ref() == Some(text)));
        if let Some(text) = overheard {
            return Some(
                Fault::new(
                    Diagnosis::RoomsMixed,
                    format!(
                        "`{}` said `{text}` in the room `{}`, and `{}` heard it in the room `{}`.",
                        speaker.name, speaker.room, reader.name, reader.room
                    ),
                    "A room is known by its whole name, letter by letter: `HashMap<String, Room>`, \
                     and its key as it came.",
                )
                .proved_by([speaker.exchange, reader.exchange]),
            );
        }
    }
    None
}

/// Messages of one sender that came out of order, twice, or not at all.
pub(super) fn ordered(seen: &Observation) -> Option<Fault> {
    for reader in &seen.talks {
        let mut next: HashMap<&str, u32> = HashMap::new();
        for said in texts(reader) {
            let number = said.text.as_deref().and_then(|text| text.split_once(':'));
            let Some((_, number)) = number else { continue };
            let (Some(from), Ok(number)) = (said.from.as_deref(), number.parse::<u32>()) else {
                continue;
            };
            let wanted = next.entry(from).or_default();
            if number == *wanted {
                *wanted += 1;
                continue;
            }
            let earlier = texts(reader)
                .take_while(|other| !std::ptr::eq(*other, said))
                .any(|other| other.from == said.from && other.text == said.text);
            let later = texts(reader).any(|other| {
                other.from == said.from
                    && other
                        .text
                        .as_deref()
                        .and_then(|t| t.split_once(':'))
                        .map(|t| t.1)
                        == Some(wanted.to_string().as_str())
            });
            let (diagnosis, observed, next_step) = if earlier && number < *wanted {
                (
                    Diagnosis::Duplicated,
                    format!(
                        "Message {number} of `{from}` came to `{}` twice.",
                        reader.name
                    ),
                    "Send each message to each reader once.",
                )
            } else if later {
                (
                    Diagnosis::OrderLost,
                    format!(
                        "`{}` got message {number} of `{from}` before message {wanted}.",
                        reader.name
                    ),
                    "Pass a sender's messages on one after the other. A task per message lets the \
                     runtime choose which is first; one queue per reader keeps the order.",
                )
            } else {
                (
                    Diagnosis::NotDelivered,
                    format!(
                        "`{}` got message {number} of `{from}`, but never message {wanted}.",
                        reader.name
                    ),
                    "Every reader that reads gets every message. Is something dropped where a queue \
                     is full for a moment?",
                )
            };
            return Some(Fault::new(diagnosis, observed, next_step).proved_by([reader.exchange]));
        }
    }
    let (_, after) = given_up(seen)?;
    Some(Fault::new(
        Diagnosis::NotDelivered,
        format!(
            "Four people sent 12 messages each, and for {} not all of them came to everybody.",
            words(after)
        ),
        "Every reader that reads gets every message.",
    ))
}

/// Others that got nothing while one did not read.
pub(super) fn stalled(seen: &Observation) -> Option<Fault> {
    const NEXT: &str = "Whoever sends must not wait for whoever reads. Give each reader a bounded queue and a \
         task that empties it (`tokio::sync::broadcast`, or a bounded `mpsc` with `try_send`), \
         and hold no lock while you send.";
    if let Some(stutter) = seen.stutter {
        return Some(
            Fault::new(
                Diagnosis::SlowReaderStallsAll,
                format!(
                    "One client stopped reading. After {} messages the others got theirs only in \
                     steps: {} times in a row the program slept with messages before it, and {} \
                     messages took {}. At first they took {}.",
                    stutter.after,
                    stutter.bursts,
                    stutter.messages,
                    words(stutter.took),
                    words(stutter.at_first)
                ),
                format!("{NEXT} A short wait for each message is a wait, too."),
            )
            .proved_by(
                seen.talks
                    .iter()
                    .filter(|talk| matches!(talk.about, "slow" | "reader"))
                    .map(|talk| talk.exchange)
                    .take(2),
            ),
        );
    }
    let (met, after) = given_up(seen)?;
    if !matches!(met.about, "room" | "elsewhere") {
        return None;
    }
    let slow = seen.talks.iter().find(|talk| talk.about == "slow")?;
    let kept = seen.talks.iter().find(|talk| talk.about == "reader")?;
    let heard = texts(kept).count();
    if let Some(HealthSeen::Silent(after)) = seen.health {
        return Some(
            Fault::new(
                Diagnosis::BlockedRuntime,
                format!(
                    "One client stopped reading. After {heard} messages nobody got any more, and GET \
                     /healthz no answer within {}: the program sat idle, with its threads blocked.",
                    words(after)
                ),
                "Something waits for the slow reader without `.await`: a loop with \
                 `std::thread::sleep`, a blocking send, a `std` lock held while waiting.",
            )
            .proved_by([slow.exchange, kept.exchange]),
        );
    }
    Some(
        Fault::new(
            Diagnosis::SlowReaderStallsAll,
            format!(
                "One client stopped reading. After {heard} messages {} got no more, for {}, and the \
                 program sat idle.",
                if met.about == "room" {
                    "the others in its room"
                } else {
                    "people in another room"
                },
                words(after)
            ),
            NEXT,
        )
        .proved_by([slow.exchange, kept.exchange]),
    )
}

/// The numbers of the messages that a reader got, with what it was told.
fn numbers(talk: &Talk) -> Vec<Result<u64, u64>> {
    texts(talk)
        .filter_map(|said| {
            if let Some(missed) = said.missed {
                return Some(Err(missed));
            }
            let (number, _) = said.text.as_deref()?.split_once(':')?;
            Some(Ok(number.parse().ok()?))
        })
        .collect()
}

const ALL: u64 = (GO_BY / LONG) as u64;

/// Everything was kept for a reader that read nothing, twice over.
pub(super) fn unbounded(seen: &Observation) -> Option<Fault> {
    let late = seen.talks.iter().find(|talk| talk.about == "late")?;
    let got = numbers(late).iter().filter(|n| n.is_ok()).count() as u64;
    if got < AGAIN as u64 * ALL {
        return None;
    }
    let grown = match (seen.figure("before"), seen.figure("later")) {
        (Some(before), Some(later)) => format!(
            " Its memory grew by {:.1} MiB.",
            later.saturating_sub(before) as f64 / 1048576.0
        ),
        _ => String::new(),
    };
    Some(
        Fault::new(
            Diagnosis::UnboundedQueue,
            format!(
                "A client read nothing while {} MiB went by, and got all of them when it read on: \
                 they had waited in your program's memory.{grown}",
                (AGAIN * GO_BY) >> 20
            ),
            "Give each reader a bounded queue. When it is full, drop the reader (close code 1008), or \
             drop the oldest and say {\"missed\": n}: `tokio::sync::broadcast` counts them for you.",
        )
        .proved_by([late.exchange]),
    )
}

/// What the memory did, in words.
pub(super) fn memory(seen: &Observation) -> String {
    match (seen.figure("before"), seen.figure("after")) {
        (Some(before), Some(after)) => format!(
            "while 8 MiB went by, memory grew by {:.1} MiB",
            after.saturating_sub(before) as f64 / 1048576.0
        ),
        _ => "not all of it was kept; this system does not tell how much memory it took".to_owned(),
    }
}

/// A gap that nobody told the slow reader of.
pub(super) fn untold(seen: &Observation) -> Option<Fault> {
    let slow = seen.talks.iter().find(|talk| talk.about == "slow")?;
    let silently = |observed: String| {
        Some(
            Fault::new(
                Diagnosis::SilentlyDropped,
                observed,
                "Tell a reader what it missed: {\"missed\": n} where the gap is, or close code 1008. \
                 `RecvError::Lagged(n)` is that number; it is no reason to go on as if nothing had \
                 happened, nor to end without a word.",
            )
            .proved_by([slow.exchange]),
        )
    };
    let out_of_order = |number: u64, due: u64, told: u64| {
        let told = match told {
            0 => String::new(),
            _ => format!(" (it had been told that it missed {told})"),
        };
        Some(
            Fault::new(
                Diagnosis::OrderLost,
                format!("The slow reader got message {number} where {due} was due{told}."),
                "Keep each sender's order, and say {\"missed\": n} with the number that is \
                 missing at that place.",
            )
            .proved_by([slow.exchange]),
        )
    };
    let mut next = 0_u64;
    let heard = numbers(slow);
    let mut told = 0_u64;
    let mut before = HashSet::new();
    for word in &heard {
        match word {
            Ok(number) if !before.insert(*number) => {
                return Some(
                    Fault::new(
                        Diagnosis::Duplicated,
                        format!("The slow reader got message {number} twice."),
                        "Send each message to each reader once, also after a gap.",
                    )
                    .proved_by([slow.exchange]),
                );
            }
            Err(missed) => {
                // Any number may stand there.
                told = told.saturating_add(*missed);
                next = next.saturating_add(*missed);
            }
            Ok(number) if *number < next && before.iter().any(|earlier| earlier > number) => {
                return out_of_order(*number, next, told);
            }
            // Nothing came before its turn, so it is the count that is wrong.
            Ok(number) if *number < next => {
                return silently(format!(
                    "The slow reader was told that it missed {told}, and then got message {number}, \
                     which is one of them."
                ));
            }
            // What is passed over comes later.
            Ok(number) if *number > next && heard.contains(&Ok(next)) => {
                return out_of_order(*number, next, told);
            }
            Ok(number) if *number > next => {
                return silently(format!(
                    "After message {} the slow reader got message {number}: {} are missing, and it \
                     was told of {told}.",
                    next.saturating_sub(1),
                    (number - next).saturating_add(told)
                ));
            }
            Ok(_) => next = next.saturating_add(1),
        }
    }
    let got = heard.len();
    let goodbye = slow.heard.goodbye.map(End::Closed);
    match goodbye.as_ref().or(slow.heard.end.as_ref()) {
        Some(End::Closed(Some(1008))) => None,
        Some(End::Closed(code)) => silently(format!(
            "After {got} of {ALL} messages the slow reader's connection was closed, with {}.",
            match code {
                Some(code) => format!("code {code} instead of 1008"),
                None => "no code".to_owned(),
            }
        )),
        Some(End::Vanished) => silently(format!(
            "After {got} of {ALL} messages the slow reader's connection ended without a close frame."
        )),
        Some(End::Broken(why)) => silently(format!(
            "After {got} of {ALL} messages the slow reader's connection broke: {why}."
        )),
        None if next >= ALL => None,
        None => silently(format!(
            "The slow reader got {got} of {ALL} messages and then no more, and was told of {told} \
             that it missed."
        )),
    }
}

/// How the slow reader was told, in words.
pub(super) fn how_told(seen: &Observation) -> String {
    let Some(slow) = seen.talks.iter().find(|talk| talk.about == "slow") else {
        return "it was told".to_owned();
    };
    let heard = numbers(slow);
    let missed = heard
        .iter()
        .filter_map(|n| n.as_ref().err())
        .fold(0, |sum: u64, n| sum.saturating_add(*n));
    let got = heard.iter().filter(|n| n.is_ok()).count();
    match (&slow.heard.goodbye, missed) {
        (Some(_), _) => {
            format!("it got {got} messages, and then close code 1008")
        }
        (_, 0) => format!("it got all {got} messages"),
        _ => format!("it got {got} messages, and was told that it missed {missed}"),
    }
}

/// What bad frames did.
pub(super) fn frames(seen: &Observation) -> Option<Fault> {
    let of = |about| seen.talks.iter().find(|talk| talk.about == about);
    let (bad, good, huge) = (of("bad")?, of("good")?, of("huge")?);
    let evidence = [bad.exchange, good.exchange, huge.exchange];
    if let Some((_, heard)) = [bad, good, huge]
        .into_iter()
        .flat_map(|talk| texts(talk).map(move |said| (talk, said)))
        .find(|(_, said)| {
            said.text
                .as_deref()
                .is_some_and(|text| text.starts_with("huge:"))
        })
    {
        return Some(
            Fault::new(
                Diagnosis::OversizedAccepted,
                format!(
                    "A frame with a text of {} KiB was passed on to everybody.",
                    heard.length >> 10
                ),
                "Set a limit: `WebSocketUpgrade::max_message_size` and `max_frame_size`, 64 KiB.",
            )
            .proved_by(evidence),
        );
    }
    let over = |talk: &Talk| {
        let goodbye = talk.heard.goodbye.map(End::Closed);
        goodbye.or_else(|| talk.heard.end.clone())
    };
    if let Some((who, end)) = over(good)
        .map(|end| ("somebody else's", end))
        .or_else(|| over(bad).map(|end| ("its sender's", end)))
    {
        return Some(
            Fault::new(
                Diagnosis::BadFrameKills,
                format!(
                    "After a bad frame {who} connection ended{}.",
                    match end {
                        End::Closed(Some(code)) => format!(" with code {code}"),
                        _ => String::new(),
                    }
                ),
                "Answer a frame that you cannot read with {\"error\": …}, and go on: no `unwrap` on \
                 what a client sends, and no `break`.",
            )
            .proved_by(evidence),
        );
    }
    let gone_on = |met: &&Rendezvous| met.about == "go on";
    let gave_up = |met: &&Rendezvous| matches!(met.waited, Waited::GaveUp(_));
    let (met, after) = seen
        .rendezvous
        .iter()
        .filter(gave_up)
        .find(gone_on)
        .map(|met| (met, QUIET))
        .or_else(|| given_up(seen))
        .or_else(|| wrong_end(huge).map(|met| (met, QUIET)))?;
    let after = words(after);
    let fault = match met.about {
        "go on" | "32 KiB" | "after all" => Fault::new(
            if met.about == "32 KiB" {
                Diagnosis::NotDelivered
            } else {
                Diagnosis::BadFrameKills
            },
            if met.about == "32 KiB" {
                format!("A text of 32 KiB did not come to everybody, for {after}.")
            } else {
                format!("After a bad frame, messages no longer came to everybody, for {after}.")
            },
            if met.about == "32 KiB" {
                "Let messages of 64 KiB pass, framing and all."
            } else {
                "One client's mistake must not end what others need: a room's task, a lock that is \
                 poisoned by a panic, a channel."
            },
        ),
        "too long" => Fault::new(
            Diagnosis::OversizedAccepted,
            format!(
                "A text of 66 KiB was sent, and in {after} its sender was not told so with close code \
                 1009."
            ),
            "Set `max_message_size` and `max_frame_size` to 64 KiB, and close with code 1009 when \
             the limit is passed.",
        ),
        what => Fault::new(
            Diagnosis::BadFrameIgnored,
            format!("A frame was sent ({what}), and its sender was not told, for {after}."),
            "Answer a frame that you cannot read with {\"error\": \"what was expected\"}, to its \
             sender alone.",
        ),
    };
    Some(fault.proved_by(evidence))
}

/// A connection that a frame over the limit has ended, but not with code 1009.
fn wrong_end(huge: &Talk) -> Option<&'static Rendezvous> {
    static TOO_LONG: Rendezvous = Rendezvous {
        sat_idle: None,
        about: "too long",
        wanted: 1,
        reached: 0,
        waited: Waited::GaveUp(QUIET),
        released: mock_services::moment::Moment::from_micros(0),
    };
    let goodbye = huge.heard.goodbye.map(End::Closed);
    match goodbye.as_ref().or(huge.heard.end.as_ref()) {
        Some(End::Closed(Some(1009))) => None,
        // The reset of a connection with unread bytes may overtake a close frame;
        // on Linux, what came before it is read all the same.
        Some(End::Vanished) if cfg!(not(target_os = "linux")) => None,
        Some(_) => Some(&TOO_LONG),
        None => None,
    }
}

/// Pings and goodbyes that were not answered.
pub(super) fn protocol(seen: &Observation) -> Option<Fault> {
    let of = |about| seen.talks.iter().find(|talk| talk.about == about);
    if let Some((met, after)) = given_up(seen) {
        let after = words(after);
        return Some(if met.about == "pong" {
            Fault::new(
                Diagnosis::PingIgnored,
                format!("A ping was sent, and no pong with its payload came, for {after}."),
                "Keep reading while you wait for anything else: the library answers pings, but only \
                 when somebody reads.",
            )
            .proved_by(of("ping").map(|talk| talk.exchange))
        } else {
            Fault::new(
                Diagnosis::CloseIgnored,
                format!(
                    "A client said goodbye with a close frame, and the connection did not end, for \
                     {after}."
                ),
                "When a close frame comes, answer it and let go of the connection: read on until the \
                 stream ends, then drop both halves.",
            )
            .proved_by(of("close").map(|talk| talk.exchange))
        });
    }
    for (about, code) in [("close", 1000), ("close-own", 4321)] {
        let talk = of(about)?;
        let observed = match &talk.heard.end {
            Some(End::Closed(answered)) if answered.is_none_or(|answered| answered == code) => {
                continue;
            }
            Some(End::Closed(answered)) => format!(
                "A client said goodbye with code {code}, and was answered with {}.",
                answered.map_or_else(|| "no code".to_owned(), |code| format!("code {code}"))
            ),
            Some(_) => {
                "A client said goodbye with a close frame; the connection ended without one."
                    .to_owned()
            }
            None => continue,
        };
        return Some(
            Fault::new(
                Diagnosis::CloseIgnored,
                observed,
                "Answer a close frame with one of the same code; then end the connection.",
            )
            .proved_by([talk.exchange]),
        );
    }
    None
}

/// A few sockets that come and go by themselves.
const SLACK: u64 = 10;

/// Connections that were kept after their clients had left.
pub(crate) fn kept(seen: &Observation) -> Option<Fault> {
    let (before, after) = (
        seen.figure("sockets before")?,
        seen.figure("sockets after")?,
    );
    if after > before + SLACK {
        return Some(Fault::new(
            Diagnosis::LeaverKept,
            format!(
                "Hundreds of clients came and left. Before, the program held {before} sockets; six \
                 seconds later it holds {after}."
            ),
            "When reading ends, however it ends, let go of everything that belongs to the client: \
             the entry in the room, the task that writes, and with them the socket.",
        ));
    }
    let (_, wait) = given_up(seen)?;
    Some(Fault::new(
        Diagnosis::LeaverKept,
        format!(
            "After hundreds of clients had come and left, the one that stayed no longer got its own \
             message, for {}.",
            words(wait)
        ),
        "Somebody who has gone must not stand in the way: when a send fails, forget that reader.",
    ))
}

/// How leavers were freed, in words.
pub(crate) fn freed(seen: &Observation) -> String {
    match (seen.figure("sockets before"), seen.figure("sockets after")) {
        (Some(before), Some(after)) => {
            format!("{before} sockets before hundreds of visits, {after} after them")
        }
        _ => "who stayed still gets messages; this system does not tell how many sockets are held"
            .to_owned(),
    }
}

/// `/healthz` that waited while people talked.
pub(crate) fn health(seen: &Observation, doing: &str) -> Option<Fault> {
    match seen.health? {
        HealthSeen::Answered(200) => None,
        HealthSeen::Silent(after) => Some(Fault::new(
            Diagnosis::BlockedRuntime,
            format!(
                "{doing}, GET /healthz waited: no answer within {}, and the program sat idle.",
                words(after)
            ),
            "A handler blocks the thread that it runs on. Look for a call that waits without \
             `.await`: `std::thread::sleep`, a blocking send or receive, a `std` lock held while \
             waiting.",
        )),
        _ => Some(Fault::new(
            Diagnosis::WrongStatus,
            format!("{doing}, GET /healthz was not answered with 200."),
            "Answer GET /healthz with 200 at any time.",
        )),
    }
}
