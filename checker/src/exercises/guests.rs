//! Clients of ours with WebSockets, for the exercises where people talk.

pub(super) mod judgement;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Frame, Socket};
use crate::observation::{Observation, Rendezvous, Talk};
use crate::stage::{ANSWER_QUIET, QUIET, Stage, Trouble, Waited};

/// A client of ours, and what is known of it.
pub(super) struct Guest {
    pub(super) talk: Talk,
    pub(super) socket: Option<Socket>,
}

impl Guest {
    /// Says a frame.
    pub(super) async fn say(&mut self, frame: Message) {
        if let Some(socket) = &mut self.socket {
            socket.say(frame).await;
        }
    }

    /// Says frames in one go.
    pub(super) async fn say_all(&mut self, frames: Vec<Message>) {
        if let Some(socket) = &mut self.socket {
            socket.say_all(frames).await;
        }
    }

    /// How many text frames it has heard.
    pub(super) fn texts(&self) -> usize {
        self.socket
            .as_ref()
            .map_or(0, |socket| socket.look(|heard| heard.texts))
    }

    /// How many frames it has heard that count.
    pub(super) fn look(&self, counts: impl Fn(&Frame) -> bool) -> usize {
        self.socket.as_ref().map_or(0, |socket| {
            socket.look(|heard| heard.frames.iter().filter(|frame| counts(frame)).count())
        })
    }

    /// Whether its connection has ended.
    pub(super) fn ended(&self) -> bool {
        self.socket
            .as_ref()
            .is_none_or(|socket| socket.look(|heard| heard.end.is_some()))
    }

    /// Whether it has been told goodbye, or the connection has ended.
    pub(super) fn dismissed(&self) -> bool {
        self.ended()
            || self
                .socket
                .as_ref()
                .is_some_and(|socket| socket.look(|heard| heard.goodbye.is_some()))
    }

    fn done(self) -> Talk {
        let mut talk = self.talk;
        if let Some(socket) = &self.socket {
            talk.heard = socket.heard();
        }
        talk
    }
}

/// Opens a WebSocket. Where that fails, the guest is there without one.
pub(super) async fn join(
    stage: &Stage<'_>,
    seen: &mut Observation,
    about: &'static str,
    (room, name): (&str, &str),
    target: &str,
    listens: bool,
) -> Result<Guest, Trouble> {
    let mut talk = Talk {
        about,
        room: room.to_owned(),
        name: name.to_owned(),
        ..Talk::default()
    };
    let opening = async {
        if listens {
            stage.client.open(target).await
        } else {
            stage.client.open_narrow(target).await
        }
    };
    let socket = match stage.patiently(opening, ANSWER_QUIET).await? {
        Waited::Done(Ok(mut socket)) => {
            talk.exchange = socket.exchange();
            if listens {
                socket.listen();
            }
            Some(socket)
        }
        Waited::Done(Err(why)) => {
            talk.refused = Some(why);
            None
        }
        Waited::GaveUp(_) => {
            talk.refused = Some("no answer".to_owned());
            None
        }
        Waited::TooBusy => {
            seen.too_busy = true;
            None
        }
    };
    Ok(Guest { talk, socket })
}

/// Waits for something to be heard. What comes of it is written down.
pub(super) async fn hear(
    stage: &Stage<'_>,
    seen: &mut Observation,
    about: &'static str,
    guests: &[Guest],
    heard: impl Fn(&[Guest]) -> bool,
) -> Result<bool, Trouble> {
    hear_within(stage, seen, about, guests, QUIET, heard).await
}

pub(super) async fn hear_within(
    stage: &Stage<'_>,
    seen: &mut Observation,
    about: &'static str,
    guests: &[Guest],
    quiet: Duration,
    heard: impl Fn(&[Guest]) -> bool,
) -> Result<bool, Trouble> {
    let waiting = stage.journal.until(|_| heard(guests).then_some(()));
    let waited = stage.patiently(waiting, quiet).await?;
    let done = waited == Waited::Done(());
    // Only what failed is worth keeping: there are hundreds of these.
    if !done || !seen.rendezvous.iter().any(|met| met.about == about) {
        seen.rendezvous.push(Rendezvous {
            sat_idle: None,
            about,
            wanted: 1,
            reached: done.into(),
            waited,
            released: stage.journal.clock().now(),
        });
    }
    Ok(done)
}

/// Writes down what they heard; they leave.
pub(super) fn leave(guests: Vec<Guest>, seen: &mut Observation) {
    seen.talks.extend(guests.into_iter().map(Guest::done));
}

/// So many clients come and go; how many sockets the program holds before and
/// after that is written down.
pub(super) async fn visits(
    stage: &Stage<'_>,
    seen: &mut Observation,
    visits: usize,
    target: impl Fn(usize) -> String,
) -> Result<(), Trouble> {
    const AT_ONCE: usize = 25;
    let sockets = || stage.program.sockets().map(|n| n as u64);
    // As many at once as there will be, so that what is needed anyhow is there.
    let goodbye = Goodbye::default();
    visit(stage, AT_ONCE, &target, &goodbye).await?;
    settle(stage, None).await;
    seen.figures.push(("sockets before", sockets()));
    for _ in 0..visits / AT_ONCE {
        visit(stage, AT_ONCE, &target, &goodbye).await?;
    }
    settle(stage, seen.figure("sockets before")).await;
    seen.figures.push(("sockets after", sockets()));
    Ok(())
}

/// How long those who say goodbye wait for an answer. Whoever gives none is another
/// check's, and is not waited for forty times.
#[derive(Clone, Default)]
struct Goodbye(Arc<AtomicBool>);

impl Goodbye {
    fn patience(&self) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            false => Duration::from_secs(1),
            true => Duration::from_millis(20),
        }
    }

    fn went_unanswered(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// So many clients at once; each leaves in a way of its own.
async fn visit(
    stage: &Stage<'_>,
    clients: usize,
    target: &impl Fn(usize) -> String,
    goodbye: &Goodbye,
) -> Result<(), Trouble> {
    let mut visiting = JoinSet::new();
    for nth in 0..clients {
        let client = stage.client.clone();
        let target = target(nth);
        let goodbye = goodbye.clone();
        visiting.spawn(async move {
            let Ok(mut socket) = client.open(&target).await else {
                return;
            };
            match nth % 3 {
                0 => {
                    socket.listen();
                    socket.close(1000).await;
                    let ended = client
                        .journal()
                        .until(|_| socket.look(|heard| heard.end.is_some()).then_some(()));
                    let answered = tokio::time::timeout(goodbye.patience(), ended).await;
                    if answered.is_err() {
                        goodbye.went_unanswered();
                    }
                }
                1 => socket.hang_up(),
                _ => socket.reset(),
            }
        });
    }
    let all = async { while visiting.join_next().await.is_some() {} };
    stage.patiently(all, ANSWER_QUIET).await?;
    Ok(())
}

/// Waits until the program holds no more sockets than it did, or has had long
/// enough to let go of them.
async fn settle(stage: &Stage<'_>, before: Option<u64>) {
    /// A goodbye may take a while: until the other side has read it.
    const LONG_ENOUGH: Duration = Duration::from_secs(6);
    /// One that is never idle lets go of them, too, or never will.
    const LONGEST: Duration = Duration::from_secs(30);
    let began = Instant::now();
    let mut least = usize::MAX;
    let mut since = Instant::now();
    loop {
        let is_idle = stage.idle().await;
        let Some(now) = stage.program.sockets() else {
            return;
        };
        // As long as it lets go of some, however slowly, or waits for the processor, it is
        // at it.
        if now < least || (!is_idle && began.elapsed() < LONGEST) {
            least = least.min(now);
            since = Instant::now();
        }
        let freed = before.is_none_or(|before| now as u64 <= before);
        if freed || since.elapsed() > LONG_ENOUGH {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
