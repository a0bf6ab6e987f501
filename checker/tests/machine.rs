//! Where the machine is at fault, the checker says so in one sentence and holds
//! nothing against the learner.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Once;

const CHECKER: &str = env!("CARGO_BIN_EXE_checker");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the checker lies in the workshop")
        .to_owned()
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null());
    command
}

fn verify() -> Command {
    command(CHECKER, &["verify", "ex01", "--solution"])
}

/// What is at fault below shall be met by the run, and not by its build: on a
/// full disk the linker is the first to fail.
fn build() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let output = verify().output().expect("the checker runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
    });
}

/// Runs a shell's line in namespaces of its own, with the checker's command in
/// `$@`. `None`, and a notice, where this system does not let us.
fn apart(namespaces: &str, line: &str) -> Option<Output> {
    build();
    let output = command("unshare", &[namespaces, "sh", "-c"])
        .arg(format!("{line} || exit 77; exec \"$@\""))
        .args(["sh", CHECKER, "verify", "ex01", "--solution"])
        .output()
        .ok()
        .filter(|output| matches!(output.status.code(), Some(0 | 2 | 3)) || failed(output));
    if output.is_none() {
        println!("skipped: this system does not let us make namespaces ({namespaces})");
    }
    output
}

/// A verdict against the learner, and not `unshare` that failed.
fn failed(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stdout).contains("FAIL")
}

fn assert_is_said(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !failed(output),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with("error: "), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is missing in {said:?}");
    }
}

#[test]
fn an_output_that_takes_nothing() {
    for format in ["human", "json"] {
        let full = File::create("/dev/full").expect("Linux has it");
        let output = verify()
            .args(["--format", format])
            .stdout(full)
            .output()
            .expect("the checker runs");
        assert_is_said(&output, &["standard output cannot be written to"]);
    }
}

#[test]
fn a_temporary_folder_that_is_not_there() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    build();
    for place in [Path::new("/proc/nonexistent"), file.path()] {
        let output = verify()
            .env("TMPDIR", place)
            .output()
            .expect("the checker runs");
        let place = place.to_str().expect("UTF-8");
        assert_is_said(&output, &["no folder for the program", place, "TMPDIR"]);
    }
}

#[test]
fn a_target_folder_that_cannot_be_written_to() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    for place in [Path::new("/proc/nonexistent"), file.path()] {
        let output = verify()
            .env("CARGO_TARGET_DIR", place)
            .output()
            .expect("the checker runs");
        assert_is_said(&output, &["cargo could not build", "(os error "]);
    }
}

#[test]
fn a_disk_that_is_full() {
    let place = tempfile::tempdir().expect("a folder");
    let place = place.path().display();
    // The first inode is the folder itself.
    let mount = format!("mount -t tmpfs -o nr_inodes=1 none '{place}' && export TMPDIR='{place}'");
    if let Some(output) = apart("-rm", &mount) {
        assert_is_said(&output, &["no folder for the program", "TMPDIR"]);
    }
    let mount =
        format!("mount -t tmpfs -o size=300k none '{place}' && export CARGO_TARGET_DIR='{place}'");
    if let Some(output) = apart("-rm", &mount) {
        assert_is_said(&output, &["cargo could not build"]);
        // A linker may die of it before anybody can say why.
        let said = String::from_utf8_lossy(&output.stderr);
        let is_told = ["No space left on device", "is the disk full?"];
        assert!(is_told.iter().any(|words| said.contains(words)), "{said}");
    }
}

#[test]
fn a_loopback_that_is_down() {
    if let Some(output) = apart("-rn", "true") {
        assert_is_said(&output, &["127.0.0.1", "is loopback up"]);
    }
}

#[test]
fn too_few_ports() {
    let line = "ip link set lo up && echo 40000 40015 > /proc/sys/net/ipv4/ip_local_port_range";
    if let Some(output) = apart("-rn", line) {
        assert_is_said(&output, &["too few free ports on 127.0.0.1"]);
    }
}

/// Where so many files may be open at most (`-n`), or unless one asks (`-Sn`).
fn with_open_files(how: &str, limit: u32, exercise: &str) -> Output {
    let line = format!("ulimit {how} {limit}; exec \"$@\"");
    command("sh", &["-c", &line, "sh"])
        .args([CHECKER, "verify", exercise, "--solution"])
        .output()
        .expect("a shell")
}

#[test]
fn too_few_descriptors() {
    for exercise in ["ex01", "ex02", "ex03", "ex04", "ex05", "ex06"] {
        for limit in [32, 64, 128, 256] {
            let output = with_open_files("-n", limit, exercise);
            let words = format!("only {limit} files may be open");
            assert_is_said(&output, &[&words, "ulimit -Hn"]);
        }
    }
}

/// macOS gives no more than 256 to who does not ask.
#[test]
fn few_descriptors_and_more_for_the_asking() {
    for (exercise, limit) in [("ex01", 64), ("ex02", 256)] {
        let output = with_open_files("-Sn", limit, exercise);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
}
