//! A browser, spoken to over its DevTools WebSocket.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Anything takes less than this, or has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// How often a page is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// The browsers that are looked for, in order.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

const FLAGS: [&str; 16] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    // Both pages are to be as lively as one that somebody looks at.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--remote-debugging-port=0",
    "about:blank",
];

/// The browser of this machine. Where there is none a notice says so, and there
/// is nothing to try.
pub(crate) fn browser() -> Option<PathBuf> {
    let found = installed();
    if found.is_none() {
        // Not by println!, which is swallowed where a test passes.
        let names = BROWSERS.join(", ");
        let _ = writeln!(io::stderr(), "skipped, as none of these is there: {names}");
    }
    found
}

fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    BROWSERS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
}

/// A program in a process group of its own, which ends with this value.
pub(crate) struct Group(pub(crate) Child);

impl Group {
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.process_group(0).kill_on_drop(true);
        Self(command.stdin(Stdio::null()).spawn().expect("it starts"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // No id: it has been waited for, and the number may be somebody else's.
        if let Some(id) = self.0.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}

/// A browser, spoken to by the DevTools protocol.
pub(crate) struct Browser {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    asked: u64,
    events: VecDeque<Value>,
    group: Group,
    // The last to go: the browser writes into it while it ends.
    _profile: tempfile::TempDir,
}

impl Browser {
    pub(crate) async fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a profile");
        let mut command = Command::new(program);
        command
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(FLAGS)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let group = Group::start(&mut command);
        // Two lines, written when it listens: the port, and a path.
        let told = profile.path().join("DevToolsActivePort");
        let begun = Instant::now();
        let url = loop {
            let text = tokio::fs::read_to_string(&told).await.unwrap_or_default();
            if let Some((port, path)) = text.trim().split_once('\n') {
                break format!("ws://127.0.0.1:{port}{path}");
            }
            assert!(begun.elapsed() < LIMIT, "the browser does not listen");
            sleep(LOOK).await;
        };
        let (socket, _) = timeout(LIMIT, connect_async(url))
            .await
            .expect("in time")
            .expect("a handshake");
        Self {
            socket,
            asked: 0,
            events: VecDeque::new(),
            group,
            _profile: profile,
        }
    }

    /// Calls a method, of the browser or of a page, and waits for what it returns.
    pub(crate) async fn call(&mut self, page: Option<&str>, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        let mut question = json!({"id": id, "method": method, "params": params});
        if let Some(page) = page {
            question["sessionId"] = page.into();
        }
        let asking = async {
            let question = Message::text(question.to_string());
            self.socket.send(question).await.expect("the browser reads");
            while let Some(frame) = self.socket.next().await {
                let Message::Text(text) = frame.expect("a frame") else {
                    continue;
                };
                let said: Value = serde_json::from_str(&text).expect("JSON");
                if said["id"] == id {
                    assert!(said["error"].is_null(), "{method}: {said}");
                    return said["result"].clone();
                }
                self.events.push_back(said);
            }
            panic!("{method}: the browser left");
        };
        let answer = timeout(LIMIT, asking).await;
        answer.unwrap_or_else(|_| panic!("{method}: no answer"))
    }

    /// Opens a page in a window of its own. From its first line on, its errors are noted.
    pub(crate) async fn open(&mut self, url: &str) -> String {
        let blank = json!({"url": "about:blank", "newWindow": true});
        let target = self.call(None, "Target.createTarget", blank).await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.call(None, "Target.attachToTarget", attach).await;
        let page = attached["sessionId"].as_str().expect("an id").to_owned();
        for domain in ["Runtime.enable", "Log.enable", "Page.enable"] {
            self.call(Some(&page), domain, json!({})).await;
        }
        let there = self
            .call(Some(&page), "Page.navigate", json!({"url": url}))
            .await;
        assert!(there["errorText"].is_null(), "{there}");
        page
    }

    /// What an expression of JavaScript comes to in a page, as JSON.
    pub(crate) async fn evaluate(&mut self, page: &str, expression: &str) -> Value {
        let question =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call(Some(page), "Runtime.evaluate", question).await;
        assert!(answer["exceptionDetails"].is_null(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// Exceptions, `console.error` and what the browser itself complains about.
    pub(crate) fn complaints(&self) -> Vec<&Value> {
        let complains = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] == "error",
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            _ => false,
        };
        self.events.iter().filter(complains).collect()
    }

    /// Ends it, so that its profile can be removed.
    pub(crate) async fn end(mut self) {
        self.call(None, "Browser.close", json!({})).await;
        let _ = timeout(Duration::from_secs(10), self.group.0.wait()).await;
    }
}
