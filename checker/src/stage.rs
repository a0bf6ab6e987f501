//! One instance of the learner's program between taps of its own, and the
//! patience with which it is watched.
//!
//! A wait ends for one of three reasons: what was waited for has come; nothing
//! has happened for a while *although the program and this machine had every
//! chance*; or the machine was too busy to say. Only the second is evidence.

mod health;
mod port;
mod services;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mock_services::journal::Journal;
use mock_services::parent::Parent;
use mock_services::script::Asked;
use mock_services::script::Treatment;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::client::{Client, NoReply};
use crate::observation::Disturbance;
use crate::program::{
    Activity, Captured, Ended, Exit, Launch, Limits, Program, StartError, covers,
};
use crate::run::Run;
pub use health::{Health, Watch};
use port::{Port, in_use};
use services::Services;

/// How a stage is set.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// What the program is told about its time limit for upstream calls.
    pub upstream_timeout: Duration,
    /// The weather.
    pub weather: Place,
    /// Auth.
    pub auth: Place,
    /// A discovery that knows both. Where there is one, the program is not told
    /// where they are: it has to look them up.
    pub discovery: Place,
    /// The parent hub, and after which time the program is told to try again.
    pub parent: Option<Duration>,
    /// How many threads its runtime is told to have. With two, a program whose handlers
    /// block shows two calls at a time, and a program that serves one client at a time
    /// shows one.
    pub workers: u8,
}

/// Whether a service is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// The exercise knows nothing of it.
    #[default]
    Absent,
    /// It listens, behind a tap.
    Up,
    /// It refuses connections.
    Down,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            upstream_timeout: UNHURRIED,
            weather: Place::Up,
            auth: Place::Absent,
            discovery: Place::Absent,
            parent: None,
            workers: 2,
        }
    }
}

/// A time limit that no right program reaches, however busy the machine.
const UNHURRIED: Duration = Duration::from_secs(60);

/// A program that starts has this long to itself.
const TURN: Duration = Duration::from_millis(25);

/// A program may take this long to listen.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// A program that is up and idle, and listens elsewhere, is given this long.
const ELSEWHERE_FOR: Duration = Duration::from_millis(400);

/// A program at whose address another process listens has this long to do so itself.
const STOLEN_FOR: Duration = Duration::from_secs(1);

/// Nothing happened for this long although everybody was free to act.
pub const QUIET: Duration =
    Duration::from_millis(if cfg!(target_os = "linux") { 250 } else { 600 });

/// An answer that nothing stands in the way of is given this long.
pub const ANSWER_QUIET: Duration = Duration::from_secs(3);

/// No single wait lasts longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// More output than this in one stage is a flood.
const FLOOD: u64 = 4 * 1024 * 1024;

/// Less output than this is nobody's concern.
const CHATTER: u64 = 16 * 1024;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waited<T> {
    /// What was waited for has come.
    Done(T),
    /// Nothing happened, for this long, although it could have.
    GaveUp(Duration),
    /// The machine was too busy to say.
    TooBusy,
}

/// What went wrong with the program itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Trouble {
    /// It does not listen where it was told to. Where it does listen, if known.
    NotListening {
        /// Where it was told to listen.
        wanted: SocketAddr,
        /// Where it listens; `None` where that cannot be seen.
        found: Option<Vec<SocketAddr>>,
        /// How long was waited.
        after: Duration,
    },
    /// Its `/healthz` does not answer 200.
    Unhealthy {
        /// What it answers.
        status: u16,
    },
    /// It ended.
    Ended(Exit),
    /// It ended because the address that it wanted was taken; its port was free.
    WantedAnotherPort {
        /// Where it was told to listen.
        wanted: SocketAddr,
    },
    /// It printed without end.
    Flooded {
        /// Bytes, until it was stopped.
        printed: u64,
    },
    /// It accepted a request and did not answer it.
    Hung {
        /// What was asked: `GET /healthz`.
        request: String,
        /// How long was waited.
        after: Duration,
    },
    /// What it sent is no answer.
    NoAnswer {
        /// What was asked: `GET /healthz`.
        request: String,
        /// Why there is no reply.
        why: NoReply,
    },
    /// The machine was too busy to say.
    TooBusy,
}

/// Why a stage could not be set.
#[derive(Debug)]
pub enum Unset {
    /// The program is in trouble. What it printed comes along.
    Trouble(Trouble, Captured),
    /// A fault that is not the learner's.
    Fault(anyhow::Error),
}

impl From<anyhow::Error> for Unset {
    fn from(error: anyhow::Error) -> Self {
        Self::Fault(error)
    }
}

/// A running program and what surrounds it.
#[derive(Debug)]
pub struct Stage<'run> {
    /// What all stages share.
    pub run: &'run Run,
    /// The recording of this stage.
    pub journal: Journal,
    /// Asks the program.
    pub client: Client,
    /// The recording of `/healthz`, kept apart: asking it is no event of a probe.
    pub health_journal: Journal,
    /// The program.
    pub program: Program,
    /// From the spawn to the first `/healthz` that answered 200.
    pub ready_after: Duration,
    /// How it was set.
    pub setting: Setting,
    services: Services,
    port: Port,
    /// `/healthz` is not asked again for the time being. See [`Hush`].
    hushed: Arc<AtomicBool>,
}

/// Who asks for `/healthz` again and again wakes the program each time. On a machine that
/// has others to run before it, a program with nothing else to do then seems never to get
/// its turn, and no silence of its own would ever count. So once it has seemed so for a
/// while, nobody asks, until this is dropped.
struct Hush<'a> {
    hushed: &'a AtomicBool,
    starved: u32,
}

impl Hush<'_> {
    /// Windows in a row.
    const WHILE: u32 = 4;

    fn note(&mut self, starved: bool) {
        self.starved = if starved { self.starved + 1 } else { 0 };
        if self.starved >= Self::WHILE {
            self.hushed.store(true, Ordering::Relaxed);
        }
    }

    fn over(&mut self) {
        self.starved = 0;
        self.hushed.store(false, Ordering::Relaxed);
    }
}

impl Drop for Hush<'_> {
    fn drop(&mut self) {
        self.over();
    }
}

impl<'run> Stage<'run> {
    /// Starts the program between taps of its own and waits until it is ready.
    ///
    /// # Errors
    /// Where it does not become ready, or something of ours fails.
    pub async fn set(run: &'run Run, setting: Setting) -> Result<Self, Unset> {
        const TRIES: u32 = 3;
        let mut tried = 0;
        loop {
            tried += 1;
            let stood_still = run.pulse.stood_still();
            let mut turn = run.turns.acquire().await.ok();
            let stage = Self::start(run, setting).await?;
            let ready = {
                let ready = stage.ready();
                tokio::pin!(ready);
                match tokio::time::timeout(TURN, &mut ready).await {
                    Ok(ready) => ready,
                    Err(_) => {
                        // Whoever is slow to start does not keep the others waiting.
                        turn.take();
                        ready.await
                    }
                }
            };
            drop(turn);
            match ready {
                Ok(ready_after) => {
                    return Ok(Self {
                        ready_after,
                        ..stage
                    });
                }
                Err(trouble) => {
                    let wanted = stage.address();
                    let (ended, disturbed) = stage.end(stood_still).await;
                    let captured = ended.output;
                    if let Some(disturbance) = disturbed {
                        if tried < TRIES {
                            continue;
                        }
                        run.note_disturbance(disturbance);
                        return Err(Unset::Trouble(Trouble::TooBusy, captured));
                    }
                    if matches!(trouble, Trouble::Ended(_)) && in_use(&captured.text) {
                        let trouble = Trouble::WantedAnotherPort { wanted };
                        return Err(Unset::Trouble(trouble, captured));
                    }
                    return Err(Unset::Trouble(trouble, captured));
                }
            }
        }
    }

    async fn start(run: &'run Run, setting: Setting) -> Result<Self, Unset> {
        let journal = run.journal();
        let (services, mut env) = Services::start(run, &journal, setting).await?;
        let port = Port::draw()?;
        let address = port.address;
        env.extend([
            ("PORT".to_owned(), address.port().to_string()),
            (
                "UPSTREAM_TIMEOUT_MS".to_owned(),
                setting.upstream_timeout.as_millis().to_string(),
            ),
            (
                "TOKIO_WORKER_THREADS".to_owned(),
                setting.workers.to_string(),
            ),
        ]);
        let launch = Launch {
            command: run.candidate.command.clone(),
            env,
            keeper: run.candidate.keeper.clone(),
            limits: Limits::default(),
        };
        let program = Program::start(&launch, run.clock)
            .await
            .map_err(|error| match error {
                StartError::Other(error) => Unset::Fault(
                    anyhow::Error::new(error).context("the program could not be started"),
                ),
                said => Unset::Fault(said.into()),
            })?;
        Ok(Self {
            run,
            client: Client::new(address, journal.clone()),
            health_journal: run.journal(),
            hushed: Arc::default(),
            journal,
            program,
            ready_after: Duration::ZERO,
            setting,
            services,
            port,
        })
    }

    /// Ends the program. Also what came between since the checker's pulse had stood
    /// still so often.
    pub async fn end(self, stood_still: u32) -> (Ended, Option<Disturbance>) {
        let ended = self.program.end().await;
        // So the program had to end, and whoever has the port has answered in its place.
        let port_was_lost =
            ended.exit.is_some() && in_use(&ended.output.text) && !self.port.is_free();
        let disturbed = if ended.was_stopped {
            Some(Disturbance::ProgramStopped)
        } else if port_was_lost {
            Some(Disturbance::PortTaken)
        } else if self.run.pulse.stood_still() > stood_still {
            Some(Disturbance::CheckerStoodStill)
        } else {
            None
        };
        (ended, disturbed)
    }

    /// From now on the services treat requests as `script` says.
    pub fn play(&self, script: impl Fn(&Asked) -> Treatment + Send + Sync + 'static) {
        let script = Arc::new(script);
        for tap in &self.services.taps {
            let script = script.clone();
            tap.play(move |asked| script(asked));
        }
    }

    /// The parent hub, where the setting has one.
    pub fn parent(&self) -> Option<&Parent> {
        self.services.parent.as_ref()
    }

    /// Where the program listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address
    }

    /// Waits until `/healthz` answers 200: as soon as the program listens, for
    /// every line that it prints, and in steps that grow.
    async fn ready(&self) -> Result<Duration, Trouble> {
        let began = Instant::now();
        let mut step = Duration::from_micros(500);
        let mut printed = self.program.printed();
        let mut exit = self.program.exit();
        let mut looked = Instant::now();
        let mut looked_at = self.program.activity();
        let mut elsewhere_since: Option<Instant> = None;
        let mut unhealthy_since: Option<Instant> = None;
        let mut stolen_since: Option<Instant> = None;
        // Not in the stage's recording: readiness is no part of a probe.
        let client = Client::new(self.port.address, self.run.journal());
        loop {
            let connected = TcpStream::connect(self.port.address).await.is_ok();
            // Somebody else was quicker, and the program will say that it cannot listen;
            // or it lets another process listen, which it did not start.
            let stolen = connected
                && self.program.listens_at(self.port.address) == Some(false)
                && stolen_since.get_or_insert_with(Instant::now).elapsed() < STOLEN_FOR;
            if connected && !stolen {
                let request = "GET /healthz".to_owned();
                let answer = match self.patiently(client.get("/healthz"), ANSWER_QUIET).await? {
                    Waited::Done(answer) => answer,
                    Waited::GaveUp(after) => return Err(Trouble::Hung { request, after }),
                    Waited::TooBusy => return Err(Trouble::TooBusy),
                };
                let since = *unhealthy_since.get_or_insert_with(Instant::now);
                let patience_is_over = since.elapsed() > Duration::from_secs(1);
                match answer.reply {
                    Ok(reply) if reply.status == 200 => return Ok(began.elapsed()),
                    Ok(reply) if patience_is_over => {
                        return Err(Trouble::Unhealthy {
                            status: reply.status,
                        });
                    }
                    Err(why) if patience_is_over && why != NoReply::Refused => {
                        return Err(Trouble::NoAnswer { request, why });
                    }
                    _ => {}
                }
            }
            tokio::select! {
                () = sleep(step) => step = (step * 3 / 2).min(Duration::from_millis(20)),
                Ok(()) = printed.changed() => {}
                Ok(()) = exit.changed() => {}
            }
            if let Some(exit) = exit.borrow_and_update().clone() {
                return Err(Trouble::Ended(exit));
            }
            if *printed.borrow_and_update() > FLOOD {
                return Err(Trouble::Flooded {
                    printed: *printed.borrow(),
                });
            }
            if looked.elapsed() < Duration::from_millis(100) || connected {
                continue;
            }
            // Up, idle, and listening elsewhere: it will not come here any more.
            let now = self.program.activity();
            let idle = !self.was_starved(looked_at, now, looked.elapsed())
                && !was_working(looked_at, now, looked.elapsed());
            looked = Instant::now();
            looked_at = now;
            let found = self.program.listens_on();
            let elsewhere = found.as_ref().is_some_and(|found| {
                !found.is_empty() && !found.iter().any(|at| covers(*at, self.port.address))
            });
            if !(idle && elsewhere) {
                elsewhere_since = None;
            } else if elsewhere_since.get_or_insert_with(Instant::now).elapsed() > ELSEWHERE_FOR {
                return Err(Trouble::NotListening {
                    wanted: self.port.address,
                    found,
                    after: began.elapsed(),
                });
            }
            if began.elapsed() > READY_WITHIN {
                if !idle && began.elapsed() < READY_WITHIN * 3 {
                    continue;
                }
                if !idle || self.run.control().await > QUIET {
                    return Err(Trouble::TooBusy);
                }
                return Err(Trouble::NotListening {
                    wanted: self.port.address,
                    found,
                    after: began.elapsed(),
                });
            }
        }
    }

    /// Waits for something that the program should bring about. Every change in
    /// the recording starts the silence anew; a silence counts only if the
    /// program had the processor when it wanted it, and if it was long beside what
    /// our own control exchange took meanwhile: whatever the program had sent before
    /// has reached us by then.
    ///
    /// # Errors
    /// Where the program ends or floods meanwhile.
    pub async fn patiently<T>(
        &self,
        waiting: impl Future<Output = T>,
        quiet: Duration,
    ) -> Result<Waited<T>, Trouble> {
        let longest = LONGEST_WAIT.max(3 * quiet);
        let began = Instant::now();
        let mut changes = self.journal.changes();
        changes.mark_unchanged();
        let mut exit = self.program.exit();
        let mut printed = self.program.printed();
        let mut hush = Hush {
            hushed: &self.hushed,
            starved: 0,
        };
        tokio::pin!(waiting);
        let mut silence = Instant::now();
        let mut looked: Option<(Instant, Option<Activity>)> = None;
        let mut enough = quiet;
        loop {
            // To look at a program costs more than a frame does. So where a frame
            // comes after a frame nobody looks: only once it has been silent.
            let next = match looked {
                None => quiet / 8,
                Some(_) => enough,
            };
            let was_silent = tokio::select! {
                biased;
                done = &mut waiting => return Ok(Waited::Done(done)),
                Ok(()) = changes.changed() => false,
                Ok(exit) = exit.wait_for(Option::is_some) => {
                    // The wait may end with the program: its answer comes first.
                    let ended = exit.clone();
                    if let Ok(done) =
                        tokio::time::timeout(Duration::from_millis(20), &mut waiting).await
                    {
                        return Ok(Waited::Done(done));
                    }
                    return Err(ended.map_or(Trouble::TooBusy, Trouble::Ended));
                }
                Ok(bytes) = printed.wait_for(|bytes| *bytes > FLOOD) => {
                    return Err(Trouble::Flooded { printed: *bytes });
                }
                () = sleep(next.saturating_sub(silence.elapsed())) => true,
            };
            match looked {
                None if was_silent => {
                    looked = Some((Instant::now(), self.program.activity()));
                    continue;
                }
                Some((since, before)) if was_silent => {
                    let late = silence.elapsed().saturating_sub(next);
                    let lag = late.max(self.run.control().await);
                    let during = since.elapsed();
                    let after = self.program.activity();
                    let starved = self.was_starved(before, after, during);
                    hush.note(starved);
                    let working = was_working(before, after, during);
                    // What has come while we looked has come.
                    let still_silent = !changes.has_changed().unwrap_or(false);
                    if still_silent && !starved && (!working || began.elapsed() > 8 * quiet) {
                        enough = enough.max(silence_beside(lag, quiet));
                        if silence.elapsed() >= enough {
                            return Ok(tokio::select! {
                                biased;
                                done = &mut waiting => Waited::Done(done),
                                () = std::future::ready(()) => Waited::GaveUp(began.elapsed()),
                            });
                        }
                        if began.elapsed() < longest {
                            continue;
                        }
                    }
                }
                _ => {}
            }
            if !was_silent {
                hush.over();
            }
            silence = Instant::now();
            looked = None;
            enough = quiet;
            if began.elapsed() > longest {
                return Ok(if was_silent {
                    Waited::TooBusy
                } else {
                    Waited::GaveUp(began.elapsed())
                });
            }
        }
    }

    /// Waits for what the program should bring about without anybody's help, and
    /// tells whether it sat idle before that: nothing of it ran, or wanted to, for
    /// far longer than a program needs that has something left to do. Where the
    /// system does not tell, it did not.
    pub async fn sat_idle_before(&self, waiting: impl Future<Output = ()>) -> Option<Duration> {
        const WINDOW: Duration = Duration::from_millis(10);
        const IDLE: Duration = Duration::from_millis(45);
        let mut idle = Duration::ZERO;
        let mut longest = None;
        tokio::pin!(waiting);
        loop {
            let window = Instant::now();
            let before = self.program.activity();
            tokio::select! {
                biased;
                () = &mut waiting => return longest,
                () = sleep(WINDOW) => {}
            }
            let is_idle = matches!(
                (before, self.program.activity()),
                (Some(before), Some(after)) if is_idle(before, after, window.elapsed())
            );
            idle = if is_idle {
                idle + window.elapsed()
            } else {
                Duration::ZERO
            };
            if idle > IDLE {
                // Whatever it had sent before that has reached us by now.
                self.run.control().await;
                tokio::select! {
                    biased;
                    () = &mut waiting => return longest,
                    () = tokio::task::yield_now() => longest = longest.max(Some(idle)),
                }
            }
        }
    }

    /// Waits for something that the program should bring about, and counts how often the
    /// whole program fell asleep before it: no thread of it ran or wanted to, and
    /// what it had sent until then was not what is waited for. Where the system does not
    /// tell, it never did.
    pub async fn asleep_before<T>(&self, waiting: impl Future<Output = T>) -> (T, u32) {
        /// A program that is free has done it long before.
        const LOOK_EVERY: Duration = Duration::from_millis(2);
        let watcher = self.program.watcher();
        let (mut times, mut last) = (0, None);
        tokio::pin!(waiting);
        loop {
            tokio::select! {
                biased;
                done = &mut waiting => return (done, times),
                () = sleep(LOOK_EVERY) => {}
            }
            let asleep = watcher.asleep();
            if asleep.is_none() || asleep == last {
                continue;
            }
            last = asleep;
            // Whatever it had sent before that has reached us by then.
            self.run.control().await;
            tokio::select! {
                biased;
                done = &mut waiting => return (done, times),
                () = tokio::task::yield_now() => times += 1,
            }
        }
    }

    /// Waits for something, and tells for how long the program computed meanwhile. Where
    /// the system does not tell, it did not.
    pub async fn on_cpu_until(&self, waiting: impl Future<Output = ()>) -> Duration {
        let before = self.program.activity();
        waiting.await;
        match (before, self.program.activity()) {
            (Some(before), Some(after)) => after.on_cpu.saturating_sub(before.on_cpu),
            _ => Duration::ZERO,
        }
    }

    /// Whether the program wanted the processor and did not get it, for more
    /// than a tenth of that time.
    fn was_starved(
        &self,
        before: Option<Activity>,
        after: Option<Activity>,
        during: Duration,
    ) -> bool {
        match (before, after) {
            (Some(before), Some(after)) => {
                after.waited.saturating_sub(before.waited) > during / 10
                    || (after.runnable && after.on_cpu.saturating_sub(before.on_cpu) < during / 10)
            }
            _ => false,
        }
    }

    /// Waits until the program has done all that it can do for now (for a
    /// second at most; where the system does not tell, for 20 ms). Whether it has, as far as
    /// the system tells.
    pub async fn idle(&self) -> bool {
        let began = Instant::now();
        let mut pause = Duration::from_millis(1);
        self.run.control().await;
        while began.elapsed() < Duration::from_secs(1) {
            let window = Instant::now();
            let Some(before) = self.program.activity() else {
                sleep(Duration::from_millis(20)).await;
                return true;
            };
            sleep(pause).await;
            match self.program.activity() {
                Some(after) if is_idle(before, after, window.elapsed()) => return true,
                _ => pause = (pause * 3 / 2).min(Duration::from_millis(20)),
            }
        }
        false
    }

    /// Waits for the program's last words: its end, or a panic's message, after
    /// it broke off a connection; or for a flood to show that it is one.
    pub async fn settle(&self, something_broke: bool) -> Option<Trouble> {
        let mut exit = self.program.exit();
        let mut printed = self.program.printed();
        let began = Instant::now();
        loop {
            if let Some(exit) = exit.borrow_and_update().clone() {
                return Some(Trouble::Ended(exit));
            }
            let bytes = *printed.borrow_and_update();
            if bytes > FLOOD {
                return Some(Trouble::Flooded { printed: bytes });
            }
            let chatty = bytes > CHATTER;
            if !(chatty || something_broke) || began.elapsed() > LONGEST_WAIT {
                return None;
            }
            let before = self.program.activity();
            let silence = Instant::now();
            let pause = Duration::from_millis(if chatty { 20 } else { 60 });
            tokio::select! {
                Ok(()) = exit.changed() => {}
                Ok(()) = printed.changed() => {}
                () = sleep(pause) => {
                    let after = self.program.activity();
                    if !self.was_starved(before, after, silence.elapsed()) {
                        return None;
                    }
                }
            }
        }
    }
}

/// How long a silence has to be where whoever listens is late by `lag`: what is under
/// way to a machine that is as late as that once more, and again, does not end it.
fn silence_beside(lag: Duration, quiet: Duration) -> Duration {
    if lag <= quiet / 5 {
        quiet
    } else {
        quiet + 3 * lag
    }
}

/// Whether nothing of the program ran, or wanted to, in that time.
fn is_idle(before: Activity, after: Activity, during: Duration) -> bool {
    !after.runnable
        && after.page_ins == before.page_ins
        && after.on_cpu.saturating_sub(before.on_cpu) < during / 20
        && after.waited.saturating_sub(before.waited) < during / 20
}

/// Whether the program computed, for more than a third of that time.
fn was_working(before: Option<Activity>, after: Option<Activity>, during: Duration) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => after.on_cpu.saturating_sub(before.on_cpu) > during / 3,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_asks_for_a_while_where_a_program_never_gets_its_turn() {
        let hushed = AtomicBool::new(false);
        let mut hush = Hush {
            hushed: &hushed,
            starved: 0,
        };
        let is_hushed = || hushed.load(Ordering::Relaxed);
        for starved in [true, true, true, false, true, true, true] {
            hush.note(starved);
            assert!(!is_hushed());
        }
        hush.note(true);
        assert!(is_hushed());
        // It sleeps, now that nobody wakes it: that is what was to be seen.
        hush.note(false);
        assert!(is_hushed());
        hush.over();
        assert!(!is_hushed());
        for _ in 0..Hush::WHILE {
            hush.note(true);
        }
        drop(hush);
        assert!(!is_hushed());
    }

    #[test]
    fn who_is_late_listens_for_longer() {
        let ms = Duration::from_millis;
        assert_eq!(silence_beside(ms(50), ms(250)), ms(250));
        // A call that is under way for as long as this has come by then.
        assert_eq!(silence_beside(ms(200), ms(250)), ms(850));
    }
}
