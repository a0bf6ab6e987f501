//! Whether the workshop can be worked on without a network.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use tokio::process::Command;

use crate::progress::Progress;
use crate::report::words;

use super::{Row, ask};

const FETCH: &str = "cargo fetch --locked";

/// Whether every crate is here, for this machine.
pub(super) async fn crates(root: &Path) -> Row {
    let host = match ask("rustc", &["-vV"], root).await {
        Some(Ok(said)) => said
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .map(str::to_owned),
        _ => None,
    };
    let mut arguments = vec!["fetch", "--quiet", "--locked", "--offline"];
    if let Some(host) = &host {
        arguments.extend(["--target", host]);
    }
    match ask("cargo", &arguments, root).await {
        Some(Ok(_)) => Row::ok("crates", "all are here, so no network is needed"),
        Some(Err(said)) => Row::warning(
            "crates",
            format!("not all are here, so the next build needs a network: {said}"),
            FETCH,
        ),
        None => Row::missing("crates", "not looked for without cargo", FETCH),
    }
}

/// Builds all that a learner builds, from nothing and without a network.
pub(super) async fn build(root: &Path, target: &Path, progress: &Progress) -> Row {
    // Beside the other builds: that is where there is room.
    let made = std::fs::create_dir_all(target).and_then(|()| {
        tempfile::Builder::new()
            .prefix("offline-ready-")
            .tempdir_in(target)
    });
    let folder = match made {
        Ok(folder) => folder,
        Err(error) => {
            return Row::missing(
                "offline",
                format!(
                    "not tried, as no folder can be made in {}: {error}",
                    target.display()
                ),
                "make room there",
            );
        }
    };
    let waiting = progress.waiting_for("everything to be built offline");
    let began = Instant::now();
    let output = Command::new("cargo")
        .args(["build", "--quiet", "--locked", "--offline", "--all-targets"])
        .current_dir(root)
        .env("CARGO_TARGET_DIR", folder.path())
        .env("CARGO_INCREMENTAL", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output()
        .await;
    drop(waiting);
    let took = words(began.elapsed());
    match output {
        Ok(output) if output.status.success() => {
            Row::ok("offline", format!("everything was built offline in {took}"))
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let error = said.lines().find(|line| line.starts_with("error"));
            Row::missing(
                "offline",
                format!(
                    "building everything offline failed after {took}: {}",
                    error.unwrap_or("cargo says nothing")
                ),
                format!("{FETCH}; where your own code does not compile yet, mend that first"),
            )
        }
        Err(error) => Row::missing("offline", format!("cargo does not run: {error}"), FETCH),
    }
}
