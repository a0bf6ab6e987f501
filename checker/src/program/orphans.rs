//! What comes to the checker when a learner's program has killed its keeper.

use std::io;

/// Makes this process the one to whom the descendants of a killed keeper come,
/// so that it can end them. Called once, from `main`.
///
/// From then on a child of ours that is in another session than we are, and may
/// not gain privileges, is taken for a learner's when a keeper has been killed.
/// Nothing else that we start is both.
///
/// # Errors
///
/// The system's. Elsewhere than on Linux there is nothing to do.
pub fn adopt_orphans() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_child_subreaper(true)?;
    Ok(())
}

/// Keeps other processes of the same user from reading the memory of this one,
/// which knows what a learner's program must not. Called once, from `main`.
///
/// # Errors
///
/// The system's. Elsewhere than on Linux there is nothing to do.
pub fn hide_memory() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false)?;
    Ok(())
}

/// Ends the orphans that have come to us, and reaps them.
#[cfg(target_os = "linux")]
pub(super) fn end_adopted() {
    use nix::sys::wait::waitpid;
    use nix::unistd::Pid;

    use super::tree;

    // Ending one can bring its children to us: again, until none is left.
    while let adopted @ [_, ..] = adopted().as_slice() {
        tree::end(|| {
            let mut all = self::adopted();
            for root in 0..all.len() {
                let below = tree::below(all[root].pid);
                all.extend(below);
            }
            all
        });
        for orphan in adopted {
            if let Ok(pid) = i32::try_from(orphan.pid) {
                let _ = waitpid(Pid::from_raw(pid), None);
            }
        }
    }
}

/// Our children that a learner's program has started.
#[cfg(target_os = "linux")]
fn adopted() -> Vec<super::tree::Stat> {
    let us = std::process::id();
    let Ok(Some(session)) = nix::unistd::getsid(None).map(|sid| u32::try_from(sid.as_raw()).ok())
    else {
        return Vec::new();
    };
    let mut children = super::tree::below(us);
    children.retain(|child| child.parent == us && child.session != session && is_marked(child.pid));
    children
}

/// The mark that `system::contain` sets and that nobody can take off again.
#[cfg(target_os = "linux")]
fn is_marked(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/status"))
        .is_ok_and(|status| status.lines().any(|line| line == "NoNewPrivs:\t1"))
}
