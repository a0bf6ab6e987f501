//! What follows from services that are out of order.

use super::{answered, got, wrong_status};
use crate::client::NoReply;
use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::{Carried, Observation};

/// What is wrong with the answers to the services' faults.
pub(in crate::exercises::ex03) fn faults(seen: &Observation) -> Option<Fault> {
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
