//! `checker doctor` from outside, and that no proxy ever comes between the
//! checker, a learner's program, and its services.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn checker(arguments: &[&str]) -> Command {
    let workshop = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let mut command = Command::new(env!("CARGO_BIN_EXE_checker"));
    command
        .args(arguments)
        .current_dir(workshop.expect("the checker lies in the workshop"))
        .env_remove("GITHUB_STEP_SUMMARY")
        .stdin(Stdio::null());
    command
}

fn rows(output: &Output) -> Vec<Value> {
    let checkup: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(checkup["schema"], 1);
    let rows = checkup["rows"].as_array().expect("rows").clone();
    let missing = rows.iter().any(|row| row["state"] == "missing");
    assert_eq!(checkup["ready"], !missing, "{checkup:#}");
    assert_eq!(output.status.code(), Some(if missing { 2 } else { 0 }));
    for row in &rows {
        assert_ne!(row["seen"], "", "{row}");
        assert_eq!(row["mend"].is_null(), row["state"] == "ok", "{row}");
    }
    rows
}

fn state<'a>(rows: &'a [Value], name: &str) -> &'a str {
    let row = rows.iter().find(|row| row["name"] == name);
    row.unwrap_or_else(|| panic!("no row {name}"))["state"]
        .as_str()
        .expect("a state")
}

#[test]
fn a_machine_that_builds_this_has_what_is_needed() {
    let output = checker(&["doctor", "--format", "json"]).output();
    let rows = rows(&output.expect("the checker runs"));
    for name in ["workshop", "rust", "cargo", "linker", "loopback", "crates"] {
        assert_eq!(state(&rows, name), "ok", "{rows:#?}");
    }
    for name in [
        "disk",
        "memory",
        "proxies",
        "ports",
        "clock",
        "timers",
        "containment",
        "browser",
        "book",
    ] {
        state(&rows, name);
    }
    let human = checker(&["doctor"]).output().expect("the checker runs");
    let text = String::from_utf8_lossy(&human.stdout).into_owned();
    assert!(
        text.contains("ok       rust") && !text.contains('\u{1b}'),
        "{text}"
    );
}

#[test]
fn without_a_toolchain_that_is_said_with_what_mends_it() {
    let empty = tempfile::tempdir().expect("a folder");
    let output = checker(&["doctor", "--format", "json"])
        .env("PATH", empty.path())
        .output()
        .expect("the checker runs");
    assert_eq!(output.status.code(), Some(2));
    let rows = rows(&output);
    assert_eq!(state(&rows, "rust"), "missing");
    assert!(String::from_utf8_lossy(&output.stdout).contains("https://rustup.rs"));
}

#[test]
fn outside_a_workshop_it_says_so_and_looks_at_the_rest() {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let output = checker(&["doctor", "--format", "json"])
        .current_dir(elsewhere.path())
        .output()
        .expect("the checker runs");
    let rows = rows(&output);
    assert_eq!(state(&rows, "workshop"), "warning");
    assert_eq!(state(&rows, "linker"), "ok");
}

#[test]
fn a_proxy_in_the_environment_is_told_and_never_asked() {
    let trap = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    trap.set_nonblocking(true).expect("set");
    let proxy = format!("http://{}", trap.local_addr().expect("an address"));
    let with_proxies = |arguments: &[&str]| {
        let mut command = checker(arguments);
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            command.env(name, &proxy);
        }
        command.env_remove("NO_PROXY").env_remove("no_proxy");
        command.output().expect("the checker runs")
    };
    // Built without them: cargo is right to use a proxy.
    let plain = checker(&["verify", "ex02", "--solution"]).output();
    assert!(plain.expect("the checker runs").status.success());

    let verdict = with_proxies(&["verify", "ex02", "--solution"]);
    let said = String::from_utf8_lossy(&verdict.stdout);
    assert_eq!(verdict.status.code(), Some(0), "{said}");
    let rows = rows(&with_proxies(&["doctor", "--format", "json"]));
    assert_eq!(state(&rows, "proxies"), "warning");
    let asked = trap.accept().map_err(|error| error.kind());
    assert_eq!(
        asked.err(),
        Some(ErrorKind::WouldBlock),
        "nobody asked the proxy"
    );
}
