//! What follows from what the proxy did. Plain functions over observations.

use std::collections::BTreeMap;

use mock_services::exchange::{Ending, Exchange};
use mock_services::upstream::Headers;

use super::probes;
use crate::client::{NoReply, Unanswered, Whole, YOU};
use crate::diagnosis::Diagnosis;
use crate::judge::{self, Fault};
use crate::observation::{Carried, HealthSeen, Observation, Question, Rendezvous};
use crate::report::{Gap, words};
use crate::stage::Waited;

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

/// What is wrong with the registry.
pub(super) fn registry(seen: &Observation) -> Option<Fault> {
    seen.carried.iter().find_map(|step| one_step(seen, step))
}

fn one_step(seen: &Observation, step: &Carried) -> Option<Fault> {
    let whole = match got(step)? {
        Ok(whole) => whole,
        Err(fault) => return Some(fault),
    };
    let expect = |wanted: u16, why: &str, next: &str| {
        (whole.status != wanted).then(|| wrong_status(step, whole, wanted, why, next))
    };
    match step.about {
        "put" => expect(
            204,
            "the name is registered, and there is nothing to say",
            "Answer 204 (`StatusCode::NO_CONTENT`) once the name is registered.",
        ),
        "delete" => expect(
            204,
            "the name is removed, and there is nothing to say",
            "Answer 204 (`StatusCode::NO_CONTENT`) once the name is removed.",
        ),
        "bad" => expect(
            400,
            "the body is no absolute http URL",
            "Parse the body (`Url::parse`), and accept only the scheme http with a host. Leave \
             what was registered before as it was.",
        ),
        "gone" if step.received.is_some() => Some(
            Fault::new(
                Diagnosis::StaleAddress,
                format!(
                    "The name was removed and the DELETE answered; `{}` still went to its service.",
                    step.request
                ),
                "Look the name up anew for each call: what was found earlier may be out of date.",
            )
            .proved_by([whole.exchange]),
        ),
        "unknown" | "gone" => expect(
            404,
            "nobody has registered that name (any more)",
            "Answer 404 where the name is unknown, before you ask anybody.",
        ),
        "list" | "rest" => listed(seen, step, whole),
        "first" | "second" | "still" | "moved" => led(seen, step, whole),
        _ => None,
    }
}

fn listed(seen: &Observation, step: &Carried, whole: &Whole) -> Option<Fault> {
    if whole.status != 200 {
        return Some(wrong_status(
            step,
            whole,
            200,
            "it lists what is registered",
            "Answer 200 and a JSON object of names and URLs.",
        ));
    }
    // What our own requests have registered until then.
    let mut known = BTreeMap::new();
    for earlier in seen.carried.iter().take_while(|x| !std::ptr::eq(*x, step)) {
        let name = earlier.request.rsplit('/').next().unwrap_or_default();
        match earlier.about {
            "put" => {
                let url = String::from_utf8_lossy(&earlier.body).into_owned();
                known.insert(name.to_owned(), url);
            }
            "delete" => {
                known.remove(name);
            }
            _ => {}
        }
    }
    let said = serde_json::from_slice::<BTreeMap<String, String>>(&whole.body).ok();
    if said.as_ref() == Some(&known) {
        return None;
    }
    // The first that differs says more than a long list.
    if let Some(said) = &said
        && known.len() > 4
        && let Some((wrong, url)) = known
            .iter()
            .find(|(name, url)| said.get(*name) != Some(*url))
    {
        return Some(
            Fault::new(
                Diagnosis::WrongBody,
                format!(
                    "{} names were registered, `{wrong}` with the URL `{}`; `GET /services` was \
                     answered with {} names, and {}.",
                    known.len(),
                    shown(url),
                    said.len(),
                    match said.get(wrong) {
                        Some(other) => format!("with the URL `{}` for that one", shown(other)),
                        None => "without that one".to_owned(),
                    }
                ),
                "Answer with one JSON object: each name that is registered now, with its URL as it \
                 was put (a `Url` adds a `/`: keep the text beside it).",
            )
            .proved_by([whole.exchange]),
        );
    }
    let right = serde_json::to_string(&known).unwrap_or_default();
    Some(
        Fault::new(
            Diagnosis::WrongBody,
            format!(
                "`GET /services` was answered with `{}`. Right was `{right}`.",
                text(&whole.body)
            ),
            "Answer with one JSON object: each name that is registered now, with its URL as it was \
             put (a `Url` adds a `/`: keep the text beside it).",
        )
        .proved_by([whole.exchange]),
    )
}

/// Whether a call led to the place that its name stands for now.
fn led(seen: &Observation, step: &Carried, whole: &Whole) -> Option<Fault> {
    let wanted = match step.about {
        "first" | "still" => "first",
        _ => "second",
    };
    if whole.status == 200 && step.received.is_some() && whole.body == wanted.as_bytes() {
        return None;
    }
    let elsewhere = seen
        .exchange(whole.exchange)
        .and_then(|ours| {
            seen.exchanges.iter().find(|x| {
                x.service != YOU
                    && x.arrived >= ours.arrived
                    && ours.ended.is_none_or(|end| x.arrived <= end)
            })
        })
        .filter(|x| x.service != wanted);
    if let (Some(elsewhere), "moved") = (elsewhere, step.about) {
        return Some(
            Fault::new(
                Diagnosis::StaleAddress,
                format!(
                    "The name was re-pointed from `first` to `second` and the PUT answered; the next \
                     call still went to `{}`.",
                    elsewhere.service
                ),
                "Look the name up anew for each call. What was found earlier (a URL, a client with \
                 its base address) may be out of date.",
            )
            .proved_by([whole.exchange, elsewhere.id]),
        );
    }
    if step.about == "still" {
        return Some(
            Fault::new(
                Diagnosis::WrongStatus,
                format!(
                    "After a PUT with a body that is no URL, `{}` was answered with {}: the \
                     name no longer leads where it led before.",
                    step.request,
                    answered(whole)
                ),
                "Check the URL before you change anything.",
            )
            .proved_by([whole.exchange]),
        );
    }
    if step.received.is_none() {
        return Some(
            Fault::new(
                Diagnosis::NotAsked,
                format!(
                    "`{}` was answered with {}, but its service was not asked.",
                    step.request,
                    answered(whole)
                ),
                "Forward each call to the URL that its name is registered with.",
            )
            .proved_by([whole.exchange]),
        );
    }
    Some(
        Fault::new(
            if whole.status == 200 {
                Diagnosis::WrongBody
            } else {
                Diagnosis::WrongStatus
            },
            format!(
                "`{}` was answered with {}; the service had answered 200 and `{wanted}`.",
                step.request,
                answered(whole)
            ),
            "Give the service's answer back as it is.",
        )
        .proved_by([whole.exchange]),
    )
}

/// What is wrong with how calls were carried, but for their headers.
pub(super) fn forward(seen: &Observation) -> Option<Fault> {
    let faults = seen.carried.iter().filter_map(one_call);
    faults.min_by_key(|fault| fault.diagnosis)
}

fn one_call(call: &Carried) -> Option<Fault> {
    let whole = match got(call)? {
        Ok(whole) => whole,
        Err(fault) => return Some(fault),
    };
    if call.about == "put" {
        return (whole.status != 204).then(|| {
            wrong_status(
                call,
                whole,
                204,
                "the name is registered",
                "Answer 204 once the name is registered.",
            )
        });
    }
    let Some(received) = &call.received else {
        let refused = matches!(whole.status, 400 | 404 | 405 | 501);
        return Some(if call.about == "method" && refused {
            Fault::new(
                Diagnosis::MethodLost,
                format!(
                    "`{}` was answered with {}, and the service was not asked.",
                    call.request, whole.status
                ),
                "Route every method to the proxy (axum: `any(handler)`), and pass on the one that \
                 came, known or not.",
            )
            .proved_by([whole.exchange])
        } else if call.about == "path" && refused {
            Fault::new(
                Diagnosis::PathMangled,
                format!(
                    "`{}` was answered with {}, and the service was not asked.",
                    call.request, whole.status
                ),
                "Take whatever follows the name as it stands in the request's URI, and append it \
                 to the service's URL.",
            )
            .proved_by([whole.exchange])
        } else {
            Fault::new(
                Diagnosis::NotAsked,
                format!(
                    "`{}` was answered with {}, but the service was not asked.",
                    call.request,
                    answered(whole)
                ),
                "Forward each call to the URL that its name is registered with.",
            )
            .proved_by([whole.exchange])
        });
    };
    let evidence = [whole.exchange, received.exchange];
    if received.method != call.method {
        return Some(
            Fault::new(
                Diagnosis::MethodLost,
                format!(
                    "The client sent `{}`; the service received the method {}.",
                    call.request, received.method
                ),
                "Pass on the method of the request that came: `request.method()`.",
            )
            .proved_by(evidence),
        );
    }
    // `/proxy/{name}/rest` becomes `/base/rest`.
    let rest = call.request.splitn(4, '/').nth(3).unwrap_or_default();
    let wanted = format!("/base/{rest}");
    if received.target != wanted {
        return Some(
            Fault::new(
                Diagnosis::PathMangled,
                format!(
                    "The client asked `{}`; the service was asked `{}`. Right was `{}`.",
                    shown(&call.request),
                    shown(&received.target),
                    shown(&wanted)
                ),
                "Take path and query from the request's URI as text, percent-encoding and all, and \
                 append them to the service's URL: decoding and encoding again loses `%2F`, and a \
                 `Path` extractor has already decoded.",
            )
            .proved_by(evidence),
        );
    }
    if received.body != call.body {
        return Some(
            Fault::new(
                Diagnosis::WrongBody,
                format!(
                    "The client sent the body `{}`; the service received `{}`.",
                    text(&call.body),
                    text(&received.body)
                ),
                "Pass the request's body on as it is.",
            )
            .proved_by(evidence),
        );
    }
    let (status, body) = call.answered.as_ref()?;
    if whole.status != *status {
        return Some(
            Fault::new(
                Diagnosis::WrongStatus,
                format!(
                    "The service answered `{}` with {status}; the client got {}.",
                    call.request, whole.status
                ),
                match status {
                    300..400 => {
                        "Give the service's status back as it is, a redirect too: following it is \
                         the client's business (reqwest: `redirect::Policy::none()`)."
                    }
                    _ => "Give the service's status back as it is, whatever it is.",
                },
            )
            .proved_by(evidence),
        );
    }
    let wanted: &[u8] = if call.method == "HEAD" { b"" } else { body };
    if whole.body != wanted || whole.broken.is_some() {
        return Some(
            Fault::new(
                Diagnosis::WrongBody,
                format!(
                    "The service answered `{}` with the body `{}`; the client got `{}`.",
                    call.request,
                    text(wanted),
                    text(&whole.body)
                ),
                "Give the service's body back as it is.",
            )
            .proved_by(evidence),
        );
    }
    None
}

fn values<'a>(headers: &'a Headers, name: &str) -> Vec<&'a str> {
    headers
        .iter()
        .filter(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
        .collect()
}

/// The word that the run's headers are made of, as it stands in those we sent.
fn word(call: &Carried) -> String {
    values(&call.headers, "x-request-id")
        .first()
        .map(|value| (*value).to_owned())
        .unwrap_or_default()
}

/// What a call's headers were, there and back: those to arrive, and those of one
/// connection.
struct Lines {
    there: Headers,
    near: Headers,
    back: Headers,
    near_back: Headers,
}

/// What is wrong with the headers, both ways.
pub(super) fn headers(seen: &Observation) -> Option<Fault> {
    seen.carried.iter().find_map(|call| {
        let word = word(call);
        let lines = match call.about {
            "headers" => Lines {
                there: probes::end_to_end(&word),
                near: probes::hop_by_hop(&word),
                back: probes::answered_with(&word),
                near_back: probes::hop_by_hop_back(&word),
            },
            "more-headers" => Lines {
                there: probes::more_end_to_end(&word),
                near: probes::more_hop_by_hop(&word),
                back: probes::more_answered_with(&word),
                near_back: probes::more_hop_by_hop_back(&word),
            },
            _ => return None,
        };
        headers_of(call, &lines)
    })
}

fn headers_of(call: &Carried, lines: &Lines) -> Option<Fault> {
    let Ok(whole) = got(call)? else { return None };
    let received = call.received.as_ref()?;
    let evidence = [whole.exchange, received.exchange];
    let leaked = |from: &Headers, to: &Headers| -> Vec<String> {
        from.iter()
            // A proxy may well say these for its own connection.
            .filter(|(name, value)| {
                let values = values(to, name);
                if name == "connection" {
                    let own = |value: &str| {
                        let value = value.to_ascii_lowercase();
                        value.contains("x-hop-") || value.contains("x-back-")
                    };
                    values.iter().any(|value| own(value))
                } else {
                    values.contains(&value.as_str())
                }
            })
            .map(|(name, value)| format!("{name}: {value}"))
            .collect()
    };
    let there = leaked(&lines.near, &received.headers);
    let back = leaked(&lines.near_back, &whole.headers);
    let (leaks, who) = if there.is_empty() {
        (back, "The client")
    } else {
        (there, "The service")
    };
    if !leaks.is_empty() {
        return Some(
            Fault::new(
                Diagnosis::HopByHopForwarded,
                format!("{who} received `{}`.", leaks.join("`, `")),
                "These headers are about one connection, and a proxy has two. Leave out Connection, \
                 every header that it names, Keep-Alive, Proxy-Connection, TE, Trailer, \
                 Transfer-Encoding and Upgrade, both ways (RFC 9110, section 7.6.1).",
            )
            .proved_by(evidence),
        );
    }
    let what = match lost(&lines.there, &received.headers) {
        Some(lost) => lost.told("client", "service"),
        None => lost(&lines.back, &whole.headers)?.told("service", "client"),
    };
    Some(
        Fault::new(
            Diagnosis::HeadersLost,
            what,
            "Carry every end-to-end header, both ways. A name may come twice, and a value may be \
             any bytes or none: use a `HeaderMap` and its `append`, no map of single values, no \
             text.",
        )
        .proved_by(evidence),
    )
}

/// What did not arrive as it was sent.
#[derive(Debug, PartialEq, Eq)]
enum Lost {
    /// These did not arrive.
    Lines(Vec<String>),
    /// This one's values arrived otherwise, joined or in another order.
    Values {
        name: String,
        sent: Vec<String>,
        arrived: Vec<String>,
    },
}

impl Lost {
    fn told(&self, sender: &str, receiver: &str) -> String {
        match self {
            Self::Lines(lines) => {
                let some: Vec<_> = lines.iter().take(5).map(|line| shown(line)).collect();
                let more = match lines.len() - some.len() {
                    0 => String::new(),
                    more => format!(", and {more} more"),
                };
                format!(
                    "The {receiver} did not receive `{}`{more}.",
                    some.join("`, `")
                )
            }
            Self::Values {
                name,
                sent,
                arrived,
            } => format!(
                "The {sender} sent `{name}` in {} lines, `{}`; the {receiver} received `{}`.",
                sent.len(),
                sent.join("` and `"),
                arrived.join("` and `")
            ),
        }
    }
}

fn lost(from: &Headers, to: &Headers) -> Option<Lost> {
    let otherwise = from.iter().find_map(|(name, _)| {
        let (sent, arrived) = (values(from, name), values(to, name));
        let joined = |value: &&str| {
            let parts = |line: &&str| line.split(',').any(|part| part.trim() == *value);
            arrived.contains(value) || arrived.iter().any(parts)
        };
        // Nobody minds what is added.
        let mut rest = arrived.iter();
        let is_there = sent.iter().all(|value| rest.any(|other| other == value));
        (!is_there && sent.len() > 1 && sent.iter().all(joined)).then(|| Lost::Values {
            name: name.clone(),
            sent: sent.iter().copied().map(str::to_owned).collect(),
            arrived: arrived.iter().copied().map(str::to_owned).collect(),
        })
    });
    let lines: Vec<_> = from
        .iter()
        .filter(|(name, value)| !values(to, name).contains(&value.as_str()))
        .filter(|(name, _)| !matches!(&otherwise, Some(Lost::Values { name: other, .. }) if name == other))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    if lines.is_empty() {
        otherwise
    } else {
        Some(Lost::Lines(lines))
    }
}

/// The call to a service that was withheld.
fn withheld(seen: &Observation) -> Option<&Exchange> {
    seen.exchanges.iter().rev().find(|x| x.service != YOU)
}

/// The registry did not answer while a call was withheld.
pub(super) fn guard(seen: &Observation) -> Option<Fault> {
    if let Some((met, after)) = seen.given_up().next() {
        let waiting = waiting_meanwhile(seen, met);
        let request = waiting.map_or(met.about, |x| x.request.as_str());
        let phase = (seen.rendezvous.len() - 1) / probes::QUESTIONS;
        let what = [
            "a call to a service waited for its answer",
            "a call to a service waited for the rest of its body",
            "a call to a service waited for the rest of its request",
            "a PUT waited for the rest of its URL",
        ][phase.min(3)];
        return Some(
            Fault::new(
                Diagnosis::GuardAcrossAwait,
                format!(
                    "While {what}, `{request}` waited too: no answer within {}, and the program was \
                     idle.",
                    words(after.min(crate::stage::QUIET))
                ),
                "A guard is held while the call is awaited. Copy the URL out and let go of the guard \
                 before the first `.await`: `let url = services.lock().unwrap().get(&name).cloned();` \
                 ends it with the statement.",
            )
            .proved_by(withheld(seen).map(|x| x.id)),
        );
    }
    seen.carried.iter().find_map(|step| {
        let wanted = match step.about {
            "list" => 200,
            "slow" => return broken_off(step),
            // How calls are carried is another check's.
            "call" => return None,
            _ => 204,
        };
        let whole = match got(step)? {
            Ok(whole) => whole,
            Err(fault) => return Some(fault),
        };
        (whole.status != wanted).then(|| {
            wrong_status(
                step,
                whole,
                wanted,
                "nothing stands against it, though a call is under way",
                "Let the registry be used at any time.",
            )
        })
    })
}

/// A call that was under way when its name was put and removed.
fn broken_off(call: &Carried) -> Option<Fault> {
    let (exchange, diagnosis) = match call.got.as_ref()? {
        Err(none) => (none.exchange, Diagnosis::WrongStatus),
        Ok(whole) if whole.broken.is_some() => (whole.exchange, Diagnosis::WrongBody),
        Ok(_) => return None,
    };
    Some(
        Fault::new(
            diagnosis,
            format!(
                "`{}` was under way when its name was put anew and removed, and was broken off.",
                call.request
            ),
            "A change of a name counts from the next call on: leave the calls that are under way \
             alone.",
        )
        .proved_by([exchange]),
    )
}

/// The request that was asked while something was withheld, and got no answer.
fn waiting_meanwhile<'a>(seen: &'a Observation, met: &Rendezvous) -> Option<&'a Exchange> {
    let slow_put = seen.rendezvous.len() > 3 * probes::QUESTIONS;
    let mut waiting = seen.exchanges.iter().filter(|x| {
        let registry = x.request.contains("/services") || slow_put;
        x.service == YOU && registry && waited_long(x, met)
    });
    if slow_put {
        // After the one that is withheld.
        waiting.next_back()
    } else {
        waiting.next()
    }
}

fn waited_long(x: &Exchange, met: &Rendezvous) -> bool {
    x.arrived <= met.released && x.answered.is_none_or(|at| at >= met.released)
}

pub(super) fn guard_gap(seen: &Observation) -> Option<Gap> {
    let (met, _) = seen.given_up().next()?;
    let waiting = waiting_meanwhile(seen, met)?;
    Some(Gap {
        from: waiting.arrived,
        to: met.released,
        exchange: waiting.id,
        label: "waits for a call that has nothing to do with it".to_owned(),
    })
}

/// What the clients' probe says: the fault of `together`, and that of `health`.
pub(super) fn crowd(seen: &Observation) -> (Option<Fault>, Option<Fault>) {
    if let Some(fault) = judge::trouble(seen, "while clients came at once") {
        return (Some(fault), None);
    }
    let Some(met) = seen.rendezvous.first() else {
        return (silence(seen), None);
    };
    let calls = || {
        seen.exchanges
            .iter()
            .filter(|x| x.service != YOU && x.arrived <= met.released)
            .map(|x| x.id)
    };
    let health = match seen.health {
        Some(HealthSeen::Silent(after)) => Some(
            Fault::new(
                Diagnosis::BlockedRuntime,
                format!(
                    "While {} call{} to the service waited, GET /healthz waited too: no answer within \
                     {}, and the program sat idle.",
                    met.reached,
                    if met.reached == 1 { "" } else { "s" },
                    words(after)
                ),
                "A handler blocks the thread that it runs on. Look for a call that waits without \
                 `.await`: a blocking HTTP client, `block_on`, a `std` lock held while waiting. Or \
                 does `/healthz` itself wait for what those calls hold?",
            )
            .proved_by(calls()),
        ),
        Some(HealthSeen::Answered(200)) | None => None,
        Some(_) => Some(Fault::new(
            Diagnosis::WrongStatus,
            "GET /healthz was not answered with 200 while calls were under way.",
            "Answer GET /healthz with 200, however many calls are under way.",
        )),
    };
    let clients = match met.waited {
        Waited::GaveUp(after) => Some(
            Fault::new(
                Diagnosis::SerialisedClients,
                format!(
                    "{} clients asked at once, and {} call{} in flight at the service; no more came \
                     for {}.",
                    met.wanted,
                    met.reached,
                    if met.reached == 1 { " was" } else { "s were" },
                    words(after.min(crate::stage::QUIET))
                ),
                "Clients wait for each other. What do all handlers share? A lock or a permit that \
                 is held across the call, or one task that does all calls?",
            )
            .proved_by(calls()),
        ),
        _ => seen
            .answers
            .iter()
            .find_map(|(_, answer)| match &answer.reply {
                Err(_) => Some(judge::broke_off(answer)),
                Ok(reply) if reply.status == 200 && reply.body == "together" => None,
                Ok(reply) => Some(
                    Fault::new(
                        Diagnosis::WrongStatus,
                        format!(
                            "One of {} clients at once got {}, though the service was well.",
                            met.wanted,
                            status_and_body(reply.status, reply.body.as_bytes())
                        ),
                        "Give the service's answer back, however many ask.",
                    )
                    .proved_by([answer.exchange]),
                ),
            })
            .or_else(|| silence(seen)),
    };
    (clients, health)
}

pub(super) fn crowd_gap(seen: &Observation) -> Option<Gap> {
    judge::waited_outside(seen, |x| x.service != YOU)
}

/// A body that did not come through before its end.
pub(super) fn stream(seen: &Observation) -> Option<Fault> {
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

pub(super) fn stream_gap(seen: &Observation) -> Option<Gap> {
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

const MEBI: f64 = 1024.0 * 1024.0;

/// Bodies that were taken in though nobody read them, or that took memory.
pub(super) fn pressure(seen: &Observation) -> Option<Fault> {
    const ALL: u64 = 48 * 1024 * 1024;
    /// What lies in no socket. A pump needs some hundred KiB, ours on both sides included.
    const HELD: u64 = 5 * 1024 * 1024;
    for (about, taken) in &seen.unread {
        // Some systems' socket buffers are huge: what is not in the program's
        // memory is not the program's.
        let figure = match *about {
            "answer" => "unread",
            _ => "unread request",
        };
        let elsewhere = match (seen.figure("read"), seen.figure(figure)) {
            (Some(before), Some(after)) => after.saturating_sub(before) < ALL / 4,
            _ => false,
        };
        let (sender, reader, figure) = match *about {
            "answer" => ("service", "client", "held answer"),
            _ => ("client", "service", "held request"),
        };
        if let Some(held) = seen.figure(figure).filter(|held| *held >= HELD) {
            return Some(Fault::new(
                Diagnosis::Buffered,
                format!(
                    "The {reader} read nothing, and the {sender} could send {:.0} MiB; {:.0} MiB of \
                     them lie in no socket: your program keeps them.",
                    *taken as f64 / MEBI,
                    held as f64 / MEBI
                ),
                "Read no further than you can pass on. A channel of a few pieces, or the body itself \
                 as a stream, makes the sender wait; a long queue, a file or a `Vec` never does.",
            ));
        }
        if *taken >= ALL && !elsewhere {
            return Some(Fault::new(
                Diagnosis::Buffered,
                format!(
                    "The {reader} read nothing, and the {sender} could send all {:.0} MiB: they wait \
                     in your program's memory.",
                    *taken as f64 / MEBI
                ),
                "Read no further than you can pass on. A bounded channel, or the body itself as a \
                 stream, makes the sender wait; an unbounded channel or a `Vec` never does.",
            ));
        }
    }
    if let Some((bytes, back)) = seen
        .passed
        .iter()
        .find(|(bytes, back)| Some(*bytes) != *back)
    {
        return Some(Fault::new(
            Diagnosis::WrongBody,
            format!(
                "{:.0} MiB were sent, and {} came back.",
                *bytes as f64 / MEBI,
                match back {
                    Some(back) => format!("{back} bytes"),
                    None => "a broken body".to_owned(),
                }
            ),
            "Pass bodies on whole, however long they are.",
        ));
    }
    // Grows with the body: four times the body, and as much more memory.
    match seen.grown.as_slice() {
        [first, second] if *second >= 24 * 1024 * 1024 => Some(Fault::new(
            Diagnosis::Buffered,
            format!(
                "While 8 MiB went by each way, the program's memory grew by {:.1} MiB; while 32 MiB \
                 did, by {:.1} MiB.",
                *first as f64 / MEBI,
                *second as f64 / MEBI
            ),
            "Pass each piece on before you read the next, and keep none.",
        )),
        _ => None,
    }
}

/// What the memory did, in words.
pub(super) fn memory(seen: &Observation) -> String {
    match seen.grown.first() {
        Some(grown) => format!(
            "senders had to wait for readers; memory grew by {:.1} MiB",
            *grown as f64 / MEBI
        ),
        None => {
            "senders had to wait for readers; this system does not tell how much memory it took"
                .to_owned()
        }
    }
}

/// A call that went on without its client.
pub(super) fn cancel(seen: &Observation) -> Option<Fault> {
    let Some((met, after)) = seen.given_up().next() else {
        return seen.carried.iter().find_map(ended_as_if_whole);
    };
    let call = seen
        .exchanges
        .iter()
        .rev()
        .find(|x| x.service != YOU && x.ending != Ending::Answered)
        .or_else(|| withheld(seen))?;
    Some(
        Fault::new(
            Diagnosis::NotCancelled,
            format!(
                "The client left {}, and {} later the call to the service was still open.",
                match met.about {
                    "head" => "before the service had answered",
                    "sent" => "once its request's body had been sent",
                    "upload" => "in the middle of sending its request's body",
                    _ => "in the middle of the body",
                },
                words(after.min(crate::stage::QUIET))
            ),
            "The server drops a handler's future, and a body's stream, when its client leaves. What \
             you await there is cancelled with it; what you spawn goes on. Forward inside the \
             handler.",
        )
        .proved_by([call.id]),
    )
}

/// Half of an upload that the service was told was all of it.
fn ended_as_if_whole(call: &Carried) -> Option<Fault> {
    let received = call.received.as_ref()?;
    (call.about == "upload" && received.whole).then(|| {
        Fault::new(
            Diagnosis::WrongBody,
            format!(
                "The client left in the middle of sending its request's body; the service received \
                 `{}` as if that were all.",
                text(&received.body)
            ),
            "Break the service's connection off where the client's breaks off: pass the error on \
             inside the stream, and do not turn it into an end.",
        )
        .proved_by([received.exchange])
    })
}

pub(super) fn cancel_gap(seen: &Observation) -> Option<Gap> {
    let (met, _) = seen.given_up().next()?;
    let call = withheld(seen)?;
    let left = seen
        .exchanges
        .iter()
        .rev()
        .find(|x| x.service == YOU && x.ending == Ending::Left)?;
    Some(Gap {
        from: left.ended?,
        to: met.released,
        exchange: call.id,
        label: "nobody waits for this any more".to_owned(),
    })
}

/// What is wrong with the answers to the services' faults.
pub(super) fn faults(seen: &Observation) -> Option<Fault> {
    seen.carried
        .iter()
        .filter_map(one_fault)
        .min_by_key(|fault| fault.diagnosis)
}

fn one_fault(step: &Carried) -> Option<Fault> {
    let answer = step.got.as_ref()?;
    if let ("cut" | "cut-of-length" | "cut-by-reset", Err(unanswered)) = (step.about, answer)
        && unanswered.why == NoReply::Closed
    {
        // Broken off even before the head: broken all the same.
        return None;
    }
    let whole = match got(step)? {
        Ok(whole) => whole,
        Err(fault) => return Some(fault),
    };
    let what = match step.about {
        "put" => {
            return (whole.status != 204)
                .then(|| wrong_status(step, whole, 204, "the name is registered", "Answer 204."));
        }
        "refused" => "refuses connections",
        "reset" => "resets the connection",
        "half-head" => "breaks off within its head",
        "cut" | "cut-of-length" | "cut-by-reset" => {
            let broken = whole.broken.is_some() || whole.status == 502;
            return (!broken).then(|| {
                Fault::new(
                    Diagnosis::FaultHidden,
                    format!(
                        "The service broke off in the middle of its body; the client got {}, \
                         as if that were all.",
                        answered(whole)
                    ),
                    "Pass the error on inside the stream: a body stream that ends with an error \
                     breaks the client's connection, too, and the client knows. Do not turn it into \
                     an end.",
                )
                .proved_by([whole.exchange])
            });
        }
        "afterwards" => {
            return (whole.status != 200 || whole.body != b"well again").then(|| {
                wrong_status(
                    step,
                    whole,
                    200,
                    "the service is well again",
                    "Serve on after a fault: let nothing of it stay behind.",
                )
            });
        }
        _ => return None,
    };
    if whole.status == 502 {
        return None;
    }
    let hidden = (200..300).contains(&whole.status);
    Some(
        Fault::new(
            if hidden {
                Diagnosis::FaultHidden
            } else {
                Diagnosis::WrongStatus
            },
            format!(
                "The service {what}, and `{}` was answered with {}.",
                step.request,
                answered(whole)
            ),
            "Answer 502 where the service could not be asked, and 504 where a time limit ran out.",
        )
        .proved_by([whole.exchange]),
    )
}

/// What is wrong with the time limit.
pub(super) fn hangs(seen: &Observation) -> Option<Fault> {
    for step in &seen.carried {
        let whole = match (step.about, got(step)?) {
            (_, Err(fault)) => return Some(fault),
            (_, Ok(whole)) => whole,
        };
        if step.about == "hang" && whole.status != 504 {
            return Some(
                Fault::new(
                    if (200..300).contains(&whole.status) {
                        Diagnosis::FaultHidden
                    } else {
                        Diagnosis::WrongStatus
                    },
                    format!(
                        "The service said nothing for {}, and the client got {}.",
                        words(seen.limit),
                        answered(whole)
                    ),
                    "Answer 504 where the time limit has run out.",
                )
                .proved_by([whole.exchange]),
            );
        }
        if step.about == "upload" && whole.status == 504 {
            return Some(
                Fault::new(
                    Diagnosis::WrongStatus,
                    format!(
                        "A client sent its body piece by piece, for longer than UPSTREAM_TIMEOUT_MS \
                         ({}) in all, and was answered with 504 though it never paused for long.",
                        seen.limit.as_millis()
                    ),
                    "The time limit is for a service that says nothing. While a request's body is \
                     still on its way, something moves: begin to count anew with each piece.",
                )
                .proved_by([whole.exchange]),
            );
        }
        if step.about == "slow" && whole.status == 200 && whole.broken.is_some() {
            return Some(
                Fault::new(
                    Diagnosis::WrongBody,
                    format!(
                        "The service's body took longer than UPSTREAM_TIMEOUT_MS ({}), and the \
                         client's broke off after {} bytes.",
                        seen.limit.as_millis(),
                        whole.body.len()
                    ),
                    "The time limit is for the beginning of an answer. A body that streams may take \
                     its time: put the limit around the wait for the head alone.",
                )
                .proved_by([whole.exchange]),
            );
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers_of_text(lines: &[(&str, &str)]) -> Headers {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        lines.iter().map(owned).collect()
    }

    #[test]
    fn a_header_that_came_twice_has_to_arrive_twice_and_in_order() {
        let sent = headers_of_text(&[("link", "1"), ("link", "2"), ("etag", "x")]);
        let lost_of = |arrived: &[(&str, &str)]| lost(&sent, &headers_of_text(arrived));
        assert_eq!(
            lost_of(&[("link", "1"), ("etag", "x"), ("link", "2")]),
            None
        );
        // What is added is nobody's business here.
        let more = [("link", "0"), ("link", "1"), ("link", "2"), ("etag", "x")];
        assert_eq!(lost_of(&more), None);
        let joined = lost_of(&[("link", "1, 2"), ("etag", "x")]);
        let told = joined.map(|lost| lost.told("client", "service"));
        assert_eq!(
            told.as_deref(),
            Some("The client sent `link` in 2 lines, `1` and `2`; the service received `1, 2`.")
        );
        assert!(matches!(
            lost_of(&[("link", "2"), ("link", "1"), ("etag", "x")]),
            Some(Lost::Values { .. })
        ));
        assert_eq!(
            lost_of(&[("link", "2"), ("etag", "x")]),
            Some(Lost::Lines(vec!["link: 1".to_owned()]))
        );
    }

    #[test]
    fn what_lies_in_no_socket_is_the_programs() {
        let seen = |held: Option<u64>| Observation {
            unread: vec![("answer", 12 << 20)],
            figures: vec![("held answer", held)],
            ..Observation::default()
        };
        assert!(pressure(&seen(Some(9 << 20))).is_some());
        assert!(pressure(&seen(Some(2 << 20))).is_none());
        assert!(pressure(&seen(None)).is_none());
    }

    #[test]
    fn half_an_upload_is_not_all_of_it() {
        let seen = |whole| Observation {
            carried: vec![Carried {
                about: "upload",
                received: Some(mock_services::upstream::Received {
                    body: b"a piece".to_vec(),
                    whole,
                    ..Default::default()
                }),
                ..Carried::default()
            }],
            ..Observation::default()
        };
        assert!(cancel(&seen(false)).is_none());
        let fault = cancel(&seen(true)).map(|fault| fault.diagnosis);
        assert_eq!(fault, Some(Diagnosis::WrongBody));
    }

    #[test]
    fn what_is_too_long_is_told_by_its_beginning() {
        assert_eq!(shown("GET /a"), "GET /a");
        let long = "ä".repeat(130);
        assert!(shown(&long).ends_with("… (260 bytes)"));
    }

    #[test]
    fn a_run_has_two_names_that_differ() {
        for seed in 0..500 {
            let probes::Names { one, other } = probes::names(seed);
            assert_ne!(one, other);
        }
    }
}
