//! What an exercise has to go by: probes of a program that runs, or a tape of what
//! such probes saw.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use mock_services::auth::Keys;
use mock_services::weather::Weather;

use crate::observation::Observation;
use crate::run::Run;
use crate::stage::Stage;
use crate::tape::{Seen, Tape};

/// The probing of one program.
pub struct Probing<'run> {
    /// What the weather service answers.
    pub weather: Weather,
    /// Keys that auth knows, and others.
    pub keys: Keys,
    pub(crate) source: Source<'run>,
    begun: RefCell<BTreeMap<String, u32>>,
    kept: RefCell<Vec<Seen>>,
    records: bool,
}

/// Where observations come from.
pub(crate) enum Source<'run> {
    /// A program that became ready. The stage that it did so on is for the first
    /// probe that wants it.
    Program(&'run Run, Cell<Option<Box<Stage<'run>>>>),
    /// A program that did not, and what was seen of it.
    Unready(Box<Observation>),
    /// What was seen before.
    Tape(&'run Tape),
}

/// What stands on a tape for a program that did not become ready.
const UNREADY: &str = "it to be ready";

/// Names one probe among those that wait for the same.
pub(crate) struct Ticket {
    waiting_for: String,
    nth: u32,
}

impl<'run> Probing<'run> {
    fn new(seed: u64, source: Source<'run>, records: bool) -> Self {
        Self {
            weather: Weather::from_seed(seed),
            keys: Keys::from_seed(seed),
            source,
            begun: RefCell::default(),
            kept: RefCell::default(),
            records,
        }
    }

    /// Of a program whose first stage is set.
    pub fn of(run: &'run Run, first: Stage<'run>, records: bool) -> Self {
        let source = Source::Program(run, Cell::new(Some(Box::new(first))));
        Self::new(run.seed, source, records)
    }

    /// Of a program that did not become ready.
    pub fn unready(run: &'run Run, seen: Observation, records: bool) -> Self {
        let probing = Self::new(run.seed, Source::Unready(Box::new(seen.clone())), records);
        let ticket = probing.begin(UNREADY);
        probing.keep(ticket, &seen);
        probing
    }

    /// Of nothing: what is on the tape is seen again.
    pub fn again(tape: &'run Tape) -> Self {
        Self::new(tape.seed, Source::Tape(tape), false)
    }

    /// What was seen of a program that did not become ready.
    pub fn never_ready(&self) -> Option<&Observation> {
        match &self.source {
            Source::Program(..) => None,
            Source::Unready(seen) => Some(seen),
            Source::Tape(tape) => on(tape, UNREADY, 1),
        }
    }

    /// What was recorded, if anything was to be.
    pub fn into_recording(self) -> Vec<Seen> {
        self.kept.into_inner()
    }

    /// Taken before a probe begins: probes run side by side and end in any order.
    pub(crate) fn begin(&self, waiting_for: &str) -> Ticket {
        let mut begun = self.begun.borrow_mut();
        let nth = begun.entry(waiting_for.to_owned()).or_default();
        *nth += 1;
        Ticket {
            waiting_for: waiting_for.to_owned(),
            nth: *nth,
        }
    }

    pub(crate) fn keep(&self, ticket: Ticket, seen: &Observation) {
        if self.records {
            self.kept.borrow_mut().push(Seen {
                waiting_for: ticket.waiting_for,
                nth: ticket.nth,
                observation: seen.clone(),
            });
        }
    }
}

impl Ticket {
    pub(crate) fn on(&self, tape: &Tape) -> anyhow::Result<Observation> {
        on(tape, &self.waiting_for, self.nth)
            .cloned()
            .ok_or_else(|| {
                anyhow::anyhow!(
                    "the tape of {} does not say what came of `{}` ({})",
                    tape.program,
                    self.waiting_for,
                    self.nth
                )
            })
    }
}

fn on<'a>(tape: &'a Tape, waiting_for: &str, nth: u32) -> Option<&'a Observation> {
    tape.seen
        .iter()
        .find(|seen| seen.waiting_for == waiting_for && seen.nth == nth)
        .map(|seen| &seen.observation)
}
