//! ex05 Chat: fan-out and the slow reader.
//!
//! Clients of ours sit in rooms and talk. One of them stops reading: its window
//! is small, so whatever the program has for it waits in the program. The others
//! are sent the next messages only once they have all the last ones, so no right
//! server ever has a reason to drop one of them.

mod judgement;
mod probes;

use super::guests::judgement as met;
use super::{Judged, gaps, telling_output};
use crate::asleep;
use crate::contract::Contract;
use crate::judge::{self, Check};
use crate::observation::Observation;
use crate::probe::{observe, observe_first};
use crate::probing::Probing;
use crate::report::Outcome;
use crate::stage::{Place, Setting};

/// For the ids of checks only: a chat has more than one route.
const CONTRACT: Contract = Contract {
    id: "ex05",
    route: "/ws",
    keyed: false,
    asks: &[],
    reads: &[],
    body: |_| String::new(),
    same: |_, _| true,
};

/// How the first stage is set.
pub(super) fn setting() -> Setting {
    Setting {
        weather: Place::Absent,
        ..Setting::default()
    }
}

fn check(name: &str, title: &'static str, expected: &str) -> Check {
    Check::new(&CONTRACT, name, title, expected)
}

pub(super) fn checks() -> Vec<Check> {
    vec![
        deliver(),
        page(),
        order(),
        slow(),
        bounded(),
        told(),
        frames(),
        protocol(),
        leavers(),
        health(),
        alive(),
    ]
}

fn deliver() -> Check {
    check(
        "deliver",
        "everybody in the room gets every message",
        "{\"text\"} from one becomes {\"from\",\"text\"} to all in its room, the sender too, each once; and to nobody in another room, however alike their names are",
    )
}

fn page() -> Check {
    check(
        "page",
        "the page is there, and nobody comes in without a name",
        "GET / is a page; /ws without a room or a name is a 400",
    )
}

fn order() -> Check {
    check(
        "order",
        "each sender's messages keep their order",
        "every reader gets the messages of one sender in the order in which they were sent, each once",
    )
}

fn slow() -> Check {
    check(
        "slow",
        "a reader that stops stops nobody else",
        "while one of fifty clients reads nothing and 8 MiB go by, the others get theirs",
    )
}

fn bounded() -> Check {
    check(
        "bounded",
        "a reader that stops costs little memory",
        "what waits for a reader that does not read is bounded",
    )
}

fn told() -> Check {
    check(
        "told",
        "a reader that missed something is told",
        "a slow reader is dropped with close code 1008, or told {\"missed\": n} at the place of the gap; never silently",
    )
}

fn frames() -> Check {
    check(
        "frames",
        "a bad frame hurts nobody",
        "what is no {\"text\"} gets {\"error\"}, and all connections go on; 32 KiB of text pass; a frame over 64 KiB ends its connection with code 1009",
    )
}

fn protocol() -> Check {
    check(
        "protocol",
        "pings and closes are answered",
        "a ping gets a pong with the same payload; a close frame gets a close frame, and then the connection ends",
    )
}

fn leavers() -> Check {
    check(
        "leavers",
        "leavers are freed",
        "after a thousand clients have come and gone (with a close frame, without, by a reset) the program holds no more connections than before",
    )
}

fn health() -> Check {
    check(
        "health",
        "/healthz answers while people talk",
        "GET /healthz answers 200 at once, whatever is being said",
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
    let setting = setting();
    // First of all: where a thread is blocked, everything else takes for ever.
    let busy = observe_first(
        run,
        "/healthz while people talk",
        setting,
        async |stage, seen| probes::health(stage, seen).await,
    )
    .await?;
    let sure = asleep::make_sure_by(run, &busy, setting, async |stage, seen| {
        probes::crowds(stage, seen).await
    });
    let sure = sure.await?;
    let sure = sure.as_ref();
    let fault = judge::trouble(&busy, "while people talked")
        .or_else(|| met::unopened(&busy))
        .or_else(|| met::health(&busy, "While people talked"))
        .or_else(|| judge::asleep(sure));
    let health = judge::health(
        health(),
        fault,
        &busy,
        sure,
        "answered while 200 messages were on their way",
    );
    let busy = judge::telling(&busy, sure);
    let timeline = judge::timeline("ex05/health", busy, gaps::of(&health, busy));
    if health.outcome == Outcome::Broken {
        return Ok(super::only(&health, checks(), timeline, busy));
    }
    // Then whether messages arrive at all: everything after that builds on it.
    let talk = observe(run, "messages to arrive", setting, async |stage, seen| {
        probes::rooms(stage, seen).await
    })
    .await?;
    let deliver = deliver().judged(
        judge::trouble(&talk, "while people talked")
            .or_else(|| met::unopened(&talk))
            .or_else(|| judgement::mixed(&talk))
            .or_else(|| judgement::delivered(&talk))
            .or_else(|| judgement::unasked(&talk)),
        talk.was_too_busy(),
        "each message came to each in its room, once, and to nobody else",
    );
    if deliver.outcome == Outcome::Broken {
        let timeline = judge::timeline("ex05/deliver", &talk, gaps::of(&deliver, &talk));
        return Ok(super::only(&deliver, checks(), timeline, &talk));
    }
    let page = page().judged(
        judgement::page(&talk),
        talk.was_too_busy(),
        "a page, and 400 twice",
    );
    let (ordered, stopped, bad, polite, gone) = tokio::join!(
        observe(run, "messages in order", setting, async |stage, seen| {
            probes::order(stage, seen).await
        }),
        observe(
            run,
            "8 MiB to go by a reader that stands still",
            setting,
            async |stage, seen| { probes::slow_reader(stage, seen).await }
        ),
        observe(
            run,
            "answers to bad frames",
            setting,
            async |stage, seen| { probes::frames(stage, seen).await }
        ),
        observe(run, "pongs and closes", setting, async |stage, seen| {
            probes::protocol(stage, seen).await
        }),
        observe(
            run,
            "a thousand clients to come and go",
            setting,
            async |stage, seen| { probes::leavers(stage, seen).await }
        ),
    );
    let (ordered, stopped, bad) = (ordered?, stopped?, bad?);
    let (polite, gone) = (polite?, gone?);

    // Once more by itself, and not for as long, where that took too long to tell.
    let never_told =
        judgement::may_have_been_told(&stopped) && judgement::told_of_nothing(&stopped);
    let in_time = if never_told {
        let title = "a reader that stands still for a moment";
        let seen = observe(run, title, setting, async |stage, seen| {
            probes::slow_for_less(stage, seen).await
        });
        Some(seen.await?)
    } else {
        None
    };

    let order = order().judged(
        judge::trouble(&ordered, "while people talked")
            .or_else(|| met::unopened(&ordered))
            .or_else(|| judgement::ordered(&ordered)),
        ordered.was_too_busy(),
        "960 messages of 4 senders came to 6 readers in order, each once",
    );
    let stalled = judgement::stalled(&stopped);
    let stuck = stalled.is_some();
    let slow = slow().judged(
        judge::trouble(&stopped, "while one client did not read")
            .or_else(|| met::unopened(&stopped))
            .or(stalled),
        stopped.was_too_busy(),
        "8,192 messages came to everybody else",
    );
    let telling = in_time.as_ref().unwrap_or(&stopped);
    let before = "others have to keep flowing first: ex05/slow";
    let (bounded, told) = if stuck {
        (bounded().not_reached(before), told().not_reached(before))
    } else {
        (
            bounded().judged(
                judgement::unbounded(&stopped),
                stopped.was_too_busy(),
                judgement::memory(&stopped),
            ),
            told().judged(
                in_time
                    .as_ref()
                    .and_then(|seen| judge::trouble(seen, "while one client did not read"))
                    .or_else(|| judgement::untold(telling)),
                telling.was_too_busy()
                    || judgement::may_have_been_told(telling)
                    || (in_time.is_some() && judgement::told_of_nothing(telling)),
                judgement::how_told(telling),
            ),
        )
    };
    let frames = frames().judged(
        judge::trouble(&bad, "after a bad frame")
            .or_else(|| met::unopened(&bad))
            .or_else(|| judgement::frames(&bad)),
        bad.was_too_busy(),
        "errors for the senders, and nobody else noticed",
    );
    let protocol = protocol().judged(
        judge::trouble(&polite, "while clients said ping and goodbye")
            .or_else(|| met::unopened(&polite))
            .or_else(|| judgement::protocol(&polite)),
        polite.was_too_busy(),
        "pong, close, and the connection ended",
    );
    let leavers = leavers().judged(
        judge::trouble(&gone, "while clients came and went").or_else(|| met::kept(&gone)),
        gone.was_too_busy(),
        met::freed(&gone),
    );
    let mut all = vec![&talk, &ordered, &stopped, &bad, &polite, &gone, busy];
    all.extend(sure);
    all.extend(&in_time);
    let alive = alive().judged(judge::alive(all.iter().copied()), false, "up to the end");
    let few = |seen: &Observation| {
        let mut seen = seen.clone();
        // A thousand lanes show nothing that the first and last do not.
        seen.exchanges.truncate(60);
        seen
    };
    let timelines = vec![
        judge::timeline("ex05/deliver", &talk, gaps::of(&deliver, &talk)),
        judge::timeline("ex05/page", &talk, None),
        judge::timeline("ex05/order", &ordered, gaps::of(&order, &ordered)),
        judge::timeline("ex05/slow", &stopped, gaps::of(&slow, &stopped)),
        judge::timeline("ex05/bounded", &stopped, gaps::of(&bounded, &stopped)),
        judge::timeline("ex05/told", telling, gaps::of(&told, telling)),
        judge::timeline("ex05/frames", &bad, gaps::of(&frames, &bad)),
        judge::timeline("ex05/protocol", &polite, gaps::of(&protocol, &polite)),
        judge::timeline("ex05/leavers", &few(&gone), gaps::of(&leavers, &gone)),
        timeline,
    ];
    Ok(Judged {
        output: telling_output(&all),
        findings: vec![
            deliver, page, order, slow, bounded, told, frames, protocol, leavers, health, alive,
        ],
        timelines,
    })
}
