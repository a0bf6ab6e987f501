//! What a tap is to do with a request: the wish. What happened stands in the
//! [journal](crate::journal).

use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::scene::Scene;

/// What a tap does with one request.
#[derive(Clone, Debug, Default)]
pub struct Treatment {
    /// What is answered.
    pub scene: Scene,
    /// How long the answer is kept back.
    pub latency: Duration,
    /// Withholds the answer until the hold is released.
    pub hold: Option<Hold>,
    /// Keeps the answer back in its socket until it is pulled.
    pub cork: Option<Cork>,
    /// How the answer goes out.
    pub delivery: Delivery,
    /// Lets the body come bit by bit, without end, whatever its delivery is.
    pub trickle: Option<Trickle>,
    /// Whether the connection is closed after the answer.
    pub close: bool,
}

impl Treatment {
    /// The right answer, withheld.
    pub fn held(hold: &Hold) -> Self {
        Self {
            hold: Some(hold.clone()),
            ..Self::default()
        }
    }

    /// Another scene, at once.
    pub fn scene(scene: Scene) -> Self {
        Self {
            scene,
            ..Self::default()
        }
    }

    /// The right answer, and then more and more of it.
    pub fn trickled(trickle: &Trickle) -> Self {
        Self {
            trickle: Some(trickle.clone()),
            ..Self::default()
        }
    }

    /// Another way of delivery, at once.
    pub fn delivery(delivery: Delivery) -> Self {
        Self {
            delivery,
            ..Self::default()
        }
    }
}

/// How an answer goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// At once and whole.
    #[default]
    Whole,
    /// Byte by byte, with this pause after each.
    Dribble(Duration),
    /// Half of the body, then the connection is closed. A body of one byte has a space
    /// after it: half of an answer `1` is a `1`.
    Cut,
    /// No answer; the connection is reset.
    Reset,
    /// No answer, ever; the connection stays open.
    Hang,
    /// The head and half of the body, as in [`Delivery::Cut`]; then nothing more, ever.
    HangInBody,
}

/// A request as a script sees it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The path below the service's mount point: `/today`.
    pub path: String,
    /// How many requests for that path have come to this tap, this one included.
    pub nth: u32,
}

/// A latch that answers wait behind. Clones share it; it opens once, for good.
#[derive(Clone, Debug, Default)]
pub struct Hold(Arc<Latch>);

#[derive(Debug, Default)]
struct Latch {
    is_open: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Hold {
    /// Lets everything go that waits behind it, now and later.
    pub fn release(&self) {
        self.0.is_open.send_replace(true);
    }

    /// Waits until it is released.
    pub async fn released(&self) {
        let _waiting = Waiting::at(&self.0);
        // The sender lives in `self`, so this cannot fail.
        let _ = self
            .0
            .is_open
            .subscribe()
            .wait_for(|is_open| *is_open)
            .await;
    }

    /// Waits until so many answers are ready and wait behind it. Those of them that
    /// are only on their way go out later than the rest, once it is released.
    pub async fn is_awaited_by(&self, answers: usize) {
        let mut waiting = self.0.waiting.subscribe();
        let _ = waiting.wait_for(|waiting| *waiting >= answers).await;
    }
}

/// Counts an answer for as long as it waits.
struct Waiting<'a>(&'a Latch);

impl<'a> Waiting<'a> {
    fn at(latch: &'a Latch) -> Self {
        latch.waiting.send_modify(|waiting| *waiting += 1);
        Self(latch)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

/// Bodies that come bit by bit and never end: all of the answer but its last byte, and
/// then a space at a time. JSON allows for spaces there. Clones share what is known of
/// them.
#[derive(Clone, Debug)]
pub struct Trickle {
    every: Duration,
    flow: Arc<Flow>,
}

#[derive(Debug, Default)]
struct Flow(Mutex<Bodies>);

#[derive(Debug, Default)]
struct Bodies {
    /// When the last bit of each went out, of those that are still wanted.
    last: HashMap<u32, Option<Instant>>,
    /// How many there have been.
    begun: u32,
    /// Of pauses that are over.
    longest_pause: Duration,
}

impl Flow {
    fn lock(&self) -> MutexGuard<'_, Bodies> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pause that began then, if it did.
fn so_far(began: Option<Instant>) -> Duration {
    began.map_or(Duration::ZERO, |began| began.elapsed())
}

impl Trickle {
    /// With this pause after each bit.
    pub fn every(every: Duration) -> Self {
        Self {
            every,
            flow: Arc::default(),
        }
    }

    /// How many bodies are on their way, and still wanted.
    pub fn under_way(&self) -> usize {
        self.flow.lock().last.len()
    }

    /// The longest time that any body has been silent, up to now: as long as its pause or
    /// a little longer, or far longer on a busy machine. Whoever gives up after a silence
    /// may have had a reason then, and may do so before the silence is over.
    pub fn longest_pause(&self) -> Duration {
        let bodies = self.flow.lock();
        let now = bodies.last.values().map(|last| so_far(*last)).max();
        bodies.longest_pause.max(now.unwrap_or_default())
    }
}

/// One body that trickles.
#[derive(Debug)]
pub(crate) struct Trickling {
    trickle: Trickle,
    nth: u32,
    /// What goes out first is as long as this.
    at_once: usize,
}

impl Trickling {
    pub(crate) fn of(trickle: Trickle, at_once: usize) -> Self {
        let nth = {
            let mut bodies = trickle.flow.lock();
            bodies.begun += 1;
            let nth = bodies.begun;
            bodies.last.insert(nth, None);
            nth
        };
        Self {
            trickle,
            nth,
            at_once,
        }
    }

    /// A bit goes out now. Returns how many bytes of it, and the pause after it.
    pub(crate) fn drips(&mut self) -> (usize, Duration) {
        let mut bodies = self.trickle.flow.lock();
        let last = bodies.last.insert(self.nth, Some(Instant::now())).flatten();
        bodies.longest_pause = bodies.longest_pause.max(so_far(last));
        let bytes = match last {
            None => self.at_once.max(1),
            Some(_) => 1,
        };
        (bytes, self.trickle.every)
    }
}

impl Drop for Trickling {
    fn drop(&mut self) {
        let mut bodies = self.trickle.flow.lock();
        let last = bodies.last.remove(&self.nth).flatten();
        // Whoever left may have left because of this very pause.
        bodies.longest_pause = bodies.longest_pause.max(so_far(last));
    }
}

/// A cork in the sockets of several connections: what was written to them leaves at
/// the same moment, when it is pulled, or after 200 ms each (`TCP_CORK` in tcp(7)).
/// Clones share it. Where the system has no such thing, answers leave as they are
/// written.
#[derive(Clone, Debug)]
pub struct Cork(Arc<Mutex<Option<Vec<TcpStream>>>>);

impl Default for Cork {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some(Vec::new()))))
    }
}

impl Cork {
    /// Keeps back what is written to that socket from now on, unless it was pulled.
    pub(crate) fn put_on(&self, socket: &TcpStream) {
        let mut sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whatever cannot be kept back leaves at once.
        if let (Some(sockets), Ok(socket)) = (sockets.as_mut(), socket.try_clone())
            && set(&socket, true).is_ok()
        {
            sockets.push(socket);
        }
    }

    /// Lets everything go that was kept back, for good.
    pub fn pull(&self) {
        let mut sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for socket in sockets.take().unwrap_or_default() {
            // It fails where the connection is gone.
            let _ = set(&socket, false);
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set(socket: &TcpStream, cork: bool) -> std::io::Result<()> {
    socket2::SockRef::from(socket).set_tcp_cork(cork)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set(_: &TcpStream, _: bool) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_counts_before_it_is_over_and_when_somebody_leaves_in_it() {
        const PAUSE: Duration = Duration::from_millis(20);
        let trickle = Trickle::every(Duration::from_millis(5));
        let mut body = Trickling::of(trickle.clone(), 3);
        assert_eq!(body.drips().0, 3);
        std::thread::sleep(PAUSE);
        assert!(trickle.longest_pause() >= PAUSE);
        assert_eq!(body.drips().0, 1);
        std::thread::sleep(2 * PAUSE);
        drop(body);
        assert!(trickle.longest_pause() >= 2 * PAUSE);
        assert_eq!(trickle.under_way(), 0);
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn a_cork_keeps_back_what_is_written_until_it_is_pulled() {
        use std::io::{Read as _, Write as _};

        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        // A machine that is busy for 200 ms lets it go by itself.
        let was_kept_back = (0..20).any(|_| {
            let mut there = TcpStream::connect(address).expect("it listens");
            let (mut here, _) = listener.accept().expect("it has connected");
            let cork = Cork::default();
            cork.put_on(&here);
            here.write_all(b"news").expect("there is room");
            there.set_nonblocking(true).expect("a socket");
            let kept_back = there.read(&mut [0; 4]).is_err();
            cork.pull();
            there.set_nonblocking(false).expect("a socket");
            let mut news = [0; 4];
            if kept_back {
                there.read_exact(&mut news).expect("it is let go");
                assert_eq!(&news, b"news");
            }
            // Who comes later finds it pulled.
            cork.put_on(&here);
            let is_corked = socket2::SockRef::from(&here).tcp_cork();
            assert!(!is_corked.expect("Linux tells"));
            kept_back
        });
        assert!(was_kept_back);
    }

    #[tokio::test]
    async fn a_hold_tells_how_many_wait_and_lets_all_go() {
        let hold = Hold::default();
        hold.is_awaited_by(0).await;
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let hold = hold.clone();
                tokio::spawn(async move { hold.released().await })
            })
            .collect();
        hold.is_awaited_by(3).await;
        // Whoever gives up waits no longer.
        waiting[0].abort();
        let mut left = hold.0.waiting.subscribe();
        left.wait_for(|waiting| *waiting == 2)
            .await
            .expect("it is ours");
        hold.release();
        for task in waiting.into_iter().skip(1) {
            task.await.expect("it is let go");
        }
        assert_eq!(*hold.0.waiting.borrow(), 0);
        hold.released().await;
    }
}
