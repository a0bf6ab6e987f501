//! Mistake: whoever says something waits for room in every reader's queue, under one lock; for
//! a moment only, but with every message.

use std::{collections::HashMap, env, error::Error, sync::Arc, time::Duration};

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
    sync::{Mutex, mpsc},
    time::{sleep, timeout},
};

/// A frame over this many bytes ends the connection with code 1009.
const LONGEST_FRAME: usize = 64 << 10;
/// How many messages may wait for one reader.
const BACKLOG: usize = 256;
/// How long one frame may wait for a reader that does not read at all.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a message may wait for room.
const MOMENT: Duration = Duration::from_millis(10);
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
    let Query(seat) = seat;
    if seat.room.is_empty() || seat.name.is_empty() {
        return (StatusCode::BAD_REQUEST, "a room and a name, please").into_response();
    }
    // Before the upgrade is answered: from then on, nothing is missed.
    let (queue, messages) = chat.join(&seat.room).await;
    ws.max_frame_size(LONGEST_FRAME)
        .max_message_size(LONGEST_FRAME)
        .on_upgrade(async move |socket| {
            converse(socket, &chat, &seat, queue, messages).await;
            chat.leave(&seat.room).await;
        })
}

/// Each room's members, as the queues that lead to them. A clone shares them.
#[derive(Clone, Default)]
struct Chat {
    rooms: Arc<Mutex<HashMap<String, Vec<Queue>>>>,
}

type Queue = mpsc::Sender<Utf8Bytes>;

impl Chat {
    async fn join(&self, room: &str) -> (Queue, mpsc::Receiver<Utf8Bytes>) {
        let (queue, messages) = mpsc::channel(BACKLOG);
        let mut rooms = self.rooms.lock().await;
        rooms
            .entry(room.to_owned())
            .or_default()
            .push(queue.clone());
        (queue, messages)
    }

    // ANCHOR: say
    async fn say(&self, seat: &Seat, text: &str) {
        let message = Utf8Bytes::from(json!({"from": seat.name, "text": text}).to_string());
        let rooms = self.rooms.lock().await;
        for member in rooms.get(&seat.room).into_iter().flatten() {
            let _ = timeout(MOMENT, member.send(message.clone())).await;
        }
    }
    // ANCHOR_END: say

    /// Forgets those who no longer receive, and the room with its last member.
    async fn leave(&self, room: &str) {
        let mut rooms = self.rooms.lock().await;
        if let Some(members) = rooms.get_mut(room) {
            members.retain(|member| !member.is_closed());
            if members.is_empty() {
                rooms.remove(room);
            }
        }
    }
}

/// Listens and delivers at the same time, until either ends; then says goodbye.
async fn converse(
    socket: WebSocket,
    chat: &Chat,
    seat: &Seat,
    queue: Queue,
    messages: mpsc::Receiver<Utf8Bytes>,
) {
    let (mut sink, mut stream) = socket.split();
    let end = tokio::select! {
        end = listen(&mut stream, chat, seat, queue) => end,
        end = deliver(&mut sink, messages) => end,
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
    chat: &Chat,
    seat: &Seat,
    queue: Queue,
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
            Some(text) => chat.say(seat, &text).await,
            None => {
                let complaint = json!({"error": r#"expected {"text": "…"}"#}).to_string();
                let _ = queue.send(complaint.into()).await;
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

/// Sends what is in the queue, one message after the other.
async fn deliver(
    sink: &mut SplitSink<WebSocket, Message>,
    mut messages: mpsc::Receiver<Utf8Bytes>,
) -> End {
    while let Some(message) = messages.recv().await {
        match timeout(PATIENCE, sink.send(Message::Text(message))).await {
            Ok(Ok(())) => {}
            Ok(Err(_gone)) => break,
            Err(_never_reads) => return End::Ours(close_code::POLICY),
        }
    }
    End::Theirs
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
