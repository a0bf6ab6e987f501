//! The questions that every exercise asks. Each runs against an instance of the
//! program of its own and returns what it saw; none of them judges.

use std::future::Future;
use std::time::{Duration, Instant};

use mock_services::exchange::{Ending, Exchange};
use mock_services::moment::Moment;
use mock_services::scene::Scene;
use mock_services::script::{Delivery, Hold, Treatment, Trickle};
use tokio::task::JoinSet;

use crate::asleep;
use crate::client::{Answer, Reply, YOU};
use crate::contract::{Contract, service_of};
use crate::observation::{
    HealthSeen, Observation, PLAIN_LIMIT, Question, Rendezvous, Silence, Tries, route_of,
};
use crate::probing::{Probing, Source};
use crate::program::Activity;
use crate::run::Run;
use crate::stage::{ANSWER_QUIET, Health, QUIET, Setting, Stage, Trouble, Unset, Waited, Watch};

/// The time limit that the program is told where a service hangs.
pub const HANG_LIMIT: Duration = Duration::from_millis(42);

/// How long an answer may take where a service hangs: a program may have a
/// limit of its own instead of the one that it was told.
pub const NO_LIMIT_AFTER: Duration = Duration::from_secs(5);

/// A silence is believed when a second stage has shown it again.
const BELIEVED: u32 = 2;

/// A program that is now this and now that is tried anew so often.
const DOUBTS: u32 = 2;

/// Runs a probe on a fresh stage; again, where it only saw a silence or the
/// machine was too busy. Or sees what is on the tape.
///
/// # Errors
/// Faults that are not the learner's.
pub async fn observe(
    probing: &Probing<'_>,
    waiting_for: &str,
    setting: Setting,
    probe: impl AsyncFn(&Stage<'_>, &mut Observation) -> Result<(), Trouble>,
) -> anyhow::Result<Observation> {
    observe_on(None, probing, waiting_for, setting, probe).await
}

/// The same, with the stage that is set already for the first attempt.
///
/// # Errors
/// Faults that are not the learner's.
pub async fn observe_first(
    probing: &Probing<'_>,
    waiting_for: &str,
    setting: Setting,
    probe: impl AsyncFn(&Stage<'_>, &mut Observation) -> Result<(), Trouble>,
) -> anyhow::Result<Observation> {
    let first = match &probing.source {
        Source::Program(_, first) => first.take().map(|stage| *stage),
        Source::Unready(_) | Source::Tape(_) => None,
    };
    observe_on(first, probing, waiting_for, setting, probe).await
}

async fn observe_on<'run>(
    first: Option<Stage<'run>>,
    probing: &Probing<'run>,
    waiting_for: &str,
    setting: Setting,
    probe: impl AsyncFn(&Stage<'_>, &mut Observation) -> Result<(), Trouble>,
) -> anyhow::Result<Observation> {
    let ticket = probing.begin(waiting_for);
    match &probing.source {
        Source::Program(run, _) => {
            let seen = attempts(first, run, waiting_for, setting, probe).await?;
            probing.keep(ticket, &seen);
            Ok(seen)
        }
        Source::Unready(seen) => Ok(seen.as_ref().clone()),
        Source::Tape(tape) => ticket.on(tape),
    }
}

async fn attempts<'run>(
    mut first: Option<Stage<'run>>,
    run: &'run Run,
    waiting_for: &str,
    setting: Setting,
    probe: impl AsyncFn(&Stage<'_>, &mut Observation) -> Result<(), Trouble>,
) -> anyhow::Result<Observation> {
    const ATTEMPTS: u32 = 5;
    /// A program that keeps a busy machine undecided for this long would do so again.
    const LONGEST: Duration = Duration::from_secs(30);
    /// A program that has waited twice as long after each of some tries must come back
    /// while anybody still waits for it.
    const LONGEST_AGAIN: Duration = Duration::from_millis(80);
    let began = Instant::now();
    let _waiting = run.progress.waiting_for(waiting_for);
    let mut silences = 0;
    let mut doubts = 0;
    let mut setting = setting;
    for attempt in 1.. {
        let stage = match first.take() {
            Some(stage) => Ok(stage),
            None => Stage::set(run, setting).await,
        };
        let mut seen = match stage {
            Ok(stage) => on(stage, &probe).await,
            Err(unset) => unready(unset)?,
        };
        asleep::compare_with_alone(run, setting, &mut seen).await?;
        if setting.upstream_timeout < NO_LIMIT_AFTER / 2 {
            // A busy machine needs a longer limit to tell whose time ran out.
            setting.upstream_timeout *= 3;
        }
        if let Some(again_after) = &mut setting.parent {
            // And longer waits to tell those from its own lateness.
            *again_after = (*again_after * 2).min(LONGEST_AGAIN);
        }
        let is_last = attempt == ATTEMPTS || began.elapsed() > LONGEST;
        if let Some(disturbance) = seen.disturbed {
            if is_last {
                run.note_disturbance(disturbance);
                return Ok(seen);
            }
            continue;
        }
        if matches!(seen.health, Some(HealthSeen::DozedAtTimes(_))) && doubts < DOUBTS && !is_last {
            doubts += 1;
            continue;
        }
        silences += u32::from(seen.gave_up());
        let undecided = seen.was_too_busy() || seen.gave_up() && silences < BELIEVED;
        if !undecided || seen.silence.is_some() {
            return Ok(seen);
        }
        if is_last {
            return Ok(seen.without_what_was_not_repeated());
        }
    }
    unreachable!("the loop returns at its last attempt")
}

/// Runs a probe on a stage that is set, and ends the stage.
async fn on(
    stage: Stage<'_>,
    probe: &impl AsyncFn(&Stage<'_>, &mut Observation) -> Result<(), Trouble>,
) -> Observation {
    let mut seen = Observation {
        ready_after: stage.ready_after,
        limit: stage.setting.upstream_timeout,
        ..Observation::default()
    };
    /// No probe takes this long: each of its waits has an end of its own.
    const LONGEST: Duration = Duration::from_secs(120);
    let stood_still = stage.run.pulse.stood_still();
    let mut trouble = match tokio::time::timeout(LONGEST, probe(&stage, &mut seen)).await {
        Ok(probed) => probed.err(),
        Err(_) => Some(Trouble::TooBusy),
    };
    if trouble.is_none() && seen.silence.is_some() && seen.health.is_none() {
        // Is it that request alone that stands still, or everything?
        match stage.health().await {
            Ok(health) => note_health(health, &mut seen, &mut JoinSet::new()),
            Err(ended) => trouble = Some(ended),
        }
    }
    let broke = trouble.is_some()
        || seen.answers.iter().any(|(_, a)| a.reply.is_err())
        || seen
            .carried
            .iter()
            .any(|call| matches!(call.got, Some(Err(_))));
    seen.event_loop = stage.program.event_loop();
    seen.health_waited = longest_wait(&stage.health_journal.exchanges());
    let settled = match trouble {
        Some(Trouble::Ended(_) | Trouble::Flooded { .. }) => None,
        _ => stage.settle(broke).await,
    };
    seen.trouble = settled.or(trouble);
    seen.exchanges = stage.journal.exchanges();
    seen.exchanges.extend(telling_health(&seen, &stage));
    if let Some(end) = seen.recorded_until {
        seen.exchanges.retain(|x| x.arrived <= end);
    }
    seen.exchanges.sort_by_key(|x| x.arrived);
    let (ended, disturbed) = stage.end(stood_still).await;
    seen.disturbed = disturbed;
    seen.exit = ended.exit;
    seen.output = ended.output;
    seen.left_behind = ended.left_behind;
    seen
}

/// The `/healthz` that tells the story. It is the last one, for those before it were
/// answered at once; or the one that had to wait for the longest.
fn telling_health(seen: &Observation, stage: &Stage<'_>) -> Option<Exchange> {
    let mut all = stage.health_journal.exchanges();
    if let Some(end) = seen.recorded_until {
        all.retain(|x| x.arrived <= end);
    }
    match seen.health {
        Some(HealthSeen::Dozed(_) | HealthSeen::DozedAtTimes(_)) => {
            all.into_iter().max_by_key(waited)
        }
        _ => all.pop(),
    }
}

/// The longest that one of them waited for its answer. `None` where one got none.
fn longest_wait(healths: &[Exchange]) -> Option<Duration> {
    let all_answered = healths.iter().all(|x| x.answered.is_some());
    let longest = healths.iter().map(waited).max();
    longest.filter(|_| all_answered)
}

/// How long an answer took to begin.
pub fn waited(x: &Exchange) -> Duration {
    x.answered.map(|at| at.since(x.arrived)).unwrap_or_default()
}

/// What is seen of a program that did not become ready.
///
/// # Errors
/// Faults that are not the learner's.
pub fn unready(unset: Unset) -> anyhow::Result<Observation> {
    match unset {
        Unset::Trouble(trouble, output) => Ok(Observation {
            trouble: Some(trouble),
            output,
            ..Observation::default()
        }),
        Unset::Fault(error) => Err(error),
    }
}

/// One client after another, all services well.
///
/// # Errors
/// Where the program ends or floods.
pub async fn answers(
    contract: &Contract,
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    const REQUESTS: u32 = 3;
    seen.title = "one client after another".to_owned();
    for _ in 0..REQUESTS {
        ask(contract, stage, seen, Question::Plain, ANSWER_QUIET).await?;
    }
    Ok(())
}

/// A thread that is blocked for longer than this is noticed: for so long at most does
/// nobody ask for `/healthz` while clients come in. Where it was longer, because the
/// checker was not let run, that says nothing about the program.
const UNWATCHED: Duration = Duration::from_millis(75);

/// As many clients at once as the contract says; every answer of the weather is
/// withheld until all of them are in flight there, and `/healthz` is asked
/// meanwhile.
///
/// # Errors
/// Where the program ends or floods.
pub async fn together(
    contract: &Contract,
    clients: usize,
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    let hold = Hold::default();
    let held = hold.clone();
    stage.play(move |_| Treatment::held(&held));
    let in_flight = |exchanges: &[Exchange]| {
        contract
            .asks
            .iter()
            .map(|route| in_flight(exchanges, route))
            .max()
            .unwrap_or_default()
    };
    let target = contract.target(&stage.run.keys);
    all_held(stage, seen, clients, &target, in_flight, || hold.release()).await
}

/// Many clients of `target` at once, and `/healthz` meanwhile. Whoever withholds the
/// answers says how many calls are in flight, and releases them once all are.
///
/// # Errors
/// Where the program ends or floods.
pub async fn all_held(
    stage: &Stage<'_>,
    seen: &mut Observation,
    clients: usize,
    target: &str,
    in_flight: impl Fn(&[Exchange]) -> usize,
    release: impl FnOnce(),
) -> Result<(), Trouble> {
    seen.title =
        format!("{clients} clients at once, every answer withheld until all have been asked for");
    let since = stage.journal.clock().now();
    // In one go, with `/healthz` in their midst: however late this machine lets
    // anybody run, some clients have been there before it.
    let mut asking = crowd(stage, target, clients / 2);
    let in_their_midst = stage.keep_asking_health();
    crowd_into(&mut asking, stage, target, clients - clients / 2);
    let met = stage
        .journal
        .until(|exchanges| (in_flight(exchanges) >= clients).then_some(()));

    let mut late = JoinSet::new();
    let waited = while_they_come(stage, seen, in_their_midst, &mut late, since, met).await?;
    let reached = in_flight(&stage.journal.exchanges());
    if seen.health_is_fine() {
        note_health(stage.health().await?, seen, &mut late);
    }
    let released = stage.journal.clock().now();
    seen.rendezvous.push(Rendezvous {
        sat_idle: None,
        about: "clients",
        wanted: clients,
        reached,
        waited,
        released,
    });
    release();

    let answered = async {
        let mut answers = Vec::new();
        while let Some(Ok(answer)) = asking.join_next().await {
            answers.push((Question::Plain, answer));
        }
        while late.join_next().await.is_some() {}
        answers
    };
    match while_they_are_answered(stage, seen, answered).await? {
        Waited::Done(answers) => {
            seen.answers = answers;
            seen.unwatched = longest_unwatched(stage, since);
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

/// The longest time in which no `/healthz` was answered, from the first request of a client
/// since then to the last one's answer. Only where that is short can nobody have been kept
/// waiting. Zero where the system does not say what a program does: nobody could look any
/// closer.
fn longest_unwatched(stage: &Stage<'_>, since: Moment) -> Duration {
    if stage.program.activity().is_none() {
        return Duration::ZERO;
    }
    unwatched(
        &calls_since(stage, since),
        &stage.health_journal.exchanges(),
    )
}

/// What came since then. Before a crowd comes, others may have been asked.
fn calls_since(stage: &Stage<'_>, since: Moment) -> Vec<Exchange> {
    let mut calls = stage.journal.exchanges();
    calls.retain(|x| x.arrived >= since);
    calls
}

fn unwatched(calls: &[Exchange], healths: &[Exchange]) -> Duration {
    let clients = || calls.iter().filter(|x| x.service == YOU);
    let began = clients().map(|x| x.arrived).min();
    let over = clients().filter_map(|x| x.ended).max();
    let (Some(began), Some(over)) = (began, over) else {
        return Duration::ZERO;
    };
    let mut seen: Vec<_> = healths.iter().filter_map(|x| x.answered).collect();
    seen.retain(|at| (began..over).contains(at));
    seen.extend([began, over]);
    seen.sort_unstable();
    let gaps = seen.windows(2).map(|pair| pair[1].since(pair[0]));
    gaps.max().unwrap_or_default()
}

/// For how long its threads, taken together, had to wait for a processor.
pub fn lacked(before: Option<Activity>, after: Option<Activity>) -> Duration {
    match (before, after) {
        (Some(before), Some(after)) => after.waited.saturating_sub(before.waited),
        _ => Duration::ZERO,
    }
}

/// Waits until all clients have met, and hears what `/healthz` says while they come in.
///
/// # Errors
/// Where the program ends or floods.
pub async fn while_they_come(
    stage: &Stage<'_>,
    seen: &mut Observation,
    health: std::io::Result<Watch>,
    late: &mut JoinSet<()>,
    since: Moment,
    met: impl Future<Output = ()>,
) -> Result<Waited<()>, Trouble> {
    let waiting = async {
        // A program may take its time before it asks anybody.
        match begun(stage).await? {
            Waited::Done(()) => stage.patiently(met, QUIET).await,
            other => Ok(other),
        }
    };
    tokio::pin!(waiting);
    let Ok(mut health) = health else {
        note_health(Health::Broken, seen, late);
        return waiting.await;
    };
    let mut over = None;
    while seen.health_is_fine() && !seen.too_busy {
        tokio::select! {
            biased;
            waited = &mut waiting, if over.is_none() => {
                over = Some(waited?);
                health.enough();
            }
            said = health.next(stage) => match said? {
                Some(said) => note_health(said, seen, late),
                None => break,
            }
        }
    }
    let Some(waited) = over else {
        if !matches!(seen.health, Some(HealthSeen::Silent(_))) {
            return waiting.await;
        }
        // It may be long before it asks; that it stands still has been seen.
        let rest = tokio::time::timeout(2 * QUIET, &mut waiting).await;
        return rest.unwrap_or(Ok(Waited::GaveUp(2 * QUIET)));
    };
    // Who did not come at all was not kept from it by something that has passed.
    seen.too_busy |= waited == Waited::Done(())
        && may_have_been_blocked(
            &calls_since(stage, since),
            &stage.health_journal.exchanges(),
        );
    Ok(waited)
}

/// Whether clients came to the services so late that the program may have been blocked in
/// the times in which `/healthz` had been answered and was not asked again: they are no
/// small part of the whole. The journals say when that was; whoever reads them may be late.
fn may_have_been_blocked(calls: &[Exchange], healths: &[Exchange]) -> bool {
    let (clients, services): (Vec<_>, Vec<_>) = calls.iter().partition(|x| x.service == YOU);
    let came = services.iter().map(|x| x.arrived).max();
    let (Some(began), Some(came)) = (clients.iter().map(|x| x.arrived).min(), came) else {
        return false;
    };
    let mut watched_until = began;
    let mut unseen = Duration::ZERO;
    let mut pass = |from: Moment, to: Moment| {
        let unwatched = to.since(from);
        if unwatched > UNWATCHED {
            unseen += unwatched;
        }
    };
    for health in healths {
        if health.arrived >= began && health.arrived < came {
            pass(watched_until, health.arrived);
            watched_until = health.answered.unwrap_or(came).min(came).max(watched_until);
        }
    }
    pass(watched_until, came);
    3 * unseen > came.since(began)
}

/// Waits for the answers to all clients, and asks for `/healthz` meanwhile: what handlers
/// do once they have what they waited for may block as well.
async fn while_they_are_answered<T>(
    stage: &Stage<'_>,
    seen: &mut Observation,
    answered: impl Future<Output = T>,
) -> Result<Waited<T>, Trouble> {
    let mut was_silent = matches!(seen.health, Some(HealthSeen::Silent(_)));
    let answered = stage.patiently(answered, ANSWER_QUIET);
    tokio::pin!(answered);
    /// So that nobody is unwatched for long; and where it takes longer, in proportion.
    const LONGEST_PAUSE: Duration = Duration::from_millis(4);
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        tokio::select! {
            biased;
            answers = &mut answered => return answers,
            () = tokio::time::sleep(pause), if !was_silent => {
                pause = (pause * 2).min(LONGEST_PAUSE.max(began.elapsed() / 10));
            }
        }
        let health = stage.health();
        tokio::pin!(health);
        let mut all = None;
        let health = loop {
            tokio::select! {
                biased;
                health = &mut health => break health?,
                answers = &mut answered, if all.is_none() => all = Some(answers?),
            }
        };
        match health {
            Health::Silent { after, .. } => {
                seen.health = Some(HealthSeen::SilentAfterwards(after));
                was_silent = true;
            }
            Health::TooBusy => seen.too_busy = true,
            // What it says while all calls are withheld has been seen.
            Health::Answered { asleep, .. } => seen.asleep += asleep,
            Health::Broken => {}
        }
        if let Some(answers) = all {
            return Ok(answers);
        }
        if was_silent {
            return answered.await;
        }
    }
}

/// Waits until the program has asked a service for a client, or has answered all
/// clients without; for as long as an answer may take.
///
/// # Errors
/// Where the program ends or floods.
pub async fn begun(stage: &Stage<'_>) -> Result<Waited<()>, Trouble> {
    let is_so = |all: &[Exchange]| {
        let mut ours = all.iter().filter(|x| x.service == YOU);
        all.iter().any(|x| x.service != YOU && x.ended.is_none()) || ours.all(|x| x.ended.is_some())
    };
    let begun = stage.journal.until(move |all| is_so(all).then_some(()));
    stage.patiently(begun, ANSWER_QUIET).await
}

/// The service's faults, one after another, and a plain request after them.
///
/// # Errors
/// Where the program ends or floods.
pub async fn faults(
    contract: &Contract,
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    seen.title = "the services are out of order in every way, then well again".to_owned();
    // What a program remembers of better days must not stand in for an answer.
    ask(contract, stage, seen, Question::Plain, ANSWER_QUIET).await?;
    for &route in contract.asks {
        for (question, treatment) in [
            (Question::Sick(route), Treatment::scene(Scene::Sick)),
            (Question::Garbage(route), Treatment::scene(Scene::Garbage)),
            (Question::Cut(route), Treatment::delivery(Delivery::Cut)),
            (Question::Reset(route), Treatment::delivery(Delivery::Reset)),
        ] {
            stage.play(move |asked| {
                if asked.path == route {
                    treatment.clone()
                } else {
                    Treatment::default()
                }
            });
            ask(contract, stage, seen, question, ANSWER_QUIET).await?;
        }
    }
    stage.play(|_| Treatment::default());
    ask(contract, stage, seen, Question::Afterwards, ANSWER_QUIET).await
}

/// The service refuses connections.
///
/// # Errors
/// Where the program ends or floods.
pub async fn refused(
    contract: &Contract,
    route: &'static str,
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    seen.title = format!("nobody listens where {} should be", service_of(route));
    ask(
        contract,
        stage,
        seen,
        Question::Refused(route),
        ANSWER_QUIET,
    )
    .await
}

/// Far more often than a program's time runs out.
const TRICKLE: Duration = Duration::from_millis(5);

/// How a service can hang, a call each.
const WAYS_TO_HANG: usize = 3;

/// The service hangs: for one client before the head, for the next in mid-body, and for
/// the third its body comes without end.
///
/// # Errors
/// Where the program ends or floods.
pub async fn hangs(
    contract: &Contract,
    route: &'static str,
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    seen.title = format!(
        "{} takes the request and never answers it whole",
        service_of(route)
    );
    let mut well = 0;
    if contract.keyed {
        // Once well: what a program then remembers must not stand in for an answer.
        let target = contract.target(&stage.run.keys);
        let once = stage
            .patiently(stage.client.get(&target), NO_LIMIT_AFTER)
            .await?;
        // Where it ran out of time itself there is nothing to remember: a longer
        // limit is needed, and another attempt.
        seen.too_busy |= matches!(
            once,
            Waited::Done(Answer {
                reply: Ok(Reply { status: 504, .. }),
                ..
            }) | Waited::TooBusy
        );
        well = calls_of(route, &stage.journal.exchanges()).count() as u32;
    }
    let trickle = Trickle::every(TRICKLE);
    let flowing = trickle.clone();
    stage.play(move |asked| {
        if asked.path != route {
            Treatment::default()
        } else {
            match (asked.nth - well) as usize % WAYS_TO_HANG {
                1 => Treatment::delivery(Delivery::Hang),
                2 => Treatment::delivery(Delivery::HangInBody),
                _ => Treatment::trickled(&flowing),
            }
        }
    });
    let before = stage.program.activity();
    let since = stage.journal.clock().now();
    let mut asking = crowd(stage, &contract.target(&stage.run.keys), WAYS_TO_HANG);
    while !asking.is_empty() {
        let next = stage.patiently(asking.join_next(), NO_LIMIT_AFTER).await?;
        match next {
            Waited::Done(Some(Ok(answer))) => seen.answers.push((Question::Hang(route), answer)),
            Waited::Done(_) => break,
            Waited::GaveUp(after) => {
                seen.silence = Some(Silence {
                    question: Question::Hang(route),
                    after,
                });
                break;
            }
            Waited::TooBusy => {
                seen.too_busy = true;
                break;
            }
        }
    }
    // Clients may have shared calls, and a call may be lost on a busy machine.
    let exchanges = || {
        let mut all = stage.journal.exchanges();
        all.retain(|x| x.arrived >= since);
        all
    };
    let came = || calls_of(route, &exchanges()).count();
    for _ in 1..WAYS_TO_HANG {
        if came() < WAYS_TO_HANG {
            ask(contract, stage, seen, Question::Hang(route), NO_LIMIT_AFTER).await?;
        }
    }
    if let Some(silence) = &mut seen.silence {
        let open = exchanges();
        let open = calls_of(route, &open).filter(|x| x.ended.is_none()).count();
        if open > 0 && open == trickle.under_way() {
            silence.question = Question::Trickle(route);
        }
        return Ok(());
    }
    // A 504 proves a limit on the call that hangs only if every way to hang was met and
    // the limit cannot have ended another call: every other answer went out in good
    // time, and the program did not lack a processor to read it. And it proves a limit
    // on the whole of a body only if that body was never silent for long.
    let (half, third) = (seen.limit / 2, seen.limit / 3);
    let starved = lacked(before, stage.program.activity()) > half;
    let mut exchanges = exchanges();
    // Where we are late to read, calls that came one by one are read all at once, and
    // would look as if the last of them had been made when the first was given up.
    for x in &mut exchanges {
        x.arrived = stage.journal.came(x);
    }
    let gave_up = |(_, answer): &(Question, Answer)| {
        answer.reply.as_ref().is_ok_and(|reply| reply.status == 504)
    };
    let lost =
        calls_of(route, &exchanges).count() < WAYS_TO_HANG && seen.answers.iter().any(gave_up);
    // Half a limit without a processor, and a third without a byte or an answer, are less
    // than a limit.
    let paused = trickle.longest_pause() > third;
    let tries = Tries::of(contract, route, &stage.journal.exchanges());
    let undecided = if went_on(contract, route, &exchanges) {
        // Without a yes, whoever's time ran out.
        false
    } else if tries.again() {
        // Whose time ran out is plain: but not yet whether all of it was one limit.
        seen.limit < PLAIN_LIMIT
    } else {
        others_may_run_out(route, third, &exchanges)
    };
    seen.too_busy |= starved || lost || paused || undecided;
    Ok(())
}

/// Whether a service was asked that may be asked only once this one has answered.
fn went_on(contract: &Contract, route: &str, exchanges: &[Exchange]) -> bool {
    let later = contract.asks.iter().skip_while(|asked| **asked != route);
    contract.keyed
        && later
            .skip(1)
            .any(|later| calls_of(later, exchanges).next().is_some())
}

/// The calls of a route at the services.
fn calls_of<'a>(route: &str, exchanges: &'a [Exchange]) -> impl Iterator<Item = &'a Exchange> {
    exchanges
        .iter()
        .filter(move |x| x.service != YOU && route_of(x) == route)
}

/// Whether a call that a service is to answer, which is any but one in three of
/// the route that hangs, was not answered within `limit` of the earliest moment at
/// which the program can have begun to wait for it. That is our first request. A
/// program that takes one client at a time begins with the next when a call was
/// given up and no other was under way.
fn others_may_run_out(route: &str, limit: Duration, exchanges: &[Exchange]) -> bool {
    let Some(asked) = exchanges.iter().map(|x| x.arrived).min() else {
        return false;
    };
    let calls = || exchanges.iter().filter(|x| x.service != YOU);
    let unanswered = calls().filter(|x| x.answered.is_none()).count();
    if unanswered > calls_of(route, exchanges).count().div_ceil(WAYS_TO_HANG) {
        return true;
    }
    // That a call was given up shows at its own service, and a little later than what
    // the program did next shows at another.
    let shown_late = limit / 4;
    // Nothing else was under way then, nor just before.
    let alone = |left: &Exchange, at: Moment| {
        calls().all(|x| {
            std::ptr::eq(x, left)
                || x.ended.is_some_and(|end| end + shown_late <= at)
                || at.since(x.arrived) <= shown_late
        })
    };
    let given_up: Vec<_> = calls()
        .filter(|x| x.ending == Ending::Left)
        .filter_map(|x| x.ended.filter(|at| alone(x, *at)))
        .collect();
    calls().any(|call| {
        let begun = given_up
            .iter()
            .filter(|at| at.since(call.arrived) <= shown_late)
            .max();
        let begun = begun.map_or(asked, |given_up| call.arrived.min(*given_up));
        call.answered.is_some_and(|at| at.since(begun) > limit)
    })
}

/// One request of ours, to its answer or to the end of our patience. After a
/// silence nothing more is asked.
///
/// # Errors
/// Where the program ends or floods.
pub async fn ask(
    contract: &Contract,
    stage: &Stage<'_>,
    seen: &mut Observation,
    question: Question,
    quiet: Duration,
) -> Result<(), Trouble> {
    if seen.silence.is_some() || seen.too_busy {
        return Ok(());
    }
    match stage
        .patiently(stage.client.get(&contract.target(&stage.run.keys)), quiet)
        .await?
    {
        Waited::Done(answer) => seen.answers.push((question, answer)),
        Waited::GaveUp(after) => seen.silence = Some(Silence { question, after }),
        Waited::TooBusy => seen.too_busy = true,
    }
    Ok(())
}

/// Clients that ask at once, each on a connection of its own.
pub fn crowd(stage: &Stage<'_>, target: &str, clients: usize) -> JoinSet<Answer> {
    let mut asking = JoinSet::new();
    crowd_into(&mut asking, stage, target, clients);
    asking
}

/// More of them. Their requests have been sent when this returns.
fn crowd_into(asking: &mut JoinSet<Answer>, stage: &Stage<'_>, target: &str, more: usize) {
    for _ in 0..more {
        let client = stage.client.clone();
        let sent = client.send(target);
        asking.spawn(async move { client.answer(sent).await });
    }
}

/// How many calls of a route are under way at the services.
pub fn in_flight(exchanges: &[Exchange], route: &str) -> usize {
    exchanges
        .iter()
        .filter(|x| x.service != YOU && x.ended.is_none() && x.answered.is_none())
        .filter(|x| route_of(x) == route)
        .count()
}

/// Writes down what `/healthz` did.
pub fn note_health(health: Health, seen: &mut Observation, late: &mut JoinSet<()>) {
    match health {
        Health::Answered { status, asleep, .. } => {
            seen.health = Some(HealthSeen::Answered(status));
            seen.asleep += asleep;
        }
        Health::Broken => seen.health = Some(HealthSeen::Broken),
        Health::Silent { after, late: still } => {
            seen.health = Some(HealthSeen::Silent(after));
            *late = still;
        }
        Health::TooBusy => seen.too_busy = true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call: when it came, when it was answered if it was, when it was over.
    fn call(request: &str, arrived: u64, answered: Option<u64>, ended: u64) -> Exchange {
        let at = |ms: u64| Moment::from_micros(ms * 1000);
        Exchange {
            id: 0,
            service: "weather".to_owned(),
            connection: 1,
            request: format!("GET {request}"),
            arrived: at(arrived),
            answered: answered.map(at),
            ended: Some(at(ended)),
            status: answered.map(|_| 200),
            ending: match answered {
                Some(answered) if answered == ended => Ending::Answered,
                _ => Ending::Left,
            },
            frames: Vec::new(),
        }
    }

    /// Two clients who came at once, and these calls of the program's, of which
    /// one in three to `/today` is to hang.
    fn may_run_out(calls: &[Exchange]) -> bool {
        let client = || Exchange {
            service: YOU.to_owned(),
            ..call("/tomorrow", 0, Some(44), 44)
        };
        let exchanges = [&[client(), client()], calls].concat();
        others_may_run_out("/today", Duration::from_millis(20), &exchanges)
    }

    #[test]
    fn nobody_is_cleared_by_a_watch_that_slept() {
        let health = |asked, answered| call("/healthz", asked, answered, 1000);
        let blocked = |came, healths: &[Exchange]| {
            let mut client = call("/today", 0, None, 1000);
            client.service = YOU.to_owned();
            may_have_been_blocked(&[client, call("/today", came, None, 1000)], healths)
        };
        // Asked before it slept, and again when it had slept.
        assert!(blocked(300, &[health(1, Some(2)), health(310, Some(311))]));
        // Three naps, none of which is a third of the time.
        let naps = [
            health(1, Some(2)),
            health(120, Some(121)),
            health(200, Some(480)),
        ];
        assert!(blocked(600, &naps));
        // Watched all the time: the request had been there before it, or came often.
        assert!(!blocked(300, &[health(1, None)]));
        assert!(!blocked(150, &[health(1, Some(70)), health(80, Some(90))]));
        // A nap of the watch in a long thought.
        assert!(!blocked(
            400,
            &[health(1, Some(150)), health(250, Some(390))]
        ));
        assert!(!may_have_been_blocked(&[], &[]));
    }

    #[test]
    fn what_nobody_watched_is_as_long_as_no_healthz_was_answered() {
        let mut client = call("/today", 10, Some(60), 60);
        client.service = YOU.to_owned();
        let calls = [client, call("/today", 12, Some(50), 50)];
        let health = |answered| call("/healthz", answered - 1, Some(answered), answered);
        let ms = Duration::from_millis;
        assert_eq!(unwatched(&calls, &[]), ms(50));
        assert_eq!(unwatched(&calls, &[health(20), health(25)]), ms(35));
        // Before there was a client, and after all had gone.
        assert_eq!(
            unwatched(&calls, &[health(5), health(35), health(70)]),
            ms(25)
        );
        assert_eq!(unwatched(&[], &[health(5)]), ms(0));
    }

    #[test]
    fn calls_that_hang_prove_their_own_limit() {
        let before_the_head = call("/today", 1, None, 43);
        let in_mid_body = call("/today", 1, Some(2), 43);
        assert!(!may_run_out(&[before_the_head, in_mid_body]));
    }

    #[test]
    fn a_slow_answer_beside_it_may_be_what_ran_out() {
        let hung = || call("/today", 1, None, 43);
        let beside = |answered| call("/tomorrow", 2, Some(answered), answered);
        assert!(!may_run_out(&[hung(), beside(20)]));
        assert!(may_run_out(&[hung(), beside(21)]));
        // It came late to the service, and its time had begun all the same.
        assert!(may_run_out(&[hung(), call("/tomorrow", 30, Some(31), 31)]));
    }

    #[test]
    fn an_answer_that_never_went_out_may_be_what_ran_out() {
        let hung = || call("/today", 1, None, 43);
        assert!(may_run_out(&[hung(), call("/tomorrow", 1, None, 43)]));
        // It was to hang in mid-body, and was left before its head.
        assert!(may_run_out(&[hung(), hung()]));
    }

    #[test]
    fn one_client_at_a_time_begins_anew_with_the_next() {
        let calls = |answered| {
            [
                call("/today", 1, None, 43),
                call("/tomorrow", 1, Some(3), 3),
                call("/today", 45, Some(46), 86),
                call("/tomorrow", 45, Some(answered), answered),
            ]
        };
        assert!(!may_run_out(&calls(60)));
        assert!(may_run_out(&calls(64)));
    }

    #[test]
    fn a_call_given_up_shows_a_little_later_than_the_next_one_elsewhere() {
        let calls = |next| {
            [
                call("/today", 1, None, 43),
                call("/tomorrow", 1, Some(3), 3),
                call("/tomorrow", next, Some(44), 44),
                call("/today", 45, Some(46), 86),
            ]
        };
        assert!(!may_run_out(&calls(40)));
        assert!(!may_run_out(&calls(38)));
        assert!(may_run_out(&calls(37)));
    }

    #[test]
    fn calls_that_came_before_one_was_given_up_did_not_begin_with_its_end() {
        let calls = |came| {
            [
                call("/today", 1, None, 72),
                call("/today", came, Some(88), 97),
                call("/today", came, Some(88), 97),
            ]
        };
        // What was seen where all of them lay unread for a while, and what had been so.
        assert!(!may_run_out(&calls(72)));
        assert!(may_run_out(&calls(50)));
    }

    #[test]
    fn a_call_given_up_among_others_begins_nothing() {
        assert!(may_run_out(&[
            call("/today", 1, None, 43),
            call("/today", 2, Some(3), 44),
            // Begun with the rest, held up on its way, answered as if it were prompt.
            call("/tomorrow", 43, Some(44), 44),
        ]));
    }
}
