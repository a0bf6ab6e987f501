//! A learner's way through the workshop, seen from outside: what is remembered,
//! and what is made of it.

mod mini;

use std::fs;
use std::process::Output;

use mini::{Mini, root, target};

const MAIN: &str = "exercises/ex01-weather-client/src/main.rs";

fn run(mini: &Mini, arguments: &[&str]) -> Output {
    mini.checker(arguments).output().expect("the checker runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// What it says; it must have succeeded and complained of nothing.
fn said(mini: &Mini, arguments: &[&str]) -> String {
    let output = run(mini, arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments:?}: {}",
        stderr(&output)
    );
    assert_eq!(stderr(&output), "", "{arguments:?}");
    stdout(&output)
}

#[test]
fn the_way_from_the_starter_to_the_answer() {
    let mini = Mini::new("way");
    let home = said(&mini, &[]);
    for words in ["0 of 2 passed", "ex01", "not tried yet", "checker watch"] {
        assert!(home.contains(words), "{words}: {home}");
    }

    // The answer has to wait, and hints have to be earned.
    let refused = run(&mini, &["solution", "ex01"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--now"), "{}", stderr(&refused));
    assert!(said(&mini, &["solution", "ex01", "--now"]).contains("+++ the answer"));
    assert!(said(&mini, &["hint"]).contains("hint 1 of 3"));
    assert!(said(&mini, &["hint"]).contains("hint 1 of 3"));

    mini.write(MAIN, "fn main() { wrong }\n");
    assert_eq!(run(&mini, &["verify", "ex01"]).status.code(), Some(1));
    assert!(said(&mini, &["hint"]).contains("hint 2 of 3"));
    assert!(said(&mini, &["hint", "ex01", "--more"]).contains("hint 3 of 3"));
    assert!(said(&mini, &["hint", "ex01", "--level", "1"]).contains("it does not compile yet"));
    assert!(said(&mini, &["list"]).contains("not-compiling; 1 attempt"));

    let reset = said(&mini, &["reset", "ex01"]);
    assert!(reset.contains("main.rs.kept-1"), "{reset}");
    let kept = fs::read_to_string(mini.root.join(format!("{MAIN}.kept-1"))).expect("a copy");
    assert_eq!(kept, "fn main() { wrong }\n");

    // In this copy the package has a name of its own, which is "the learner's" as well.
    let manifest = mini.root.join("exercises/ex01-weather-client/Cargo.toml");
    let kept = manifest.with_file_name("Cargo.toml.kept-1");
    fs::rename(kept, manifest).expect("it was kept, too");

    let answer = root().join("solutions/ex01-weather-client/src/main.rs");
    let answer = fs::read_to_string(answer).expect("the answer");
    mini.write(MAIN, &answer);
    assert_eq!(run(&mini, &["verify", "ex01"]).status.code(), Some(0));
    let list = said(&mini, &["list"]);
    assert!(
        list.contains("ex01 Weather client: passed; best time"),
        "{list}"
    );
    assert!(list.contains("2 attempts"), "{list}");
    assert!(said(&mini, &[]).contains("ex02"));
    assert!(said(&mini, &["hint"]).contains("ex02"));
    // Without a name it is the first that has not passed.
    let current = run(&mini, &["verify", "--no-record", "--quiet"]);
    assert_eq!(current.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&current.stdout).contains("ex02"));
    let hint = said(&mini, &["hint", "ex01"]);
    for words in [
        "nothing left to hint at",
        "checker solution ex01",
        "checker watch ex02",
    ] {
        assert!(hint.contains(words), "{words}: {hint}");
    }
    assert!(said(&mini, &["hint", "ex01", "--level", "1"]).contains("hint 1 of 3"));
    assert!(said(&mini, &["solution", "ex01"]).contains("letter by letter"));
    assert_eq!(mini.attempts().len(), 2);
}

#[test]
fn other_programs_and_those_that_shall_not_count_are_not_attempts() {
    let mini = Mini::new("others");
    mini.write(MAIN, "fn main() {}\n");
    assert!(
        !run(&mini, &["verify", "ex01", "--no-record"])
            .stdout
            .is_empty()
    );
    let program = target().join(format!("debug/others-ex01{}", std::env::consts::EXE_SUFFIX));
    let program = program.to_str().expect("UTF-8");
    assert!(
        !run(&mini, &["verify", "ex01", "--exec", program])
            .stdout
            .is_empty()
    );
    assert!(mini.attempts().is_empty());
    assert_eq!(run(&mini, &["verify", "ex01"]).status.code(), Some(1));
    assert_eq!(
        mini.attempts(),
        [("ex01".to_owned(), Some("exited".to_owned()))]
    );
}

#[test]
fn a_checkout_that_cannot_be_written_to_fails_no_verdict() {
    let mini = Mini::new("unwritable");
    mini.write(MAIN, "fn main() { wrong }\n");
    // Nobody, not even root, can make a folder where a file is.
    mini.write(".workshop", "");
    let output = run(&mini, &["verify", "ex01"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).contains("FAIL ex01"));
    let said = stderr(&output);
    assert!(said.contains("this attempt is not remembered"), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    for arguments in [&[][..], &["list"], &["hint"]] {
        assert_eq!(
            run(&mini, arguments).status.code(),
            Some(0),
            "{arguments:?}"
        );
    }
}

#[test]
fn damage_is_a_warning_and_never_more() {
    let mini = Mini::new("damaged");
    assert!(said(&mini, &["hint", "ex01"]).contains("hint 1 of 3"));
    let file = mini.root.join(".workshop/progress.jsonl");
    let mut bytes = fs::read(&file).expect("it is there");
    bytes.extend_from_slice(b"[\"00000000\",{\"kind\":\"attempt\"}]\n\xff\xfe");
    fs::write(&file, bytes).expect("a file");
    let output = run(&mini, &[]);
    assert_eq!(output.status.code(), Some(0));
    let warning = stderr(&output);
    assert!(warning.contains("2 lines of"), "{warning}");
    assert!(warning.contains("progress.jsonl.damaged-1"), "{warning}");
    assert!(said(&mini, &["hint", "ex01", "--more"]).contains("hint 2 of 3"));
}
