//! What can be seen of a tree of processes from outside.

use std::net::SocketAddr;
use std::time::Duration;

/// What the processors have given to the threads of a tree that still run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Time on a processor.
    pub on_cpu: Duration,
    /// Time in which a thread could have run but had to wait for a processor.
    pub waited: Duration,
    /// At least one thread runs, could run, or waits for a disk.
    pub runnable: bool,
    /// How often a thread had to wait for a page to come from a disk.
    pub page_ins: u64,
}

/// What a tree takes up at present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Processes.
    pub processes: u64,
    /// Threads of all processes.
    pub threads: u64,
    /// Bytes of memory in use, summed over the processes; shared pages count for each.
    pub resident: u64,
    /// The most bytes that each process has had in use, summed.
    pub peak: u64,
}

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{
    activity, event_loop, figures, holder, listens_itself_at, listens_on, sockets,
};
#[cfg(target_os = "linux")]
pub(super) use linux::{
    activity, event_loop, figures, holder, listens_itself_at, listens_on, sockets,
};

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashSet;
    use std::fs::{self, File};
    use std::io::{BufRead, BufReader};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::path::PathBuf;

    use super::{Activity, Duration, Figures, SocketAddr};
    use crate::program::covers;
    use crate::program::tree::{Stat, below};

    /// The state of a listening socket in `/proc/net/tcp`.
    const LISTEN: &str = "0A";

    /// The living processes beneath `root`; `None` where there is none.
    fn living(root: u32) -> Option<Vec<Stat>> {
        let mut processes = below(root);
        processes.retain(Stat::is_alive);
        (!processes.is_empty()).then_some(processes)
    }

    fn pids(root: u32) -> Option<Vec<u32>> {
        Some(living(root)?.iter().map(|process| process.pid).collect())
    }

    pub(in crate::program) fn activity(root: u32) -> Option<Activity> {
        let mut sum = Activity::default();
        for process in living(root)? {
            let Ok(threads) = fs::read_dir(format!("/proc/{}/task", process.pid)) else {
                continue; // it has ended meanwhile
            };
            for thread in threads.flatten() {
                let path = thread.path();
                if let Some((on_cpu, waited)) = scheduled(&path) {
                    sum.on_cpu += on_cpu;
                    sum.waited += waited;
                }
                if let Some(thread) = path.join("stat").to_str().and_then(Stat::read) {
                    sum.runnable |= matches!(thread.state, 'R' | 'D');
                    sum.page_ins += thread.page_ins;
                }
            }
        }
        Some(sum)
    }

    /// Time on and time waiting for a processor, of one thread.
    fn scheduled(thread: &std::path::Path) -> Option<(Duration, Duration)> {
        let line = fs::read_to_string(thread.join("schedstat")).ok()?;
        let mut fields = line.split_whitespace();
        let on_cpu = fields.next()?.parse().ok()?;
        let waited = fields.next()?.parse().ok()?;
        Some((Duration::from_nanos(on_cpu), Duration::from_nanos(waited)))
    }

    pub(in crate::program) fn event_loop(root: u32) -> Option<bool> {
        let held = descriptors(&pids(root)?)?;
        Some(held.iter().any(|target| {
            matches!(
                target.to_str(),
                Some("anon_inode:[eventpoll]" | "anon_inode:[io_uring]")
            )
        }))
    }

    pub(in crate::program) fn sockets(root: u32) -> Option<usize> {
        let held = descriptors(&pids(root)?)?;
        let is_socket = |target: &&PathBuf| {
            target
                .to_str()
                .is_some_and(|target| target.starts_with("socket:"))
        };
        Some(held.iter().filter(is_socket).count())
    }

    pub(in crate::program) fn figures(root: u32) -> Option<Figures> {
        let mut sum = Figures::default();
        for process in living(root)? {
            let Ok(status) = fs::read_to_string(format!("/proc/{}/status", process.pid)) else {
                continue; // it has ended meanwhile
            };
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                let value =
                    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
                value.unwrap_or_default()
            };
            sum.processes += 1;
            sum.threads += field("Threads:");
            sum.resident += 1024 * field("VmRSS:");
            sum.peak += 1024 * field("VmHWM:");
        }
        Some(sum)
    }

    pub(in crate::program) fn listens_on(root: u32) -> Option<Vec<SocketAddr>> {
        listening(&pids(root)?)
    }

    /// Whether this very process listens there. Where that is so it is told at little
    /// cost: a row of the table at a time, for the system looks through all of a large
    /// table to fill what is asked of it, and no table after the first.
    pub(in crate::program) fn listens_itself_at(pid: u32, wanted: SocketAddr) -> bool {
        const ROW: usize = 150;
        let Ok(table) = File::open(format!("/proc/{pid}/net/tcp")) else {
            return false;
        };
        let rows = BufReader::with_capacity(ROW, table).lines().skip(1);
        let listener = rows
            .map_while(Result::ok)
            .map_while(|row| socket(&row))
            .take_while(|(state, ..)| state == LISTEN)
            .find(|(_, place, _)| address(place).is_some_and(|at| covers(at, wanted)));
        let Some((.., inode)) = listener else {
            return false;
        };
        let its = PathBuf::from(format!("socket:[{inode}]"));
        descriptors(&[pid]).is_some_and(|held| held.contains(&its))
    }

    fn listening(processes: &[u32]) -> Option<Vec<SocketAddr>> {
        let held: HashSet<PathBuf> = descriptors(processes)?.into_iter().collect();
        // The first one's network is that of all, unless they go to lengths.
        let net = format!("/proc/{}/net", processes.first()?);
        let mut places = Vec::new();
        for table in ["tcp", "tcp6"] {
            let Ok(file) = File::open(format!("{net}/{table}")) else {
                continue;
            };
            // Listening sockets come first, and there may be thousands of others.
            let rows = BufReader::new(file).lines().skip(1).map_while(Result::ok);
            for (state, place, inode) in rows.map_while(|row| socket(&row)) {
                if state != LISTEN {
                    break;
                }
                if held.contains(&PathBuf::from(format!("socket:[{inode}]"))) {
                    places.extend(address(&place));
                }
            }
        }
        places.sort_unstable();
        places.dedup(); // one port can have several listeners
        Some(places)
    }

    /// What the descriptors of all the processes stand for. `None` where we may
    /// not look into a single process.
    fn descriptors(processes: &[u32]) -> Option<Vec<PathBuf>> {
        let mut readable = processes
            .iter()
            .filter_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).ok())
            .peekable();
        readable.peek()?;
        let links = readable.flatten().flatten();
        Some(
            links
                .filter_map(|link| fs::read_link(link.path()).ok())
                .collect(),
        )
    }

    /// Who listens on a port, by its number and its name.
    pub(in crate::program) fn holder(port: u16) -> Option<(u32, String)> {
        let mut inodes = HashSet::new();
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let rows = fs::read_to_string(table).unwrap_or_default();
            for (state, place, inode) in rows.lines().filter_map(socket) {
                if state == LISTEN && address(&place).is_some_and(|at| at.port() == port) {
                    inodes.insert(format!("socket:[{inode}]"));
                }
            }
        }
        let processes = fs::read_dir("/proc").ok()?.flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
            .find(|pid| {
                let held = fs::read_dir(format!("/proc/{pid}/fd"));
                let links = held.into_iter().flatten().flatten();
                links
                    .filter_map(|link| fs::read_link(link.path()).ok())
                    .any(|target| {
                        target
                            .to_str()
                            .is_some_and(|target| inodes.contains(target))
                    })
            })
            .map(|pid| {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                (pid, name.trim().to_owned())
            })
    }

    /// State, local address and inode of a row of `/proc/net/tcp`.
    fn socket(row: &str) -> Option<(String, String, String)> {
        let mut fields = row.split_ascii_whitespace();
        let place = fields.nth(1)?.to_owned();
        let state = fields.nth(1)?.to_owned();
        let inode = fields.nth(5)?.to_owned();
        Some((state, place, inode))
    }

    /// `0100007F:1F90` is 127.0.0.1:8080: words as they lie in memory, then the port.
    fn address(text: &str) -> Option<SocketAddr> {
        let (ip, port) = text.split_once(':')?;
        let words: Vec<[u8; 4]> = ip
            .as_bytes()
            .chunks(8)
            .map(|word| {
                let word = str::from_utf8(word).ok()?;
                Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
            })
            .collect::<Option<_>>()?;
        let ip = match words.as_flattened() {
            bytes @ [_, _, _, _] => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
            bytes => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        };
        Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        proptest::proptest! {
            #[test]
            fn any_row_is_read_or_refused(row in r"\PC*", place in "[0-9A-Fa-f:]{0,60}") {
                socket(&row);
                address(&row);
                address(&place);
            }
        }

        #[test]
        #[cfg(target_endian = "little")]
        fn a_row_of_the_table_is_read() {
            let row = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0 100 0";
            let (state, place, inode) = socket(row).unwrap();
            assert_eq!((state.as_str(), inode.as_str()), (LISTEN, "12345"));
            assert_eq!(address(&place), Some(([127, 0, 0, 1], 8080).into()));
            assert_eq!(
                address("00000000000000000000000001000000:0050"),
                Some((Ipv6Addr::LOCALHOST, 80).into())
            );
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::{Activity, Figures, SocketAddr};

    pub(in crate::program) fn activity(_root: u32) -> Option<Activity> {
        None
    }

    pub(in crate::program) fn event_loop(_root: u32) -> Option<bool> {
        None
    }

    pub(in crate::program) fn figures(_root: u32) -> Option<Figures> {
        None
    }

    pub(in crate::program) fn sockets(_root: u32) -> Option<usize> {
        None
    }

    /// Who listens on a port, by its number and its name.
    pub(in crate::program) fn holder(port: u16) -> Option<(u32, String)> {
        let all = listeners::get_all().ok()?;
        let one = all.into_iter().find(|l| l.socket.port() == port)?;
        Some((one.process.pid, one.process.name))
    }

    /// Where the learner's process itself listens.
    pub(in crate::program) fn listens_itself_at(_pid: u32, _wanted: SocketAddr) -> bool {
        false
    }

    pub(in crate::program) fn listens_on(root: u32) -> Option<Vec<SocketAddr>> {
        use listeners::SocketState;

        let mut places: Vec<SocketAddr> = listeners::get_all()
            .ok()?
            .into_iter()
            .filter(|listener| {
                listener.process.pid == root && listener.state == SocketState::Listen
            })
            .map(|listener| listener.socket)
            .collect();
        places.sort_unstable();
        Some(places)
    }
}
