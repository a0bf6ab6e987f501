//! What follows from clients that left.

use mock_services::exchange::Ending;

use super::guard::withheld;
use super::text;
use crate::client::YOU;
use crate::diagnosis::Diagnosis;
use crate::judge::Fault;
use crate::observation::{Carried, Observation};
use crate::report::{Gap, words};

/// A call that went on without its client.
pub(in crate::exercises::ex03) fn cancel(seen: &Observation) -> Option<Fault> {
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

pub(in crate::exercises::ex03) fn cancel_gap(seen: &Observation) -> Option<Gap> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
