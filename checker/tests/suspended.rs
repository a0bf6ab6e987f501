//! Whoever is stopped for a while (Ctrl-Z, a debugger, a lid that is closed) is
//! not held to account for it: neither the learner's program nor the checker.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const CHECKER: &str = env!("CARGO_BIN_EXE_checker");

/// Longer than any patience that a probe has with a silent program.
const STOPPED_FOR: Duration = Duration::from_secs(4);

fn verify(temporary: &Path, exercise: &str) -> Child {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    Command::new(CHECKER)
        .args(["verify", exercise, "--solution"])
        .current_dir(root.expect("the checker lies in the workshop"))
        .env("TMPDIR", temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the checker starts")
}

/// The learner's processes: those that have the folder in their environment.
fn programs(folder: &Path) -> Vec<u32> {
    let mark = folder.as_os_str().as_encoded_bytes();
    let of = |entry: fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let environment = fs::read(entry.path().join("environ")).ok()?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        let has_mark = environment.windows(mark.len()).any(|part| part == mark);
        (has_mark && name != "checker\n").then_some(pid)
    };
    let processes = fs::read_dir("/proc").expect("Linux has it").flatten();
    processes.filter_map(of).collect()
}

fn send(pid: u32, signal: Signal) {
    // It may have ended meanwhile.
    let _ = kill(Pid::from_raw(i32::try_from(pid).expect("a pid")), signal);
}

fn assert_no_fail(what: &str, output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 3)), "{what}: {code:?}\n{said}");
}

/// How long an undisturbed run takes.
fn measured(folder: &Path, exercise: &str) -> Duration {
    let run = || {
        let began = Instant::now();
        let output = verify(folder, exercise).wait_with_output();
        assert_no_fail("undisturbed", &output.expect("it ends"));
        began.elapsed()
    };
    run(); // builds
    run()
}

fn points() -> u32 {
    std::env::var("STOPS").map_or(3, |stops| stops.parse().expect("a number"))
}

#[test]
fn a_checker_that_was_stopped_blames_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    for exercise in ["ex01", "ex02"] {
        let whole = measured(folder.path(), exercise);
        for point in 0..points() {
            let checker = verify(folder.path(), exercise);
            sleep(whole.mul_f64((f64::from(point) + fastrand::f64()) / f64::from(points())));
            send(checker.id(), Signal::SIGSTOP);
            sleep(STOPPED_FOR);
            send(checker.id(), Signal::SIGCONT);
            let output = checker.wait_with_output().expect("it ends");
            assert_no_fail(&format!("{exercise}, stopped at {point}"), &output);
        }
    }
}

#[test]
fn a_program_that_was_stopped_is_not_blamed() {
    let folder = tempfile::tempdir().expect("a folder");
    for exercise in ["ex01", "ex02"] {
        let whole = measured(folder.path(), exercise);
        for point in 0..points() {
            let checker = verify(folder.path(), exercise);
            sleep(whole.mul_f64((f64::from(point) + fastrand::f64()) / f64::from(points())));
            let stopped = programs(folder.path());
            stopped.iter().for_each(|pid| send(*pid, Signal::SIGSTOP));
            sleep(STOPPED_FOR);
            stopped.iter().for_each(|pid| send(*pid, Signal::SIGCONT));
            let output = checker.wait_with_output().expect("it ends");
            let what = format!("{exercise}, {} programs stopped at {point}", stopped.len());
            assert_no_fail(&what, &output);
        }
    }
}
