//! What is remembered survives a `kill -9` at any point. `KILLS=1000` asks for
//! that many; a run of all tests is content with fewer.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use checker::record::{Hint, Record};
use checker::records::Records;

/// Where the writer writes; unset where this is an ordinary run of the tests.
const ROOT: &str = "CHECKER_TEST_ROOT";
/// The number of its first record.
const FIRST: &str = "CHECKER_TEST_FIRST";
/// A fresh file every so often: a day's work, not a year's.
const PER_FILE: usize = 50;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Another process runs this: it adds records for ever, and says of each that it
/// is safe.
#[test]
#[ignore = "a part of the other test"]
fn writer() {
    let (Some(root), Some(first)) = (std::env::var_os(ROOT), number(FIRST)) else {
        return;
    };
    let records = Records::of(root.as_ref());
    for at in first.. {
        let hint = Hint {
            at,
            exercise: "ex02".to_owned(),
            level: 1,
        };
        let notice = records.add(&Record::Hint(hint)).expect("it is written");
        assert_eq!(notice, None, "the last one left damage behind");
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nsafe {at}")
            .and_then(|()| out.flush())
            .expect("somebody listens");
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_writer_is_killed() {
    let kills = number("KILLS").unwrap_or(150);
    let mut drawn = fastrand::Rng::with_seed(7);
    let mut root = tempfile::tempdir().expect("a folder");
    let mut safe: Vec<u64> = vec![];
    let mut acknowledged = 0;
    for kill in 0..kills {
        if usize::try_from(kill).is_ok_and(|kill| kill % PER_FILE == 0) {
            root = tempfile::tempdir().expect("a folder");
            safe.clear();
        }
        let first = kill * 1_000_000;
        let mut writer = Command::new(std::env::current_exe().expect("this program"))
            .args(["--ignored", "--exact", "writer", "--nocapture"])
            .env(ROOT, root.path())
            .env(FIRST, first.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut said = BufReader::new(writer.stdout.take().expect("a pipe")).lines();
        // Every third is killed at any time, the others while they write.
        let lines = if kill % 3 == 0 {
            0
        } else {
            1 + drawn.usize(..4)
        };
        let mut heard = vec![];
        while heard.len() < lines {
            let line = said.next().expect("it goes on").expect("text");
            heard.extend(line.strip_prefix("safe ").map(str::to_owned));
        }
        std::thread::sleep(Duration::from_micros(drawn.u64(..6_000)));
        writer.kill().expect("it runs");
        let rest = said.map_while(Result::ok);
        heard.extend(rest.filter_map(|line| line.strip_prefix("safe ").map(str::to_owned)));
        let output = writer.wait_with_output().expect("it ends");
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(!complaints.contains("panicked"), "{complaints}");
        acknowledged += heard.len();
        safe.extend(heard.iter().map(|at| at.parse::<u64>().expect("a number")));

        let read = Records::of(root.path()).read();
        assert_eq!(read.notice, None, "kill {kill}");
        let kept: Vec<_> = read.records.iter().map(Record::at).collect();
        let lost: Vec<_> = safe.iter().filter(|at| !kept.contains(at)).collect();
        assert!(lost.is_empty(), "kill {kill} lost {lost:?}");
    }
    println!("{kills} kills, {acknowledged} records acknowledged, none lost");
    assert!(acknowledged > 0);
}
