//! Manners: what is said where little is wanted, and what shells and `man` read.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn checker(arguments: &[&str]) -> Command {
    let workshop = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let mut command = Command::new(env!("CARGO_BIN_EXE_checker"));
    command
        .args(arguments)
        .current_dir(workshop.expect("the checker lies in the workshop"))
        .env_remove("GITHUB_STEP_SUMMARY")
        .env_remove("FORCE_HYPERLINK")
        .stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    checker(arguments).output().expect("the checker runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn quiet_is_one_line_and_the_same_exit_code() {
    let pass = run(&["verify", "ex02", "--solution", "--quiet"]);
    assert_eq!(pass.status.code(), Some(0));
    let said = text(&pass.stdout);
    assert!(said.starts_with("PASS ex02 "), "{said}");
    assert!(said.ends_with(" every check was kept\n"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let both = run(&["verify", "ex02", "--quiet", "--format", "json"]);
    assert_eq!(both.status.code(), Some(2), "they contradict each other");
}

#[test]
fn every_shell_gets_its_completions() {
    for (shell, word) in [
        ("bash", "complete"),
        ("zsh", "#compdef checker"),
        ("fish", "complete -c checker"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text(&output.stdout);
        assert!(
            script.contains(word) && script.contains("verify"),
            "{shell}"
        );
    }
    assert_eq!(run(&["completions", "tcsh"]).status.code(), Some(2));
}

#[test]
fn there_is_a_man_page_for_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let shown = folder.path().to_string_lossy().into_owned();
    assert_eq!(run(&["man", &shown]).status.code(), Some(0));
    for page in ["checker.1", "checker-verify.1", "checker-doctor.1"] {
        let page = std::fs::read_to_string(folder.path().join(page)).expect(page);
        assert!(page.contains("Example"), "{page}");
    }
    let missing = folder.path().join("missing");
    let refused = run(&["man", &missing.to_string_lossy()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("there is no folder"));
    assert!(text(&run(&["man"]).stdout).contains(".TH"));
}

#[test]
fn a_reader_that_leaves_is_no_fault() {
    for arguments in [&["man"][..], &["completions", "zsh"], &["verify", "--help"]] {
        let mut child = checker(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the checker runs");
        drop(child.stdout.take());
        let mut said = String::new();
        let mut stderr = child.stderr.take().expect("piped");
        stderr.read_to_string(&mut said).expect("UTF-8");
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{said}");
        assert_eq!(said, "", "{arguments:?}");
    }
}

#[test]
fn links_are_for_terminals() {
    let piped = checker(&["verify", "ex02", "--exec", "false"])
        .env("FORCE_HYPERLINK", "1")
        .output()
        .expect("the checker runs");
    assert!(
        !text(&piped.stdout).contains("\u{1b}]8"),
        "{}",
        text(&piped.stdout)
    );
    assert!(text(&piped.stdout).contains("read more  book"));
    let forced = checker(&["verify", "ex02", "--exec", "false", "--color", "always"])
        .env("FORCE_HYPERLINK", "1")
        .output()
        .expect("the checker runs");
    assert!(text(&forced.stdout).contains("\u{1b}]8;;file://"));
}
