//! `mock-services` as it is started by hand: what it prints, what it serves.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const LIMIT: Duration = Duration::from_secs(20);

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mock-services"));
    command
        .args(arguments)
        .args(["--weather-port", "0", "--auth-port", "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The services, and what they have printed so far.
struct Services {
    /// `127.0.0.1:40001`
    parent: String,
    printed: Vec<String>,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    _child: Child,
}

impl Services {
    async fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments)
            .args(["--parent-port", "0"])
            .spawn()
            .expect("mock-services starts");
        let out = child.stdout.take().expect("piped");
        let mut services = Self {
            parent: String::new(),
            printed: Vec::new(),
            lines: BufReader::new(out).lines(),
            _child: child,
        };
        let line = services.printed("PARENT_WS").await;
        let (_, url) = line.split_once('=').expect("its address");
        services.parent = url
            .trim_start_matches("ws://")
            .trim_end_matches("/broadcast")
            .to_owned();
        services
    }

    /// Waits for a line that contains these words.
    async fn printed(&mut self, words: &str) -> String {
        let waiting = async {
            while let Some(line) = self.lines.next_line().await.expect("UTF-8") {
                self.printed.push(line.clone());
                if line.contains(words) {
                    return Some(line);
                }
            }
            None
        };
        match timeout(LIMIT, waiting).await {
            Ok(Some(line)) => line,
            _ => panic!("{words:?} was not printed: {:#?}", self.printed),
        }
    }

    async fn socket(&self, path: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
        let url = format!("ws://{}{path}", self.parent);
        let (socket, _) = timeout(LIMIT, connect_async(url))
            .await
            .expect("in time")
            .expect("a handshake");
        socket
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.parent).await.expect("a listener");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it is read");
        let mut answer = String::new();
        timeout(LIMIT, stream.read_to_string(&mut answer))
            .await
            .expect("in time")
            .expect("UTF-8");
        answer
    }
}

/// Waits until the page would show what is wanted.
async fn sight(
    page: &mut WebSocketStream<MaybeTlsStream<TcpStream>>,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let waiting = async {
        while let Some(Ok(frame)) = page.next().await {
            let Message::Text(text) = frame else { continue };
            let sight: Value = serde_json::from_str(&text).expect("JSON");
            if wanted(&sight) {
                return sight;
            }
        }
        panic!("the connection ended");
    };
    timeout(LIMIT, waiting).await.expect("in time")
}

#[tokio::test]
async fn the_page_is_told_what_a_gateway_sends() {
    let mut services = Services::start(&[]).await;
    let html = services.get("/").await;
    assert!(html.starts_with("HTTP/1.1 200 OK\r\n"), "{html}");
    assert!(html.contains("text/html"), "{html}");
    let other = services.get("/elsewhere").await;
    assert!(other.starts_with("HTTP/1.1 404 "), "{other}");
    let plain = services.get("/broadcast").await;
    assert!(plain.starts_with("HTTP/1.1 400 "), "{plain}");

    let mut page = services.socket("/levels").await;
    sight(&mut page, |sight| sight["connected"] == 0).await;
    let mut gateway = services.socket("/broadcast").await;
    for (name, value) in [("kitchen", 0.25), ("hall", 0.5), ("kitchen", 0.75)] {
        let level = json!({"name": name, "value": value}).to_string();
        gateway.send(Message::text(level)).await.expect("a reader");
    }
    let text = Message::text("no level");
    gateway.send(text).await.expect("a reader");
    let seen = sight(&mut page, |sight| sight["frames"] == 3).await;
    assert_eq!(seen["connected"], 1);
    assert_eq!(seen["rooms"][0]["name"], "hall");
    assert_eq!(seen["rooms"][1]["name"], "kitchen");
    assert_eq!(seen["rooms"][1]["value"], 0.75);
    services.printed("sent a frame that is no level").await;
    drop(gateway);
    sight(&mut page, |sight| sight["connected"] == 0).await;
    services.printed("levels: 3").await;
}

#[tokio::test]
async fn a_bad_day_is_as_it_is_called() {
    let url = |services: &Services| format!("ws://{}/broadcast", services.parent);

    let services = Services::start(&["--parent", "refuse"]).await;
    let error = connect_async(url(&services)).await.expect_err("refused");
    assert!(error.to_string().contains("refused"), "{error}");

    let services = Services::start(&["--parent", "drop"]).await;
    connect_async(url(&services)).await.expect_err("dropped");
    assert!(services.get("/").await.contains("200 OK"));

    let services = Services::start(&["--parent", "hang"]).await;
    let answer = timeout(Duration::from_millis(300), connect_async(url(&services))).await;
    assert!(answer.is_err(), "{answer:?}");

    let services = Services::start(&["--parent", "deaf"]).await;
    let mut page = services.socket("/levels").await;
    let mut gateway = services.socket("/broadcast").await;
    let level = Message::text(json!({"name": "kitchen", "value": 0.5}).to_string());
    gateway.send(level).await.expect("room in the buffers");
    sight(&mut page, |sight| sight["connected"] == 1).await;
    drop(gateway);
    let last = sight(&mut page, |sight| sight["connected"] == 0).await;
    assert_eq!(last["frames"], 0);
    assert_eq!(last["bad_day"], "deaf");
}

#[tokio::test]
async fn a_taken_port_is_one_clear_sentence() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    for parent in [&[][..], &["--parent", "refuse"]] {
        let mut command = command(&["--parent-port", &port]);
        let ended = timeout(LIMIT, command.args(parent).output()).await;
        let output = ended.expect("it ends").expect("it ran");
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            format!(
                "error: port {port} is taken, so parent cannot listen there; end what holds it, \
                 or choose another with --parent-port\n"
            )
        );
    }
}
