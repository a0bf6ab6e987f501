//! The loop: wait until something is ready, call whoever waits for it, repeat.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Registry, Token, event::Source};

use crate::{
    Call, Error, Request, Responder, Response, Timer, client, server,
    timers::{Callback, Timers},
};

type OnReady = Rc<dyn Fn(&EventLoop)>;

/// The loop. A clone is another handle to the same loop.
#[derive(Clone)]
pub struct EventLoop(Rc<Inner>);

struct Inner {
    poll: RefCell<Poll>,
    registry: Registry,
    watched: RefCell<HashMap<Token, OnReady>>,
    next_token: Cell<usize>,
    timers: RefCell<Timers>,
}

impl EventLoop {
    /// A loop with nothing to do yet.
    pub fn new() -> io::Result<EventLoop> {
        let poll = Poll::new()?;
        Ok(EventLoop(Rc::new(Inner {
            registry: poll.registry().try_clone()?,
            poll: RefCell::new(poll),
            watched: RefCell::default(),
            next_token: Cell::new(0),
            timers: RefCell::default(),
        })))
    }

    /// Listens, and calls `on_request` for every request that has arrived whole.
    ///
    /// The callback may answer now, or keep the [`Responder`] and answer later.
    /// Returns the address, which tells the port where `address` asked for port 0.
    pub fn listen(
        &self,
        address: SocketAddr,
        on_request: impl Fn(&EventLoop, Request, Responder) + 'static,
    ) -> io::Result<SocketAddr> {
        server::listen(self, address, Rc::new(on_request))
    }

    /// Asks for `url`, and calls `on_answer` once the answer is there whole, or an error is.
    ///
    /// `timeout` covers all of the call: to connect, to wait, and to read the body.
    /// A status such as 500 is an answer, not an error.
    pub fn get(
        &self,
        url: &str,
        timeout: Duration,
        on_answer: impl FnOnce(&EventLoop, Result<Response, Error>) + 'static,
    ) -> Call {
        client::get(self, url, timeout, Box::new(on_answer))
    }

    /// Calls `callback` once, after `delay`.
    pub fn after(&self, delay: Duration, callback: impl FnOnce(&EventLoop) + 'static) -> Timer {
        let due = Instant::now() + delay;
        self.0.timers.borrow_mut().add(due, Box::new(callback))
    }

    /// Forgets a timer. Its callback is dropped, not called.
    pub fn cancel(&self, timer: Timer) {
        // Bound first, so that the borrow has ended when the callback is dropped:
        // what it owns may want the loop.
        let callback = self.0.timers.borrow_mut().remove(timer);
        drop(callback);
    }

    /// Runs until there is nothing left to wait for. A server always has something.
    pub fn run(&self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while let Some(longest) = self.longest_wait() {
            match self.0.poll.borrow_mut().poll(&mut events, longest) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                let on_ready = self.0.watched.borrow().get(&event.token()).cloned();
                if let Some(on_ready) = on_ready {
                    on_ready(self);
                }
            }
            // Timers that a callback adds now wait for the next round, so that
            // they cannot keep the sockets from being looked at.
            let now = Instant::now();
            while let Some(callback) = self.pop_due(now) {
                callback(self);
            }
        }
        Ok(())
    }

    /// `None`: nothing to wait for. `Some(None)`: sockets only, as long as it takes.
    fn longest_wait(&self) -> Option<Option<Duration>> {
        match self.0.timers.borrow().next() {
            Some(due) => Some(Some(due.saturating_duration_since(Instant::now()))),
            None => (!self.0.watched.borrow().is_empty()).then_some(None),
        }
    }

    fn pop_due(&self, now: Instant) -> Option<Callback> {
        self.0.timers.borrow_mut().pop_due(now)
    }

    /// Calls `on_ready` each time that `source` may have become readable or writable.
    ///
    /// Edges, not levels: whoever is called reads and writes until it would block.
    pub(crate) fn watch(
        &self,
        source: &mut impl Source,
        on_ready: impl Fn(&EventLoop) + 'static,
    ) -> io::Result<Token> {
        let token = Token(self.0.next_token.get());
        self.0.next_token.set(token.0 + 1);
        let both = Interest::READABLE | Interest::WRITABLE;
        self.0.registry.register(source, token, both)?;
        self.0.watched.borrow_mut().insert(token, Rc::new(on_ready));
        Ok(token)
    }

    /// Calls nobody for this source any more.
    pub(crate) fn forget(&self, token: Token) {
        // Bound first, as in `cancel`.
        let on_ready = self.0.watched.borrow_mut().remove(&token);
        drop(on_ready);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_run_in_order_of_time_and_cancelled_ones_do_not() {
        let events = EventLoop::new().unwrap();
        let order = Rc::new(RefCell::new(Vec::new()));
        for (millis, name) in [(20, "second"), (10, "first"), (15, "never")] {
            let order = order.clone();
            let timer = events.after(Duration::from_millis(millis), move |_| {
                order.borrow_mut().push(name);
            });
            if name == "never" {
                events.cancel(timer);
            }
        }
        events.run().unwrap();
        assert_eq!(*order.borrow(), ["first", "second"]);
    }

    #[test]
    fn a_timer_may_start_another() {
        let events = EventLoop::new().unwrap();
        let done = Rc::new(Cell::new(false));
        let inner = done.clone();
        events.after(Duration::ZERO, move |events| {
            events.after(Duration::ZERO, move |_| inner.set(true));
        });
        events.run().unwrap();
        assert!(done.get());
    }
}
