//! Processes that keep the processors busy beside a soak.

use std::process::Stdio;
use std::thread::available_parallelism;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::Args;
use tokio::process::{Child, Command};

/// How to be busy.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    /// Now and then only, and all of them at the same times
    #[arg(long)]
    fitful: bool,
}

/// Processes that keep the processors busy. They end with this.
pub(super) struct Load(Vec<Child>);

impl Load {
    /// So many per core.
    pub(super) fn start(per_core: usize, fitful: bool) -> anyhow::Result<Self> {
        let cores = available_parallelism().map_or(1, std::num::NonZero::get);
        let checker = std::env::current_exe()?;
        let spinning = (0..per_core * cores).map(|_| {
            Command::new(&checker)
                .args(["author", "spin"])
                .args(fitful.then_some("--fitful"))
                .stdin(Stdio::null())
                .kill_on_drop(true)
                .spawn()
        });
        Ok(Self(
            spinning
                .collect::<Result<_, _>>()
                .context("no processes to keep this machine busy with")?,
        ))
    }

    /// The processes.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.0.iter().filter_map(Child::id).collect()
    }
}

/// Keeps a processor busy for as long as whoever started this is there.
pub(super) fn spin(options: Options) {
    /// Often enough to end, to begin and to pause with the others.
    const LOOK_EVERY: Duration = Duration::from_millis(1);
    // Some systems give each session its share, however many processes it has (on Linux:
    // `sched_autogroup_enabled`). A learner's program has one of its own; so has this.
    #[cfg(unix)]
    let _ = nix::unistd::setsid();
    let started_by = parent();
    while parent() == started_by {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        if options.fitful && !is_busy_at(now) {
            std::thread::sleep(LOOK_EVERY);
            continue;
        }
        let began = std::time::Instant::now();
        while began.elapsed() < LOOK_EVERY {
            std::hint::spin_loop();
        }
    }
}

/// Whether the fitful are busy then. They need no word from each other for that.
fn is_busy_at(since_epoch: Duration) -> bool {
    const MOMENT: Duration = Duration::from_millis(250);
    let moment = since_epoch.as_millis() / MOMENT.as_millis();
    fastrand::Rng::with_seed(moment as u64).bool()
}

#[cfg(unix)]
fn parent() -> Option<u32> {
    Some(std::os::unix::process::parent_id())
}

/// Here whoever started it ends it, or nobody does.
#[cfg(not(unix))]
fn parent() -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_are_of_moments_and_about_half_of_the_time() {
        let busy = |millis: u64| is_busy_at(Duration::from_millis(millis));
        let of = 1000;
        let times = (0..of).filter(|moment| busy(moment * 250)).count();
        assert!((400..600).contains(&times), "{times}");
        let holds = |moment| busy(moment * 250) == busy(moment * 250 + 249);
        assert!((0..of).all(holds));
    }
}
