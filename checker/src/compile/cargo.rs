//! A cargo under way, with the compilers and linkers that it has started.

use std::io;
use std::process::ExitStatus;

use tokio::process::{Child, Command};

/// Ends cargo and everything that it has started when it is dropped before it
/// is over: a new save must not wait for the build of the last one.
#[derive(Debug)]
pub(super) struct Cargo {
    child: Option<Child>,
    /// The process group that it leads, where the system has such things. (On
    /// Windows cargo takes its compilers with it when it ends.)
    #[cfg(unix)]
    group: Option<nix::unistd::Pid>,
}

impl Cargo {
    /// Starts it.
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        command.kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let child = command.spawn()?;
        Ok(Self {
            #[cfg(unix)]
            group: child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .map(nix::unistd::Pid::from_raw),
            child: Some(child),
        })
    }

    /// The process itself.
    pub(super) fn child(&mut self) -> io::Result<&mut Child> {
        self.child.as_mut().ok_or(io::ErrorKind::NotFound.into())
    }

    /// Waits until it is over.
    pub(super) async fn wait(mut self) -> io::Result<ExitStatus> {
        let status = self.child()?.wait().await?;
        #[cfg(unix)]
        {
            self.group = None;
        }
        Ok(status)
    }
}

#[cfg(unix)]
impl Drop for Cargo {
    fn drop(&mut self) {
        use nix::errno::Errno;
        use nix::sys::signal::{Signal, killpg};
        use nix::sys::wait::waitpid;
        use nix::unistd::Pid;

        let Some(group) = self.group else { return };
        // The number is still taken: its leader has not been reaped.
        let _ = killpg(group, Signal::SIGKILL);
        drop(self.child.take());
        // Where orphans come to us, we have to reap them. They die in a moment.
        std::thread::spawn(move || {
            let all = Pid::from_raw(-group.as_raw());
            while matches!(waitpid(all, None), Ok(_) | Err(Errno::EINTR)) {}
        });
    }
}
