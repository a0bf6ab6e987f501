//! What follows from what was carried.

use super::{answered, got, shown, text, wrong_status};
use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::{Carried, Observation};

/// What is wrong with how calls were carried, but for their headers.
pub(in crate::exercises::ex03) fn forward(seen: &Observation) -> Option<Fault> {
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
