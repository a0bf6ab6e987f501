//! What follows from the registry in the midst of calls.

use mock_services::exchange::Exchange;

use super::{got, wrong_status};
use crate::client::YOU;
use crate::diagnosis::Diagnosis;
use crate::exercises::ex03::probes;
use crate::judge::Fault;
use crate::observation::{Carried, Observation, Rendezvous};
use crate::report::{Gap, words};

/// The call to a service that was withheld.
pub(super) fn withheld(seen: &Observation) -> Option<&Exchange> {
    seen.exchanges.iter().rev().find(|x| x.service != YOU)
}

/// The registry did not answer while a call was withheld.
pub(in crate::exercises::ex03) fn guard(seen: &Observation) -> Option<Fault> {
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

pub(in crate::exercises::ex03) fn guard_gap(seen: &Observation) -> Option<Gap> {
    let (met, _) = seen.given_up().next()?;
    let waiting = waiting_meanwhile(seen, met)?;
    Some(Gap {
        from: waiting.arrived,
        to: met.released,
        exchange: waiting.id,
        label: "waits for a call that has nothing to do with it".to_owned(),
    })
}
