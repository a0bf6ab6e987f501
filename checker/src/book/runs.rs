//! One verify per exercise at a time, told to the page that wanted it as it
//! happens. When that page goes away, or wants another, the run is dropped, and
//! with it every program that it had started.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, channel, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::progress::Progress;
use crate::report::{Report, Verdict};
use crate::verify::{self, Program};
use crate::workshop::Workshop;

/// What a page is told about its run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Event {
    /// It has begun.
    Begun,
    /// What is being waited for.
    Working {
        /// `building ex02: 3 crates, 1.2 s`
        words: String,
    },
    /// It is over.
    Verdict {
        /// All that was found out.
        report: Box<Report>,
    },
    /// Another run of the same exercise took its place.
    Replaced,
    /// It could not be graded, through no fault of the learner's.
    Error {
        /// Why, and what to do.
        words: String,
    },
}

/// Where somebody stands with an exercise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Not graded yet.
    #[default]
    Untried,
    /// Graded, and not passed so far.
    Tried,
    /// Passed at least once.
    Passed,
}

/// A run that ends when it is dropped. It lives on a thread of its own, since
/// not all that a verify holds can move between threads.
pub type Grading = Pin<Box<dyn Future<Output = anyhow::Result<Report>>>>;

/// Who grades: the checker, or in tests somebody who counts.
pub trait Grade: Send + Sync {
    /// Grades an exercise, and says meanwhile what is waited for.
    fn grade(&self, exercise: &str, progress: Progress) -> Grading;
}

/// The checker itself, on the reader's checkout.
#[derive(Debug)]
pub struct Checker {
    workshop: Workshop,
    keeper: PathBuf,
}

impl Checker {
    /// Grades what is in this checkout.
    pub fn new(workshop: &Workshop, keeper: &Path) -> Self {
        Self {
            workshop: workshop.clone(),
            keeper: keeper.to_owned(),
        }
    }
}

impl Grade for Checker {
    fn grade(&self, exercise: &str, progress: Progress) -> Grading {
        let workshop = self.workshop.clone();
        let keeper = self.keeper.clone();
        let id = exercise.to_owned();
        Box::pin(async move {
            let exercise = workshop.exercise(&id)?;
            let seed = u64::from(fastrand::u32(..));
            let work = async {
                let prepared =
                    verify::prepare(&workshop, exercise, &Program::Exercise, &progress).await?;
                verify::grade(prepared, seed, &keeper, &progress).await
            };
            tokio::select! {
                report = work => report,
                () = progress.keep_drawing() => anyhow::bail!("the drawing ended"),
            }
        })
    }
}

/// All runs of this launch.
pub struct Runs {
    grader: Arc<dyn Grade>,
    /// The exercises in order, each with what is known of it.
    known: Mutex<Vec<(String, State)>>,
    current: Mutex<HashMap<String, Current>>,
}

/// The run of an exercise that began last.
struct Current {
    /// Ends it, when dropped.
    _replace: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runs").finish_non_exhaustive()
    }
}

impl Runs {
    /// No run so far.
    pub fn new(workshop: &Workshop, grader: Arc<dyn Grade>) -> Arc<Self> {
        let known = workshop
            .exercises
            .iter()
            .map(|exercise| (exercise.id.clone(), State::default()))
            .collect();
        Arc::new(Self {
            grader,
            known: Mutex::new(known),
            current: Mutex::default(),
        })
    }

    /// Where the reader stands with each exercise, in order.
    pub fn progress(&self) -> Vec<(String, State)> {
        lock(&self.known).clone()
    }

    /// Begins a run, in place of the one that may be under way; `None` where
    /// there is no such exercise. The run ends when the receiver is dropped.
    pub fn begin(self: &Arc<Self>, exercise: &str) -> Option<Receiver<Event>> {
        lock(&self.known).iter().find(|(id, _)| id == exercise)?;
        let (sender, events) = channel(16);
        let (replace, replaced) = oneshot::channel();
        let mut current = lock(&self.current);
        let before = current.remove(exercise).map(|before| before.task);
        let runs = Arc::clone(self);
        let id = exercise.to_owned();
        let task = tokio::spawn(async move {
            // The one before has been told; it takes its programs with it.
            if let Some(before) = before {
                let _ = before.await;
            }
            let told = |event| async { drop(sender.send(event).await) };
            told(Event::Begun).await;
            let (line, mut lines) = unbounded_channel();
            let mut graded = runs.on_a_thread(&id, Progress::told_to(line));
            let last = tokio::select! {
                biased;
                _ = replaced => Some(Event::Replaced),
                () = sender.closed() => None,
                outcome = async {
                    loop {
                        tokio::select! {
                            Some(words) = next_words(&mut lines) => told(Event::Working { words }).await,
                            outcome = &mut graded.outcome => break outcome,
                        }
                    }
                } => Some(match outcome {
                    Ok(Ok(report)) => {
                        runs.remember(&id, &report);
                        Event::Verdict { report: Box::new(report) }
                    }
                    Ok(Err(error)) => Event::Error { words: format!("{error:#}") },
                    Err(_) => Event::Error { words: "the checker itself failed; its terminal says more".to_owned() },
                }),
            };
            graded.end().await;
            if let Some(last) = last {
                told(last).await;
            }
        });
        let run = Current {
            _replace: replace,
            task,
        };
        current.insert(exercise.to_owned(), run);
        Some(events)
    }

    fn remember(&self, exercise: &str, report: &Report) {
        for (id, state) in lock(&self.known).iter_mut() {
            if id == exercise && *state != State::Passed {
                *state = match report.verdict() {
                    Verdict::Pass => State::Passed,
                    Verdict::Fail | Verdict::Inconclusive => State::Tried,
                };
            }
        }
    }

    fn on_a_thread(&self, exercise: &str, progress: Progress) -> Graded {
        let (stop, stopped) = oneshot::channel::<()>();
        let (sender, outcome) = oneshot::channel();
        let grader = Arc::clone(&self.grader);
        let exercise = exercise.to_owned();
        let handle = tokio::runtime::Handle::current();
        let ended = tokio::task::spawn_blocking(move || {
            handle.block_on(async {
                tokio::select! {
                    biased;
                    _ = stopped => {}
                    report = grader.grade(&exercise, progress) => drop(sender.send(report)),
                }
            });
        });
        Graded {
            outcome,
            stop,
            ended,
        }
    }
}

/// A verify on its thread.
struct Graded {
    outcome: oneshot::Receiver<anyhow::Result<Report>>,
    /// Ends it, when dropped.
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Graded {
    /// Ends it, and waits until nothing of it is left.
    async fn end(self) {
        drop(self.stop);
        let _ = self.ended.await;
    }
}

/// The next line that is not empty.
async fn next_words(lines: &mut UnboundedReceiver<String>) -> Option<String> {
    loop {
        match lines.recv().await {
            Some(words) if words.is_empty() => {}
            other => return other,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
