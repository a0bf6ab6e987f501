//! Reports from outside: which files a verdict leaves, and that none of them
//! changes it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use checker::report::Report;

/// Recorded of a sequential ex02.
const RECORDED: &str = include_str!("recorded/ex02-sequential.json");

fn checker(arguments: &[&str], here: &Path) -> Command {
    let workshop = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let mut command = Command::new(env!("CARGO_BIN_EXE_checker"));
    command
        .arg("--workshop")
        .arg(workshop.expect("the checker lies in the workshop"))
        .args(arguments)
        .current_dir(here)
        .env_remove("GITHUB_STEP_SUMMARY")
        .stdin(Stdio::null());
    command
}

fn run(arguments: &[&str], here: &Path) -> Output {
    checker(arguments, here).output().expect("the checker runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

#[test]
fn one_run_leaves_a_report_of_every_form() {
    let folder = folder();
    let here = folder.path();
    let summary = here.join("summary.md");
    let files = [
        "a.json",
        "a.xml",
        "a.html",
        "a.md",
        "results.json",
        "junit:b",
    ];
    let mut arguments = vec!["verify", "ex02", "--solution"];
    for file in files {
        arguments.extend(["--report", file]);
    }
    let output = checker(&arguments, here)
        .env("GITHUB_STEP_SUMMARY", &summary)
        .output()
        .expect("the checker runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("PASS"),
        "the terminal has the verdict as ever"
    );
    let read = |name: &str| fs::read_to_string(here.join(name)).expect(name);
    let report: Report = serde_json::from_str(&read("a.json")).expect("a report");
    assert_eq!(report.exercise, "ex02");
    assert!(read("a.xml").contains("<testsuites") && read("b").contains("<testsuites"));
    assert!(read("a.html").contains("<svg") && read("a.md").contains("✅ pass"));
    assert!(read("results.json").contains("\"tests\""));
    assert!(read("summary.md").contains("✅ pass"));
    let left: Vec<_> = fs::read_dir(here).expect("read").flatten().collect();
    assert_eq!(
        left.len(),
        files.len() + 1,
        "nothing else is left: {left:?}"
    );
}

#[test]
fn a_summary_that_cannot_be_written_warns_and_the_verdict_stands() {
    let folder = folder();
    let output = checker(&["verify", "ex02", "--solution"], folder.path())
        .env("GITHUB_STEP_SUMMARY", folder.path())
        .output()
        .expect("the checker runs");
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("warning: GITHUB_STEP_SUMMARY"));
}

#[test]
fn a_file_that_is_no_report_is_refused_before_anything_runs() {
    let folder = folder();
    let notes = folder.path().join("notes.md");
    fs::write(&notes, "mine").expect("written");
    for (report, said) in [
        ("notes.md", "is no report"),
        ("no/such/folder.md", "there is no folder"),
        ("report.pdf", "has to end with"),
        (".", "has to end with"),
    ] {
        let output = run(&["verify", "ex02", "--report", report], folder.path());
        assert_eq!(output.status.code(), Some(2), "{report}");
        assert_eq!(text(&output.stdout), "");
        let error = text(&output.stderr);
        assert!(error.contains(said), "{report}: {error}");
    }
    assert_eq!(fs::read_to_string(&notes).expect("there"), "mine");
}

#[test]
fn every_form_can_go_to_standard_output() {
    let folder = folder();
    for (form, starts) in [
        ("junit", "<?xml"),
        ("html", "<!DOCTYPE html>"),
        ("markdown", "<!--"),
        ("gradescope", "{"),
    ] {
        let arguments = ["verify", "ex01", "--solution", "--format", form];
        let output = run(&arguments, folder.path());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).starts_with(starts), "{form}");
    }
}

#[test]
fn a_recorded_timeline_is_drawn_alike_every_time() {
    let folder = folder();
    fs::write(folder.path().join("r.json"), RECORDED).expect("written");
    let draw = |more: &[&str]| {
        let arguments = [&["draw", "r.json"], more].concat();
        run(&arguments, folder.path())
    };
    let svg = draw(&["--svg"]);
    assert_eq!(svg.status.code(), Some(0), "{}", text(&svg.stderr));
    assert!(text(&svg.stdout).starts_with("<svg "));
    assert_eq!(svg.stdout, draw(&["--svg"]).stdout);
    let other = draw(&["--svg", "--probe", "ex02/together"]);
    assert!(text(&other.stdout).contains("ex02/together"));
    assert!(text(&draw(&[]).stdout).contains("GET /tomorrow"));

    let missing = draw(&["--probe", "ex02/nothing"]);
    assert_eq!(missing.status.code(), Some(2));
    let said = text(&missing.stderr);
    assert!(said.contains("it has ex02/answer"), "{said}");
    fs::write(folder.path().join("r.json"), "{}").expect("written");
    let wrong = draw(&[]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("is no report"));
}
