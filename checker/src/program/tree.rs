//! The processes beneath a process, as `/proc` shows them.

use std::collections::{HashMap, HashSet};
use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// More passes than any tree needs that does not outgrow us.
const PASSES: usize = 64;

/// What `/proc/PID/stat` says first.
#[derive(Debug)]
pub(super) struct Stat {
    pub(super) pid: u32,
    pub(super) name: String,
    pub(super) state: char,
    pub(super) parent: u32,
    pub(super) session: u32,
    /// How often it had to wait for a page to come from a disk.
    pub(super) page_ins: u64,
    /// When it began, in the kernel's ticks. Numbers are given out again; a number
    /// and this are not.
    began: u64,
}

impl Stat {
    /// What is said of a process, or of a thread by its full path.
    pub(super) fn read(path: &str) -> Option<Self> {
        Self::parse(&String::from_utf8_lossy(&fs::read(path).ok()?))
    }

    fn parse(line: &str) -> Option<Self> {
        // The name may hold anything, brackets included.
        let (before, rest) = line.rsplit_once(") ")?;
        let (pid, name) = before.split_once(" (")?;
        let mut fields = rest.split(' ');
        Some(Self {
            pid: pid.parse().ok()?,
            name: name.to_owned(),
            state: fields.next()?.chars().next()?,
            parent: fields.next()?.parse().ok()?,
            session: fields.nth(1)?.parse().ok()?,
            // Fields 6 and 12 of the line; what was taken are 3, 4 and 6.
            page_ins: fields.nth(5)?.parse().ok()?,
            began: fields.nth(9)?.parse().ok()?, // field 22
        })
    }

    /// The process of this number is still this one.
    fn is_the_same(&self) -> bool {
        Self::read(&format!("/proc/{}/stat", self.pid)).is_some_and(|now| now.began == self.began)
    }

    /// It has not ended yet.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// All descendants of a process, without itself, parents first.
///
/// While processes come and go it can miss one that the next call finds.
pub(super) fn below(root: u32) -> Vec<Stat> {
    by_children(root).unwrap_or_else(|| by_parents(root))
}

/// Asks each process for its children; `None` where the kernel was built
/// without the answer.
fn by_children(root: u32) -> Option<Vec<Stat>> {
    let mut found = children(root)?;
    let mut at = 0;
    while at < found.len() {
        found.extend(children(found[at].pid).unwrap_or_default()); // none, if it has ended meanwhile
        at += 1;
    }
    Some(found)
}

fn children(of: u32) -> Option<Vec<Stat>> {
    let threads = fs::read_dir(format!("/proc/{of}/task")).ok()?;
    let lists: Vec<String> = threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok())
        .collect();
    let numbers = lists.iter().flat_map(|list| list.split_whitespace());
    let found = numbers.filter_map(|pid| Stat::read(&format!("/proc/{pid}/stat")));
    (!lists.is_empty()).then(|| found.collect())
}

/// Asks every process of the machine for its parent.
fn by_parents(root: u32) -> Vec<Stat> {
    let mut children: HashMap<u32, Vec<Stat>> = HashMap::new();
    for process in all() {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = children.remove(&root).unwrap_or_default();
    let mut at = 0;
    while at < found.len() {
        found.extend(children.remove(&found[at].pid).unwrap_or_default());
        at += 1;
    }
    found
}

/// Every process of the machine.
fn all() -> impl Iterator<Item = Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        Stat::read(&format!("/proc/{pid}/stat"))
    })
}

/// Ends all processes that `list` names. They are stopped first, so that none
/// starts another while the rest are looked for.
pub(super) fn end(list: impl Fn() -> Vec<Stat>) {
    let mut stopped = HashSet::new();
    let mut listed = Vec::new();
    for _ in 0..PASSES {
        listed = list();
        listed.retain(Stat::is_alive);
        let known = stopped.len();
        for process in &listed {
            if stopped.insert(process.pid) {
                send(process, Signal::STOP);
            }
        }
        if stopped.len() == known {
            break;
        }
    }
    for process in &listed {
        send(process, Signal::KILL);
    }
}

/// Asks a process to end.
pub(super) fn terminate(process: &Stat) {
    send(process, Signal::TERM);
}

/// Sends a signal to a process, if it is still the one that was listed.
fn send(process: &Stat, signal: Signal) {
    let Some(pid) = number(process.pid) else {
        return;
    };
    let _ = match pidfd_open(pid, PidfdFlags::empty()) {
        // What is held cannot change any more, so one look is enough.
        Ok(held) if process.is_the_same() => pidfd_send_signal(held, signal),
        Ok(_) | Err(Errno::SRCH) => Ok(()),
        // An older kernel, or no descriptor left.
        Err(_) => kill_process(pid, signal),
    };
}

/// A number that no signal to it reaches more than one process, or the first.
fn number(pid: u32) -> Option<Pid> {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 1)?;
    Pid::from_raw(pid)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    proptest::proptest! {
        #[test]
        fn any_line_of_a_table_is_read_or_refused(line in r"\PC*", name in r"\PC*", rest in "[ A-Z0-9)-]*") {
            Stat::parse(&line);
            Stat::parse(&format!("1 ({name}) {rest}"));
        }

        #[test]
        fn a_name_may_be_anything(name in r"\PC*", pid in 1_u32.., parent: u32, page_ins: u64, began: u64) {
            let line = format!("{pid} ({name}) S {parent} 7 8 0 -1 0 1 2 {page_ins} 0 0 0 0 0 20 0 1 0 {began} 0");
            let stat = Stat::parse(&line).expect("it is whole");
            proptest::prop_assert_eq!(
                (stat.pid, stat.name, stat.parent, stat.session, stat.page_ins, stat.began),
                (pid, name, parent, 8, page_ins, began)
            );
        }
    }

    #[test]
    fn both_ways_find_children_and_grandchildren() {
        let mut shell = Command::new("sh")
            .args(["-c", "(sleep 600 & echo; wait) & wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(shell.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let numbers = |found: Vec<Stat>| found.iter().map(|stat| stat.pid).collect::<Vec<_>>();
        let by_parents = numbers(by_parents(shell.id()));
        let by_children = by_children(shell.id()).map(numbers);
        end(|| below(shell.id()));
        shell.kill().unwrap();
        shell.wait().unwrap();
        assert_eq!(by_parents.len(), 2);
        assert!(by_children.is_none_or(|found| found == by_parents));
    }

    #[test]
    fn a_signal_reaches_the_process_that_was_listed_and_no_later_one_of_its_number() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let listed = Stat::read(&format!("/proc/{}/stat", child.id())).unwrap();
        let earlier = Stat {
            began: listed.began - 1,
            name: listed.name.clone(),
            ..listed
        };
        send(&earlier, Signal::KILL);
        assert!(child.try_wait().unwrap().is_none());
        let now = Stat::read(&format!("/proc/{}/stat", child.id())).unwrap();
        send(&now, Signal::KILL);
        assert!(!child.wait().unwrap().success());
    }
}
