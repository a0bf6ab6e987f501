//! What follows from bodies in pieces.

use crate::client::YOU;
use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::{Carried, Observation};
use crate::report::{Gap, words};

/// A body that did not come through before its end.
pub(in crate::exercises::ex03) fn stream(seen: &Observation) -> Option<Fault> {
    let Some((met, after)) = seen.given_up().next() else {
        return seen.carried.iter().find_map(not_whole);
    };
    let (sender, receiver, next) = if met.about.starts_with("answer") {
        (
            "service",
            "client",
            "Do not collect the answer's body (`.bytes().await`, `.text().await`): give it on as a \
             stream (`Body::from_stream(response.bytes_stream())`).",
        )
    } else {
        (
            "client",
            "service",
            "Do not take the request's body as `Bytes` or `String`: take the `Request`, and give its \
             body on as a stream (`Body::wrap_stream(body.into_data_stream())`).",
        )
    };
    Some(
        Fault::new(
            Diagnosis::Buffered,
            format!(
                "The {sender} had sent the first piece of its body{} and withheld the second. For {} \
                 the {receiver} got nothing.",
                kind_of_body(met.about),
                words(after.min(crate::stage::QUIET))
            ),
            next,
        )
        .proved_by(seen.exchanges.iter().rev().take(2).map(|x| x.id)),
    )
}

/// What is particular about a body that did not come through.
fn kind_of_body(about: &str) -> &'static str {
    match about {
        "answer-404" => ", in an answer of 404,",
        "answer-length" | "request-length" => ", whose length it had said,",
        "answer-closed" => ", which was to end with the connection (HTTP/1.0),",
        "request-put" => ", of a PUT,",
        _ => "",
    }
}

/// A body in pieces that did not come back whole.
fn not_whole(call: &Carried) -> Option<Fault> {
    let (status, body) = call.answered.as_ref()?;
    let whole = call.got.as_ref()?.as_ref().ok()?;
    let is_whole = whole.body == *body && whole.broken.is_none();
    // What else may come back is another check's.
    (whole.status == *status && !is_whole).then(|| {
        Fault::new(
            Diagnosis::WrongBody,
            format!(
                "The service answered `{}` with {} bytes in two pieces{}; the client got {}{}.",
                call.request,
                body.len(),
                kind_of_body(call.about).trim_end_matches(','),
                whole.body.len(),
                match whole.broken {
                    Some(_) => " and a broken connection",
                    None => "",
                }
            ),
            "Pass every piece on until the service's body ends, however it ends: by its length, by \
             its last chunk, or with the connection.",
        )
        .proved_by([whole.exchange])
    })
}

pub(in crate::exercises::ex03) fn stream_gap(seen: &Observation) -> Option<Gap> {
    let (met, _) = seen.given_up().next()?;
    let wanted = format!("/{}", met.about);
    let ours = seen
        .exchanges
        .iter()
        .find(|x| x.service == YOU && x.request.ends_with(&wanted))?;
    Some(Gap {
        from: ours.arrived,
        to: met.released,
        exchange: ours.id,
        label: "the first piece has been sent, and does not arrive".to_owned(),
    })
}
