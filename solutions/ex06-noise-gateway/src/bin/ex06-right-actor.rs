//! Right: one task owns the levels, and keeps a list of overtaken rooms for each reader. Readers fetch one level at a time.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    env,
    error::Error,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::{Html, Response},
    routing::get,
    serve::ListenerExt,
};
use futures_util::{Sink, SinkExt, StreamExt, stream::SplitStream};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_tungstenite::{connect_async_with_config, tungstenite::client::IntoClientRequest};

/// A frame over this many bytes ends the connection that it came on.
const LONGEST_FRAME: usize = 1 << 20;
/// How long a goodbye may take.
const CLOSING: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (levels, orders) = mpsc::channel(64);
    tokio::spawn(run(orders));
    tokio::spawn(Parent::from_env()?.keep_informed(levels.clone()));

    let page = include_str!("../../../../exercises/ex06-noise-gateway/page.html");
    let app = Router::new()
        .route("/", get(Html(page)))
        .route("/healthz", get("ok"))
        .route("/websocket", get(enter))
        .with_state(levels);

    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ex06 listens on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|client| _ = client.set_nodelay(true));
    axum::serve(listener, app).await?;
    Ok(())
}

/// How to reach the task that owns the levels.
type Levels = mpsc::Sender<Order>;

enum Order {
    Report(String, String),
    /// The next level that this reader has not been given yet, as soon as there is one.
    Next(u64, oneshot::Sender<String>),
    Leave(u64),
}

/// What a reader has yet to be given, the longest waiting first, and whether it asks.
struct Reader {
    stale: VecDeque<String>,
    asks: Option<oneshot::Sender<String>>,
}

impl Reader {
    fn serve(&mut self, rooms: &BTreeMap<String, String>) {
        if let Some(asks) = self.asks.take() {
            match self.stale.pop_front() {
                Some(room) => _ = asks.send(rooms[&room].clone()),
                None => self.asks = Some(asks),
            }
        }
    }
}

async fn run(mut orders: mpsc::Receiver<Order>) {
    let mut rooms = BTreeMap::<String, String>::new();
    let mut readers = BTreeMap::<u64, Reader>::new();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Report(room, frame) => {
                rooms.insert(room.clone(), frame);
                for reader in readers.values_mut() {
                    if !reader.stale.contains(&room) {
                        reader.stale.push_back(room.clone());
                    }
                    reader.serve(&rooms);
                }
            }
            Order::Next(id, asks) => {
                let all = || Reader {
                    stale: rooms.keys().cloned().collect(),
                    asks: None,
                };
                let reader = readers.entry(id).or_insert_with(all);
                reader.asks = Some(asks);
                reader.serve(&rooms);
            }
            Order::Leave(id) => _ = readers.remove(&id),
        }
    }
}

static READERS: AtomicU64 = AtomicU64::new(0);

async fn enter(State(levels): State<Levels>, ws: WebSocketUpgrade) -> Response {
    ws.max_frame_size(LONGEST_FRAME)
        .max_message_size(LONGEST_FRAME)
        .on_upgrade(|browser| serve(browser, levels))
}

async fn serve(browser: WebSocket, levels: Levels) {
    let (mut sink, mut stream) = browser.split();
    let (reader, mut sent) = (READERS.fetch_add(1, Ordering::Relaxed), false);
    tokio::select! {
        () = listen(&mut stream, &levels) => {}
        Err(_gone) = follow(&levels, reader, &mut sink, &mut sent) => {}
    }
    let _ = levels.send(Order::Leave(reader)).await;
    // Reading on sends the answer to a close frame.
    let _ = timeout(CLOSING, async { while stream.next().await.is_some() {} }).await;
}

/// Takes in what a browser measures. Pings and closes are answered by axum.
async fn listen(stream: &mut SplitStream<WebSocket>, levels: &Levels) {
    while let Some(Ok(frame)) = stream.next().await {
        match frame {
            Message::Text(frame) => {
                if let Some((name, value)) = reading(&frame) {
                    let frame = json!({"name": name, "value": value}).to_string();
                    let _ = levels.send(Order::Report(name, frame)).await;
                }
            }
            Message::Close(_) => break,
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => {}
        }
    }
}

/// What a frame `{"name": "kitchen", "value": 0.42}` says, if it is one.
fn reading(frame: &str) -> Option<(String, Value)> {
    let frame: Value = serde_json::from_str(frame).ok()?;
    let name = frame.get("name")?.as_str()?.to_owned();
    let value = frame.get("value").filter(|value| value.is_number())?;
    Some((name, value.clone()))
}

/// Sends the newest level of every room, and again whatever changes, at the reader's pace.
///
/// There is no queue: a level is looked up at the moment when it can be sent,
/// so a slow reader skips those that have been overtaken meanwhile.
async fn follow<M: From<String>, S: Sink<M> + Unpin>(
    levels: &Levels,
    reader: u64,
    sink: &mut S,
    sent: &mut bool,
) -> Result<Infallible, S::Error> {
    loop {
        let (asks, answer) = oneshot::channel();
        let _ = levels.send(Order::Next(reader, asks)).await;
        if let Ok(frame) = answer.await {
            sink.send(frame.into()).await?;
            *sent = true;
        }
    }
}

/// The hub that hears of all levels, over one connection.
struct Parent {
    url: String,
    limit: Duration,
    first_wait: Duration,
}

impl Parent {
    fn from_env() -> Result<Self, Box<dyn Error>> {
        let url = env_or("PARENT_WS", "ws://127.0.0.1:7003/broadcast");
        url.as_str().into_client_request()?; // a mistake in it shows at once
        Ok(Self {
            url,
            limit: Duration::from_millis(env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?),
            first_wait: Duration::from_millis(env_or("RECONNECT_MS", "500").parse()?),
        })
    }

    /// Connects again and again, and waits twice as long after each try in vain.
    async fn keep_informed(self, levels: Levels) {
        let mut wait = self.first_wait;
        loop {
            if self.inform(&levels).await {
                wait = self.first_wait;
            }
            // Not all gateways of a parent that comes back should arrive at once.
            sleep(wait.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
            wait = (wait * 2).min(self.first_wait * 64);
        }
    }

    /// One connection, as long as it lasts. Has it carried anything?
    async fn inform(&self, levels: &Levels) -> bool {
        let connecting = connect_async_with_config(&self.url, None, true); // TCP_NODELAY
        let Ok(Ok((parent, _))) = timeout(self.limit, connecting).await else {
            return false;
        };
        let (mut sink, mut stream) = parent.split();
        let (mut sent, mut heard) = (false, false);
        let reader = READERS.fetch_add(1, Ordering::Relaxed);
        let ignore = async {
            // Reading answers pings, too, and sees the connection end.
            while let Some(Ok(frame)) = stream.next().await {
                heard |= !frame.is_close();
            }
        };
        tokio::select! {
            () = ignore => {}
            Err(_gone) = follow(levels, reader, &mut sink, &mut sent) => {}
        }
        let _ = levels.send(Order::Leave(reader)).await;
        heard || sent
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
