//! The keeper: parent of one untrusted program, and the end of its whole tree.
//!
//! It is the checker's own binary, started as `checker __keep` with one end of
//! the lifeline as its standard input. What to run comes over the lifeline, so
//! that nothing of it can be read from a command line or an environment.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::before_exec::restrict;
use super::{Exit, Limits};

/// The argument that makes a checker a keeper.
pub const ARGUMENT: &str = "__keep";

/// A program that is told to end is given this long.
const GRACE: Duration = Duration::from_millis(300);

/// Children of a program that has ended are given this long to follow it.
const FOLLOW: Duration = Duration::from_millis(300);

/// The order to start, from the checker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) command: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) limits: Limits,
    pub(super) home: PathBuf,
}

/// What the keeper tells the checker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told {
    /// The program runs.
    Started(u32),
    /// It does not, and why.
    NotFound,
    /// It does not, and why.
    NotExecutable(String),
    /// It has ended.
    Ended(Exit),
    /// Nothing of it is left. What had outlived it.
    Gone(Vec<String>),
}

/// Runs the keeper to its end.
pub fn main() {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_child_subreaper(true);
    // Without a lifeline there is nothing to keep.
    let Ok(lifeline) = std::io::stdin().as_fd().try_clone_to_owned() else {
        return;
    };
    let lifeline = UnixStream::from(lifeline);
    let Ok(reading) = lifeline.try_clone() else {
        return;
    };
    let mut reading = BufReader::new(reading);
    let mut line = String::new();
    let Ok(1..) = reading.read_line(&mut line) else {
        return;
    };
    let Ok(order) = serde_json::from_str::<Order>(&line) else {
        return;
    };
    keep(order, lifeline, reading);
}

/// What the two threads of a keeper share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ended: bool,
    alone: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits for a state, so long at most.
    fn wait(&self, long: Duration, until: impl Fn(&State) -> bool) -> bool {
        let began = Instant::now();
        let mut state = self.lock();
        while !until(&state) {
            let Some(left) = long.checked_sub(began.elapsed()) else {
                return false;
            };
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}

fn keep(order: Order, mut lifeline: UnixStream, reading: BufReader<UnixStream>) {
    let mut command = Command::new(&order.command[0]);
    command
        .args(&order.command[1..])
        .env_clear()
        .envs(order.env)
        .current_dir(&order.home)
        .stdin(Stdio::null())
        .process_group(0);
    restrict(&mut command, order.limits);
    // From the main thread: a child dies with the thread that started it.
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            tell(
                &mut lifeline,
                &match error.kind() {
                    std::io::ErrorKind::NotFound => Told::NotFound,
                    _ => Told::NotExecutable(error.to_string()),
                },
            );
            return;
        }
    };
    let program = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    tell(&mut lifeline, &Told::Started(child.id()));

    let shared = Arc::new(Shared::default());
    let ending = shared.clone();
    let Ok(telling) = lifeline.try_clone() else {
        return;
    };
    std::thread::spawn(move || end(program, order.home, telling, reading, &ending));

    loop {
        let exit = match wait() {
            Ok(WaitStatus::Exited(pid, code)) if pid == program => Exit::Code(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == program => Exit::Signal {
                number: signal as i32,
                name: signal.as_str().to_owned(),
            },
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(_) => break,
        };
        tell(&mut lifeline, &Told::Ended(exit));
        shared.change(|state| state.ended = true);
    }
    shared.change(|state| state.alone = true);
    // The other thread ends this process.
    loop {
        std::thread::park();
    }
}

/// Waits for the order to end, or for the end of the checker; then ends all.
fn end(
    program: Pid,
    home: PathBuf,
    mut lifeline: UnixStream,
    mut reading: BufReader<UnixStream>,
    shared: &Shared,
) {
    let mut line = String::new();
    let told = reading.read_line(&mut line).is_ok_and(|read| read > 0);
    let mut left_behind = Vec::new();
    if told {
        // Only itself: what it started is its own to end.
        let _ = kill(program, Signal::SIGTERM);
        if shared.wait(GRACE, |state| state.ended) && !shared.wait(FOLLOW, |state| state.alone) {
            left_behind = names_of_descendants();
        }
    }
    let _ = killpg(program, Signal::SIGKILL);
    // Every pass kills all that lives; what is started between two passes is
    // found by the next.
    for _ in 0..1000 {
        kill_descendants();
        if shared.wait(Duration::from_millis(5), |state| state.alone) {
            break;
        }
    }
    if told {
        tell(&mut lifeline, &Told::Gone(left_behind));
    } else {
        // The checker is no more: its temporary folder is ours to remove.
        let _ = std::fs::remove_dir_all(home);
    }
    std::process::exit(0);
}

#[cfg(target_os = "linux")]
fn names_of_descendants() -> Vec<String> {
    super::proc::descendants(std::process::id())
        .into_iter()
        .map(super::proc::name)
        .collect()
}

#[cfg(target_os = "linux")]
fn kill_descendants() {
    for pid in super::proc::descendants(std::process::id()) {
        if let Ok(pid) = i32::try_from(pid) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn names_of_descendants() -> Vec<String> {
    Vec::new()
}

#[cfg(not(target_os = "linux"))]
fn kill_descendants() {}

fn tell(lifeline: &mut UnixStream, told: &Told) {
    if let Ok(mut line) = serde_json::to_vec(told) {
        line.push(b'\n');
        // Where the checker is gone, the end of the lifeline says so.
        let _ = lifeline.write_all(&line);
    }
}
