//! One instance of the learner's program between taps of its own, and the
//! patience with which it is watched.
//!
//! A wait ends for one of three reasons: what was waited for has come; nothing
//! has happened for a while *although the program and this machine had every
//! chance*; or the machine was too busy to say. Only the second is evidence.

mod services;

use std::future::Future;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use mock_services::exchange::Ending;
use mock_services::journal::{Entry, Journal};
use mock_services::lain::since_data_came;
use mock_services::parent::Parent;
use mock_services::script::Asked;
use mock_services::script::Treatment;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::client::{Client, NoReply, Spoken, YOU, speak};
use crate::observation::Disturbance;
use crate::program::{
    Activity, Captured, Ended, Exit, Launch, Limits, Program, StartError, Watcher, covers,
};
use crate::run::Run;
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

/// What `/healthz` did.
#[derive(Debug)]
pub enum Health {
    /// It answered.
    Answered {
        /// With that status.
        status: u16,
        /// How often the whole program was seen asleep with the request before it.
        asleep: u32,
    },
    /// It closed the connection, or sent something else than HTTP.
    Broken,
    /// The program sat idle with the request before it.
    Silent {
        /// For how long.
        after: Duration,
        /// The request, still under way.
        late: JoinSet<()>,
    },
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

    /// Asks `/healthz` and watches the program meanwhile. A program that sits
    /// idle with the request before it is blocked; one that works, or waits for
    /// a processor, is given its time. The watching is done on a thread of its
    /// own, in short windows: how late that thread is makes a window longer, and
    /// nothing else.
    ///
    /// # Errors
    /// Where the program ends meanwhile.
    pub async fn health(&self) -> Result<Health, Trouble> {
        let Ok(mut asked) = self.ask_health() else {
            return Ok(Health::Broken);
        };
        let health = self.told(&mut asked).await?;
        Ok(health.unwrap_or(Health::Broken))
    }

    /// What comes next of a `/healthz` that is being asked. `None` where nobody asks any more.
    ///
    /// # Errors
    /// Where the program ends meanwhile.
    async fn told(&self, asking: &mut Asking) -> Result<Option<Health>, Trouble> {
        let mut exit = self.program.exit();
        tokio::select! {
            biased;
            told = asking.told.recv() => Ok(told.map(|told| match told {
                Told::Answered { status, asleep } => Health::Answered { status, asleep },
                Told::Broken => Health::Broken,
                Told::TooBusy => Health::TooBusy,
                Told::Idle(after) => Health::Silent {
                    after,
                    late: std::mem::take(&mut asking.late),
                },
            })),
            Ok(exit) = exit.wait_for(Option::is_some) => {
                Err(exit.clone().map_or(Trouble::TooBusy, Trouble::Ended))
            }
            () = sleep(LONGEST_WAIT) => Ok(Some(Health::TooBusy)),
        }
    }

    /// Sends `GET /healthz`, and reads the head of its answer on another thread.
    /// When this returns, the request is in the hands of the kernel.
    ///
    /// # Errors
    /// Where the program cannot be reached.
    fn ask_health(&self) -> std::io::Result<Asking> {
        let visitor = self.visitor();
        let knocked = visitor.knock()?;
        let (tell, told) = mpsc::unbounded_channel();
        let mut reading = JoinSet::new();
        reading.spawn_blocking(move || {
            visitor.listen(knocked, &tell);
        });
        Ok(Asking {
            told,
            late: reading,
        })
    }

    /// Asks `/healthz` again and again until it does not answer, on a thread of its own:
    /// that one sleeps little, and a machine that has much to do wakes it sooner than
    /// whoever works. When this returns, the first request is in the hands of the kernel.
    ///
    /// # Errors
    /// Where the program cannot be reached.
    pub fn keep_asking_health(&self) -> std::io::Result<Watch> {
        const LONGEST_PAUSE: Duration = Duration::from_millis(10);
        let visitor = self.visitor();
        let mut knocked = visitor.knock()?;
        let (tell, told) = mpsc::unbounded_channel();
        let (enough, over) = std::sync::mpsc::channel::<()>();
        let mut reading = JoinSet::new();
        reading.spawn_blocking(move || {
            let mut pause = Duration::from_millis(1);
            while visitor.listen(knocked, &tell)
                && over.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
            {
                let Ok(again) = visitor.knock() else {
                    let _ = tell.send(Told::Broken);
                    return;
                };
                knocked = again;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
        Ok(Watch {
            asking: Asking {
                told,
                late: reading,
            },
            enough: Some(enough),
        })
    }

    fn visitor(&self) -> Visitor {
        Visitor {
            address: self.port.address,
            journal: self.health_journal.clone(),
            watcher: self.program.watcher(),
        }
    }

    /// Waits until the program has done all that it can do for now (for a
    /// second at most; where the system does not tell, for 20 ms).
    pub async fn idle(&self) {
        let began = Instant::now();
        let mut pause = Duration::from_millis(1);
        self.run.control().await;
        while began.elapsed() < Duration::from_secs(1) {
            let window = Instant::now();
            let Some(before) = self.program.activity() else {
                return sleep(Duration::from_millis(20)).await;
            };
            sleep(pause).await;
            match self.program.activity() {
                Some(after) if is_idle(before, after, window.elapsed()) => return,
                _ => pause = (pause * 3 / 2).min(Duration::from_millis(20)),
            }
        }
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

/// A `/healthz` under way.
#[derive(Debug)]
struct Asking {
    told: mpsc::UnboundedReceiver<Told>,
    late: JoinSet<()>,
}

/// A `/healthz` that is asked again and again. See [`Stage::keep_asking_health`].
#[derive(Debug)]
pub struct Watch {
    asking: Asking,
    /// Dropped, it ends the asking.
    enough: Option<std::sync::mpsc::Sender<()>>,
}

impl Watch {
    /// What comes next of it. `None` where nobody asks any more: it has been enough, or
    /// one has not been answered.
    ///
    /// # Errors
    /// Where the program ends meanwhile.
    pub async fn next(&mut self, stage: &Stage<'_>) -> Result<Option<Health>, Trouble> {
        stage.told(&mut self.asking).await
    }

    /// No further one is asked. Whoever has been asked is waited for: a late answer is
    /// evidence.
    pub fn enough(&mut self) {
        self.enough = None;
    }
}

/// What is told of `/healthz` while it is asked.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// It answered, and was seen asleep so often before that.
    Answered { status: u16, asleep: u32 },
    /// The connection was closed, or what came is not HTTP.
    Broken,
    /// The program has sat idle with the request before it, for so long in all.
    Idle(Duration),
    /// It had no time for it on this machine.
    TooBusy,
}

/// Asks a program for its `/healthz`, from any thread.
#[derive(Debug)]
struct Visitor {
    address: SocketAddr,
    journal: Journal,
    watcher: Watcher,
}

/// A `GET /healthz` that is in the hands of the kernel, or was not taken yet.
#[derive(Debug)]
struct Knocked {
    entry: Entry,
    request: String,
    stream: std::net::TcpStream,
    spoken: bool,
}

impl Visitor {
    fn knock(&self) -> std::io::Result<Knocked> {
        let entry = self.journal.arrived(YOU, 1, "GET /healthz".to_owned());
        let request = format!(
            "GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        let Spoken { stream, spoken, .. } = speak(self.address, request.as_bytes())?;
        // Before that nobody watched, however long it took.
        entry.sent();
        Ok(Knocked {
            entry,
            request,
            stream,
            spoken,
        })
    }

    /// Waits for the answer, however long the program sits idle. Whether it came at once.
    fn listen(&self, knocked: Knocked, tell: &mpsc::UnboundedSender<Told>) -> bool {
        const WINDOW: Duration = Duration::from_millis(10);
        let Knocked {
            mut entry,
            request,
            mut stream,
            spoken,
        } = knocked;
        let mut at_once = true;
        // Whoever listened may have gone.
        let mut tell = |told| {
            at_once &= matches!(told, Told::Answered { .. });
            let _ = tell.send(told);
        };
        let began = Instant::now();
        while !spoken && stream.write(request.as_bytes()).is_err() && began.elapsed() < LONGEST_WAIT
        {
            std::thread::sleep(WINDOW);
        }
        let mut asleep = 0;
        // Where a wait for data is of whole milliseconds, it is done apart from the read.
        let status = stream
            .set_nonblocking(cfg!(unix))
            .and_then(|()| stream.set_read_timeout(Some(WINDOW)))
            .and_then(|()| {
                let socket = stream.try_clone()?;
                let wait = || asleep += seen_asleep(&socket, WINDOW, began, self.watcher);
                read_status(&mut stream, self.watcher, wait, |after| {
                    tell(Told::Idle(after));
                })
            });
        tell(match status {
            Ok(Some(status)) => {
                // A late reader would seem to have watched for longer than it did.
                entry.answer_was_read(status, since_data_came(&stream));
                entry.end(Ending::Answered);
                Told::Answered { status, asleep }
            }
            Err(error) if is_timeout(&error) => Told::TooBusy,
            Ok(None) | Err(_) => Told::Broken,
        });
        at_once
    }
}

/// Waits for data, `window` at most, and counts how often the whole program is asleep
/// meanwhile: no thread of it ran between two looks at all of them, and none wanted to.
///
/// A moment of which that is so is one however late we come to look, and however many
/// want the processor; how long it lasted we do not know.
#[cfg(unix)]
fn seen_asleep(
    stream: &std::net::TcpStream,
    window: Duration,
    began: Instant,
    watcher: Watcher,
) -> u32 {
    /// A program that is free has answered long before.
    const LOOK_EVERY: Duration = Duration::from_millis(2);
    /// Whoever stands still for longer is found out by that.
    const LOOK_FOR: Duration = Duration::from_millis(400);
    let mut times = 0;
    let waiting = Instant::now();
    loop {
        let left = window.saturating_sub(waiting.elapsed());
        let look = began.elapsed() < LOOK_FOR;
        let step = if look { left.min(LOOK_EVERY) } else { left };
        if has_data_within(stream, step) || waiting.elapsed() >= window {
            return times;
        }
        if look
            && let (Some(first), Some(again)) = (watcher.activity(), watcher.activity())
            && first == again
            && !again.runnable
            // Its answer may be the last thing that it did before it slept.
            && !has_data_within(stream, Duration::ZERO)
        {
            times += 1;
        }
    }
}

/// Here the read itself waits, and nobody can look at a program.
#[cfg(not(unix))]
fn seen_asleep(_: &std::net::TcpStream, _: Duration, _: Instant, _: Watcher) -> u32 {
    0
}

/// Waits for something to read, or for the connection's end.
#[cfg(unix)]
fn has_data_within(stream: &std::net::TcpStream, wait: Duration) -> bool {
    use std::os::fd::AsFd as _;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    let millis = wait.as_micros().div_ceil(1000);
    let wait = PollTimeout::try_from(millis).unwrap_or(PollTimeout::ZERO);
    let mut socket = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
    // A signal ends it early, and the caller waits again.
    poll(&mut socket, wait).is_ok_and(|ready| ready > 0)
}

/// Reads the status of an answer, and tells once where the program sits idle
/// instead of answering. `wait` waits for data before each read.
///
/// # Errors
/// Where the connection breaks, or for too long nothing comes.
fn read_status(
    stream: &mut impl std::io::Read,
    watcher: Watcher,
    mut wait: impl FnMut(),
    mut tell_idle: impl FnMut(Duration),
) -> std::io::Result<Option<u16>> {
    const LONGEST_HEAD: usize = 64 * 1024;
    /// A server that is free answers a thousand times in this.
    const BLOCKED: Duration = Duration::from_millis(45);
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    let mut idle = Duration::ZERO;
    let mut told = false;
    let began = Instant::now();
    while end_of_head(final_answer(&head)).is_none() && head.len() < LONGEST_HEAD {
        let window = Instant::now();
        let before = watcher.activity();
        wait();
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => head.extend_from_slice(&chunk[..read]),
            Err(error) if is_timeout(&error) && began.elapsed() < LONGEST_WAIT => {
                let during = window.elapsed();
                match (before, watcher.activity()) {
                    (Some(before), Some(after)) if is_idle(before, after, during) => idle += during,
                    (None, None) if began.elapsed() > QUIET => idle += during,
                    _ => {}
                }
                if idle > BLOCKED && !told {
                    told = true;
                    tell_idle(idle);
                }
            }
            // A read with a limit is not taken up again by the system once a signal has
            // come: a program somewhere has ended.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(status_of(final_answer(&head)))
}

/// Whether a read has only taken too long, in the words of Unix and of Windows.
fn is_timeout(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut)
}

/// What comes after the hints before an answer (100 Continue, 103 Early Hints).
fn final_answer(mut bytes: &[u8]) -> &[u8] {
    while let (Some(100 | 102..=199), Some(end)) = (status_of(bytes), end_of_head(bytes)) {
        bytes = &bytes[end..];
    }
    bytes
}

/// Where a head ends that is whole.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let at = bytes.windows(END.len()).position(|part| part == END)?;
    Some(at + END.len())
}

/// The status that a head begins with.
fn status_of(head: &[u8]) -> Option<u16> {
    let head = String::from_utf8_lossy(head);
    head.strip_prefix("HTTP/1.")?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
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

/// What programs print where an address is taken, in any language we know of.
fn in_use(output: &str) -> bool {
    let output = output.to_lowercase();
    [
        "address already in use",
        "address in use",
        "addrinuse",
        "only one usage of each socket",
    ]
    .iter()
    .any(|words| output.contains(words))
}

/// Where a program is to listen: a port outside the range that the system draws
/// from for outgoing connections, so that none of those can take it meanwhile.
///
/// From the moment that it is drawn until the program has bound it, it is anybody's.
/// So that no other checker draws it then, this one holds the UDP port of the same
/// number, which is of no use to a server of the exercises.
#[derive(Debug)]
struct Port {
    address: SocketAddr,
    _token: UdpSocket,
}

impl Port {
    /// A port that nobody listens on, and no other checker has drawn.
    fn draw() -> Result<Self, Unset> {
        static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(fastrand::u16(..)));
        for _ in 0..200 {
            let number = 15_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 17_000;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, number));
            let Ok(token) = UdpSocket::bind(address) else {
                continue;
            };
            let port = Self {
                address,
                _token: token,
            };
            if port.is_free() {
                return Ok(port);
            }
        }
        Err(Unset::Fault(anyhow::anyhow!(
            "no free port between 15000 and 32000 on 127.0.0.1 for the program; \
             what listens on all of them?"
        )))
    }

    /// Whether nobody listens there.
    fn is_free(&self) -> bool {
        TcpListener::bind(self.address).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_late_listens_for_longer() {
        let ms = Duration::from_millis;
        assert_eq!(silence_beside(ms(50), ms(250)), ms(250));
        // A call that is under way for as long as this has come by then.
        assert_eq!(silence_beside(ms(200), ms(250)), ms(850));
    }

    #[test]
    fn a_signal_breaks_no_answer_off() {
        use std::io::ErrorKind::{ConnectionReset, Interrupted, WouldBlock};
        struct Read(Vec<std::io::Result<&'static str>>);
        impl std::io::Read for Read {
            fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
                let bytes = self.0.remove(0)?.as_bytes();
                into[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
        }
        let status = |reads| {
            let status = read_status(&mut Read(reads), Watcher::default(), || {}, |_| {});
            status.map_err(|error| error.kind())
        };
        let fails = |kind: std::io::ErrorKind| Err(kind.into());
        let reads = vec![
            fails(Interrupted),
            Ok("HTTP/1.1 2"),
            fails(WouldBlock),
            fails(Interrupted),
            Ok("00 OK\r\n\r\n"),
        ];
        assert_eq!(status(reads), Ok(Some(200)));
        assert_eq!(status(vec![Ok("HTTP/1"), Ok("")]), Ok(None));
        assert_eq!(status(vec![fails(ConnectionReset)]), Err(ConnectionReset));
    }

    #[test]
    fn a_port_is_drawn_once_while_it_is_held() {
        let ports: Vec<_> = (0..50).map(|_| Port::draw().expect("a port")).collect();
        for port in &ports {
            assert!(UdpSocket::bind(port.address).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_head_has_a_status_or_none(bytes: Vec<u8>, words in r"HTTP/1\.[\PC ]{0,20}") {
            status_of(final_answer(&bytes));
            status_of(words.as_bytes());
        }

        #[test]
        fn the_status_of_a_head_is_its_second_word(status: u16, rest in r"\PC*") {
            let head = format!("HTTP/1.1 {status} {rest}");
            proptest::prop_assert_eq!(status_of(head.as_bytes()), Some(status));
        }

        #[test]
        fn hints_are_no_answer(hints in proptest::collection::vec(102_u16..200, 0..4), status in 200_u16..600, rest in r"\PC*") {
            let mut said: String = hints.iter().map(|hint| format!("HTTP/1.1 {hint} Wait\r\nlink: /\r\n\r\n")).collect();
            said += &format!("HTTP/1.1 {status} {rest}");
            proptest::prop_assert_eq!(status_of(final_answer(said.as_bytes())), Some(status));
        }

        #[test]
        fn any_output_can_be_asked_for_a_taken_address(text: String) {
            in_use(&text);
        }
    }
}
