//! What an intruder looks at: the processes above it, and who listens.

use std::fs;

/// The process that started us, the one that started that, and so on.
pub(crate) fn ancestors() -> Vec<u32> {
    let mut found = Vec::new();
    let mut of = std::process::id();
    while let Some(parent) = parent(of) {
        if parent <= 1 || found.len() > 8 {
            break;
        }
        found.push(parent);
        of = parent;
    }
    found
}

fn parent(of: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{of}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// Keepers and checkers among our ancestors: those that run a file of that name.
/// Nobody else is touched, whoever runs this.
pub(crate) fn checkers() -> Vec<u32> {
    let is_one = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "checker")
    };
    ancestors().into_iter().take_while(is_one).take(2).collect()
}

/// The ports of 127.0.0.1 that somebody listens on.
pub(crate) fn listening() -> Vec<u16> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let port = |row: &str| {
        let mut fields = row.split_ascii_whitespace();
        let (ip, port) = fields.nth(1)?.split_once(':')?;
        let listens = fields.nth(1)? == "0A";
        (listens && ip == "0100007F").then(|| u16::from_str_radix(port, 16).ok())?
    };
    table.lines().skip(1).filter_map(port).take(200).collect()
}
