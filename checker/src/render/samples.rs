//! Timelines and reports to draw in tests.

use mock_services::exchange::{Ending, Exchange, Frames, Way};
use mock_services::moment::Moment;

use crate::diagnosis::Diagnosis;
use crate::report::{Finding, Gap, Outcome, Report, Timeline, Timings};

/// Times in milliseconds; an end before its start means that there is none.
fn exchange(id: u32, service: &str, request: &str, from: f64, to: f64) -> Exchange {
    let moment = |ms: f64| Moment::from_micros((ms * 1e3) as u64);
    let end = (to >= from).then(|| moment(to));
    Exchange {
        id,
        service: service.to_owned(),
        connection: 1,
        request: format!("GET {request}"),
        arrived: moment(from),
        answered: end,
        ended: end,
        status: end.map(|_| 200),
        ending: if end.is_some() {
            Ending::Answered
        } else {
            Ending::Open
        },
        frames: vec![],
    }
}

/// A WebSocket that is opened early on, and what goes over it: when (in
/// milliseconds), which way, how many.
pub(crate) fn lane(id: u32, service: &str, target: &str, frames: &[(f64, Way, u32)]) -> Exchange {
    let from = f64::from(id) * 0.5;
    Exchange {
        connection: id,
        request: format!("WS {target}"),
        answered: Some(Moment::from_micros(((from + 0.4) * 1e3) as u64)),
        status: Some(101),
        frames: frames
            .iter()
            .map(|&(ms, way, count)| Frames {
                at: Moment::from_micros((ms * 1e3) as u64),
                way,
                count,
            })
            .collect(),
        ..exchange(id, service, target, from, -1.0)
    }
}

/// Fifty clients; the first reads nothing, and the others in its room get no more.
pub(crate) fn stalled_timeline() -> Timeline {
    let target = |room: &str, name: &str| format!("/ws?room={room}&name={name}");
    let burst = |n: u32| 40.0 + 6.0 * f64::from(n);
    let heard: Vec<_> = (0..14)
        .map(|n| (burst(n) + 2.0, Way::Received, 32))
        .collect();
    let mut said: Vec<_> = (0..15).map(|n| (burst(n), Way::Sent, 32)).collect();
    said.extend(&heard);
    let mut lanes = vec![
        lane(1, "you", &target("tea", "slow"), &[]),
        lane(2, "you", &target("tea", "speaker"), &said),
    ];
    lanes.extend((3..=5).map(|id| {
        lane(
            id,
            "you",
            &target("tea", &format!("reader{}", id - 3)),
            &heard,
        )
    }));
    lanes.extend((6..=50).map(|id| {
        let name = format!("calm{}", id - 6);
        let target = target("a%20calm%20room%20that%20has%20a%20long%20name", &name);
        lane(id, "you", &target, &[(50.0, Way::Received, 1)])
    }));
    lanes[0].ending = Ending::Left;
    lanes[0].ended = Some(Moment::from_micros(380_000));
    Timeline {
        gap: Some(Gap {
            from: Moment::from_micros(120_000),
            to: Moment::from_micros(370_000),
            exchange: 3,
            label: "nothing comes here while another does not read".to_owned(),
        }),
        ..timeline(
            "ex05/slow",
            "one of fifty clients reads nothing while 8 MiB go by",
            lanes,
        )
    }
}

/// Three browsers, and a connection to the parent for each of them; the parent
/// ends the last of them, and refuses the next.
pub(crate) fn parents_timeline() -> Timeline {
    let mut lanes: Vec<_> = (1..=3)
        .flat_map(|n| {
            [
                lane(
                    2 * n,
                    "you",
                    "/websocket",
                    &[(20.0, Way::Sent, 1), (21.0, Way::Received, 3)],
                ),
                lane(2 * n + 1, "parent", "/broadcast", &[(22.0, Way::Sent, 3)]),
            ]
        })
        .collect();
    for x in &mut lanes {
        x.connection = x.id / 2;
    }
    lanes[1].ending = Ending::Answered;
    lanes[1].ended = Some(Moment::from_micros(30_000));
    lanes[5].ending = Ending::Cut;
    lanes[5].ended = Some(Moment::from_micros(25_000));
    lanes.push(Exchange {
        arrived: Moment::from_micros(40_000),
        answered: None,
        status: None,
        ending: Ending::Cut,
        ended: Some(Moment::from_micros(40_080)),
        connection: 4,
        ..lane(8, "parent", "/broadcast", &[])
    });
    timeline("ex06/upstream", "three browsers, and the parent", lanes)
}

fn timeline(probe: &str, title: &str, exchanges: Vec<Exchange>) -> Timeline {
    Timeline {
        probe: probe.to_owned(),
        title: title.to_owned(),
        exchanges,
        gap: None,
    }
}

pub(crate) fn sequential_timeline() -> Timeline {
    Timeline {
        gap: Some(Gap {
            from: Moment::from_micros(1_400),
            to: Moment::from_micros(203_000),
            exchange: 3,
            label: "tomorrow not asked until today had answered".to_owned(),
        }),
        ..timeline(
            "ex02/overlap",
            "one client; neither answer is given until both have been asked",
            vec![
                exchange(1, "you", "/both", 1.0, 404.0),
                exchange(2, "weather", "/today", 1.4, 201.4),
                exchange(3, "weather", "/tomorrow", 203.0, 403.0),
            ],
        )
    }
}

pub(crate) fn parallel_timeline() -> Timeline {
    timeline(
        "ex02/overlap",
        "one client; neither answer is given until both have been asked",
        vec![
            exchange(1, "you", "/both", 5001.0, 5202.5),
            exchange(2, "weather", "/today", 5001.4, 5201.4),
            exchange(3, "weather", "/tomorrow", 5001.5, 5201.9),
        ],
    )
}

/// Ten requests under way together, then a pair of calls for each.
pub(crate) fn ten_clients_timeline() -> Timeline {
    let mut exchanges: Vec<_> = (1..=10)
        .map(|id| {
            exchange(
                id,
                "you",
                "/both",
                f64::from(id) * 0.1,
                900.0 + f64::from(id),
            )
        })
        .collect();
    for client in 0..10 {
        let from = 2.0 + f64::from(client) * 80.0;
        let id = 11 + client * 2;
        exchanges.push(exchange(id, "weather", "/today", from, from + 40.0));
        exchanges.push(exchange(
            id + 1,
            "weather",
            "/tomorrow",
            from + 1.0,
            from + 41.0,
        ));
    }
    timeline("ex02/together", "ten clients at once", exchanges)
}

pub(crate) fn endings_timeline() -> Timeline {
    let mut all = timeline(
        "ex02/failure",
        "every way to end",
        vec![
            exchange(1, "you", "/tomorrow", 0.0, 100.0),
            exchange(2, "weather", "/today", 0.5, 20.0),
            exchange(3, "weather", "/tomorrow", 0.6, 60.0),
            exchange(4, "weather", "/slow", 0.7, -1.0),
            exchange(5, "weather", "/broken", 30.0, 70.0),
        ],
    );
    all.exchanges[1].status = Some(500);
    all.exchanges[2].ending = Ending::Left;
    all.exchanges[2].answered = None;
    all.exchanges[2].status = None;
    all.exchanges[4].ending = Ending::Cut;
    all.exchanges[4].answered = Some(Moment::from_micros(45_000));
    all
}

pub(crate) fn random_timeline(seed: u64) -> Timeline {
    let mut drawn = fastrand::Rng::with_seed(seed);
    let scale = 10_f64.powi(drawn.i32(-2..4));
    let exchanges = (1..=drawn.u32(1..40))
        .map(|id| {
            let service = ["you", "weather", "auth", "a-service-with-a-long-name"];
            let requests = [
                "/",
                "/today",
                "/tomorrow",
                "/proxy/weather/today?lang=en&units=c",
            ];
            let from = drawn.f64() * 100.0 * scale;
            let to = from + drawn.f64() * 50.0 * scale;
            let mut one = exchange(
                id,
                service[drawn.usize(..service.len())],
                requests[drawn.usize(..requests.len())],
                from,
                to,
            );
            match drawn.u8(..8) {
                0 => one.ending = Ending::Left,
                1 => one.ending = Ending::Cut,
                2 => {
                    one.ending = Ending::Open;
                    one.ended = None;
                    one.answered = None;
                }
                3 => one.answered = Some(one.arrived),
                4 | 5 => {
                    let frames: Vec<_> = (0..drawn.u32(..60))
                        .map(|_| {
                            let way = if drawn.bool() {
                                Way::Sent
                            } else {
                                Way::Received
                            };
                            (from + drawn.f64() * 90.0 * scale, way, drawn.u32(1..9000))
                        })
                        .collect();
                    let service = ["you", "parent"][drawn.usize(..2)];
                    let target = ["/ws?room=a%20room&name=somebody", "/broadcast"];
                    let lane = lane(id, service, target[drawn.usize(..2)], &frames);
                    one = Exchange {
                        arrived: one.arrived,
                        answered: Some(one.arrived),
                        ..lane
                    };
                    if drawn.bool() {
                        one.ended = Some(Moment::from_micros((to * 1e3) as u64));
                        one.ending =
                            [Ending::Answered, Ending::Left, Ending::Cut][drawn.usize(..3)];
                    }
                }
                _ => {}
            }
            one
        })
        .collect();
    let gap = drawn.bool().then(|| Gap {
        from: Moment::from_micros(drawn.u64(..1000)),
        to: Moment::from_micros(drawn.u64(1000..90_000)),
        exchange: drawn.u32(1..5),
        label: "something that did not happen for a while".to_owned(),
    });
    Timeline {
        gap,
        ..timeline("ex02/random", "anything", exchanges)
    }
}

fn finding(check: &str, title: &str, outcome: Outcome) -> Finding {
    Finding {
        check: check.to_owned(),
        title: title.to_owned(),
        outcome,
        diagnosis: None,
        advice: None,
        expected: "what the contract asks for".to_owned(),
        observed: String::new(),
        next_step: String::new(),
        evidence: vec![],
    }
}

fn report(findings: Vec<Finding>, timelines: Vec<Timeline>) -> Report {
    Report {
        exercise: "ex02".to_owned(),
        title: "Today and tomorrow in parallel".to_owned(),
        program: "exercise".to_owned(),
        seed: 4711,
        timings: Timings {
            build_ms: 520.0,
            verify_ms: 561.0,
            start_ms: 2.4,
            probe_ms: 552.0,
        },
        findings,
        timelines,
        output: String::new(),
    }
}

pub(crate) fn sequential() -> Report {
    report(
        vec![
            finding("ex02/ready", "it builds, starts and answers /healthz", Outcome::Kept),
            finding("ex02/answer", "GET /tomorrow answers with both days", Outcome::Kept),
            Finding {
                diagnosis: Some(Diagnosis::Sequential),
                expected: "today and tomorrow are both asked before either has answered".to_owned(),
                observed: "`tomorrow` was asked 1.6 ms after `today` had answered.".to_owned(),
                next_step: "Does `tomorrow` need anything that `today` says? Start both before you wait for either.".to_owned(),
                evidence: vec![2, 3],
                ..finding("ex02/overlap", "both calls are in flight together", Outcome::Broken)
            },
            Finding {
                observed: "the calls do not overlap: ex02/overlap comes first".to_owned(),
                ..finding("ex02/labels", "labels stay right, whichever comes first", Outcome::NotReached)
            },
        ],
        vec![sequential_timeline()],
    )
}

pub(crate) fn passed() -> Report {
    report(
        vec![
            finding("ex02/ready", "it builds, starts and answers /healthz", Outcome::Kept),
            Finding {
                advice: Some(Diagnosis::ConnectionPerCall),
                next_step: "6 calls opened 6 connections. One client, shared by all handlers, keeps connections open.".to_owned(),
                ..finding("ex02/answer", "GET /tomorrow answers with both days", Outcome::Kept)
            },
            finding("ex02/overlap", "both calls are in flight together", Outcome::Kept),
        ],
        vec![parallel_timeline()],
    )
}

pub(crate) fn inconclusive() -> Report {
    report(
        vec![
            finding(
                "ex02/ready",
                "it builds, starts and answers /healthz",
                Outcome::Kept,
            ),
            Finding {
                observed: "This machine was too busy to judge. Nothing is held against you."
                    .to_owned(),
                next_step: "Close what keeps this machine busy, then run it again.".to_owned(),
                ..finding(
                    "ex02/overlap",
                    "both calls are in flight together",
                    Outcome::Inconclusive,
                )
            },
        ],
        vec![],
    )
}

pub(crate) fn crashed() -> Report {
    Report {
        output: "ex02 listens on http://127.0.0.1:15012\n\nthread 'tokio-rt-worker' (77) panicked at src/main.rs:51:39:\ncalled `Result::unwrap()` on an `Err` value: no JSON\n".to_owned(),
        ..report(
            vec![
                finding("ex02/ready", "it builds, starts and answers /healthz", Outcome::Kept),
                Finding {
                    diagnosis: Some(Diagnosis::Crashed),
                    observed: "It panicked while the weather was out of order, at src/main.rs:51:39: called `Result::unwrap()` on an `Err` value: no JSON".to_owned(),
                    next_step: "Go to src/main.rs:51:39.".to_owned(),
                    ..finding("ex02/faults", "a weather that fails is a 502", Outcome::Broken)
                },
            ],
            vec![],
        )
    }
}

pub(crate) fn not_compiling() -> Report {
    report(
        vec![Finding {
            diagnosis: Some(Diagnosis::NotCompiling),
            observed: "\u{1b}[1m\u{1b}[91merror[E0308]\u{1b}[0m: mismatched types\n  --> src/main.rs:3:5\n".to_owned(),
            next_step: "Mend the first error.".to_owned(),
            ..finding("ex02/ready", "it builds, starts and answers /healthz", Outcome::Broken)
        }],
        vec![],
    )
}

/// Every report of these.
pub(crate) fn all() -> Vec<Report> {
    vec![
        sequential(),
        passed(),
        inconclusive(),
        crashed(),
        not_compiling(),
    ]
}
