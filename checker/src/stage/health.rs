//! `/healthz`, asked from a thread of its own that watches the program meanwhile.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use mock_services::exchange::Ending;
use mock_services::journal::{Entry, Journal};
use mock_services::lain::since_data_came;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{LONGEST_WAIT, QUIET, Stage, Trouble, is_idle};
use crate::client::{Spoken, YOU, speak};
use crate::program::Watcher;

/// What `/healthz` did.
#[derive(Debug)]
pub enum Health {
    /// It answered.
    Answered {
        /// With that status.
        status: u16,
        /// How often the whole program was seen asleep with the request before it.
        asleep: u32,
        /// Where it took long: how often somebody looked meanwhile.
        looks: Option<u32>,
    },
    /// It closed the connection, or sent something else than HTTP.
    Broken,
    /// The program sat idle with the request before it.
    Silent {
        /// For how long.
        after: Duration,
        /// The request, still under way.
        late: JoinSet<()>,
    },
    /// The machine was too busy to say.
    TooBusy,
}

impl Stage<'_> {
    /// Asks `/healthz` and watches the program meanwhile. A program that sits
    /// idle with the request before it is blocked; one that works, or waits for
    /// a processor, is given its time. The watching is done on a thread of its
    /// own, in short windows: how late that thread is makes a window longer, and
    /// nothing else.
    ///
    /// # Errors
    /// Where the program ends meanwhile.
    pub async fn health(&self) -> Result<Health, Trouble> {
        let Ok(mut asked) = self.ask_health() else {
            return Ok(Health::Broken);
        };
        let health = self.told(&mut asked).await?;
        Ok(health.unwrap_or(Health::Broken))
    }

    /// What comes next of a `/healthz` that is being asked. `None` where nobody asks any more.
    ///
    /// # Errors
    /// Where the program ends meanwhile.
    async fn told(&self, asking: &mut Asking) -> Result<Option<Health>, Trouble> {
        let mut exit = self.program.exit();
        tokio::select! {
            biased;
            told = asking.told.recv() => Ok(told.map(|told| match told {
                Told::Answered {
                    status,
                    asleep,
                    looks,
                } => Health::Answered {
                    status,
                    asleep,
                    looks,
                },
                Told::Broken => Health::Broken,
                Told::TooBusy => Health::TooBusy,
                Told::Idle(after) => Health::Silent {
                    after,
                    late: std::mem::take(&mut asking.late),
                },
            })),
            Ok(exit) = exit.wait_for(Option::is_some) => {
                Err(exit.clone().map_or(Trouble::TooBusy, Trouble::Ended))
            }
            () = sleep(LONGEST_WAIT) => Ok(Some(Health::TooBusy)),
        }
    }

    /// Sends `GET /healthz`, and reads the head of its answer on another thread.
    /// When this returns, the request is in the hands of the kernel.
    ///
    /// # Errors
    /// Where the program cannot be reached.
    fn ask_health(&self) -> std::io::Result<Asking> {
        let visitor = self.visitor();
        let knocked = visitor.knock()?;
        let (tell, told) = mpsc::unbounded_channel();
        let mut reading = JoinSet::new();
        reading.spawn_blocking(move || {
            visitor.listen(knocked, &tell);
        });
        Ok(Asking {
            told,
            late: reading,
        })
    }

    /// Asks `/healthz` again and again until it does not answer, on a thread of its own:
    /// that one sleeps little, and a machine that has much to do wakes it sooner than
    /// whoever works. When this returns, the first request is in the hands of the kernel.
    ///
    /// # Errors
    /// Where the program cannot be reached.
    pub fn keep_asking_health(&self) -> std::io::Result<Watch> {
        const LONGEST_PAUSE: Duration = Duration::from_millis(10);
        let visitor = self.visitor();
        let mut knocked = visitor.knock()?;
        let (tell, told) = mpsc::unbounded_channel();
        let (enough, over) = std::sync::mpsc::channel::<()>();
        let mut reading = JoinSet::new();
        let hushed = self.hushed.clone();
        reading.spawn_blocking(move || {
            let mut pause = Duration::from_millis(1);
            let goes_on = |pause| over.recv_timeout(pause) == Err(RecvTimeoutError::Timeout);
            while visitor.listen(knocked, &tell) && goes_on(pause) {
                while hushed.load(Ordering::Relaxed) {
                    if !goes_on(LONGEST_PAUSE) {
                        return;
                    }
                }
                let Ok(again) = visitor.knock() else {
                    let _ = tell.send(Told::Broken);
                    return;
                };
                knocked = again;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
        Ok(Watch {
            asking: Asking {
                told,
                late: reading,
            },
            enough: Some(enough),
        })
    }

    fn visitor(&self) -> Visitor {
        Visitor {
            address: self.port.address,
            journal: self.health_journal.clone(),
            watcher: self.program.watcher(),
        }
    }
}

/// A `/healthz` under way.
#[derive(Debug)]
struct Asking {
    told: mpsc::UnboundedReceiver<Told>,
    late: JoinSet<()>,
}

/// A `/healthz` that is asked again and again. See [`Stage::keep_asking_health`].
#[derive(Debug)]
pub struct Watch {
    asking: Asking,
    /// Dropped, it ends the asking.
    enough: Option<std::sync::mpsc::Sender<()>>,
}

impl Watch {
    /// What comes next of it. `None` where nobody asks any more: it has been enough, or
    /// one has not been answered.
    ///
    /// # Errors
    /// Where the program ends meanwhile.
    pub async fn next(&mut self, stage: &Stage<'_>) -> Result<Option<Health>, Trouble> {
        stage.told(&mut self.asking).await
    }

    /// No further one is asked. Whoever has been asked is waited for: a late answer is
    /// evidence.
    pub fn enough(&mut self) {
        self.enough = None;
    }
}

/// What is told of `/healthz` while it is asked.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// It answered, and was seen asleep so often before that, in so many looks where it
    /// took long.
    Answered {
        status: u16,
        asleep: u32,
        looks: Option<u32>,
    },
    /// The connection was closed, or what came is not HTTP.
    Broken,
    /// The program has sat idle with the request before it, for so long in all.
    Idle(Duration),
    /// It had no time for it on this machine.
    TooBusy,
}

/// Asks a program for its `/healthz`, from any thread.
#[derive(Debug)]
struct Visitor {
    address: SocketAddr,
    journal: Journal,
    watcher: Watcher,
}

/// A `GET /healthz` that is in the hands of the kernel, or was not taken yet.
#[derive(Debug)]
struct Knocked {
    at: Instant,
    entry: Entry,
    request: String,
    stream: std::net::TcpStream,
    spoken: bool,
}

impl Visitor {
    fn knock(&self) -> std::io::Result<Knocked> {
        let entry = self.journal.arrived(YOU, 1, "GET /healthz".to_owned());
        let request = format!(
            "GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        let Spoken { stream, spoken, .. } = speak(self.address, request.as_bytes())?;
        // Before that nobody watched, however long it took.
        entry.sent();
        Ok(Knocked {
            at: Instant::now(),
            entry,
            request,
            stream,
            spoken,
        })
    }

    /// Waits for the answer, however long the program sits idle. Whether it came at once.
    fn listen(&self, knocked: Knocked, tell: &mpsc::UnboundedSender<Told>) -> bool {
        const WINDOW: Duration = Duration::from_millis(10);
        /// Nobody is blocked for long who answers sooner, and nobody needs to look.
        const LONG: Duration = Duration::from_millis(12);
        let Knocked {
            at,
            mut entry,
            request,
            mut stream,
            mut spoken,
        } = knocked;
        let mut at_once = true;
        // Whoever listened may have gone.
        let mut tell = |told| {
            at_once &= matches!(told, Told::Answered { .. });
            let _ = tell.send(told);
        };
        let began = Instant::now();
        // Where its queue of connections is full, the system would knock again after a
        // second only.
        while !spoken && began.elapsed() < LONGEST_WAIT {
            std::thread::sleep(WINDOW);
            spoken = stream.write(request.as_bytes()).is_ok();
            if !spoken && let Ok(again) = speak(self.address, request.as_bytes()) {
                (stream, spoken) = (again.stream, again.spoken);
            }
        }
        let (mut asleep, mut looks) = (0, 0);
        // Where a wait for data is of whole milliseconds, it is done apart from the read.
        let status = stream
            .set_nonblocking(cfg!(unix))
            .and_then(|()| stream.set_read_timeout(Some(WINDOW)))
            .and_then(|()| {
                let socket = stream.try_clone()?;
                let wait = || {
                    let (times, of) = seen_asleep(&socket, WINDOW, began, self.watcher);
                    asleep += times;
                    looks += of;
                };
                read_status(&mut stream, self.watcher, wait, |after| {
                    tell(Told::Idle(after));
                })
            });
        tell(match status {
            Ok(Some(status)) => {
                // A late reader would seem to have watched for longer than it did.
                let lain = since_data_came(&stream);
                let took = at.elapsed().saturating_sub(lain.unwrap_or_default());
                entry.answer_was_read(status, lain);
                entry.end(Ending::Answered);
                Told::Answered {
                    status,
                    asleep,
                    // Where the system does not tell, nobody can look.
                    looks: (took > LONG && self.watcher.activity().is_some()).then_some(looks),
                }
            }
            Err(error) if is_timeout(&error) => Told::TooBusy,
            Ok(None) | Err(_) => Told::Broken,
        });
        at_once
    }
}

/// Waits for data, `window` at most, and counts how often the whole program is asleep
/// meanwhile, and how often anybody looked.
#[cfg(unix)]
fn seen_asleep(
    stream: &std::net::TcpStream,
    window: Duration,
    began: Instant,
    watcher: Watcher,
) -> (u32, u32) {
    /// A program that is free has answered long before.
    const LOOK_EVERY: Duration = Duration::from_millis(2);
    /// Whoever stands still for longer is found out by that.
    const LOOK_FOR: Duration = Duration::from_millis(400);
    let (mut times, mut looks) = (0, 0);
    let waiting = Instant::now();
    loop {
        let left = window.saturating_sub(waiting.elapsed());
        let look = began.elapsed() < LOOK_FOR;
        let step = if look { left.min(LOOK_EVERY) } else { left };
        if has_data_within(stream, step) || waiting.elapsed() >= window {
            return (times, looks);
        }
        if !look {
            continue;
        }
        looks += 1;
        // Its answer may be the last thing that it did before it slept.
        if watcher.asleep().is_some() && !has_data_within(stream, Duration::ZERO) {
            times += 1;
        }
    }
}

/// Here the read itself waits, and nobody can look at a program.
#[cfg(not(unix))]
fn seen_asleep(_: &std::net::TcpStream, _: Duration, _: Instant, _: Watcher) -> (u32, u32) {
    (0, 0)
}

/// Waits for something to read, or for the connection's end.
#[cfg(unix)]
fn has_data_within(stream: &std::net::TcpStream, wait: Duration) -> bool {
    use std::os::fd::AsFd as _;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    let millis = wait.as_micros().div_ceil(1000);
    let wait = PollTimeout::try_from(millis).unwrap_or(PollTimeout::ZERO);
    let mut socket = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
    // A signal ends it early, and the caller waits again.
    poll(&mut socket, wait).is_ok_and(|ready| ready > 0)
}

/// Reads the status of an answer, and tells once where the program sits idle
/// instead of answering. `wait` waits for data before each read.
///
/// # Errors
/// Where the connection breaks, or for too long nothing comes.
fn read_status(
    stream: &mut impl std::io::Read,
    watcher: Watcher,
    mut wait: impl FnMut(),
    mut tell_idle: impl FnMut(Duration),
) -> std::io::Result<Option<u16>> {
    const LONGEST_HEAD: usize = 64 * 1024;
    /// A server that is free answers a thousand times in this.
    const BLOCKED: Duration = Duration::from_millis(45);
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    let mut idle = Duration::ZERO;
    let mut told = false;
    let began = Instant::now();
    while end_of_head(final_answer(&head)).is_none() && head.len() < LONGEST_HEAD {
        let window = Instant::now();
        let before = watcher.activity();
        wait();
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => head.extend_from_slice(&chunk[..read]),
            Err(error) if is_timeout(&error) && began.elapsed() < LONGEST_WAIT => {
                let during = window.elapsed();
                match (before, watcher.activity()) {
                    (Some(before), Some(after)) if is_idle(before, after, during) => idle += during,
                    (None, None) if began.elapsed() > QUIET => idle += during,
                    _ => {}
                }
                if idle > BLOCKED && !told {
                    told = true;
                    tell_idle(idle);
                }
            }
            // A read with a limit is not taken up again by the system once a signal has
            // come: a program somewhere has ended.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(status_of(final_answer(&head)))
}

/// Whether a read has only taken too long, in the words of Unix and of Windows.
fn is_timeout(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut)
}

/// What comes after the hints before an answer (100 Continue, 103 Early Hints).
fn final_answer(mut bytes: &[u8]) -> &[u8] {
    while let (Some(100 | 102..=199), Some(end)) = (status_of(bytes), end_of_head(bytes)) {
        bytes = &bytes[end..];
    }
    bytes
}

/// Where a head ends that is whole.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let at = bytes.windows(END.len()).position(|part| part == END)?;
    Some(at + END.len())
}

/// The status that a head begins with.
fn status_of(head: &[u8]) -> Option<u16> {
    let head = String::from_utf8_lossy(head);
    head.strip_prefix("HTTP/1.")?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_breaks_no_answer_off() {
        use std::io::ErrorKind::{ConnectionReset, Interrupted, WouldBlock};
        struct Read(Vec<std::io::Result<&'static str>>);
        impl std::io::Read for Read {
            fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
                let bytes = self.0.remove(0)?.as_bytes();
                into[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
        }
        let status = |reads| {
            let status = read_status(&mut Read(reads), Watcher::default(), || {}, |_| {});
            status.map_err(|error| error.kind())
        };
        let fails = |kind: std::io::ErrorKind| Err(kind.into());
        let reads = vec![
            fails(Interrupted),
            Ok("HTTP/1.1 2"),
            fails(WouldBlock),
            fails(Interrupted),
            Ok("00 OK\r\n\r\n"),
        ];
        assert_eq!(status(reads), Ok(Some(200)));
        assert_eq!(status(vec![Ok("HTTP/1"), Ok("")]), Ok(None));
        assert_eq!(status(vec![fails(ConnectionReset)]), Err(ConnectionReset));
    }

    proptest::proptest! {
        #[test]
        fn any_head_has_a_status_or_none(bytes: Vec<u8>, words in r"HTTP/1\.[\PC ]{0,20}") {
            status_of(final_answer(&bytes));
            status_of(words.as_bytes());
        }

        #[test]
        fn the_status_of_a_head_is_its_second_word(status: u16, rest in r"\PC*") {
            let head = format!("HTTP/1.1 {status} {rest}");
            proptest::prop_assert_eq!(status_of(head.as_bytes()), Some(status));
        }

        #[test]
        fn hints_are_no_answer(hints in proptest::collection::vec(102_u16..200, 0..4), status in 200_u16..600, rest in r"\PC*") {
            let mut said: String = hints.iter().map(|hint| format!("HTTP/1.1 {hint} Wait\r\nlink: /\r\n\r\n")).collect();
            said += &format!("HTTP/1.1 {status} {rest}");
            proptest::prop_assert_eq!(status_of(final_answer(said.as_bytes())), Some(status));
        }
    }
}
