//! What this machine has to contain a learner's program with.

/// Something of the operating system's that contains a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility {
    /// What it is called: `Landlock`.
    pub name: &'static str,
    /// What it keeps from happening, in a few words.
    pub contains: &'static str,
    /// Whether this machine has it. Where it is missing, programs are graded all
    /// the same, without it.
    pub available: bool,
    /// Who has it: `Linux 5.13 and later`.
    pub had_by: &'static str,
}

impl Facility {
    /// Whether other machines with this operating system have it.
    pub fn of_this_system(&self) -> bool {
        match self.name {
            "process group" | "resource limits" => cfg!(unix),
            "job object" => cfg!(windows),
            _ => cfg!(target_os = "linux"),
        }
    }
}

/// What this machine contains a program with. It asks the kernel, and changes
/// nothing.
pub fn containment() -> Vec<Facility> {
    let facility = |name, contains, available, had_by| Facility {
        name,
        contains,
        available,
        had_by,
    };
    #[cfg(target_os = "linux")]
    let (landlock, calls) = (super::fence::available(), super::calls::available());
    #[cfg(target_os = "linux")]
    let (writes, truncation, signals) = (landlock.writes, landlock.truncation, landlock.signals);
    #[cfg(not(target_os = "linux"))]
    let (writes, truncation, signals, calls) = (false, false, false, false);
    let linux = cfg!(target_os = "linux");
    vec![
        facility(
            "child subreaper",
            "whatever a program starts is found and ended with it",
            linux,
            "Linux",
        ),
        facility(
            "parent-death signal",
            "a program does not outlive its keeper",
            linux,
            "Linux",
        ),
        facility(
            "process group",
            "what a program starts and does not hide is ended with it",
            cfg!(unix),
            "Linux and macOS",
        ),
        facility(
            "job object",
            "whatever a program starts is ended with it",
            cfg!(windows),
            "Windows",
        ),
        facility(
            "resource limits",
            "memory, open files and the size of a file, for each process",
            cfg!(unix),
            "Linux and macOS",
        ),
        facility(
            "limit on processes",
            "a program that starts others without end",
            linux && !is_root(),
            "everybody but root",
        ),
        facility(
            "Landlock for files",
            "a program writes nowhere but in its own folder",
            writes,
            "Linux 5.13 and later",
        ),
        facility(
            "Landlock for truncation",
            "a program empties no file but in its own folder",
            truncation,
            "Linux 6.2 and later",
        ),
        facility(
            "Landlock for signals",
            "a program ends and stops nobody but what it started",
            signals,
            "Linux 6.12 and later",
        ),
        facility(
            "seccomp",
            "a program limits and slows nobody else, and leaves nothing in the kernel",
            calls,
            "Linux on x86-64, ARM and RISC-V of 64 bits",
        ),
    ]
}

/// Root is above the limit on processes.
fn is_root() -> bool {
    #[cfg(unix)]
    return nix::unistd::geteuid().is_root();
    #[cfg(not(unix))]
    false
}
