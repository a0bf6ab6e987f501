//! The variables that a learner's program sees, and no others.

use std::ffi::OsString;
use std::path::Path;

use super::Launch;
use super::directory::{HOME, TEMPORARY};

/// What a program cannot be found or started without.
const KEPT: &[&str] = if cfg!(windows) {
    &["PATH", "PATHEXT", "SystemRoot", "SystemDrive", "ComSpec"]
} else {
    &["PATH"]
};

/// The whole environment of a program whose own directory that is. What the
/// contract names wins.
pub(super) fn of(launch: &Launch, directory: &Path) -> Vec<(OsString, OsString)> {
    let home = directory.join(HOME);
    let temporary = directory.join(TEMPORARY);
    let mut all = inherited();
    all.push(("HOME".into(), home.clone().into()));
    all.push(("TMPDIR".into(), temporary.clone().into()));
    if cfg!(windows) {
        all.push(("USERPROFILE".into(), home.into()));
        all.push(("TEMP".into(), temporary.clone().into()));
        all.push(("TMP".into(), temporary.into()));
    }
    for (name, value) in &launch.env {
        all.push((name.into(), value.into()));
    }
    all
}

/// What does not depend on the program.
pub(super) fn inherited() -> Vec<(OsString, OsString)> {
    let mut all: Vec<(OsString, OsString)> = KEPT
        .iter()
        .filter_map(|name| Some(((*name).into(), std::env::var_os(name)?)))
        .collect();
    all.push((
        "LANG".into(),
        std::env::var_os("LANG").unwrap_or_else(|| "C.UTF-8".into()),
    ));
    // A proxy of the learner's would stand between the program and our services.
    all.push(("NO_PROXY".into(), "127.0.0.1,localhost".into()));
    if cfg!(not(windows)) {
        all.push(("no_proxy".into(), "127.0.0.1,localhost".into()));
    }
    all
}
