//! What one probe saw. Judging reads this and nothing else.

use std::time::Duration;

use mock_services::exchange::Exchange;
use mock_services::moment::Moment;
use mock_services::parent::Level;
use mock_services::upstream::{Headers, Received};
use serde::{Deserialize, Serialize};

use crate::client::{Answer, Heard, Unanswered, Whole, YOU};
use crate::contract::Contract;
use crate::program::{Captured, Exit};
use crate::stage::{Trouble, Waited};

/// Everything that one probe saw.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Observation {
    /// What was done, in a few words.
    pub title: String,
    /// The recording: our requests and the services'.
    pub exchanges: Vec<Exchange>,
    /// What our requests got, each with what it was about.
    pub answers: Vec<(Question, Answer)>,
    /// The request that got no answer at all.
    pub silence: Option<Silence>,
    /// Requests through a proxy, and what came of them.
    pub carried: Vec<Carried>,
    /// WebSockets of ours, and what they heard.
    pub talks: Vec<Talk>,
    /// Figures by name, in the order in which they were read; `None` where the
    /// system does not say.
    #[serde(borrow)]
    pub figures: Vec<(&'static str, Option<u64>)>,
    /// When the program came to the parent, while that ended every connection.
    pub attempts: Vec<Moment>,
    /// The first wait before it is to come again, which it was told.
    #[serde(default)]
    pub again_after: Duration,
    /// By how much a busy machine has made its waits longer, all together and at most.
    #[serde(default)]
    pub late: Duration,
    /// Waits before it came to the parent again, each with the least that it should have
    /// been. A busy machine makes them longer, never shorter.
    #[serde(default)]
    pub waits: Vec<(Duration, Duration)>,
    /// What came to the parent.
    pub levels: Vec<Level>,
    /// Bytes that were taken in while nobody read, by direction.
    #[serde(borrow)]
    pub unread: Vec<(&'static str, u64)>,
    /// Long bodies: how many bytes were sent, and how many came back whole.
    pub passed: Vec<(u64, Option<u64>)>,
    /// By how many bytes the most memory that the program has had grew, per
    /// long body. Empty where the system does not say.
    pub grown: Vec<u64>,
    /// What was withheld, and whether everybody came.
    pub rendezvous: Vec<Rendezvous>,
    /// What `/healthz` did meanwhile.
    pub health: Option<HealthSeen>,
    /// The longest that a `/healthz` waited. `None` where one got no answer.
    #[serde(default)]
    pub health_waited: Option<Duration>,
    /// How often the whole program was seen asleep while a `/healthz` lay before it that
    /// it answered in the end.
    #[serde(default)]
    pub asleep: u32,
    /// The longest time in which no `/healthz` was answered while there were clients.
    #[serde(default)]
    pub unwatched: Duration,
    /// What comes after this was done to make sure, and is no part of the recording.
    #[serde(skip)]
    pub recorded_until: Option<Moment>,
    /// Somebody who waits for a reader again and again, but never for long.
    #[serde(default)]
    pub stutter: Option<Stutter>,
    /// For how long at most somebody had read nothing when the program ended its
    /// connection, or when it read on.
    #[serde(default)]
    pub unread_for: Option<Duration>,
    /// So many messages went by before it was to have them, or to have been told.
    #[serde(default)]
    pub went_by: u64,
    /// What went wrong with the program itself.
    pub trouble: Option<Trouble>,
    /// Whether the program has an event loop; `None` where that cannot be seen.
    pub event_loop: Option<bool>,
    /// From the spawn to the first `/healthz`.
    pub ready_after: Duration,
    /// The time limit for upstream calls that the program was told.
    pub limit: Duration,
    /// How the program had ended before we ended it.
    pub exit: Option<Exit>,
    /// What it printed.
    pub output: Captured,
    /// Processes of its own that outlived it.
    pub left_behind: Vec<String>,
    /// Whether the machine was too busy for an answer.
    pub too_busy: bool,
    /// What came between: then nothing in it counts.
    pub disturbed: Option<Disturbance>,
}

/// Messages that came to those who read only after the program had slept, burst after
/// burst, while one did not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stutter {
    /// So many messages had gone by before.
    pub after: usize,
    /// It slept in so many bursts in a row.
    pub bursts: usize,
    /// So many messages are a burst.
    pub messages: usize,
    /// How long each of those took: the median.
    pub took: Duration,
    /// How long one took at first: the median.
    pub at_first: Duration,
}

/// What can come between a program and whoever looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disturbance {
    /// The program was stopped meanwhile.
    ProgramStopped,
    /// Somebody else had its port, and may have answered in its place.
    PortTaken,
    /// The checker itself stood still.
    CheckerStoodStill,
}

impl Disturbance {
    /// It in a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::ProgramStopped => "Your program was stopped meanwhile (SIGSTOP, Ctrl-Z).",
            Self::PortTaken => "Another program had taken your program's port.",
            Self::CheckerStoodStill => {
                "The checker itself stood still meanwhile: it was stopped, or this machine slept."
            }
        }
    }
}

/// A WebSocket of ours, and what it heard.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Talk {
    /// What it is there for, in a word.
    pub about: &'static str,
    /// The room that it is in.
    pub room: String,
    /// The name that it goes by.
    pub name: String,
    /// The exchange's id.
    pub exchange: u32,
    /// Why it could not be opened.
    pub refused: Option<String>,
    /// The texts that it said.
    pub said: Vec<String>,
    /// What it heard.
    pub heard: Heard,
}

/// A request through a proxy, and what came of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Carried {
    /// What it was about, in a word.
    pub about: &'static str,
    /// Method and target, as we sent them.
    pub request: String,
    /// The method that we sent.
    pub method: String,
    /// The headers that we sent.
    pub headers: Headers,
    /// The body that we sent.
    pub body: Vec<u8>,
    /// What the service received.
    pub received: Option<Received>,
    /// Status and body that the service answered with.
    pub answered: Option<(u16, Vec<u8>)>,
    /// What came back to us.
    pub got: Option<Result<Whole, Unanswered>>,
}

/// What a request of ours was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// A plain request, all services well.
    Plain,
    /// The service answers 500.
    Sick(&'static str),
    /// The service answers no JSON.
    Garbage(&'static str),
    /// The service breaks off in mid-body.
    Cut(&'static str),
    /// The service resets the connection.
    Reset(&'static str),
    /// The service that answers this route refuses connections.
    Refused(&'static str),
    /// The service takes the request and never answers, or stops in mid-body.
    Hang(&'static str),
    /// The service sends its body bit by bit, and never ends it.
    Trickle(&'static str),
    /// A plain request after all those.
    Afterwards,
    /// A request with that one of the keys that auth allows.
    Allowed(u8),
    /// A request with that one of the keys that auth does not allow.
    Denied(u8),
    /// A request without a key.
    Keyless,
    /// Auth says that one of its oddities, which is neither yes nor no.
    Odd(u8),
}

impl Question {
    /// The route of the service that was out of order.
    pub const fn route(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Afterwards | Self::Allowed(_) | Self::Denied(_) | Self::Keyless => {
                None
            }
            Self::Odd(_) => Some("/auth"),
            Self::Sick(route)
            | Self::Garbage(route)
            | Self::Cut(route)
            | Self::Reset(route)
            | Self::Refused(route)
            | Self::Hang(route)
            | Self::Trickle(route) => Some(route),
        }
    }
}

/// A request of ours without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub struct Silence {
    /// What it was about.
    pub question: Question,
    /// How long it was waited for.
    pub after: Duration,
}

/// Answers withheld until everybody is there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rendezvous {
    /// What it is about: a route, or everything.
    pub about: &'static str,
    /// How many were expected.
    pub wanted: usize,
    /// How many were in flight together when the wait was over.
    pub reached: usize,
    /// How the wait ended.
    pub waited: Waited<()>,
    /// When the answers were let go.
    pub released: Moment,
    /// How long the program sat idle before the last of them came, though nothing
    /// kept it from asking. `None` where it did not, or where nobody looked.
    pub sat_idle: Option<Duration>,
}

/// What `/healthz` did while calls were withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealthSeen {
    /// It answered with that status each time it was asked.
    Answered(u16),
    /// It did not answer although the program sat idle, for that long.
    Silent(Duration),
    /// The same, once the services had answered.
    SilentAfterwards(Duration),
    /// It did answer, and the program was seen asleep before that, in that many of so many
    /// crowds of clients. With no client there it was not.
    Dozed(Dozed),
    /// In too many of them to be nothing, and in too few to be sure.
    DozedAtTimes(Dozed),
    /// It broke the connection.
    Broken,
}

/// How often `/healthz` had to wait for a program that was asleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dozed {
    /// In so many crowds.
    pub times: u32,
    /// Of so many.
    pub of: u32,
    /// How long the slowest `/healthz` of a crowd took: the median over the crowds.
    pub wait: Duration,
}

impl Observation {
    /// The waits that were given up, and after how long.
    pub fn given_up(&self) -> impl Iterator<Item = (&Rendezvous, Duration)> {
        self.rendezvous.iter().filter_map(|met| match met.waited {
            Waited::GaveUp(after) => Some((met, after)),
            _ => None,
        })
    }

    /// Whether a silence is all that this observation has to offer: evidence
    /// that wants repeating.
    pub fn gave_up(&self) -> bool {
        if self.trouble.is_some() || self.output.panic().is_some() {
            return false;
        }
        let nobody_came = self
            .rendezvous
            .iter()
            .any(|r| matches!(r.waited, Waited::GaveUp(_)));
        // A connection that was closed may have been closed for want of time.
        nobody_came
            || self.answers.iter().any(|(_, answer)| answer.reply.is_err())
            || self
                .carried
                .iter()
                .any(|call| matches!(call.got, Some(Err(_))))
    }

    /// What the service answered to the call that was carried last.
    pub fn answered_with(&mut self, status: u16, body: &[u8]) {
        if let Some(call) = self.carried.last_mut() {
            call.answered = Some((status, body.to_vec()));
        }
    }

    /// A figure that was read.
    pub fn figure(&self, name: &str) -> Option<u64> {
        let (_, value) = self.figures.iter().find(|(other, _)| *other == name)?;
        *value
    }

    /// Whether `/healthz` has answered 200 whenever it was asked.
    pub fn health_is_fine(&self) -> bool {
        self.health
            .is_none_or(|said| said == HealthSeen::Answered(200))
    }

    /// What remains where nothing could be seen twice: nothing is held against
    /// anybody by what was seen once, or by how late we were.
    #[must_use]
    pub fn without_what_was_not_repeated(mut self) -> Self {
        self.too_busy = true;
        self.answers.retain(|(_, answer)| answer.reply.is_ok());
        self.carried
            .retain(|call| !matches!(call.got, Some(Err(_))));
        for met in &mut self.rendezvous {
            if matches!(met.waited, Waited::GaveUp(_)) {
                met.waited = Waited::TooBusy;
            }
        }
        self
    }

    /// Whether the machine was too busy for any part of it.
    pub fn was_too_busy(&self) -> bool {
        const PATIENCE: Duration = Duration::from_millis(300);
        let we_were_late = self
            .answers
            .iter()
            .any(|(_, answer)| answer.reply.is_err() && answer.late > PATIENCE);
        let late_too = self
            .carried
            .iter()
            .any(|call| matches!(&call.got, Some(Err(none)) if none.late > PATIENCE));
        self.too_busy
            || self.disturbed.is_some()
            || we_were_late
            || late_too
            || self.trouble == Some(Trouble::TooBusy)
            || self.rendezvous.iter().any(|r| r.waited == Waited::TooBusy)
    }

    /// What the services were asked for at that route, in order of arrival.
    pub fn asked<'a>(&'a self, route: &'a str) -> impl Iterator<Item = &'a Exchange> {
        self.exchanges
            .iter()
            .filter(move |x| x.service != YOU && route_of(x) == route)
    }

    /// The exchange with that id.
    pub fn exchange(&self, id: u32) -> Option<&Exchange> {
        self.exchanges.iter().find(|x| x.id == id)
    }

    /// The status that a question was answered with.
    pub fn status(&self, question: Question) -> Option<u16> {
        self.answers
            .iter()
            .find(|(about, _)| *about == question)
            .and_then(|(_, answer)| answer.reply.as_ref().ok().map(|reply| reply.status))
    }
}

/// A limit that a busy machine cannot make seem half as long again.
pub const PLAIN_LIMIT: Duration = Duration::from_secs(1);

/// How often a service was asked, beside how often the program was.
#[derive(Clone, Copy, Debug)]
pub struct Tries {
    /// Requests of clients.
    pub requests: usize,
    /// Calls to the service.
    pub calls: usize,
}

impl Tries {
    /// What came to that route, of all that a stage has recorded.
    pub fn of(contract: &Contract, route: &str, exchanges: &[Exchange]) -> Self {
        let is_ours = |x: &&Exchange| x.service == YOU && route_of(x) == contract.route;
        let is_theirs = |x: &&Exchange| x.service != YOU && route_of(x) == route;
        Self {
            requests: exchanges.iter().filter(is_ours).count(),
            calls: exchanges.iter().filter(is_theirs).count(),
        }
    }

    /// Whether a call that was given up was made again.
    pub fn again(self) -> bool {
        self.calls > self.requests
    }
}

/// The path of an exchange's request, without its query.
pub fn route_of(exchange: &Exchange) -> &str {
    let target = exchange.request.split(' ').nth(1).unwrap_or_default();
    target.split('?').next().unwrap_or(target)
}
