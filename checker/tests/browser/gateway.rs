//! ex06's page in a real browser: two rooms, each of which sees both, live.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use mock_services::journal::{Ids, Journal};
use mock_services::moment::Clock;
use mock_services::parent::Parent;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::driver::{Browser, Group, LIMIT, LOOK, browser};

/// What a page shows: each room's name and words, and what it says of itself.
const SHOWN: &str = r#"document.getElementById("status") && JSON.stringify({
    status: document.getElementById("status").textContent,
    rooms: [...document.querySelectorAll(".room")].map((room) => [
        room.querySelector(".name").textContent,
        room.querySelector(".words").textContent,
        room.querySelector(".bar").getAttribute("aria-valuenow"),
    ]),
})"#;

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

/// What a page shows right now; nothing while it is being loaded.
async fn shown(browser: &mut Browser, page: &str) -> Value {
    let shown = browser.evaluate(page, SHOWN).await;
    serde_json::from_str(shown.as_str().unwrap_or_default()).unwrap_or_default()
}

/// Looks at a page until each of these rooms, and no other, has changed its
/// level a few times.
async fn sees_live(browser: &mut Browser, page: &str, rooms: [&str; 2]) {
    let mut newest: HashMap<String, String> = HashMap::new();
    let mut changes: HashMap<String, u32> = HashMap::new();
    let begun = Instant::now();
    while !rooms.iter().all(|room| changes.get(*room) >= Some(&3)) {
        let shown = shown(browser, page).await;
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
        let shown = shown(&mut browser, page).await;
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
