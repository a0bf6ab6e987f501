//! Right, on another stack: hyper serves, and tokio-tungstenite speaks WebSocket in both directions.

use std::{collections::BTreeMap, convert::Infallible, env, error::Error, time::Duration};

use bytes::Bytes;
use futures_util::{Sink, SinkExt, StreamExt, stream::SplitStream};
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE},
    service::service_fn,
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, connect_async_with_config,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};

/// A frame over this many bytes ends the connection that it came on.
const LONGEST_FRAME: usize = 1 << 20;
/// How long a goodbye may take.
const CLOSING: Duration = Duration::from_secs(5);

type WebSocket = WebSocketStream<TokioIo<Upgraded>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let levels = watch::Sender::new(Levels::default());
    tokio::spawn(Parent::from_env()?.keep_informed(levels.clone()));

    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ex06 listens on http://{}", listener.local_addr()?);
    loop {
        let Ok((client, _)) = listener.accept().await else {
            sleep(Duration::from_millis(50)).await; // too many open files, perhaps
            continue;
        };
        let _ = client.set_nodelay(true);
        let levels = levels.clone();
        tokio::spawn(async move {
            let service = service_fn(async |request| answer(request, levels.clone()));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(client), service)
                .with_upgrades()
                .await;
        });
    }
}

type Answer = hyper::http::Result<Response<Full<Bytes>>>;

fn answer(request: Request<Incoming>, levels: watch::Sender<Levels>) -> Answer {
    let page = include_str!("../../../../exercises/ex06-noise-gateway/page.html");
    let response = Response::builder();
    match request.uri().path() {
        "/" => response
            .header(CONTENT_TYPE, "text/html; charset=utf-8")
            .body(page.into()),
        "/healthz" => response.body("ok".into()),
        "/websocket" => enter(request, levels),
        _ => response.status(StatusCode::NOT_FOUND).body("".into()),
    }
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

fn enter(request: Request<Incoming>, levels: watch::Sender<Levels>) -> Answer {
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else {
        let response = Response::builder().status(StatusCode::BAD_REQUEST);
        return response.body("WebSocket only".into());
    };
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()));
    tokio::spawn(async move {
        if let Ok(browser) = hyper::upgrade::on(request).await {
            let config = WebSocketConfig::default()
                .max_frame_size(Some(LONGEST_FRAME))
                .max_message_size(Some(LONGEST_FRAME));
            let browser = TokioIo::new(browser);
            serve(
                WebSocket::from_raw_socket(browser, Role::Server, Some(config)).await,
                levels,
            )
            .await;
        }
    });
    response.body("".into())
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

/// Takes in what a browser measures. Pings and closes are answered by tungstenite.
async fn listen(stream: &mut SplitStream<WebSocket>, levels: &watch::Sender<Levels>) {
    while let Some(Ok(frame)) = stream.next().await {
        match frame {
            Message::Text(frame) => {
                if let Some((name, value)) = reading(&frame) {
                    levels.send_modify(|levels| levels.report(name, value));
                }
            }
            Message::Close(_) => break,
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
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
            sleep(wait.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
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
