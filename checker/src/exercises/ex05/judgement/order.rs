//! What follows from rooms, and from the order in which messages came.

use std::collections::HashMap;

use super::delivered::{plain, quoted};
use super::{given_up, texts};
use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::Observation;
use crate::report::words;

/// Something that was said in another room.
pub(in crate::exercises::ex05) fn mixed(seen: &Observation) -> Option<Fault> {
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
pub(in crate::exercises::ex05) fn ordered(seen: &Observation) -> Option<Fault> {
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
            } else if seen.was_too_busy() {
                // It may be under way still, behind those that should come after it.
                return None;
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
