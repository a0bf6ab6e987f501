//! What Linux tells about a tree of processes.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use procfs::net::TcpState;
use procfs::process::Process;

use super::{Activity, Figures};

/// The processes beneath one, without itself.
pub(super) fn descendants(root: u32) -> Vec<u32> {
    let mut found = children(root);
    let mut next = 0;
    while next < found.len() {
        let more = children(found[next]);
        found.extend(more);
        next += 1;
    }
    found
}

fn children(pid: u32) -> Vec<u32> {
    tasks(pid)
        .into_iter()
        .filter_map(|task| fs::read_to_string(format!("/proc/{pid}/task/{task}/children")).ok())
        .flat_map(|line| {
            line.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn tasks(pid: u32) -> Vec<u32> {
    fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The name of a process.
pub(super) fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .map(|name| name.trim_end().to_owned())
        .unwrap_or_else(|_| format!("process {pid}"))
}

/// What all threads of these processes have done so far.
pub(super) fn activity(pids: &[u32]) -> Option<Activity> {
    let mut sum = Activity::default();
    let mut seen = false;
    for &pid in pids {
        for task in tasks(pid) {
            let Ok(line) = fs::read_to_string(format!("/proc/{pid}/task/{task}/schedstat")) else {
                continue;
            };
            let mut nanos = line.split_whitespace().filter_map(|n| n.parse().ok());
            let (Some(on_cpu), Some(waited)) = (nanos.next(), nanos.next()) else {
                continue;
            };
            sum.on_cpu += Duration::from_nanos(on_cpu);
            sum.waited += Duration::from_nanos(waited);
            let (runnable, page_ins) = state(pid, task);
            sum.runnable |= runnable;
            sum.page_ins += page_ins;
            seen = true;
        }
    }
    seen.then_some(sum)
}

/// Whether a thread runs, wants to, or waits for a disk; and its major faults.
fn state(pid: u32, task: u32) -> (bool, u64) {
    let stat = fs::read_to_string(format!("/proc/{pid}/task/{task}/stat")).unwrap_or_default();
    // The state stands after the name, which is in brackets and may hold any.
    let rest = stat.rfind(')').map_or("", |end| &stat[end + 1..]);
    let mut fields = rest.split_whitespace();
    let runnable = matches!(fields.next(), Some("R" | "D"));
    let page_ins = fields.nth(8).and_then(|n| n.parse().ok()).unwrap_or(0);
    (runnable, page_ins)
}

/// What the files of these processes are: `socket:[123]`, `anon_inode:[eventpoll]`.
fn files(pids: &[u32]) -> Vec<String> {
    pids.iter()
        .flat_map(|pid| {
            fs::read_dir(format!("/proc/{pid}/fd"))
                .into_iter()
                .flatten()
        })
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .map(|target| target.to_string_lossy().into_owned())
        .collect()
}

/// Whether any of them waits for many things at once.
pub(super) fn event_loop(pids: &[u32]) -> bool {
    files(pids)
        .iter()
        .any(|file| file.contains("eventpoll") || file.contains("io_uring"))
}

/// Where these processes listen.
pub(super) fn listens_on(pids: &[u32]) -> Vec<SocketAddr> {
    let ours: HashSet<u64> = files(pids)
        .iter()
        .filter_map(|file| {
            file.strip_prefix("socket:[")?
                .strip_suffix(']')?
                .parse()
                .ok()
        })
        .collect();
    let all = procfs::net::tcp()
        .unwrap_or_default()
        .into_iter()
        .chain(procfs::net::tcp6().unwrap_or_default());
    let mut found: Vec<_> = all
        .filter(|socket| socket.state == TcpState::Listen && ours.contains(&socket.inode))
        .map(|socket| socket.local_address)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// How large a process is.
pub(super) fn figures(pid: u32) -> Option<Figures> {
    let status = Process::new(i32::try_from(pid).ok()?).ok()?.status().ok()?;
    Some(Figures {
        threads: u32::try_from(status.threads).ok()?,
        peak_memory: status.vmhwm? * 1024,
    })
}
