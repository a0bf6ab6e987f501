//! ex06 Noise gateway: freshness over completeness; one upstream for many.
//!
//! Rooms of ours say how loud it is; viewers of ours look. One viewer stops
//! reading while thousands of levels go by: how many of them it gets when it
//! reads on tells what was kept for it. The parent goes away in every way there
//! is; what is counted is how often somebody knocks, and what comes when it is
//! back.

mod judgement;
mod probes;

use std::time::Duration;

use super::guests::judgement as met;
use super::{Judged, gaps, telling_output};
use crate::asleep;
use crate::contract::Contract;
use crate::judge::{self, Check, Fault};
use crate::observation::Observation;
use crate::probe::{HANG_LIMIT, observe, observe_first};
use crate::probing::Probing;
use crate::report::Outcome;
use crate::stage::{Place, Setting};

/// For the ids of checks only: a gateway has more than one route.
const CONTRACT: Contract = Contract {
    id: "ex06",
    route: "/websocket",
    keyed: false,
    asks: &[],
    reads: &[],
    body: |_| String::new(),
    same: |_, _| true,
};

/// After which time the program is told to try the parent again.
const AGAIN: Duration = Duration::from_millis(20);

/// The same where it is to try so often that the longest wait is reached.
const SOON_AGAIN: Duration = Duration::from_millis(2);

/// How the first stage is set.
pub(super) fn setting() -> Setting {
    Setting {
        weather: Place::Absent,
        parent: Some(AGAIN),
        ..Setting::default()
    }
}

fn check(name: &str, title: &'static str, expected: &str) -> Check {
    Check::new(&CONTRACT, name, title, expected)
}

pub(super) fn checks() -> Vec<Check> {
    vec![
        levels(),
        upstream(),
        fresh(),
        flow(),
        returns(),
        storm(),
        patient(),
        deaf(),
        speaks(),
        leavers(),
        health(),
        alive(),
    ]
}

fn levels() -> Check {
    check(
        "levels",
        "viewers see every room's newest level",
        "{\"name\",\"value\"} from a room comes to every connection; a new connection gets the newest level of every room at once; what is no such JSON is ignored; GET / is a page",
    )
}

fn upstream() -> Check {
    check(
        "upstream",
        "thirty browsers, one way to the parent",
        "all levels go to the parent over one connection, however many browsers there are",
    )
}

fn fresh() -> Check {
    check(
        "fresh",
        "a slow viewer gets the newest level, not a queue of old ones",
        "a viewer that did not read gets few old levels when it reads on, and the newest of every room",
    )
}

fn flow() -> Check {
    check(
        "flow",
        "a viewer that stops stops nobody else",
        "while one viewer reads nothing, the others get the newest levels",
    )
}

fn returns() -> Check {
    check(
        "returns",
        "the parent comes back, and knows everything again",
        "after the parent has dropped the connection, it is opened again, and the newest level of every room is sent",
    )
}

fn storm() -> Check {
    check(
        "storm",
        "it does not storm a parent that is down",
        "each try waits about twice as long as the last, beginning at RECONNECT_MS",
    )
}

fn patient() -> Check {
    check(
        "patient",
        "a parent that hangs or refuses is tried again",
        "a connection that is not a WebSocket within UPSTREAM_TIMEOUT_MS is given up; viewers are served meanwhile",
    )
}

fn deaf() -> Check {
    check(
        "deaf",
        "a parent that does not read stops nobody",
        "while the parent reads nothing, viewers get the newest levels; when it reads on, it gets the newest, and no queue",
    )
}

fn speaks() -> Check {
    check(
        "speaks",
        "what the parent says is read",
        "the parent's pings are answered, and whatever else it sends is ignored",
    )
}

fn leavers() -> Check {
    check(
        "leavers",
        "leavers are freed",
        "after hundreds of browsers have come and gone (with a close frame, without, by a reset) the program holds no more connections than before",
    )
}

fn health() -> Check {
    check(
        "health",
        "/healthz answers while levels come",
        "GET /healthz answers 200 at once, whatever is going on",
    )
}

fn alive() -> Check {
    check(
        "alive",
        "it stays up and leaves nothing behind",
        "the program runs until it is told to stop, and takes what it started with it",
    )
}

pub(super) async fn grade(run: &Probing<'_>) -> anyhow::Result<Judged> {
    let unhurried = setting();
    let hurried = Setting {
        upstream_timeout: HANG_LIMIT,
        ..unhurried
    };
    // First of all: where a thread is blocked, everything else takes for ever.
    let busy = observe_first(
        run,
        "/healthz while levels come",
        unhurried,
        async |stage, seen| probes::health(stage, seen).await,
    )
    .await?;
    let sure = asleep::make_sure_by(run, &busy, unhurried, async |stage, seen| {
        probes::crowds(stage, seen).await
    });
    let sure = sure.await?;
    let sure = sure.as_ref();
    let fault = judge::trouble(&busy, "while levels came")
        .or_else(|| met::unopened(&busy))
        .or_else(|| met::health(&busy, "While levels came"))
        .or_else(|| judge::asleep(sure));
    let health = judge::health(
        health(),
        fault,
        &busy,
        sure,
        "answered while levels were on their way",
    );
    let busy = judge::telling(&busy, sure);
    let timeline = judge::timeline("ex06/health", busy, gaps::of(&health, busy));
    if health.outcome == Outcome::Broken {
        return Ok(super::only(&health, checks(), timeline, busy));
    }
    // Then whether levels arrive at all: everything after that builds on it.
    let shown = observe(run, "levels to arrive", unhurried, async |stage, seen| {
        probes::levels(stage, seen).await
    })
    .await?;
    let levels = levels().judged(
        judge::trouble(&shown, "while levels came")
            .or_else(|| met::unopened(&shown))
            .or_else(|| judgement::levels(&shown)),
        shown.was_too_busy(),
        "each came to each, and to those who came late",
    );
    if levels.outcome == Outcome::Broken {
        let timeline = judge::timeline("ex06/levels", &shown, gaps::of(&levels, &shown));
        return Ok(super::only(&levels, checks(), timeline, &shown));
    }
    let often = Setting {
        parent: Some(SOON_AGAIN),
        ..unhurried
    };
    let (many, slow, back, hung, unread, gone, long) = tokio::join!(
        observe(
            run,
            "thirty browsers' levels at the parent",
            unhurried,
            async |stage, seen| { probes::browsers(stage, seen).await }
        ),
        observe(
            run,
            "the newest level at a slow viewer",
            unhurried,
            async |stage, seen| { probes::slow_viewer(stage, seen).await }
        ),
        observe(
            run,
            "its return to the parent",
            unhurried,
            async |stage, seen| { probes::returns(stage, seen).await }
        ),
        observe(
            run,
            "its return to a parent that hung",
            hurried,
            async |stage, seen| { probes::hangs(stage, seen).await }
        ),
        observe(
            run,
            "levels while the parent does not read",
            unhurried,
            async |stage, seen| { probes::deaf(stage, seen).await }
        ),
        observe(
            run,
            "browsers to come and go",
            unhurried,
            async |stage, seen| { probes::leavers(stage, seen).await }
        ),
        observe(
            run,
            "its tries while the parent is away",
            often,
            async |stage, seen| { probes::endures(stage, seen).await }
        ),
    );
    let (many, slow, back) = (many?, slow?, back?);
    let (hung, unread, gone, long) = (hung?, unread?, gone?, long?);

    let judged = |check: Check, seen: &Observation, doing, fault, kept: String| {
        check.judged(
            judge::trouble(seen, doing)
                .or_else(|| met::unopened(seen))
                .or(fault),
            seen.was_too_busy(),
            kept,
        )
    };
    let upstream = judged(
        upstream(),
        &many,
        "while thirty browsers were there",
        judgement::upstream(&many),
        "30 rooms' levels came over one connection".to_owned(),
    );
    let stalled = judgement::stalled(&slow, "one viewer did not read");
    let before = "others have to keep flowing first: ex06/flow";
    let fresh = if stalled.is_some() {
        fresh().not_reached(before)
    } else {
        judged(
            fresh(),
            &slow,
            "while one viewer did not read",
            judgement::fresh(&slow),
            judgement::how_fresh(&slow),
        )
    };
    let flow = flow().judged(
        stalled,
        slow.was_too_busy(),
        "the others got the newest level all the time",
    );
    let (fault, came_back) = first(
        &back,
        [
            (judgement::returned(&back), &back),
            (judgement::starts_over(&many), &many),
        ],
    );
    let returns = judged(
        returns(),
        &back,
        "while the parent was away",
        fault,
        "it came back, and sent the newest level of every room".to_owned(),
    );
    let (fault, stormed) = first(
        &back,
        [
            (judgement::storm(&back), &back),
            (judgement::hasty(&many), &many),
            (judgement::hasty(&long), &long),
        ],
    );
    let storm = if many.attempts.len() > 1 {
        storm().not_reached("one way to the parent comes first: ex06/upstream")
    } else {
        storm().judged(fault, back.was_too_busy(), judgement::tries(&back))
    };
    let away = judge::trouble(&long, "while the parent was away")
        .or_else(|| met::unopened(&long))
        .or_else(|| judgement::endured(&long));
    let (fault, tried) = first(
        &hung,
        [
            (judgement::patient(&hung), &hung),
            (judgement::refused(&many), &many),
            (away, &long),
        ],
    );
    let mut patient = judged(
        patient(),
        &hung,
        "while the parent hung",
        fault,
        "it tried again after both, and after a dozen tries in vain".to_owned(),
    );
    if patient.outcome == Outcome::Kept && long.was_too_busy() {
        patient = self::patient().inconclusive();
    }
    let deaf = judged(
        deaf(),
        &unread,
        "while the parent did not read",
        judgement::deaf(&unread),
        judgement::how_fresh(&unread),
    );
    let speaks = if returns.outcome == Outcome::Broken {
        // Who does not read what the parent sends may not see either that it has gone.
        speaks().not_reached("coming back comes first: ex06/returns")
    } else {
        judged(
            speaks(),
            &many,
            "while the parent spoke",
            judgement::spoken(&many),
            "its pings were answered, and a text and bytes from it changed nothing".to_owned(),
        )
    };
    let leavers = leavers().judged(
        judge::trouble(&gone, "while browsers came and went").or_else(|| met::kept(&gone)),
        gone.was_too_busy(),
        met::freed(&gone),
    );
    let mut all = vec![
        busy, &shown, &many, &slow, &back, &hung, &unread, &gone, &long,
    ];
    all.extend(sure);
    let alive = alive().judged(judge::alive(all.iter().copied()), false, "up to the end");
    let timelines = vec![
        judge::timeline("ex06/levels", &shown, gaps::of(&levels, &shown)),
        match upstream.outcome {
            Outcome::Kept => judge::timeline("ex06/upstream", &while_they_spoke(&many), None),
            _ => judge::timeline("ex06/upstream", &many, gaps::of(&upstream, &many)),
        },
        judge::timeline("ex06/fresh", &slow, gaps::of(&fresh, &slow)),
        judge::timeline("ex06/flow", &slow, gaps::of(&flow, &slow)),
        judge::timeline("ex06/returns", came_back, gaps::of(&returns, came_back)),
        judge::timeline("ex06/storm", stormed, gaps::of(&storm, stormed)),
        judge::timeline("ex06/patient", tried, gaps::of(&patient, tried)),
        judge::timeline("ex06/deaf", &unread, gaps::of(&deaf, &unread)),
        judge::timeline("ex06/speaks", &many, gaps::of(&speaks, &many)),
        timeline,
    ];
    Ok(Judged {
        output: telling_output(&all),
        findings: vec![
            levels, upstream, fresh, flow, returns, storm, patient, deaf, speaks, leavers, health,
            alive,
        ],
        timelines,
    })
}

/// What there was until the levels of all browsers had come to the parent. What comes
/// after that is about other checks.
fn while_they_spoke(seen: &Observation) -> Observation {
    let mut seen = seen.clone();
    let met = seen.rendezvous.iter().rfind(|met| met.about == "parent");
    if let Some(until) = met.map(|met| met.released) {
        seen.exchanges.retain(|x| x.arrived <= until);
    }
    seen
}

/// The first fault there is, and where it was seen; or nothing, and `otherwise`.
fn first<'a, const N: usize>(
    otherwise: &'a Observation,
    faults: [(Option<Fault>, &'a Observation); N],
) -> (Option<Fault>, &'a Observation) {
    let mut faults = faults.into_iter();
    match faults.find(|(fault, _)| fault.is_some()) {
        Some((fault, seen)) => (fault, seen),
        None => (None, otherwise),
    }
}
