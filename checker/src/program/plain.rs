//! A program without a keeper, for systems that have none. Untried: it ends the
//! program itself, and neither its children nor its limits are dealt with.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::captured::{Captured, Output};
use super::{Activity, Ended, Exit, Figures, Launch, StartError, Watcher};

/// A program under way. It is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    pid: u32,
    kill: Option<oneshot::Sender<()>>,
    output: Arc<Mutex<Output>>,
    printed: watch::Receiver<u64>,
    exit: watch::Receiver<Option<Exit>>,
    tasks: JoinSet<()>,
    home: TempDir,
}

impl Program {
    /// Starts a program.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start(launch: &Launch) -> Result<Self, StartError> {
        let home = tempfile::Builder::new().prefix("workshop-").tempdir()?;
        let mut child = Command::new(&launch.command[0])
            .args(&launch.command[1..])
            .envs(launch.env.iter().cloned())
            .env("NO_PROXY", "127.0.0.1,localhost")
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                let command = launch.command[0].to_string_lossy().into_owned();
                match error.kind() {
                    std::io::ErrorKind::NotFound => StartError::NotFound { command },
                    _ => StartError::NotExecutable {
                        command,
                        why: error.to_string(),
                    },
                }
            })?;
        let pid = child.id().unwrap_or_default();
        let output = Arc::new(Mutex::new(Output::default()));
        let (says, printed) = watch::channel(0);
        let mut tasks = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            tasks.spawn(drain(stdout, output.clone(), says.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            tasks.spawn(drain(stderr, output.clone(), says));
        }
        let (kill, killed) = oneshot::channel();
        let (ended, exit) = watch::channel(None);
        tasks.spawn(async move {
            tokio::select! {
                status = child.wait() => {
                    let code = status.ok().and_then(|status| status.code()).unwrap_or(-1);
                    ended.send_replace(Some(Exit::Code(code)));
                }
                _ = killed => {
                    let _ = child.kill().await;
                }
            }
        });
        Ok(Self {
            pid,
            kill: Some(kill),
            output,
            printed,
            exit,
            tasks,
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

    /// Looks at it from any thread.
    pub fn watcher(&self) -> Watcher {
        Watcher { keeper: None }
    }

    /// Not told on this system.
    pub fn activity(&self) -> Option<Activity> {
        None
    }

    /// Not told on this system.
    pub fn event_loop(&self) -> Option<bool> {
        None
    }

    /// Where it listens.
    pub fn listens_on(&self) -> Option<Vec<SocketAddr>> {
        let all = listeners::get_all().ok()?;
        Some(
            all.into_iter()
                .filter(|listener| listener.process.pid == self.pid)
                .map(|listener| listener.socket)
                .collect(),
        )
    }

    /// Not told on this system.
    pub fn figures(&self) -> Option<Figures> {
        None
    }

    /// Ends it.
    pub async fn end(mut self) -> Ended {
        let exit = self.exit.borrow().clone();
        if let Some(kill) = self.kill.take() {
            let _ = kill.send(());
        }
        while self.tasks.join_next().await.is_some() {}
        let output = self.output();
        let _ = self.home.close();
        Ended {
            exit,
            output,
            left_behind: Vec::new(),
        }
    }
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
