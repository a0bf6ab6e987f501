use mock_services::exchange::Ending;
use mock_services::moment::Moment;
use mock_services::weather::Reading;

use super::*;
use crate::client::Reply;
use crate::observation::{Dozed, Rendezvous};

/// ex04's in small: auth, then the weather.
const CONTRACT: Contract = Contract {
    id: "ex00",
    route: "/weather/today",
    keyed: false,
    asks: &["/auth", "/today"],
    reads: &["/today"],
    body: |readings: &[Reading]| format!("It's {}.", readings[0].temperature),
    same: |right, body| right == body,
};

fn exchange(id: u32, service: &str, route: &str, from: u64, to: u64) -> Exchange {
    Exchange {
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
    }
}

fn reply(exchange: u32, body: &str) -> (Question, Answer) {
    let reply = Ok(Reply {
        status: 200,
        body: body.to_owned(),
    });
    let answer = Answer {
        exchange,
        path: "/weather/today".to_owned(),
        reply,
        late: std::time::Duration::ZERO,
    };
    (Question::Plain, answer)
}

/// Two clients who were answered, and calls to the weather for them.
fn crowd(others: Vec<Exchange>) -> Observation {
    let weather = Weather::from_seed(1);
    let body = |id| (CONTRACT.body)(&[weather.reading(id)]);
    let mut exchanges = vec![
        exchange(1, YOU, "/weather/today", 0, 100),
        exchange(2, YOU, "/weather/today", 0, 100),
        exchange(3, "weather", "/today", 10, 90),
        exchange(4, "weather", "/today", 10, 90),
    ];
    exchanges.extend(others);
    Observation {
        exchanges,
        answers: vec![reply(1, &body(3)), reply(2, &body(4))],
        rendezvous: vec![Rendezvous {
            about: "clients",
            wanted: 2,
            reached: 2,
            waited: Waited::Done(()),
            released: Moment::from_micros(80),
            sat_idle: None,
        }],
        health: Some(HealthSeen::Answered(200)),
        ..Observation::default()
    }
}

fn diagnosed(seen: &Observation) -> Option<Diagnosis> {
    let (fault, _) = together(&CONTRACT, &Weather::from_seed(1), seen, None);
    fault.map(|fault| fault.diagnosis)
}

#[test]
fn a_crowd_that_auth_was_never_asked_for_was_not_judged_by_a_cache() {
    let asked = |id| exchange(id, "auth", "/auth", 1, 5);
    assert_eq!(diagnosed(&crowd(vec![])), Some(Diagnosis::NotAsked));
    assert_eq!(
        diagnosed(&crowd(vec![asked(5)])),
        Some(Diagnosis::CachedVerdict)
    );
    assert_eq!(diagnosed(&crowd(vec![asked(5), asked(6)])), None);
}

/// Two exchanges of which one's temperature stands in the other's: `0.1 C` in `-10.1 C`.
fn alike(weather: &Weather) -> (u32, u32) {
    let temperature = |id| weather.reading(id).temperature;
    (0..400_u32)
        .flat_map(|short| (0..400).map(move |long| (short, long)))
        .find(|(short, long)| {
            temperature(*short) != temperature(*long)
                && temperature(*long).contains(&temperature(*short))
        })
        .expect("some are alike")
}

#[test]
fn a_call_is_claimed_by_the_body_that_it_makes_up_and_once() {
    let weather = Weather::from_seed(1);
    let (short, long) = alike(&weather);
    let body = |id| (CONTRACT.body)(&[weather.reading(id)]);
    for ids in [[short, long], [long, short]] {
        let mut free = vec![ids.iter().map(|id| (*id, false)).collect::<Vec<_>>()];
        assert!(claim(&CONTRACT, &weather, &mut free, &body(long)));
        assert!(!claim(&CONTRACT, &weather, &mut free, &body(long)));
        assert!(claim(&CONTRACT, &weather, &mut free, &body(short)));
        assert!(!claim(&CONTRACT, &weather, &mut free, &body(short)));
    }
}

#[test]
fn two_readings_of_a_body_are_tried_in_every_combination() {
    const BOTH: Contract = Contract {
        reads: &["/today", "/tomorrow"],
        body: |readings: &[Reading]| {
            format!("{}, {}", readings[0].temperature, readings[1].temperature)
        },
        ..CONTRACT
    };
    let weather = Weather::from_seed(1);
    let (short, long) = alike(&weather);
    // Every call's temperature stands somewhere in this body; one pair makes it up.
    let body = (BOTH.body)(&[weather.reading(long), weather.reading(long)]);
    let calls = || vec![(short, false), (short, false), (long, false)];
    let mut free = vec![calls(), calls()];
    assert!(claim(&BOTH, &weather, &mut free, &body));
    let taken = |calls: &[(u32, bool)]| calls.iter().map(|(_, taken)| *taken).collect::<Vec<_>>();
    for calls in &free {
        assert_eq!(taken(calls), [false, false, true]);
    }
}

#[test]
fn a_belated_call_of_a_request_that_failed_is_not_a_second_one() {
    let weather = Weather::from_seed(1);
    let body = |id| (CONTRACT.body)(&[weather.reading(id)]);
    let told = |failed: u16, earlier: &[(&str, u64)], calls: &[u64], says: u32| {
        let mut exchanges = vec![
            exchange(1, YOU, "/weather/today", 0, 50),
            exchange(2, YOU, "/weather/today", 60, 200),
            exchange(3, "auth", "/auth", 70, 80),
        ];
        exchanges[0].status = Some(failed);
        for (id, (route, at)) in (20..).zip(earlier) {
            exchanges.push(exchange(id, "weather", route, *at, at + 1));
        }
        for (id, at) in (10..).zip(calls) {
            exchanges.push(exchange(id, "weather", "/today", *at, at + 1));
        }
        let seen = Observation {
            exchanges,
            answers: vec![reply(2, &body(says))],
            ..Observation::default()
        };
        plain(&CONTRACT, &weather, &seen).map(|fault| fault.diagnosis)
    };
    let twice = Some(Diagnosis::AskedTwice);
    assert_eq!(told(502, &[], &[90], 10), None);
    // The request before failed, and its call had not been seen yet.
    assert_eq!(told(502, &[], &[90, 100], 10), None);
    assert_eq!(told(502, &[], &[90, 100], 11), None);
    assert_eq!(told(502, &[], &[90, 100], 12), Some(Diagnosis::WrongBody));
    assert_eq!(told(502, &[], &[90, 100, 110], 10), twice);
    // Its call had been seen, or it was answered.
    assert_eq!(told(502, &[("/today", 10)], &[90, 100], 10), twice);
    assert_eq!(told(200, &[], &[90, 100], 10), twice);
}

#[test]
fn a_call_at_a_time_when_nobody_asked_is_nobodys() {
    let client = |from, to| exchange(1, YOU, "/weather/today", from, to);
    let health = |from, to| exchange(2, YOU, "/healthz", from, to);
    let call = |at| exchange(3, "weather", "/today", at, at + 1);
    let unasked = |exchanges: Vec<Exchange>| {
        let seen = Observation {
            exchanges,
            ..Observation::default()
        };
        unasked(&CONTRACT, &seen, "/today", outside).is_some()
    };
    for (at, nobodys) in [(9, true), (10, false), (15, false), (20, false), (21, true)] {
        assert_eq!(unasked(vec![client(10, 20), call(at)]), nobodys, "at {at}");
        // Whoever asks for /healthz asks for no weather.
        let watched = vec![client(10, 20), health(0, 30), call(at)];
        assert_eq!(unasked(watched), nobodys, "at {at}");
        let both = vec![client(10, 20), client(30, 40), call(at)];
        assert_eq!(unasked(both), nobodys, "at {at}");
    }
}

#[test]
fn who_asks_before_there_is_a_client_asks_for_none() {
    let asked = |id, at| exchange(id, "auth", "/auth", at, at + 4);
    let gave_up = |others| {
        let mut seen = crowd(others);
        seen.exchanges
            .iter_mut()
            .filter(|x| x.service == YOU)
            .for_each(|x| x.arrived = Moment::from_micros(8));
        seen.rendezvous[0].waited = Waited::GaveUp(std::time::Duration::from_millis(250));
        seen.rendezvous[0].reached = 1;
        diagnosed(&seen)
    };
    let in_time = gave_up(vec![asked(5, 8), asked(6, 9)]);
    assert_eq!(in_time, Some(Diagnosis::SerialisedClients));
    let ahead = gave_up(vec![asked(5, 7), asked(6, 9)]);
    assert_eq!(ahead, Some(Diagnosis::NotAsked));
}

#[test]
fn a_healthz_that_stands_still_after_the_calls_is_a_blocked_thread() {
    let asked = |id| exchange(id, "auth", "/auth", 1, 5);
    let mut seen = crowd(vec![asked(5), asked(6)]);
    let after = std::time::Duration::from_millis(63);
    seen.health = Some(HealthSeen::SilentAfterwards(after));
    let (clients, health) = together(&CONTRACT, &Weather::from_seed(1), &seen, None);
    assert!(clients.is_none());
    let health = health.expect("a fault");
    assert_eq!(health.diagnosis, Diagnosis::BlockedRuntime);
    assert!(health.observed.contains("63 ms"), "{}", health.observed);
}

#[test]
fn a_program_that_sleeps_in_every_crowd_blocks_a_thread() {
    let check = || Check::new(&CONTRACT, "health", "it answers", "200");
    let asked = |id| exchange(id, "auth", "/auth", 1, 5);
    let dozed = Dozed {
        times: 10,
        of: 10,
        wait: std::time::Duration::from_millis(41),
    };
    let mut seen = crowd(vec![asked(5), asked(6)]);
    seen.health = Some(HealthSeen::Answered(200));
    let judged = |seen: &Observation, sure: Option<&Observation>| {
        health(check(), asleep(sure), seen, sure, "it did")
    };
    assert_eq!(judged(&seen, None).outcome, Outcome::Kept);

    let mut sure = crowd(vec![asked(7), asked(8)]);
    sure.health = Some(HealthSeen::Dozed(dozed));
    let finding = judged(&seen, Some(&sure));
    assert_eq!(finding.diagnosis, Some(Diagnosis::BlockedRuntime));
    assert!(
        finding.observed.contains("10 of 10"),
        "{}",
        finding.observed
    );
    assert!(finding.observed.contains("41 ms"), "{}", finding.observed);
    assert!(std::ptr::eq(telling(&seen, Some(&sure)), &raw const sure));

    // Now and now not: nobody can tell, and that is what is said.
    sure.health = Some(HealthSeen::DozedAtTimes(Dozed { times: 5, ..dozed }));
    let finding = judged(&seen, Some(&sure));
    assert_eq!(finding.outcome, Outcome::Inconclusive);
    assert!(finding.observed.contains("5 of 10"), "{}", finding.observed);

    sure.health = Some(HealthSeen::Answered(200));
    assert_eq!(judged(&seen, Some(&sure)).outcome, Outcome::Kept);
    assert!(std::ptr::eq(telling(&seen, Some(&sure)), &raw const seen));

    // It answered while no call was waiting: that says nothing.
    seen.rendezvous[0].reached = 0;
    assert_eq!(judged(&seen, None).outcome, Outcome::NotReached);
}

#[test]
fn who_waits_outside_waits_from_the_last_that_came() {
    let mut seen = crowd(vec![exchange(5, "weather", "/today", 95, 99)]);
    seen.rendezvous[0] = Rendezvous {
        wanted: 3,
        waited: Waited::GaveUp(std::time::Duration::from_micros(70)),
        ..seen.rendezvous[0]
    };
    seen.exchanges[3].arrived = Moment::from_micros(12);
    let gap = clients_gap(&CONTRACT, &seen).expect("one is missing");
    // The fifth came when the others had been let go.
    assert_eq!(
        (gap.exchange, gap.from, gap.to),
        (4, Moment::from_micros(12), Moment::from_micros(80))
    );
    assert_eq!(gap.label, "1 client waited outside");

    // A thread that sleeps before it asks: no call has come yet, and `/healthz` waits.
    for call in &mut seen.exchanges[2..] {
        call.arrived = Moment::from_micros(85);
    }
    seen.rendezvous[0].reached = 0;
    seen.health = Some(HealthSeen::Silent(std::time::Duration::from_micros(75)));
    seen.exchanges.push(exchange(6, YOU, "/healthz", 5, 98));
    let gap = clients_gap(&CONTRACT, &seen).expect("all are missing");
    assert_eq!(
        (gap.exchange, gap.from, gap.to),
        (6, Moment::from_micros(5), Moment::from_micros(80))
    );
    assert_eq!(gap.label, "3 clients and /healthz waited outside");

    // All have come, and it was answered before we lost patience: it waited so long.
    seen.rendezvous[0].reached = 3;
    seen.exchanges[5].answered = Some(Moment::from_micros(70));
    let gap = clients_gap(&CONTRACT, &seen).expect("it waited");
    assert_eq!((gap.exchange, gap.to), (6, Moment::from_micros(70)));
    assert_eq!(gap.label, "/healthz waited too");
}

#[test]
fn each_service_is_looked_for_where_its_own_variable_says() {
    let seen = crowd(vec![]);
    let (_, answer) = &seen.answers[0];
    let step = |route| not_asked(&CONTRACT, &seen, answer, "200", route).next_step;
    assert!(step("/auth").contains("AUTH_URL"));
    assert!(step("/services").contains("DISCOVERY_URL"));
    assert!(step("/tomorrow").contains("WEATHER_URL"));
}

#[test]
fn a_busy_machine_is_what_the_next_step_is_about() {
    let check = Check::new(&CONTRACT, "health", "it is well", "200");
    assert!(check.inconclusive().next_step.contains("busy"));
}

proptest::proptest! {
    #[test]
    fn any_body_is_shown_on_one_short_line(body: String) {
        let shown = excerpt(&body);
        let is_one_line = !shown.contains(['\n', '\r', '\u{1b}']);
        proptest::prop_assert!(is_one_line, "{}", shown);
        proptest::prop_assert!(shown.chars().count() <= 121);
    }
}
