//! The checker is killed (`kill -9`) at any moment of a run: nothing of the
//! learner's survives, no file stays once the next one has started, and the next
//! one is right.
//!
//! `KILLS=1000` asks for more than a few. Then some of the runs build first, and
//! attempts are remembered in this checkout, whose file has to stay intact.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use checker::records::Records;

const CHECKER: &str = env!("CARGO_BIN_EXE_checker");

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where more than a few kills are asked for, one of so many meets a build.
const BUILDS: u32 = 30;

/// What is graded, by turns. The second is whatever stands in this checkout: a
/// starter that fails, or somebody's work.
const GRADED: [&[&str]; 2] = [&["verify", "ex01", "--solution"], &["verify", "ex01"]];

/// How one ends that nobody disturbs: its exit code, and the first word of its verdict.
type Ending = (i32, &'static str);

fn endings(temporary: &Path) -> [Ending; 2] {
    GRADED.map(|arguments| {
        let run = verify(temporary, arguments).wait_with_output();
        let Output { status, stderr, .. } = run.expect("it ends");
        match status.code() {
            Some(0) => (0, "PASS ex01"),
            Some(1) => (1, "FAIL ex01"),
            code => panic!("{code:?}: {}", String::from_utf8_lossy(&stderr)),
        }
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the checker lies in the workshop")
}

struct Kills {
    /// How many.
    count: u32,
    /// Whether somebody asked for that many.
    by_hand: bool,
}

fn kills() -> Kills {
    let asked = std::env::var("KILLS").ok();
    Kills {
        by_hand: asked.is_some(),
        count: asked.map_or(10, |kills| kills.parse().expect("a number")),
    }
}

fn verify(temporary: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(CHECKER);
    command.args(arguments);
    if !kills().by_hand {
        command.arg("--no-record");
    }
    command
        .current_dir(root())
        .env("TMPDIR", temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the checker starts")
}

/// Grades undisturbed, and says how long that took.
fn assert_right(temporary: &Path, endings: &[Ending; 2], turn: u32, after: &str) -> Duration {
    let turn = turn as usize % GRADED.len();
    let (arguments, (code, words)) = (GRADED[turn], endings[turn]);
    let began = Instant::now();
    let run = verify(temporary, arguments).wait_with_output();
    let Output {
        status,
        stdout,
        stderr,
    } = run.expect("it ends");
    let (said, complaints) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    assert_eq!(status.code(), Some(code), "{after}: {said}{complaints}");
    assert!(said.contains(words), "{after}: {said}");
    assert_eq!(complaints, "", "{after}");
    began.elapsed()
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

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).expect("it is ours").flatten().count()
}

fn until_none(what: &str, left: impl Fn() -> usize) {
    let began = Instant::now();
    while left() > 0 {
        assert!(began.elapsed() < PATIENCE, "{what}: {} left", left());
        sleep(Duration::from_millis(5));
    }
}

/// Makes cargo build both programs again.
fn touch_sources() {
    for source in ["exercises", "solutions"] {
        let file = root().join(source).join("ex01-weather-client/src/main.rs");
        File::options()
            .append(true)
            .open(&file)
            .and_then(|file| file.set_modified(SystemTime::now()))
            .expect("the source is ours");
    }
}

#[test]
fn a_killed_checker_leaves_nothing_and_the_next_one_is_right() {
    let Kills { count, by_hand } = kills();
    let folder = tempfile::tempdir().expect("a folder");
    let records = Records::of(root());
    // Once undisturbed: to build what is to be graded, and to know how long it takes.
    let endings = endings(folder.path());
    assert_eq!(endings[0].0, 0, "the solution passes");
    let right = |turn, after: &str| assert_right(folder.path(), &endings, turn, after);
    let mut whole = [0, 1].map(|turn| right(turn, "the second"));
    let (mut met, mut built) = (0, 0);
    for kill in 0..count {
        let turn = kill as usize % whole.len();
        let builds = by_hand && kill % BUILDS < 2;
        if builds {
            touch_sources();
            built += 1;
        }
        let mut checker = verify(folder.path(), GRADED[turn]);
        // Anywhere in a run, and a build takes about as long again.
        let stretch = if builds { 2.0 } else { 1.0 };
        sleep(whole[turn].mul_f64(fastrand::f64() * stretch));
        met += u32::from(!marked(folder.path()).is_empty());
        checker.kill().expect("it is ours");
        checker.wait().expect("it is ours");
        until_none("processes", || marked(folder.path()).len());
        let took = right(kill, &format!("after kill {kill}"));
        if !builds {
            whole[turn] = took;
        }
        // The keeper of a killed checker may tidy up beside the next start.
        until_none("files", || entries(folder.path()));
        assert_eq!(records.read().notice, None, "after kill {kill}");
        if by_hand && kill % 20 == 19 {
            println!("{} kills, {met} with a program running", kill + 1);
        }
    }
    println!("{count} kills, {met} of them with a program running, {built} from a build on");
    assert!(met > 0, "no kill met a running program");
}
