//! Mistake: jitter takes away anything up to the whole wait: now and then it comes again at once.

use std::{collections::BTreeMap, convert::Infallible, env, error::Error, time::Duration};

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
    sync::watch,
    time::{sleep, timeout},
};
use tokio_tungstenite::{connect_async_with_config, tungstenite::client::IntoClientRequest};

/// A frame over this many bytes ends the connection that it came on.
const LONGEST_FRAME: usize = 1 << 20;
/// How long a goodbye may take.
const CLOSING: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let levels = watch::Sender::new(Levels::default());
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

/// Each room's newest level.
#[derive(Default)]
struct Levels {
    rooms: BTreeMap<String, Level>,
    reports: u64,
}

/// A level as the frame that tells of it, and the number of the report that brought it.
#[derive(Clone)]
struct Level {
    report: u64,
    frame: String,
}

impl Levels {
    fn report(&mut self, name: String, value: Value) {
        self.reports += 1;
        let level = Level {
            report: self.reports,
            frame: json!({"name": name, "value": value}).to_string(),
        };
        self.rooms.insert(name, level);
    }

    /// The rooms that have a level other than those that were sent.
    fn news(&self, sent: &Sent) -> Vec<String> {
        let news = |(name, level): (&String, &Level)| {
            (sent.get(name) != Some(&level.report)).then(|| name.clone())
        };
        self.rooms.iter().filter_map(news).collect()
    }
}

/// Which report of each room one reader has been sent.
type Sent = BTreeMap<String, u64>;

async fn enter(State(levels): State<watch::Sender<Levels>>, ws: WebSocketUpgrade) -> Response {
    ws.max_frame_size(LONGEST_FRAME)
        .max_message_size(LONGEST_FRAME)
        .on_upgrade(|browser| serve(browser, levels))
}

async fn serve(browser: WebSocket, levels: watch::Sender<Levels>) {
    let (mut sink, mut stream) = browser.split();
    let mut sent = Sent::new();
    tokio::select! {
        () = listen(&mut stream, &levels) => {}
        Err(_gone) = follow(&levels, &mut sink, &mut sent) => {}
    }
    // Reading on sends the answer to a close frame.
    let _ = timeout(CLOSING, async { while stream.next().await.is_some() {} }).await;
}

/// Takes in what a browser measures. Pings and closes are answered by axum.
async fn listen(stream: &mut SplitStream<WebSocket>, levels: &watch::Sender<Levels>) {
    while let Some(Ok(frame)) = stream.next().await {
        match frame {
            Message::Text(frame) => {
                if let Some((name, value)) = reading(&frame) {
                    levels.send_modify(|levels| levels.report(name, value));
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
    levels: &watch::Sender<Levels>,
    sink: &mut S,
    sent: &mut Sent,
) -> Result<Infallible, S::Error> {
    let mut levels = levels.subscribe();
    loop {
        let news = levels.borrow_and_update().news(sent);
        for name in news {
            let Level { report, frame } = levels.borrow().rooms[&name].clone();
            sink.send(frame.into()).await?;
            sent.insert(name, report);
        }
        levels.changed().await.expect("we hold the sender");
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
    async fn keep_informed(self, levels: watch::Sender<Levels>) {
        let mut wait = self.first_wait;
        loop {
            if self.inform(&levels).await {
                wait = self.first_wait;
            }
            // Not all gateways of a parent that comes back should arrive at once.
            sleep(wait.mul_f64(fastrand::f64())).await;
            wait = (wait * 2).min(self.first_wait * 64);
        }
    }

    /// One connection, as long as it lasts. Has it carried anything?
    async fn inform(&self, levels: &watch::Sender<Levels>) -> bool {
        let connecting = connect_async_with_config(&self.url, None, true); // TCP_NODELAY
        let Ok(Ok((parent, _))) = timeout(self.limit, connecting).await else {
            return false;
        };
        let (mut sink, mut stream) = parent.split();
        let (mut sent, mut heard) = (Sent::new(), false);
        let ignore = async {
            // Reading answers pings, too, and sees the connection end.
            while let Some(Ok(frame)) = stream.next().await {
                heard |= !frame.is_close();
            }
        };
        tokio::select! {
            () = ignore => {}
            Err(_gone) = follow(levels, &mut sink, &mut sent) => {}
        }
        heard || !sent.is_empty()
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
