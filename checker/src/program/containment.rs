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
    let facility = |name, contains, available| Facility {
        name,
        contains,
        available,
    };
    #[cfg(target_os = "linux")]
    let (writes, signals) = super::fence::available();
    #[cfg(not(target_os = "linux"))]
    let (writes, signals) = (false, false);
    #[cfg(target_os = "linux")]
    let calls = super::calls::available();
    #[cfg(not(target_os = "linux"))]
    let calls = false;
    let linux = cfg!(target_os = "linux");
    vec![
        facility(
            "child subreaper",
            "whatever a program starts is found and ended with it",
            linux,
        ),
        facility(
            "parent-death signal",
            "a program does not outlive its keeper",
            linux,
        ),
        facility(
            "process group",
            "what a program starts and does not hide is ended with it",
            cfg!(unix),
        ),
        facility(
            "job object",
            "whatever a program starts is ended with it",
            cfg!(windows),
        ),
        facility(
            "resource limits",
            "memory, open files and the size of a file, for each process",
            cfg!(unix),
        ),
        facility(
            "limit on processes",
            "a program that starts others without end",
            cfg!(target_os = "linux") && !is_root(),
        ),
        facility(
            "Landlock for files",
            "a program writes nowhere but in its own folder",
            writes,
        ),
        facility(
            "Landlock for signals",
            "a program ends and stops nobody but what it started",
            signals,
        ),
        facility(
            "seccomp",
            "a program limits and slows nobody else, and leaves nothing in the kernel",
            calls,
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
