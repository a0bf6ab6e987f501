//! Grades servers by what they do with their waiting time.
//!
//! ```text
//! exercise → build → stage (taps + learner's process) → probe → observation → judge → findings → report → render
//!                     effects live here ────────────────┘        pure from here on
//! ```

pub mod diagnosis;
pub mod report;
