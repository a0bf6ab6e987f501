//! A learner's program, run so that nothing of it outlives us.
//!
//! ```text
//! checker ── lifeline (a socket) ── keeper ── the learner's program ── whatever it starts
//!    └──────── one pipe: standard output and error ──────┘
//! ```
//!
//! The keeper is the checker's own binary, one process per [`Program`]. It sees
//! everything the learner's program starts, even what hides in a session of its
//! own, and ends it when it is asked to or when the lifeline closes. The kernel
//! closes the lifeline however the checker ends, so a `kill -9` of the checker
//! ends the learner's program too. Should the learner's program kill its keeper,
//! the kernel kills it in turn, and what it had started comes to the checker
//! (see [`adopt_orphans`]), which ends it.
//!
//! | | Linux | macOS | Windows |
//! |---|---|---|---|
//! | ended as a tree | whole tree, by pidfd | its process group | its job |
//! | dies with the checker | yes | its process group | its job |
//! | limits | yes | yes, as far as the system keeps them | none |
//! | writes and signals stay within | yes, with Landlock | no | no |
//! | limits and priorities of others stay | yes, with seccomp | no | no |
//! | [`Activity`], [`Figures`], event loop | yes | no | no |
//!
//! The macOS and Windows columns are compiled but untried. Not contained
//! anywhere: the network, reading files of the same user, and a limit on the
//! memory and the disk of a tree as a whole. On a Linux without Landlock's
//! signals a process that kills the keeper and the checker, from a child,
//! survives both. For root the limit on processes does not hold. What holds
//! here is what [`containment`] says.
//!
//! A cgroup would count a tree's memory. None is used: a group that holds processes,
//! as that of a user's shell does, cannot pass controllers on to one beneath it, and
//! to end a tree it is not needed.

#[cfg(target_os = "linux")]
mod calls;
mod captured;
mod containment;
mod directory;
mod environment;
mod exit;
#[cfg(target_os = "linux")]
mod fence;
pub mod keeper;
#[cfg(unix)]
mod kept;
#[cfg(unix)]
mod lifeline;
mod orphans;
mod panic;
mod sight;
#[cfg(unix)]
mod system;
#[cfg(target_os = "linux")]
mod tree;
#[cfg(windows)]
mod unkept;

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use mock_services::moment::{Clock, Moment};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::watch;

pub use captured::Captured;
pub use containment::{Facility, containment};
pub use directory::sweep;
pub use exit::Exit;
pub use orphans::{adopt_orphans, hide_memory};
pub use panic::Panic;
pub use sight::{Activity, Figures};

#[cfg(unix)]
use kept as platform;
#[cfg(windows)]
use unkept as platform;

/// What to start, and between which limits.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program and its arguments. A relative path is one from our directory.
    pub command: Vec<OsString>,
    /// Variables of the contract. Beside them the program sees `PATH`, `HOME`,
    /// `TMPDIR`, `LANG`, `NO_PROXY` and `no_proxy`, and nothing of ours.
    pub env: Vec<(String, String)>,
    /// The checker's own binary, which is started as `<keeper> __keep`.
    pub keeper: PathBuf,
    /// What the program may use.
    pub limits: Limits,
}

/// What each process of the learner's program may use. Core dumps are always off.
///
/// A limit never rises above the one that we run under ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of private writable memory. Address space is not limited: runtimes
    /// reserve much more of it than they use.
    pub memory: u64,
    /// Open descriptors.
    pub files: u64,
    /// Processes and threads. The system counts all those of the user, not
    /// only the learner's, so this is generous.
    pub processes: u64,
    /// Bytes that a file may have.
    pub file_size: u64,
    /// Where the kernel can see to it: it writes nowhere but in its own
    /// directory, signals nobody but what it started, sets nobody else's limits
    /// or priority, and leaves nothing in the kernel.
    pub fence: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 2 << 30,
            files: 4096,
            processes: 16_384,
            file_size: 256 << 20,
            fence: true,
        }
    }
}

/// Why a program could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// No such program.
    #[error("there is no program `{command}`")]
    NotFound {
        /// The command's first word.
        command: String,
    },
    /// It is there, but the system refuses to run it.
    #[error("`{command}` cannot be executed")]
    NotExecutable {
        /// The command's first word.
        command: String,
    },
    /// There is no directory for it to run in.
    #[error(
        "no folder for the program can be made in {} ({why}); make room or a place there, or let TMPDIR name another folder",
        parent.display()
    )]
    NoDirectory {
        /// Where it should be.
        parent: PathBuf,
        /// What the system says.
        why: io::ErrorKind,
    },
    /// A failure of the machine's or ours.
    #[error("the program could not be started: {0}")]
    Other(#[from] io::Error),
}

impl StartError {
    /// The error that starting the command ended with.
    fn new(command: &[OsString], error: io::Error) -> Self {
        let command = command
            .first()
            .map(|word| word.to_string_lossy().into_owned())
            .unwrap_or_default();
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound { command },
            io::ErrorKind::PermissionDenied => Self::NotExecutable { command },
            _ if is_no_executable(&error) => Self::NotExecutable { command },
            _ => Self::Other(error),
        }
    }
}

fn is_no_executable(error: &io::Error) -> bool {
    let code = if cfg!(windows) {
        193 // ERROR_BAD_EXE_FORMAT
    } else {
        8 // ENOEXEC
    };
    error.raw_os_error() == Some(code)
}

/// A learner's program, from its start to its end.
///
/// Dropping it ends it at once and does not wait; [`Program::end`] is polite,
/// waits, and says what there is to say.
#[derive(Debug)]
pub struct Program {
    inner: platform::Program,
    started: Moment,
}

impl Program {
    /// Starts the program; it runs when this returns.
    ///
    /// # Errors
    ///
    /// [`StartError`] where the command cannot be run.
    pub async fn start(launch: &Launch, clock: Clock) -> Result<Self, StartError> {
        let inner = platform::Program::start(launch, clock).await?;
        Ok(Self {
            inner,
            started: clock.now(),
        })
    }

    /// When it was known to have started.
    pub fn started(&self) -> Moment {
        self.started
    }

    /// The learner's process itself, whether or not it still runs.
    pub fn pid(&self) -> Option<u32> {
        self.inner.pid()
    }

    /// What it has printed so far.
    pub fn output(&self) -> Captured {
        self.inner.recorder().captured()
    }

    /// How many bytes it has printed so far; changes as it prints.
    pub fn printed(&self) -> watch::Receiver<u64> {
        self.inner.recorder().printed()
    }

    /// How the learner's process itself ended, once it has ended unasked.
    pub fn exit(&self) -> watch::Receiver<Option<Exit>> {
        self.inner.exit()
    }

    /// What the processors have given it so far. `None` where the system does not say.
    pub fn activity(&self) -> Option<Activity> {
        sight::activity(self.inner.root()?)
    }

    /// Looks at it from any thread.
    pub fn watcher(&self) -> Watcher {
        Watcher {
            root: self.inner.root(),
        }
    }

    /// Whether a process of the tree holds a queue for readiness (epoll) or
    /// completion (io_uring). `None` where the system does not say.
    pub fn event_loop(&self) -> Option<bool> {
        sight::event_loop(self.inner.root()?)
    }

    /// Threads and memory of the tree. `None` where the system does not say.
    pub fn figures(&self) -> Option<Figures> {
        sight::figures(self.inner.root()?)
    }

    /// How many sockets the tree holds. `None` where the system does not say.
    pub fn sockets(&self) -> Option<usize> {
        sight::sockets(self.inner.root()?)
    }

    /// Where the tree listens for connections. `None` where the system does not say.
    pub fn listens_on(&self) -> Option<Vec<SocketAddr>> {
        sight::listens_on(self.inner.root()?)
    }

    /// Whether it is the tree that listens at that address, and not somebody else.
    /// `None` where the system does not say.
    pub fn listens_at(&self, address: SocketAddr) -> Option<bool> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let covered = |found: Vec<SocketAddr>| found.iter().any(|at| covers(*at, address));
        // Nearly always it is the process that we have started.
        let itself = |pid| sight::listens_itself_at(pid, address);
        // One that has just ended listens nowhere.
        Some(self.pid().is_some_and(itself) || self.listens_on().is_some_and(covered))
    }

    /// Asks the program to end, waits briefly, then ends whatever is left.
    pub async fn end(self) -> Ended {
        self.inner.end().await
    }
}

/// Whether who listens there is reached at `wanted`.
pub fn covers(listening: SocketAddr, wanted: SocketAddr) -> bool {
    listening.port() == wanted.port()
        && (listening.ip() == wanted.ip() || listening.ip().is_unspecified())
}

/// Looks at a program from any thread, for as long as it runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watcher {
    root: Option<u32>,
}

impl Watcher {
    /// What the processors have given it so far. `None` where the system does not say.
    pub fn activity(self) -> Option<Activity> {
        sight::activity(self.root?)
    }

    /// What the program has had so far, if all of it is asleep: no thread of it ran between
    /// two looks at all of them, and none wanted to. Where the system does not say, it is not.
    ///
    /// A moment of which that is so is one however late we come to look, and however many
    /// want the processor; how long it lasted we do not know.
    pub fn asleep(self) -> Option<Activity> {
        let (first, again) = (self.activity()?, self.activity()?);
        (first == again && !again.runnable).then_some(again)
    }
}

/// What every learner's program finds in its environment beside the contract's
/// variables and its own folders.
pub fn environment() -> Vec<(String, String)> {
    environment::inherited()
        .into_iter()
        .map(|(name, value)| {
            let text = |part: std::ffi::OsString| part.to_string_lossy().into_owned();
            (text(name), text(value))
        })
        .collect()
}

/// The process that listens on a port of this machine, and its name. `None` where
/// there is none, or the system does not say.
pub fn holder(port: u16) -> Option<(u32, String)> {
    sight::holder(port)
}

/// What is known of a program once all of it has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How it ended; `None` where it ran until it was asked to end.
    pub exit: Option<Exit>,
    /// When we learned that it had ended by itself.
    pub exited: Option<Moment>,
    /// All it printed.
    pub output: Captured,
    /// The names of processes that it had started and that outlived it, though
    /// they had a moment to follow. They have been ended since.
    pub left_behind: Vec<String>,
    /// It ended the process that kept watch over it, which no program does by
    /// accident. `exit` is then SIGKILL: it was ended for it.
    pub killed_keeper: bool,
    /// Somebody had stopped it (SIGSTOP, Ctrl-Z), for however long. `false` where
    /// the system does not say.
    pub was_stopped: bool,
}
