//! The checker from outside: what it prints, how it exits, what it leaves.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the checker lies in the workshop")
        .to_owned()
}

fn checker(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_checker"));
    command
        .args(arguments)
        .current_dir(root())
        .env_remove("GITHUB_STEP_SUMMARY")
        .stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    checker(arguments).output().expect("the checker runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{}", stdout(output), stderr(output));
    })
}

fn assert_fits_the_schema(report: &serde_json::Value) {
    let schema = include_str!("../schema/report-v1.schema.json");
    let schema = serde_json::from_str(schema).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    let errors: Vec<_> = validator
        .iter_errors(report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// A refusal: exit code 2, one sentence, nothing on standard output.
fn assert_refused(output: &Output, words: &[&str]) {
    assert_eq!(output.status.code(), Some(2), "{}", stderr(output));
    assert_eq!(stdout(output), "");
    let said = stderr(output);
    assert!(said.starts_with("error: "), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is missing in {said:?}");
    }
}

#[test]
fn the_starter_fails_for_its_reason_and_the_report_fits_its_schema() {
    let starter = run(&[
        "verify",
        "ex02",
        "--format",
        "json",
        "--seed",
        "5",
        "--no-record",
    ]);
    let report = json(&starter);
    assert_fits_the_schema(&report);
    // A learner's checkout may have come further.
    if starter.status.code() == Some(1) {
        assert_eq!(report["verdict"], "fail");
        assert_eq!(report["seed"], 5);
    }
}

#[test]
fn a_solution_passes_and_says_so_in_every_way() {
    let output = run(&["verify", "2", "--solution", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let report = json(&output);
    assert_fits_the_schema(&report);
    assert_eq!(report["verdict"], "pass");
    assert_eq!(report["schema"], 1);
    let exchanges = report["timelines"][0]["exchanges"].as_array();
    assert!(exchanges.is_some_and(|all| all.len() >= 9), "{report}");

    let output = run(&["verify", "parallel", "--solution"]);
    let text = stdout(&output);
    assert!(text.contains("PASS"), "{text}");
    assert!(
        !text.contains('\u{1b}'),
        "no colours where there is no terminal"
    );
}

#[test]
fn colours_come_only_when_asked_for() {
    let always = run(&["verify", "ex01", "--solution", "--color", "always"]);
    assert!(stdout(&always).contains("\u{1b}["));
    let never = run(&["verify", "ex01", "--solution", "--color", "never"]);
    assert!(!stdout(&never).contains('\u{1b}'));
    let no_color = checker(&["verify", "ex01", "--solution"])
        .env("NO_COLOR", "1")
        .output()
        .expect("the checker runs");
    assert!(!stdout(&no_color).contains('\u{1b}'));
}

#[test]
fn all_is_an_array() {
    let output = run(&["verify", "--all", "--solution", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let reports = json(&output);
    let reports = reports.as_array().expect("an array");
    assert!(reports.len() >= 2);
    reports.iter().for_each(assert_fits_the_schema);
}

#[test]
fn a_broken_report_does_not_fit_the_schema() {
    let schema = include_str!("../schema/report-v1.schema.json");
    let schema = serde_json::from_str(schema).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    let good = json(&run(&["verify", "ex01", "--solution", "--format", "json"]));
    assert!(validator.is_valid(&good));
    type Damage = fn(&mut serde_json::Value);
    let damages: [Damage; 5] = [
        |r| r["schema"] = 2.into(),
        |r| r["verdict"] = "maybe".into(),
        |r| r["findings"][0]["outcome"] = "broken".into(),
        |r| r["findings"][0]["diagnosis"] = "sequential".into(),
        |r| r["timelines"][0]["exchanges"][0]["arrived"] = (-1).into(),
    ];
    for damage in damages {
        let mut bad = good.clone();
        damage(&mut bad);
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}

#[test]
fn an_unknown_exercise_gets_the_nearest_name() {
    assert_refused(
        &run(&["verify", "paralel"]),
        &["paralel", "did you mean `ex02`"],
    );
}

#[test]
fn a_folder_that_is_not_the_workshop_is_refused() {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let output = checker(&["verify", "ex01"])
        .current_dir(elsewhere.path())
        .output()
        .expect("the checker runs");
    assert_refused(&output, &["not inside the workshop"]);
}

#[test]
fn a_broken_description_is_refused_with_its_line() {
    let copy = tempfile::tempdir().expect("a folder");
    let folder = copy.path().join("exercises/ex01-weather-client");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(copy.path().join("Cargo.toml"), "[workspace]\n").expect("a file");
    std::fs::write(
        folder.join("exercise.toml"),
        "id = \"ex01\"\ntitle = \"x\"\nminutes = \"many\"\n",
    )
    .expect("a file");
    let workshop = copy.path().to_str().expect("UTF-8");
    let output = run(&["verify", "ex01", "--workshop", workshop]);
    assert_refused(&output, &["exercise.toml, line 3", "minutes", "expected"]);
}

#[test]
fn no_cargo_is_said_plainly() {
    let output = checker(&["verify", "ex01"])
        .env_remove("CARGO")
        .env("PATH", "")
        .output()
        .expect("the checker runs");
    assert_refused(&output, &["cargo was not found", "rustup"]);
}

#[test]
fn an_exec_that_does_not_exist_is_refused() {
    assert_refused(
        &run(&["verify", "ex01", "--exec", "no-such-program --flag"]),
        &["no-such-program"],
    );
    assert_refused(
        &run(&["verify", "ex01", "--exec", "./no/such/file"]),
        &["no/such/file"],
    );
    assert_refused(
        &run(&["verify", "ex01", "--exec", "python3 ./nothere.py"]),
        &["no file", "/nothere.py"],
    );
    assert_refused(&run(&["verify", "ex01", "--exec", "'open"]), &["quote"]);
    assert_refused(&run(&["verify", "ex01", "--exec", ""]), &["empty"]);
}

#[test]
fn wrong_use_is_exit_code_2() {
    for arguments in [
        &["verify", "ex01", "--all"][..],
        &["verify", "ex01", "--seed", "x"],
        &["verify", "ex01", "--format", "xml"],
        &["compare", "ex01", "--latency", "soon"],
        &["sing"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = checker(&["verify", "ex01", "--solution"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the checker runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_compile_error_is_shown_once() {
    let broken = root().join("solutions/ex01-weather-client/src/bin/ex01-wrong-not-compiling.rs");
    assert!(broken.is_file());
    let output = run(&["author", "check", "--only", "not-compiling"]);
    assert!(
        stdout(&output).contains("ok    ex01-wrong-not-compiling"),
        "{}",
        stdout(&output)
    );
}

#[cfg(target_os = "linux")]
mod containment {
    use super::*;
    use std::fs;
    use std::time::{Duration, Instant};

    /// A program that never listens, has a child in a session of its own, and
    /// ignores polite requests.
    const STUBBORN: &str = "import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        sys.argv[0] = 'child'
        time.sleep(600)
    os._exit(0)
time.sleep(600)
";

    /// Processes whose command line holds this, and who are no zombies.
    fn processes_with(marker: &str) -> Vec<u32> {
        fs::read_dir("/proc")
            .expect("/proc")
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid: &u32| {
                fs::read(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| String::from_utf8_lossy(&line).contains(marker))
            })
            .filter(|pid| *pid != std::process::id())
            .collect()
    }

    /// Waits until a condition holds; a minute is more than anything here takes.
    fn until(what: &str, holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < Duration::from_secs(60), "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn stubborn_run(signal: &str, name: &str) {
        if Command::new("python3").arg("--version").output().is_err() {
            println!("skipped: no python3 here");
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join(format!("{name}.py"));
        fs::write(&script, STUBBORN).expect("a file");
        let marker = script.to_str().expect("UTF-8").to_owned();
        let mut owner = checker(&["verify", "ex01", "--exec", &format!("python3 '{marker}'")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the checker runs");
        // The checker itself names the script, too: parent and grandchild make three.
        until("the program and its grandchild run", || {
            processes_with(&marker).len() >= 3
        });
        let killed = Command::new("kill")
            .args([signal, &owner.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(killed.success());
        owner.wait().expect("it ends");
        until("nothing is left", || processes_with(&marker).is_empty());
    }

    #[test]
    fn nothing_is_left_when_the_checker_is_killed() {
        stubborn_run("-KILL", "killed");
    }

    #[test]
    fn nothing_is_left_after_ctrl_c() {
        stubborn_run("-INT", "interrupted");
    }

    #[test]
    fn what_a_program_sees_of_its_surroundings_is_what_the_contract_names() {
        if Command::new("python3").arg("--version").output().is_err() {
            println!("skipped: no python3 here");
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("nosy.py");
        fs::write(
            &script,
            "import os\nprint('SEES', ' '.join(sorted(os.environ)), flush=True)\nraise SystemExit(3)\n",
        )
        .expect("a file");
        let output = checker(&[
            "verify",
            "ex01",
            "--format",
            "json",
            "--exec",
            &format!("python3 '{}'", script.display()),
        ])
        .env("MY_SECRET", "1")
        .output()
        .expect("the checker runs");
        let report = json(&output);
        assert_eq!(report["findings"][0]["diagnosis"], "exited", "{report}");
        let text = report["output"].as_str().expect("text");
        let seen = text
            .lines()
            .find(|line| line.starts_with("SEES"))
            .expect("it printed");
        assert!(
            seen.contains("PORT") && seen.contains("WEATHER_URL"),
            "{seen}"
        );
        assert!(!seen.contains("SECRET") && !seen.contains("SEED"), "{seen}");
    }
}
