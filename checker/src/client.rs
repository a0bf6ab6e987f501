//! Our own HTTP client: every request on a connection of its own, recorded.

mod conversation;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::Request;
use hyper::header::{CONNECTION, HOST};
use hyper_util::rt::TokioIo;
use mock_services::exchange::Ending;
use mock_services::journal::{Entry, Journal};
use tokio::net::TcpStream;

pub use conversation::{Conversation, Sending, Sent, Unanswered, Whole};

/// What the journal calls the learner's program.
pub const YOU: &str = "you";

/// An answer may be this long; every contract's is shorter by far.
const LONGEST: usize = 1024 * 1024;

/// Asks one server. Clones count their connections together.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    journal: Journal,
    connections: Arc<AtomicU32>,
}

/// What came of one request of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body; what is no UTF-8 in it is replaced.
    pub body: String,
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// The body went past a megabyte.
    #[error("the answer's body went on past 1 MiB")]
    Endless,
}

impl Client {
    /// A client for the server at that address.
    pub fn new(address: SocketAddr, journal: Journal) -> Self {
        Self {
            address,
            journal,
            connections: Arc::default(),
        }
    }

    /// `GET path`, on a new connection, to the end of its body.
    pub async fn get(&self, path: &str) -> Answer {
        let connection = self.next_connection();
        let mut entry = self.journal.arrived(YOU, connection, format!("GET {path}"));
        let exchange = entry.id();
        let mut late = Duration::ZERO;
        let reply = self.exchange(path, &mut entry, &mut late).await;
        entry.end(match reply {
            Ok(_) => Ending::Answered,
            Err(_) => Ending::Cut,
        });
        Answer {
            exchange,
            path: path.to_owned(),
            reply,
            late,
        }
    }

    fn next_connection(&self) -> u32 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    async fn exchange(
        &self,
        path: &str,
        entry: &mut Entry,
        late: &mut Duration,
    ) -> Result<Reply, NoReply> {
        let began = Instant::now();
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(|_| NoReply::Refused)?;
        let _ = stream.set_nodelay(true);
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
        *late = began.elapsed();
        tokio::select! {
            biased;
            reply = &mut conversation => reply,
            _ = &mut connection => conversation.await,
        }
    }
}

fn no_reply(error: hyper::Error) -> NoReply {
    if error.is_parse() {
        NoReply::NotHttp(error.to_string())
    } else {
        NoReply::Closed
    }
}
