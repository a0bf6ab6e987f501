//! The checker's end of the lifeline.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Socket;
use std::path::Path;
use std::time::Duration;

use mock_services::moment::{Clock, Moment};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::captured::Recorder;
use super::directory::Directory;
use super::lifeline::{self, Order, Report, Start};
use super::{Ended, Exit, Launch, StartError, environment, keeper};

/// How long a keeper may take to end everything. One that takes longer has been stopped.
const KEEPER: Duration = Duration::from_secs(5);
/// How long a keeper may be silent at the start before we suspect that it has been stopped.
const STOPPED: Duration = Duration::from_millis(500);
/// How long the last words may take to reach us once all who could speak have ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Program {
    pid: u32,
    keeper: u32,
    /// Dropped, it closes the lifeline.
    orders: OwnedWriteHalf,
    /// Dropped, it tells the watch that the keeper should end soon.
    wanted: oneshot::Sender<()>,
    watch: JoinHandle<Outcome>,
    output: JoinHandle<()>,
    recorder: Recorder,
    exit: watch::Receiver<Option<Exit>>,
}

impl Program {
    pub(super) async fn start(launch: &Launch, clock: Clock) -> Result<Self, StartError> {
        let directory = Directory::make()?;
        let start = Order::Start(Start {
            command: absolute(&launch.command)?,
            env: environment::of(launch, directory.path()),
            directory: directory.path().into(),
            limits: launch.limits,
        });
        let (ours, theirs) = Socket::pair()?;
        let (reader, writer) = io::pipe()?;
        // A process group of its own, so that a Ctrl-C reaches us and not the keeper.
        let child = Command::new(&launch.keeper)
            .arg(keeper::ARGUMENT)
            .env_clear()
            .process_group(0)
            .stdin(OwnedFd::from(theirs))
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .spawn()
            .map_err(|error| no_keeper(&launch.keeper, &error))?;
        let keeper = child.id().unwrap_or_default();

        let recorder = Recorder::new();
        let reader = pipe::Receiver::from_owned_fd(reader.into())?;
        let output = tokio::spawn(recorder.clone().drain(reader));

        ours.set_nonblocking(true)?;
        let (reports, mut orders) = UnixStream::from_std(ours)?.into_split();
        let (told, exit) = watch::channel(None);
        let (begun, mut started) = oneshot::channel();
        let (wanted, unwanted) = oneshot::channel();
        let watch = Watch {
            command: launch.command.clone(),
            begun: Some(begun),
            learner: None,
            reports: BufReader::new(reports),
            keeper: child,
            directory,
            exit: told,
            clock,
        };
        let watch = tokio::spawn(watch.until_gone(unwanted));
        // Where this fails, the report is missing too, and says why.
        let _ = orders.write_all(&lifeline::line(&start)?).await;
        let pid = loop {
            match timeout(STOPPED, &mut started).await {
                Ok(Ok(pid)) => break pid?,
                Ok(Err(_)) => return Err(keeper_fell_silent(&launch.keeper).into()),
                // The program runs already, and may have stopped its keeper.
                Err(_) => go_on(keeper),
            }
        };
        Ok(Self {
            pid,
            keeper,
            orders,
            wanted,
            watch,
            output,
            recorder,
            exit,
        })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        Some(self.pid)
    }

    /// The process beneath which everything is, while it is there.
    pub(super) fn root(&self) -> Option<u32> {
        let root = if cfg!(target_os = "linux") {
            self.keeper
        } else {
            self.pid
        };
        (!self.watch.is_finished()).then_some(root)
    }

    pub(super) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(super) fn exit(&self) -> watch::Receiver<Option<Exit>> {
        self.exit.clone()
    }

    pub(super) async fn end(mut self) -> Ended {
        // Where this fails there is no keeper any more, and the watch knows.
        if let Ok(end) = lifeline::line(&Order::End) {
            let _ = self.orders.write_all(&end).await;
        }
        drop(self.wanted);
        let outcome = self.watch.await.unwrap_or_default();
        drop(self.orders); // held until here, for its end is an order too
        let _ = timeout(LAST_WORDS, self.output).await;
        Ended {
            exit: self.exit.borrow().clone(),
            exited: outcome.exited,
            output: self.recorder.captured(),
            left_behind: outcome.left_behind,
            killed_keeper: outcome.killed_keeper,
            was_stopped: outcome.was_stopped,
        }
    }
}

/// The command as it has to be said elsewhere than in our directory.
fn absolute(command: &[OsString]) -> io::Result<Vec<OsString>> {
    let mut command = command.to_vec();
    if let Some(program) = command.first_mut()
        && Path::new(program).components().count() > 1
    {
        *program = std::path::absolute(&*program)?.into();
    }
    Ok(command)
}

fn no_keeper(keeper: &Path, why: &io::Error) -> io::Error {
    io::Error::new(
        why.kind(),
        format!("its keeper, {}, failed: {why}", keeper.display()),
    )
}

fn keeper_fell_silent(keeper: &Path) -> io::Error {
    no_keeper(keeper, &io::ErrorKind::UnexpectedEof.into())
}

/// Makes a process go on that has been stopped.
fn go_on(process: u32) {
    if let Ok(process @ 2..) = i32::try_from(process) {
        let _ = kill(Pid::from_raw(process), Signal::SIGCONT);
    }
}

async fn next_report(reports: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Report>> {
    let mut line = String::new();
    reports.read_line(&mut line).await?;
    lifeline::message(&line)
}

/// What a watch has seen.
#[derive(Debug, Default)]
struct Outcome {
    exited: Option<Moment>,
    left_behind: Vec<String>,
    killed_keeper: bool,
    was_stopped: bool,
}

/// Listens to a keeper, and does its work where it has been killed.
struct Watch {
    command: Vec<OsString>,
    /// Who waits for the program to have started.
    begun: Option<oneshot::Sender<Result<u32, StartError>>>,
    learner: Option<u32>,
    reports: BufReader<OwnedReadHalf>,
    keeper: Child,
    directory: Directory,
    exit: watch::Sender<Option<Exit>>,
    clock: Clock,
}

impl Watch {
    async fn until_gone(mut self, unwanted: oneshot::Receiver<()>) -> Outcome {
        let mut outcome = Outcome::default();
        let keeper = self.keeper.id();
        let too_long = async {
            let _ = unwanted.await;
            keeper.into_iter().for_each(go_on); // the program may have stopped it
            sleep(KEEPER).await;
        };
        let gone = tokio::select! {
            gone = self.listen(&mut outcome) => gone,
            () = too_long => false,
        };
        if !gone {
            let _ = self.keeper.start_kill();
        }
        let _ = self.keeper.wait().await;
        if !gone {
            outcome.killed_keeper = true;
            let Self {
                learner, directory, ..
            } = self;
            // What it started comes to us only once the keeper has been reaped.
            let _ = tokio::task::spawn_blocking(move || {
                end_orphans_of(learner);
                drop(directory);
            })
            .await;
            drop(self.begun); // nothing has started, if nobody has heard of it by now
            if self.exit.borrow().is_none() {
                outcome.exited = Some(self.clock.now());
                self.exit
                    .send_replace(Some(Exit::signal(nix::libc::SIGKILL)));
            }
        }
        outcome
    }

    fn begin(&mut self, how: Result<u32, StartError>) {
        if let Some(begun) = self.begun.take() {
            let _ = begun.send(how);
        }
    }

    /// Whether the keeper said that all is gone.
    async fn listen(&mut self, outcome: &mut Outcome) -> bool {
        loop {
            match next_report(&mut self.reports).await {
                Ok(Some(Report::Ended { exit })) => {
                    outcome.exited = Some(self.clock.now());
                    self.exit.send_replace(Some(exit));
                }
                Ok(Some(Report::Gone {
                    left_behind,
                    was_stopped,
                })) => {
                    outcome.left_behind = left_behind;
                    outcome.was_stopped = was_stopped;
                    return true;
                }
                Ok(Some(Report::Started { pid })) => {
                    self.learner = Some(pid);
                    self.begin(Ok(pid));
                }
                Ok(Some(Report::CannotStart { errno })) => {
                    let error = io::Error::from_raw_os_error(errno);
                    self.begin(Err(StartError::new(&self.command, error)));
                    return true;
                }
                Ok(None) | Err(_) => return false,
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn end_orphans_of(_learner: Option<u32>) {
    super::orphans::end_adopted();
}

/// Here the program has outlived its keeper.
#[cfg(not(target_os = "linux"))]
fn end_orphans_of(learner: Option<u32>) {
    if let Some(group) = learner.and_then(|learner| i32::try_from(learner).ok()) {
        let _ = nix::sys::signal::killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}
