//! What follows from what was heard. Plain functions over observations.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::probes::{AGAIN, GO_BY, GO_BY_AT_FIRST, LONG, LONGEST_TEXT};
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
                let copies = texts(reader)
                    .filter(|said| {
                        said.from.as_deref() == Some(&sender.name)
                            && said.text.as_deref() == Some(text)
                    })
                    .count();
                // Who shares a name may say the same.
                let times = in_room
                    .iter()
                    .filter(|other| other.name == sender.name)
                    .flat_map(|other| &other.said)
                    .filter(|other| *other == text)
                    .count();
                let fault = match copies.cmp(&times) {
                    std::cmp::Ordering::Equal => continue,
                    std::cmp::Ordering::Less => {
                        if let Some(odd) = in_another_shape(reader, sender, text) {
                            return Some(odd);
                        }
                        let Some((_, after)) = gave_up else { continue };
                        let to = if reader.exchange == sender.exchange {
                            "to its sender".to_owned()
                        } else {
                            format!("to `{}`", reader.name)
                        };
                        Fault::new(
                            Diagnosis::NotDelivered,
                            format!(
                                "`{}` said {}{} in the room `{}`, and {} did not come {to}, for {}.",
                                sender.name,
                                quoted(text),
                                if times > 1 { " twice" } else { "" },
                                plain(&sender.room),
                                match (times, copies) {
                                    (1, _) => "it",
                                    (_, 0) => "they",
                                    _ => "the second one",
                                },
                                words(after)
                            ),
                            "Send each message to everybody in the room, the sender too. Join the \
                             room before you answer the upgrade: what is said after that must not be \
                             missed.",
                        )
                    }
                    std::cmp::Ordering::Greater => Fault::new(
                        Diagnosis::Duplicated,
                        format!(
                            "`{}` said {} {}, and it came to `{}` {copies} times.",
                            sender.name,
                            quoted(text),
                            if times > 1 { "twice" } else { "once" },
                            reader.name,
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

/// What makes a text known, however it comes: its first word.
fn mark(text: &str) -> Option<&str> {
    text.split_whitespace().next()
}

/// Whether a frame has what makes a text known, in whatever shape.
fn resembles(frame: &Said, text: &str) -> bool {
    mark(text).is_some_and(|mark| {
        let has = |whole: &str| whole.contains(mark);
        has(&frame.raw) || frame.text.as_deref().is_some_and(has)
    })
}

/// What looks like something else is spelt out.
fn plain(text: &str) -> String {
    let is_hidden = |c: char| c.is_control() || ('\u{300}'..'\u{370}').contains(&c);
    text.chars().fold(String::new(), |mut all, c| {
        if is_hidden(c) {
            all.extend(c.escape_default());
        } else {
            all.push(c);
        }
        all
    })
}

/// A text in a sentence.
fn quoted(text: &str) -> String {
    match text {
        "" => "an empty text".to_owned(),
        " " => "a text that is one space".to_owned(),
        _ => format!("`{}`", plain(text)),
    }
}

/// A frame that has the text somewhere, but not as the contract says.
fn in_another_shape(reader: &Talk, sender: &Talk, text: &str) -> Option<Fault> {
    const NEXT: &str = "Send {\"from\": the sender's name, \"text\": the text}, as JSON.";
    const AS_IT_CAME: &str =
        "Pass a text and a name on as they came: nothing trimmed, cut, replaced or normalised.";
    let frame = texts(reader).find(|said| resembles(said, text))?;
    let (from, came) = (frame.from.as_deref(), frame.text.as_deref());
    let is_senders = from == Some(&sender.name);
    if is_senders && came == Some(text) {
        return None;
    }
    let said = format!("`{}` said {}", plain(&sender.name), quoted(text));
    let (what_came, next_step) = match (from, came) {
        (Some(_), Some(came)) if is_senders => (
            format!("what came was the text {}", quoted(came)),
            AS_IT_CAME,
        ),
        (Some(from), Some(came)) if came == text => {
            (format!("it came from `{}`", plain(from)), AS_IT_CAME)
        }
        _ => (format!("what came was `{}`", shown(frame)), NEXT),
    };
    Some(
        Fault::new(
            Diagnosis::WrongBody,
            format!("{said}, and {what_came}."),
            next_step,
        )
        .proved_by([sender.exchange, reader.exchange]),
    )
}

/// What came although nobody in the room said it, or had said it by then; and what came
/// from somebody who did not say it.
pub(super) fn unasked(seen: &Observation) -> Option<Fault> {
    let talks = || seen.talks.iter().filter(|t| t.about == "talk");
    let first = talks().next()?;
    for reader in talks() {
        let spoof = texts(reader).find(|said| {
            let is_spoof = |text: &str| text.ends_with("-spoof");
            said.text.as_deref().is_some_and(is_spoof) && said.from.as_deref() != Some(&first.name)
        });
        if let Some(spoof) = spoof {
            let from = spoof.from.as_deref().unwrap_or_default();
            return Some(
                Fault::new(
                    Diagnosis::WrongBody,
                    format!(
                        "`{}` sent a frame with \"from\": \"bob\" beside its text, and it came from \
                         `{from}`.",
                        first.name
                    ),
                    "Say who sends a message by the name that its connection was opened with, \
                     whatever stands in the frame.",
                )
                .proved_by([first.exchange, reader.exchange]),
            );
        }
    }
    let everybody = || {
        seen.talks
            .iter()
            .filter(|t| matches!(t.about, "talk" | "late"))
    };
    for reader in everybody() {
        let said: Vec<_> = talks()
            .filter(|talk| talk.room == reader.room)
            .flat_map(|talk| &talk.said)
            .collect();
        let is_a_newcomer = reader.about == "late";
        let unasked = texts(reader).find_map(|frame| {
            if frame.error || frame.text.as_deref().is_some_and(|t| t.ends_with("-spoof")) {
                return None;
            }
            let is_it =
                |text: &&&String| frame.text.as_ref() == Some(text) || resembles(frame, text);
            match said.iter().find(is_it) {
                Some(text) if is_a_newcomer && !text.ends_with(" max") => {
                    Some((frame, "had been said before it came"))
                }
                Some(_) => None,
                None => Some((frame, "nobody had said")),
            }
        });
        if let Some((frame, why)) = unasked {
            return Some(
                Fault::new(
                    Diagnosis::WrongBody,
                    format!("`{}` was sent `{}`, which {why}.", reader.name, shown(frame)),
                    "Send a reader what is said in its room while it is there, and nothing else: no \
                     welcome, no notice of who comes or goes, nothing of what was said before.",
                )
                .proved_by([reader.exchange]),
            );
        }
    }
    None
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
                        "`{}` said {} in the room `{}`, and `{}` heard it in the room `{}`.",
                        speaker.name,
                        quoted(text),
                        plain(&speaker.room),
                        reader.name,
                        plain(&reader.room)
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

/// So many of them before the slow reader reads on.
const AT_FIRST: u64 = (GO_BY_AT_FIRST / LONG) as u64;

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
        // It got all of them, and somebody else was the slow reader from then on.
        None if next >= AT_FIRST && seen.talks.iter().any(|talk| talk.about == "late") => None,
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

const LET_PASS: &str = "Let messages of 64 KiB pass, framing and all.";

fn what_was_long(about: &str) -> &'static str {
    match about {
        "32 KiB" => "A text of 32 KiB",
        _ => "A text of 32 KiB, full of quotes that make its frame one of 64 KiB,",
    }
}

fn with_code(end: &End) -> String {
    match end {
        End::Closed(Some(code)) => format!(" with code {code}"),
        _ => String::new(),
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
                    "A frame of one byte over 64 KiB was passed on to everybody, with a text of {} \
                     bytes.",
                    heard.length
                ),
                "Set a limit: `WebSocketUpgrade::max_message_size` and `max_frame_size`, 64 KiB.",
            )
            .proved_by(evidence),
        );
    }
    if let Some(fault) = odd_error(seen).or_else(|| cut(seen)) {
        return Some(fault.proved_by(evidence));
    }
    let over = |talk: &Talk| {
        let goodbye = talk.heard.goodbye.map(End::Closed);
        goodbye.or_else(|| talk.heard.end.clone())
    };
    let of_32_kib = |met: &&Rendezvous| met.about.starts_with("32 KiB");
    let refused = seen
        .rendezvous
        .iter()
        .filter(of_32_kib)
        .find(|met| met.reached == 0);
    let went_on = texts(good).any(|said| said.text.as_deref() == Some("so am i"));
    if let (true, Some(met), Some(end)) = (went_on, refused, over(good)) {
        return Some(
            Fault::new(
                Diagnosis::NotDelivered,
                format!(
                    "{} was sent, and its sender's connection ended{}.",
                    what_was_long(met.about),
                    with_code(&end)
                ),
                LET_PASS,
            )
            .proved_by(evidence),
        );
    }
    if let Some((who, end)) = over(good)
        .map(|end| ("somebody else's", end))
        .or_else(|| over(bad).map(|end| ("its sender's", end)))
    {
        return Some(
            Fault::new(
                Diagnosis::BadFrameKills,
                format!(
                    "After a bad frame {who} connection ended{}.",
                    with_code(&end)
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
        .or_else(|| wrong_end(huge, &TOO_LONG).map(|met| (met, QUIET)))
        .or_else(|| wrong_end(of("bytes")?, &TOO_LONG_IN_BYTES).map(|met| (met, QUIET)))?;
    let after = words(after);
    let fault = match met.about {
        long @ ("32 KiB" | "32 KiB, in 64") => Fault::new(
            Diagnosis::NotDelivered,
            format!(
                "{} did not come to everybody, for {after}.",
                what_was_long(long)
            ),
            LET_PASS,
        ),
        "go on" | "after all" => Fault::new(
            Diagnosis::BadFrameKills,
            format!("After a bad frame, messages no longer came to everybody, for {after}."),
            "One client's mistake must not end what others need: a room's task, a lock that is \
             poisoned by a panic, a channel.",
        ),
        "too long" | "too long, in bytes" => Fault::new(
            Diagnosis::OversizedAccepted,
            format!(
                "A {} frame of one byte over 64 KiB was sent, and in {after} its sender was not told \
                 so with close code 1009.",
                if met.about == "too long" {
                    "text"
                } else {
                    "binary"
                }
            ),
            "Set `max_message_size` and `max_frame_size` to 64 KiB, and close with code 1009 when \
             the limit is passed.",
        ),
        what => Fault::new(
            Diagnosis::BadFrameIgnored,
            if texts(good).any(|said| said.text.as_deref() == Some("hello?")) {
                format!("A frame was sent ({what}), and was passed on as if it were a message.")
            } else {
                format!("A frame was sent ({what}), and its sender was not told, for {after}.")
            },
            "Answer a frame that you cannot read with {\"error\": \"what was expected\"}, to its \
             sender alone.",
        ),
    };
    Some(fault.proved_by(evidence))
}

const fn too_long(about: &'static str) -> Rendezvous {
    Rendezvous {
        sat_idle: None,
        about,
        wanted: 1,
        reached: 0,
        waited: Waited::GaveUp(QUIET),
        released: mock_services::moment::Moment::from_micros(0),
    }
}

static TOO_LONG: Rendezvous = too_long("too long");
static TOO_LONG_IN_BYTES: Rendezvous = too_long("too long, in bytes");

/// A connection that a frame over the limit has ended, but not with code 1009.
fn wrong_end(huge: &Talk, met: &'static Rendezvous) -> Option<&'static Rendezvous> {
    let goodbye = huge.heard.goodbye.map(End::Closed);
    match goodbye.as_ref().or(huge.heard.end.as_ref()) {
        Some(End::Closed(Some(1009))) => None,
        // The reset of a connection with unread bytes may overtake a close frame;
        // on Linux, what came before it is read all the same.
        Some(End::Vanished) if cfg!(not(target_os = "linux")) => None,
        Some(_) => Some(met),
        None => None,
    }
}

/// An error that went to others, or is no text.
fn odd_error(seen: &Observation) -> Option<Fault> {
    let of = |about| seen.talks.iter().find(|talk| talk.about == about);
    if let Some(said) = texts(of("good")?).find(|said| said.error) {
        return Some(Fault::new(
            Diagnosis::WrongBody,
            format!(
                "`bad` sent a frame that is no message, and `good` was told `{}`.",
                shown(said)
            ),
            "Tell the sender of a bad frame alone: an error goes into its own queue, and not to the \
             room.",
        ));
    }
    let said = texts(of("bad")?).find(|said| said.error && is_no_text(&said.raw))?;
    Some(Fault::new(
        Diagnosis::WrongBody,
        format!(
            "A bad frame was answered with `{}`, in which the error is no text.",
            shown(said)
        ),
        "Send {\"error\": \"what was expected\"}: a sentence for the one who reads it.",
    ))
}

/// Whether the beginning of a frame shows an `error` that is no text.
fn is_no_text(raw: &str) -> bool {
    let value = raw
        .split_once("\"error\"")
        .and_then(|(_, rest)| rest.trim_start().strip_prefix(':'))
        .map(str::trim_start);
    value.is_some_and(|value| !value.is_empty() && !value.starts_with('"'))
}

/// Texts of 32 KiB that did not come whole.
fn cut(seen: &Observation) -> Option<Fault> {
    let readers = || {
        seen.talks
            .iter()
            .filter(|t| matches!(t.about, "bad" | "good"))
    };
    let cut = |start| {
        let is_cut = move |said: &&Said| {
            said.text
                .as_deref()
                .is_some_and(|text| text.starts_with(start))
                && said.length != LONGEST_TEXT
        };
        readers().find_map(|talk| Some((talk, texts(talk).find(is_cut)?)))
    };
    let (reader, said) = cut("long:").or_else(|| cut("quotes:"))?;
    Some(Fault::new(
        Diagnosis::WrongBody,
        format!(
            "A text of {LONGEST_TEXT} bytes was sent, and {} of them came to `{}`.",
            said.length, reader.name
        ),
        "Pass a text of up to 32 KiB on whole.",
    ))
}

/// Pings and goodbyes that were not answered, and texts in pieces that were not put
/// together.
pub(super) fn protocol(seen: &Observation) -> Option<Fault> {
    const PING: &str = "Keep reading while you wait for anything else: the library answers pings, but \
         only when somebody reads.";
    let of = |about| seen.talks.iter().find(|talk| talk.about == about);
    let evidence = |about| of(about).map(|talk| talk.exchange);
    if let Some((met, after)) = given_up(seen) {
        let after = words(after);
        let ping = |what, next| {
            Fault::new(
                Diagnosis::PingIgnored,
                format!("{what}, and no pong with its payload came, for {after}."),
                next,
            )
            .proved_by(evidence("ping"))
        };
        const WHOLE: &str = "Answer each ping with a pong, and put its payload into it byte by byte: up to \
             125 of them, or none.";
        return Some(match met.about {
            "pong" => ping("A ping was sent", PING),
            "pong of 125 bytes" => ping(
                "A second ping was sent, with 125 bytes that are no UTF-8",
                WHOLE,
            ),
            "pong of nothing" => ping("A ping without a payload was sent", WHOLE),
            "pong between fragments" => {
                ping("A ping was sent between two fragments of a text", PING)
            }
            about @ ("fragments" | "fragments and a ping") => in_pieces(of("ping")?, about, &after),
            _ => Fault::new(
                Diagnosis::CloseIgnored,
                format!(
                    "A client said goodbye with a close frame, and the connection did not end, for \
                     {after}."
                ),
                "When a close frame comes, answer it and let go of the connection: read on until the \
                 stream ends, then drop both halves.",
            )
            .proved_by(evidence("close")),
        });
    }
    let ping = of("ping")?;
    let unheard = seen
        .rendezvous
        .iter()
        .find(|met| met.about.starts_with("fragments") && met.reached == 0);
    if let Some(met) = unheard {
        return Some(in_pieces(ping, met.about, ""));
    }
    for (about, code) in [
        ("close", Some(1000)),
        ("close-own", Some(4321)),
        ("close-empty", None),
    ] {
        let talk = of(about)?;
        let said = match code {
            Some(code) => format!("code {code}"),
            None => "a close frame without a code".to_owned(),
        };
        let (observed, next_step) = match (&talk.heard.end, talk.heard.goodbye) {
            (Some(End::Closed(answered)), _) if answered.is_none() || *answered == code => continue,
            (Some(End::Closed(answered)), _) => (
                format!(
                    "A client said goodbye with {said}, and was answered with {}.",
                    answered.map_or_else(|| "no code".to_owned(), |code| format!("code {code}"))
                ),
                "Answer a close frame with one of the same code; then end the connection.",
            ),
            (Some(_), Some(_)) => (
                "A client said goodbye with a close frame and was answered with one, and then more \
                 came."
                    .to_owned(),
                "Send one close frame, and after it nothing any more; then end the connection.",
            ),
            (Some(_), None) => (
                "A client said goodbye with a close frame; the connection ended without one."
                    .to_owned(),
                "Answer a close frame with one of the same code; then end the connection.",
            ),
            (None, _) => continue,
        };
        return Some(
            Fault::new(Diagnosis::CloseIgnored, observed, next_step).proved_by([talk.exchange]),
        );
    }
    None
}

/// A text that came in fragments, and was not passed on whole.
fn in_pieces(talk: &Talk, about: &str, after: &str) -> Fault {
    let sent = match about {
        "fragments" => "A text was sent in three fragments",
        _ => "A text was sent in two fragments, with a ping between them",
    };
    let goodbye = talk.heard.goodbye.map(End::Closed);
    let came = match goodbye.as_ref().or(talk.heard.end.as_ref()) {
        Some(end) => format!("the connection ended{}", with_code(end)),
        None => match texts(talk).last() {
            Some(said) => format!("what came was `{}`", shown(said)),
            None => format!("it did not come back, for {after}"),
        },
    };
    Fault::new(
        Diagnosis::NotDelivered,
        format!("{sent}, and {came}."),
        "Put the fragments of a message together before you read it; only the whole is UTF-8 and \
         JSON, and a ping may come between them. A WebSocket library does that for you.",
    )
    .proved_by([talk.exchange])
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

#[cfg(test)]
mod tests {
    use mock_services::moment::Moment;

    use super::*;

    fn talk(about: &'static str, room: &str, name: &str, said: &[&str], heard: &[&str]) -> Talk {
        let mut talk = Talk {
            about,
            room: room.to_owned(),
            name: name.to_owned(),
            said: said.iter().map(|text| (*text).to_owned()).collect(),
            ..Talk::default()
        };
        let frames = heard.iter().map(|raw| Frame::Text(Said::from_text(raw)));
        talk.heard.frames = frames.collect();
        talk
    }

    fn seen(talks: Vec<Talk>) -> Observation {
        Observation {
            talks,
            ..Observation::default()
        }
    }

    fn met(about: &'static str, reached: usize, waited: Waited<()>) -> Rendezvous {
        Rendezvous {
            about,
            wanted: 1,
            reached,
            waited,
            released: Moment::from_micros(0),
            sat_idle: None,
        }
    }

    fn said(fault: Option<Fault>) -> Option<(Diagnosis, String)> {
        fault.map(|fault| (fault.diagnosis, fault.observed))
    }

    /// What is said of somebody who said that, and heard that.
    fn alone(says: &[&str], hears: &[&str]) -> Option<(Diagnosis, String)> {
        let seen = seen(vec![talk("talk", "r", "ann", says, hears)]);
        said(
            mixed(&seen)
                .or_else(|| delivered(&seen))
                .or_else(|| unasked(&seen)),
        )
    }

    #[test]
    fn what_was_said_twice_comes_twice() {
        let once = r#"{"from": "ann", "text": "r-x"}"#;
        assert_eq!(alone(&["r-x"], &[once]), None);
        assert_eq!(alone(&["r-x", "r-x"], &[once, once]), None);
        // Without a silence nothing says that it will not come.
        assert_eq!(alone(&["r-x", "r-x"], &[once]), None);
        let (diagnosis, observed) = alone(&["r-x"], &[once, once]).unwrap();
        assert_eq!(diagnosis, Diagnosis::Duplicated);
        assert_eq!(
            observed,
            "`ann` said `r-x` once, and it came to `ann` 2 times."
        );
        let mut silent = seen(vec![talk("talk", "r", "ann", &["r-x", "r-x"], &[once])]);
        silent
            .rendezvous
            .push(met("delivered", 0, Waited::GaveUp(QUIET)));
        let (diagnosis, observed) = said(delivered(&silent)).unwrap();
        assert_eq!(diagnosis, Diagnosis::NotDelivered);
        assert!(
            observed.contains("twice in the room `r`, and the second one"),
            "{observed}"
        );
    }

    #[test]
    fn a_text_and_a_name_come_as_they_are() {
        for (says, comes, wanted) in [
            (" r-x ", "r-x", "what came was the text `r-x`."),
            ("r-x\ny", "r-x y", "what came was the text `r-x y`."),
            (
                "r-x e\u{301}",
                "r-x \u{e9}",
                "said `r-x e\\u{301}`, and what came was the text `r-x é`.",
            ),
        ] {
            let raw = serde_json::json!({"from": "ann", "text": comes}).to_string();
            let (diagnosis, observed) = alone(&[says], &[&raw]).unwrap();
            assert_eq!(diagnosis, Diagnosis::WrongBody);
            assert!(observed.contains(wanted), "{observed}");
        }
        let (_, observed) = alone(&["r-x"], &[r#"{"from": "an", "text": "r-x"}"#]).unwrap();
        assert_eq!(observed, "`ann` said `r-x`, and it came from `an`.");
    }

    #[test]
    fn nothing_comes_that_nobody_said() {
        let mine = r#"{"from": "ann", "text": "r-x"}"#;
        let notice = r#"{"from": "server", "text": "ann is here"}"#;
        let (diagnosis, observed) = alone(&["r-x"], &[notice, mine]).unwrap();
        assert_eq!(diagnosis, Diagnosis::WrongBody);
        assert!(observed.ends_with("which nobody had said."), "{observed}");
        // What has other keys may be an error, and may be a message.
        for spoof in [
            r#"{"error": "keys"}"#,
            r#"{"from": "ann", "text": "r-spoof"}"#,
        ] {
            assert_eq!(alone(&["r-x"], &[mine, spoof]), None);
        }
        let spoof = r#"{"from": "bob", "text": "r-spoof"}"#;
        let (_, observed) = alone(&["r-x"], &[mine, spoof]).unwrap();
        assert!(observed.ends_with("it came from `bob`."), "{observed}");
    }

    #[test]
    fn who_comes_late_hears_nothing_of_what_was_said_before() {
        let old = r#"{"from": "ann", "text": "r-x"}"#;
        let new = r#"{"from": "ann", "text": "r-hello max"}"#;
        let of = |heard: &[&str]| {
            let seen = seen(vec![
                talk("talk", "r", "ann", &["r-x", "r-hello max"], &[old, new]),
                talk("late", "r", "max", &[], heard),
            ]);
            said(delivered(&seen).or_else(|| unasked(&seen)))
        };
        assert_eq!(of(&[new]), None);
        assert_eq!(of(&[]), None);
        let (_, observed) = of(&[old, new]).unwrap();
        assert!(
            observed.ends_with("which had been said before it came."),
            "{observed}"
        );
    }

    /// What is said of bad frames after which that was heard.
    fn after_bad_frames(bad: &[&str], good: &[&str]) -> Option<(Diagnosis, String)> {
        let of = |about, heard| talk(about, "r", about, &[], heard);
        let seen = seen(vec![
            of("bad", bad),
            of("good", good),
            of("huge", &[]),
            of("bytes", &[]),
        ]);
        said(frames(&seen))
    }

    #[test]
    fn an_error_is_a_text_for_its_sender_alone() {
        let error = r#"{"error": "a text, please"}"#;
        assert_eq!(after_bad_frames(&[error], &[]), None);
        assert_eq!(
            after_bad_frames(&[r#"{"error":"an \"error\": 4"}"#], &[]),
            None
        );
        let (diagnosis, _) = after_bad_frames(&[error], &[error]).unwrap();
        assert_eq!(diagnosis, Diagnosis::WrongBody);
        for odd in [
            r#"{"error": 400}"#,
            r#"{"error" :null}"#,
            r#"{"error":{"a":1}}"#,
        ] {
            assert!(is_no_text(odd), "{odd}");
        }
        let (_, observed) = after_bad_frames(&[r#"{"error": 400}"#], &[]).unwrap();
        assert!(observed.contains("`{\"error\": 400}`"), "{observed}");
    }

    #[test]
    fn a_text_of_32_kib_comes_whole() {
        let long = |length: usize| {
            let text = format!("long:{}", "x".repeat(length - "long:".len()));
            serde_json::json!({"from": "good", "text": text}).to_string()
        };
        assert_eq!(after_bad_frames(&[&long(LONGEST_TEXT)], &[]), None);
        let (_, observed) = after_bad_frames(&[&long(16_384)], &[]).unwrap();
        assert_eq!(
            observed,
            "A text of 32768 bytes was sent, and 16384 of them came to `bad`."
        );
    }

    #[test]
    fn goodbyes_are_answered_once_and_in_kind() {
        let of = |code, end: End, goodbye| {
            let mut talks = vec![talk("ping", "r", "ping", &[], &[])];
            for (about, right) in [
                ("close", Some(1000)),
                ("close-own", Some(4321)),
                ("close-empty", None),
            ] {
                let mut one = talk(about, "r", about, &[], &[]);
                let is_it = right == code;
                one.heard.end = Some(if is_it {
                    end.clone()
                } else {
                    End::Closed(right)
                });
                one.heard.goodbye = if is_it { goodbye } else { Some(right) };
                talks.push(one);
            }
            said(protocol(&seen(talks))).map(|(_, observed)| observed)
        };
        assert_eq!(of(Some(4321), End::Closed(None), Some(None)), None);
        assert_eq!(of(None, End::Closed(None), Some(None)), None);
        let answered = of(None, End::Closed(Some(1000)), Some(Some(1000))).unwrap();
        assert!(
            answered.contains("without a code, and was answered with code 1000"),
            "{answered}"
        );
        let more = of(Some(1000), End::Broken("…".to_owned()), Some(Some(1000))).unwrap();
        assert!(more.ends_with("and then more came."), "{more}");
        let none = of(Some(1000), End::Vanished, None).unwrap();
        assert!(none.ends_with("ended without one."), "{none}");
    }

    #[test]
    fn fragments_are_one_text() {
        let of = |reached, heard: &[&str]| {
            let mut all = vec![talk("ping", "r", "ping", &[], heard)];
            for (about, code) in [
                ("close", Some(1000)),
                ("close-own", Some(4321)),
                ("close-empty", None),
            ] {
                let mut one = talk(about, "r", about, &[], &[]);
                one.heard.end = Some(End::Closed(code));
                all.push(one);
            }
            let mut seen = seen(all);
            seen.rendezvous
                .push(met("fragments", reached, Waited::Done(())));
            said(protocol(&seen))
        };
        assert_eq!(of(1, &[]), None);
        let (diagnosis, observed) = of(0, &[r#"{"error": "what?"}"#]).unwrap();
        assert_eq!(diagnosis, Diagnosis::NotDelivered);
        assert!(
            observed.contains("three fragments, and what came was"),
            "{observed}"
        );
    }
}
