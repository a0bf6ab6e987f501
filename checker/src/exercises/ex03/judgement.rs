//! What follows from what the proxy did. Plain functions over observations.

mod cancel;
mod crowd;
mod faults;
mod forward;
mod guard;
mod hangs;
mod headers;
mod pressure;
mod registry;
mod stream;

use crate::client::{Unanswered, Whole, YOU};
use crate::diagnosis::Diagnosis;
use crate::judge;
use crate::judge::Fault;
use crate::observation::{Carried, Observation, Question};
use crate::report::words;

pub(super) use cancel::{cancel, cancel_gap};
pub(super) use crowd::{crowd, crowd_gap};
pub(super) use faults::faults;
pub(super) use forward::forward;
pub(super) use guard::{guard, guard_gap};
pub(super) use hangs::hangs;
pub(super) use headers::headers;
pub(super) use pressure::{memory, pressure};
pub(super) use registry::registry;
pub(super) use stream::{stream, stream_gap};

/// A request of ours that got no answer at all.
pub(super) fn silence(seen: &Observation) -> Option<Fault> {
    let silence = seen.silence?;
    let ours = seen
        .exchanges
        .iter()
        .rev()
        .find(|x| x.service == YOU && x.answered.is_none() && !x.request.ends_with("/healthz"));
    let evidence = ours.map(|x| x.id);
    let request = ours.map_or("a request", |x| x.request.as_str());
    if matches!(silence.question, Question::Hang(_)) {
        return Some(
            Fault::new(
                Diagnosis::NoTimeout,
                format!(
                    "The service took the request and said nothing. After {} `{request}` still had \
                     no answer. UPSTREAM_TIMEOUT_MS was {}.",
                    words(silence.after),
                    seen.limit.as_millis()
                ),
                "Put a time limit around the wait for the head of the service's answer \
                 (`tokio::time::timeout` around `send()`), and answer 504 when it is over.",
            )
            .proved_by(evidence),
        );
    }
    if let Some(fault) = judge::blocked(seen, request) {
        return Some(fault.proved_by(evidence));
    }
    Some(
        Fault::new(
            Diagnosis::Hung,
            format!(
                "`{request}` was accepted, and got no answer within {}, with the program idle.",
                words(silence.after)
            ),
            "Look at what the handler waits for: a lock that is never freed, the end of a body \
             that nobody sends, a channel whose sender is gone.",
        )
        .proved_by(evidence),
    )
}

fn unanswered(carried: &Carried, unanswered: &Unanswered) -> Fault {
    Fault::new(
        Diagnosis::WrongStatus,
        format!("`{}` got no answer: {}.", carried.request, unanswered.why),
        "Answer every request with an HTTP status, whatever happens on the way.",
    )
    .proved_by([unanswered.exchange])
}

/// The answer, or the fault that there is none.
fn got(carried: &Carried) -> Option<Result<&Whole, Fault>> {
    Some(match carried.got.as_ref()? {
        Ok(whole) => Ok(whole),
        Err(why) => Err(unanswered(carried, why)),
    })
}

fn wrong_status(carried: &Carried, whole: &Whole, wanted: u16, why: &str, next: &str) -> Fault {
    Fault::new(
        Diagnosis::WrongStatus,
        format!(
            "`{}` was answered with {}{}. Right was {wanted}: {why}.",
            carried.request,
            whole.status,
            match String::from_utf8_lossy(&whole.body) {
                text if text.trim().is_empty() => String::new(),
                text => format!(" and `{}`", judge::excerpt(&text)),
            }
        ),
        next,
    )
    .proved_by([whole.exchange])
}

/// The beginning of a body; what is no text in it as bytes.
fn text(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        Ok(text) => judge::excerpt(text),
        Err(_) => body[..body.len().min(40)].escape_ascii().to_string(),
    }
}

/// What is too long to be read is told by its beginning and its length.
fn shown(text: &str) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

/// `404 and no body`
fn answered(whole: &Whole) -> String {
    status_and_body(whole.status, &whole.body)
}

fn status_and_body(status: u16, body: &[u8]) -> String {
    if body.is_empty() {
        format!("{status} and no body")
    } else {
        format!("{status} and `{}`", text(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_told_by_its_beginning() {
        assert_eq!(shown("GET /a"), "GET /a");
        let long = "ä".repeat(130);
        assert!(shown(&long).ends_with("… (260 bytes)"));
    }
}
