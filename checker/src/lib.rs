//! Grades servers by what they do with their waiting time.
//!
//! ```text
//! exercise → build → stage (taps + learner's process) → probe → observation → judge → findings → report → render
//!                     effects live here ────────────────┘        pure from here on
//! ```
//!
//! - [`workshop`]: the checkout and its exercises; [`compile`]: cargo.
//! - [`run`], [`stage`], [`program`], [`pulse`], [`client`], [`probe`]: everything with effects.
//! - [`observation`], [`judge`], [`exercises`], [`source`]: what follows from it.
//! - [`report`], [`diagnosis`], [`explain`]: what is said about it.

pub mod author;
pub mod cli;
pub mod client;
pub mod compare;
pub mod compile;
pub mod contract;
pub mod diagnosis;
pub mod exercises;
pub mod explain;
pub mod interrupt;
pub mod judge;
pub mod observation;
pub mod probe;
pub mod program;
pub mod progress;
pub mod pulse;
pub mod render;
pub mod report;
pub mod run;
pub mod source;
pub mod stage;
pub mod verify;
pub mod workshop;
