//! The book in a real browser, as `checker book` serves it: every page sound and
//! light, every piece worked by keyboard, and all of it there without scripts.

use std::path::Path;
use std::sync::Arc;

use checker::book::build::Builder;
use checker::book::door::{Door, Token};
use checker::book::pages::Pages;
use checker::book::runs::{Checker, Runs};
use checker::book::server::Server;
use checker::workshop::Workshop;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::driver::{Browser, LIMIT, LOOK, browser};

/// Finds what keeps people out of a page; `vendor/README.md` says whose it is.
const AXE: &str = include_str!("../vendor/axe.min.js");

/// Every rule that axe has on by default.
const ALL: &str = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']";
/// The rules that a theme or a width can break.
const LOOKS: &str = "{type: 'rule', values: ['color-contrast', 'link-in-text-block', \
                     'scrollable-region-focusable', 'target-size']}";

/// The most that a page may weigh, with all that it loads and an empty cache.
const WEIGHT: u64 = 500_000;

/// What lies beyond the right edge, and cannot be scrolled to. (mdBook's body hides
/// what is too wide, so its width does not tell.)
const CLIPPED: &str = "(() => { \
    const scrolls = (x) => { for (let p = x.parentElement; p && p.closest('main'); p = p.parentElement) { \
        if (/auto|scroll/.test(getComputedStyle(p).overflowX)) return true; } return false; }; \
    return [...document.querySelectorAll('main *')].filter((x) => { \
        const at = x.getBoundingClientRect(); \
        return at.width > 0 && at.height > 0 && at.right > innerWidth + 1 && !scrolls(x); \
    }).slice(0, 3).map((x) => x.outerHTML.slice(0, 120)); })()";

/// The book, served, with the real checker behind its panels.
struct Book {
    url: String,
    token: String,
    pages: Pages,
    _memory: tempfile::TempDir,
}

async fn book() -> Book {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workshop = Workshop::find(root).expect("the workshop");
    let builder = Builder::prepare(&workshop.root).await;
    let pages = builder.expect("it builds").build().await.expect("a book");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let token = Token::draw().expect("randomness");
    let hex = token.as_hex();
    // What is graded here is not the reader's doing.
    let memory = tempfile::tempdir().expect("a folder");
    let checker = Checker::new(&workshop, Path::new(env!("CARGO_BIN_EXE_checker")));
    let runs = Runs::new(&workshop, memory.path(), Arc::new(checker));
    let server = Server::new(&workshop, pages.clone(), Door::new(port, token), runs);
    tokio::spawn(server.serve(listener));
    Book {
        url: format!("http://127.0.0.1:{port}"),
        token: hex,
        pages,
        _memory: memory,
    }
}

/// How a page is looked at.
struct Look {
    width: u32,
    scheme: &'static str,
    scripts: bool,
}

const WIDE: Look = Look {
    width: 1100,
    scheme: "light",
    scripts: true,
};

impl Look {
    /// Opens a page, and waits until it is whole.
    async fn at(&self, browser: &mut Browser, url: &str) -> String {
        let page = browser.open("about:blank").await;
        let size =
            json!({"width": self.width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        let features = json!({"features": [
            {"name": "prefers-color-scheme", "value": self.scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        let scripts = json!({"value": !self.scripts});
        for (method, what) in [
            ("Emulation.setDeviceMetricsOverride", size),
            ("Emulation.setEmulatedMedia", features),
            ("Emulation.setScriptExecutionDisabled", scripts),
            ("Page.navigate", json!({"url": url})),
        ] {
            let done = browser.call(Some(&page), method, what).await;
            assert!(done["errorText"].is_null(), "{url}: {done}");
        }
        // A piece hides what it replaces as the last thing, or says why not.
        let whole = "location.protocol === 'http:' && document.readyState === 'complete' && \
                     [...document.querySelectorAll('workshop-timeline, workshop-predict')].every( \
                     (piece) => piece.querySelector('.ws-piece, .ws-said') !== null)";
        let whole = match self.scripts {
            true => whole,
            false => "location.protocol === 'http:' && document.readyState === 'complete'",
        };
        until(browser, &page, whole).await;
        page
    }
}

/// How many elements of a kind can be seen, as an expression.
fn visible(selector: &str) -> String {
    format!("[...document.querySelectorAll({selector:?})].filter((x) => x.offsetHeight > 0).length")
}

/// Waits until an expression is true in a page.
async fn until(browser: &mut Browser, page: &str, expression: &str) {
    let begun = Instant::now();
    while browser.evaluate(page, expression).await != true {
        assert!(begun.elapsed() < LIMIT, "never true: {expression}");
        sleep(LOOK).await;
    }
}

/// Presses a key where the focus is.
async fn press(browser: &mut Browser, page: &str, key: &str) {
    let (code, number, text) = match key {
        "Enter" => ("Enter", 13, "\r"),
        " " => ("Space", 32, " "),
        "Tab" => ("Tab", 9, ""),
        "Home" => ("Home", 36, ""),
        "End" => ("End", 35, ""),
        "PageUp" => ("PageUp", 33, ""),
        "ArrowLeft" => ("ArrowLeft", 37, ""),
        "ArrowRight" => ("ArrowRight", 39, ""),
        "ArrowDown" => ("ArrowDown", 40, ""),
        other => panic!("no key {other}"),
    };
    for kind in ["keyDown", "keyUp"] {
        let text = if kind == "keyDown" { text } else { "" };
        let event = json!({"type": kind, "key": key, "code": code, "text": text,
                           "windowsVirtualKeyCode": number, "nativeVirtualKeyCode": number});
        browser
            .call(Some(page), "Input.dispatchKeyEvent", event)
            .await;
    }
}

/// Brings the focus to the one element of that selector whose words begin so,
/// then presses keys there.
async fn keys(browser: &mut Browser, page: &str, selector: &str, words: &str, keys: &[&str]) {
    let focus = format!(
        "(() => {{ const all = [...document.querySelectorAll({selector:?})] \
         .filter((x) => x.textContent.trim().startsWith({words:?})); \
         all[0]?.focus(); return document.activeElement === all[0]; }})()"
    );
    assert_eq!(
        browser.evaluate(page, &focus).await,
        true,
        "{selector} {words}"
    );
    for key in keys {
        press(browser, page, key).await;
    }
}

async fn text(browser: &mut Browser, page: &str, selector: &str) -> String {
    let expression = format!("document.querySelector({selector:?})?.textContent ?? ''");
    let text = browser.evaluate(page, &expression).await;
    text.as_str().unwrap_or_default().to_owned()
}

/// What axe finds, with all that can be unfolded. mdBook's own frame is judged, too.
/// `rules` are those to go by, as axe wants them told.
async fn violations(browser: &mut Browser, page: &str, rules: &str) -> Vec<Value> {
    let unfold = "document.querySelectorAll('details').forEach((d) => { d.open = true; }); \
                  new Promise((laid_out) => requestAnimationFrame(() => requestAnimationFrame(() => laid_out(true))))";
    browser.evaluate(page, unfold).await;
    browser.evaluate(page, AXE).await;
    let axe = format!(
        "axe.run(document, {{runOnly: {rules}, resultTypes: ['violations']}}).then((found) => found.violations.map((v) => \
         [v.id, v.nodes.length, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + ' ' + n.failureSummary)]))"
    );
    let found = browser.evaluate(page, &axe).await;
    found.as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_sound_and_light() {
    let Some(program) = browser() else {
        return;
    };
    let book = book().await;
    let mut browser = Browser::start(&program).await;
    // The bare table of contents is only ever framed, where there are no scripts.
    let names: Vec<_> = book
        .pages
        .names()
        .filter(|name| name.ends_with(".html") && *name != "toc.html")
        .collect();
    assert!(names.contains(&"pieces.html"), "{names:?}");
    let mut problems = Vec::new();
    let mut heaviest = (0, String::new());
    for name in names {
        let url = format!("{}/{name}", book.url);
        let looks = [
            WIDE,
            Look {
                width: 400,
                scheme: "dark",
                scripts: true,
            },
            Look { width: 320, ..WIDE },
        ];
        for look in looks {
            let what = format!("{name}, {} wide, {}", look.width, look.scheme);
            let page = look.at(&mut browser, &url).await;
            let wide =
                "[document.documentElement.scrollWidth, document.documentElement.clientWidth]";
            let wide = browser.evaluate(&page, wide).await;
            if wide[0].as_u64() > wide[1].as_u64() {
                problems.push(format!("{what}: wider than the window, {wide}"));
            }
            let clipped = browser.evaluate(&page, CLIPPED).await;
            if clipped != json!([]) {
                problems.push(format!("{what}: out of the window, {clipped:#}"));
            }
            let described = "document.querySelector('meta[name=description]')?.content ?? ''";
            let described = browser.evaluate(&page, described).await;
            if described.as_str().unwrap_or_default().is_empty() {
                problems.push(format!("{what}: nothing describes it to a search engine"));
            }
            let weight = "Math.round([...performance.getEntriesByType('navigation'), \
                          ...performance.getEntriesByType('resource')] \
                          .reduce((sum, entry) => sum + entry.transferSize, 0))";
            let weight = browser.evaluate(&page, weight).await;
            // The whole book on one page, for printing, is as heavy as it is long.
            if name != "print.html" {
                let weight = weight.as_u64().expect("a number");
                assert!(weight > 10_000, "{what}: {weight} bytes are not all");
                if weight >= WEIGHT {
                    problems.push(format!("{what}: {weight} bytes"));
                }
                heaviest = heaviest.max((weight, name.to_owned()));
            }
            let rules = if look.width == WIDE.width { ALL } else { LOOKS };
            // Whatever is wrong with the page for printing is wrong with another.
            if name != "print.html" {
                for violation in violations(&mut browser, &page, rules).await {
                    problems.push(format!("{what}: {violation:#}"));
                }
            }
            let complaints = browser.complaints();
            assert!(complaints.is_empty(), "{what}: {complaints:#?}");
            browser.call(Some(&page), "Page.close", json!({})).await;
        }
    }
    browser.end().await;
    println!(
        "the heaviest page is {} with {} bytes",
        heaviest.1, heaviest.0
    );
    assert!(
        problems.is_empty(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_piece_is_worked_by_keyboard() {
    let Some(program) = browser() else {
        return;
    };
    let book = book().await;
    let mut browser = Browser::start(&program).await;
    let b = &mut browser;
    let page = WIDE.at(b, &format!("{}/pieces.html", book.url)).await;
    let page = page.as_str();

    // Predict: the first call ends 100 ms later and 10 earlier, then all is laid over.
    let thumb = "workshop-predict [aria-label='Call 1: ends']";
    let moves = ["PageUp", "ArrowRight", "ArrowLeft", "ArrowLeft"];
    keys(b, page, thumb, "", &moves).await;
    let now = "document.activeElement.getAttribute('aria-valuetext')";
    assert_eq!(b.evaluate(page, now).await, "190 milliseconds");
    // And the whole bar of the second, by mouse: as far as it goes.
    let bar = "(() => { const bar = document.querySelectorAll('.ws-guess')[1]; \
               bar.scrollIntoView({block: 'center'}); const at = bar.getBoundingClientRect(); \
               return [at.x + at.width / 2, at.y + at.height / 2]; })()";
    let at = b.evaluate(page, bar).await;
    let (x, y) = (at[0].as_f64().expect("x"), at[1].as_f64().expect("y"));
    for (kind, x, buttons) in [
        ("mousePressed", x, 1),
        ("mouseMoved", x + 90.0, 1),
        ("mouseMoved", x + 900.0, 1),
        ("mouseReleased", x + 900.0, 0),
    ] {
        let event = json!({"type": kind, "x": x, "y": y, "button": "left", "buttons": buttons,
                           "clickCount": 1});
        b.call(Some(page), "Input.dispatchMouseEvent", event).await;
    }
    let dragged = "['begins', 'ends'].map((end) => document.querySelector( \
                   `[aria-label='Call 2: ${end}']`).getAttribute('aria-valuenow')).join()";
    assert_eq!(b.evaluate(page, dragged).await, "1300,1400");
    let reveal = ("workshop-predict button", "Lay the recording");
    keys(b, page, reveal.0, reveal.1, &["Enter"]).await;
    let said = text(b, page, "workshop-predict [role=status]").await;
    assert!(said.contains("It was 1."), "{said}");
    assert!(
        said.contains("Call 1: ") && said.contains("Call 5: "),
        "{said}"
    );
    keys(
        b,
        page,
        "workshop-predict input:checked",
        "",
        &["ArrowRight", "ArrowRight"],
    )
    .await;
    assert_eq!(text(b, page, "workshop-predict [role=status]").await, "");
    keys(b, page, reveal.0, reveal.1, &[" "]).await;
    let said = text(b, page, "workshop-predict [role=status]").await;
    assert!(
        said.contains("at most 5 calls") && said.contains(".await"),
        "{said}"
    );

    // The player: steps, scrubs, plays in stops, for a reader who wants no movement.
    let now = "workshop-timeline .ws-now";
    keys(b, page, "workshop-timeline button", "Step back", &["Enter"]).await;
    let last = text(b, page, now).await;
    keys(
        b,
        page,
        "workshop-timeline input[type=range]",
        "",
        &["Home"],
    )
    .await;
    let first = text(b, page, now).await;
    assert!(
        first.starts_with("0 ms: The client asks your server"),
        "{first}"
    );
    assert_ne!(first, last);
    keys(b, page, "workshop-timeline button", "Play", &[" "]).await;
    let played = "document.querySelector('workshop-timeline input[type=range]').value === '1000' \
                  && document.querySelector('.ws-player button').textContent === 'Play'";
    until(b, page, played).await;

    // The stepper: to the end and one back.
    let stepper = "workshop-stepper button";
    keys(b, page, stepper, "Next", &["Enter"; 12]).await;
    assert!(
        text(b, page, "workshop-stepper .ws-now")
            .await
            .starts_with("Step 9 of 9.")
    );
    let polls = text(b, page, "workshop-stepper .ws-polls").await;
    assert_eq!(polls, "Polls so far: today 2, health 1.");
    keys(b, page, stepper, "Back", &[" "]).await;
    assert!(
        text(b, page, "workshop-stepper .ws-now")
            .await
            .starts_with("Step 8 of 9.")
    );
    keys(b, page, stepper, "Start again", &["Enter"]).await;
    assert!(
        text(b, page, "workshop-stepper .ws-now")
            .await
            .starts_with("Step 1 of 9.")
    );

    // The restaurant: a second waiter, then one who serves others.
    let said = "workshop-restaurant [role=status]";
    assert!(text(b, page, said).await.contains("after 72 minutes"));
    keys(
        b,
        page,
        "workshop-restaurant input[type=range]",
        "",
        &["ArrowRight"],
    )
    .await;
    assert!(text(b, page, said).await.contains("after 36 minutes"));
    keys(
        b,
        page,
        "workshop-restaurant input[type=range]",
        "",
        &["Home"],
    )
    .await;
    keys(
        b,
        page,
        "workshop-restaurant input:checked",
        "",
        &["ArrowDown"],
    )
    .await;
    assert!(text(b, page, said).await.contains("after 17 minutes"));
    let table = "document.querySelector('workshop-restaurant details').open";
    assert_eq!(
        b.evaluate(page, table).await,
        true,
        "who wants no movement gets a table"
    );

    // Little's law: a preset, and one request per second more.
    let said = "workshop-little [role=status]";
    keys(b, page, "workshop-little button", "Async", &["Enter"]).await;
    assert!(
        text(b, page, said)
            .await
            .starts_with("100 per second × 0.104 s = 10 under way")
    );
    keys(b, page, "workshop-little input", "", &["ArrowRight"]).await;
    assert!(text(b, page, said).await.starts_with("101 per second"));

    // A quiz: a wrong choice is explained, then the right one.
    let why = "workshop-quiz .ws-why";
    keys(b, page, "workshop-quiz input", "", &[" "]).await;
    keys(b, page, "workshop-quiz button", "Check", &["Enter"]).await;
    let said = text(b, page, why).await;
    assert!(
        said.starts_with("✗ Not quite.") && said.contains("idle for 95 %"),
        "{said}"
    );
    keys(b, page, "workshop-quiz input:checked", "", &["ArrowDown"]).await;
    keys(b, page, "workshop-quiz button", "Check", &["Enter"]).await;
    let said = text(b, page, why).await;
    assert!(said.starts_with("✓ Right."), "{said}");

    let complaints = b.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_paper_all_is_unfolded_and_nothing_wants_a_hand() {
    let Some(program) = browser() else {
        return;
    };
    let book = book().await;
    let mut browser = Browser::start(&program).await;
    let b = &mut browser;
    let page = WIDE.at(b, &format!("{}/pieces.html", book.url)).await;
    let seen = "(() => { const seen = (what) => [...document.querySelectorAll(what)].map((x) => x.checkVisibility()); \
                return ['.ws-piece', '.ws-fallback', 'main details > p'].map((what) => [...new Set(seen(what))]); })()";
    let on_screen = b.evaluate(&page, seen).await;
    assert_eq!(on_screen, json!([[true], [false], [false]]));
    let paper = json!({"media": "print"});
    b.call(Some(&page), "Emulation.setEmulatedMedia", paper)
        .await;
    let on_paper = b.evaluate(&page, seen).await;
    assert_eq!(on_paper, json!([[false], [true], [true]]));
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_control_is_reached_by_tab_and_shows_its_focus() {
    let Some(program) = browser() else {
        return;
    };
    let book = book().await;
    let mut browser = Browser::start(&program).await;
    let b = &mut browser;
    let page = WIDE.at(b, &format!("{}/pieces.html", book.url)).await;
    let listen = "window.seen = new Map(); document.addEventListener('focusin', (event) => { \
                  const style = getComputedStyle(event.target); \
                  window.seen.set(event.target, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1); });";
    b.evaluate(&page, listen).await;
    // What is wanted: all that can be worked, and of a group of radio buttons one.
    let missing = "(() => { const all = [...document.querySelectorAll('.ws-piece :is(button, input, select, summary, [tabindex=\"0\"])')] \
                   .filter((x) => x.checkVisibility() && !x.disabled && !(x.type === 'radio' && ( \
                     [...window.seen.keys()].some((y) => y.name === x.name)))); \
                   return all.filter((x) => window.seen.get(x) !== true).map((x) => x.outerHTML.slice(0, 120)); })()";
    let mut left = b.evaluate(&page, missing).await;
    let controls = left.as_array().map_or(0, Vec::len);
    assert!(controls > 50, "{left:#}");
    for _ in 0..controls + 200 {
        press(b, &page, "Tab").await;
    }
    left = b.evaluate(&page, missing).await;
    assert_eq!(left, json!([]), "{left:#}");
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_opens_a_report_of_their_own() {
    let Some(program) = browser() else {
        return;
    };
    let book = book().await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut browser = Browser::start(&program).await;
    let b = &mut browser;
    let page = WIDE.at(b, &format!("{}/pieces.html", book.url)).await;
    let recorded = include_str!("../../../book/src/timelines/ex03-starter.json");
    let mut newer: Value = serde_json::from_str(recorded).expect("JSON");
    newer["schema"] = 2.into();
    let mut broken: Value = serde_json::from_str(recorded).expect("JSON");
    broken["timelines"][0]["exchanges"][0]["arrived"] = "soon".into();
    let mut nasty: Value = serde_json::from_str(recorded).expect("JSON");
    nasty["timelines"][0]["exchanges"][0]["request"] = "<img src=x onerror=alert(1)>".into();
    for (name, content, says) in [
        ("mine.json", recorded.to_owned(), ""),
        ("all.json", format!("[{recorded}]"), ""),
        ("nasty.json", nasty.to_string(), ""),
        (
            "notes.json",
            "buy milk".to_owned(),
            "notes.json is not JSON, so it is no report.",
        ),
        (
            "data.json",
            "{\"a\": null}".to_owned(),
            "data.json is JSON, but no report of the checker.",
        ),
        (
            "null.json",
            "null".to_owned(),
            "null.json is JSON, but no report of the checker.",
        ),
        (
            "newer.json",
            newer.to_string(),
            "newer.json is a report of version 2, and this page reads version 1.",
        ),
        (
            "broken.json",
            broken.to_string(),
            "broken.json has a timeline that this page cannot read.",
        ),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, content).expect("a file");
        let input =
            json!({"expression": "document.querySelector('workshop-timeline input[type=file]')"});
        let input = b.call(Some(&page), "Runtime.evaluate", input).await;
        let files = json!({"files": [file], "objectId": input["result"]["objectId"]});
        // What is said or shown now is of this file.
        let clear = "document.querySelector('workshop-timeline .ws-title').textContent = ''; \
                     document.querySelector('workshop-timeline .ws-said').textContent = '';";
        b.evaluate(&page, clear).await;
        b.call(Some(&page), "DOM.setFileInputFiles", files).await;
        let shown = "document.querySelector('workshop-timeline .ws-title').textContent + \
                     document.querySelector('workshop-timeline .ws-said').textContent !== ''";
        until(b, &page, shown).await;
        let said = text(b, &page, "workshop-timeline .ws-said").await;
        let title = text(b, &page, "workshop-timeline .ws-title").await;
        assert!(said.starts_with(says), "{name}: {said}");
        assert_eq!(said.is_empty(), says.is_empty(), "{name}: {said}");
        assert_eq!(
            title.starts_with("ex03, exercise: "),
            says.is_empty(),
            "{name}: {title}"
        );
    }
    let images = b
        .evaluate(
            &page,
            "document.querySelectorAll('workshop-timeline img').length",
        )
        .await;
    assert_eq!(images, 0, "a report is text, whatever stands in it");
    let complaints = b.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_scripts_all_of_it_is_there_to_read() {
    let Some(program) = browser() else {
        return;
    };
    let book = book().await;
    let mut browser = Browser::start(&program).await;
    let look = Look {
        scripts: false,
        ..WIDE
    };
    let page = look
        .at(&mut browser, &format!("{}/pieces.html", book.url))
        .await;
    for (selector, count) in [
        ("workshop-predict summary", 3),
        ("workshop-timeline pre", 1),
        ("workshop-stepper table", 2),
        ("workshop-restaurant table", 1),
        ("workshop-little table", 1),
        ("workshop-quiz", 11),
        ("workshop-quiz details.right > summary", 11),
        (".ws-piece", 0),
    ] {
        let there = browser.evaluate(&page, &visible(selector)).await;
        assert_eq!(there, count, "{selector}");
    }
    // Each choice says why, once it is opened.
    let why = "[...document.querySelectorAll('workshop-quiz details')].every((d) => { d.open = true; \
               return d.querySelector('p').textContent.length > 40; })";
    assert_eq!(browser.evaluate(&page, why).await, true);
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_grades_the_readers_program_and_marks_the_contents() {
    let Some(program) = browser() else {
        return;
    };
    let book = book().await;
    let mut browser = Browser::start(&program).await;
    let b = &mut browser;
    // Without the address that was printed there is no token, and that is said.
    let bare = WIDE.at(b, &format!("{}/ex02.html", book.url)).await;
    until(
        b,
        &bare,
        "document.querySelector('.ws-panel button') !== null",
    )
    .await;
    keys(b, &bare, ".ws-panel button", "Run verify", &["Enter"]).await;
    let said = "document.querySelector('.ws-panel [role=status]').textContent";
    until(
        b,
        &bare,
        &format!("{said}.startsWith('This page is of an earlier launch')"),
    )
    .await;
    // The browser itself writes refusals to its console; that is all there may be.
    let refusals = b.complaints().len();
    assert_eq!(refusals, 1, "{:#?}", b.complaints());

    let url = format!("{}/ex02.html#token={}", book.url, book.token);
    let narrow = Look {
        width: 320,
        scheme: "dark",
        scripts: true,
    };
    let mut page = String::new();
    for look in [WIDE, narrow] {
        page = look.at(b, &url).await;
        until(
            b,
            &page,
            "document.querySelector('.ws-panel button') !== null",
        )
        .await;
        assert_eq!(
            b.evaluate(&page, "location.hash").await,
            "",
            "it is not copied along"
        );
        keys(b, &page, ".ws-panel button", "Run verify", &["Enter"]).await;
        // Whatever the program in this checkout deserves.
        let judged = format!("/^(✓ Pass|✗ Fail: [a-z-]+\\.|\\? Incon)/.test({said})");
        until(b, &page, &judged).await;
        until(
            b,
            &page,
            "document.querySelector('.ws-panel .ws-player .ws-row') !== null",
        )
        .await;
        let mark = "[...document.querySelectorAll('#mdbook-sidebar a')].filter((a) => \
                    /\\/ex02\\.html$/.test(a.href)).map((a) => a.textContent).join()";
        until(
            b,
            &page,
            &format!("/ex02.*\\((passed|not passed yet)\\)/.test({mark})"),
        )
        .await;
        assert_eq!(b.evaluate(&page, CLIPPED).await, json!([]));
        let wrong = violations(b, &page, ALL).await;
        assert!(wrong.is_empty(), "{} wide: {wrong:#?}", look.width);
    }
    let paper = json!({"media": "print"});
    b.call(Some(&page), "Emulation.setEmulatedMedia", paper)
        .await;
    let there = b.evaluate(&page, &visible(".ws-panel")).await;
    assert_eq!(there, 0, "a button is of no use on paper");
    assert_eq!(b.complaints().len(), refusals, "{:#?}", b.complaints());
    browser.end().await;
}
