//! What has to happen between fork and exec: the only `unsafe` of this project.
#![allow(unsafe_code)] // `pre_exec` is unsafe: see its reason below.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::resource::{Resource, setrlimit};

use super::Limits;

/// Has the child set its own limits, and (on Linux) die with its parent and
/// never gain privileges.
pub(super) fn restrict(command: &mut Command, limits: Limits) {
    let restrictions = move || {
        #[cfg(target_os = "linux")]
        {
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
            nix::sys::prctl::set_no_new_privs()?;
        }
        for (resource, limit) in [
            (Resource::RLIMIT_CORE, 0),
            (Resource::RLIMIT_DATA, limits.memory),
            (Resource::RLIMIT_NOFILE, limits.files),
            (Resource::RLIMIT_NPROC, limits.processes),
            (Resource::RLIMIT_FSIZE, limits.file_size),
        ] {
            // A limit that is already lower stays as it is.
            let _ = setrlimit(resource, limit, limit);
        }
        Ok::<(), io::Error>(())
    };
    // SAFETY: the closure runs in the forked child, where only async-signal-safe
    // calls are allowed. It makes system calls (prctl, setrlimit) on values that
    // it owns, and neither allocates, locks nor panics.
    unsafe {
        command.pre_exec(restrictions);
    }
}
