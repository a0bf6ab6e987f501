//! ex04 Auth check: a real dependency is sequential, on purpose.
//!
//! `GET /weather/today?key=K` asks auth first, and the weather only after a yes.
//! Auth's answer is withheld until the program has done all that it can do: if
//! the weather has been asked by then, it was asked without permission. Where
//! auth says no, or says nothing that can be understood, the weather is not
//! asked at all, and nobody gets data.

use std::thread::available_parallelism;

use mock_services::exchange::Exchange;
use mock_services::scene::Scene;
use mock_services::script::{Cork, Hold, Treatment};
use mock_services::weather::Reading;
use mock_services::weather::Weather;
use mock_services::{auth, discovery};

use tokio::task::JoinSet;

use super::{Judged, telling_output};
use crate::asleep;
use crate::client::{Answer, YOU};
use crate::contract::{Contract, with_key};
use crate::diagnosis::Diagnosis;
use crate::judge::{self, Check, Fault};
use crate::observation::{Observation, Question, Silence, route_of};
use crate::probe::{self, HANG_LIMIT, observe, observe_first};
use crate::probing::Probing;
use crate::report::{Gap, words};
use crate::stage::{ANSWER_QUIET, Place, QUIET, Setting, Stage, Trouble, Waited};

const ROUTE: &str = "/weather/today";
const AUTH: &str = "/auth";
const WEATHER: &str = "/today";

const CONTRACT: Contract = Contract {
    id: "ex04",
    route: ROUTE,
    keyed: true,
    asks: &[AUTH, WEATHER],
    reads: &[WEATHER],
    body,
    same: |right, body| right.trim_end() == body.trim_end(),
};

/// With a discovery that is asked for both.
const BONUS: Contract = Contract {
    asks: &[discovery::ROUTE, AUTH, WEATHER],
    ..CONTRACT
};

fn body(readings: &[Reading]) -> String {
    match readings {
        [today, ..] => format!("Today it's {} in {}", today.temperature, today.city),
        [] => String::new(),
    }
}

/// Twenty clients, or more than there are cores to block.
fn clients() -> usize {
    available_parallelism().map_or(20, |cores| (cores.get() + 2).max(20))
}

/// How the first stage is set.
pub(super) fn setting(bonus: bool) -> Setting {
    Setting {
        auth: Place::Up,
        discovery: if bonus { Place::Up } else { Place::Absent },
        ..Setting::default()
    }
}

pub(super) fn checks() -> Vec<Check> {
    vec![
        answer(),
        permission(),
        verdict(),
        keys(),
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
        "a key that is allowed gets the weather",
        "GET /weather/today?key=K asks auth once, then the weather once, and answers `Today it's 10.1 C in Munich`",
    )
}

fn permission() -> Check {
    Check::new(
        &CONTRACT,
        "permission",
        "the weather is asked after auth has said yes",
        "no call to the weather before auth has answered `1`",
    )
}

fn verdict() -> Check {
    Check::new(
        &CONTRACT,
        "verdict",
        "a no is a 403, no key is a 401",
        "403 where auth answers `0` (with status 200, as always), 401 without a key; no call to the weather in either case, and auth is asked anew each time",
    )
}

fn keys() -> Check {
    Check::new(
        &CONTRACT,
        "keys",
        "a key reaches auth as it was given",
        "auth is asked for the very key that the client sent, whatever characters it has",
    )
}

fn together() -> Check {
    Check::new(
        &CONTRACT,
        "together",
        "clients wait for auth together",
        format!(
            "{} clients at once are in flight together at auth",
            clients()
        ),
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
        "auth that fails lets nobody in",
        "502 where auth or the weather answers 500, answers gibberish, breaks off or refuses; and the server still serves afterwards",
    )
}

fn timeout() -> Check {
    Check::new(
        &CONTRACT,
        "timeout",
        "a service that hangs is a 504",
        "504 where auth or the weather has not answered whole within UPSTREAM_TIMEOUT_MS",
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

/// A key that is allowed, one that is not, none at all, and all the others; one
/// client after another.
async fn all_keys(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "one key after another: some allowed, some not, and none at all".to_owned();
    let keys = &stage.run.keys;
    let allowed = (0..).map(Question::Allowed).zip(&keys.allowed);
    let denied = (0..).map(Question::Denied).zip(&keys.denied);
    let mut questions = vec![];
    for (yes, no) in allowed.zip(denied) {
        questions.push((yes.0, with_key(ROUTE, yes.1)));
        questions.push((no.0, with_key(ROUTE, no.1)));
        questions.push((yes.0, with_key(ROUTE, yes.1)));
    }
    questions.push((Question::Keyless, ROUTE.to_owned()));
    // Names that end alike, and names in other letters, are other names.
    for name in ["apikey", "KEY"] {
        let key = &keys.allowed[0];
        questions.push((Question::Keyless, format!("{ROUTE}?{name}={key}")));
    }
    for (question, target) in questions {
        ask(stage, seen, question, &target).await?;
    }
    Ok(())
}

async fn ask(
    stage: &Stage<'_>,
    seen: &mut Observation,
    question: Question,
    target: &str,
) -> Result<(), Trouble> {
    if seen.silence.is_some() || seen.too_busy {
        return Ok(());
    }
    match stage
        .patiently(stage.client.get(target), ANSWER_QUIET)
        .await?
    {
        Waited::Done(answer) => seen.answers.push((question, answer)),
        Waited::GaveUp(after) => seen.silence = Some(Silence { question, after }),
        Waited::TooBusy => seen.too_busy = true,
    }
    Ok(())
}

/// Answers of auth that are neither yes nor no.
async fn oddities(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "auth says things that are neither yes nor no".to_owned();
    for (nth, _) in (0..).zip(auth::ODDITIES) {
        stage.play(move |asked| {
            // Also where one of them leads to.
            if asked.path != WEATHER && asked.path != discovery::ROUTE {
                Treatment::scene(Scene::Odd(nth))
            } else {
                Treatment::default()
            }
        });
        let target = CONTRACT.target(&stage.run.keys);
        ask(stage, seen, Question::Odd(nth), &target).await?;
    }
    Ok(())
}

/// Clients that are allowed and clients that are not, all at once: auth answers
/// nobody before all have been asked for.
async fn side_by_side(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    /// Who mixes verdicts up may be lucky once.
    const ROUNDS: usize = 3;
    seen.title = "clients with and without permission, side by side".to_owned();
    for _ in 0..ROUNDS {
        let all_waited = one_crowd(stage, seen).await?;
        if !all_waited || seen.silence.is_some() || seen.too_busy || swapped(seen).is_some() {
            break;
        }
    }
    Ok(())
}

/// Whether auth has been asked for all of them before it answered any.
async fn one_crowd(stage: &Stage<'_>, seen: &mut Observation) -> Result<bool, Trouble> {
    const PAIRS: usize = 5;
    let (hold, cork) = (Hold::default(), Cork::default());
    let (held, corked) = (hold.clone(), cork.clone());
    stage.play(move |asked| {
        if asked.path == AUTH {
            Treatment {
                cork: Some(corked.clone()),
                ..Treatment::held(&held)
            }
        } else {
            Treatment::default()
        }
    });
    let answered = |all: &[Exchange]| {
        all.iter()
            .filter(|x| x.service != YOU && route_of(x) == AUTH && x.ended.is_some())
            .count()
    };
    let before = answered(&stage.journal.exchanges());
    let keys = &stage.run.keys;
    let mut asking = JoinSet::new();
    for _ in 0..PAIRS {
        for (question, key) in [
            (Question::Allowed(0), &keys.allowed[0]),
            (Question::Denied(0), &keys.denied[0]),
        ] {
            let client = stage.client.clone();
            let sent = client.send(&with_key(ROUTE, key));
            asking.spawn(async move { (question, client.answer(sent).await) });
        }
    }
    let waited = stage
        .patiently(hold.is_awaited_by(2 * PAIRS), QUIET)
        .await?;
    let all_wait = match waited {
        Waited::Done(()) => true,
        // Whoever never gets there is another check's: go on all the same.
        Waited::GaveUp(_) => false,
        Waited::TooBusy => {
            seen.too_busy = true;
            false
        }
    };
    if !all_wait {
        cork.pull();
    }
    hold.release();
    if all_wait {
        // All verdicts reach it in one go, so that whoever mixes them up does so now.
        let written = stage
            .journal
            .until(|all| (answered(all) >= before + 2 * PAIRS).then_some(()));
        let _ = stage.patiently(written, QUIET).await?;
        stage.idle().await;
    }
    cork.pull();
    let answers = async {
        let mut answers = Vec::new();
        while let Some(Ok(answer)) = asking.join_next().await {
            answers.push(answer);
        }
        answers
    };
    match stage.patiently(answers, ANSWER_QUIET).await? {
        Waited::Done(answers) => seen.answers.extend(answers),
        Waited::GaveUp(after) => {
            seen.silence = Some(Silence {
                question: Question::Plain,
                after,
            });
        }
        Waited::TooBusy => seen.too_busy = true,
    }
    Ok(all_wait)
}

/// Auth's answer is withheld until the program has done all that it can.
async fn before_permission(stage: &Stage<'_>, seen: &mut Observation) -> Result<(), Trouble> {
    seen.title = "auth's answer is withheld; what is the weather asked meanwhile?".to_owned();
    let keys = &stage.run.keys;
    for (question, key) in [
        (Question::Denied(0), &keys.denied[0]),
        (Question::Allowed(0), &keys.allowed[0]),
    ] {
        let hold = Hold::default();
        let held = hold.clone();
        stage.play(move |asked| {
            if asked.path == AUTH {
                Treatment::held(&held)
            } else {
                Treatment::default()
            }
        });
        let target = with_key(ROUTE, key);
        let before = stage.journal.exchanges().len();
        let asking = ask(stage, seen, question, &target);
        let letting_go = async {
            stage
                .journal
                .until(|all| {
                    all[before..]
                        .iter()
                        .any(|x| route_of(x) == AUTH && x.service != YOU)
                        .then_some(())
                })
                .await;
            stage.idle().await;
            hold.release();
            std::future::pending().await
        };
        tokio::select! {
            biased;
            asked = asking => asked?,
            () = letting_go => {}
        }
    }
    Ok(())
}

pub(super) async fn grade(run: &Probing<'_>, bonus: bool) -> anyhow::Result<Judged> {
    let contract = if bonus { &BONUS } else { &CONTRACT };
    let unhurried = setting(bonus);
    let hurried = Setting {
        upstream_timeout: HANG_LIMIT,
        ..unhurried
    };
    let refused = |route: &'static str| {
        let mut down = unhurried;
        match route {
            AUTH => down.auth = Place::Down,
            WEATHER => down.weather = Place::Down,
            _ => down.discovery = Place::Down,
        }
        observe(
            run,
            "an answer while a service is down",
            down,
            async move |stage: &Stage<'_>, seen: &mut Observation| {
                probe::refused(contract, route, stage, seen).await
            },
        )
    };
    let hang_of = |route: &'static str| {
        observe(
            run,
            "504 while a service hangs",
            hurried,
            async move |stage: &Stage<'_>, seen: &mut Observation| {
                probe::hangs(contract, route, stage, seen).await
            },
        )
    };
    // What has a time limit goes first: it waits while the others start.
    let (hung, answers, permitted, keyed, odd, mixed, crowd, sick, refused) = tokio::join!(
        futures_util::future::join_all(contract.asks.iter().copied().map(hang_of)),
        observe_first(run, "plain answers", unhurried, async |stage, seen| {
            probe::answers(contract, stage, seen).await
        }),
        observe(
            run,
            "what happens before auth has answered",
            unhurried,
            async |stage, seen| { before_permission(stage, seen).await }
        ),
        observe(
            run,
            "answers to all keys",
            unhurried,
            async |stage, seen| { all_keys(stage, seen).await }
        ),
        observe(
            run,
            "answers to oddities",
            unhurried,
            async |stage, seen| { oddities(stage, seen).await }
        ),
        observe(
            run,
            "answers to clients side by side",
            unhurried,
            async |stage, seen| { side_by_side(stage, seen).await }
        ),
        observe(
            run,
            "all clients to be in flight together",
            unhurried,
            async |stage, seen| { probe::together(contract, clients(), stage, seen).await }
        ),
        observe(run, "answers to faults", unhurried, async |stage, seen| {
            probe::faults(contract, stage, seen).await
        }),
        futures_util::future::join_all(contract.asks.iter().copied().map(refused)),
    );
    let (answers, permitted, keyed) = (answers?, permitted?, keyed?);
    let (crowd, sick, odd, mixed) = (crowd?, sick?, odd?, mixed?);
    let refused = refused.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let hung = hung.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let weather = &run.weather;

    let mut answer = answer().judged(
        judge::trouble(&answers, "while it answered one client after another")
            .or_else(|| order(&answers))
            .or_else(|| mangled(run, &answers))
            .or_else(|| judge::plain(contract, weather, &answers)),
        answers.was_too_busy(),
        "right three times, one call to each service",
    );
    if let Some(word) = judge::connections(&answers) {
        answer.advice = Some(Diagnosis::ConnectionPerCall);
        answer.next_step = word;
    }
    let early = order(&permitted);
    let gap = early.as_ref().and_then(|_| early_gap(&permitted));
    let permission = permission().judged(
        judge::trouble(&permitted, "while auth's answer was withheld")
            .or(early)
            .or_else(|| silence(&permitted)),
        permitted.was_too_busy(),
        "auth had answered `1` before each call to the weather",
    );
    let verdict = verdict().judged(
        judge::trouble(&keyed, "while keys were tried")
            .or_else(|| verdicts(weather, &keyed))
            .or_else(|| order(&keyed))
            .or_else(|| judge::trouble(&mixed, "while clients came at once"))
            .or_else(|| swapped(&mixed)),
        keyed.was_too_busy() || mixed.was_too_busy(),
        "403 and 401, the weather not asked, auth asked each time",
    );
    let keys = keys().judged(
        mangled(run, &keyed)
            .or_else(|| allowed_get_in(&keyed))
            .or_else(|| silence(&keyed)),
        keyed.was_too_busy(),
        format!("{} keys arrived as they were sent", run.keys.allowed.len()),
    );
    let sure = asleep::make_sure(run, &crowd, unhurried, contract, clients()).await?;
    let sure = sure.as_ref();
    let (clients_fault, health_fault) = judge::together(contract, weather, &crowd, None);
    let health_fault = health_fault.or_else(|| judge::asleep(sure));
    let crowded = crowd.was_too_busy();
    let together = match &health_fault {
        Some(fault) if fault.diagnosis == Diagnosis::BlockedRuntime => {
            together().not_reached("/healthz has to answer first: ex04/health")
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
    let faulty = || [&sick, &odd].into_iter().chain(&refused);
    let faults = faults().judged(
        faulty()
            .find_map(|seen| judge::trouble(seen, "while a service was out of order"))
            .or_else(|| {
                faulty()
                    .filter_map(|seen| {
                        judge::faults(contract, weather, seen)
                            .or_else(|| order(seen))
                            .or_else(|| asked_in_doubt(seen))
                    })
                    .min_by_key(|fault| fault.diagnosis)
            }),
        faulty().any(Observation::was_too_busy),
        "502 each time, and right again afterwards",
    );
    let timeout = timeout().judged(
        hung.iter()
            .find_map(|seen| judge::trouble(seen, "while a service hung"))
            .or_else(|| {
                hung.iter()
                    .filter_map(|seen| {
                        judge::faults(contract, weather, seen).or_else(|| asked_in_doubt(seen))
                    })
                    .min_by_key(|fault| fault.diagnosis)
            }),
        hung.iter().any(Observation::was_too_busy),
        "504 each time, before the head, in mid-body, and where the body never ends",
    );
    let mut all = vec![&answers, &permitted, &keyed, &odd, &mixed, &crowd, &sick];
    all.extend(refused.iter().chain(&hung).chain(sure));
    let alive = alive().judged(judge::alive(all.iter().copied()), false, "up to the end");
    let told = judge::told_of(&verdict, &[&keyed, &mixed]);
    let at_fault: Vec<_> = faulty().collect();
    let at_fault = judge::told_of(&faults, &at_fault);
    let late = judge::told_of(&timeout, &hung.iter().collect::<Vec<_>>());
    Ok(Judged {
        output: telling_output(&all),
        findings: vec![
            answer, permission, verdict, keys, together, health, faults, timeout, alive,
        ],
        timelines: vec![
            judge::timeline("ex04/answer", &answers, None),
            judge::timeline("ex04/permission", &permitted, gap),
            judge::timeline("ex04/verdict", told, None),
            judge::timeline("ex04/keys", &keyed, None),
            judge::timeline(
                "ex04/together",
                judge::telling(&crowd, sure),
                judge::clients_gap(contract, judge::telling(&crowd, sure)),
            ),
            judge::timeline("ex04/faults", at_fault, None),
            judge::timeline("ex04/timeout", late, None),
        ],
    })
}

/// The calls that were made while a request of ours was under way.
fn during<'a>(seen: &'a Observation, answer: &Answer, route: &'a str) -> Vec<&'a Exchange> {
    let Some(ours) = seen.exchange(answer.exchange) else {
        return vec![];
    };
    seen.asked(route)
        .filter(|x| x.arrived >= ours.arrived && ours.ended.is_none_or(|end| x.arrived <= end))
        .collect()
}

/// A call to the weather that auth had not allowed yet. One client after another.
fn order(seen: &Observation) -> Option<Fault> {
    for (_, answer) in &seen.answers {
        let asked = during(seen, answer, AUTH);
        for call in during(seen, answer, WEATHER) {
            let said_yes = |x: &&&Exchange| x.answered.is_some_and(|at| at <= call.arrived);
            if asked.iter().any(|x| said_yes(&x)) {
                continue;
            }
            let observed = match asked.first() {
                Some(auth) if auth.answered.is_some() && auth.arrived <= call.arrived => format!(
                    "The weather was asked {} after auth had been asked, and {} before auth answered.",
                    words(call.arrived.since(auth.arrived)),
                    words(
                        auth.answered
                            .map_or_else(Default::default, |at| at.since(call.arrived))
                    ),
                ),
                Some(auth) if auth.arrived > call.arrived => format!(
                    "The weather was asked {} before auth was.",
                    words(auth.arrived.since(call.arrived))
                ),
                Some(_) => {
                    "The weather was asked although auth had not answered at all.".to_owned()
                }
                None => continue,
            };
            return Some(
                Fault::new(
                    Diagnosis::AskedBeforePermission,
                    observed,
                    "This dependency is a real one: await auth's answer, look at it, and only then \
                     call the weather. What was fetched too early is work for people who may not \
                     have it, and one slip away from being shown.",
                )
                .proved_by(
                    [answer.exchange, call.id]
                        .into_iter()
                        .chain(asked.iter().map(|x| x.id)),
                ),
            );
        }
    }
    None
}

/// A call to the weather although auth never answered whole, or said neither yes nor no.
fn asked_in_doubt(seen: &Observation) -> Option<Fault> {
    seen.answers.iter().find_map(|(question, answer)| {
        let (said, next) = match *question {
            Question::Hang(AUTH) => (
                "Auth took the question and never answered it whole",
                "Return with 504 where auth is late, before you ask the weather.",
            ),
            Question::Odd(nth) if !is_yes(nth) => (
                "Auth did not say yes",
                "Look at status and body, and return before you ask the weather.",
            ),
            _ => return None,
        };
        let call = during(seen, answer, WEATHER).first().map(|x| x.id)?;
        let auth = during(seen, answer, AUTH).first().map(|x| x.id)?;
        Some(
            Fault::new(
                Diagnosis::AskedBeforePermission,
                format!("{said}, and the weather was asked all the same."),
                format!("In doubt, no. {next}"),
            )
            .proved_by([answer.exchange, auth, call]),
        )
    })
}

fn is_yes(nth: u8) -> bool {
    auth::ODDITIES
        .get(usize::from(nth))
        .is_some_and(|(status, body)| auth::owed_for(*status, body) == 200)
}

fn early_gap(seen: &Observation) -> Option<Gap> {
    let call = seen.asked(WEATHER).next()?;
    let auth = seen.asked(AUTH).next()?;
    Some(Gap {
        from: call.arrived,
        to: auth.answered.unwrap_or(call.arrived).max(call.arrived),
        exchange: call.id,
        label: "the weather was asked; auth had not answered".to_owned(),
    })
}

/// A no that was not a 403, and a missing key that was not a 401.
fn verdicts(weather: &Weather, seen: &Observation) -> Option<Fault> {
    seen.answers
        .iter()
        .filter_map(|(question, answer)| one_verdict(weather, seen, *question, answer))
        .min_by_key(|fault| fault.diagnosis)
}

/// Whether that text holds a temperature that the weather has told somebody.
fn tells_weather(seen: &Observation, weather: &Weather, text: &str) -> bool {
    seen.asked(WEATHER)
        .any(|x| text.contains(&weather.reading(x.id).temperature))
}

fn one_verdict(
    weather: &Weather,
    seen: &Observation,
    question: Question,
    answer: &Answer,
) -> Option<Fault> {
    let reply = answer.reply.as_ref().ok()?;
    let asked = during(seen, answer, AUTH);
    let calls = during(seen, answer, WEATHER);
    let evidence = || {
        std::iter::once(answer.exchange)
            .chain(asked.iter().map(|x| x.id))
            .chain(calls.iter().map(|x| x.id))
    };
    let ours = seen.exchange(answer.exchange)?;
    let earlier = seen.asked(AUTH).any(|x| x.arrived < ours.arrived);
    if question != Question::Keyless && asked.is_empty() && earlier {
        return Some(
            Fault::new(
                Diagnosis::CachedVerdict,
                format!(
                    "`{}` was answered with {}, and auth was not asked for it. What it had said \
                     earlier, to this key or another, was used again.",
                    ours.request, reply.status
                ),
                "A permission can be taken away, and belongs to one key. Ask auth for every \
                 request.",
            )
            .proved_by(evidence()),
        );
    }
    match question {
        Question::Denied(_) if reply.status == 200 && !asked.is_empty() => Some(
            Fault::new(
                Diagnosis::StatusForVerdict,
                format!(
                    "Auth answered `{}` with `0` and status 200, and `{}` was answered with 200.",
                    asked[0].request, ours.request
                ),
                "This auth service answers every question with status 200: its verdict is the \
                 body. Let only `1` in.",
            )
            .proved_by(evidence()),
        ),
        Question::Denied(_) if reply.status != 403 => Some(
            Fault::new(
                Diagnosis::WrongStatus,
                format!(
                    "Auth said no, and `{}` was answered with {}.",
                    ours.request, reply.status
                ),
                "Answer 403 (forbidden) where auth says no. 401 is for requests without a key.",
            )
            .proved_by(evidence()),
        ),
        Question::Denied(_) if tells_weather(seen, weather, &reply.body) => Some(
            Fault::new(
                Diagnosis::FailOpen,
                format!(
                    "Auth said no, and `{}` was answered with 403 and `{}`: that is what the weather \
                     had said before.",
                    ours.request,
                    judge::excerpt(&reply.body)
                ),
                "Whoever was not let in gets no data, not even old data.",
            )
            .proved_by(evidence()),
        ),
        Question::Denied(_) if !calls.is_empty() => Some(
            Fault::new(
                Diagnosis::AskedBeforePermission,
                "Auth said no, and the weather was asked all the same.",
                "Look at auth's answer first, and return before you ask the weather.",
            )
            .proved_by(evidence()),
        ),
        Question::Keyless if reply.status != 401 => Some(
            Fault::new(
                Diagnosis::WrongStatus,
                format!(
                    "`{}` has no key, and was answered with {}.",
                    ours.request, reply.status
                ),
                "Answer 401 where there is no key, without asking anybody.",
            )
            .proved_by(evidence()),
        ),
        Question::Keyless if !asked.is_empty() => Some(
            Fault::new(
                Diagnosis::KeyMangled,
                format!(
                    "`{}` has no key, and auth was asked `{}` all the same.",
                    ours.request, asked[0].request
                ),
                "A missing key is no empty key: answer 401, without asking anybody.",
            )
            .proved_by(evidence()),
        ),
        _ => None,
    }
}

/// A key that auth was asked for, and that is not the one that we sent.
fn mangled(run: &Probing<'_>, seen: &Observation) -> Option<Fault> {
    for (question, answer) in &seen.answers {
        let sent = match question {
            Question::Allowed(nth) => &run.keys.allowed[usize::from(*nth)],
            Question::Denied(nth) => &run.keys.denied[usize::from(*nth)],
            Question::Plain => &run.keys.allowed[0],
            _ => continue,
        };
        for call in during(seen, answer, AUTH) {
            let query = call.request.split_once('?').map_or("", |(_, query)| query);
            let query = query.split(' ').next().unwrap_or(query);
            let arrived = auth::asked_for(query);
            if arrived.as_ref() == Some(sent) {
                continue;
            }
            return Some(
                Fault::new(
                    Diagnosis::KeyMangled,
                    match arrived {
                        Some(key) => format!(
                            "The client sent the key `{sent}`; auth was asked `{}`, which is the key `{key}`.",
                            call.request
                        ),
                        None => format!(
                            "The client sent the key `{sent}`; auth was asked `{}`, which has no key.",
                            call.request
                        ),
                    },
                    "A key may hold `&`, `%`, `+`, `#`, spaces and any letter. Do not paste it into \
                     a URL: hand it to the client as a query parameter (reqwest: `.query(&[(\"key\", \
                     key)])`), which encodes it once.",
                )
                .proved_by([answer.exchange, call.id]),
            );
        }
    }
    None
}

/// A verdict that went to somebody else. Many at once.
fn swapped(seen: &Observation) -> Option<Fault> {
    seen.answers.iter().find_map(|(question, answer)| {
        let ours = seen.exchange(answer.exchange)?;
        let status = answer.reply.as_ref().ok()?.status;
        let allowed = matches!(question, Question::Allowed(_));
        let (said, wanted) = if allowed { ("yes", 200) } else { ("no", 403) };
        (status != wanted && matches!(status, 200 | 403)).then(|| {
            Fault::new(
                Diagnosis::CachedVerdict,
                format!(
                    "Ten clients came at once, with two keys. To `{}` auth said {said}, and it was \
                     answered with {status}: that was another client's verdict.",
                    ours.request
                ),
                "A verdict belongs to one request. Keep it in a variable of the handler, and in \
                 nothing that handlers share.",
            )
            .proved_by([answer.exchange])
        })
    })
}

fn allowed_get_in(seen: &Observation) -> Option<Fault> {
    for (question, answer) in &seen.answers {
        let ours = seen.exchange(answer.exchange)?;
        let Ok(reply) = &answer.reply else {
            return Some(judge::broke_off(answer));
        };
        if matches!(question, Question::Allowed(_)) && reply.status != 200 {
            return Some(
                Fault::new(
                    Diagnosis::WrongStatus,
                    format!(
                        "Auth said yes, and `{}` was answered with {}.",
                        ours.request, reply.status
                    ),
                    "Answer 200 and the weather where auth says `1`.",
                )
                .proved_by([answer.exchange]),
            );
        }
    }
    None
}

fn silence(seen: &Observation) -> Option<Fault> {
    judge::silence(&CONTRACT, seen)
}
