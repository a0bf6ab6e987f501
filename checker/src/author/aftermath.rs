//! What is left once a hostile program has been graded: processes and files. A
//! port is held by a process, so where no process is left no port is.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long the last of a program may take to go after its checker has gone.
const GOES_WITHIN: Duration = Duration::from_secs(8);
/// How often it is looked for until then.
const LOOK: Duration = Duration::from_millis(20);

/// Our own children. Whatever else becomes one has lost its parent on the way,
/// and should have been ended: orphans come to us (see
/// [`adopt_orphans`](crate::program::adopt_orphans)).
#[derive(Debug)]
pub(super) struct Family(Mutex<HashSet<u32>>);

/// A child of ours, as long as this is kept.
#[derive(Debug)]
pub(super) struct Member<'family> {
    family: &'family Family,
    pid: u32,
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        self.family.known().remove(&self.pid);
    }
}

impl Family {
    pub(super) fn new(children: impl IntoIterator<Item = u32>) -> Self {
        Self(Mutex::new(children.into_iter().collect()))
    }

    pub(super) fn member(&self, pid: u32) -> Member<'_> {
        self.known().insert(pid);
        Member { family: self, pid }
    }

    fn known(&self) -> MutexGuard<'_, HashSet<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names of processes that have that folder in their environment or work
    /// in it, or that nobody is the parent of any more, once they have had time
    /// to go. They are ended.
    pub(super) async fn survivors(&self, folder: &Path) -> Option<String> {
        let began = Instant::now();
        let left = loop {
            let mut left = marked(folder);
            left.extend(self.strangers());
            if left.is_empty() || began.elapsed() > GOES_WITHIN {
                break left;
            }
            tokio::time::sleep(LOOK).await;
        };
        let names: Vec<_> = left
            .iter()
            .map(|pid| {
                let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                end(*pid);
                format!("{pid} {}", line.replace('\0', " ").trim())
            })
            .collect();
        (!names.is_empty()).then(|| format!("left processes behind: {}", names.join(", ")))
    }

    /// Children of ours that we did not start, and that still live.
    fn strangers(&self) -> Vec<u32> {
        let known = self.known().clone();
        let threads = fs::read_dir("/proc/self/task")
            .into_iter()
            .flatten()
            .flatten();
        let lists = threads.filter_map(|t| fs::read_to_string(t.path().join("children")).ok());
        let children: Vec<u32> = lists
            .flat_map(|list| {
                list.split_whitespace()
                    .filter_map(|pid| pid.parse().ok())
                    .collect::<Vec<_>>()
            })
            .collect();
        let mut strangers = children;
        strangers.retain(|pid| !known.contains(pid) && is_alive(*pid));
        strangers
    }
}

fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Processes that a program of that folder has started.
fn marked(folder: &Path) -> Vec<u32> {
    let mark = folder.as_os_str().as_encoded_bytes();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let place = format!("/proc/{pid}");
            let environment = fs::read(format!("{place}/environ")).unwrap_or_default();
            let works_in_it =
                fs::read_link(format!("{place}/cwd")).is_ok_and(|at| at.starts_with(folder));
            works_in_it || environment.windows(mark.len()).any(|part| part == mark)
        })
        .filter(|pid| is_alive(*pid))
        .collect()
}

fn end(pid: u32) {
    #[cfg(unix)]
    if let Ok(pid) = i32::try_from(pid) {
        use nix::sys::signal::{Signal, kill};
        let _ = kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
    }
    #[cfg(not(unix))]
    let _ = pid;
}

/// The most memory that a process has had so far, in bytes. `None` where the
/// system does not say.
pub(super) fn memory_peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(1024 * line.split_whitespace().next()?.parse::<u64>().ok()?)
}

/// What is not a program's to change: the workshop, and folders where everybody
/// may write.
#[derive(Debug)]
pub(super) struct Belongings {
    root: PathBuf,
    before: Mutex<BTreeMap<PathBuf, (u64, Option<SystemTime>)>>,
}

impl Belongings {
    pub(super) fn of(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            before: Mutex::new(state(root)),
        }
    }

    /// What has changed since the last time that this was asked. New files are
    /// removed.
    pub(super) fn changed(&self) -> Option<String> {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let after = state(&self.root);
        if *before == after {
            return None;
        }
        let differs = |(path, what): &(&PathBuf, &_)| before.get(*path) != Some(*what);
        let mut changed: Vec<_> = after.iter().filter(differs).map(|(path, _)| path).collect();
        changed.extend(before.keys().filter(|path| !after.contains_key(*path)));
        let names: Vec<_> = changed
            .iter()
            .take(5)
            .map(|path| path.display().to_string())
            .collect();
        for path in changed.iter().filter(|path| !before.contains_key(**path)) {
            let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
        }
        let told = format!("changed what is not its own: {}", names.join(", "));
        *before = state(&self.root);
        Some(told)
    }
}

/// Files with their lengths and times, folders by their names alone.
fn state(root: &Path) -> BTreeMap<PathBuf, (u64, Option<SystemTime>)> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let Ok(data) = fs::symlink_metadata(&path) else {
                continue;
            };
            if !data.is_dir() {
                all.insert(path, (data.len(), data.modified().ok()));
                continue;
            }
            // What cargo writes is watched by its folders' own entries only.
            if name != ".git" && name != "target" && !path.ends_with("book/build") {
                folders.push(path.clone());
            }
            all.insert(path, (0, None));
        }
    }
    let shared = ["/dev/shm", "/var/tmp"].map(PathBuf::from);
    for folder in shared
        .into_iter()
        .chain([root.join("target"), root.join("target/debug")])
    {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().contains("hostile-") {
                all.insert(entry.path(), (0, None));
            }
        }
    }
    all
}
