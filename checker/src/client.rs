//! Our own HTTP client: every request on a connection of its own, recorded.

mod conversation;
mod socket;

use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::Request;
use hyper::header::{CONNECTION, HOST};
use hyper_util::rt::TokioIo;
use mock_services::exchange::Ending;
use mock_services::journal::{Entry, Journal};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub use conversation::{Conversation, Sending, Sent, Unanswered, Whole};
pub use socket::{End, Frame, Heard, Said, Socket};

/// What the journal calls the learner's program.
pub const YOU: &str = "you";

/// An answer may be this long; every contract's is shorter by far.
const LONGEST: usize = 1024 * 1024;

/// And with all that comes before and around its body: heads, and answers that
/// only say that one is to come.
const LONGEST_ANSWER: usize = 2 * LONGEST;

/// Asks one server. Clones count their connections together.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    journal: Journal,
    connections: Arc<AtomicU32>,
    speaks_from: Arc<AtomicU16>,
}

/// A request that has been sent.
#[derive(Debug)]
pub struct Asked {
    path: String,
    entry: Entry,
    stream: std::io::Result<Spoken<std::net::TcpStream>>,
    late: Duration,
}

/// Connects and says `request`, both without waiting. On loopback the kernel does
/// both at once, whatever the program does, unless its queue of connections is
/// full; then the request has not been spoken yet.
///
/// # Errors
/// Where the connection is refused.
pub fn speak(address: SocketAddr, request: &[u8]) -> std::io::Result<Spoken<std::net::TcpStream>> {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Err(error) = socket.connect(&address.into()) {
        // In progress, in the words of Unix and of Windows.
        let in_progress = error.kind() == std::io::ErrorKind::WouldBlock
            || cfg!(unix) && error.raw_os_error().is_some_and(|code| code == IN_PROGRESS);
        if !in_progress {
            return Err(error);
        }
    }
    let mut stream = std::net::TcpStream::from(socket);
    let spoken = matches!(stream.write(request), Ok(said) if said == request.len());
    Ok(Spoken::new(stream, spoken))
}

/// `EINPROGRESS`
const IN_PROGRESS: i32 = if cfg!(target_os = "linux") { 115 } else { 36 };

/// A connection on which the request may have been spoken already: what hyper
/// writes then is the same request again, and is left out.
#[derive(Debug)]
pub struct Spoken<S> {
    /// The connection.
    pub stream: S,
    /// Whether the request has been spoken.
    pub spoken: bool,
    /// Whether hyper has spoken its own. An answer may be there before that,
    /// and hyper takes an answer without a question for nonsense.
    echoed: bool,
    reading: Option<Waker>,
    /// Bytes that have come so far.
    heard: usize,
}

impl<S> Spoken<S> {
    fn new(stream: S, spoken: bool) -> Self {
        Self {
            stream,
            spoken,
            echoed: false,
            reading: None,
            heard: 0,
        }
    }
}

impl AsyncRead for Spoken<TcpStream> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if !self.echoed {
            self.reading = Some(context.waker().clone());
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.heard += buffer.filled().len() - before;
        if self.heard > LONGEST_ANSWER {
            return Poll::Ready(Err(std::io::ErrorKind::FileTooLarge.into()));
        }
        read
    }
}

impl AsyncWrite for Spoken<TcpStream> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.echoed = true;
        if let Some(reading) = self.reading.take() {
            reading.wake();
        }
        if self.spoken {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What came of one request of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The exchange's id in the journal.
    pub exchange: u32,
    /// What was asked for: `/today`.
    pub path: String,
    /// The reply, or why there is none.
    pub reply: Result<Reply, NoReply>,
    /// How long we took ourselves to send the request once we had begun to
    /// connect: a server may rightly hang up on somebody who says nothing.
    pub late: Duration,
}

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body; what is no UTF-8 in it is replaced.
    pub body: String,
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum NoReply {
    /// Nobody listens there.
    #[error("the connection was refused")]
    Refused,
    /// The connection was closed or broke before the whole reply was there.
    #[error("the connection was closed without a whole answer")]
    Closed,
    /// What came was no HTTP.
    #[error("what came back is no HTTP/1 answer ({0})")]
    NotHttp(String),
    /// The body went past a megabyte, or what came before it past another.
    #[error("the answer went on past 1 MiB")]
    Endless,
}

impl Client {
    /// A client for the server at that address.
    pub fn new(address: SocketAddr, journal: Journal) -> Self {
        Self {
            address,
            journal,
            connections: Arc::default(),
            speaks_from: Arc::default(),
        }
    }

    /// `GET path`, on a new connection, to the end of its body.
    pub async fn get(&self, path: &str) -> Answer {
        self.answer(self.send(path)).await
    }

    /// Sends `GET path` on a new connection. When this returns, the request is
    /// in the hands of the kernel: what is sent after it arrives after it, however
    /// busy the machine.
    pub fn send(&self, path: &str) -> Asked {
        let connection = self.next_connection();
        let entry = self.journal.arrived(YOU, connection, format!("GET {path}"));
        let began = Instant::now();
        let stream = speak(self.address, self.request(path).as_bytes());
        Asked {
            path: path.to_owned(),
            entry,
            stream,
            late: began.elapsed(),
        }
    }

    /// What comes of a request that has been sent.
    pub async fn answer(&self, sent: Asked) -> Answer {
        let Asked {
            path,
            mut entry,
            stream,
            late,
        } = sent;
        let exchange = entry.id();
        let reply = self.exchange(&path, stream, &mut entry).await;
        entry.end(match reply {
            Ok(_) => Ending::Answered,
            Err(_) => Ending::Cut,
        });
        Answer {
            exchange,
            path,
            reply,
            late,
        }
    }

    /// The recording that it writes to.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    fn next_connection(&self) -> u32 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The connection, once there is one. Where the program's queue of connections is
    /// full (that of Python's servers holds five), the system would knock again after a
    /// second only, and who counts clients would take that for the program's doing.
    async fn connected(
        &self,
        path: &str,
        first: std::io::Result<Spoken<std::net::TcpStream>>,
    ) -> std::io::Result<Spoken<TcpStream>> {
        const AGAIN: Duration = Duration::from_millis(15);
        let mut stream = first?;
        loop {
            let Spoken { spoken, .. } = stream;
            let on = TcpStream::from_std(stream.stream)?;
            if spoken {
                return Ok(Spoken::new(on, true));
            }
            if let Ok(connected) = tokio::time::timeout(AGAIN, on.writable()).await {
                connected?;
                return match on.take_error()? {
                    None => Ok(Spoken::new(on, false)),
                    Some(error) => Err(error),
                };
            }
            drop(on);
            stream = speak(self.address, self.request(path).as_bytes())?;
        }
    }

    fn request(&self, path: &str) -> String {
        format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.address
        )
    }

    async fn exchange(
        &self,
        path: &str,
        stream: std::io::Result<Spoken<std::net::TcpStream>>,
        entry: &mut Entry,
    ) -> Result<Reply, NoReply> {
        let stream = self.connected(path, stream).await;
        let stream = stream.map_err(|_| NoReply::Refused)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| NoReply::Closed)?;
        let request = Request::get(path)
            .header(HOST, self.address.to_string())
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| NoReply::NotHttp(error.to_string()))?;
        // The connection is driven here and not in a task of its own, so that
        // dropping this future closes it.
        let conversation = async {
            let response = sender.send_request(request).await.map_err(no_reply)?;
            let status = response.status().as_u16();
            entry.answered(status);
            let body = Limited::new(response.into_body(), LONGEST)
                .collect()
                .await
                .map_err(|error| match error.downcast::<LengthLimitError>() {
                    Ok(_) => NoReply::Endless,
                    Err(_) => NoReply::Closed,
                })?;
            Ok(Reply {
                status,
                body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
            })
        };
        tokio::pin!(conversation);
        tokio::pin!(connection);
        tokio::select! {
            biased;
            reply = &mut conversation => reply,
            _ = &mut connection => conversation.await,
        }
    }
}

fn no_reply(error: hyper::Error) -> NoReply {
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref());
    let is_endless = cause
        .is_some_and(|cause: &std::io::Error| cause.kind() == std::io::ErrorKind::FileTooLarge);
    if is_endless {
        NoReply::Endless
    } else if error.is_parse() {
        NoReply::NotHttp(error.to_string())
    } else {
        NoReply::Closed
    }
}
