//! Landlock: what keeps a program's writes in its own directory, and its signals
//! among the processes that it started. It needs no rights, lasts for a process
//! and all that it starts, and is there from Linux 5.13 on (truncation: 6.2, signals:
//! 6.12). An older kernel gives what it has.

use std::path::Path;

use landlock::{
    ABI, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

/// Devices that keep nothing of what is written to them.
const DEVICES: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/full"];

/// All that writes: files, folders, links, truncation.
fn writing() -> BitFlags<AccessFs> {
    AccessFs::from_write(ABI::V3)
}

/// A fence around a directory. `None` where the kernel has none.
pub(super) fn around(directory: &Path) -> Option<RulesetCreated> {
    build(PathFd::new(directory).ok()?).ok()
}

fn build(directory: PathFd) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default()
        .handle_access(writing())?
        .scope(Scope::Signal)?
        .create()?
        .add_rule(PathBeneath::new(directory, writing()))?;
    for device in DEVICES {
        if let Ok(device) = PathFd::new(device) {
            let access = AccessFs::WriteFile | AccessFs::Truncate;
            ruleset = ruleset.add_rule(PathBeneath::new(device, access))?;
        }
    }
    Ok(ruleset)
}

/// What of it this kernel has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Has {
    /// Files are written and made nowhere else.
    pub(super) writes: bool,
    /// Files are emptied nowhere else.
    pub(super) truncation: bool,
    /// Signals are kept in.
    pub(super) signals: bool,
}

/// Asks the kernel.
pub(super) fn available() -> Has {
    let strictly = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let keeps = |access: BitFlags<AccessFs>| {
        let ruleset = strictly().handle_access(access);
        ruleset.and_then(Ruleset::create).is_ok()
    };
    Has {
        writes: keeps(AccessFs::from_write(ABI::V1)),
        truncation: keeps(writing()),
        signals: strictly()
            .scope(Scope::Signal)
            .and_then(Ruleset::create)
            .is_ok(),
    }
}
