//! A request of any kind, and its answer piece by piece.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use mock_services::exchange::Ending;
use mock_services::journal::Entry;
use mock_services::upstream::{Headers, NARROW};
use serde::{Deserialize, Serialize};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Client, NoReply, YOU, no_reply};

/// A request of any kind.
#[derive(Debug, Default)]
pub struct Sent {
    /// `GET`
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Beside `Host`.
    pub headers: Headers,
    /// What follows.
    pub body: Sending,
}

impl Sent {
    /// A request without a body.
    pub fn new(method: &str, target: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.into(),
            ..Self::default()
        }
    }

    /// The same with that body.
    #[must_use]
    pub fn with(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Sending::Whole(Some(body.into()));
        self
    }
}

/// A request's body.
#[derive(Debug, Default)]
pub enum Sending {
    /// None.
    #[default]
    Nothing,
    /// At once, its length said beforehand.
    Whole(Option<Bytes>),
    /// Piece by piece as they come, chunked.
    Pieces(mpsc::Receiver<Bytes>),
}

impl Body for Sending {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut *self {
            Self::Nothing => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Pieces(pieces) => pieces
                .poll_recv(context)
                .map(|piece| piece.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Nothing | Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}

/// An answer whose head has come. Dropping it closes its connection.
#[derive(Debug)]
pub struct Conversation {
    /// The answer's status.
    pub status: u16,
    /// Its headers.
    pub headers: Headers,
    entry: Entry,
    body: Incoming,
    _driver: JoinSet<()>,
}

/// A request that got no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unanswered {
    /// The exchange's id.
    pub exchange: u32,
    /// Why there is none.
    pub why: NoReply,
    /// How long we took ourselves to send it, once we had begun to connect.
    pub late: Duration,
}

/// A whole answer, or what there is of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// The exchange's id.
    pub exchange: u32,
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Headers,
    /// Its body, as far as it came.
    pub body: Vec<u8>,
    /// Why the rest did not.
    pub broken: Option<NoReply>,
}

impl Client {
    /// Sends a request on a connection of its own, to the head of its answer.
    ///
    /// # Errors
    /// Where no head comes.
    pub async fn converse(&self, sent: Sent) -> Result<Conversation, Unanswered> {
        let shown = format!("{} {}", sent.method, sent.target);
        let mut entry = self.journal.arrived(YOU, self.next_connection(), shown);
        let exchange = entry.id();
        let began = std::time::Instant::now();
        let mut late = Duration::ZERO;
        match self.head(sent, &mut late, began).await {
            Ok((status, headers, body, driver)) => {
                entry.answered(status);
                Ok(Conversation {
                    status,
                    headers,
                    entry,
                    body,
                    _driver: driver,
                })
            }
            Err(why) => {
                entry.end(Ending::Cut);
                Err(Unanswered {
                    exchange,
                    why,
                    late,
                })
            }
        }
    }

    /// The same, to the end of its body.
    ///
    /// # Errors
    /// Where no head comes.
    pub async fn ask(&self, sent: Sent) -> Result<Whole, Unanswered> {
        Ok(self.converse(sent).await?.whole().await)
    }

    /// Our end of the newest connection that a request of any kind was sent on.
    pub fn newest_end(&self) -> SocketAddr {
        let port = self.speaks_from.load(Ordering::Relaxed);
        (self.address.ip(), port).into()
    }

    async fn head(
        &self,
        sent: Sent,
        late: &mut Duration,
        began: std::time::Instant,
    ) -> Result<(u16, Headers, Incoming, JoinSet<()>), NoReply> {
        let stream = narrow(self.address).await.map_err(|_| NoReply::Refused)?;
        let own = stream.local_addr().map_or(0, |own| own.port());
        self.speaks_from.store(own, Ordering::Relaxed);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| NoReply::Closed)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Its end shows in the body.
            let _ = connection.await;
        });
        let mut request = Request::builder()
            .method(sent.method.as_str())
            .uri(sent.target)
            .header(HOST, self.address.to_string());
        for (name, value) in sent.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(sent.body)
            .map_err(|error| NoReply::NotHttp(error.to_string()))?;
        *late = began.elapsed();
        let response = sender.send_request(request).await.map_err(no_reply)?;
        let (head, body) = response.into_parts();
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes());
                (name.to_string(), value.into_owned())
            })
            .collect();
        Ok((head.status.as_u16(), headers, body, driver))
    }
}

/// A connection that takes in little at a time, so that back-pressure is felt.
async fn narrow(address: SocketAddr) -> std::io::Result<tokio::net::TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(NARROW)?;
    socket.set_send_buffer_size(NARROW)?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Conversation {
    /// The exchange's id.
    pub fn exchange(&self) -> u32 {
        self.entry.id()
    }

    /// The next piece of its body; `None` at its end.
    pub async fn piece(&mut self) -> Option<Result<Bytes, NoReply>> {
        loop {
            let frame = self.body.frame().await;
            match frame.map(|frame| frame.map(Frame::into_data)) {
                None => {
                    self.entry.end(Ending::Answered);
                    return None;
                }
                Some(Ok(Ok(data))) => return Some(Ok(data)),
                Some(Ok(Err(_trailers))) => {}
                Some(Err(_)) => {
                    self.entry.end(Ending::Cut);
                    return Some(Err(NoReply::Closed));
                }
            }
        }
    }

    /// All that is left of its body.
    pub async fn whole(mut self) -> Whole {
        let mut body = Vec::new();
        let mut broken = None;
        while let Some(piece) = self.piece().await {
            match piece {
                Ok(piece) => body.extend_from_slice(&piece),
                Err(why) => {
                    broken = Some(why);
                    break;
                }
            }
        }
        Whole {
            exchange: self.entry.id(),
            status: self.status,
            headers: self.headers.clone(),
            body,
            broken,
        }
    }
}
