//! A program and its keeper, as the checker sees them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::captured::{Captured, Output};
use super::keeper::{ARGUMENT, Order, Told};
use super::{Activity, Ended, Exit, Figures, Launch, StartError, Watcher};

/// A keeper that does not do as it is told is killed after this long.
const KEEPER_WITHIN: Duration = Duration::from_secs(10);

/// A program under way. Its tree is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    pid: u32,
    keeper: Child,
    lifeline: OwnedWriteHalf,
    output: Arc<Mutex<Output>>,
    printed: watch::Receiver<u64>,
    exit: watch::Receiver<Option<Exit>>,
    gone: watch::Receiver<Option<Vec<String>>>,
    readers: JoinSet<()>,
    // Removed when everything in it has ended.
    home: TempDir,
}

impl Program {
    /// Starts a program under a keeper.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start(launch: &Launch) -> Result<Self, StartError> {
        let home = tempfile::Builder::new().prefix("workshop-").tempdir()?;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut keeper = Command::new(&launch.keeper)
            .arg(ARGUMENT)
            .env_clear()
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("{} cannot be started: {error}", launch.keeper.display()),
                )
            })?;
        let mut readers = JoinSet::new();
        let output = Arc::new(Mutex::new(Output::default()));
        let (says, printed) = watch::channel(0);
        if let Some(stdout) = keeper.stdout.take() {
            readers.spawn(drain(stdout, output.clone(), says.clone()));
        }
        if let Some(stderr) = keeper.stderr.take() {
            readers.spawn(drain(stderr, output.clone(), says));
        }

        let (lifeline_reads, mut lifeline) = UnixStream::from_std(ours)?.into_split();
        let mut line = serde_json::to_vec(&Order {
            command: launch.command.clone(),
            env: environment(launch, &home),
            limits: launch.limits,
            home: home.path().to_owned(),
        })
        .map_err(io::Error::from)?;
        line.push(b'\n');
        lifeline.write_all(&line).await?;

        let mut told = BufReader::new(lifeline_reads).lines();
        let command = || launch.command[0].to_string_lossy().into_owned();
        let first = told.next_line().await?;
        let pid = match first.as_deref().map(serde_json::from_str::<Told>) {
            Some(Ok(Told::Started(pid))) => pid,
            Some(Ok(Told::NotFound)) => return Err(StartError::NotFound { command: command() }),
            Some(Ok(Told::NotExecutable(why))) => {
                return Err(StartError::NotExecutable {
                    command: command(),
                    why,
                });
            }
            other => {
                return Err(StartError::Other(io::Error::other(format!(
                    "the keeper of `{}` did not start it ({other:?})",
                    command()
                ))));
            }
        };
        let (ended, exit) = watch::channel(None);
        let (all_gone, gone) = watch::channel(None);
        readers.spawn(async move {
            while let Ok(Some(line)) = told.next_line().await {
                match serde_json::from_str(&line) {
                    Ok(Told::Ended(exit)) => {
                        ended.send_replace(Some(exit));
                    }
                    Ok(Told::Gone(names)) => {
                        all_gone.send_replace(Some(names));
                    }
                    _ => {}
                }
            }
            // The keeper is gone. If nobody told it to go, the program did that.
            ended.send_if_modified(|exit| {
                let unknown = exit.is_none();
                if unknown {
                    *exit = Some(Exit::Signal {
                        number: 9,
                        name: "SIGKILL".to_owned(),
                    });
                }
                unknown
            });
            all_gone.send_if_modified(|names| {
                let unknown = names.is_none();
                names.get_or_insert_default();
                unknown
            });
        });
        Ok(Self {
            pid,
            keeper,
            lifeline,
            output,
            printed,
            exit,
            gone,
            readers,
            home,
        })
    }

    /// The program's own process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has printed so far.
    pub fn output(&self) -> Captured {
        self.output
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .captured()
    }

    /// How many bytes it has printed; changes as it prints.
    pub fn printed(&self) -> watch::Receiver<u64> {
        self.printed.clone()
    }

    /// How it ended, once it has.
    pub fn exit(&self) -> watch::Receiver<Option<Exit>> {
        self.exit.clone()
    }

    #[cfg(target_os = "linux")]
    fn tree(&self) -> Vec<u32> {
        self.keeper
            .id()
            .map(super::proc::descendants)
            .unwrap_or_default()
    }

    /// Looks at it from any thread.
    pub fn watcher(&self) -> Watcher {
        Watcher {
            keeper: self.keeper.id(),
        }
    }

    /// What it has done so far; `None` where the system does not tell.
    pub fn activity(&self) -> Option<Activity> {
        self.watcher().activity()
    }

    /// Whether it waits for many things at once; `None` where that is not told.
    #[cfg(target_os = "linux")]
    pub fn event_loop(&self) -> Option<bool> {
        Some(super::proc::event_loop(&self.tree()))
    }

    /// Where it listens; `None` where that is not told.
    #[cfg(target_os = "linux")]
    pub fn listens_on(&self) -> Option<Vec<SocketAddr>> {
        Some(super::proc::listens_on(&self.tree()))
    }

    /// How large it is; `None` where that is not told.
    #[cfg(target_os = "linux")]
    pub fn figures(&self) -> Option<Figures> {
        super::proc::figures(self.pid)
    }

    /// Whether it waits for many things at once; `None` where that is not told.
    #[cfg(not(target_os = "linux"))]
    pub fn event_loop(&self) -> Option<bool> {
        None
    }

    /// Where it listens; `None` where that is not told.
    #[cfg(not(target_os = "linux"))]
    pub fn listens_on(&self) -> Option<Vec<SocketAddr>> {
        let all = listeners::get_all().ok()?;
        Some(
            all.into_iter()
                .filter(|listener| listener.process.pid == self.pid)
                .map(|listener| listener.socket)
                .collect(),
        )
    }

    /// How large it is; `None` where that is not told.
    #[cfg(not(target_os = "linux"))]
    pub fn figures(&self) -> Option<Figures> {
        None
    }

    /// Ends it, and all that it started, and waits until nothing is left.
    pub async fn end(mut self) -> Ended {
        let exit = self.exit.borrow().clone();
        let _ = self.lifeline.write_all(b"end\n").await;
        let gone = self.gone.wait_for(Option::is_some);
        let left_behind = match tokio::time::timeout(KEEPER_WITHIN, gone).await {
            Ok(Ok(names)) => names.clone().unwrap_or_default(),
            _ => Vec::new(),
        };
        let _ = self.keeper.start_kill();
        let _ = self.keeper.wait().await;
        // All writers are gone, so the pipes end, and with them their readers.
        let drained = async { while self.readers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_millis(200), drained).await;
        let output = self.output();
        let _ = self.home.close();
        Ended {
            exit,
            output,
            left_behind,
        }
    }
}

/// What any program needs, what the contract names, and nothing else.
fn environment(launch: &Launch, home: &TempDir) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
    let inherited = ["PATH", "LANG"]
        .into_iter()
        .filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
    // Loopback calls must not end up in a proxy.
    let own = [
        ("HOME", home.path().as_os_str().to_owned()),
        ("TMPDIR", home.path().as_os_str().to_owned()),
        ("NO_PROXY", "127.0.0.1,localhost".into()),
        ("no_proxy", "127.0.0.1,localhost".into()),
    ]
    .map(|(name, value)| (name.into(), value));
    let given = launch
        .env
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    inherited.chain(own).chain(given).collect()
}

async fn drain(
    mut pipe: impl AsyncRead + Unpin,
    output: Arc<Mutex<Output>>,
    says: watch::Sender<u64>,
) {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = pipe.read(&mut chunk).await {
        let total = output
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(&chunk[..read]);
        says.send_replace(total);
    }
}
