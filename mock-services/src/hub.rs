//! The parent hub of ex06 by hand, with a page that shows what arrives.
//!
//! ```text
//! gateways ─▶ /broadcast ─▶ watch: each room's newest level ─▶ /levels ─▶ the page at /
//! ```

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use clap::ValueEnum;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use mock_services::moment::{Clock, Moment};
use mock_services::parent::MOUNT;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::say;

/// The page hears of changes at most this often.
const PAGE_PAUSE: Duration = Duration::from_millis(100);
/// And of nothing new after this long, for the sake of the levels' ages.
const PAGE_BEAT: Duration = Duration::from_secs(1);
/// Levels are logged at most this often.
const LOG_PAUSE: Duration = Duration::from_secs(5);
/// This many rooms are shown; the one that has been silent longest makes room.
const ROOMS: usize = 200;
/// A frame over this many bytes ends the connection that it came on.
const LONGEST_FRAME: usize = 64 * 1024;
/// A deaf parent looks this often whether its connections are still there.
const DEAF_PING: Duration = Duration::from_secs(1);
/// What a deaf parent does not read is felt after this many bytes.
const NARROW: usize = 8 * 1024;

/// What goes wrong at the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BadDay {
    /// It takes connections, and reads nothing
    Deaf,
    /// It never answers the handshake
    Hang,
    /// It ends every connection at once
    Drop,
    /// Nobody listens; the page is away, too
    Refuse,
}

/// A running hub. It ends when it is dropped.
pub(crate) struct Hub {
    address: SocketAddr,
    _tasks: JoinSet<()>,
    // Keeps the port from others where nobody is to listen on it.
    _reserved: Option<Socket>,
}

struct Shared {
    clock: Clock,
    bad_day: Option<BadDay>,
    connections: AtomicU32,
    board: watch::Sender<Board>,
}

/// What the page shows.
#[derive(Default)]
struct Board {
    connected: u32,
    frames: u64,
    rooms: BTreeMap<String, Level>,
}

struct Level {
    value: f64,
    at: Moment,
}

/// A frame of a gateway.
#[derive(Deserialize)]
struct Report {
    name: String,
    value: f64,
}

/// A frame for the page.
#[derive(Serialize)]
struct Sight<'a> {
    connected: u32,
    frames: u64,
    bad_day: Option<&'static str>,
    rooms: Vec<Room<'a>>,
}

#[derive(Serialize)]
struct Room<'a> {
    name: &'a str,
    value: f64,
    age_ms: u128,
}

impl Board {
    fn report(&mut self, report: Report, at: Moment) {
        self.frames += 1;
        let value = report.value;
        self.rooms.insert(report.name, Level { value, at });
        if self.rooms.len() > ROOMS {
            let silent = self.rooms.iter().min_by_key(|(_, level)| level.at);
            if let Some(name) = silent.map(|(name, _)| name.clone()) {
                self.rooms.remove(&name);
            }
        }
    }

    fn sight(&self, bad_day: Option<BadDay>, now: Moment) -> String {
        let rooms = self.rooms.iter().map(|(name, level)| Room {
            name,
            value: level.value,
            age_ms: now.since(level.at).as_millis(),
        });
        let sight = Sight {
            connected: self.connected,
            frames: self.frames,
            bad_day: bad_day.map(|day| match day {
                BadDay::Deaf => "deaf",
                BadDay::Hang => "hang",
                BadDay::Drop => "drop",
                BadDay::Refuse => "refuse",
            }),
            rooms: rooms.collect(),
        };
        // Names and finite numbers: nothing that JSON cannot say.
        serde_json::to_string(&sight).unwrap_or_default()
    }

    /// `kitchen 0.42, hall 0.1 and 3 more`
    fn words(&self) -> String {
        const MOST: usize = 4;
        let shown: Vec<_> = self
            .rooms
            .iter()
            .take(MOST)
            .map(|(name, level)| {
                let name: String = name.chars().take(30).collect();
                format!("{} {}", name.escape_debug(), level.value)
            })
            .collect();
        match self.rooms.len().saturating_sub(MOST) {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }
}

impl Hub {
    /// # Errors
    /// Where the port cannot be had.
    pub(crate) fn open(port: u16, bad_day: Option<BadDay>, clock: Clock) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(cfg!(unix))?;
        if bad_day == Some(BadDay::Deaf) {
            // Connections inherit it.
            socket.set_recv_buffer_size(NARROW)?;
        }
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
        let address = socket
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("a socket without an address"))?;
        let mut hub = Self {
            address,
            _tasks: JoinSet::new(),
            _reserved: None,
        };
        if bad_day == Some(BadDay::Refuse) {
            hub._reserved = Some(socket);
            return Ok(hub);
        }
        socket.listen(1024)?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from_std(socket.into())?;
        let shared = Arc::new(Shared {
            clock,
            bad_day,
            connections: AtomicU32::new(0),
            board: watch::Sender::default(),
        });
        hub._tasks.spawn(log(shared.clone()));
        hub._tasks.spawn(accept(listener, shared));
        Ok(hub)
    }

    /// `ws://127.0.0.1:7003/broadcast`
    pub(crate) fn url(&self) -> String {
        format!("ws://{}{MOUNT}", self.address)
    }

    /// `http://127.0.0.1:7003/`
    pub(crate) fn page(&self) -> String {
        format!("http://{}/", self.address)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, shared.clone()));
                }
                // Out of descriptors, most likely: let some of ours end first.
                Err(_) => { let _ = connections.join_next().await; }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, shared.clone()));
    // An error here is a peer that left or sent no HTTP, or one that was dropped.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

type Answer = Response<Full<Bytes>>;

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> anyhow::Result<Answer> {
    match request.uri().path() {
        "/" => {
            let mut page = Response::new(Full::from(include_str!("hub.html")));
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            page.headers_mut().insert(CONTENT_TYPE, html);
            Ok(page)
        }
        MOUNT => {
            let visit = Visit::begin(shared);
            match visit.shared.bad_day {
                Some(BadDay::Hang) => std::future::pending().await,
                Some(BadDay::Drop) => anyhow::bail!("dropped on purpose"),
                Some(BadDay::Deaf | BadDay::Refuse) | None => {
                    upgraded(request, |socket| visit.listen(socket))
                }
            }
        }
        "/levels" => upgraded(request, |socket| show(socket, shared)),
        _ => status(StatusCode::NOT_FOUND, "There is a page at /."),
    }
}

fn status(status: StatusCode, words: &'static str) -> anyhow::Result<Answer> {
    let response = Response::builder().status(status);
    response.body(Full::from(words)).context("a bad answer")
}

type WebSocket = WebSocketStream<TokioIo<Upgraded>>;

/// Answers the handshake, and goes on with the WebSocket in a task of its own.
fn upgraded<Talk: Future<Output = ()> + Send + 'static>(
    mut request: Request<Incoming>,
    talk: impl FnOnce(WebSocket) -> Talk + Send + 'static,
) -> anyhow::Result<Answer> {
    let Ok(response) = create_response_with_body(&request, Full::default) else {
        return status(StatusCode::BAD_REQUEST, "This path takes a WebSocket.");
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(stream) = upgrade.await else { return };
        let config = WebSocketConfig::default()
            .max_frame_size(Some(LONGEST_FRAME))
            .max_message_size(Some(LONGEST_FRAME));
        let stream = TokioIo::new(stream);
        talk(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await).await;
    });
    Ok(response)
}

/// A gateway's connection, logged when it begins and when it is dropped.
struct Visit {
    shared: Arc<Shared>,
    number: u32,
    began: Moment,
    frames: u64,
    others: u64,
    connected: bool,
}

impl Visit {
    fn begin(shared: Arc<Shared>) -> Self {
        let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let began = shared.clock.now();
        let how = match shared.bad_day {
            Some(BadDay::Hang) => ": gets no answer",
            Some(BadDay::Drop) => ": is dropped",
            Some(BadDay::Deaf) => ": is not read",
            Some(BadDay::Refuse) | None => "",
        };
        say(&format!(
            "{}<- WS {MOUNT} (connection {number}){how}\n",
            stamp(began)
        ));
        Self {
            shared,
            number,
            began,
            frames: 0,
            others: 0,
            connected: false,
        }
    }

    async fn listen(mut self, mut socket: WebSocket) {
        self.connected = true;
        self.shared.board.send_modify(|board| board.connected += 1);
        if self.shared.bad_day == Some(BadDay::Deaf) {
            // Who reads nothing sees by writing that the other side has left.
            while socket.send(Message::Ping(Bytes::new())).await.is_ok() {
                sleep(DEAF_PING).await;
            }
            return;
        }
        // Reading answers pings and closes, too.
        while let Some(Ok(frame)) = socket.next().await {
            let report = match &frame {
                Message::Text(text) => serde_json::from_str(text).ok(),
                Message::Binary(_) => None,
                _ => continue,
            };
            let now = self.shared.clock.now();
            match report {
                Some(report) => {
                    self.frames += 1;
                    let board = &self.shared.board;
                    board.send_modify(|board| board.report(report, now));
                }
                None => {
                    if self.others == 0 {
                        let number = self.number;
                        say(&format!(
                            "{}connection {number} sent a frame that is no level\n",
                            stamp(now)
                        ));
                    }
                    self.others += 1;
                }
            }
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if self.connected {
            self.shared.board.send_modify(|board| board.connected -= 1);
        }
        let now = self.shared.clock.now();
        say(&format!(
            "{}-> WS {MOUNT} (connection {}) over after {:.3} s; levels: {}\n",
            stamp(now),
            self.number,
            now.since(self.began).as_secs_f64(),
            self.frames
        ));
    }
}

/// Tells the page what the board says, at once and whenever that changes.
async fn show(socket: WebSocket, shared: Arc<Shared>) {
    let (mut sink, mut stream) = socket.split();
    let telling = async {
        let mut changes = shared.board.subscribe();
        loop {
            let sight = changes
                .borrow_and_update()
                .sight(shared.bad_day, shared.clock.now());
            if sink.send(Message::text(sight)).await.is_err() {
                return;
            }
            sleep(PAGE_PAUSE).await;
            let _ = timeout(PAGE_BEAT, changes.changed()).await;
        }
    };
    tokio::select! {
        () = telling => {}
        // Reading answers pings, and sees the page leave.
        () = async { while let Some(Ok(_)) = stream.next().await {} } => {}
    }
}

/// Prints the newest levels, now and then.
async fn log(shared: Arc<Shared>) {
    let mut changes = shared.board.subscribe();
    let mut told = 0;
    loop {
        let words = match changes.wait_for(|board| board.frames > told).await {
            Ok(board) => {
                let more = board.frames - told;
                told = board.frames;
                format!("{} (levels: {more})\n", board.words())
            }
            Err(_closed) => return,
        };
        say(&(stamp(shared.clock.now()) + &words));
        sleep(LOG_PAUSE).await;
    }
}

/// How the parent's lines in the log begin.
fn stamp(at: Moment) -> String {
    format!("{:>9.3} s  parent   ", crate::seconds(at.as_micros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, value: f64) -> Report {
        Report {
            name: name.to_owned(),
            value,
        }
    }

    #[test]
    fn the_board_keeps_each_rooms_newest_level() {
        let mut board = Board::default();
        for (name, value) in [("kitchen", 0.4), ("hall", 0.1), ("kitchen", 0.5)] {
            board.report(report(name, value), Moment::default());
        }
        assert_eq!(board.words(), "hall 0.1, kitchen 0.5");
        assert_eq!(board.frames, 3);
    }

    #[test]
    fn the_room_that_has_been_silent_longest_makes_room() {
        let mut board = Board::default();
        for room in 0..=ROOMS {
            let now = Moment::from_micros(room as u64);
            board.report(report(&format!("room {room}"), 0.1), now);
        }
        assert_eq!(board.rooms.len(), ROOMS);
        assert!(!board.rooms.contains_key("room 0"));
        assert!(board.rooms.contains_key(&format!("room {ROOMS}")));
    }

    proptest::proptest! {
        #[test]
        fn any_frame_is_a_level_or_none(
            text: String,
            json in r#"\{"name":"[a-z]{0,3}","value":[0-9.eE+-]{1,8}\}"#,
            name: String,
            value in -1e300_f64..1e300,
        ) {
            let mut board = Board::default();
            let level = serde_json::json!({"name": name, "value": value}).to_string();
            for frame in [text, json, level] {
                if let Ok(report) = serde_json::from_str(&frame) {
                    board.report(report, Moment::default());
                }
            }
            board.words();
            let sight = board.sight(None, Moment::from_micros(u64::MAX));
            proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(&sight).is_ok());
            proptest::prop_assert!(board.rooms.contains_key(&name));
        }
    }
}
