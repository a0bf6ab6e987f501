//! For authors: the corpus of right and wrong programs, the course's own
//! invariants, and how often the checker is right.

mod aftermath;
pub mod bench;
mod busy;
pub mod check;
pub mod corpus;
pub mod course_lock;
pub mod hostile;
pub mod record;
pub mod soak;
pub mod starters;
pub mod tapes;

use std::path::Path;

use clap::Subcommand;

use crate::workshop::Workshop;

/// What authors can ask for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prove the course's invariants: starters fail for their own reason,
    /// solutions pass, every wrong program gets its diagnosis
    #[command(after_help = "Examples:\n  checker author check\n  checker author check --only ex02")]
    Check(check::Options),
    /// Grade the whole corpus (or with --hostile the programs that attack the
    /// checker) again and again, and count how often that is right
    #[command(
        after_help = "Examples:\n  checker author soak --runs 20 --load 8\n  checker author soak --hostile --runs 1"
    )]
    Soak(soak::Options),
    /// Measure how long verdicts take
    #[command(after_help = "Example:\n  checker author bench --save")]
    Bench(bench::Options),
    /// Compare the starters that the checker carries with `exercises/`
    #[command(
        after_help = "Examples:\n  checker author starters\n  checker author starters --save"
    )]
    Starters(starters::Options),
    /// Record the timelines that stand in the book, or check that they still hold
    #[command(after_help = "Example:\n  checker author record")]
    Record(record::Options),
    /// Lock the course that `checker init` writes to what the repository is locked to
    #[command(after_help = "Example:\n  checker author course-lock")]
    CourseLock,
    /// Record what the probes of every right verdict saw, for `cargo test --test tapes`
    #[command(
        hide = true,
        after_help = "Example:\n  checker author tapes target/tapes"
    )]
    Tapes(tapes::Options),
    /// Keep a processor busy until told to stop
    #[command(hide = true)]
    Spin(busy::Options),
}

/// Says something on standard output.
pub type Say<'a> = &'a (dyn Fn(&str) -> anyhow::Result<()> + Sync);

/// Runs an author's command; its exit code.
///
/// # Errors
/// Faults that are not the course's.
pub async fn run(
    workshop: &Workshop,
    command: &Command,
    keeper: &Path,
    say: Say<'_>,
) -> anyhow::Result<u8> {
    match command {
        Command::Check(options) => check::run(workshop, options, keeper, say).await,
        Command::Soak(options) if options.hostile => hostile::run(workshop, options, say).await,
        Command::Soak(options) => soak::run(workshop, options, keeper, say).await,
        Command::Bench(options) => bench::run(workshop, options, keeper, say).await,
        Command::Starters(options) => starters::run(workshop, options, say),
        Command::Record(options) => record::run(workshop, options, keeper, say).await,
        Command::CourseLock => course_lock::run(workshop, say).await,
        Command::Tapes(options) => tapes::run(workshop, options, keeper, say).await,
        Command::Spin(options) => {
            busy::spin(*options);
            Ok(0)
        }
    }
}
