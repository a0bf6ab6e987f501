//! Whether the checker itself stood still: stopped by Ctrl-Z, or not let run by
//! the machine. What a program did meanwhile may be its own fault or ours.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// How often the heart beats.
const BEAT: Duration = Duration::from_millis(100);

/// A beat that comes later than this has been held up by more than a full machine.
const STOOD_STILL: Duration = Duration::from_millis(700);

/// Beats on a thread of its own for as long as it is kept.
#[derive(Debug)]
pub struct Pulse {
    missed: Arc<AtomicU32>,
    /// Dropped, it ends the thread.
    _beating: Sender<()>,
}

impl Pulse {
    /// Starts to beat.
    ///
    /// # Errors
    /// Where there is no thread for it.
    pub fn start() -> anyhow::Result<Self> {
        let missed = Arc::new(AtomicU32::new(0));
        let (beating, over) = mpsc::channel();
        let counted = missed.clone();
        thread::Builder::new()
            .name("pulse".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                loop {
                    let began = Instant::now();
                    if over.recv_timeout(BEAT) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                    if began.elapsed() > STOOD_STILL {
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
            .context("no thread to watch the time with; are there too many processes?")?;
        Ok(Self {
            missed,
            _beating: beating,
        })
    }

    /// How often it has stood still so far.
    pub fn stood_still(&self) -> u32 {
        self.missed.load(Ordering::Relaxed)
    }
}
