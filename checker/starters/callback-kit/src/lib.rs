//! An event loop on one thread, where everything that takes time takes a callback.
//!
//! A sequential server *waits*: it asks the weather service and stands still
//! until the answer is there. Nobody else is served meanwhile. This kit never
//! stands still. You say what is wanted, and what shall happen once it is there;
//! then your function returns, and the loop turns to whoever is ready next:
//!
//! ```text
//! listen ──▶ request is there ──▶ your callback ──▶ get(url) ──▶ returns at once
//!    ▲                                                              │
//!    └───── loop: who is ready next? ◀──────────────────────────────┘
//!                     │
//!                     └──▶ answer is there ──▶ your second callback ──▶ send
//! ```
//!
//! ```no_run
//! use std::time::Duration;
//! use callback_kit::EventLoop;
//!
//! # fn main() -> std::io::Result<()> {
//! let events = EventLoop::new()?;
//! events.listen("127.0.0.1:8080".parse().unwrap(), |events, _request, responder| {
//!     let url = "http://127.0.0.1:7001/weather/today";
//!     events.get(url, Duration::from_secs(2), |_events, answer| match answer {
//!         Ok(response) => responder.send(200, response.body),
//!         Err(error) => responder.send(502, error.to_string()),
//!     });
//! })?;
//! events.run()
//! # }
//! ```
//!
//! That removes the waiting, and it costs the readable code. Read the callback
//! versions of the exercises and see what is gone:
//!
//! - **The order of lines** is no longer the order of events. What comes after
//!   `get(…)` runs before the callback within it.
//! - **`?` and `return`**: a callback has no caller who waits for its result.
//!   Each error is handled where it shows up, once per callback.
//! - **Local variables**: what two callbacks share has to outlive both, so it
//!   moves into an `Rc<RefCell<…>>`.
//! - **Cancelling**: nobody stops a call for you. Keep its [`Call`] and say
//!   [`Call::cancel`].
//!
//! `async` gives all four back, with the same loop underneath.
//!
//! # Rules of the loop
//!
//! - A callback is never called before the function that took it has returned.
//! - A callback is called once, or, where it was cancelled, never.
//! - A callback must not block: while it runs, nothing else does.
//!
//! # Map
//!
//! [`EventLoop`] waits for sockets and timers. `server` reads requests and sends
//! answers, `client` the other way round; both read messages by `message`, and
//! bodies by `body`.

mod body;
mod client;
mod error;
mod event_loop;
mod message;
mod outbox;
mod server;
mod timers;
mod url;

pub use client::Call;
pub use error::Error;
pub use event_loop::EventLoop;
pub use message::{Request, Response};
pub use server::Responder;
pub use timers::Timer;
