//! The system calls that the compiler cannot vouch for, each with the reason
//! why it is sound here.

#![allow(unsafe_code)] // what runs between fork and exec, signal dispositions, and waiting for any child

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus};

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{Pid, getpid, setsid};

use super::Limits;

/// Makes the command start in a session of its own, within its limits, and on
/// Linux never longer than the calling thread lives.
///
/// A session of its own is a process group of its own, has no terminal that it
/// could write to behind our back, and can never join the checker's group.
pub(super) fn contain(command: &mut Command, limits: Limits, directory: &Path) {
    let keeper = getpid();
    #[cfg(target_os = "linux")]
    let mut fence = limits
        .fence
        .then(|| super::fence::around(directory))
        .flatten();
    #[cfg(target_os = "linux")]
    let withheld = limits.fence.then(super::calls::withheld).flatten();
    #[cfg(not(target_os = "linux"))]
    let _ = directory;
    // SAFETY: the closure runs in the child between fork and exec. It allocates
    // nothing, takes no lock and makes only async-signal-safe system calls.
    unsafe {
        command.pre_exec(move || {
            before_exec(keeper, limits)?;
            // The keeper has no other thread yet, so a lock that this might take
            // is free. Where the kernel refuses, the program runs without.
            #[cfg(target_os = "linux")]
            if let Some(fence) = fence.take() {
                let _ = fence.restrict_self();
            }
            #[cfg(target_os = "linux")]
            if let Some(calls) = &withheld {
                super::calls::withhold(calls);
            }
            Ok(())
        })
    };
}

fn before_exec(keeper: Pid, limits: Limits) -> io::Result<()> {
    setsid()?;
    for number in Signal::iterator() {
        // SAFETY: the default action runs no code of ours. What cannot be set
        // (SIGKILL, SIGSTOP) is at its default already.
        let _ = unsafe { signal(number, SigHandler::SigDfl) };
    }
    // A program inherits what its parents have blocked, and would not be ended by it.
    SigSet::empty().thread_set_mask()?;
    for (resource, wanted) in [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_DATA, limits.memory),
        (Resource::RLIMIT_NOFILE, limits.files),
        #[cfg(not(target_vendor = "apple"))]
        (Resource::RLIMIT_NPROC, limits.processes),
        (Resource::RLIMIT_FSIZE, limits.file_size),
    ] {
        let limited = limit(resource, wanted);
        // Elsewhere not every limit can be set.
        if cfg!(target_os = "linux") {
            limited?;
        }
    }
    end_with(keeper)
}

fn limit(resource: Resource, wanted: rlim_t) -> nix::Result<()> {
    let (_, most) = getrlimit(resource)?;
    let limit = wanted.min(most);
    setrlimit(resource, limit, limit)
}

#[cfg(target_os = "linux")]
fn end_with(keeper: Pid) -> io::Result<()> {
    use nix::sys::prctl;

    // No way to more rights. It also marks every descendant for good.
    prctl::set_no_new_privs()?;
    give_up_power();
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if nix::unistd::getppid() != keeper {
        return Err(io::Error::from_raw_os_error(libc::ESRCH)); // the keeper died before that
    }
    Ok(())
}

/// Root keeps what a program needs that lies in somebody else's folder, as in a
/// container, and has no power over the system from its next exec on. Nobody else has
/// any to give up, and is refused.
#[cfg(target_os = "linux")]
fn give_up_power() {
    use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

    let kept = CapabilitySet::DAC_OVERRIDE
        | CapabilitySet::DAC_READ_SEARCH
        | CapabilitySet::NET_BIND_SERVICE;
    for capability in CapabilitySet::all().difference(kept).iter() {
        let _ = remove_capability_from_bounding_set(capability);
    }
}

#[cfg(not(target_os = "linux"))]
fn end_with(_keeper: Pid) -> io::Result<()> {
    Ok(())
}

/// Makes a keeper deaf to all signals that ask a process to end: only the
/// lifeline ends it. Children must be waited for, whatever we inherited.
pub(super) fn hear_only_the_lifeline() {
    for number in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGPIPE,
        Signal::SIGTSTP,
    ] {
        // SAFETY: ignoring a signal runs no code of ours.
        let _ = unsafe { signal(number, SigHandler::SigIgn) };
    }
    // SAFETY: as above.
    let _ = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
}

/// Waits until some child ends, and reaps it, or is stopped or made to go on
/// again. `None` where there is no child.
///
/// nix's `waitpid` loses a child that a real-time signal ended.
pub(super) fn wait_for_any() -> io::Result<Option<(u32, ExitStatus)>> {
    loop {
        let mut status = 0;
        // SAFETY: the pointer is to a live integer, and nothing else is passed.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WUNTRACED | libc::WCONTINUED) };
        if let Ok(pid @ 1..) = u32::try_from(pid) {
            return Ok(Some((pid, ExitStatus::from_raw(status))));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::ECHILD) => return Ok(None),
            _ => return Err(error),
        }
    }
}

/// Whether it is the status of a child that has ended, and not one that was
/// stopped, now or a moment ago.
pub(super) fn has_ended(status: ExitStatus) -> bool {
    status.stopped_signal().is_none() && !status.continued()
}
