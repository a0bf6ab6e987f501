//! One line in the terminal that says what is being waited for, and since when.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::report::{counted, words};

/// Nothing is said about work that is over sooner.
const PATIENCE: Duration = Duration::from_millis(400);

/// Says what is being waited for. Clones share the line.
#[derive(Clone, Debug)]
pub struct Progress {
    place: Place,
    state: Arc<Mutex<State>>,
}

/// Where the line is drawn.
#[derive(Clone, Debug)]
enum Place {
    Nowhere,
    Stderr,
    /// Somebody else draws it; empty where there is nothing to say.
    Told(UnboundedSender<String>),
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    waits: BTreeMap<u64, (String, Instant)>,
    drawn: bool,
}

/// While it lives, the line names what it waits for.
#[derive(Debug)]
pub struct Waiting {
    progress: Progress,
    number: u64,
}

impl Progress {
    /// A line on standard error, if that is a terminal.
    pub fn on_stderr() -> Self {
        Self::at(if std::io::stderr().is_terminal() {
            Place::Stderr
        } else {
            Place::Nowhere
        })
    }

    /// Never says anything.
    pub fn silent() -> Self {
        Self::at(Place::Nowhere)
    }

    /// Tells the line to somebody who draws it.
    pub fn told_to(listener: UnboundedSender<String>) -> Self {
        Self::at(Place::Told(listener))
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            state: Arc::default(),
        }
    }

    /// Cargo has built that many crates.
    pub fn building(&self, binary: &str, crates: usize, since: Duration) {
        if since > PATIENCE || crates == 0 {
            self.draw(&match crates {
                0 => format!("building {binary}"),
                _ => format!(
                    "building {binary}: {}, {}",
                    counted(crates, "crate"),
                    words(since)
                ),
            });
        }
    }

    /// Something is waited for until the returned value is dropped.
    pub fn waiting_for(&self, what: impl Into<String>) -> Waiting {
        let mut state = self.lock();
        state.next += 1;
        let number = state.next;
        state.waits.insert(number, (what.into(), Instant::now()));
        Waiting {
            progress: self.clone(),
            number,
        }
    }

    /// Whether anybody sees the line.
    pub fn is_shown(&self) -> bool {
        !matches!(self.place, Place::Nowhere)
    }

    /// Redraws the line ten times a second, for as long as it is polled.
    pub async fn keep_drawing(&self) {
        if !self.is_shown() {
            return std::future::pending().await;
        }
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        loop {
            tick.tick().await;
            let line = {
                let state = self.lock();
                let mut waits: Vec<_> = state.waits.values().collect();
                waits.sort_by_key(|(_, since)| *since);
                let oldest = waits.first().map(|(_, since)| since.elapsed());
                match oldest {
                    Some(oldest) if oldest > PATIENCE => {
                        let names: Vec<_> = waits.iter().map(|(what, _)| what.as_str()).collect();
                        Some(format!(
                            "waiting for {}, {}",
                            names.join("; "),
                            words(oldest)
                        ))
                    }
                    _ => None,
                }
            };
            match line {
                Some(line) => self.draw(&line),
                None => self.clear(),
            }
        }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if self.is_shown() && std::mem::take(&mut self.lock().drawn) {
            match &self.place {
                Place::Nowhere => {}
                // Nothing can be done where nobody listens any more.
                Place::Told(listener) => drop(listener.send(String::new())),
                Place::Stderr => drop(write!(std::io::stderr(), "\r\x1b[K")),
            }
        }
    }

    /// Draws the line anew.
    pub fn draw(&self, line: &str) {
        if !self.is_shown() {
            return;
        }
        self.lock().drawn = true;
        if let Place::Told(listener) = &self.place {
            let _ = listener.send(line.to_owned());
            return;
        }
        let width = terminal_size::terminal_size_of(std::io::stderr())
            .map_or(80, |(width, _)| usize::from(width.0));
        let line: String = line.chars().take(width.saturating_sub(2)).collect();
        let _ = write!(std::io::stderr(), "\r{line}\x1b[K");
        let _ = std::io::stderr().flush();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.progress.lock().waits.remove(&self.number);
    }
}
