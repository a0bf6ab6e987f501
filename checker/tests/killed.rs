//! The checker is killed (`kill -9`) at any moment of a run: nothing of the
//! learner's survives, no file stays once the next one has started, and the next
//! one is right. `KILLS=1000` asks for more than a few.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const CHECKER: &str = env!("CARGO_BIN_EXE_checker");

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the checker lies in the workshop")
}

fn verify(temporary: &Path) -> Child {
    Command::new(CHECKER)
        .args(["verify", "ex01", "--solution"])
        .current_dir(root())
        .env("TMPDIR", temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the checker starts")
}

/// Processes that a program of that folder has started.
fn marked(folder: &Path) -> Vec<u32> {
    let mark = folder.as_os_str().as_encoded_bytes();
    let of = |entry: fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let environment = fs::read(entry.path().join("environ")).ok()?;
        let has_mark = environment.windows(mark.len()).any(|part| part == mark);
        let is_checker =
            fs::read_to_string(entry.path().join("comm")).is_ok_and(|c| c == "checker\n");
        (has_mark && !is_checker).then_some(pid)
    };
    let processes = fs::read_dir("/proc").expect("Linux has it").flatten();
    processes.filter_map(of).collect()
}

fn until_none(what: &str, left: impl Fn() -> usize) {
    let began = Instant::now();
    while left() > 0 {
        assert!(began.elapsed() < PATIENCE, "{what}: {} left", left());
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_checker_leaves_nothing_and_the_next_one_is_right() {
    let kills: u32 = std::env::var("KILLS").map_or(15, |kills| kills.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    // Once undisturbed: to build what is to be graded, and to know how long it takes.
    assert!(verify(folder.path()).wait().expect("it ends").success());
    let began = Instant::now();
    assert!(verify(folder.path()).wait().expect("it ends").success());
    let whole = began.elapsed();
    let mut met = 0;
    for kill in 0..kills {
        let mut checker = verify(folder.path());
        // Over the whole of a run, each time at another moment.
        sleep(whole.mul_f64((f64::from(kill) + fastrand::f64()) / f64::from(kills)));
        met += u32::from(!marked(folder.path()).is_empty());
        checker.kill().expect("it is ours");
        checker.wait().expect("it is ours");
        until_none("processes", || marked(folder.path()).len());
        if kill % 10 == 0 {
            let next = verify(folder.path()).wait().expect("it ends");
            assert!(next.success(), "after kill {kill}: {next}");
        }
    }
    // A kill between the making of a folder and its lock leaves an empty one, which
    // is swept once it is a minute old.
    let _ = verify(folder.path()).wait();
    until_none("folders", || {
        let entries = fs::read_dir(folder.path()).expect("it is ours").flatten();
        entries
            .filter(|entry| entry.path().join("owner").exists())
            .count()
    });
    println!("{kills} kills, {met} of them with a program running");
    assert!(met > 0, "no kill met a running program");
}
