//! What the proxy is asked. None of this judges.

mod cancel;
mod carry;
mod crowd;
mod faults;
mod guard;
mod hangs;
mod pressure;
mod registry;
mod stream;

use std::time::Duration;

use futures_util::StreamExt as _;
use mock_services::exchange::Exchange;
use mock_services::upstream::Upstream;

use crate::client::{Sending, Sent, YOU};
use crate::observation::{Carried, Observation, Question, Rendezvous, Silence};
use crate::stage::{ANSWER_QUIET, QUIET, Stage, Trouble, Waited};

pub(super) use cancel::cancel;
pub(super) use carry::{
    answered_with, carry, end_to_end, hop_by_hop, hop_by_hop_back, more_answered_with,
    more_end_to_end, more_hop_by_hop, more_hop_by_hop_back,
};
pub(super) use crowd::{crowd, crowds};
pub(super) use faults::faults;
pub(super) use guard::{QUESTIONS, guard};
pub(super) use hangs::hangs;
pub(super) use pressure::pressure;
pub(super) use registry::registry;
pub(super) use stream::stream;

/// The names that services go by, drawn from the run's seed.
pub(super) struct Names {
    pub(super) one: String,
    pub(super) other: String,
}

pub(super) fn names(seed: u64) -> Names {
    const TREES: [&str; 16] = [
        "alder", "ash", "birch", "cedar", "elm", "fir", "hazel", "holly", "larch", "lime", "maple",
        "oak", "pine", "rowan", "willow", "yew",
    ];
    let mut drawn = fastrand::Rng::with_seed(seed);
    let one = drawn.usize(..TREES.len());
    let other = (one + 1 + drawn.usize(..TREES.len() - 1)) % TREES.len();
    Names {
        one: format!("{}-{}", TREES[one], drawn.u16(100..999)),
        other: TREES[other].to_owned(),
    }
}

async fn open(stage: &Stage<'_>, name: &str) -> Result<Upstream, Trouble> {
    // Without a port nothing can be judged; the machine is to blame.
    Upstream::open(name, stage.journal.clone())
        .await
        .map_err(|_| Trouble::TooBusy)
}

/// One request and everything that came of it. After a silence nothing more is
/// asked.
async fn step(
    stage: &Stage<'_>,
    seen: &mut Observation,
    about: &'static str,
    sent: Sent,
    service: Option<&Upstream>,
    quiet: Duration,
) -> Result<(), Trouble> {
    if seen.silence.is_some() || seen.too_busy {
        return Ok(());
    }
    let mut carried = to_carry(about, &sent);
    let before = service.map_or(0, |service| service.received().len());
    match stage.patiently(stage.client.ask(sent), quiet).await? {
        Waited::Done(got) => {
            carried.received = service.and_then(|service| service.received().get(before).cloned());
            carried.got = Some(got);
            seen.carried.push(carried);
        }
        Waited::GaveUp(after) => {
            seen.silence = Some(Silence {
                question: Question::Plain,
                after,
            });
        }
        Waited::TooBusy => seen.too_busy = true,
    }
    Ok(())
}

fn to_carry(about: &'static str, sent: &Sent) -> Carried {
    let body = match &sent.body {
        Sending::Whole(Some(body)) => body.to_vec(),
        _ => Vec::new(),
    };
    Carried {
        about,
        request: format!("{} {}", sent.method, sent.target),
        method: sent.method.clone(),
        headers: sent.headers.clone(),
        body,
        ..Carried::default()
    }
}

/// Requests of which none depends on another, a few at a time.
async fn steps(
    stage: &Stage<'_>,
    seen: &mut Observation,
    all: Vec<(&'static str, Sent)>,
) -> Result<(), Trouble> {
    /// The shortest queues of connections hold five.
    const AT_ONCE: usize = 4;
    if seen.silence.is_some() || seen.too_busy {
        return Ok(());
    }
    let asking = all.into_iter().map(|(about, sent)| {
        let mut carried = to_carry(about, &sent);
        async move {
            carried.got = Some(stage.client.ask(sent).await);
            carried
        }
    });
    let asking = futures_util::stream::iter(asking).buffered(AT_ONCE);
    match stage
        .patiently(asking.collect::<Vec<_>>(), ANSWER_QUIET)
        .await?
    {
        Waited::Done(all) => seen.carried.extend(all),
        Waited::GaveUp(after) => {
            seen.silence = Some(Silence {
                question: Question::Plain,
                after,
            });
        }
        Waited::TooBusy => seen.too_busy = true,
    }
    Ok(())
}

fn put(name: &str, url: &str) -> Sent {
    Sent::new("PUT", format!("/services/{name}")).with(url.to_owned())
}

async fn register(
    stage: &Stage<'_>,
    seen: &mut Observation,
    name: &str,
    url: &str,
) -> Result<(), Trouble> {
    step(stage, seen, "put", put(name, url), None, ANSWER_QUIET).await
}

/// A service that is registered under one of the run's names, and that name.
async fn registered(
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(String, Upstream), Trouble> {
    let name = names(stage.run.seed).one;
    let service = open(stage, &name).await?;
    register(stage, seen, &name, &service.url()).await?;
    Ok((name, service))
}

/// Whether something comes to pass while something else is withheld.
async fn meanwhile<T>(
    stage: &Stage<'_>,
    seen: &mut Observation,
    about: &'static str,
    waiting: impl Future<Output = T>,
) -> Result<Option<T>, Trouble> {
    let waited = stage.patiently(waiting, patience(stage)).await?;
    let (done, waited) = match waited {
        Waited::Done(done) => (Some(done), Waited::Done(())),
        Waited::GaveUp(after) => (None, Waited::GaveUp(after)),
        Waited::TooBusy => (None, Waited::TooBusy),
    };
    seen.rendezvous.push(Rendezvous {
        sat_idle: None,
        about,
        wanted: 1,
        reached: done.is_some().into(),
        waited,
        released: stage.journal.clock().now(),
    });
    Ok(done)
}

/// As long as the program has taken at most between a client's call and its own, twice,
/// is no silence.
fn patience(stage: &Stage<'_>) -> Duration {
    (QUIET + 2 * thinking(&stage.journal.exchanges())).min(ANSWER_QUIET)
}

/// How long a service's call came after the last call of a client, at most.
fn thinking(all: &[Exchange]) -> Duration {
    let clients = |x: &&Exchange| x.service == YOU && x.request.contains(" /proxy/");
    let thought = |call: &Exchange| {
        let before = all.iter().filter(clients).map(|x| x.arrived);
        let asked = before.filter(|at| *at <= call.arrived).max()?;
        Some(call.arrived.since(asked))
    };
    let calls = all.iter().filter(|x| x.service != YOU);
    calls.filter_map(thought).max().unwrap_or_default()
}

/// Waits until the service has been asked so many times.
async fn asked(
    stage: &Stage<'_>,
    seen: &mut Observation,
    service: &Upstream,
    times: usize,
) -> Result<bool, Trouble> {
    let arrived = stage
        .journal
        .until(|_| (service.received().len() >= times).then_some(()));
    match stage.patiently(arrived, ANSWER_QUIET).await? {
        Waited::Done(()) => Ok(true),
        Waited::GaveUp(after) => {
            seen.silence = Some(Silence {
                question: Question::Plain,
                after,
            });
            Ok(false)
        }
        Waited::TooBusy => {
            seen.too_busy = true;
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use mock_services::exchange::Ending;
    use mock_services::moment::Moment;

    use super::*;

    #[test]
    fn thinking_is_told_from_the_call_before_it() {
        let call = |service: &str, request: &str, arrived: u64| Exchange {
            service: service.to_owned(),
            request: request.to_owned(),
            arrived: Moment::from_micros(arrived),
            id: 0,
            connection: 1,
            answered: None,
            ended: None,
            status: None,
            ending: Ending::Left,
            frames: Vec::new(),
        };
        let thought = |all: &[Exchange]| thinking(all).as_micros();
        let you = |arrived| call(YOU, "GET /proxy/elm/today", arrived);
        let elm = |arrived| call("elm", "GET /today", arrived);
        assert_eq!(thought(&[]), 0);
        assert_eq!(thought(&[you(10), elm(25), you(30), elm(35)]), 15);
        // A name that is looked up or changed is no call.
        assert_eq!(
            thought(&[you(10), call(YOU, "PUT /services/elm", 20), elm(25)]),
            15
        );
        assert_eq!(thought(&[elm(25)]), 0);
    }

    #[test]
    fn a_run_has_two_names_that_differ() {
        for seed in 0..500 {
            let Names { one, other } = names(seed);
            assert_ne!(one, other);
        }
    }
}
