//! Room on disk and in memory, and a browser.

use std::path::Path;

use super::{Row, gib, on_path};

/// A workshop that is built takes about 2 GiB.
const DISK: u64 = 3 << 30;
const LEAST_DISK: u64 = 1 << 30;

/// A linker and a few compilers at once.
const MEMORY: u64 = 1 << 30;

pub(super) fn disk(target: &Path) -> Row {
    let shown = target.display();
    let mend = "make room; `cargo clean` in your checkout gives back what old builds took";
    match free(target) {
        None => Row::warning(
            "disk",
            format!("this system does not say how much is free for {shown}"),
            "see for yourself that 3 GiB are free",
        ),
        Some(free) => {
            let seen = format!("{} free for {shown}", gib(free));
            match free {
                0..LEAST_DISK => Row::missing("disk", seen, mend),
                LEAST_DISK..DISK => Row::warning("disk", seen, mend),
                _ => Row::ok("disk", seen),
            }
        }
    }
}

/// What we may still write there, or where it would be made.
#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let exists = folder.ancestors().find(|folder| folder.is_dir())?;
    let stat = nix::sys::statvfs::statvfs(exists).ok()?;
    // Their widths differ between systems.
    #[allow(clippy::useless_conversion)]
    let (blocks, size) = (
        u64::try_from(stat.blocks_available()).ok()?,
        u64::try_from(stat.fragment_size()).ok()?,
    );
    blocks.checked_mul(size)
}

#[cfg(not(unix))]
fn free(_folder: &Path) -> Option<u64> {
    None
}

pub(super) fn memory() -> Row {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let processors = match cores {
        1 => "1 processor".to_owned(),
        _ => format!("{cores} processors"),
    };
    match available() {
        None => Row::ok(
            "memory",
            format!(
                "{processors}; this system does not say how much memory is free, nor how much a program uses"
            ),
        ),
        Some(bytes) if bytes < MEMORY => Row::warning(
            "memory",
            format!("{} free, {processors}", gib(bytes)),
            "close what you do not need; `export CARGO_BUILD_JOBS=1` builds with less",
        ),
        Some(bytes) => Row::ok(
            "memory",
            format!(
                "{} free, {processors}; what a program uses is measured",
                gib(bytes)
            ),
        ),
    }
}

/// Bytes that a program could still get, where the system says.
fn available() -> Option<u64> {
    let all = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = all.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes << 10)
}

pub(super) fn browser() -> Row {
    const NAMES: [&str; 7] = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "firefox",
        "microsoft-edge",
        "msedge",
        "safari",
    ];
    const APPLICATIONS: [&str; 4] = [
        "/Applications/Safari.app",
        "/Applications/Firefox.app",
        "/Applications/Google Chrome.app",
        "/Applications/Chromium.app",
    ];
    if let Some(found) = NAMES.iter().find_map(|name| on_path(name)) {
        return Row::ok("browser", found.display().to_string());
    }
    if let Some(found) = APPLICATIONS.iter().find(|app| Path::new(app).exists()) {
        return Row::ok("browser", *found);
    }
    if cfg!(windows) {
        return Row::ok("browser", "the one that comes with Windows");
    }
    Row::warning(
        "browser",
        "none found: the pages of ex05 and ex06, and HTML reports, want one",
        "install one, such as: sudo apt install chromium",
    )
}
