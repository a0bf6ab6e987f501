//! `checker doctor`: what this machine has and lacks for the workshop. Each row
//! says what was seen, and where something is amiss the command that mends it.

mod clock;
mod containment;
mod loopback;
mod machine;
mod offline;
mod ports;
mod toolchain;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::progress::Progress;
use crate::report::counted;
use crate::workshop::Workshop;

/// The version of the JSON that a [`Checkup`] becomes.
const SCHEMA: u32 = 1;

/// How to look.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Prove that nothing is missing for work without a network: build everything
    /// offline, in a folder of its own (takes minutes)
    #[arg(long)]
    pub offline_ready: bool,
    /// How to answer
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// How a checkup is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// One object.
    Json,
}

/// All that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checkup {
    schema: u32,
    /// Whether nothing that is needed is missing.
    pub ready: bool,
    /// In the order in which one mends.
    pub rows: Vec<Row>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its name: `linker`.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// What was seen.
    pub seen: String,
    /// The command that mends it, or what to do; `None` where all is well.
    pub mend: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it should be.
    Ok,
    /// The workshop works, but something in it will not, or not well.
    Warning,
    /// The workshop does not work without it.
    Missing,
}

impl Row {
    fn ok(name: &'static str, seen: impl Into<String>) -> Self {
        Self {
            name,
            state: State::Ok,
            seen: seen.into(),
            mend: None,
        }
    }

    fn warning(name: &'static str, seen: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            state: State::Warning,
            mend: Some(mend.into()),
            ..Self::ok(name, seen)
        }
    }

    fn missing(name: &'static str, seen: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            state: State::Missing,
            ..Self::warning(name, seen, mend)
        }
    }
}

impl Checkup {
    fn new(rows: Vec<Row>) -> Self {
        Self {
            schema: SCHEMA,
            ready: rows.iter().all(|row| row.state != State::Missing),
            rows,
        }
    }

    /// 0 where nothing that is needed is missing.
    pub fn exit_code(&self) -> u8 {
        if self.ready { 0 } else { 2 }
    }

    /// For programs.
    ///
    /// # Errors
    /// Never.
    pub fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

/// Looks at everything. `here` is where the learner is, or the workshop named.
pub async fn run(options: &Options, here: &Path) -> Checkup {
    let workshop = Workshop::find(here);
    let root = workshop.as_ref().map_or(here, |found| &found.root);
    let target = target_folder(root);
    let mut rows = vec![match &workshop {
        Ok(found) => Row::ok(
            "workshop",
            format!(
                "{}, with {}",
                found.root.display(),
                counted(found.exercises.len(), "exercise")
            ),
        ),
        Err(error) => Row::warning("workshop", format!("{error:#}"), "cd to your checkout"),
    }];
    rows.extend(toolchain::rows(root).await);
    rows.push(machine::disk(&target));
    rows.push(machine::memory());
    rows.push(loopback::row().await);
    rows.push(loopback::proxies());
    rows.extend(ports::rows());
    rows.push(clock::resolution());
    rows.push(clock::timers());
    rows.push(containment::row());
    rows.push(machine::browser());
    rows.push(toolchain::book().await);
    if workshop.is_ok() {
        rows.push(offline::crates(root).await);
        if options.offline_ready {
            let progress = Progress::on_stderr();
            let row = tokio::select! {
                row = offline::build(root, &target, &progress) => row,
                () = progress.keep_drawing() => Row::ok("offline", ""),
            };
            progress.clear();
            rows.push(row);
        }
    }
    Checkup::new(rows)
}

fn target_folder(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir))
}

/// What a program says, or the first line of what it complains about. `None`
/// where there is no such program.
async fn ask(program: &str, arguments: &[&str], here: &Path) -> Option<Result<String, String>> {
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .current_dir(here)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Some(if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        let said = text(&output.stderr);
        let line = said
            .lines()
            .find(|line| line.starts_with("error"))
            .or_else(|| said.lines().next());
        Err(line.unwrap_or("it failed and says nothing").to_owned())
    })
}

/// Where a program lies that can be called by its name.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&path)
        .map(|folder| folder.join(&file))
        .find(|program| program.is_file())
}

/// `3.2 GiB`
fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
