//! What follows from bad frames.

use super::protocol::cut;
use super::{given_up, shown, texts};
use crate::client::End;
use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::{Observation, Rendezvous, Talk};
use crate::report::words;
use crate::stage::{QUIET, Waited};

const LET_PASS: &str = "Let messages of 64 KiB pass, framing and all.";

fn what_was_long(about: &str) -> &'static str {
    match about {
        "32 KiB" => "A text of 32 KiB",
        _ => "A text of 32 KiB, full of quotes that make its frame one of 64 KiB,",
    }
}

pub(super) fn with_code(end: &End) -> String {
    match end {
        End::Closed(Some(code)) => format!(" with code {code}"),
        _ => String::new(),
    }
}

/// What bad frames did.
pub(in crate::exercises::ex05) fn frames(seen: &Observation) -> Option<Fault> {
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
pub(super) fn is_no_text(raw: &str) -> bool {
    let value = raw
        .split_once("\"error\"")
        .and_then(|(_, rest)| rest.trim_start().strip_prefix(':'))
        .map(str::trim_start);
    value.is_some_and(|value| !value.is_empty() && !value.starts_with('"'))
}
