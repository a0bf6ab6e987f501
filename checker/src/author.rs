//! For authors: the corpus of right and wrong programs, the course's own
//! invariants, and how often the checker is right.

mod aftermath;
pub mod bench;
pub mod check;
pub mod corpus;
pub mod hostile;
pub mod soak;

use std::path::Path;

use clap::Subcommand;

use crate::workshop::Workshop;

/// What authors can ask for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prove the course's invariants: starters fail for their own reason,
    /// solutions pass, every wrong program gets its diagnosis
    Check(check::Options),
    /// Grade the whole corpus (or with --hostile the programs that attack the
    /// checker) again and again, and count how often that is right
    Soak(soak::Options),
    /// Measure how long verdicts take
    Bench(bench::Options),
    /// Keep processors busy until told to stop
    #[command(hide = true)]
    Spin,
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
        Command::Spin => loop {
            std::hint::spin_loop();
        },
    }
}
