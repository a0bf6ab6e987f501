//! A program without a keeper, in a job that ends with us. Untried.

use std::io;
use std::process::Stdio;

use mock_services::moment::Clock;
use tokio::process::{Child, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use win32job::Job;

use super::captured::Recorder;
use super::directory::Directory;
use super::{Ended, Exit, Launch, StartError, environment};

#[derive(Debug)]
pub(super) struct Program {
    pid: Option<u32>,
    /// Dropped, it ends the job.
    wanted: oneshot::Sender<()>,
    watch: JoinHandle<()>,
    output: [JoinHandle<()>; 2],
    recorder: Recorder,
    exit: watch::Receiver<Option<Exit>>,
}

impl Program {
    pub(super) async fn start(launch: &Launch, _clock: Clock) -> Result<Self, StartError> {
        let directory = Directory::make()?;
        let job = job()?;
        let (program, arguments) = launch
            .command
            .split_first()
            .ok_or(io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(environment::of(launch, directory.path()))
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| StartError::new(&launch.command, error))?;
        if let Some(handle) = child.raw_handle() {
            job.assign_process(handle as isize)
                .map_err(io::Error::other)?;
        }
        let recorder = Recorder::new();
        let (stdout, stderr) = child
            .stdout
            .take()
            .zip(child.stderr.take())
            .ok_or(io::Error::from(io::ErrorKind::BrokenPipe))?;
        let output = [
            tokio::spawn(recorder.clone().drain(stdout)),
            tokio::spawn(recorder.clone().drain(stderr)),
        ];
        let (told, exit) = watch::channel(None);
        let (wanted, unwanted) = oneshot::channel();
        Ok(Self {
            pid: child.id(),
            wanted,
            watch: tokio::spawn(until_gone(child, job, directory, told, unwanted)),
            output,
            recorder,
            exit,
        })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.pid
    }

    pub(super) fn root(&self) -> Option<u32> {
        self.pid
    }

    pub(super) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(super) fn exit(&self) -> watch::Receiver<Option<Exit>> {
        self.exit.clone()
    }

    pub(super) async fn end(self) -> Ended {
        drop(self.wanted);
        let _ = self.watch.await;
        for output in self.output {
            let _ = output.await;
        }
        Ended {
            exit: self.exit.borrow().clone(),
            exited: None,
            output: self.recorder.captured(),
            left_behind: Vec::new(),
            killed_keeper: false,
            was_stopped: false,
        }
    }
}

/// A job whose processes end when we close it, or end ourselves.
fn job() -> io::Result<Job> {
    let job = Job::create().map_err(io::Error::other)?;
    let mut info = job.query_extended_limit_info().map_err(io::Error::other)?;
    info.limit_kill_on_job_close();
    job.set_extended_limit_info(&info)
        .map_err(io::Error::other)?;
    Ok(job)
}

async fn until_gone(
    mut child: Child,
    job: Job,
    directory: Directory,
    exit: watch::Sender<Option<Exit>>,
    mut unwanted: oneshot::Receiver<()>,
) {
    tokio::select! {
        status = child.wait() => {
            if let Ok(status) = status {
                exit.send_replace(Some(Exit::new(status)));
            }
            let _ = unwanted.await;
        }
        _ = &mut unwanted => {}
    }
    drop(job);
    let _ = child.wait().await;
    drop(directory);
}
