//! A WebSocket client of ours: it says what it is told to, and keeps what it
//! hears, or reads nothing until it is told to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use mock_services::exchange::{Ending, Way};
use mock_services::journal::Entry;
use serde::{Deserialize, Serialize};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{Client, YOU};
use crate::tcp;

/// What a reader takes in that does not read.
const BUFFER: u32 = 8 * 1024;

/// Of a text, this much is kept.
const KEPT: usize = 60;

/// An open WebSocket. Dropping it closes the connection without a word.
#[derive(Debug)]
pub struct Socket {
    // Whoever does not read what we say must not stop us.
    say: mpsc::UnboundedSender<(Vec<Message>, oneshot::Sender<()>)>,
    _writing: JoinSet<()>,
    read: Option<SplitStream<WebSocketStream<TcpStream>>>,
    heard: Arc<Mutex<Heard>>,
    entry: Arc<Mutex<Entry>>,
    handle: std::net::TcpStream,
    reading: JoinSet<Option<SplitStream<WebSocketStream<TcpStream>>>>,
    /// For those who may be told to pause: to look there costs a little with each frame.
    stop: Option<Arc<Notify>>,
    client: Client,
}

/// What a socket has heard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// Its frames, in order, without pings.
    pub frames: Vec<Frame>,
    /// How many of them are texts: thousands are asked for again and again.
    pub texts: usize,
    /// The code of a close frame that has come; `Some(None)` where it has none.
    pub goodbye: Option<Option<u16>>,
    /// How the connection ended; `None` while it is open.
    pub end: Option<End>,
}

impl Heard {
    fn push(&mut self, frame: Frame) {
        self.texts += usize::from(matches!(frame, Frame::Text(_)));
        self.frames.push(frame);
    }
}

/// A frame that was heard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Frame {
    /// A text.
    Text(Said),
    /// Bytes, so many.
    Binary(usize),
    /// The answer to a ping.
    Pong(Vec<u8>),
}

/// A text frame, and what it says where it is JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The beginning of the frame.
    pub raw: String,
    /// `{"from": …}`
    pub from: Option<String>,
    /// The beginning of `{"text": …}`.
    pub text: Option<String>,
    /// How long that text is, in bytes.
    pub length: usize,
    /// `{"missed": …}`
    pub missed: Option<u64>,
    /// Whether it has an `error`.
    pub error: bool,
    /// `{"name": …}`
    pub name: Option<String>,
    /// `{"value": …}`
    pub value: Option<f64>,
}

/// How a WebSocket ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// With a close frame, and then the connection; the code, if there was one.
    Closed(Option<u16>),
    /// The connection ended without a close frame.
    Vanished,
    /// What came was no WebSocket.
    Broken(String),
}

#[derive(Deserialize)]
struct Json {
    from: Option<serde_json::Value>,
    text: Option<serde_json::Value>,
    missed: Option<u64>,
    error: Option<serde_json::Value>,
    name: Option<serde_json::Value>,
    value: Option<f64>,
}

impl Said {
    /// What a text frame says.
    pub fn from_text(raw: &str) -> Self {
        let cut = |text: &str| text.chars().take(KEPT).collect::<String>();
        let said = Self {
            raw: cut(raw),
            ..Self::default()
        };
        let Ok(json) = serde_json::from_str::<Json>(raw) else {
            return said;
        };
        let string = |value: Option<serde_json::Value>| match value {
            Some(serde_json::Value::String(text)) => Some(text),
            _ => None,
        };
        let text = string(json.text);
        Self {
            from: string(json.from),
            length: text.as_ref().map_or(0, String::len),
            text: text.map(|text| cut(&text)),
            missed: json.missed,
            error: json.error.is_some(),
            name: string(json.name),
            value: json.value,
            ..said
        }
    }
}

impl Client {
    /// Opens a WebSocket at that target. It reads nothing before
    /// [`Socket::listen`].
    ///
    /// # Errors
    /// What came instead, in a few words: a status, or why there is none.
    pub async fn open(&self, target: &str) -> Result<Socket, String> {
        self.open_as(target, false).await
    }

    /// The same, over a connection that holds little of what is not read.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub async fn open_narrow(&self, target: &str) -> Result<Socket, String> {
        self.open_as(target, true).await
    }

    async fn open_as(&self, target: &str, narrow: bool) -> Result<Socket, String> {
        let shown = format!("WS {target}");
        let mut entry = self.journal.arrived(YOU, self.next_connection(), shown);
        let opened = async {
            let socket = TcpSocket::new_v4().map_err(|error| error.to_string())?;
            if narrow {
                // Our window is made from this, and the other side's buffer from
                // the size of our segments.
                let _ = socket.set_recv_buffer_size(BUFFER);
                #[cfg(unix)]
                let _ = SockRef::from(&socket).set_tcp_mss(1000);
            }
            let stream = socket
                .connect(self.address)
                .await
                .map_err(|_| "the connection was refused".to_owned())?;
            let _ = stream.set_nodelay(true);
            let (stream, handle) = stream
                .into_std()
                .and_then(|stream| Ok((stream.try_clone()?, stream)))
                .and_then(|(handle, stream)| Ok((TcpStream::from_std(stream)?, handle)))
                .map_err(|error| error.to_string())?;
            let mut config = WebSocketConfig::default();
            config.read_buffer_size = 16 * 1024;
            let url = format!("ws://{}{target}", self.address);
            let (stream, _) = client_async_with_config(url, stream, Some(config))
                .await
                .map_err(|error| match error {
                    Error::Http(response) => format!("status {}", response.status().as_u16()),
                    Error::Io(_) => "the connection was closed".to_owned(),
                    other => other.to_string(),
                })?;
            Ok::<_, String>((stream, handle))
        };
        match opened.await {
            Ok((stream, handle)) => {
                entry.answered(101);
                let (write, read) = stream.split();
                let (say, said) = mpsc::unbounded_channel();
                let mut writing = JoinSet::new();
                writing.spawn(write_all(write, said));
                Ok(Socket {
                    say,
                    _writing: writing,
                    read: Some(read),
                    heard: Arc::default(),
                    entry: Arc::new(Mutex::new(entry)),
                    handle,
                    reading: JoinSet::new(),
                    stop: narrow.then(Arc::default),
                    client: self.clone(),
                })
            }
            Err(why) => {
                if let Some(status) = why.strip_prefix("status ").and_then(|s| s.parse().ok()) {
                    entry.answered(status);
                    entry.end(Ending::Answered);
                } else {
                    entry.end(Ending::Cut);
                }
                Err(why)
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Socket {
    /// The exchange's id.
    pub fn exchange(&self) -> u32 {
        lock(&self.entry).id()
    }

    /// Starts to read, and goes on to the end.
    pub fn listen(&mut self) {
        let Some(mut read) = self.read.take() else {
            return;
        };
        let heard = self.heard.clone();
        let entry = self.entry.clone();
        let client = self.client.clone();
        let stop = self.stop.clone();
        self.reading.spawn(async move {
            let mut code = None;
            let mut closing = false;
            loop {
                let next = match &stop {
                    None => read.next().await,
                    Some(stop) => tokio::select! {
                        biased;
                        () = stop.notified() => return Some(read),
                        next = read.next() => next,
                    },
                };
                let frame = match next {
                    Some(Ok(Message::Text(text))) => Frame::Text(Said::from_text(&text)),
                    Some(Ok(Message::Binary(bytes))) => Frame::Binary(bytes.len()),
                    Some(Ok(Message::Pong(payload))) => Frame::Pong(payload.to_vec()),
                    Some(Ok(Message::Close(frame))) => {
                        closing = true;
                        code = frame.map(|frame| u16::from(frame.code));
                        lock(&heard).goodbye = Some(code);
                        client.journal.touch();
                        continue;
                    }
                    Some(Ok(Message::Ping(_) | Message::Frame(_))) => continue,
                    other => {
                        let end = match other {
                            None | Some(Err(Error::ConnectionClosed)) if closing => {
                                End::Closed(code)
                            }
                            Some(Err(Error::Io(_))) | None if closing => End::Closed(code),
                            Some(Err(
                                error @ (Error::Protocol(_) | Error::Utf8(_) | Error::Capacity(_)),
                            )) if !is_reset(&error) => End::Broken(error.to_string()),
                            _ => End::Vanished,
                        };
                        let ending = match end {
                            End::Closed(_) => Ending::Answered,
                            _ => Ending::Cut,
                        };
                        lock(&entry).end(ending);
                        lock(&heard).end = Some(end);
                        client.journal.touch();
                        return None;
                    }
                };
                lock(&entry).frames(Way::Received, 1);
                lock(&heard).push(frame);
                client.journal.touch();
            }
        });
    }

    /// Stops to read, between two frames, until it is to listen again: one that was
    /// opened narrow.
    pub async fn pause(&mut self) {
        let Some(stop) = &self.stop else {
            return;
        };
        stop.notify_one();
        while let Some(read) = self.reading.join_next().await {
            self.read = read.ok().flatten();
        }
    }

    /// What it has heard so far.
    pub fn heard(&self) -> Heard {
        lock(&self.heard).clone()
    }

    /// Looks at what it has heard so far, without a copy.
    pub fn look<T>(&self, look: impl FnOnce(&Heard) -> T) -> T {
        look(&lock(&self.heard))
    }

    /// Sends a frame. Where the other side has gone, or does not read, nothing
    /// happens: that shows in what is heard.
    pub async fn say(&mut self, frame: Message) {
        self.say_all(vec![frame]).await;
    }

    /// Sends frames in one go. They have gone out when this returns, unless the
    /// other side does not read: then they wait.
    pub async fn say_all(&mut self, frames: Vec<Message>) {
        /// Long enough for anybody who reads at all, if only slowly.
        const WAIT: Duration = Duration::from_millis(100);
        lock(&self.entry).frames(Way::Sent, u32::try_from(frames.len()).unwrap_or(u32::MAX));
        let (gone_out, wait) = oneshot::channel();
        if self.say.send((frames, gone_out)).is_ok() {
            let _ = tokio::time::timeout(WAIT, wait).await;
        }
    }

    /// Whether the other side has its end open still, as the system says; what it had sent
    /// before it closed it may be under way. `None` where the system does not say.
    pub fn is_open_there(&self) -> Option<bool> {
        let (own, peer) = (self.handle.local_addr(), self.handle.peer_addr());
        match (own, peer) {
            (Ok(own), Ok(peer)) => tcp::is_open(peer, own),
            // Ours knows that it has been reset.
            _ => None,
        }
    }

    /// Says goodbye, and waits for nothing.
    pub async fn close(&mut self, code: u16) {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        self.say(Message::Close(Some(frame))).await;
    }

    /// Ends our half of the connection without a close frame.
    pub fn hang_up(self) {
        let _ = self.handle.shutdown(std::net::Shutdown::Write);
        lock(&self.entry).end(Ending::Left);
    }

    /// Resets the connection.
    pub fn reset(self) {
        let _ = SockRef::from(&self.handle).set_linger(Some(Duration::ZERO));
        lock(&self.entry).end(Ending::Left);
    }
}

async fn write_all(
    mut write: SplitSink<WebSocketStream<TcpStream>, Message>,
    mut said: mpsc::UnboundedReceiver<(Vec<Message>, oneshot::Sender<()>)>,
) {
    while let Some((frames, gone_out)) = said.recv().await {
        for frame in frames {
            if write.feed(frame).await.is_err() {
                return;
            }
        }
        if write.flush().await.is_err() {
            return;
        }
        // Whoever waited may have gone.
        let _ = gone_out.send(());
    }
}

/// tungstenite calls a connection that ends without a close frame a breach of
/// the protocol, which it is; we tell it from nonsense.
fn is_reset(error: &Error) -> bool {
    use tokio_tungstenite::tungstenite::error::ProtocolError;
    matches!(
        error,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
    )
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

    use super::*;

    /// A frame as a server sends it, its head as given.
    fn frame(head: u8, length: u8, payload: &[u8]) -> Vec<u8> {
        [&[head, length], payload].concat()
    }

    proptest! {
        #[test]
        fn any_text_says_something_or_nothing(text: String, json in r#"[{}\[\]:,"a-z0-9.e ]{0,60}"#) {
            for raw in [text, json] {
                let said = Said::from_text(&raw);
                prop_assert!(said.raw.chars().count() <= KEPT);
                prop_assert!(raw.starts_with(&said.raw));
            }
        }

        #[test]
        fn what_a_chat_says_is_understood(from: String, text: String, missed: u64) {
            let said = Said::from_text(
                &serde_json::json!({"from": from, "text": text, "missed": missed}).to_string(),
            );
            prop_assert_eq!((said.from, said.missed, said.length), (Some(from), Some(missed), text.len()));
            prop_assert_eq!(said.text, Some(text.chars().take(KEPT).collect()));
        }

        #[test]
        fn any_bytes_are_frames_or_the_end(
            frames in prop::collection::vec(
                (any::<u8>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..140)), 0..6),
        ) {
            let bytes: Vec<u8> = frames
                .iter()
                .flat_map(|(head, length, payload)| frame(*head, *length, payload))
                .collect();
            let mut socket = WebSocket::from_raw_socket(Cursor::new(bytes), Role::Client, None);
            let mut heard = 0;
            while let Ok(message) = socket.read() {
                if let Message::Text(text) = message {
                    Said::from_text(&text);
                }
                heard += 1;
            }
            prop_assert!(heard <= 6 * 71);
        }
    }
}
