//! Mistake: the room is told who comes in, which nobody asked for.

use std::{
    collections::HashMap,
    env,
    error::Error,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{
        Query, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    },
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{
        broadcast::{self, error::RecvError},
        mpsc,
    },
    task::yield_now,
    time::{sleep, timeout},
};

/// A frame over this many bytes ends the connection with code 1009.
const LONGEST_FRAME: usize = 64 << 10;
/// How many messages of a room are kept for those who have yet to read them.
const BACKLOG: usize = 256;
/// How long one frame may wait for a reader that does not read at all.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a goodbye may take.
const CLOSING: Duration = Duration::from_secs(5);
/// How long a client has to fetch a close frame that it did not ask for.
const LINGER: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = Router::new()
        .route(
            "/",
            get(Html(include_str!(
                "../../../../exercises/ex05-chat/page.html"
            ))),
        )
        .route("/healthz", get("ok"))
        .route("/ws", get(enter))
        .with_state(Chat::default());

    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ex05 listens on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|client| _ = client.set_nodelay(true));
    axum::serve(listener, app).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Seat {
    room: String,
    name: String,
}

async fn enter(State(chat): State<Chat>, seat: Query<Seat>, ws: WebSocketUpgrade) -> Response {
    let Query(Seat { room, name }) = seat;
    if room.is_empty() || name.is_empty() {
        return (StatusCode::BAD_REQUEST, "a room and a name, please").into_response();
    }
    // Before the upgrade is answered: from then on, nothing is missed.
    let (room, messages) = chat.join(room);
    let notice = json!({"from": "the room", "text": format!("{name} is here")}).to_string();
    let _ = room.send(notice.into());
    ws.max_frame_size(LONGEST_FRAME)
        .max_message_size(LONGEST_FRAME)
        .on_upgrade(|socket| converse(socket, name, room, messages))
}

/// A channel for each room. A clone shares them.
#[derive(Clone, Default)]
struct Chat {
    rooms: Arc<Mutex<HashMap<String, Room>>>,
}

type Room = broadcast::Sender<Utf8Bytes>;
type Messages = broadcast::Receiver<Utf8Bytes>;

impl Chat {
    /// Also forgets the rooms that everybody has left. They hold no messages
    /// any more: a channel keeps those only for its receivers.
    fn join(&self, room: String) -> (Room, Messages) {
        let mut rooms = self.rooms.lock().unwrap();
        rooms.retain(|_, room| room.receiver_count() > 0);
        let room = rooms.entry(room).or_insert_with(|| Room::new(BACKLOG));
        (room.clone(), room.subscribe())
    }
}

/// Listens and delivers at the same time, until either ends; then says goodbye.
async fn converse(socket: WebSocket, name: String, room: Room, messages: Messages) {
    let (mut sink, mut stream) = socket.split();
    let (complain, complaints) = mpsc::channel(1);
    let end = {
        let mut delivering = pin!(deliver(&mut sink, messages, complaints));
        tokio::select! {
            end = listen(&mut stream, &name, &room, complain) => {
                // What has been said by now still goes out.
                let _ = timeout(CLOSING, delivering).await;
                end
            }
            end = &mut delivering => end,
        }
    };
    let _ = timeout(CLOSING, goodbye(end, sink, stream)).await;
}

/// Why a connection ends: the client wants to, or we do, with a code.
enum End {
    Theirs,
    Ours(u16),
}

/// Passes on what the client says. Pings and closes are answered by axum.
async fn listen(
    stream: &mut SplitStream<WebSocket>,
    name: &str,
    room: &Room,
    complain: mpsc::Sender<Utf8Bytes>,
) -> End {
    while let Some(frame) = stream.next().await {
        let text = match frame {
            Ok(Message::Text(frame)) => text_of(&frame),
            Ok(Message::Binary(_)) => None,
            Ok(Message::Ping(_) | Message::Pong(_)) => continue,
            Ok(Message::Close(_)) => break,
            Err(error) => return why(error),
        };
        match text {
            Some(text) => {
                let message = json!({"from": name, "text": text}).to_string();
                let _ = room.send(message.into()); // never waits for a reader
                // A read may bring hundreds of messages. Between them it is the
                // readers' turn, or all of them would fall behind.
                yield_now().await;
            }
            None => {
                let complaint = json!({"error": r#"expected {"text": "…"}"#}).to_string();
                let _ = complain.send(complaint.into()).await;
            }
        }
    }
    End::Theirs
}

/// The text of a frame `{"text": "…"}`, if it is one.
fn text_of(frame: &str) -> Option<String> {
    let frame: Value = serde_json::from_str(frame).ok()?;
    Some(frame.get("text")?.as_str()?.to_owned())
}

/// Sends what the room says, at the pace of this one reader. When its listener
/// has gone, it ends once there is nothing left to send.
async fn deliver(
    sink: &mut SplitSink<WebSocket, Message>,
    mut messages: Messages,
    mut complaints: mpsc::Receiver<Utf8Bytes>,
) -> End {
    loop {
        let frame = tokio::select! {
            message = messages.recv() => match message {
                Ok(message) => message,
                Err(RecvError::Lagged(n)) => json!({"missed": n}).to_string().into(),
                Err(RecvError::Closed) => return End::Theirs,
            },
            complaint = complaints.recv() => match (complaint, messages.is_empty()) {
                (Some(complaint), _) => complaint,
                (None, false) => continue,
                (None, true) => return End::Theirs, // nobody listens any more
            },
        };
        match timeout(PATIENCE, sink.send(Message::Text(frame))).await {
            Ok(Ok(())) => {}
            Ok(Err(_gone)) => return End::Theirs,
            Err(_never_reads) => return End::Ours(close_code::POLICY),
        }
    }
}

/// What the other side did wrong, as a close code.
fn why(error: axum::Error) -> End {
    use tokio_tungstenite::tungstenite::Error;
    match error.into_inner().downcast_ref() {
        Some(Error::Capacity(_)) => End::Ours(close_code::SIZE),
        Some(Error::Utf8(_)) => End::Ours(close_code::INVALID),
        Some(Error::Protocol(_)) => End::Ours(close_code::PROTOCOL),
        _ => End::Theirs,
    }
}

async fn goodbye(
    end: End,
    mut sink: SplitSink<WebSocket, Message>,
    mut stream: SplitStream<WebSocket>,
) {
    match end {
        // Reading on sends the answer to a close frame.
        End::Theirs => while stream.next().await.is_some() {},
        End::Ours(code) => {
            let reason = Utf8Bytes::default();
            let close = Message::Close(Some(CloseFrame { code, reason }));
            if sink.send(close).await.is_ok() {
                // To close a socket with unread bytes in it resets the
                // connection, and the close frame could be lost.
                sleep(LINGER).await;
            }
        }
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
