//! The services that the exercises talk to: wiremock says *what* is answered,
//! a tap in front of it says *when*, and sees everything.
//!
//! ```text
//! learner's program → tap (journal, holds, latency, faults) → wiremock (bodies)
//! ```

pub mod exchange;
pub mod moment;
