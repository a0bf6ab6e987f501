//! Runs a program that nobody has read, and ends it as a tree.
//!
//! ```text
//! checker ── lifeline ── keeper (the checker's own binary) ── the program ── whatever it starts
//! ```
//!
//! The keeper is the program's parent. It sets its limits, tells how it ended,
//! and kills everything beneath it when it is told to, or when the lifeline
//! closes because the checker is no more. On Linux it inherits the program's
//! orphans, so nothing gets away by leaving the process group. On macOS it ends
//! the process group only; Windows has no keeper. Both are untried.

#[cfg(unix)]
mod before_exec;
mod captured;
#[cfg(unix)]
pub mod keeper;
#[cfg(not(unix))]
mod plain;
#[cfg(target_os = "linux")]
mod proc;
#[cfg(unix)]
mod unix;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use captured::{Captured, Panic};
#[cfg(not(unix))]
pub use plain::Program;
#[cfg(unix)]
pub use unix::Program;

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// What it finds in its environment, besides what any program needs.
    pub env: Vec<(String, String)>,
    /// The checker's own binary, which keeps the program.
    pub keeper: PathBuf,
    /// What it may use.
    pub limits: Limits,
}

/// What a program may use. Systems without a limit of a kind ignore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of private memory. Address space is not limited: runtimes reserve
    /// far more of it than they use.
    pub memory: u64,
    /// Open files and sockets.
    pub files: u64,
    /// Processes and threads of this user; root is exempt.
    pub processes: u64,
    /// Bytes that a file may have.
    pub file_size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 2 << 30,
            files: 1024,
            processes: 4096,
            file_size: 64 << 20,
        }
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// With that exit code.
    Code(i32),
    /// By a signal.
    Signal {
        /// Its number.
        number: i32,
        /// Its name: `SIGABRT`.
        name: String,
    },
}

/// Why a program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no such program.
    #[error("there is no program `{command}`")]
    NotFound {
        /// Its name.
        command: String,
    },
    /// It is no program, or nobody may run it.
    #[error("`{command}` cannot be run: {why}")]
    NotExecutable {
        /// Its name.
        command: String,
        /// What the system says.
        why: String,
    },
    /// Something of ours failed.
    #[error(transparent)]
    Other(#[from] std::io::Error),
}

/// What all threads of a program and of its children have done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Time on a processor.
    pub on_cpu: Duration,
    /// Time spent waiting for a processor.
    pub waited: Duration,
    /// Whether any of them runs, wants to run, or waits for a disk.
    pub runnable: bool,
    /// How often any of them had to wait for a page to come from a disk.
    pub page_ins: u64,
}

/// Looks at a program from any thread.
#[derive(Clone, Copy, Debug)]
pub struct Watcher {
    keeper: Option<u32>,
}

impl Watcher {
    /// What the program has done so far; `None` where the system does not tell.
    pub fn activity(self) -> Option<Activity> {
        #[cfg(target_os = "linux")]
        return proc::activity(&proc::descendants(self.keeper?));
        #[cfg(not(target_os = "linux"))]
        return self.keeper.and(None);
    }
}

/// How large a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Its threads.
    pub threads: u32,
    /// Bytes of memory at its largest.
    pub peak_memory: u64,
}

/// What is left of a program.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// How it had ended before it was told to.
    pub exit: Option<Exit>,
    /// What it printed.
    pub output: Captured,
    /// Names of processes of its own that outlived it.
    pub left_behind: Vec<String>,
}

/// Makes this process the parent of orphans beneath it, so that none is lost
/// where a program kills its keeper. Linux only; elsewhere it does nothing.
pub fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_child_subreaper(true);
}
