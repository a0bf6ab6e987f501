//! What follows from what was seen, for the checks that every exercise has.
//! Plain functions over observations: no clock, no effects.

use mock_services::exchange::Exchange;
use mock_services::weather::Weather;

use crate::client::{Answer, NoReply, YOU};
use crate::contract::{Contract, service_first, service_of};
use crate::diagnosis::Diagnosis;
use crate::observation::{
    HealthSeen, Observation, PLAIN_LIMIT, Question, Silence, Tries, route_of,
};
use crate::program::Panic;
use crate::report::{Finding, Gap, Outcome, TOO_BUSY, Timeline, counted, words};
use crate::stage::{Trouble, Waited};

/// A check: its id, what it asks, and what the contract says about it.
#[derive(Clone, Debug)]
pub struct Check {
    /// `ex02/overlap`
    pub id: String,
    /// In a few words.
    pub title: &'static str,
    /// What the contract asks for.
    pub expected: String,
}

/// A broken promise, before it is attached to its check.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The mistake's name.
    pub diagnosis: Diagnosis,
    /// What was seen.
    pub observed: String,
    /// The one thing to do now.
    pub next_step: String,
    /// The exchanges that prove it.
    pub evidence: Vec<u32>,
}

impl Check {
    /// A check of that exercise.
    pub fn new(
        contract: &Contract,
        name: &str,
        title: &'static str,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            id: format!("{}/{name}", contract.id),
            title,
            expected: expected.into(),
        }
    }

    fn finding(self, outcome: Outcome, observed: impl Into<String>) -> Finding {
        Finding {
            check: self.id,
            title: self.title.to_owned(),
            outcome,
            diagnosis: None,
            advice: None,
            expected: self.expected,
            observed: observed.into(),
            next_step: String::new(),
            evidence: Vec::new(),
        }
    }

    /// The contract was kept.
    pub fn kept(self, observed: impl Into<String>) -> Finding {
        self.finding(Outcome::Kept, observed)
    }

    /// The contract was broken.
    pub fn broken(self, fault: Fault) -> Finding {
        Finding {
            diagnosis: Some(fault.diagnosis),
            next_step: fault.next_step,
            evidence: fault.evidence,
            ..self.finding(Outcome::Broken, fault.observed)
        }
    }

    /// The machine was too busy.
    pub fn inconclusive(self) -> Finding {
        Finding {
            next_step: "Close what keeps this machine busy, then run it again.".to_owned(),
            ..self.finding(Outcome::Inconclusive, TOO_BUSY)
        }
    }

    /// The program was now this and now that.
    pub fn unsure(self, observed: impl Into<String>, next_step: impl Into<String>) -> Finding {
        Finding {
            next_step: next_step.into(),
            ..self.finding(Outcome::Inconclusive, observed)
        }
    }

    /// Something deeper stands before it.
    pub fn not_reached(self, because: impl Into<String>) -> Finding {
        self.finding(Outcome::NotReached, because)
    }

    /// Broken by the first fault there is; else inconclusive if the machine was
    /// too busy; else kept. A connection that was closed on us proves nothing
    /// where we were late ourselves.
    pub fn judged(self, fault: Option<Fault>, too_busy: bool, kept: impl Into<String>) -> Finding {
        match fault {
            Some(fault) => self.broken(fault),
            None if too_busy => self.inconclusive(),
            None => self.kept(kept),
        }
    }
}

impl Fault {
    /// A fault without exchanges to prove it.
    pub fn new(
        diagnosis: Diagnosis,
        observed: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            diagnosis,
            observed: observed.into(),
            next_step: next_step.into(),
            evidence: Vec::new(),
        }
    }

    /// The exchanges that prove it.
    #[must_use]
    pub fn proved_by(mut self, evidence: impl IntoIterator<Item = u32>) -> Self {
        self.evidence = evidence.into_iter().collect();
        self
    }
}

/// What is wrong with the program itself, if anything.
pub fn trouble(seen: &Observation, doing: &str) -> Option<Fault> {
    let trouble = seen.trouble.as_ref();
    if let Some(panic) = seen.output.panic() {
        let ended = matches!(trouble, Some(Trouble::Ended(_)));
        let broke = seen.answers.iter().any(|(_, a)| a.reply.is_err())
            || seen
                .carried
                .iter()
                .any(|call| matches!(call.got, Some(Err(_))));
        if ended || broke || trouble.is_some() {
            return Some(Fault::new(
                Diagnosis::Crashed,
                format!(
                    "It panicked {doing}, at {}: {}",
                    panic.place,
                    panic.message.trim()
                ),
                after_panic(&panic),
            ));
        }
    }
    match trouble? {
        Trouble::TooBusy => None,
        Trouble::Ended(exit) => Some(ended(exit, doing)),
        Trouble::Flooded { printed } => Some(Fault::new(
            Diagnosis::FloodedOutput,
            format!(
                "It had printed {:.1} MiB when it was stopped {doing}.",
                *printed as f64 / f64::from(1024 * 1024)
            ),
            "Find the print that runs in a loop, and take it out. A line per request is plenty.",
        )),
        Trouble::NotListening {
            wanted,
            found,
            after,
        } => Some(not_listening(*wanted, found.as_deref(), *after)),
        Trouble::WantedAnotherPort { wanted } => Some(Fault::new(
            Diagnosis::NotListening,
            format!(
                "It ended because the address that it wanted was taken. PORT was {}, and that one was free.",
                wanted.port()
            ),
            "Read the port from the environment variable PORT, and use 8080 only where it is unset.",
        )),
        Trouble::Unhealthy { status } => Some(Fault::new(
            Diagnosis::WrongStatus,
            format!("GET /healthz was answered with {status}."),
            "Answer GET /healthz with 200 as soon as the server is ready.",
        )),
        Trouble::Hung { request, after } => Some(Fault::new(
            Diagnosis::Hung,
            format!(
                "It accepted a connection and took `{request}`, but did not answer for {}. \
                 It was idle all that time.",
                words(*after)
            ),
            format!("See what the handler of `{request}` waits for. Does anything ever wake it?"),
        )),
        Trouble::NoAnswer { request, why } => Some(Fault::new(
            Diagnosis::WrongStatus,
            format!("`{request}` got no answer: {why}."),
            "Answer every request with an HTTP status, GET /healthz with 200.",
        )),
    }
}

fn ended(exit: &crate::program::Exit, doing: &str) -> Fault {
    use crate::program::Exit;
    match exit {
        Exit::Code(code) => Fault::new(
            Diagnosis::Exited,
            format!("It ended by itself {doing}, with exit code {code}."),
            "A server stays until it is told to stop. Find what ends it: an error that is only \
             printed, a call of `exit`, or a server that is started and not awaited.",
        ),
        Exit::Signal { name, .. } => Fault::new(
            Diagnosis::Crashed,
            format!("It was ended by {name} {doing}, and not by the checker."),
            "Look for `abort`, a stack that overflows (endless recursion), or memory that only grows.",
        ),
    }
}

/// What to do about a panic.
fn after_panic(panic: &Panic) -> String {
    // tokio's words for a `block_on` where a runtime is at work.
    let blocks = [
        "start a runtime from within a runtime",
        "block the current thread from within",
    ]
    .iter()
    .any(|words| panic.message.contains(words));
    if blocks {
        return format!(
            "Go to {}. An async handler cannot block on a future, for its thread belongs to the \
             runtime: `.await` it instead of `block_on` or a blocking client.",
            panic.place
        );
    }
    // Rust's words for `todo!()` and `unimplemented!()`.
    if ["not yet implemented", "not implemented"]
        .iter()
        .any(|words| panic.message.starts_with(words))
    {
        return format!(
            "Go to {}. A mark stands there for code that is still to be written. Write it, and run \
             this again.",
            panic.place
        );
    }
    format!(
        "Go to {}. What can go wrong while a request is answered (a service that is down, a body \
         that is no JSON) is answered with a status, and not met with `unwrap` or `expect`.",
        panic.place
    )
}

fn not_listening(
    wanted: std::net::SocketAddr,
    found: Option<&[std::net::SocketAddr]>,
    after: std::time::Duration,
) -> Fault {
    let seen = match found {
        Some([]) => format!("After {} it ran, but listened nowhere.", words(after)),
        Some(found) => format!(
            "It listens on {} instead.",
            found
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" and ")
        ),
        None => format!("After {} nobody listened there.", words(after)),
    };
    let same_port = found
        .unwrap_or_default()
        .iter()
        .any(|at| at.port() == wanted.port());
    let next = if same_port {
        "Bind to 127.0.0.1, the IPv4 loopback address: `TcpListener::bind((\"127.0.0.1\", port))`."
    } else {
        "Read the port from the environment variable PORT, and use 8080 only where it is unset."
    };
    Fault::new(
        Diagnosis::NotListening,
        format!(
            "It was told to listen on {wanted} (PORT={}). {seen}",
            wanted.port()
        ),
        next,
    )
}

/// The first thing that is wrong with plain answers: their count of calls,
/// status, body.
pub fn plain(contract: &Contract, weather: &Weather, seen: &Observation) -> Option<Fault> {
    for (question, answer) in &seen.answers {
        if !matches!(question, Question::Plain | Question::Afterwards) {
            continue;
        }
        let fault = one_plain(contract, weather, seen, answer);
        if fault.is_some() {
            return fault;
        }
    }
    silence(contract, seen)
}

fn one_plain(
    contract: &Contract,
    weather: &Weather,
    seen: &Observation,
    answer: &Answer,
) -> Option<Fault> {
    let ours = seen.exchange(answer.exchange)?;
    let during = |x: &&Exchange| {
        x.arrived >= ours.arrived && ours.ended.is_none_or(|ended| x.arrived <= ended)
    };
    let reply = match &answer.reply {
        Ok(reply) => reply,
        Err(why) => return Some(no_reply(answer, why)),
    };
    if reply.status != 200 {
        if let Some(route) = contract.asks.first()
            && seen.asked(route).next().is_none()
        {
            return Some(not_asked(
                contract,
                seen,
                answer,
                &format!("{}: {}", reply.status, reply.body),
                route,
            ));
        }
        return Some(
            Fault::new(
                Diagnosis::WrongStatus,
                match excerpt(&reply.body) {
                    body if body.is_empty() => format!(
                        "`{}` was answered with {}, though every service was well.",
                        ours.request, reply.status
                    ),
                    body => format!(
                        "`{}` was answered with {} and `{body}`, though every service was well.",
                        ours.request, reply.status
                    ),
                },
                "Answer with 200 where the services have answered. If they have, what does your \
                 program take for an error?",
            )
            .proved_by([answer.exchange]),
        );
    }
    let mut readings = Vec::new();
    let mut free = Vec::new();
    let mut evidence = vec![answer.exchange];
    for route in contract.asks {
        let calls: Vec<_> = seen.asked(route).filter(during).collect();
        evidence.extend(calls.iter().map(|x| x.id));
        if contract.reads.contains(route) {
            readings.extend(calls.first().map(|x| weather.reading(x.id)));
            free.push(calls.iter().map(|x| (x.id, false)).collect());
        }
        match calls.as_slice() {
            [] => return Some(not_asked(contract, seen, answer, &reply.body, route)),
            [_] => {}
            [_, more @ ..] if more.len() <= belated(contract, seen, ours, route) => {}
            [_, second, ..] => {
                if let Some(unasked) = unasked(contract, seen, route, outside) {
                    return Some(unasked);
                }
                return Some(
                    Fault::new(
                        Diagnosis::AskedTwice,
                        format!(
                            "For one `{}` {} was asked `{}` {} times; the second time {} after the first.",
                            ours.request,
                            service_of(route),
                            calls[0].request,
                            calls.len(),
                            words(second.arrived.since(calls[0].arrived)),
                        ),
                        "Make each call once, keep its result, and use that.",
                    )
                    .proved_by(evidence),
                );
            }
        }
    }
    let right = (contract.body)(&readings);
    // Of a call and a belated one, nobody knows from outside which is whose.
    let is_right =
        (contract.same)(&right, &reply.body) || claim(contract, weather, &mut free, &reply.body);
    (!is_right).then(|| wrong_body(ours, &right, &reply.body, evidence))
}

/// How many calls of earlier requests may still arrive: of requests that have failed
/// before all of their calls were seen, and whose other call was cancelled on its way, or
/// (which is another check's mistake) was not.
fn belated(contract: &Contract, seen: &Observation, ours: &Exchange, route: &str) -> usize {
    let was_asked = |earlier: &Exchange| {
        seen.asked(route).any(|x| {
            x.arrived >= earlier.arrived && earlier.ended.is_some_and(|ended| x.arrived <= ended)
        })
    };
    seen.exchanges
        .iter()
        .filter(|x| x.service == YOU && route_of(x) == contract.route)
        .filter(|x| x.ended.is_some_and(|ended| ended <= ours.arrived))
        .filter(|x| x.status != Some(200) && !was_asked(x))
        .count()
}

/// A call that was made while nobody was asking: whoever makes those does not
/// ask on behalf of a client.
fn unasked(
    contract: &Contract,
    seen: &Observation,
    route: &str,
    is_not_for: fn(call: &Exchange, client: &Exchange) -> bool,
) -> Option<Fault> {
    let clients: Vec<_> = seen
        .exchanges
        .iter()
        .filter(|x| x.service == YOU && route_of(x) == contract.route)
        .collect();
    let call = seen
        .asked(route)
        .find(|call| clients.iter().all(|client| is_not_for(call, client)))?;
    Some(
        Fault::new(
            Diagnosis::NotAsked,
            format!(
                "{} was asked `{}` at a time when no client was asking for anything.",
                service_first(route),
                call.request
            ),
            format!(
                "Ask {} when a client asks, and answer with what it says: what was fetched before \
                 is old.",
                service_of(route)
            ),
        )
        .proved_by([call.id]),
    )
}

/// Whether a call came before or after that client.
fn outside(call: &Exchange, client: &Exchange) -> bool {
    call.arrived < client.arrived || client.ended.is_some_and(|ended| call.arrived > ended)
}

fn wrong_body(ours: &Exchange, right: &str, body: &str, evidence: Vec<u32>) -> Fault {
    Fault::new(
        Diagnosis::WrongBody,
        format!(
            "`{}` was answered with `{}`. Right was `{right}`.",
            ours.request,
            excerpt(body)
        ),
        "Compare the two letter by letter. City and temperature come from the weather's answer, \
         and change from call to call.",
    )
    .proved_by(evidence)
}

fn not_asked(
    contract: &Contract,
    seen: &Observation,
    answer: &Answer,
    body: &str,
    route: &str,
) -> Fault {
    let before = seen.asked(route).count();
    if route == "/auth" && before > 0 {
        return Fault::new(
            Diagnosis::CachedVerdict,
            format!(
                "`GET {}` was answered with `{}`, and auth was not asked for it: what it had said \
                 to another request was used again.",
                contract.route,
                excerpt(body)
            ),
            "A permission can be taken away, and belongs to one key. Ask auth for every request.",
        )
        .proved_by([answer.exchange]);
    }
    let observed = if before == 0 {
        format!(
            "`GET {}` was answered with `{}`, but {} was never asked `GET {route}`.",
            contract.route,
            excerpt(body),
            service_of(route)
        )
    } else {
        format!(
            "`GET {}` was answered with `{}`, but {} was not asked `GET {route}` for it; \
             it had been asked {} before.",
            contract.route,
            excerpt(body),
            service_of(route),
            counted(before, "time")
        )
    };
    let variable = match route {
        "/auth" => "AUTH_URL",
        "/services" => "DISCOVERY_URL",
        _ => "WEATHER_URL",
    };
    if let (0, false, Some(astray)) = (before, route == "/auth", astray(seen, answer)) {
        return Fault::new(
            Diagnosis::NotAsked,
            format!(
                "{observed} It was asked `{}` instead, which is not there (404).",
                astray.request
            ),
            format!(
                "{variable} says where the service begins, and `{route}` comes behind it: ask \
                 `${variable}{route}`."
            ),
        )
        .proved_by([answer.exchange, astray.id]);
    }
    Fault::new(
        Diagnosis::NotAsked,
        observed,
        format!(
            "Ask {} for every request, at the address in {variable}, and answer with what it says. \
             Is there a cache, a constant, an address that is written into the code, or a call \
             whose future nobody awaits?",
            service_of(route),
        ),
    )
    .proved_by([answer.exchange])
}

/// A call for this answer to an address that the service does not have.
fn astray<'a>(seen: &'a Observation, answer: &Answer) -> Option<&'a Exchange> {
    let ours = seen.exchange(answer.exchange)?;
    seen.exchanges.iter().find(|x| {
        x.service != YOU
            && x.status == Some(404)
            && x.arrived >= ours.arrived
            && ours.ended.is_none_or(|ended| x.arrived <= ended)
    })
}

/// A connection that was closed without an answer.
pub fn broke_off(answer: &Answer) -> Fault {
    no_reply(
        answer,
        answer.reply.as_ref().err().unwrap_or(&NoReply::Closed),
    )
}

fn no_reply(answer: &Answer, why: &NoReply) -> Fault {
    Fault::new(
        Diagnosis::WrongStatus,
        format!("`GET {}` got no answer: {why}.", answer.path),
        "Answer every request with an HTTP status, whatever happens on the way.",
    )
    .proved_by([answer.exchange])
}

/// A request of ours that got no answer at all.
pub fn silence(contract: &Contract, seen: &Observation) -> Option<Fault> {
    let Silence { question, after } = seen.silence?;
    let ours = seen
        .exchanges
        .iter()
        .rev()
        .find(|x| x.service == YOU && route_of(x) == contract.route && x.answered.is_none());
    let evidence = ours.map(|x| x.id);
    if let Question::Hang(route) = question {
        return Some(
            Fault::new(
                Diagnosis::NoTimeout,
                format!(
                    "{} took `GET {route}` and then said no more. After {} `GET {}` still \
                     had no answer. UPSTREAM_TIMEOUT_MS was {}.",
                    service_first(route),
                    words(after),
                    contract.route,
                    seen.limit.as_millis()
                ),
                "Put a time limit around the whole call, the body included \
                 (`tokio::time::timeout`), and answer 504 when it is over.",
            )
            .proved_by(evidence),
        );
    }
    if let Question::Trickle(route) = question {
        return Some(
            Fault::new(
                Diagnosis::NoTimeout,
                format!(
                    "{} answered `GET {route}` bit by bit, and its body never ended. After {} `GET \
                     {}` still had no answer. UPSTREAM_TIMEOUT_MS was {}. Where {} fell silent, your \
                     limit did work.",
                    service_first(route),
                    words(after),
                    contract.route,
                    seen.limit.as_millis(),
                    service_of(route)
                ),
                "A limit on each read (`read_timeout`) begins anew with every byte. Put it around \
                 the whole call, the body included (reqwest's `timeout`, or \
                 `tokio::time::timeout`), and answer 504 when it is over.",
            )
            .proved_by(evidence),
        );
    }
    if let Some(fault) = blocked(seen, contract.route) {
        return Some(fault.proved_by(evidence));
    }
    let what_came_before = match last_call(seen, ours) {
        Some(call) => match (call.answered, call.ended) {
            (Some(answered), _) => format!(
                "The last thing that happened: {} answered `{}`, {} after it was asked.",
                service_of(route_of(call)),
                call.request,
                words(answered.since(call.arrived))
            ),
            _ => format!(
                "{} was asked `{}`.",
                service_first(route_of(call)),
                call.request
            ),
        },
        None => "No service was asked.".to_owned(),
    };
    Some(
        Fault::new(
            Diagnosis::Hung,
            format!(
                "`GET {}` was accepted, and got no answer within {}, with the program idle. \
                 {what_came_before}",
                contract.route,
                words(after)
            ),
            "Look at what the handler waits for after that point: a lock that is never freed, a \
             channel whose sender is gone, a future that nobody wakes.",
        )
        .proved_by(evidence),
    )
}

/// A request without an answer while `/healthz` had none either: in a program
/// with an event loop, the loop itself stands still.
pub fn blocked(seen: &Observation, request: &str) -> Option<Fault> {
    let Some(HealthSeen::Silent(after)) = seen.health else {
        return None;
    };
    (seen.event_loop == Some(true)).then(|| {
        Fault::new(
            Diagnosis::BlockedRuntime,
            format!(
                "`{request}` got no answer, and GET /healthz none either, for {}: the program sat \
                 idle, with its threads blocked.",
                words(after)
            ),
            "A handler blocks the thread that it runs on, and that thread is needed to go on. Look \
             for a call that waits without `.await`: `block_on`, a thread that is joined, a `std` \
             lock, a blocking client.",
        )
    })
}

fn last_call<'a>(seen: &'a Observation, ours: Option<&Exchange>) -> Option<&'a Exchange> {
    let since = ours?.arrived;
    seen.exchanges
        .iter()
        .filter(|x| x.service != YOU && x.arrived >= since)
        .max_by_key(|x| x.answered.unwrap_or(x.arrived))
}

/// What the clients' probe says: the fault of `together`, and the fault of
/// `health`.
pub fn together(
    contract: &Contract,
    weather: &Weather,
    seen: &Observation,
    one_by_one: Option<Diagnosis>,
) -> (Option<Fault>, Option<Fault>) {
    if let Some(fault) = trouble(seen, "while clients came at once") {
        return (Some(fault), None);
    }
    let Some(met) = seen.rendezvous.first() else {
        return (None, None);
    };
    let at = contract
        .asks
        .first()
        .map_or("the weather", |route| service_of(route));
    if let Some(HealthSeen::Silent(after)) = seen.health {
        let alone = met.reached <= 1 && seen.event_loop != Some(true);
        if let (true, Some(diagnosis)) = (alone, one_by_one) {
            let fault = Fault::new(
                diagnosis,
                format!(
                    "{} clients asked at once; {at} saw {}. Until that one was answered \
                     nobody else was served, not even GET /healthz.",
                    met.wanted, met.reached
                ),
                "The thread that serves is the thread that waits. Give it to an async server \
                 (axum), and `.await` the call to the service: while one client waits, the next \
                 is served.",
            )
            .proved_by(withheld(contract, seen));
            return (Some(fault), None);
        }
        // A handler may have blocked before it called anybody.
        let answered = seen
            .exchanges
            .iter()
            .find(|x| x.service == YOU && route_of(x) == "/healthz")
            .and_then(|x| x.answered);
        let calls = seen.exchanges.iter().filter(|x| x.service != YOU);
        let waiting = met.reached.min(
            calls
                .filter(|x| answered.is_none_or(|at| x.arrived <= at))
                .count(),
        );
        let fault = Fault::new(
            Diagnosis::BlockedRuntime,
            format!(
                "While {} waited, GET /healthz waited too: no answer within {}, and the program \
                 sat idle.",
                match waiting {
                    0 => counted(met.wanted, "client"),
                    calls => format!("{} to {at}", counted(calls, "call")),
                },
                words(after)
            ),
            "A handler blocks the thread that it runs on. Look for a call that waits without \
             `.await`: `std::thread::sleep`, a blocking HTTP client, `block_on`, a `std` lock held \
             while waiting. Or does `/healthz` itself wait for what those calls hold?",
        )
        .proved_by(withheld(contract, seen));
        return (None, Some(fault));
    }
    let health = match seen.health {
        Some(HealthSeen::Answered(200)) | None => None,
        Some(HealthSeen::SilentAfterwards(after)) => Some(
            Fault::new(
                Diagnosis::BlockedRuntime,
                format!(
                    "When {at} had answered {} clients, GET /healthz got no answer within {}, and the \
                     program sat idle.",
                    met.wanted,
                    words(after)
                ),
                "After its call a handler blocks the thread that it runs on. Look for what waits \
                 without `.await` there: `std::thread::sleep`, a blocking call, a `std` lock held \
                 while waiting.",
            )
            .proved_by(withheld(contract, seen)),
        ),
        Some(HealthSeen::Answered(status)) => Some(Fault::new(
            Diagnosis::WrongStatus,
            format!("GET /healthz was answered with {status} while calls were under way."),
            "Answer GET /healthz with 200, however many calls are under way.",
        )),
        Some(_) => Some(Fault::new(
            Diagnosis::WrongStatus,
            "GET /healthz got no answer while calls were under way: the connection was closed.",
            "Answer GET /healthz with 200, however many calls are under way.",
        )),
    };
    (clients(contract, weather, seen), health)
}

/// What more crowds have shown of a program that may block its threads for moments.
pub fn asleep(sure: Option<&Observation>) -> Option<Fault> {
    let seen = sure?;
    if let Some(fault) = trouble(seen, "while clients came at once") {
        return Some(fault);
    }
    let Some(HealthSeen::Dozed(dozed)) = seen.health else {
        return None;
    };
    let clients = seen.rendezvous.first().map_or(0, |met| met.wanted);
    let fault = Fault::new(
        Diagnosis::BlockedRuntime,
        format!(
            "With {} at once and one thread to serve them, GET /healthz waited, and the program was \
             asleep meanwhile: in {} of {} such crowds, for {} in the median. With no client there \
             it was answered at once.",
            counted(clients, "client"),
            dozed.times,
            dozed.of,
            words(dozed.wait)
        ),
        "A handler blocks the thread that it runs on for a moment, and one after another does. Look \
         for what waits without `.await`: `std::thread::sleep`, a blocking call, a `std` lock held \
         while waiting.",
    );
    let calls = seen.exchanges.iter().filter(|x| x.service != YOU);
    Some(fault.proved_by(calls.map(|x| x.id)))
}

/// What `/healthz` shows while clients come at once, and in more crowds where those were
/// needed to make sure.
pub fn health(
    check: Check,
    fault: Option<Fault>,
    seen: &Observation,
    sure: Option<&Observation>,
    kept: &str,
) -> Finding {
    if let Some(fault) = fault {
        return check.broken(fault);
    }
    if let Some(HealthSeen::DozedAtTimes(dozed)) = sure.and_then(|sure| sure.health) {
        return check.unsure(
            format!(
                "In {} of {} crowds GET /healthz waited for a moment, and the program was asleep \
                 meanwhile. That is too often for chance, and too little to be sure.",
                dozed.times, dozed.of
            ),
            "Does a handler wait for a moment without `.await` (`std::thread::sleep`, a blocking \
             call)? Mend that. If none does, close what keeps this machine busy, and run it again.",
        );
    }
    let none_waited = seen
        .rendezvous
        .first()
        .is_some_and(|met| met.reached == 0 && seen.trouble.is_none());
    if seen.was_too_busy() || sure.is_some_and(Observation::was_too_busy) {
        check.inconclusive()
    } else if none_waited {
        check.not_reached("no call was ever waiting")
    } else {
        check.kept(kept)
    }
}

/// The crowd that tells the story: one of those that have made sure, if they found something.
pub fn telling<'a>(seen: &'a Observation, sure: Option<&'a Observation>) -> &'a Observation {
    sure.filter(|sure| dozed(sure)).unwrap_or(seen)
}

fn dozed(seen: &Observation) -> bool {
    matches!(
        seen.health,
        Some(HealthSeen::Dozed(_) | HealthSeen::DozedAtTimes(_))
    )
}

/// The calls that were under way while nobody got an answer. Those that came
/// afterwards prove nothing.
fn withheld(contract: &Contract, seen: &Observation) -> Vec<u32> {
    let released = seen.rendezvous.first().map(|met| met.released);
    let asked = || contract.asks.iter().flat_map(|route| seen.asked(route));
    let before: Vec<_> = asked()
        .filter(|x| released.is_none_or(|released| x.arrived <= released))
        .map(|x| x.id)
        .collect();
    if before.is_empty() {
        // None got that far: then those that came at last show how long it took.
        return asked().map(|x| x.id).collect();
    }
    before
}

fn clients(contract: &Contract, weather: &Weather, seen: &Observation) -> Option<Fault> {
    let met = seen.rendezvous.first()?;
    let at = contract
        .asks
        .first()
        .map_or("the weather", |route| service_of(route));
    let replies: Vec<_> = seen
        .answers
        .iter()
        .filter(|(_, a)| matches!(&a.reply, Ok(reply) if reply.status == 200))
        .collect();
    for route in contract.asks {
        let asked = seen.asked(route).count();
        if asked < replies.len() {
            return Some(
                Fault::new(
                    if *route == "/auth" && asked > 0 {
                        Diagnosis::CachedVerdict
                    } else {
                        Diagnosis::NotAsked
                    },
                    format!(
                        "{} clients got an answer, but {} was asked `GET {route}` {} time{}.",
                        replies.len(),
                        service_of(route),
                        asked,
                        if asked == 1 { "" } else { "s" }
                    ),
                    "Every client's answer comes from a call of its own. Is there a cache, or one \
                     call that all clients share?",
                )
                .proved_by(
                    contract
                        .asks
                        .iter()
                        .flat_map(|route| seen.asked(route))
                        .map(|x| x.id),
                ),
            );
        }
    }
    let first = contract.asks.first().unwrap_or(&contract.route);
    if met.reached == 0
        && seen.asked(first).next().is_none()
        && let Some((_, answer)) = seen.answers.first()
        && let Ok(reply) = &answer.reply
    {
        let said = format!("{}: {}", reply.status, reply.body);
        return Some(not_asked(contract, seen, answer, &said, first));
    }
    if let Waited::GaveUp(after) = met.waited {
        // Whoever asks before there is a client does not ask for clients.
        let unasked = contract
            .asks
            .iter()
            .find_map(|route| unasked(contract, seen, route, |call, x| call.arrived < x.arrived));
        if unasked.is_some() {
            return unasked;
        }
        return Some(
            Fault::new(
                Diagnosis::SerialisedClients,
                format!(
                    "{} clients asked at once, and {} call{} in flight at {at}; no more came \
                     for {}, though /healthz answered.",
                    met.wanted,
                    met.reached,
                    if met.reached == 1 { " was" } else { "s were" },
                    words(after.min(crate::stage::QUIET))
                ),
                "The server is free, yet clients wait for each other. What do all handlers share? \
                 A lock or a permit that is held across the call, or one task that does all calls?",
            )
            .proved_by(withheld(contract, seen)),
        );
    }
    // Ten at once: which call belongs to which client shows in the readings.
    let mut free: Vec<Vec<(u32, bool)>> = contract
        .reads
        .iter()
        .map(|route| seen.asked(route).map(|x| (x.id, false)).collect())
        .collect();
    for (_, answer) in &seen.answers {
        let ours = seen.exchange(answer.exchange)?;
        let reply = match &answer.reply {
            Ok(reply) => reply,
            Err(why) => return Some(no_reply(answer, why)),
        };
        if reply.status != 200 {
            return Some(
                Fault::new(
                    Diagnosis::WrongStatus,
                    format!(
                        "One of {} clients at once was answered with {}, though every service was well.",
                        met.wanted, reply.status
                    ),
                    "Answer with 200 where the services have answered, however many ask.",
                )
                .proved_by([answer.exchange]),
            );
        }
        if !claim(contract, weather, &mut free, &reply.body) {
            let example: Vec<_> = contract
                .reads
                .iter()
                .filter_map(|route| seen.asked(route).next())
                .map(|x| weather.reading(x.id))
                .collect();
            return Some(wrong_body(
                ours,
                &(contract.body)(&example),
                &reply.body,
                vec![answer.exchange],
            ));
        }
    }
    None
}

/// Finds calls that nobody has claimed yet and that make up this body.
fn claim(
    contract: &Contract,
    weather: &Weather,
    free: &mut [Vec<(u32, bool)>],
    body: &str,
) -> bool {
    let says = |id: u32| weather.reading(id).temperature;
    // A call belongs to a body that names its temperature.
    let mut chosen = Vec::new();
    for calls in free.iter() {
        let candidates: Vec<_> = calls
            .iter()
            .enumerate()
            .filter(|(_, (id, taken))| !taken && body.contains(&says(*id)))
            .map(|(index, _)| index)
            .collect();
        chosen.push(candidates);
    }
    // `10.1 C` also stands in `-10.1 C`, so there may be a few to try.
    let mut pick = vec![0; chosen.len()];
    loop {
        if chosen.iter().any(Vec::is_empty) {
            return false;
        }
        let indices: Vec<_> = chosen.iter().zip(&pick).map(|(c, &p)| c[p]).collect();
        let readings: Vec<_> = free
            .iter()
            .zip(&indices)
            .map(|(calls, &index)| weather.reading(calls[index].0))
            .collect();
        if (contract.same)(&(contract.body)(&readings), body) {
            for (calls, index) in free.iter_mut().zip(indices) {
                calls[index].1 = true;
            }
            return true;
        }
        let Some(position) = (0..pick.len()).find(|&i| pick[i] + 1 < chosen[i].len()) else {
            return false;
        };
        pick[position] += 1;
        pick[..position].fill(0);
    }
}

/// What is wrong with the answers to the services' faults.
pub fn faults(contract: &Contract, weather: &Weather, seen: &Observation) -> Option<Fault> {
    let found: Vec<_> = seen
        .answers
        .iter()
        .filter_map(|(question, answer)| one_fault(contract, seen, *question, answer))
        .collect();
    found
        .into_iter()
        .min_by_key(|fault| fault.diagnosis)
        .or_else(|| silence(contract, seen))
        .or_else(|| tried_again(contract, seen))
        .or_else(|| plain(contract, weather, seen))
}

/// A client that waited for more than the limit, since a call that hung was made again.
fn tried_again(contract: &Contract, seen: &Observation) -> Option<Fault> {
    if seen.limit < PLAIN_LIMIT || seen.was_too_busy() {
        return None;
    }
    seen.answers.iter().find_map(|(question, answer)| {
        let Question::Hang(route) = question else {
            return None;
        };
        let tries = Tries::of(contract, route, &seen.exchanges);
        let ours = seen.exchange(answer.exchange)?;
        let waited = ours.ended?.since(ours.arrived);
        (tries.again() && waited > seen.limit + seen.limit / 2).then(|| {
            let calls = seen
                .asked(route)
                .filter(|x| x.arrived >= ours.arrived)
                .map(|x| x.id);
            Fault::new(
                Diagnosis::AskedTwice,
                format!(
                    "{} took `GET {route}` and then said no more. It was asked {} times for {} \
                     clients, so your server gave up and tried again. `GET {}` was answered after {}. \
                     UPSTREAM_TIMEOUT_MS was {}.",
                    service_first(route),
                    tries.calls,
                    tries.requests,
                    contract.route,
                    words(waited),
                    seen.limit.as_millis()
                ),
                "The limit is for all that a client waits for. Answer 504 when it is over; or, if \
                 you want to try again, put one limit around all tries.",
            )
            .proved_by(std::iter::once(answer.exchange).chain(calls))
        })
    })
}

fn one_fault(
    contract: &Contract,
    seen: &Observation,
    question: Question,
    answer: &Answer,
) -> Option<Fault> {
    let (what, wanted) = match question {
        Question::Plain
        | Question::Afterwards
        | Question::Allowed(_)
        | Question::Denied(_)
        | Question::Keyless => return None,
        Question::Odd(nth) => {
            let (status, body) = mock_services::auth::ODDITIES
                .get(usize::from(nth))
                .copied()
                .unwrap_or_default();
            let shown = body.replace('\r', "\\r").replace('\n', "\\n");
            (
                format!("answered with status {status} and `{shown}`"),
                mock_services::auth::owed_for(status, body),
            )
        }
        Question::Sick(route) => (format!("answered `GET {route}` with status 500"), 502),
        Question::Garbage(route) => (
            format!("answered `GET {route}` with a body that is no JSON"),
            502,
        ),
        Question::Cut(route) => (
            format!(
                "closed the connection in the middle of its answer to `GET {route}`{}",
                // Half of its yes looks like the whole of it.
                if route == "/auth" {
                    ", after a `1`"
                } else {
                    ""
                }
            ),
            502,
        ),
        Question::Reset(route) => (format!("reset the connection on `GET {route}`"), 502),
        Question::Refused(_) => ("refused the connection".to_owned(), 502),
        Question::Hang(route) | Question::Trickle(route) => {
            (format!("took `GET {route}` and then said no more"), 504)
        }
    };
    let route = question.route().unwrap_or(contract.route);
    let (service, who) = (service_first(route), service_of(route));
    let evidence = std::iter::once(answer.exchange).chain(
        seen.exchange(answer.exchange)
            .and_then(|ours| last_call(seen, Some(ours)))
            .map(|x| x.id),
    );
    let reply = match &answer.reply {
        Ok(reply) => reply,
        Err(why) => return Some(no_reply(answer, why)),
    };
    if matches!(question, Question::Odd(_)) && !asked_meanwhile(seen, answer, &[route]) {
        return Some(not_asked(contract, seen, answer, &reply.body, route));
    }
    if reply.status == wanted {
        return None;
    }
    let fault = if (200..300).contains(&reply.status) {
        // Data for somebody who was not let in; kind words alone hide the fault.
        let opened = route == "/auth" && asked_meanwhile(seen, answer, contract.reads);
        Fault::new(
            if opened {
                Diagnosis::FailOpen
            } else {
                Diagnosis::FaultHidden
            },
            format!(
                "{service} {what}, and `GET {}` was answered with {} and `{}`.",
                contract.route,
                reply.status,
                excerpt(&reply.body)
            ),
            format!(
                "Say so when {who} fails: answer {wanted}. Check the status \
                 (`error_for_status`) before you read the body, and pass every error on with `?`.{}",
                if opened {
                    " Whoever was not clearly allowed in stays out."
                } else {
                    ""
                }
            ),
        )
    } else {
        Fault::new(
            Diagnosis::WrongStatus,
            format!(
                "{service} {what}, and `GET {}` was answered with {}.",
                contract.route, reply.status
            ),
            match wanted {
                504 => format!(
                    "Answer 504 where a time limit has run out, and 502 where {who} failed."
                ),
                502 => format!(
                    "Answer 502 where {who} has failed, and 504 where a time limit ran out."
                ),
                _ => format!(
                    "That is an answer: give {wanted} for it. There may be white space around a `1` \
                     or a `0` (`trim()`)."
                ),
            },
        )
    };
    Some(fault.proved_by(evidence))
}

/// Whether one of those routes was asked while that request was under way.
fn asked_meanwhile(seen: &Observation, answer: &Answer, routes: &[&str]) -> bool {
    seen.exchange(answer.exchange).is_some_and(|ours| {
        routes
            .iter()
            .flat_map(|route| seen.asked(route))
            .any(|x| x.arrived >= ours.arrived && ours.ended.is_none_or(|end| x.arrived <= end))
    })
}

/// What is wrong with the program's end, over all probes.
pub fn alive<'a>(observations: impl IntoIterator<Item = &'a Observation>) -> Option<Fault> {
    for seen in observations {
        if let Some(exit) = &seen.exit
            && !matches!(seen.trouble, Some(Trouble::Ended(_)))
        {
            return Some(ended(exit, "after it had answered"));
        }
        if !seen.left_behind.is_empty() {
            return Some(Fault::new(
                Diagnosis::ChildrenLeft,
                format!(
                    "When the program was ended, {} of its own lived on: {}.",
                    if seen.left_behind.len() == 1 {
                        "a process"
                    } else {
                        "processes"
                    },
                    seen.left_behind.join(", ")
                ),
                "End what you start: keep the child's handle, and kill it and wait for it before \
                 you go.",
            ));
        }
    }
    None
}

/// A word about connections, where every call opened one of its own.
pub fn connections(seen: &Observation) -> Option<String> {
    let calls: Vec<_> = seen.exchanges.iter().filter(|x| x.service != YOU).collect();
    // Each service counts its own connections.
    let services: std::collections::BTreeSet<_> = calls.iter().map(|x| &x.service).collect();
    let mut opened = 0;
    for service in services {
        let of: Vec<_> = calls.iter().filter(|x| x.service == *service).collect();
        let connections = of.iter().map(|x| x.connection).max()? as usize;
        if of.len() < 3 || connections < of.len() {
            return None;
        }
        opened += connections;
    }
    (opened > 0).then(|| {
        format!(
            "{} calls opened {opened} connections. One client, made once and shared by all \
             handlers, keeps connections open and saves a round trip for each call.",
            calls.len()
        )
    })
}

/// Of the observations that a check is judged by, the one that its finding is about: it
/// holds the evidence, or the trouble where that needs none.
pub fn told_of<'a>(finding: &Finding, all: &[&'a Observation]) -> &'a Observation {
    let proves = |seen: &&&Observation| {
        let mut evidence = finding.evidence.iter();
        evidence.any(|id| seen.exchange(*id).is_some())
    };
    let in_trouble = |seen: &&&Observation| finding.evidence.is_empty() && seen.trouble.is_some();
    all.iter()
        .find(proves)
        .or_else(|| all.iter().find(in_trouble))
        .unwrap_or(&all[0])
}

/// The timeline of an observation.
pub fn timeline(probe: &str, seen: &Observation, gap: Option<Gap>) -> Timeline {
    Timeline {
        probe: probe.to_owned(),
        title: seen.title.clone(),
        exchanges: seen.exchanges.clone(),
        gap,
    }
}

/// Where the clients' timeline shows the waiting: from the last call that came, or from
/// `/healthz` where none or all had come, to the end of our patience.
pub fn clients_gap(contract: &Contract, seen: &Observation) -> Option<Gap> {
    waited_outside(seen, |x| {
        x.service != YOU && contract.asks.contains(&route_of(x))
    })
}

/// The same for a program whose calls are those that `is_call` says.
pub fn waited_outside(seen: &Observation, is_call: impl Fn(&Exchange) -> bool) -> Option<Gap> {
    let met = seen.rendezvous.first()?;
    let dozed = dozed(seen);
    let health = dozed || matches!(seen.health, Some(HealthSeen::Silent(_)));
    if !matches!(met.waited, Waited::GaveUp(_)) && !health {
        return None;
    }
    // What came after our patience came because of it.
    let before = |x: &&Exchange| dozed || x.arrived <= met.released;
    let newest = |is: &dyn Fn(&Exchange) -> bool| {
        let all = seen.exchanges.iter().filter(|x| is(x)).filter(before);
        all.max_by_key(|x| x.arrived)
    };
    let asked_health = |x: &Exchange| x.service == YOU && x.request == "GET /healthz";
    let silent = || newest(&asked_health).filter(|_| health);
    let outside = met.wanted.saturating_sub(met.reached);
    let since = match outside {
        0 => silent().or_else(|| newest(&is_call)),
        _ => newest(&is_call).or_else(silent),
    }?;
    Some(Gap {
        from: since.arrived,
        to: match since.answered {
            Some(at) if dozed => at,
            Some(at) => at.min(met.released),
            None => met.released,
        },
        exchange: since.id,
        label: match (outside, health) {
            (0, _) => "/healthz waited too".to_owned(),
            (_, true) => {
                format!("{} and /healthz waited outside", counted(outside, "client"))
            }
            (_, false) => format!("{} waited outside", counted(outside, "client")),
        },
    })
}

/// The beginning of a body, on one line.
pub fn excerpt(body: &str) -> String {
    const MOST: usize = 120;
    let line = body
        .trim_end()
        .escape_debug()
        .to_string()
        .replace("\\\"", "\"")
        .replace("\\'", "'");
    match line.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

#[cfg(test)]
mod tests;
