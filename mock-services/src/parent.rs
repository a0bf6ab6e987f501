//! The parent hub of ex06: a WebSocket server that takes levels, and that can be
//! away in every way there is.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use crate::exchange::{Ending, Way};
use crate::journal::Journal;
use crate::lain::since_data_came;
use crate::moment::Moment;

/// The path that browsers and gateways open.
pub const MOUNT: &str = "/broadcast";

/// Where it is, unless someone says otherwise.
pub const PORT: u16 = 7003;

/// What the parent does with connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Takes them, and reads.
    #[default]
    Well,
    /// Takes them, and reads nothing.
    Deaf,
    /// Takes the connection, and never answers the handshake.
    Hang,
    /// Answers the handshake with that status, and ends the connection.
    Refuse(u16),
    /// Takes the connection, and ends it as soon as the hub is asked for.
    Drop,
}

/// So many frames may be on their way to everybody.
const SAID_AT_ONCE: usize = 16;

/// A level as it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// The exchange of the connection that carried it.
    pub exchange: u32,
    /// The room.
    pub name: String,
    /// How loud.
    pub value: f64,
}

/// A running parent. It ends when it is dropped.
#[derive(Debug)]
pub struct Parent {
    address: SocketAddr,
    /// Where the hub is: `/k3f9/broadcast`. Whoever finds the port and has not been
    /// told is nobody's attempt.
    path: Arc<str>,
    shared: Arc<Shared>,
    accepting: Mutex<JoinSet<()>>,
    // Keeps the port ours while nobody listens on it.
    _reserved: Option<Socket>,
}

#[derive(Debug)]
struct Shared {
    journal: Journal,
    mode: watch::Sender<Mode>,
    /// Counts what ends all connections.
    generation: watch::Sender<u64>,
    connections: AtomicU32,
    attempts: Mutex<Vec<Moment>>,
    late: Mutex<Duration>,
    levels: Mutex<Vec<Level>>,
    others: AtomicU32,
    /// What is said to all who are connected.
    said: broadcast::Sender<Message>,
    pongs: Mutex<Vec<Vec<u8>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Parent {
    /// Opens a parent on a free port of the loopback interface.
    ///
    /// # Errors
    /// Where no port can be had.
    pub fn open(journal: Journal) -> io::Result<Self> {
        Self::open_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), journal)
    }

    /// Opens a parent at that address.
    ///
    /// # Errors
    /// Where the address cannot be had.
    pub fn open_at(at: SocketAddr, journal: Journal) -> io::Result<Self> {
        let first = bound(at)?;
        let address = first
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("a socket without an address"))?;
        // A second socket on the same port, where the system allows that.
        let reserved = bound(address).ok();
        let key = RandomState::new().hash_one(());
        let parent = Self {
            address,
            path: format!("/{key:016x}{MOUNT}").into(),
            shared: Arc::new(Shared {
                journal,
                mode: watch::Sender::default(),
                generation: watch::Sender::default(),
                connections: AtomicU32::new(0),
                attempts: Mutex::default(),
                late: Mutex::default(),
                levels: Mutex::default(),
                others: AtomicU32::new(0),
                said: broadcast::Sender::new(SAID_AT_ONCE),
                pongs: Mutex::default(),
            }),
            accepting: Mutex::default(),
            _reserved: reserved,
        };
        parent.listen(first)?;
        Ok(parent)
    }

    fn listen(&self, socket: Socket) -> io::Result<()> {
        socket.listen(1024)?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from_std(socket.into())?;
        let accepting = accept(listener, self.path.clone(), self.shared.clone());
        lock(&self.accepting).spawn(accepting);
        Ok(())
    }

    /// `ws://127.0.0.1:40001/k3f9/broadcast`
    pub fn url(&self) -> String {
        format!("ws://{}{}", self.address, self.path)
    }

    /// From now on, new connections are treated like that.
    pub fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// Says that to all who are connected, unless it is deaf.
    pub fn say(&self, frame: Message) {
        // Where nobody is connected, nobody hears it.
        let _ = self.shared.said.send(frame);
    }

    /// Whether a ping with that payload has been answered.
    pub fn has_pong(&self, payload: &[u8]) -> bool {
        lock(&self.shared.pongs).iter().any(|pong| pong == payload)
    }

    /// Ends all connections without a word.
    pub fn hang_up(&self) {
        self.shared.generation.send_modify(|nth| *nth += 1);
    }

    /// Ends all connections, and refuses new ones.
    pub fn close(&self) {
        lock(&self.accepting).abort_all();
        self.hang_up();
    }

    /// Listens again.
    ///
    /// # Errors
    /// Where somebody else has taken the port meanwhile.
    pub fn reopen(&self) -> io::Result<()> {
        self.listen(bound(self.address)?)
    }

    /// When connections were opened that asked for the hub, in order; whatever became
    /// of them.
    pub fn attempts(&self) -> Vec<Moment> {
        let mut attempts = lock(&self.shared.attempts).clone();
        attempts.sort_unstable();
        attempts
    }

    /// For how long, summed over the attempts that were to be dropped, one lay here before
    /// it was: by that its successor came later. Zero where the system does not tell.
    pub fn late(&self) -> Duration {
        *lock(&self.shared.late)
    }

    /// Every level so far, in order.
    pub fn levels(&self) -> Vec<Level> {
        lock(&self.shared.levels).clone()
    }

    /// How many frames have come that were no levels.
    pub fn others(&self) -> u32 {
        self.shared.others.load(Ordering::Relaxed)
    }
}

/// A socket with that address, on which nobody listens yet.
fn bound(at: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(cfg!(unix))?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    // Connections inherit it: what a deaf parent does not read is felt soon.
    socket.set_recv_buffer_size(8 * 1024)?;
    #[cfg(unix)]
    let _ = socket.set_tcp_mss(1000);
    socket.bind(&at.into())?;
    Ok(socket)
}

async fn accept(listener: TcpListener, path: Arc<str>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, path.clone(), shared.clone()));
                }
                Err(_) => { let _ = connections.join_next().await; }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

#[derive(Deserialize)]
struct Json {
    name: String,
    value: f64,
}

/// Whether what comes first on a connection asks for that path. Nothing is taken from it.
async fn asks_for(path: &str, stream: &TcpStream) -> bool {
    let wanted = format!("GET {path} ");
    let mut line = vec![0; wanted.len()];
    loop {
        match stream.peek(&mut line).await {
            Ok(0) | Err(_) => return false,
            Ok(come) if come == line.len() => return line == wanted.as_bytes(),
            // The rest of it is on its way.
            Ok(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

/// Reads, and keeps nothing, until the other side has ended the connection.
async fn left(stream: &mut TcpStream) {
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await.is_ok_and(|read| read > 0) {}
}

/// Answers the handshake with that status.
async fn refuse(stream: &mut TcpStream, status: u16) -> io::Result<()> {
    const LONGEST_HEAD: usize = 16 * 1024;
    let mut head = Vec::new();
    // What is not read would end the connection before the answer has come.
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

enum Next<F> {
    Read(F),
    Say(Message),
}

async fn serve(mut stream: TcpStream, path: Arc<str>, shared: Arc<Shared>) {
    let mut generation = shared.generation.subscribe();
    generation.mark_unchanged();
    let mode = *shared.mode.borrow();
    let opened = shared.journal.clock().now();
    let is_ours = tokio::select! {
        is_ours = asks_for(&path, &stream) => is_ours,
        _ = generation.changed() => false,
    };
    if !is_ours {
        return;
    }
    lock(&shared.attempts).push(opened);
    let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let mut entry = shared
        .journal
        .arrived("parent", number, format!("WS {MOUNT}"));
    let _ = stream.set_nodelay(true);
    let exchange = entry.id();
    let talking = async {
        match mode {
            Mode::Drop => {
                if let Ok(stream) = stream.into_std() {
                    *lock(&shared.late) += since_data_came(&stream).unwrap_or_default();
                    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                }
                return Ending::Cut;
            }
            Mode::Hang => {
                left(&mut stream).await;
                return Ending::Left;
            }
            Mode::Refuse(status) => {
                if refuse(&mut stream, status).await.is_err() {
                    return Ending::Left;
                }
                entry.answered(status);
                return Ending::Answered;
            }
            Mode::Well | Mode::Deaf => {}
        }
        let Ok(mut socket) = accept_async(stream).await else {
            return Ending::Left;
        };
        entry.answered(101);
        let mut said = shared.said.subscribe();
        let mut modes = shared.mode.subscribe();
        loop {
            if *modes.borrow() == Mode::Deaf {
                let _ = modes.wait_for(|mode| *mode != Mode::Deaf).await;
            }
            let next = tokio::select! {
                frame = socket.next() => Next::Read(frame),
                Ok(_) = modes.wait_for(|mode| *mode == Mode::Deaf) => continue,
                Ok(frame) = said.recv() => Next::Say(frame),
            };
            let frame = match next {
                Next::Read(frame) => frame,
                Next::Say(frame) => match socket.send(frame).await {
                    Ok(()) => continue,
                    Err(_) => return Ending::Left,
                },
            };
            match frame {
                Some(Ok(Message::Text(text))) => {
                    entry.frames(Way::Sent, 1);
                    match serde_json::from_str::<Json>(&text) {
                        Ok(Json { name, value }) => lock(&shared.levels).push(Level {
                            exchange,
                            name,
                            value,
                        }),
                        Err(_) => {
                            shared.others.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    shared.journal.touch();
                }
                Some(Ok(Message::Binary(_))) => {
                    shared.others.fetch_add(1, Ordering::Relaxed);
                }
                Some(Ok(Message::Pong(payload))) => {
                    lock(&shared.pongs).push(payload.to_vec());
                    shared.journal.touch();
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ending::Left,
            }
        }
    };
    let ending = tokio::select! {
        ending = talking => ending,
        _ = generation.changed() => Ending::Cut,
    };
    entry.end(ending);
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_frame_is_a_level_or_none(
            text: String,
            json in r#"\{("name"|"value"|[:,{}"a-z0-9.e-]){0,20}\}"#,
            name: String,
            value in -1e9_f64..1e9,
        ) {
            for frame in [text, json] {
                if let Ok(Json { value, .. }) = serde_json::from_str(&frame) {
                    proptest::prop_assert!(value.is_finite());
                }
            }
            let level = serde_json::json!({"name": name, "value": value}).to_string();
            let heard: Json = serde_json::from_str(&level).expect("a level");
            proptest::prop_assert_eq!(heard.name, name);
            let off: f64 = heard.value - value;
            proptest::prop_assert!(off.abs() <= f64::EPSILON * f64::abs(value));
        }
    }
}
