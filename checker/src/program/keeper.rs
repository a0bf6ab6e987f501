//! The process between the checker and a learner's program.
//!
//! ```text
//! order to start → program runs → it ends, or an order to end, or the lifeline closes
//!                → everything beneath is ended and reaped → its directory is removed
//! ```
//!
//! A keeper reads nothing but its lifeline (its standard input), and has one
//! program. Its main thread starts the program and stays until the end, because
//! on Linux the program dies with the very thread that started it.

use std::process::ExitCode;

/// Runs a keeper. `main` calls this first of all, when its first argument is
/// [`ARGUMENT`].
#[cfg(unix)]
pub fn main() -> ExitCode {
    match unix::keep() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Here no program needs a keeper.
#[cfg(windows)]
pub fn main() -> ExitCode {
    ExitCode::FAILURE
}

/// The argument that makes the checker a keeper.
pub const ARGUMENT: &str = "__keep";

#[cfg(unix)]
mod unix {
    use std::fs::{self, File};
    use std::io::{self, BufRead, BufReader, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Command, ExitStatus, Stdio};
    use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
    use std::thread;
    use std::time::{Duration, Instant};

    #[cfg(not(target_os = "linux"))]
    use nix::sys::signal::{Signal, kill, killpg};
    #[cfg(not(target_os = "linux"))]
    use nix::unistd::Pid;
    use nix::unistd::{dup2_stderr, dup2_stdout};

    use crate::program::lifeline::{self, Order, Report, Start};
    #[cfg(target_os = "linux")]
    use crate::program::tree::{self, Stat};
    use crate::program::{Exit, directory, system};

    /// How long a program may take to end once it has been asked to.
    const POLITE: Duration = Duration::from_millis(200);
    /// How long what it had started may take to follow it.
    const FOLLOW: Duration = Duration::from_millis(250);
    /// How long we insist.
    const INSIST: Duration = Duration::from_secs(3);
    /// How often we look again for what has escaped us.
    const AGAIN: Duration = Duration::from_millis(10);

    pub(super) fn keep() -> io::Result<()> {
        close_inherited();
        system::hear_only_the_lifeline();
        #[cfg(target_os = "linux")]
        {
            use nix::sys::prctl;
            prctl::set_child_subreaper(true)?;
            prctl::set_dumpable(false)?; // the program may neither trace us nor take our descriptors
        }

        let mut lifeline = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        let mut orders = BufReader::new(lifeline.try_clone()?);
        let Some(Order::Start(start)) = next_order(&mut orders)? else {
            return Ok(());
        };
        let learner = match spawn(&start) {
            Ok(learner) => learner,
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or_default();
                directory::remove(start.directory.as_ref());
                return report(&mut lifeline, &Report::CannotStart { errno });
            }
        };
        let pid = learner.id();
        report(&mut lifeline, &Report::Started { pid })?;
        release_output()?;

        let watch = Watch::new(learner, orders)?;
        let gone = watch.until_all_is_gone(&mut lifeline);
        directory::remove(start.directory.as_ref());
        report(&mut lifeline, &gone)
    }

    /// Closes whatever came to us from the checker's own parent.
    fn close_inherited() {
        let open: Vec<i32> = fs::read_dir("/dev/fd")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        for descriptor in open.into_iter().filter(|number| *number > 2) {
            let _ = nix::unistd::close(descriptor); // the one that listed them is closed already
        }
    }

    fn spawn(start: &Start) -> io::Result<Child> {
        let (program, arguments) = start
            .command
            .split_first()
            .ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(start.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&start.directory)
            .stdin(Stdio::null());
        system::contain(&mut command, start.limits, start.directory.as_ref());
        command.spawn()
    }

    /// Lets go of the pipe, so that it ends when the program's processes have.
    fn release_output() -> io::Result<()> {
        let nothing = File::options().write(true).open("/dev/null")?;
        dup2_stdout(&nothing)?;
        dup2_stderr(&nothing)?;
        Ok(())
    }

    fn next_order(orders: &mut impl BufRead) -> io::Result<Option<Order>> {
        let mut line = String::new();
        orders.read_line(&mut line)?;
        lifeline::message(&line)
    }

    fn report(lifeline: &mut UnixStream, report: &Report) -> io::Result<()> {
        lifeline.write_all(&lifeline::line(report)?)
    }

    enum Event {
        /// A child of ours has ended.
        Ended(u32, ExitStatus),
        /// A child of ours has been stopped, for however short a time.
        Stopped(u32),
        /// We have no child left. On Linux nothing is left at all.
        Childless,
        /// The order to end.
        End,
        /// The checker is gone, or has no more use for the program.
        Closed,
    }

    struct Watch {
        learner: u32,
        /// The learner's process, told apart from a later one of its number.
        #[cfg(target_os = "linux")]
        listed: Option<Stat>,
        events: Receiver<Event>,
        /// How and when the learner's process itself ended.
        ended: Option<(Exit, Instant)>,
        stopped: bool,
        childless: bool,
        asked: bool,
        closed: bool,
    }

    impl Watch {
        fn new(learner: Child, orders: BufReader<UnixStream>) -> io::Result<Self> {
            // Before anybody reaps it.
            #[cfg(target_os = "linux")]
            let listed = Stat::read(&format!("/proc/{}/stat", learner.id()));
            let (tell, events) = mpsc::channel();
            let told = tell.clone();
            thread::Builder::new().spawn(move || reap(&tell))?;
            thread::Builder::new().spawn(move || listen(orders, &told))?;
            Ok(Self {
                learner: learner.id(),
                #[cfg(target_os = "linux")]
                listed,
                events,
                ended: None,
                stopped: false,
                childless: false,
                asked: false,
                closed: false,
            })
        }

        /// Returns the last report.
        fn until_all_is_gone(mut self, lifeline: &mut UnixStream) -> Report {
            self.wait(None, |watch| {
                watch.ended.is_some() || watch.asked || watch.closed
            });
            if let (Some((exit, _)), false) = (&self.ended, self.asked) {
                let exit = exit.clone();
                let _ = report(lifeline, &Report::Ended { exit });
                self.wait(None, |watch| watch.asked || watch.closed);
            }
            let left_behind = self.ask();
            let was_stopped = self.stopped; // before we stop it ourselves
            let until = Instant::now() + INSIST;
            while !self.is_gone() && Instant::now() < until {
                self.kill();
                self.wait(Some(Instant::now() + AGAIN), Self::is_gone);
            }
            Report::Gone {
                left_behind,
                was_stopped,
            }
        }

        /// Asks the program to end, and sees what stays.
        fn ask(&mut self) -> Vec<String> {
            if self.closed {
                return Vec::new();
            }
            if self.ended.is_none() {
                // Only itself: what it started is its own to end.
                self.terminate();
                let until = Instant::now() + POLITE;
                self.wait(Some(until), |watch| watch.ended.is_some() || watch.closed);
            }
            let Some((_, ended)) = self.ended else {
                return Vec::new();
            };
            self.wait(Some(ended + FOLLOW), |watch| {
                watch.is_gone() || watch.closed
            });
            if self.is_gone() || self.closed {
                return Vec::new();
            }
            self.names()
        }

        /// Takes events until what is waited for is so, or it is too late.
        fn wait(&mut self, until: Option<Instant>, so: impl Fn(&Self) -> bool) {
            while !so(self) {
                let patience = match until {
                    None => Duration::MAX,
                    Some(until) => until.saturating_duration_since(Instant::now()),
                };
                match self.events.recv_timeout(patience) {
                    Ok(Event::Ended(pid, status)) if pid == self.learner => {
                        self.ended = Some((Exit::new(status), Instant::now()));
                    }
                    Ok(Event::Stopped(pid)) if pid == self.learner => self.stopped = true,
                    Ok(Event::Ended(..) | Event::Stopped(_)) => {}
                    Ok(Event::Childless) => self.childless = true,
                    Ok(Event::End) => self.asked = true,
                    Ok(Event::Closed) => self.closed = true,
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
                }
            }
        }

        /// Sends a signal to the program's process group. Its number stays taken
        /// while the learner's process has not been reaped, or others are in it.
        #[cfg(not(target_os = "linux"))]
        fn signal(&self, signal: impl Into<Option<Signal>>) -> bool {
            i32::try_from(self.learner)
                .is_ok_and(|group| killpg(Pid::from_raw(group), signal).is_ok())
        }
    }

    #[cfg(target_os = "linux")]
    impl Watch {
        /// Orphans come to us, so without children there are no descendants.
        fn is_gone(&self) -> bool {
            self.childless
        }

        fn terminate(&self) {
            if let Some(learner) = &self.listed {
                tree::terminate(learner);
            }
        }

        fn names(&self) -> Vec<String> {
            tree::below(std::process::id())
                .into_iter()
                .filter(|process| process.is_alive())
                .map(|process| process.name)
                .collect()
        }

        fn kill(&self) {
            let us = std::process::id();
            tree::end(|| tree::below(us));
        }
    }

    #[cfg(not(target_os = "linux"))]
    impl Watch {
        fn is_gone(&self) -> bool {
            self.childless && !self.signal(None)
        }

        fn terminate(&self) {
            if let Ok(learner) = i32::try_from(self.learner) {
                let _ = kill(Pid::from_raw(learner), Signal::SIGTERM);
            }
        }

        fn names(&self) -> Vec<String> {
            vec!["a process of its group".to_owned()]
        }

        fn kill(&self) {
            self.signal(Signal::SIGKILL);
        }
    }

    /// Reaps whatever ends, our own child or an orphan, until nothing is left.
    fn reap(tell: &Sender<Event>) {
        while let Ok(Some((pid, status))) = system::wait_for_any() {
            let _ = tell.send(match system::has_ended(status) {
                true => Event::Ended(pid, status),
                false => Event::Stopped(pid),
            });
        }
        let _ = tell.send(Event::Childless);
    }

    /// Passes orders on until none can come.
    fn listen(mut orders: BufReader<UnixStream>, tell: &Sender<Event>) {
        while let Ok(Some(Order::End)) = next_order(&mut orders) {
            let _ = tell.send(Event::End);
        }
        let _ = tell.send(Event::Closed);
    }
}
