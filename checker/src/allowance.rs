//! What the system allows this process itself: open files, and how large one may be.
//!
//! A tap without a descriptor takes no connection, and whoever waits for it would
//! be blamed. So nothing is graded without a share that is large enough.

use std::sync::OnceLock;

use anyhow::Context as _;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Open files that grading one program takes at most. A right program makes us hold
/// fewer than 300; one that floods a service adds two for each of 128 connections.
const SHARE: u64 = 768;

/// A share of the open files, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    _permit: SemaphorePermit<'static>,
}

/// Asks for as many open files as the system lets us have, and to be told of a
/// file that grows too large rather than ended for it. Called once, from `main`.
/// What we start has limits of its own ([`crate::program::Limits`]).
pub fn claim() {
    #[cfg(unix)]
    {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        use nix::sys::signal::{SigSet, Signal};

        /// macOS refuses more than 10,240.
        const MOST: u64 = 10_240;
        if let Ok((now, most)) = getrlimit(Resource::RLIMIT_NOFILE)
            && now < most.min(MOST)
        {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, most.min(MOST), most);
        }
        // Threads that start later inherit this. So do programs, but a learner's is
        // given an empty mask.
        let mut large = SigSet::empty();
        large.add(Signal::SIGXFSZ);
        let _ = large.thread_block();
    }
}

/// Whether there are enough open files to grade anything.
///
/// # Errors
/// Where there are not, with what to do.
pub(crate) fn suffices() -> anyhow::Result<()> {
    let limit = open_files();
    anyhow::ensure!(
        limit >= SHARE,
        "only {limit} files may be open at a time here, and grading takes up to {SHARE}; \
         use a shell that allows more (`ulimit -Hn` says how many)"
    );
    Ok(())
}

/// Waits until there are enough open files to grade one more program.
///
/// # Errors
/// Where there are never enough.
pub(crate) async fn share() -> anyhow::Result<Share> {
    static SHARES: OnceLock<Semaphore> = OnceLock::new();
    suffices()?;
    let shares = SHARES.get_or_init(|| Semaphore::new(shares(open_files())));
    let permit = shares.acquire().await.context("nobody gives out files")?;
    Ok(Share { _permit: permit })
}

fn shares(open_files: u64) -> usize {
    usize::try_from(open_files / SHARE)
        .unwrap_or(Semaphore::MAX_PERMITS)
        .clamp(1, Semaphore::MAX_PERMITS)
}

fn open_files() -> u64 {
    #[cfg(unix)]
    {
        use nix::sys::resource::{Resource, getrlimit};
        // Where the system does not say, it will say so when a file is opened.
        getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(now, _)| now)
    }
    #[cfg(not(unix))]
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_a_share_and_no_limit_is_too_large() {
        assert_eq!(shares(SHARE), 1);
        assert_eq!(shares(2 * SHARE - 1), 1);
        assert_eq!(shares(10_240), 13);
        assert!(shares(u64::MAX) <= Semaphore::MAX_PERMITS);
    }
}
