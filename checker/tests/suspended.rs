//! Whoever is stopped for a while (Ctrl-Z, a debugger, a lid that is closed) is
//! not held to account for it: neither the learner's program nor the checker.
//!
//! `STOPS=50` asks for more than a few. Then some of the runs build first.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const CHECKER: &str = env!("CARGO_BIN_EXE_checker");

/// Longer than any patience that a probe has with a silent program.
const STOPPED_FOR: Duration = Duration::from_secs(4);

fn verify(temporary: &Path, exercise: &str) -> Child {
    Command::new(CHECKER)
        .args(["verify", exercise, "--solution"])
        .current_dir(root())
        .env("TMPDIR", temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the checker starts")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the checker lies in the workshop")
}

/// The learner's processes, or cargo's: those that have the folder in their
/// environment. Keepers have not.
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

/// How many are asked for, by whoever wants more than a few.
fn asked() -> Option<u32> {
    let stops = std::env::var("STOPS").ok()?;
    Some(stops.parse().expect("a number"))
}

/// Makes cargo build the answer again.
fn touch(exercise: &str) {
    let folder = match exercise {
        "ex01" => "ex01-weather-client",
        _ => "ex02-parallel",
    };
    let file = root().join("solutions").join(folder).join("src/main.rs");
    File::options()
        .append(true)
        .open(&file)
        .and_then(|file| file.set_modified(SystemTime::now()))
        .expect("the source is ours");
}

/// At points all over a run, stops what `whom` names of the checker and of what it
/// has started.
fn assert_nobody_is_blamed(what: &str, whom: fn(checker: u32, programs: Vec<u32>) -> Vec<u32>) {
    let folder = tempfile::tempdir().expect("a folder");
    let points = asked().unwrap_or(3);
    let mut passed = 0;
    for exercise in ["ex01", "ex02"] {
        let whole = measured(folder.path(), exercise);
        for point in 0..points {
            if asked().is_some() && point % 5 == 0 {
                touch(exercise);
            }
            let checker = verify(folder.path(), exercise);
            sleep(whole.mul_f64((f64::from(point) + fastrand::f64()) / f64::from(points)));
            let stopped = whom(checker.id(), programs(folder.path()));
            stopped.iter().for_each(|pid| send(*pid, Signal::SIGSTOP));
            sleep(STOPPED_FOR);
            stopped.iter().for_each(|pid| send(*pid, Signal::SIGCONT));
            let output = checker.wait_with_output().expect("it ends");
            let stopped = stopped.len();
            assert_no_fail(
                &format!("{exercise}: {what} ({stopped}) at {point}"),
                &output,
            );
            passed += u32::from(output.status.success());
        }
    }
    println!("{what}: {} stops, {passed} passed all the same", 2 * points);
}

#[test]
fn a_checker_that_was_stopped_blames_nobody() {
    assert_nobody_is_blamed("the checker was stopped", |checker, _| vec![checker]);
}

#[test]
fn a_program_that_was_stopped_is_not_blamed() {
    assert_nobody_is_blamed("programs were stopped", |_, programs| programs);
}

/// As a lid that is closed does it, though this clock goes on.
#[test]
fn a_machine_that_was_stopped_blames_nobody() {
    assert_nobody_is_blamed("all were stopped", |checker, programs| {
        [vec![checker], programs].concat()
    });
}
