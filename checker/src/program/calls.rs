//! seccomp: system calls by which a program could do to others what signals and
//! files cannot: set the limits, the priority or the processors of others, or leave System V
//! and POSIX objects, or keys, that outlive whoever made them. They fail with EPERM, as
//! they do for whoever has no right to them. It needs no rights, and lasts for a
//! process and all that it starts.
//!
//! A thread may set its own priority and its own processors, and no other's: a filter
//! cannot tell a thread of the program from a process that is none of its own.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is,
    SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// `PRIO_USER`, whose type differs from one C library to another.
const PRIORITY_OF_USER: u64 = 2;

/// `IOPRIO_WHO_PROCESS`, which `libc` does not have.
const IOPRIO_OF_PROCESS: u64 = 1;

/// What withholds those calls. `None` on a processor that it is not written for.
pub(super) fn withheld() -> Option<BpfProgram> {
    let target = TargetArch::try_from(ARCH).ok()?;
    filter(target).ok()
}

/// Withholds them from the calling thread and from all that it starts. It makes
/// two system calls and allocates nothing. Where the kernel refuses, nothing is
/// withheld.
pub(super) fn withhold(filter: &BpfProgram) {
    let _ = apply_filter(filter);
}

/// Whether this kernel takes such a filter.
pub(super) fn available() -> bool {
    let listed = std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail");
    withheld().is_some() && listed.is_ok_and(|actions| actions.contains("errno"))
}

fn filter(target: TargetArch) -> Result<BpfProgram, BackendError> {
    let condition = SeccompCondition::new;
    let not = |argument, value| condition(argument, Length::Dword, Is::Ne, value);
    let is = |argument, value| condition(argument, Length::Dword, Is::Eq, value);
    let any_of = |rules: Vec<Vec<SeccompCondition>>| -> Result<Vec<_>, BackendError> {
        rules.into_iter().map(SeccompRule::new).collect()
    };
    let of_another = || any_of(vec![vec![not(0, 0)?]]);
    let rules = BTreeMap::from([
        (
            libc::SYS_prlimit64,
            // Another's limits may be read.
            any_of(vec![vec![
                not(0, 0)?,
                condition(2, Length::Qword, Is::Ne, 0)?,
            ]])?,
        ),
        (
            libc::SYS_setpriority,
            any_of(vec![vec![not(1, 0)?], vec![is(0, PRIORITY_OF_USER)?]])?,
        ),
        (
            libc::SYS_ioprio_set,
            any_of(vec![vec![not(1, 0)?], vec![not(0, IOPRIO_OF_PROCESS)?]])?,
        ),
        (libc::SYS_sched_setscheduler, of_another()?),
        (libc::SYS_sched_setparam, of_another()?),
        (libc::SYS_sched_setattr, of_another()?),
        (libc::SYS_sched_setaffinity, of_another()?),
        (libc::SYS_shmget, Vec::new()),
        (libc::SYS_semget, Vec::new()),
        (libc::SYS_msgget, Vec::new()),
        (libc::SYS_mq_open, Vec::new()),
        (libc::SYS_add_key, Vec::new()),
    ]);
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, refused, target)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_filter_for_every_processor_that_it_is_written_for() {
        for target in [TargetArch::x86_64, TargetArch::aarch64, TargetArch::riscv64] {
            let filter = filter(target).expect("it compiles");
            assert!(!filter.is_empty());
        }
    }
}
