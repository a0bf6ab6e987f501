//! What follows from what was registered.

use std::collections::BTreeMap;

use super::{answered, got, shown, text, wrong_status};
use crate::client::{Whole, YOU};
use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::{Carried, Observation};

/// What is wrong with the registry.
pub(in crate::exercises::ex03) fn registry(seen: &Observation) -> Option<Fault> {
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
