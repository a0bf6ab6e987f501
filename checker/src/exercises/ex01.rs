//! ex01 Weather client: turn waiting into awaiting.
//!
//! `GET /today` → `Today it's 10.1 C in Munich`. Ten clients at once are in
//! flight together at the weather. What proves it is a rendezvous: the weather
//! answers nobody until all ten have asked. A server that serves one client at
//! a time never gets there, on any machine; one that awaits gets there at once.

use std::thread::available_parallelism;

use mock_services::weather::Reading;

use super::{Judged, telling_output};
use crate::asleep;
use crate::contract::Contract;
use crate::diagnosis::Diagnosis;
use crate::judge::{self, Check};
use crate::probe::{self, HANG_LIMIT, observe, observe_first};
use crate::probing::Probing;
use crate::stage::{Place, Setting};

const CONTRACT: Contract = Contract {
    id: "ex01",
    route: "/today",
    keyed: false,
    asks: &["/today"],
    reads: &["/today"],
    body,
    same: |right, body| right.trim_end() == body.trim_end(),
};

fn body(readings: &[Reading]) -> String {
    match readings {
        [today, ..] => format!("Today it's {} in {}", today.temperature, today.city),
        [] => String::new(),
    }
}

/// Ten clients, or more than there are cores to block.
fn clients() -> usize {
    available_parallelism().map_or(10, |cores| (cores.get() + 2).max(10))
}

pub(super) fn checks() -> Vec<Check> {
    vec![answer(), together(), health(), faults(), timeout(), alive()]
}

fn answer() -> Check {
    Check::new(
        &CONTRACT,
        "answer",
        "GET /today answers with the weather",
        "GET /today asks the weather once, and answers `Today it's 10.1 C in Munich` with what it says",
    )
}

fn together() -> Check {
    Check::new(
        &CONTRACT,
        "together",
        "ten clients wait together, not in a row",
        format!(
            "{} clients at once are in flight together at the weather",
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
        "a weather that fails is a 502",
        "502 where the weather answers 500, answers no JSON, breaks off or refuses; and the server still serves afterwards",
    )
}

fn timeout() -> Check {
    Check::new(
        &CONTRACT,
        "timeout",
        "a weather that hangs is a 504",
        "504 where the weather has not answered whole within UPSTREAM_TIMEOUT_MS",
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

pub(super) async fn grade(run: &Probing<'_>) -> anyhow::Result<Judged> {
    let unhurried = Setting::default();
    let down = Setting {
        weather: Place::Down,
        ..unhurried
    };
    let hurried = Setting {
        upstream_timeout: HANG_LIMIT,
        ..unhurried
    };
    // What has a time limit goes first: it waits while the others start.
    let (hung, answers, crowd, sick, refused) = tokio::join!(
        observe(
            run,
            "504 while the weather hangs",
            hurried,
            async |stage, seen| { probe::hangs(&CONTRACT, "/today", stage, seen).await }
        ),
        observe_first(run, "plain answers", unhurried, async |stage, seen| {
            probe::answers(&CONTRACT, stage, seen).await
        }),
        observe(
            run,
            "all clients to be in flight together",
            unhurried,
            async |stage, seen| { probe::together(&CONTRACT, clients(), stage, seen).await }
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
    let (answers, crowd, sick, refused, hung) = (answers?, crowd?, sick?, refused?, hung?);
    let sure = asleep::make_sure(run, &crowd, unhurried, &CONTRACT, clients()).await?;
    let sure = sure.as_ref();
    let weather = &run.weather;

    let mut answer = answer().judged(
        judge::trouble(&answers, "while it answered one client after another")
            .or_else(|| judge::plain(&CONTRACT, weather, &answers)),
        answers.was_too_busy(),
        "right three times, one call each",
    );
    if let Some(word) = judge::connections(&answers) {
        answer.advice = Some(Diagnosis::ConnectionPerCall);
        answer.next_step = word;
    }
    let (clients_fault, health_fault) =
        judge::together(&CONTRACT, weather, &crowd, Some(Diagnosis::Sequential));
    let health_fault = health_fault.or_else(|| judge::asleep(sure));
    let busy = crowd.was_too_busy();
    let (together, health) = match (clients_fault, health_fault) {
        (None, Some(fault)) => (
            together().not_reached("/healthz has to answer first: ex01/health"),
            health().broken(fault),
        ),
        (Some(fault), None)
            if fault.diagnosis <= Diagnosis::BlockedRuntime
                || fault.diagnosis == Diagnosis::Sequential =>
        {
            let before = match fault.diagnosis {
                Diagnosis::Sequential => "one client at a time comes first: ex01/together",
                _ => "ex01/together comes first",
            };
            (together().broken(fault), health().not_reached(before))
        }
        (clients, healths) => (
            together().judged(clients, busy, "all of them in flight at once"),
            judge::health(
                health(),
                healths,
                &crowd,
                sure,
                "answered while every call was withheld",
            ),
        ),
    };
    let faults = faults().judged(
        judge::trouble(&sick, "while the weather was out of order")
            .or_else(|| judge::trouble(&refused, "while the weather refused connections"))
            .or_else(|| judge::faults(&CONTRACT, weather, &sick))
            .or_else(|| judge::faults(&CONTRACT, weather, &refused)),
        sick.was_too_busy() || refused.was_too_busy(),
        "502 each time, and right again afterwards",
    );
    let timeout = timeout().judged(
        judge::trouble(&hung, "while the weather hung")
            .or_else(|| judge::faults(&CONTRACT, weather, &hung)),
        hung.was_too_busy(),
        "504, before the head, in mid-body, and where the body never ends",
    );
    let mut all = vec![&answers, &crowd, &sick, &refused, &hung];
    all.extend(sure);
    let alive = alive().judged(judge::alive(all.iter().copied()), false, "up to the end");
    let crowd = judge::telling(&crowd, sure);
    let at_fault = judge::told_of(&faults, &[&sick, &refused]);
    Ok(Judged {
        output: telling_output(&all),
        findings: vec![answer, together, health, faults, timeout, alive],
        timelines: vec![
            judge::timeline("ex01/answer", &answers, None),
            judge::timeline("ex01/together", crowd, judge::clients_gap(&CONTRACT, crowd)),
            judge::timeline("ex01/faults", at_fault, None),
            judge::timeline("ex01/timeout", &hung, None),
        ],
    })
}
