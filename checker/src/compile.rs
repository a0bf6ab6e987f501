//! Builds a program with cargo and reads what cargo says.

mod cargo;

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use cargo_metadata::Message;
use cargo_metadata::diagnostic::DiagnosticLevel;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use self::cargo::Cargo;

/// A build that takes longer than this is given up.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// A binary to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its package.
    pub package: String,
    /// Its name.
    pub binary: String,
    /// Features to switch on.
    pub features: Vec<String>,
}

/// What a build came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Built {
    /// It compiled.
    Program {
        /// The executable.
        path: PathBuf,
        /// Its main source file.
        source: PathBuf,
    },
    /// It did not, and this is what cargo says about it (with colours).
    Broken {
        /// Every error as the compiler renders it.
        rendered: String,
    },
}

impl Target {
    /// A binary of a package.
    pub fn new(package: &str, binary: &str) -> Self {
        Self {
            package: package.to_owned(),
            binary: binary.to_owned(),
            features: Vec::new(),
        }
    }
}

/// Builds a target. `said` is told how many crates are done, as they are.
///
/// # Errors
/// Where there is no cargo, or it fails for a reason that is not in the code.
pub async fn build(
    root: &Path,
    target: &Target,
    said: &(dyn Fn(usize, Duration) + Sync),
) -> anyhow::Result<(Built, Duration)> {
    let began = Instant::now();
    let built = tokio::time::timeout(DEADLINE, run(root, target, began, said))
        .await
        .with_context(|| {
            format!(
                "cargo was still building {} after {} minutes; run `cargo build -p {}` to see why",
                target.binary,
                DEADLINE.as_secs() / 60,
                target.package
            )
        })??;
    Ok((built, began.elapsed()))
}

/// What was built in one go.
#[derive(Debug, Default)]
pub struct Beforehand {
    /// By the names of the binaries.
    built: HashMap<String, Built>,
    took: Duration,
}

impl Beforehand {
    /// What `target` was built to, where it was and has compiled; and how long all took.
    pub fn get(&self, target: &Target) -> Option<(Built, Duration)> {
        let built = self.built.get(&target.binary)?;
        is_plain(target).then(|| (built.clone(), self.took))
    }
}

/// What has features of its own is built alone.
fn is_plain(target: &Target) -> bool {
    target.features.is_empty()
}

/// Builds these targets in one go: many at a time, and cargo looks but once at
/// everything that they are built of. What does not compile is told when it is
/// built alone, as is why there is no cargo. `said` is told how many crates are done.
pub async fn build_all(
    root: &Path,
    targets: &[Target],
    said: &(dyn Fn(usize, Duration) + Sync),
) -> Beforehand {
    let all = run_all(root, targets, said);
    let built = tokio::time::timeout(DEADLINE, all).await;
    built.unwrap_or_default()
}

async fn run_all(
    root: &Path,
    targets: &[Target],
    said: &(dyn Fn(usize, Duration) + Sync),
) -> Beforehand {
    let began = Instant::now();
    let mut beforehand = Beforehand::default();
    let plain = || targets.iter().filter(|target| is_plain(target));
    let packages: BTreeSet<_> = plain().map(|target| &target.package).collect();
    if packages.is_empty() {
        return beforehand;
    }
    let mut command = cargo_build(root, "json");
    command
        .args(["--quiet", "--keep-going"])
        .stderr(Stdio::null());
    for package in packages {
        command.args(["--package", package]);
    }
    for target in plain() {
        command.args(["--bin", &target.binary]);
    }
    let Ok(mut running) = Cargo::start(command) else {
        return beforehand;
    };
    let stdout = running.child().ok().and_then(|child| child.stdout.take());
    let mut lines = stdout.map(|stdout| BufReader::new(stdout).split(b'\n'));
    let mut done = 0;
    while let Some(lines) = &mut lines
        && let Ok(Some(line)) = lines.next_segment().await
    {
        for message in Message::parse_stream(Cursor::new(line)).flatten() {
            let Message::CompilerArtifact(artifact) = message else {
                continue;
            };
            done += 1;
            said(done, began.elapsed());
            if let Some(path) = artifact.executable {
                let built = Built::Program {
                    path: path.into_std_path_buf(),
                    source: artifact.target.src_path.into_std_path_buf(),
                };
                beforehand.built.insert(artifact.target.name, built);
            }
        }
    }
    let _ = running.wait().await;
    beforehand.took = began.elapsed();
    beforehand
}

/// `cargo build` with what it says on its standard output.
fn cargo_build(root: &Path, format: &str) -> Command {
    // Under `cargo run` this is the very cargo that runs us.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .current_dir(root)
        .args(["build", "--message-format", format])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

async fn run(
    root: &Path,
    target: &Target,
    began: Instant,
    said: &(dyn Fn(usize, Duration) + Sync),
) -> anyhow::Result<Built> {
    let mut command = cargo_build(root, "json-diagnostic-rendered-ansi");
    command.args(["--package", &target.package, "--bin", &target.binary]);
    if !target.features.is_empty() {
        command.args(["--features", &target.features.join(",")]);
    }
    let mut running = Cargo::start(command).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            anyhow::anyhow!(
                "cargo was not found; install Rust from https://rustup.rs, open a new terminal and try again"
            )
        } else {
            anyhow::Error::new(error).context("cargo could not be started")
        }
    })?;
    let child = running.child()?;
    let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        bail!("cargo was started without its pipes");
    };
    let complaints = tokio::spawn(async move {
        let mut text = Vec::new();
        let _ = stderr.read_to_end(&mut text).await;
        String::from_utf8_lossy(&text).into_owned()
    });

    let mut lines = BufReader::new(stdout).split(b'\n');
    let mut program = None;
    let mut errors: Vec<String> = Vec::new();
    let mut placeless = String::new();
    let mut done = 0;
    while let Some(line) = lines
        .next_segment()
        .await
        .context("cargo's output broke off")?
    {
        for message in Message::parse_stream(Cursor::new(line)).flatten() {
            match message {
                Message::CompilerArtifact(artifact) => {
                    done += 1;
                    said(done, began.elapsed());
                    if artifact.target.name == target.binary
                        && let Some(path) = artifact.executable
                    {
                        program = Some((path, artifact.target.src_path));
                    }
                }
                Message::CompilerMessage(message)
                    if message.message.level == DiagnosticLevel::Error
                        || message.message.level == DiagnosticLevel::Ice =>
                {
                    let is_placeless = message.message.spans.is_empty();
                    let rendered = message.message.rendered.unwrap_or(message.message.message);
                    if is_placeless {
                        placeless += &rendered;
                    }
                    // rustc closes with "aborting due to …", which says nothing new.
                    if !rendered.contains("aborting due to") && !errors.contains(&rendered) {
                        errors.push(rendered);
                    }
                }
                _ => {}
            }
        }
    }
    let status = running
        .wait()
        .await
        .context("cargo could not be waited for")?;
    let complaints = complaints.await.unwrap_or_default();
    if status.success() {
        let Some((path, source)) = program else {
            bail!(
                "cargo built {} but names no executable for `{}`; does the package still have that binary?",
                target.package,
                target.binary
            );
        };
        return Ok(Built::Program {
            path: path.into_std_path_buf(),
            source: source.into_std_path_buf(),
        });
    }
    // What the compiler says about no line of code may be about the disk.
    let about_the_machine = cause(&placeless).or_else(|| cause(&complaints));
    if let Some(cause) = about_the_machine {
        bail!("cargo could not build {}: {cause}", target.package);
    }
    if !errors.is_empty() {
        return Ok(Built::Broken {
            rendered: first_of(&errors, &target.package),
        });
    }
    if ours(&complaints) {
        bail!(
            "cargo could not build {}: {}",
            target.package,
            last_words(&complaints)
        );
    }
    Ok(Built::Broken {
        rendered: complaints.trim_end().to_owned(),
    })
}

/// More errors at once help nobody, and most are an echo of the first.
const SHOWN: usize = 3;

/// The first errors as the compiler drew them, and how many there are besides.
fn first_of(errors: &[String], package: &str) -> String {
    let shown = &errors[..errors.len().min(SHOWN)];
    let drawn = shown.join("\n").trim_end().to_owned();
    match errors.len() - shown.len() {
        0 => drawn,
        more => format!(
            "{drawn}\n\nand {more} more, which may go when the first does; all of them: cargo build -p {package}"
        ),
    }
}

/// The sentence about the machine in what cargo or the compiler said, if there
/// is one: a full disk, a folder that cannot be written to, no memory.
fn cause(said: &str) -> Option<String> {
    const TELLING: [&str; 8] = [
        "(os error ",
        "No space left on device",
        "Disk quota exceeded",
        "Read-only file system",
        "Permission denied",
        // A linker that maps its output dies of this where the disk is full.
        "[Bus error]",
        "signal: 7, SIGBUS",
        "signal: 9, SIGKILL",
    ];
    let plain = anstream::adapter::strip_str(said).to_string();
    let lines: Vec<_> = plain
        .lines()
        .map(|line| {
            let line = line.trim().trim_start_matches("= note: ");
            line.trim_start_matches("error: ")
        })
        .filter(|line| {
            let is_news = ["Compiling", "Blocking", "Caused by:", "warning"]
                .iter()
                .all(|start| !line.starts_with(start));
            !line.is_empty() && is_news
        })
        .collect();
    let told = lines
        .iter()
        .position(|line| TELLING.iter().any(|words| line.contains(words)))?;
    let short = |line: &str| line.chars().take(300).collect::<String>();
    let mut sentence = match told {
        0 => short(lines[0]),
        _ => format!("{}: {}", short(lines[0]), short(lines[told])),
    };
    if ["[Bus error]", "SIGBUS"]
        .iter()
        .any(|words| sentence.contains(words))
    {
        sentence += "; is the disk full?";
    }
    Some(sentence)
}

/// Other failures of cargo that no change of the learner's code can mend.
fn ours(complaints: &str) -> bool {
    [
        "failed to download",
        "failed to get `",
        "Could not resolve host",
        "attempting to make an HTTP request, but --offline was specified",
        "did not match any packages",
        "no bin target named",
        "is not installed",
        "failed to write",
        "failed to create directory",
    ]
    .iter()
    .any(|words| complaints.contains(words))
}

fn last_words(complaints: &str) -> String {
    let lines: Vec<_> = complaints
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("Compiling"))
        .take(6)
        .collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_errors_are_shown_and_the_rest_is_counted() {
        let errors = ["a\n", "b\n", "c\n", "d\n"].map(str::to_owned);
        assert_eq!(first_of(&errors[..3], "ex01"), "a\n\nb\n\nc");
        let said = first_of(&errors, "ex01");
        assert!(said.starts_with("a\n\nb\n\nc\n\nand 1 more, "), "{said}");
        assert!(said.ends_with("cargo build -p ex01"), "{said}");
    }

    #[test]
    fn a_full_disk_is_told_in_one_sentence() {
        let said = "\u{1b}[1merror\u{1b}[0m: failed to write to `/t/full.rmeta`: No space left on device (os error 28)\n\n\
                    error: linking with `cc` failed: exit status: 1\n";
        assert_eq!(
            cause(said).as_deref(),
            Some("failed to write to `/t/full.rmeta`: No space left on device (os error 28)")
        );
        let said = "error: linking with `cc` failed: exit status: 1\n  |\n  = note:  \"cc\" \"-m64\"\n  \
                    collect2: fatal error: ld terminated with signal 7 [Bus error]\n";
        assert_eq!(
            cause(said).as_deref(),
            Some(
                "linking with `cc` failed: exit status: 1: \
                 collect2: fatal error: ld terminated with signal 7 [Bus error]; is the disk full?"
            )
        );
    }

    #[test]
    fn a_place_that_cannot_be_written_to_is_named() {
        let said = "   Compiling ex01 v0.1.0\nerror: failed to open: /t/.cargo-lock\n\n\
                    Caused by:\n  Read-only file system (os error 30)\n";
        assert_eq!(
            cause(said).as_deref(),
            Some("failed to open: /t/.cargo-lock: Read-only file system (os error 30)")
        );
    }

    #[test]
    fn a_mistake_is_no_fault_of_the_machine() {
        for said in [
            "error: linking with `cc` failed: exit status: 1\n  = note: undefined symbol: weather\n",
            "error: failed to parse manifest at `/w/Cargo.toml`\n\nCaused by:\n  no targets specified\n",
            "",
        ] {
            assert_eq!(cause(said), None, "{said}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_line_of_cargos_is_a_message_or_none(
            bytes: Vec<u8>,
            json in r#"\{"reason":"[a-z-]{0,20}"[{}\[\]:,"a-z_0-9 ]{0,60}"#,
            words in r"(error|cause|[a-z]{0,5}|:|\n| |\x1b\[[0-9;]{0,3}m|\(os error ){0,12}",
        ) {
            for line in [bytes.as_slice(), json.as_bytes(), words.as_bytes()] {
                Message::parse_stream(Cursor::new(line)).flatten().count();
                let said = String::from_utf8_lossy(line);
                cause(&said);
                ours(&said);
                last_words(&said);
            }
        }
    }
}
