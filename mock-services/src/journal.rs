//! The recording: every exchange, in order of arrival, on one clock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::time::Duration;

use tokio::sync::watch;

use crate::exchange::{Ending, Exchange, Frames, Way};
use crate::lain::TICK;
use crate::moment::{Clock, Moment};

/// Numbers that are unique within a run, however many journals it keeps.
#[derive(Clone, Debug, Default)]
pub struct Ids(Arc<AtomicU32>);

impl Ids {
    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// A recording that many write and anyone may read or wait on. Clones share it.
#[derive(Clone, Debug)]
pub struct Journal {
    clock: Clock,
    ids: Ids,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
    lain: Arc<Mutex<HashMap<u32, Duration>>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Journal {
    /// An empty journal on that clock.
    pub fn new(clock: Clock, ids: Ids) -> Self {
        Self {
            clock,
            ids,
            exchanges: Arc::default(),
            lain: Arc::default(),
            changed: Arc::new(watch::Sender::new(0)),
        }
    }

    /// The clock that all its moments are on.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Records that a request has arrived. The entry ends as [`Ending::Left`]
    /// if it is dropped before [`Entry::end`].
    pub fn arrived(&self, service: &str, connection: u32, request: String) -> Entry {
        self.was_read(service, connection, request, Duration::ZERO)
    }

    /// Records that a request has arrived, which had lain there unread for so long. Whoever
    /// waits for it learns of both at once. See [`Journal::arrived`].
    pub(crate) fn was_read(
        &self,
        service: &str,
        connection: u32,
        request: String,
        unread: Duration,
    ) -> Entry {
        let id = self.ids.next();
        self.lain
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, unread);
        self.write(|exchanges| {
            exchanges.push(Exchange {
                id,
                service: service.to_owned(),
                connection,
                request,
                arrived: self.clock.now(),
                answered: None,
                ended: None,
                status: None,
                ending: Ending::Open,
                frames: Vec::new(),
            });
        });
        Entry {
            id,
            journal: self.clone(),
            over: false,
        }
    }

    /// When a request came to this machine's socket, which is some time before it arrived
    /// with us where we were late to read it; wrong by up to [`TICK`]
    /// either way. Where the system does not tell, it is when it arrived.
    pub fn came(&self, exchange: &Exchange) -> Moment {
        let lain = self.lain.lock().unwrap_or_else(PoisonError::into_inner);
        let unread = lain.get(&exchange.id).copied().unwrap_or_default();
        exchange.arrived - unread
    }

    /// Everything recorded so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.lock().clone()
    }

    /// Waits until `found` finds what it looks for. It is asked once now, and
    /// again after every change; it waits for ever where it never finds it.
    pub async fn until<T>(&self, mut found: impl FnMut(&[Exchange]) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            if let Some(found) = found(&self.lock()) {
                return found;
            }
            // The sender lives in `self`, so this cannot fail.
            let _ = changed.changed().await;
        }
    }

    /// Tells of every change, for those who wait on more than a journal.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Tells those who wait that something beside the exchanges has changed.
    pub fn touch(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, change: impl FnOnce(&mut Vec<Exchange>)) {
        change(&mut self.lock());
        self.changed.send_modify(|version| *version += 1);
    }

    fn amend(&self, id: u32, change: impl FnOnce(&mut Exchange)) {
        self.write(|exchanges| {
            // The newest entries are the ones that change.
            if let Some(exchange) = exchanges.iter_mut().rev().find(|x| x.id == id) {
                change(exchange);
            }
        });
    }
}

/// An exchange under way. Its end is recorded even where its task is dropped.
#[derive(Debug)]
pub struct Entry {
    id: u32,
    journal: Journal,
    over: bool,
}

impl Entry {
    /// The exchange's id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Records that what we ask has gone out only now.
    pub fn sent(&self) {
        let now = self.journal.clock.now();
        self.journal.amend(self.id, |x| x.arrived = now);
    }

    /// Records that the answer's head has gone out (or come in).
    pub fn answered(&mut self, status: u16) {
        self.answered_at(status, self.journal.clock.now());
    }

    /// Records that the answer's head has come in, and lain there unread for so long. No
    /// more than [`TICK`] is not told apart from nothing.
    pub fn answer_was_read(&mut self, status: u16, unread: Option<Duration>) {
        let unread = unread.filter(|unread| *unread > TICK).unwrap_or_default();
        self.answered_at(status, self.journal.clock.now() - unread);
    }

    fn answered_at(&mut self, status: u16, at: Moment) {
        self.journal.amend(self.id, |x| {
            x.answered.get_or_insert(at.max(x.arrived));
            x.status = Some(status);
        });
    }

    /// Records that frames of a WebSocket have passed.
    pub fn frames(&self, way: Way, count: u32) {
        /// Closer than this is one mark.
        const CLOSE: Duration = Duration::from_millis(4);
        /// More marks than this cannot be told apart in a drawing.
        const MOST: usize = 200;
        let now = self.journal.clock.now();
        self.journal.amend(self.id, |x| {
            let last = x.frames.iter_mut().rev().find(|frames| frames.way == way);
            match last {
                Some(last) if now.since(last.at) < CLOSE => last.count += count,
                _ => x.frames.push(Frames {
                    at: now,
                    way,
                    count,
                }),
            }
            let mut close = CLOSE;
            while x.frames.len() > MOST {
                close *= 2;
                // Half of them: so that this is not done again at once.
                let thinned = thinned(&x.frames, close);
                if thinned.len() <= MOST / 2 {
                    x.frames = thinned;
                }
            }
        });
    }

    /// Records how it ended. Only the first end counts.
    pub fn end(&mut self, ending: Ending) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let now = self.journal.clock.now();
        self.journal.amend(self.id, |x| {
            x.ended = Some(now);
            x.ending = ending;
        });
    }
}

/// The same frames in fewer marks: those closer than `close` are one.
fn thinned(frames: &[Frames], close: Duration) -> Vec<Frames> {
    let mut thinned: Vec<Frames> = Vec::new();
    for frames in frames {
        let last = thinned.iter_mut().rev().find(|last| last.way == frames.way);
        match last {
            Some(last) if frames.at.since(last.at) < close => last.count += frames.count,
            _ => thinned.push(*frames),
        }
    }
    thinned
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.end(Ending::Left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_ends_with_the_change_that_was_waited_for() {
        let journal = Journal::new(Clock::start(), Ids::default());
        let waiting = journal.until(|seen| (seen.len() == 2).then_some(seen.len()));
        let writing = async {
            let first = journal.arrived("weather", 1, "GET /today".into());
            tokio::task::yield_now().await;
            let second = journal.arrived("weather", 2, "GET /today".into());
            (first, second)
        };
        let (seen, _entries) = tokio::join!(waiting, writing);
        assert_eq!(seen, 2);
    }

    #[test]
    fn a_dropped_entry_has_left() {
        let journal = Journal::new(Clock::start(), Ids::default());
        drop(journal.arrived("weather", 1, "GET /today".into()));
        let seen = journal.exchanges();
        assert_eq!(seen[0].ending, Ending::Left);
        assert!(seen[0].ended.is_some());
    }

    #[test]
    fn the_first_end_counts() {
        let journal = Journal::new(Clock::start(), Ids::default());
        let mut entry = journal.arrived("weather", 1, "GET /today".into());
        entry.answered(200);
        entry.end(Ending::Answered);
        entry.end(Ending::Cut);
        drop(entry);
        assert_eq!(journal.exchanges()[0].ending, Ending::Answered);
    }

    #[test]
    fn what_was_read_late_came_earlier() {
        let journal = Journal::new(Clock::start(), Ids::default());
        std::thread::sleep(4 * TICK);
        let mut entry = journal.was_read("you", 1, "GET /healthz".into(), 3 * TICK);
        let arrived = journal.exchanges()[0].arrived;
        assert_eq!(
            arrived.since(journal.came(&journal.exchanges()[0])),
            3 * TICK
        );

        std::thread::sleep(4 * TICK);
        let read = journal.clock().now();
        entry.answer_was_read(200, Some(3 * TICK));
        let answered = journal.exchanges()[0].answered.unwrap();
        assert!(arrived < answered && answered < read, "{answered}");
        // It cannot have been answered before it was asked.
        let mut entry = journal.arrived("you", 1, "GET /healthz".into());
        entry.answer_was_read(200, Some(Duration::from_secs(9)));
        let asked = &journal.exchanges()[1];
        assert_eq!(journal.came(asked), asked.arrived);
        assert_eq!(asked.answered, Some(asked.arrived));
    }

    #[test]
    fn frames_are_thinned_out_evenly_and_none_is_lost() {
        let frames = |at: u64, way| Frames {
            at: Moment::from_micros(at * 5_000),
            way,
            count: 2,
        };
        let many: Vec<_> = (0..400)
            .map(|n| frames(n, if n % 2 == 0 { Way::Sent } else { Way::Received }))
            .collect();
        let few = thinned(&many, Duration::from_millis(100));
        assert_eq!(few.iter().map(|frames| frames.count).sum::<u32>(), 800);
        assert_eq!(few.len(), 2 * 20);
        assert!(few.is_sorted_by_key(|frames| frames.at));
        // The last mark is near the end: nothing looks as if it had stopped.
        assert!(
            few.last()
                .is_some_and(|last| last.at.as_micros() > 1_890_000)
        );
    }

    #[test]
    fn a_connection_that_talks_for_long_keeps_its_marks_few() {
        let journal = Journal::new(Clock::start(), Ids::default());
        let entry = journal.arrived("you", 1, "WS /ws".into());
        entry.journal.amend(entry.id, |x| {
            x.frames = (0..200)
                .map(|n| Frames {
                    at: Moment::from_micros(n),
                    way: if n % 2 == 0 { Way::Sent } else { Way::Received },
                    count: 1,
                })
                .collect();
        });
        std::thread::sleep(Duration::from_millis(5));
        entry.frames(Way::Sent, 7);
        let seen = &journal.exchanges()[0].frames;
        assert!(seen.len() <= 100, "{}", seen.len());
        assert_eq!(seen.iter().map(|frames| frames.count).sum::<u32>(), 207);
    }

    #[test]
    fn ids_are_unique_across_journals() {
        let ids = Ids::default();
        let clock = Clock::start();
        let one = Journal::new(clock, ids.clone()).arrived("a", 1, "GET /".into());
        let two = Journal::new(clock, ids).arrived("b", 1, "GET /".into());
        assert_ne!(one.id(), two.id());
    }
}
