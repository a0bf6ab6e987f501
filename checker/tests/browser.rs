//! ex06's page in a real browser: two rooms, each of which sees both, live.
//!
//! Where no browser is installed there is nothing to try, and a notice says so.

#![cfg(unix)]

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use mock_services::journal::{Ids, Journal};
use mock_services::moment::Clock;
use mock_services::parent::Parent;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Anything takes less than this, or has failed.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a page is looked at.
const LOOK: Duration = Duration::from_millis(50);

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

/// What a page shows: each room's name and words, and what it says of itself.
const SHOWN: &str = r#"JSON.stringify({
    status: document.getElementById("status").textContent,
    rooms: [...document.querySelectorAll(".room")].map((room) => [
        room.querySelector(".name").textContent,
        room.querySelector(".words").textContent,
        room.querySelector(".bar").getAttribute("aria-valuenow"),
    ]),
})"#;

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    BROWSERS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
}

/// A program in a process group of its own, which ends with this value.
struct Group(Child);

impl Group {
    fn start(command: &mut Command) -> Self {
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

/// Builds the solution and says where it lies.
async fn solution() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--message-format", "json"])
        .args(["--package", "ex06-solution", "--bin", "ex06-solution"])
        .current_dir(root.parent().expect("the workshop"))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let built = timeout(10 * LIMIT, cargo.output()).await;
    let built = built.expect("cargo ends").expect("cargo runs");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    String::from_utf8_lossy(&built.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the program")
}

/// Starts the solution on a free port, and says its address.
async fn gateway(parent: &Parent) -> (Group, String) {
    let mut command = Command::new(solution().await);
    command
        .env("PORT", "0")
        .env("PARENT_WS", parent.url())
        .stdout(Stdio::piped());
    let mut group = Group::start(&mut command);
    let mut lines = BufReader::new(group.0.stdout.take().expect("piped")).lines();
    let first = timeout(LIMIT, lines.next_line()).await.expect("in time");
    let first = first.expect("UTF-8").expect("a line");
    let (_, url) = first.split_once("http://").expect("where it listens");
    (group, format!("http://{}", url.trim()))
}

/// A browser, spoken to by the DevTools protocol.
struct Browser {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    asked: u64,
    events: VecDeque<Value>,
    group: Group,
    // The last to go: the browser writes into it while it ends.
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn start(program: &Path) -> Self {
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
    async fn call(&mut self, page: Option<&str>, method: &str, params: Value) -> Value {
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
    async fn open(&mut self, url: &str) -> String {
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

    /// What a page shows right now; nothing while it is being loaded.
    async fn shown(&mut self, page: &str) -> Option<Value> {
        let question = json!({"expression": SHOWN});
        let answer = self.call(Some(page), "Runtime.evaluate", question).await;
        serde_json::from_str(answer["result"]["value"].as_str()?).ok()
    }

    /// Exceptions, `console.error` and what the browser itself complains about.
    fn complaints(&self) -> Vec<&Value> {
        let complains = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] == "error",
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            _ => false,
        };
        self.events.iter().filter(complains).collect()
    }

    /// Ends it, so that its profile can be removed.
    async fn end(mut self) {
        self.call(None, "Browser.close", json!({})).await;
        let _ = timeout(Duration::from_secs(10), self.group.0.wait()).await;
    }
}

/// Looks at a page until each of these rooms, and no other, has changed its
/// level a few times.
async fn sees_live(browser: &mut Browser, page: &str, rooms: [&str; 2]) {
    let mut newest: HashMap<String, String> = HashMap::new();
    let mut changes: HashMap<String, u32> = HashMap::new();
    let begun = Instant::now();
    while !rooms.iter().all(|room| changes.get(*room) >= Some(&3)) {
        let shown = browser.shown(page).await.unwrap_or_default();
        for room in shown["rooms"].as_array().into_iter().flatten() {
            let text = |nth: usize| room[nth].as_str().expect("text").to_owned();
            let (name, words, level) = (text(0), text(1), text(2));
            assert!(rooms.contains(&name.as_str()), "{shown}");
            assert!(words.starts_with(&format!("{level} %, ")), "{shown}");
            let before = newest.insert(name.clone(), level.clone());
            if before.is_some_and(|before| before != level) {
                *changes.entry(name).or_default() += 1;
            }
        }
        assert!(
            begun.elapsed() < LIMIT,
            "not live: the levels changed {changes:?} times; now the page shows {shown}"
        );
        sleep(LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_rooms_see_each_other_live() {
    let Some(program) = browser() else {
        // Not by println!, which is swallowed where a test passes.
        let names = BROWSERS.join(", ");
        let _ = writeln!(io::stderr(), "skipped, as none of these is there: {names}");
        return;
    };
    let journal = Journal::new(Clock::start(), Ids::default());
    let parent = Parent::open(journal).expect("a port");
    let (_gateway, url) = gateway(&parent).await;

    let mut browser = Browser::start(&program).await;
    let kitchen = format!("{url}/?room=kitchen&source=synthetic");
    let kitchen = browser.open(&kitchen).await;
    let hall = format!("{url}/?room=hall&source=microphone");
    let hall = browser.open(&hall).await;
    for page in [&kitchen, &hall] {
        sees_live(&mut browser, page, ["kitchen", "hall"]).await;
    }
    for (page, measured) in [
        (
            &kitchen,
            "Connected. Measuring kitchen by a synthetic source.",
        ),
        (&hall, "Connected. Measuring hall by the microphone."),
    ] {
        let shown = browser.shown(page).await.expect("a page");
        assert_eq!(shown["status"], measured);
    }
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");

    // The parent hears of both, over one connection.
    let begun = Instant::now();
    for room in ["kitchen", "hall"] {
        while !parent.levels().iter().any(|level| level.name == room) {
            assert!(begun.elapsed() < LIMIT, "the parent never heard of {room}");
            sleep(LOOK).await;
        }
    }
    assert_eq!(parent.attempts().len(), 1);
    browser.end().await;
}
