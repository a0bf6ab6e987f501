//! What this system contains a program by, as it is right now.

/// What there is, and what is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contained {
    /// What holds a learner's program.
    pub by: Vec<String>,
    /// What does not, though the checker would use it.
    pub lacks: Vec<String>,
}

/// Looks at what this system has.
pub fn contained() -> Contained {
    platform()
}

#[cfg(target_os = "linux")]
fn platform() -> Contained {
    use std::fs;

    use nix::sys::prctl;
    use nix::sys::resource::{Resource, getrlimit};

    let mut by = vec![];
    let mut lacks = vec![];
    let mut note = |there: bool, name: &str| {
        if there { &mut by } else { &mut lacks }.push(name.to_owned());
    };
    note(
        prctl::get_child_subreaper().unwrap_or(false),
        "the whole tree ends with it (subreaper)",
    );
    note(
        prctl::get_pdeathsig().is_ok(),
        "it ends with the checker (parent-death signal)",
    );
    let limits = [
        Resource::RLIMIT_DATA,
        Resource::RLIMIT_NOFILE,
        Resource::RLIMIT_NPROC,
        Resource::RLIMIT_FSIZE,
    ];
    note(
        limits.iter().all(|limit| getrlimit(*limit).is_ok()),
        "limits on memory, files, processes and file size (rlimits)",
    );
    note(prctl::get_no_new_privs().is_ok(), "no way to more rights");

    // What the system offers besides; the checker does without.
    if super::system::has_pidfd() {
        by.push("the kernel has pidfds".to_owned());
    }
    if let Some(version) = super::system::landlock() {
        by.push(format!("Landlock {version} is there (unused)"));
    }
    if let Ok(scope) = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope") {
        by.push(format!("ptrace scope {}", scope.trim()));
    }
    if is_delegated() {
        by.push("a cgroup of our own is there (unused)".to_owned());
    }
    if nix::unistd::Uid::effective().is_root() {
        lacks.push("the number of processes (you are root, for whom it does not hold)".to_owned());
    }
    Contained { by, lacks }
}

/// Whether we could make cgroups beneath our own.
#[cfg(target_os = "linux")]
fn is_delegated() -> bool {
    use std::path::Path;

    let Ok(all) = std::fs::read_to_string("/proc/self/cgroup") else {
        return false;
    };
    let Some(own) = all.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return false;
    };
    let folder = Path::new("/sys/fs/cgroup").join(own);
    let writable = |name: &str| {
        nix::unistd::access(&folder.join(name), nix::unistd::AccessFlags::W_OK).is_ok()
    };
    folder.join("cgroup.controllers").is_file()
        && writable("cgroup.procs")
        && writable("cgroup.subtree_control")
}

#[cfg(target_os = "macos")]
fn platform() -> Contained {
    Contained {
        by: vec![
            "its process group ends with it and with the checker".to_owned(),
            "limits as far as the system keeps them".to_owned(),
        ],
        lacks: vec!["processes that leave its group".to_owned()],
    }
}

#[cfg(windows)]
fn platform() -> Contained {
    Contained {
        by: vec!["its job ends with it and with the checker".to_owned()],
        lacks: vec!["memory, files and processes (no limits)".to_owned()],
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn platform() -> Contained {
    Contained {
        by: vec!["its process group ends with it and with the checker".to_owned()],
        lacks: vec!["processes that leave its group".to_owned()],
    }
}
