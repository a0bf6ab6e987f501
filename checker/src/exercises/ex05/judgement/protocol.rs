//! What follows from pings, fragments and goodbyes.

use super::frames::with_code;
use super::{given_up, shown, texts};
use crate::client::{End, Said};
use crate::diagnosis::Diagnosis;
use crate::exercises::ex05::probes::LONGEST_TEXT;
use crate::judge::Fault;
use crate::observation::{Observation, Talk};
use crate::report::words;

/// Texts of 32 KiB that did not come whole.
pub(super) fn cut(seen: &Observation) -> Option<Fault> {
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
pub(in crate::exercises::ex05) fn protocol(seen: &Observation) -> Option<Fault> {
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
