//! The HTML report, opened from disk: light, dark, on a telephone, by keyboard.

use std::fs;
use std::path::Path;

use checker::report::Report;
use checker::reports::{self, Form};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::driver::{Browser, LIMIT, LOOK, browser};

/// Finds what keeps people out of a page; `vendor/README.md` says whose it is.
const AXE: &str = include_str!("../vendor/axe.min.js");

/// Recorded reports: what was told of a sequential ex02 and of an ex05 that stalls.
const RECORDED: [&str; 2] = [
    include_str!("../recorded/ex02-sequential.json"),
    include_str!("../recorded/ex05-stalls.json"),
];

/// Text that would be something else, were it not escaped.
const NASTY: &str =
    "</script><script>console.error('ran')</script><img src=x onerror=alert(1)>\u{1b}[31m`";

fn reports() -> Vec<Report> {
    let mut reports: Vec<Report> = RECORDED
        .iter()
        .map(|text| serde_json::from_str(text).expect("a report"))
        .collect();
    reports[0].output = format!("{NASTY}\n{}", "no_place_to_break_".repeat(40));
    reports[0].timelines[0].exchanges[0].request = format!("GET /{NASTY}");
    reports[1].findings[1].observed = NASTY.to_owned();
    reports
}

/// Opens the page as it lies on disk, `width` wide and in that scheme.
async fn open(browser: &mut Browser, file: &Path, width: u32, scheme: &str) -> String {
    let page = browser.open("about:blank").await;
    let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
    browser
        .call(Some(&page), "Emulation.setDeviceMetricsOverride", size)
        .await;
    let features = json!({"features": [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]});
    browser
        .call(Some(&page), "Emulation.setEmulatedMedia", features)
        .await;
    let url = json!({"url": format!("file://{}", file.display())});
    let there = browser.call(Some(&page), "Page.navigate", url).await;
    assert!(there["errorText"].is_null(), "{there}");
    let loaded = "location.protocol === 'file:' && document.readyState === 'complete'";
    let begun = Instant::now();
    while browser.evaluate(&page, loaded).await != true {
        assert!(begun.elapsed() < LIMIT, "the page is not loaded");
        sleep(LOOK).await;
    }
    page
}

/// Everything unfolded, so that nothing escapes the look.
const UNFOLD: &str = "document.querySelectorAll('details').forEach((d) => { d.open = true; })";

async fn assert_in_order(browser: &mut Browser, page: &str, what: &str) {
    browser.evaluate(page, UNFOLD).await;
    let wide = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]";
    let wide = browser.evaluate(page, wide).await;
    assert!(wide[0].as_u64() <= wide[1].as_u64(), "{what}: {wide}");

    browser.evaluate(page, AXE).await;
    let axe = "axe.run(document).then((found) => found.violations.map((v) => \
               [v.id, v.help, v.nodes.slice(0, 3).map((n) => n.html + n.failureSummary)]))";
    let violations = browser.evaluate(page, axe).await;
    assert_eq!(violations, json!([]), "{what}: {violations:#}");
}

/// Presses a key, as a keyboard does.
async fn press(browser: &mut Browser, page: &str, key: &str) {
    let text = if key.len() == 1 { key } else { "" };
    for kind in ["keyDown", "keyUp"] {
        let event = json!({"type": kind, "key": key, "code": key, "text": text});
        let event = if kind == "keyUp" {
            json!({"type": kind, "key": key, "code": key})
        } else {
            event
        };
        browser
            .call(Some(page), "Input.dispatchKeyEvent", event)
            .await;
    }
}

/// Where the times of the first timeline lie, and what is said of that.
async fn view(browser: &mut Browser, page: &str) -> Value {
    let view = "(() => { const t = document.querySelector('.time'); return [\
                t.getAttribute('x'), t.getAttribute('width'), \
                document.querySelector('.tools output').textContent, \
                document.querySelectorAll('.time .ticks text').length] })()";
    browser.evaluate(page, view).await
}

async fn assert_zooms(browser: &mut Browser, page: &str) {
    let whole = view(browser, page).await;
    assert_eq!(
        (&whole[1], &whole[2]),
        (&json!("100%"), &json!("")),
        "{whole}"
    );
    // As the tab key does, but wherever the focus may be by now.
    browser
        .evaluate(page, "document.querySelector('.zoom').focus()")
        .await;
    press(browser, page, "+").await;
    press(browser, page, "+").await;
    let near = view(browser, page).await;
    assert_eq!(near[1], "400%", "{near}");
    assert!(
        near[2].as_str().is_some_and(|said| said.contains(" to ")),
        "{near}"
    );
    assert!(near[3].as_u64() >= Some(1), "{near}");
    press(browser, page, "ArrowRight").await;
    let later = view(browser, page).await;
    assert_ne!(later[0], near[0]);
    assert_ne!(later[2], near[2]);
    press(browser, page, "-").await;
    assert_eq!(view(browser, page).await[1], "200%");
    press(browser, page, "0").await;
    let again = view(browser, page).await;
    // How many ticks there are is the layout's affair, which may come later.
    assert_eq!(again[1], whole[1], "{again}");
    assert!(again[3].as_u64() >= Some(1), "{again}");

    // The buttons do the same, and have names.
    let click = "document.querySelector('.tools button[aria-label=\"Zoom in\"]').click()";
    browser.evaluate(page, click).await;
    assert_eq!(view(browser, page).await[1], "200%");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_in_order_for_everybody() {
    let Some(program) = browser() else {
        return;
    };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let mut files = vec![];
    let all = reports();
    for (name, reports) in [("all.html", &all[..]), ("one.html", &all[..1])] {
        let text = reports::write(Form::Html, reports, reports.len() > 1).expect("a page");
        let file = folder.path().join(name);
        fs::write(&file, text).expect("written");
        files.push(file);
    }
    let mut browser = Browser::start(&program).await;
    for (width, scheme) in [
        (1200, "light"),
        (1200, "dark"),
        (400, "light"),
        (400, "dark"),
    ] {
        for file in &files {
            let what = format!("{} {width} {scheme}", file.display());
            let page = open(&mut browser, file, width, scheme).await;
            let dark = "matchMedia('(prefers-color-scheme: dark)').matches";
            assert_eq!(browser.evaluate(&page, dark).await, scheme == "dark");
            assert_zooms(&mut browser, &page).await;
            assert_in_order(&mut browser, &page, &what).await;
            let made = "document.querySelectorAll('img, main script').length";
            assert_eq!(browser.evaluate(&page, made).await, 0, "{what}");
            let complaints = browser.complaints();
            assert!(complaints.is_empty(), "{what}: {complaints:#?}");
        }
    }
    browser.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_javascript_everything_is_there() {
    let Some(program) = browser() else {
        return;
    };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let file = folder.path().join("report.html");
    let text = reports::write(Form::Html, &reports(), true).expect("a page");
    fs::write(&file, text).expect("written");
    let mut browser = Browser::start(&program).await;
    let page = browser.open("about:blank").await;
    let off = json!({"value": true});
    browser
        .call(Some(&page), "Emulation.setScriptExecutionDisabled", off)
        .await;
    let url = json!({"url": format!("file://{}", file.display())});
    browser.call(Some(&page), "Page.navigate", url).await;
    // DevTools may look where the page's own scripts do not run.
    let begun = Instant::now();
    let look = "[document.querySelectorAll('svg.timeline').length, \
                document.querySelectorAll('button').length, document.body?.innerText ?? '']";
    let seen = loop {
        let seen = browser.evaluate(&page, look).await;
        if seen[2].as_str().is_some_and(|text| text.contains("seed")) {
            break seen;
        }
        assert!(begun.elapsed() < LIMIT, "{seen}");
        sleep(LOOK).await;
    };
    assert!(seen[0].as_u64() >= Some(2), "{seen}");
    assert_eq!(seen[1], 0, "buttons that do nothing are not shown");
    browser.end().await;
}
