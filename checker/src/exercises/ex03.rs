//! ex03 Discovery proxy: no guard across an await; stream, don't buffer.
//!
//! The services behind the proxy are ours, under names drawn from the seed.
//! Whether a call holds something that others need is seen with the call
//! withheld: a PUT has to answer meanwhile. Whether bodies stream is seen by a
//! rendezvous in mid-body: the last piece is sent only once the first has
//! arrived on the other side, so who buffers never gets it.

mod judgement;
mod probes;

use mock_services::script::Hold;

use super::{Judged, telling_output};
use crate::asleep;
use crate::contract::Contract;
use crate::diagnosis::Diagnosis;
use crate::judge::{self, Check};
use crate::observation::Observation;
use crate::probe::{HANG_LIMIT, observe, observe_first};
use crate::probing::Probing;
use crate::stage::{Place, Setting};

/// For the ids of checks only: a proxy has more than one route.
const CONTRACT: Contract = Contract {
    id: "ex03",
    route: "/proxy",
    keyed: false,
    asks: &[],
    reads: &[],
    body: |_| String::new(),
    same: |_, _| true,
};

/// More clients than there are cores to block.
fn clients() -> usize {
    std::thread::available_parallelism().map_or(10, |cores| (cores.get() + 2).max(10))
}

/// How the first stage is set.
pub(super) fn setting() -> Setting {
    Setting {
        weather: Place::Absent,
        ..Setting::default()
    }
}

fn check(name: &str, title: &'static str, expected: impl Into<String>) -> Check {
    Check::new(&CONTRACT, name, title, expected)
}

pub(super) fn checks() -> Vec<Check> {
    vec![
        registry(),
        forward(),
        headers(),
        guard(),
        together(),
        health(),
        stream(),
        pressure(),
        cancel(),
        faults(),
        timeout(),
        alive(),
    ]
}

fn registry() -> Check {
    check(
        "registry",
        "names are registered, re-pointed and removed",
        "PUT and DELETE /services/{name} answer 204 and take effect at the next call, GET /services lists them, a body that is no http URL is a 400, an unknown name a 404",
    )
}

fn forward() -> Check {
    check(
        "forward",
        "method, path, query and body are carried as they came",
        "a call to /proxy/{name}/{path} reaches the service with the same method, path, query and body, and its status and body come back",
    )
}

fn headers() -> Check {
    check(
        "headers",
        "end-to-end headers are carried, hop-by-hop headers are not",
        "every header goes through, both ways, but for Connection, what it names, Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding and Upgrade",
    )
}

fn guard() -> Check {
    check(
        "guard",
        "names can be changed while a call is under way",
        "PUT, GET and DELETE of /services answer while a proxied call waits for its service",
    )
}

fn together() -> Check {
    check(
        "together",
        "clients do not wait for each other",
        format!(
            "{} clients at once are in flight together at the service",
            clients()
        ),
    )
}

fn health() -> Check {
    check(
        "health",
        "/healthz answers while calls wait",
        "GET /healthz answers 200 at once, whatever else is waiting",
    )
}

fn stream() -> Check {
    check(
        "stream",
        "bodies stream, both ways",
        "the first piece of a body is passed on before the last one has been sent",
    )
}

fn pressure() -> Check {
    check(
        "pressure",
        "bodies take no memory, however long",
        "a reader that does not read stops the sender; 8 MiB each way cost less than 4 MiB of memory",
    )
}

fn cancel() -> Check {
    check(
        "cancel",
        "a client that leaves ends the call made for it",
        "the connection to the service is closed once nobody waits for its answer",
    )
}

fn faults() -> Check {
    check(
        "faults",
        "a service that is dead is a 502, and a broken body stays broken",
        "502 where the service refuses or resets, a broken answer where it breaks off in mid-body; and the server still serves afterwards",
    )
}

fn timeout() -> Check {
    check(
        "timeout",
        "a service that hangs is a 504, a slow body is not",
        "504 where no answer has begun within UPSTREAM_TIMEOUT_MS; a body that has begun may take its time",
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
    // What takes longest goes first: it waits while the others start.
    let (hung, pressed, named, carried, guarded, crowd, streamed, cancelled, sick) = tokio::join!(
        observe(
            run,
            "504 while a service hangs",
            hurried,
            async |stage, seen| { probes::hangs(stage, seen).await }
        ),
        observe(
            run,
            "long bodies to pass",
            unhurried,
            async |stage, seen| { probes::pressure(stage, seen).await }
        ),
        observe_first(
            run,
            "answers of the registry",
            unhurried,
            async |stage, seen| { probes::registry(stage, seen).await }
        ),
        observe(
            run,
            "calls to be carried",
            unhurried,
            async |stage, seen| { probes::carry(stage, seen).await }
        ),
        observe(
            run,
            "a PUT while a call is withheld",
            unhurried,
            async |stage, seen| { probes::guard(stage, seen).await }
        ),
        observe(
            run,
            "all clients to be in flight together",
            unhurried,
            async |stage, seen| { probes::crowd(clients(), stage, seen).await }
        ),
        observe(run, "bodies to stream", unhurried, async |stage, seen| {
            probes::stream(stage, seen).await
        }),
        observe(
            run,
            "calls to end with their clients",
            unhurried,
            async |stage, seen| { probes::cancel(stage, seen).await }
        ),
        observe(run, "answers to faults", unhurried, async |stage, seen| {
            probes::faults(stage, seen).await
        }),
    );
    let (named, carried, guarded, crowd) = (named?, carried?, guarded?, crowd?);
    let (streamed, pressed, cancelled) = (streamed?, pressed?, cancelled?);
    let (sick, hung) = (sick?, hung?);

    let judged = |check: Check, seen: &Observation, doing, fault, kept: &str| {
        check.judged(
            judge::trouble(seen, doing)
                .or(fault)
                .or_else(|| judgement::silence(seen)),
            seen.was_too_busy(),
            kept,
        )
    };
    let registry = judged(
        registry(),
        &named,
        "while names were registered",
        judgement::registry(&named),
        "each change took effect at once",
    );
    let mut forward = judged(
        forward(),
        &carried,
        "while calls were carried",
        judgement::forward(&carried),
        "each arrived as it was sent, and each answer came back whole",
    );
    if let Some(word) = judge::connections(&carried) {
        forward.advice = Some(Diagnosis::ConnectionPerCall);
        forward.next_step = word;
    }
    let headers = headers().judged(
        judgement::headers(&carried),
        carried.was_too_busy(),
        "all of them arrived, and none too many",
    );
    let held = judgement::guard(&guarded);
    let gap = held.as_ref().and_then(|_| judgement::guard_gap(&guarded));
    let guard = judged(
        guard(),
        &guarded,
        "while a call was withheld",
        held,
        "they answered while a call was withheld, before its head and in mid-body",
    );
    let sure = asleep::make_sure_by(run, &crowd, unhurried, async |stage, seen| {
        probes::crowds(clients(), stage, seen).await
    });
    let sure = sure.await?;
    let sure = sure.as_ref();
    let (clients_fault, health_fault) = judgement::crowd(&crowd);
    let health_fault = health_fault.or_else(|| judge::asleep(sure));
    let busy = crowd.was_too_busy();
    let (together, health) = match (clients_fault, health_fault) {
        (_, Some(fault)) => (
            together().not_reached("/healthz has to answer first: ex03/health"),
            health().broken(fault),
        ),
        (clients, None) => (
            together().judged(clients, busy, "all of them in flight at once"),
            judge::health(
                health(),
                None,
                &crowd,
                sure,
                "answered while every call was withheld",
            ),
        ),
    };
    let stream = judged(
        stream(),
        &streamed,
        "while bodies were on their way",
        judgement::stream(&streamed),
        "the first piece came through while the last was withheld, both ways",
    );
    let pressure = judged(
        pressure(),
        &pressed,
        "while long bodies were on their way",
        judgement::pressure(&pressed),
        &judgement::memory(&pressed),
    );
    let cancel = judged(
        cancel(),
        &cancelled,
        "while clients left",
        judgement::cancel(&cancelled),
        "each call ended with its client",
    );
    let faults = judged(
        faults(),
        &sick,
        "while services were out of order",
        judgement::faults(&sick),
        "502, 502, and a body that broke off where the service's did",
    );
    let timeout = judged(
        timeout(),
        &hung,
        "while a service hung",
        judgement::hangs(&hung),
        "504 before the head; a slow body came whole",
    );
    // Who never asks a service makes us wait for ever; the cause has been named.
    let mut later = [guard, together, stream, pressure, cancel, faults, timeout];
    if [&registry, &forward]
        .iter()
        .any(|f| f.diagnosis == Some(Diagnosis::NotAsked))
    {
        let checks = checks();
        for finding in &mut later {
            if matches!(
                finding.diagnosis,
                Some(Diagnosis::Hung | Diagnosis::SerialisedClients)
            ) && let Some(check) = checks.iter().find(|check| check.id == finding.check)
            {
                *finding = check.clone().not_reached("ex03/registry comes first");
            }
        }
    }
    let [guard, together, stream, pressure, cancel, faults, timeout] = later;
    let mut all = vec![
        &named, &carried, &guarded, &crowd, &streamed, &pressed, &cancelled, &sick, &hung,
    ];
    all.extend(sure);
    let alive = alive().judged(judge::alive(all.iter().copied()), false, "up to the end");
    let crowd = judge::telling(&crowd, sure);
    Ok(Judged {
        output: telling_output(&all),
        findings: vec![
            registry, forward, headers, guard, together, health, stream, pressure, cancel, faults,
            timeout, alive,
        ],
        timelines: vec![
            judge::timeline("ex03/registry", &named, None),
            judge::timeline("ex03/forward", &carried, None),
            judge::timeline("ex03/headers", &carried, None),
            judge::timeline("ex03/guard", &guarded, gap),
            judge::timeline("ex03/together", crowd, judgement::crowd_gap(crowd)),
            judge::timeline("ex03/stream", &streamed, judgement::stream_gap(&streamed)),
            judge::timeline("ex03/pressure", &pressed, None),
            judge::timeline("ex03/cancel", &cancelled, judgement::cancel_gap(&cancelled)),
            judge::timeline("ex03/faults", &sick, None),
            judge::timeline("ex03/timeout", &hung, None),
        ],
    })
}

/// Holds that are released, whatever way a probe ends.
#[derive(Debug, Default)]
struct Released(Hold);

impl Drop for Released {
    fn drop(&mut self) {
        self.0.release();
    }
}
