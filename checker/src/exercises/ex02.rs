//! ex02 Today and tomorrow in parallel: independent is not sequential.
//!
//! `GET /tomorrow` → `{"today":"10.1 C","tomorrow":"12.4 C"}`. Both calls are in
//! flight together, proved by a rendezvous of the two: neither is answered until
//! both have been asked. Then either is let go first, to see that the labels
//! never swap; then one fails while the other is withheld, to see that the
//! failure answers at once and that the other call is given up.

use std::time::Duration;

use mock_services::exchange::Exchange;
use mock_services::lain::TICK;
use mock_services::moment::Moment;
use mock_services::scene::Scene;
use mock_services::script::{Hold, Treatment};
use mock_services::weather::Reading;
use serde_json::{Value, json};

use super::{Judged, telling_output};
use crate::asleep;
use crate::client::{Answer, YOU};
use crate::contract::Contract;
use crate::diagnosis::Diagnosis;
use crate::judge::{self, Check, Fault};
use crate::observation::{Observation, Question, Rendezvous, Silence, route_of};
use crate::probe::{self, HANG_LIMIT, in_flight, observe, observe_first};
use crate::probing::Probing;
use crate::report::{Finding, Gap, Outcome, words};
use crate::stage::{ANSWER_QUIET, Place, QUIET, Setting, Stage, Trouble, Waited};

const TODAY: &str = "/today";
const TOMORROW: &str = "/tomorrow";

const CONTRACT: Contract = Contract {
    id: "ex02",
    route: "/tomorrow",
    keyed: false,
    asks: &[TODAY, TOMORROW],
    reads: &[TODAY, TOMORROW],
    body,
    same,
};

fn body(readings: &[Reading]) -> String {
    match readings {
        [today, tomorrow, ..] => {
            json!({"today": today.temperature, "tomorrow": tomorrow.temperature}).to_string()
        }
        _ => String::new(),
    }
}

/// The same JSON value, whatever its spacing and the order of its keys.
fn same(right: &str, body: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    parse(right).is_some_and(|right| parse(body) == Some(right))
}

/// Five clients are ten calls.
const CLIENTS: usize = 5;

pub(super) fn checks() -> Vec<Check> {
    vec![
        answer(),
        overlap(),
        labels(),
        failure(),
        cancel(),
        together(),
        health(),
        faults(),
        timeout(),
        alive(),
    ]
}

fn answer() -> Check {
    Check::new(
        &CONTRACT,
        "answer",
        "GET /tomorrow answers with both days",
        "GET /tomorrow asks the weather for each day once, and answers {\"today\":\"10.1 C\",\"tomorrow\":\"12.4 C\"} with what it says",
    )
}

fn overlap() -> Check {
    Check::new(
        &CONTRACT,
        "overlap",
        "both calls are in flight together",
        "today and tomorrow are both asked before either has answered",
    )
}

fn labels() -> Check {
    Check::new(
        &CONTRACT,
        "labels",
        "labels stay right, whichever comes first",
        "today's temperature stands under `today`, whichever call is answered first",
    )
}

fn failure() -> Check {
    Check::new(
        &CONTRACT,
        "failure",
        "the first failure answers at once",
        "502 as soon as one call has failed, without waiting for the other",
    )
}

fn cancel() -> Check {
    Check::new(
        &CONTRACT,
        "cancel",
        "a failure cancels the other call",
        "the other call's connection is closed once its answer is of no use",
    )
}

fn together() -> Check {
    Check::new(
        &CONTRACT,
        "together",
        "clients do not wait for each other",
        format!("{CLIENTS} clients at once are in flight together at the weather"),
    )
}

fn health() -> Check {
    Check::new(
        &CONTRACT,
        "health",
        "/healthz answers while calls wait",
        "GET /healthz answers 200 at once, whatever else is waiting",
    )
}

fn faults() -> Check {
    Check::new(
        &CONTRACT,
        "faults",
        "a weather that fails is a 502",
        "502 where either call answers 500, answers no JSON, breaks off or is refused; and the server still serves afterwards",
    )
}

fn timeout() -> Check {
    Check::new(
        &CONTRACT,
        "timeout",
        "a weather that hangs is a 504",
        "504 where either call has not been answered whole within UPSTREAM_TIMEOUT_MS",
    )
}

fn alive() -> Check {
    Check::new(
        &CONTRACT,
        "alive",
        "it stays up and leaves nothing behind",
        "the program runs until it is told to stop, and takes what it started with it",
    )
}

/// A day that is let go (or fails) first, and the other one.
type Order = (&'static str, &'static str);
const TODAY_FIRST: Order = (TODAY, TOMORROW);
const TOMORROW_FIRST: Order = (TOMORROW, TODAY);

/// Both answers are withheld until both have been asked; then one is let go,
/// and the other once the program has dealt with it. Several rounds, because a
/// program may be lucky once.
async fn rendezvous(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    /// Who hesitates never makes both calls at the same moment. Whoever overlaps
    /// them does, but not always where others have the processor.
    const CONVINCING: usize = 2;
    const ROUNDS: usize = 16;
    let is_decided =
        |at_once, seen: &Observation| at_once >= CONVINCING || judge_hesitation(seen).is_some();
    let mut at_once = 0;
    seen.title = "one client; neither answer is given until both have been asked".to_owned();
    let orders = [TOMORROW_FIRST, TODAY_FIRST, TOMORROW_FIRST, TOMORROW_FIRST];
    for (round, (first, _)) in orders.into_iter().cycle().take(ROUNDS).enumerate() {
        if round >= orders.len() && is_decided(at_once, seen) {
            return Ok(());
        }
        let (one, other) = (Hold::default(), Hold::default());
        let holds = (one.clone(), other.clone());
        stage.play(move |asked| {
            Treatment::held(if asked.path == first {
                &holds.0
            } else {
                &holds.1
            })
        });
        let mut asking = probe::crowd(stage, CONTRACT.route, 1);
        let (met, came_at_once) = both_in_flight(stage, "both calls").await?;
        let together = met.waited == Waited::Done(());
        at_once += usize::from(came_at_once);
        seen.rendezvous.push(met);
        if together {
            one.release();
            stage
                .journal
                .until(|all| (in_flight(all, first) == 0).then_some(()))
                .await;
            stage.idle().await;
        }
        one.release();
        other.release();
        match stage.patiently(asking.join_next(), ANSWER_QUIET).await? {
            Waited::Done(Some(Ok(answer))) => seen.answers.push((Question::Plain, answer)),
            Waited::Done(_) => {}
            Waited::GaveUp(after) => {
                seen.silence = Some(Silence {
                    question: Question::Plain,
                    after,
                });
            }
            Waited::TooBusy => seen.too_busy = true,
        }
        if !together || seen.silence.is_some() || seen.too_busy {
            return Ok(());
        }
        // One clean picture is enough to draw; the rounds after it only repeat it.
    }
    // Whether it was kept from it or did not want to, nobody has seen.
    seen.too_busy = !is_decided(at_once, seen);
    Ok(())
}

/// Also whether both calls came at once, or the program had to compute in between.
async fn both_in_flight(
    stage: &Stage<'_>,
    about: &'static str,
) -> Result<(Rendezvous, bool), Trouble> {
    /// More than any program needs in between that need not wait.
    const AT_ONCE: Duration = Duration::from_millis(60);
    let reached = |all: &[_]| in_flight(all, TODAY).min(1) + in_flight(all, TOMORROW).min(1);
    let until = |wanted| {
        stage
            .journal
            .until(move |all| (reached(all) >= wanted).then_some(()))
    };
    let mut sat_idle = None;
    let mut on_cpu = Duration::ZERO;
    let waited = match probe::begun(stage).await? {
        Waited::Done(()) => {
            let met = async {
                until(1).await;
                let second = async { sat_idle = stage.sat_idle_before(until(2)).await };
                on_cpu = stage.on_cpu_until(second).await;
            };
            stage.patiently(met, QUIET).await?
        }
        other => other,
    };
    let exchanges = stage.journal.exchanges();
    let apart = apart(&exchanges, |x| stage.journal.came(x));
    let met = Rendezvous {
        // Nobody sat idle between two calls for longer than they are apart: where it seems
        // so, it is we who were late to read the second.
        sat_idle: sat_idle.filter(|idle| apart.is_some_and(|apart| *idle <= apart + 2 * TICK)),
        about,
        wanted: 2,
        reached: reached(&exchanges),
        waited,
        released: stage.journal.clock().now(),
    };
    // For a third of that time it computed: it did not wait for a clock.
    let came_at_once = apart.is_some_and(|apart| apart < AT_ONCE || on_cpu > apart / 3);
    Ok((met, came_at_once))
}

/// The time between the two calls that are under way. It is taken from when they came to
/// this machine's sockets: where the first is read late, and the second is not, they seem
/// to have come at once.
fn apart(exchanges: &[Exchange], came: impl Fn(&Exchange) -> Moment) -> Option<Duration> {
    let under_way = |route| {
        exchanges
            .iter()
            .rfind(|x| x.service != YOU && x.answered.is_none() && route_of(x) == route)
            .map(&came)
    };
    let (today, tomorrow) = (under_way(TODAY)?, under_way(TOMORROW)?);
    Some(today.max(tomorrow).since(today.min(tomorrow)))
}

const ANSWERED: &str = "the answer after a failure";
const CANCELLED: &str = "the other call's end";

/// How a call fails while the other is withheld: with a status, and with a body that
/// shows only when it is read. Whoever takes a 500 for an answer has another mistake,
/// which another probe names.
const FAILURES: [(Scene, Failure); 2] = [
    (Scene::OutOfOrder, Question::Sick),
    (Scene::Garbage, Question::Garbage),
];
type Failure = fn(&'static str) -> Question;

/// One call fails while the other is withheld, in one way after the other.
async fn failing(order: Order, stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    let (fails, waits) = order;
    seen.title = format!("{fails} fails while {waits} is withheld");
    for failure in FAILURES {
        failing_so(failure, order, stage, seen).await?;
        let is_done = |met: &Rendezvous| met.waited == Waited::Done(());
        if seen.too_busy || !seen.rendezvous.iter().all(is_done) {
            break;
        }
    }
    Ok(())
}

async fn failing_so(
    (scene, question): (Scene, Failure),
    (fails, waits): Order,
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    let (failure, other) = (Hold::default(), Hold::default());
    let holds = (failure.clone(), other.clone());
    stage.play(move |asked| {
        if asked.path == fails {
            Treatment {
                scene,
                ..Treatment::held(&holds.0)
            }
        } else {
            Treatment::held(&holds.1)
        }
    });
    let mut asking = probe::crowd(stage, CONTRACT.route, 1);
    let (met, _) = both_in_flight(stage, "both calls").await?;
    let together = met.waited == Waited::Done(());
    if !together {
        // Without overlap there is nothing to learn here.
        failure.release();
        other.release();
        seen.too_busy |= met.waited == Waited::TooBusy;
        stage.patiently(asking.join_next(), ANSWER_QUIET).await?;
        return Ok(());
    }
    failure.release();
    let answered = stage.patiently(asking.join_next(), QUIET).await?;
    let mut note = |about, waited| {
        seen.rendezvous.push(Rendezvous {
            about,
            wanted: 1,
            reached: usize::from(waited == Waited::Done(())),
            waited,
            released: stage.journal.clock().now(),
            sat_idle: None,
        });
    };
    match answered {
        Waited::Done(answer) => {
            note(ANSWERED, Waited::Done(()));
            if let Some(Ok(answer)) = answer {
                seen.answers.push((question(fails), answer));
            }
            let left = stage
                .patiently(
                    stage
                        .journal
                        .until(|all| (in_flight(all, waits) == 0).then_some(())),
                    QUIET,
                )
                .await?;
            note(CANCELLED, left);
            other.release();
        }
        Waited::GaveUp(after) => {
            note(ANSWERED, Waited::GaveUp(after));
            other.release();
            if let Waited::Done(Some(Ok(answer))) =
                stage.patiently(asking.join_next(), ANSWER_QUIET).await?
            {
                seen.answers.push((question(fails), answer));
            }
        }
        Waited::TooBusy => seen.too_busy = true,
    }
    Ok(())
}

pub(super) async fn grade(run: &Probing<'_>, bonus: bool) -> anyhow::Result<Judged> {
    let unhurried = Setting::default();
    let down = Setting {
        weather: Place::Down,
        ..unhurried
    };
    let hurried = Setting {
        upstream_timeout: HANG_LIMIT,
        ..unhurried
    };
    let failure_of = |order: Order| {
        observe(
            run,
            "the answer after a failure",
            unhurried,
            async move |stage: &Stage<'_>, seen: &mut Observation| {
                failing(order, stage, seen).await
            },
        )
    };
    let hang_of = |route: &'static str| {
        observe(
            run,
            "504 while the weather hangs",
            hurried,
            async move |stage: &Stage<'_>, seen: &mut Observation| {
                probe::hangs(&CONTRACT, route, stage, seen).await
            },
        )
    };
    // What has a time limit goes first: it waits while the others start.
    let (hung, hung_too, answers, pair, fail_today, fail_tomorrow, crowd, sick, refused) = tokio::join!(
        hang_of(TODAY),
        hang_of(TOMORROW),
        observe_first(run, "plain answers", unhurried, async |stage, seen| {
            probe::answers(&CONTRACT, stage, seen).await
        }),
        observe(
            run,
            "both calls to be in flight together",
            unhurried,
            async |stage, seen| { rendezvous(stage, seen).await }
        ),
        failure_of(TODAY_FIRST),
        failure_of(TOMORROW_FIRST),
        observe(
            run,
            "all clients to be in flight together",
            unhurried,
            async |stage, seen| { probe::together(&CONTRACT, CLIENTS, stage, seen).await }
        ),
        observe(run, "answers to faults", unhurried, async |stage, seen| {
            probe::faults(&CONTRACT, stage, seen).await
        }),
        observe(
            run,
            "an answer while the weather is down",
            down,
            async |stage, seen| { probe::refused(&CONTRACT, CONTRACT.asks[0], stage, seen).await }
        ),
    );
    let (answers, pair) = (answers?, pair?);
    let (fail_today, fail_tomorrow) = (fail_today?, fail_tomorrow?);
    let (crowd, sick, refused, hung, hung_too) = (crowd?, sick?, refused?, hung?, hung_too?);
    let weather = &run.weather;

    let mut answer = answer().judged(
        judge::trouble(&answers, "while it answered one client after another")
            .or_else(|| judge::plain(&CONTRACT, weather, &answers)),
        answers.was_too_busy(),
        "right three times, one call for each day",
    );
    // The kit of the bonus opens a connection for each call: nobody's choice there.
    if let Some(word) = judge::connections(&answers).filter(|_| !bonus) {
        answer.advice = Some(Diagnosis::ConnectionPerCall);
        answer.next_step = word;
    }

    let apart = judge_overlap(&pair);
    let overlapping = apart.is_none();
    let gap = apart.as_ref().and_then(|_| overlap_gap(&pair));
    let overlap = overlap().judged(
        judge::trouble(&pair, "while both answers were withheld").or(apart),
        pair.was_too_busy(),
        "each was asked while the other was waiting",
    );
    let before = "the calls do not overlap: ex02/overlap comes first";
    let labels = if overlapping {
        labels().judged(
            judge_labels(run, &pair),
            pair.was_too_busy(),
            "right in both orders",
        )
    } else {
        labels().not_reached(before)
    };
    let fails = [&fail_today, &fail_tomorrow];
    let busy = fails.iter().any(|seen| seen.was_too_busy());
    let met = fails.iter().all(|seen| !seen.rendezvous.is_empty());
    let slow = fails.iter().find_map(|seen| {
        judge::trouble(seen, "while one call failed").or_else(|| judge_failure(seen))
    });
    let late = slow.is_some();
    let (failure, cancel) = if !overlapping || !(met || late || busy) {
        (failure().not_reached(before), cancel().not_reached(before))
    } else {
        let detached = fails.iter().find_map(|seen| judge_cancel(seen));
        (
            failure().judged(slow, busy, "502 while the other call was still withheld"),
            if late {
                cancel().not_reached("the failure has to answer first: ex02/failure")
            } else {
                cancel().judged(detached, busy, "the other call was given up at once")
            },
        )
    };

    let sure = asleep::make_sure(run, &crowd, unhurried, &CONTRACT, CLIENTS).await?;
    let sure = sure.as_ref();
    let (clients_fault, health_fault) = judge::together(&CONTRACT, weather, &crowd, None);
    let health_fault = health_fault.or_else(|| judge::asleep(sure));
    let crowded = crowd.was_too_busy();
    let together = match &health_fault {
        Some(fault) if fault.diagnosis == Diagnosis::BlockedRuntime => {
            together().not_reached("/healthz has to answer first: ex02/health")
        }
        _ => together().judged(clients_fault, crowded, "all of them in flight at once"),
    };
    let health = judge::health(
        health(),
        health_fault,
        &crowd,
        sure,
        "answered while every call was withheld",
    );
    let faults = faults().judged(
        judge::trouble(&sick, "while the weather was out of order")
            .or_else(|| judge::trouble(&refused, "while the weather refused connections"))
            .or_else(|| judge::faults(&CONTRACT, weather, &sick))
            .or_else(|| judge::faults(&CONTRACT, weather, &refused)),
        sick.was_too_busy() || refused.was_too_busy(),
        "502 each time, and right again afterwards",
    );
    let timeout = timeout().judged(
        judge::trouble(&hung, "while today hung")
            .or_else(|| judge::trouble(&hung_too, "while tomorrow hung"))
            .or_else(|| judge::faults(&CONTRACT, weather, &hung))
            .or_else(|| judge::faults(&CONTRACT, weather, &hung_too)),
        hung.was_too_busy() || hung_too.was_too_busy(),
        "504 each time, before the head, in mid-body, and where the body never ends",
    );
    let mut all = vec![
        &answers,
        &pair,
        &fail_today,
        &fail_tomorrow,
        &crowd,
        &sick,
        &refused,
        &hung,
        &hung_too,
    ];
    all.extend(sure);
    let alive = alive().judged(judge::alive(all.iter().copied()), false, "up to the end");
    let failed = fails
        .into_iter()
        .find(|seen| seen.trouble.is_some() || judge_failure(seen).is_some())
        .or_else(|| fails.into_iter().find(|seen| judge_cancel(seen).is_some()))
        .unwrap_or(&fail_today);
    let at_fault = judge::told_of(&faults, &[&sick, &refused]);
    let late = judge::told_of(&timeout, &[&hung, &hung_too]);
    let mixed_up = (labels.outcome == Outcome::Broken).then(|| evident_round(&pair, &labels));
    let mut findings = vec![
        answer, overlap, labels, failure, cancel, together, health, faults, timeout, alive,
    ];
    if bonus {
        for finding in &mut findings {
            if let Some(step) = finding.diagnosis.and_then(in_callbacks) {
                step.clone_into(&mut finding.next_step);
            }
        }
    }
    let mut timelines = vec![
        judge::timeline("ex02/answer", &answers, None),
        judge::timeline("ex02/overlap", &guilty_round(&pair), gap),
        judge::timeline("ex02/failure", &guilty_failure(failed), failure_gap(failed)),
        judge::timeline(
            "ex02/together",
            judge::telling(&crowd, sure),
            judge::clients_gap(&CONTRACT, judge::telling(&crowd, sure)),
        ),
        judge::timeline("ex02/faults", at_fault, None),
        judge::timeline("ex02/timeout", late, None),
    ];
    timelines.extend(mixed_up.map(|round| judge::timeline("ex02/labels", &round, None)));
    Ok(Judged {
        output: telling_output(&all),
        findings,
        timelines,
    })
}

/// The bonus has no futures to join: what to do there, in callbacks.
fn in_callbacks(diagnosis: Diagnosis) -> Option<&'static str> {
    Some(match diagnosis {
        Diagnosis::Sequential => {
            "Does the second call need anything that the first says? Start both before you return \
             to the event loop. Let the two callbacks share what has come so far (an \
             `Rc<RefCell<…>>`): whoever comes second answers."
        }
        Diagnosis::LabelsSwap => {
            "Do not name results in the order in which they arrive. Give each callback a place of \
             its own to put its answer into."
        }
        Diagnosis::SlowFailure => {
            "Nothing can mend the answer any more. Whichever callback gets the error first takes \
             the responder (`Option::take`) and answers at once."
        }
        Diagnosis::NotCancelled => {
            "Nobody lets a call go for you. Keep what `EventLoop::get` returns, and call `cancel` \
             on it when you have answered."
        }
        _ => return None,
    })
}

/// The part of a recording that belongs to the client whose calls did not meet, or to
/// the first one where all did: the others only repeat it.
fn guilty_round(seen: &Observation) -> Observation {
    let gave_up = |met: &Rendezvous| matches!(met.waited, Waited::GaveUp(_));
    round(seen, seen.rendezvous.iter().position(gave_up).unwrap_or(0))
}

/// The part of a recording in which the evidence lies; the first, where there is none.
fn evident_round(seen: &Observation, finding: &Finding) -> Observation {
    let nth = ours(seen).position(|x| finding.evidence.contains(&x.id));
    round(seen, nth.unwrap_or(0))
}

/// What the clients asked for, in order.
fn ours(seen: &Observation) -> impl Iterator<Item = &Exchange> {
    let is_ours = |x: &&Exchange| x.service == YOU && route_of(x) == CONTRACT.route;
    seen.exchanges.iter().filter(is_ours)
}

/// The part of a recording that belongs to one client.
fn round(seen: &Observation, nth: usize) -> Observation {
    let mut round = seen.clone();
    if let Some(client) = ours(seen).nth(nth) {
        round.exchanges.retain(|x| {
            (nth == 0 || x.arrived >= client.arrived)
                && client.ended.is_none_or(|end| x.arrived <= end)
        });
    }
    round
}

/// The second call came, but only after the program had waited for the first for
/// a while with nothing to do. Once may be chance.
fn judge_hesitation(seen: &Observation) -> Option<Fault> {
    const BELIEVED: usize = 2;
    let hesitations: Vec<_> = seen
        .rendezvous
        .iter()
        .filter(|met| met.waited == Waited::Done(()))
        .filter_map(|met| met.sat_idle)
        .collect();
    let longest = hesitations.iter().max()?;
    (hesitations.len() >= BELIEVED).then(|| {
        Fault::new(
            Diagnosis::Sequential,
            format!(
                "With one call under way it sat idle for {} and more, and made the other one only \
                 then. It had nothing to wait for: the first had not been answered.",
                words(*longest)
            ),
            "Start both before you wait for either, not once the first turns out to be slow: \
             `tokio::try_join!` polls them together.",
        )
        .proved_by(
            [TODAY, TOMORROW]
                .iter()
                .filter_map(|route| Some(seen.asked(route).next()?.id)),
        )
    })
}

fn judge_overlap(seen: &Observation) -> Option<Fault> {
    if let Some(fault) = judge_hesitation(seen) {
        return Some(fault);
    }
    let (met, after) = seen.given_up().next()?;
    let round = guilty_round(seen);
    let today = round.asked(TODAY).next();
    let tomorrow = round.asked(TOMORROW).next();
    let (Some(today), Some(tomorrow)) = (today, tomorrow) else {
        let missing = if today.is_none() { TODAY } else { TOMORROW };
        if seen.asked(missing).next().is_some() {
            return Some(
                Fault::new(
                    Diagnosis::NotAsked,
                    format!(
                        "The weather was asked `GET {missing}` for an earlier client, and not for \
                         this one."
                    ),
                    "Ask the weather for each day whenever a client asks: what was fetched before \
                     is old.",
                )
                .proved_by(round.exchanges.iter().map(|x| x.id)),
            );
        }
        return Some(Fault::new(
            Diagnosis::NotAsked,
            format!("The weather was never asked `GET {missing}`."),
            format!(
                "Both temperatures come from the weather. Is the future of `{missing}` ever awaited?"
            ),
        ));
    };
    let (first, second) = if today.arrived <= tomorrow.arrived {
        (today, tomorrow)
    } else {
        (tomorrow, today)
    };
    let (one, other) = (name(route_of(first)), name(route_of(second)));
    let observed = match first.answered {
        Some(answered) if second.arrived >= answered => format!(
            "`{other}` was asked {} after `{one}` had answered (which was withheld for {}, in case \
             `{other}` would come).",
            words(second.arrived.since(answered)),
            words(met.released.since(first.arrived)),
        ),
        _ => format!(
            "`{other}` did not come for {} while `{one}` was withheld.",
            words(after)
        ),
    };
    let observed = match seen.rendezvous.len() {
        1 => observed,
        n => format!("For client {n} after start-up: {observed}"),
    };
    Some(
        Fault::new(
            Diagnosis::Sequential,
            observed,
            format!(
                "Does `{other}` need anything that `{one}` says? Start both before you wait for \
                 either: `tokio::try_join!` polls them together."
            ),
        )
        .proved_by([first.id, second.id]),
    )
}

fn overlap_gap(seen: &Observation) -> Option<Gap> {
    let round = guilty_round(seen);
    let today = round.asked(TODAY).next()?;
    let tomorrow = round.asked(TOMORROW).next()?;
    let (first, second) = if today.arrived <= tomorrow.arrived {
        (today, tomorrow)
    } else {
        (tomorrow, today)
    };
    Some(Gap {
        from: first.arrived,
        to: second.arrived,
        exchange: second.id,
        label: format!(
            "{} not asked until {} had answered",
            name(route_of(second)),
            name(route_of(first))
        ),
    })
}

/// Every round's answer has each day's temperature under its own name.
fn judge_labels(run: &Probing<'_>, seen: &Observation) -> Option<Fault> {
    let todays: Vec<_> = seen.asked(TODAY).collect();
    let tomorrows: Vec<_> = seen.asked(TOMORROW).collect();
    // Which of the two was answered first where they had changed places.
    let mut swapped: Vec<(bool, Fault)> = vec![];
    for (_, answer) in &seen.answers {
        let ours = seen.exchange(answer.exchange)?;
        let Ok(reply) = &answer.reply else { continue };
        let during = |x: &&&mock_services::exchange::Exchange| {
            x.arrived >= ours.arrived && ours.ended.is_none_or(|end| x.arrived <= end)
        };
        let (Some(today), Some(tomorrow)) =
            (todays.iter().find(during), tomorrows.iter().find(during))
        else {
            continue;
        };
        let readings = [
            run.weather.reading(today.id),
            run.weather.reading(tomorrow.id),
        ];
        let right = body(&readings);
        if same(&right, &reply.body) {
            continue;
        }
        let evidence = [answer.exchange, today.id, tomorrow.id];
        let [a, b] = readings;
        if same(&body(&[b, a]), &reply.body) {
            let today_first = today.answered <= tomorrow.answered;
            let first = if today_first { "today" } else { "tomorrow" };
            let fault = Fault::new(
                Diagnosis::LabelsSwap,
                format!(
                    "When `{first}` was answered first, the answer was `{}`. Right was `{right}`.",
                    reply.body.trim_end()
                ),
                "Do not name results in the order in which they arrive. `join!` and `try_join!` \
                 give them back in the order in which you wrote them.",
            );
            swapped.push((today_first, fault.proved_by(evidence)));
            continue;
        }
        if !swapped.is_empty() {
            break;
        }
        return Some(
            Fault::new(
                Diagnosis::WrongBody,
                format!(
                    "The answer was `{}` with status {}. Right was `{right}`.",
                    reply.body.trim_end(),
                    reply.status
                ),
                "Compare the two letter by letter.",
            )
            .proved_by(evidence),
        );
    }
    let in_one_order = |first: bool| swapped.iter().all(|(today, _)| *today == first);
    let always = !in_one_order(true) && !in_one_order(false);
    if let Some((_, fault)) = swapped.into_iter().next() {
        return Some(if always { swapped_always(fault) } else { fault });
    }
    judge::silence(&CONTRACT, seen)
}

/// Whoever swaps the two in either order has not taken them as they came.
fn swapped_always(fault: Fault) -> Fault {
    Fault {
        observed: format!("{} In the other order it was wrong, too.", fault.observed),
        next_step: "The two have changed places whichever came first. Compare the names left of \
                    the `=` with the calls right of it, and what each name is printed under."
            .to_owned(),
        ..fault
    }
}

/// One failure: what was asked, our answer, the call that failed, and the other one.
struct Failed<'seen> {
    question: Question,
    answer: &'seen Answer,
    call: &'seen Exchange,
    other: &'seen Exchange,
    /// How the wait for the answer ended, and that for the other call's end.
    answered: &'seen Rendezvous,
    cancelled: Option<&'seen Rendezvous>,
}

/// The failures of a probe, each with what belongs to it.
fn failures(seen: &Observation) -> impl Iterator<Item = Failed<'_>> {
    let about = |what| seen.rendezvous.iter().filter(move |met| met.about == what);
    let of_failures = seen
        .answers
        .iter()
        .filter(|(question, _)| question.route().is_some());
    let each = about(ANSWERED).zip(of_failures).enumerate();
    each.filter_map(move |(nth, (answered, (question, answer)))| {
        let fails = question.route()?;
        let waits = if fails == TODAY { TOMORROW } else { TODAY };
        let ours = seen.exchange(answer.exchange)?;
        let during = |x: &&Exchange| x.arrived >= ours.arrived;
        Some(Failed {
            question: *question,
            answer,
            call: seen.asked(fails).find(during)?,
            other: seen.asked(waits).find(during)?,
            answered,
            cancelled: about(CANCELLED).nth(nth),
        })
    })
}

/// The part of a recording that belongs to the failure that is told of, or to the first.
fn guilty_failure(seen: &Observation) -> Observation {
    let is_guilty =
        |failed: &Failed<'_>| one_failure(failed).is_some() || one_cancel(failed).is_some();
    let failed = failures(seen).find(is_guilty).or(failures(seen).next());
    let ours = failed.and_then(|failed| seen.exchange(failed.answer.exchange));
    let mut round = seen.clone();
    if let Some(ours) = ours {
        round
            .exchanges
            .retain(|x| x.arrived >= ours.arrived && ours.ended.is_none_or(|end| x.arrived <= end));
    }
    round
}

fn judge_failure(seen: &Observation) -> Option<Fault> {
    failures(seen).find_map(|failed| one_failure(&failed))
}

fn one_failure(failed: &Failed<'_>) -> Option<Fault> {
    let Failed {
        answer,
        call,
        other,
        ..
    } = failed;
    let evidence = [answer.exchange, call.id, other.id];
    let with = match failed.question {
        Question::Garbage(_) => "a body that is no JSON",
        _ => "status 500",
    };
    let hidden = matches!(&answer.reply, Ok(reply) if (200..300).contains(&reply.status));
    if hidden {
        // Whoever hides the failure has no reason to hurry: that comes first.
        return Some(
            Fault::new(
                Diagnosis::FaultHidden,
                format!(
                    "The weather answered `{}` with {with}, and your server `GET /tomorrow` with \
                     200 all the same.",
                    call.request
                ),
                "Say so when the weather fails: answer 502. Check the status (`error_for_status`) \
                 before you read the body, and pass every error on with `?`.",
            )
            .proved_by(evidence),
        );
    }
    let Waited::GaveUp(after) = failed.answered.waited else {
        return None;
    };
    let (fails, waits) = (name(route_of(call)), name(route_of(other)));
    let (observed, next_step) = match failed.question {
        Question::Garbage(_) => (
            format!(
                "`{fails}` was answered with {with}, and for {} there was no answer of yours: it \
                 came only after `{waits}` had been let go.",
                words(after)
            ),
            "A body that cannot be read is a failure like any other. Read each one where you ask \
             for it, in the future that you hand to `try_join!`, and not after both have come.",
        ),
        _ => (
            format!(
                "`{fails}` failed, and for {} there was no answer: it came only after `{waits}` had \
                 been let go.",
                words(after),
            ),
            "Nothing can mend the answer any more, so do not wait for the rest. `try_join!` ends \
             with the first error; `join!` waits for all. (Of spawned tasks it sees no error \
             but a panic: a `JoinHandle` gives your `Result` inside another.)",
        ),
    };
    Some(Fault::new(Diagnosis::SlowFailure, observed, next_step).proved_by(evidence))
}

fn judge_cancel(seen: &Observation) -> Option<Fault> {
    failures(seen).find_map(|failed| one_cancel(&failed))
}

fn one_cancel(failed: &Failed<'_>) -> Option<Fault> {
    let Waited::GaveUp(after) = failed.cancelled?.waited else {
        return None;
    };
    Some(
        Fault::new(
            Diagnosis::NotCancelled,
            format!(
                "`{}` failed and you answered, but {} later the call for `{}` was still open, and \
                 nobody waits for it.",
                name(route_of(failed.call)),
                words(after),
                name(route_of(failed.other))
            ),
            "A dropped future is cancelled, a spawned task is not. Await both calls in one \
             `try_join!`, or abort the task (`JoinSet`, `AbortHandle`) when you answer.",
        )
        .proved_by([failed.answer.exchange, failed.other.id]),
    )
}

fn failure_gap(seen: &Observation) -> Option<Gap> {
    let late = failures(seen).find(|failed| one_failure(failed).is_some());
    if let Some(failed) = late {
        return Some(Gap {
            from: failed.call.answered?,
            to: seen.exchange(failed.answer.exchange)?.answered?,
            exchange: failed.call.id,
            label: format!("{} had failed; no answer yet", name(route_of(failed.call))),
        });
    }
    let kept = failures(seen).find(|failed| one_cancel(failed).is_some())?;
    Some(Gap {
        from: seen.exchange(kept.answer.exchange)?.answered?,
        to: kept.cancelled?.released,
        exchange: kept.other.id,
        label: "nobody waits for this any more".to_owned(),
    })
}

fn name(route: &str) -> &str {
    route.trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_are_told_of_callbacks() {
        for (diagnosis, word) in [
            (Diagnosis::Sequential, "event loop"),
            (Diagnosis::LabelsSwap, "callback"),
            (Diagnosis::SlowFailure, "Option::take"),
            (Diagnosis::NotCancelled, "cancel"),
        ] {
            let step = in_callbacks(diagnosis).expect("callbacks have another step");
            assert!(step.contains(word), "{diagnosis}: {step}");
            assert!(!step.contains("try_join"), "{diagnosis}: {step}");
        }
        assert_eq!(in_callbacks(Diagnosis::WrongBody), None);
    }

    /// One client's round: its own exchange, and the calls for today and tomorrow.
    fn round(id: u32, from: u64, today: (u64, u64), tomorrow: (u64, u64)) -> [Exchange; 3] {
        use mock_services::exchange::Ending;

        let exchange = |id, service: &str, route: &str, (from, to)| Exchange {
            id,
            service: service.to_owned(),
            connection: 1,
            request: format!("GET {route}"),
            arrived: Moment::from_micros(from),
            answered: Some(Moment::from_micros(to)),
            ended: Some(Moment::from_micros(to)),
            status: Some(200),
            ending: Ending::Answered,
            frames: Vec::new(),
        };
        let to = today.1.max(tomorrow.1) + 1;
        [
            exchange(id, YOU, "/tomorrow", (from, to)),
            exchange(id + 1, "weather", TODAY, today),
            exchange(id + 2, "weather", TOMORROW, tomorrow),
        ]
    }

    #[test]
    fn a_call_that_was_read_late_is_as_early_as_it_came() {
        let mut calls = round(1, 0, (100_000, 200_000), (130_000, 200_000));
        for call in &mut calls {
            call.answered = None;
        }
        let [_, today, tomorrow] = &calls;
        let apart_for = |lain: fn(&Exchange) -> u64| {
            let came = |x: &Exchange| x.arrived - Duration::from_millis(lain(x));
            apart(&calls, came).expect("both are under way")
        };
        assert_eq!(apart_for(|_| 0), tomorrow.arrived.since(today.arrived));
        assert_eq!(apart_for(|_| 0), Duration::from_millis(30));
        let late = |x: &Exchange| if route_of(x) == TODAY { 90 } else { 0 };
        assert_eq!(apart_for(late), Duration::from_millis(120));
    }

    #[test]
    fn the_round_that_did_not_meet_is_told_of_and_drawn() {
        let met = |waited| Rendezvous {
            about: "both calls",
            wanted: 2,
            reached: 2,
            waited,
            released: Moment::from_micros(250_030),
            sat_idle: None,
        };
        let together = round(1, 0, (1, 9), (2, 9));
        let apart = round(4, 20, (25, 250_030), (250_040, 250_050));
        let mut seen = Observation {
            exchanges: [together.clone(), apart].concat(),
            rendezvous: vec![
                met(Waited::Done(())),
                met(Waited::GaveUp(Duration::from_millis(250))),
            ],
            ..Observation::default()
        };
        let fault = judge_overlap(&seen).expect("the second client's calls came apart");
        assert_eq!(fault.diagnosis, Diagnosis::Sequential);
        assert!(
            fault.observed.starts_with("For client 2 "),
            "{}",
            fault.observed
        );
        let drawn: Vec<_> = guilty_round(&seen).exchanges.iter().map(|x| x.id).collect();
        assert_eq!(drawn, [4, 5, 6]);
        assert_eq!(overlap_gap(&seen).map(|gap| gap.exchange), Some(6));

        seen.exchanges = [together, round(7, 20, (25, 30), (26, 31))].concat();
        seen.rendezvous[1].waited = Waited::Done(());
        assert!(judge_overlap(&seen).is_none());
        let drawn: Vec<_> = guilty_round(&seen).exchanges.iter().map(|x| x.id).collect();
        assert_eq!(drawn, [1, 2, 3]);
    }
}
