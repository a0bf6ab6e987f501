//! What follows from what came to whom.

use super::{given_up, shown, texts};
use crate::client::Said;
use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::{Observation, Talk};
use crate::report::words;

/// Messages that did not come, came twice, or came in another shape.
pub(in crate::exercises::ex05) fn delivered(seen: &Observation) -> Option<Fault> {
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
pub(super) fn plain(text: &str) -> String {
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
pub(super) fn quoted(text: &str) -> String {
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
pub(in crate::exercises::ex05) fn unasked(seen: &Observation) -> Option<Fault> {
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
