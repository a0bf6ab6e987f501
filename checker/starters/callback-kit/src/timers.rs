//! Callbacks that wait for a moment.

use std::{collections::BTreeMap, time::Instant};

use crate::EventLoop;

pub(crate) type Callback = Box<dyn FnOnce(&EventLoop)>;

/// Names one timer, to cancel it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    due: Instant,
    serial: u64,
}

/// All timers, the next one first.
#[derive(Default)]
pub(crate) struct Timers {
    waiting: BTreeMap<Timer, Callback>,
    serial: u64,
}

impl Timers {
    pub(crate) fn add(&mut self, due: Instant, callback: Callback) -> Timer {
        self.serial += 1;
        let timer = Timer {
            due,
            serial: self.serial,
        };
        self.waiting.insert(timer, callback);
        timer
    }

    pub(crate) fn remove(&mut self, timer: Timer) -> Option<Callback> {
        self.waiting.remove(&timer)
    }

    /// When the next timer is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.waiting.keys().next().map(|timer| timer.due)
    }

    /// The next timer's callback, if it is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Callback> {
        let first = self.waiting.first_entry()?;
        (first.key().due <= now).then(|| first.remove())
    }
}
