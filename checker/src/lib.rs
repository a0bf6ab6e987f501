//! Grades servers by what they do with their waiting time.
//!
//! ```text
//! exercise → build → stage (taps + learner's process) → probe → observation → judge → findings → report → render
//!                     effects live here ────────────────┘        pure from here on
//! ```
//!
//! - [`workshop`]: the checkout and its exercises; [`compile`]: cargo.
//! - [`run`], [`stage`], [`program`], [`pulse`], [`client`], [`probe`]: everything with effects;
//!   [`probing`], [`tape`]: probes, or what they once saw.
//! - [`observation`], [`judge`], [`exercises`], [`source`]: what follows from it.
//! - [`report`], [`diagnosis`], [`explain`]: what is said about it; [`render`], [`reports`]: its forms.
//! - [`course`], [`embedded`]: what the checker carries, and how it becomes a workshop.
//! - [`record`], [`records`], [`standing`]: what is remembered of a learner's way.
//! - [`book`]: the book, served with verdicts on its pages.

pub mod allowance;
pub mod asleep;
pub mod author;
pub mod book;
pub mod call;
pub mod cli;
pub mod client;
pub mod compare;
pub mod compile;
pub mod contract;
pub mod course;
pub mod critical_path;
pub mod diagnosis;
pub mod doctor;
pub mod draw;
pub mod embedded;
pub mod exercises;
pub mod explain;
pub mod hint;
pub mod home;
pub mod interrupt;
pub mod judge;
pub mod manual;
pub mod observation;
pub mod probe;
pub mod probing;
pub mod program;
pub mod progress;
pub mod pulse;
pub mod record;
pub mod records;
pub mod remedy;
pub mod render;
pub mod replace;
pub mod report;
pub mod reports;
pub mod reset;
pub mod run;
pub mod solution;
pub mod source;
pub mod stage;
pub mod standing;
pub mod tape;
pub mod tcp;
pub mod verify;
pub mod watch;
pub mod workshop;
