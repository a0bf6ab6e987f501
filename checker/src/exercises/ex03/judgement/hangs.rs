//! What follows from services that hang.

use super::{answered, got};
use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::Observation;
use crate::report::words;

/// What is wrong with the time limit.
pub(in crate::exercises::ex03) fn hangs(seen: &Observation) -> Option<Fault> {
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
