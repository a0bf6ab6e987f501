//! What follows from many clients at once.

use super::{silence, status_and_body};
use crate::client::YOU;
use crate::diagnosis::Diagnosis;
use crate::judge;
use crate::judge::Fault;
use crate::observation::{HealthSeen, Observation};
use crate::report::{Gap, words};
use crate::stage::Waited;

/// What the clients' probe says: the fault of `together`, and that of `health`.
pub(in crate::exercises::ex03) fn crowd(seen: &Observation) -> (Option<Fault>, Option<Fault>) {
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

pub(in crate::exercises::ex03) fn crowd_gap(seen: &Observation) -> Option<Gap> {
    judge::waited_outside(seen, |x| x.service != YOU)
}
