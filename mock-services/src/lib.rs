//! The services that the exercises talk to: wiremock says *what* is answered,
//! a tap in front of it says *when*, and sees everything.
//!
//! ```text
//! learner's program → tap (journal, holds, latency, faults) → wiremock (bodies)
//! ```
//!
//! - [`tap`]: a reverse proxy that records and obeys a script.
//! - [`script`]: what a tap is to do with a request.
//! - [`journal`]: what happened, on one clock.
//! - [`lain`]: how late we are to read something.
//! - [`weather`], [`auth`], [`discovery`]: what the services answer.
//! - [`upstream`]: a service that takes any request and streams.

pub mod auth;
pub mod discovery;
pub mod exchange;
pub mod journal;
pub mod lain;
pub mod moment;
pub mod parent;
pub mod scene;
pub mod script;
pub mod tap;
pub mod upstream;
pub mod weather;
