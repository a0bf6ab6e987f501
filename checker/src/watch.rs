//! `checker watch`: a verdict for every save.
//!
//! ```text
//! save → (whatever runs is ended) → 50 ms without another → build → verify → picture
//! ```

mod changes;
mod footer;
mod frame;
mod plain;
mod saves;
pub mod screen;
mod session;
mod task;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;

use crate::diagnosis::Diagnosis;
use crate::progress::Progress;
use crate::records::{self, Records};
use crate::render::Sheet;
use crate::report::Report;
use crate::standing;
use crate::verify;
use crate::workshop::Workshop;

use self::plain::Plain;
use self::saves::Saves;
use self::session::Session;
use self::task::Task;

/// An editor may write a file in several steps, and several files. Short, for it is
/// added to every verdict; a save that comes later cancels the run and begins anew.
const SETTLE: Duration = Duration::from_millis(25);

/// What is saved without end is graded all the same, once in a while.
const LONGEST: Duration = Duration::from_secs(1);

/// What to watch.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// `ex02`, `2`, or an unambiguous part of its name [default: the first that has not passed]
    pub exercise: Option<String>,
    /// Grade the bonus program [default exercise: the first whose bonus has not passed]
    #[arg(long)]
    pub bonus: bool,
}

/// How to show it.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// What is drawn on; as wide as the terminal is now.
    pub sheet: Sheet,
    /// Whether colours are wanted.
    pub colours: bool,
}

/// What happens outside.
#[derive(Debug)]
enum Event {
    /// Something at this path (from the top folder) was changed.
    Saved(PathBuf),
    /// What is being waited for now; empty where there is nothing to say.
    Waiting(String),
    Key(crossterm::event::KeyEvent),
    Resized,
    /// We were asked to end.
    End,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order<'a> {
    Nothing,
    /// Grade the same exercise again.
    Again,
    /// Go on to this one.
    Go(Task<'a>),
    Quit(u8),
}

/// Whoever shows what happens.
trait Show<'a> {
    /// A run of this begins.
    fn begins(&mut self, task: Task<'a>) -> anyhow::Result<()>;
    /// It came to this; and what is to be said beside it.
    fn ends(&mut self, report: Report, notice: Option<String>) -> anyhow::Result<()>;
    /// It came to nothing, for a reason that is not the learner's.
    fn fails(&mut self, error: &anyhow::Error) -> anyhow::Result<()>;
    /// Something else happened.
    fn hears(&mut self, event: Event) -> anyhow::Result<Order<'a>>;
    /// It is over.
    fn closes(&mut self) -> anyhow::Result<()>;
}

/// Watches until the learner quits; the exit code.
///
/// # Errors
/// Where nothing can be watched or shown.
pub async fn run(
    workshop: &Workshop,
    options: &Options,
    keeper: &Path,
    look: Look,
) -> anyhow::Result<u8> {
    let records = Records::of(&workshop.root).read().records;
    let standings = standing::all(workshop, &records);
    let task = Task::meant(workshop, &standings, options)?;
    let (tell, events) = mpsc::unbounded_channel();
    let heard = tell.clone();
    let saves = Saves::of(&workshop.root, move |path| {
        let _ = heard.send(Event::Saved(path)); // it is over where nobody listens
    })?;
    let watch = Watch {
        workshop,
        keeper,
        task,
        saves,
        events,
        tell,
    };
    let ended = asked_to_end()?;
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if is_terminal && !is_dumb {
        watch.keys()?;
        let mut session = Session::new(workshop, look)?;
        return watch.until_told(ended, &mut session).await;
    }
    let outcome = watch.until_told(ended, &mut Plain::new(look)).await;
    match outcome {
        // Whoever read this has read enough (`| head`).
        Err(error) if is_closed_pipe(&error) => Ok(0),
        other => other,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

struct Watch<'a> {
    workshop: &'a Workshop,
    keeper: &'a Path,
    task: Task<'a>,
    saves: Saves,
    events: UnboundedReceiver<Event>,
    tell: UnboundedSender<Event>,
}

/// Saves that have to settle before a run begins.
#[derive(Clone, Copy)]
struct Settling {
    since: Instant,
    until: Instant,
}

impl Settling {
    fn on(earlier: Option<Self>) -> Self {
        let now = Instant::now();
        let since = earlier.map_or(now, |earlier| earlier.since);
        Self {
            since,
            until: (now + SETTLE).min(since + LONGEST),
        }
    }
}

impl<'a> Watch<'a> {
    async fn until_told(
        mut self,
        ended: impl Future<Output = ()>,
        show: &mut impl Show<'a>,
    ) -> anyhow::Result<u8> {
        let mut ended = pin!(ended);
        show.begins(self.task)?;
        let mut running = Some(self.grade());
        let mut settling: Option<Settling> = None;
        loop {
            let order = tokio::select! {
                biased;
                () = &mut ended => show.hears(Event::End)?,
                Some(event) = self.events.recv() => match event {
                    Event::Saved(path) => {
                        if self.concerns(&path) {
                            // At once: what it would say is no longer true.
                            running = None;
                            settling = Some(Settling::on(settling));
                        }
                        Order::Nothing
                    }
                    other => show.hears(other)?,
                },
                () = until(settling) => {
                    settling = None;
                    Order::Again
                }
                outcome = finished(&mut running) => {
                    running = None;
                    match outcome {
                        Ok(report) => {
                            let notice =
                                records::remember(&self.workshop.root, std::slice::from_ref(&report));
                            show.ends(report, notice)?;
                        }
                        Err(error) => show.fails(&error)?,
                    }
                    Order::Nothing
                }
            };
            match order {
                Order::Nothing => continue,
                Order::Quit(code) => {
                    drop(running);
                    show.closes()?;
                    return Ok(code);
                }
                Order::Again => {}
                Order::Go(task) => self.task = task,
            }
            // One at a time: the last one has to be gone first.
            running = None;
            show.begins(self.task)?;
            running.replace(self.grade());
        }
    }

    fn concerns(&mut self, path: &Path) -> bool {
        if path == Path::new(saves::EXERCISES) {
            let _ = self.saves.look_again(); // where that fails, r is still there
        }
        let folder = OsString::from(self.task.exercise.folder_name());
        saves::concerns(path, &folder)
    }

    fn grade(&self) -> LocalBoxFuture<'a, anyhow::Result<Report>> {
        let (workshop, keeper, task) = (self.workshop, self.keeper, self.task);
        let tell = self.tell.clone();
        async move {
            let (said, mut says) = mpsc::unbounded_channel();
            let progress = Progress::told_to(said);
            let work = async {
                let prepared =
                    verify::prepare(workshop, task.exercise, &task.program(), &progress).await?;
                let seed = u64::from(fastrand::u32(..));
                let mut report = verify::grade(prepared, seed, keeper, &progress).await?;
                for finding in &mut report.findings {
                    // Whoever reads this is watching already.
                    if finding.diagnosis == Some(Diagnosis::NotCompiling) {
                        verify::MEND_THE_FIRST.clone_into(&mut finding.next_step);
                    }
                }
                Ok(report)
            };
            let pass_on = async {
                while let Some(line) = says.recv().await {
                    let _ = tell.send(Event::Waiting(line));
                }
                std::future::pending().await
            };
            tokio::select! {
                report = work => report,
                () = progress.keep_drawing() => std::future::pending().await,
                () = pass_on => std::future::pending().await,
            }
        }
        .boxed_local()
    }

    /// A thread that waits for keys, and does nothing else.
    fn keys(&self) -> anyhow::Result<()> {
        let tell = self.tell.clone();
        std::thread::Builder::new().spawn(move || {
            while let Ok(event) = crossterm::event::read() {
                use crossterm::event::Event::{Key, Resize};
                let event = match event {
                    Key(key) if key.is_press() => Event::Key(key),
                    Resize(..) => Event::Resized,
                    _ => continue,
                };
                if tell.send(event).is_err() {
                    return;
                }
            }
            let _ = tell.send(Event::End); // the terminal is gone
        })?;
        Ok(())
    }
}

async fn until(settling: Option<Settling>) {
    match settling {
        Some(settling) => tokio::time::sleep_until(settling.until).await,
        None => std::future::pending().await,
    }
}

async fn finished(
    running: &mut Option<LocalBoxFuture<'_, anyhow::Result<Report>>>,
) -> anyhow::Result<Report> {
    match running {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
}

/// Heard from the moment this is called: before the terminal is ours.
#[cfg(unix)]
fn asked_to_end() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn asked_to_end() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}
