//! `checker init` and `checker update`: a workshop from nothing but the checker,
//! which cargo takes as it is and builds without a network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

fn run(program: &str, arguments: &[&str], here: &Path) -> Output {
    Command::new(program)
        .args(arguments)
        .current_dir(here)
        .env_remove("GITHUB_STEP_SUMMARY")
        .env_remove("CARGO")
        // Kept between runs, so that dependencies are built once.
        .env("CARGO_TARGET_DIR", target())
        .env("CARGO_NET_OFFLINE", "true")
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("course")
}

fn checker(arguments: &[&str], here: &Path) -> Output {
    run(env!("CARGO_BIN_EXE_checker"), arguments, here)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_fresh_workshop_builds_offline_and_fails_as_its_starter_does() {
    let folder = folder();
    let made = checker(&["init", "work"], folder.path());
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let work = folder.path().join("work");
    let lock = read(work.join("Cargo.lock"));

    // Cargo takes the lock as its own.
    // `cargo metadata` would want the crates of other platforms, too.
    let locked = ["tree", "--workspace", "--locked", "--offline"];
    let taken = run("cargo", &locked, &work);
    assert!(taken.status.success(), "{}", text(&taken.stderr));

    let arguments = ["verify", "ex01", "--format", "json", "--workshop"];
    let verdict = checker(
        &[&arguments[..], &[&work.to_string_lossy()]].concat(),
        &work,
    );
    assert_eq!(verdict.status.code(), Some(1), "{}", text(&verdict.stderr));
    let report: checker::report::Report =
        serde_json::from_slice(&verdict.stdout).expect("a report");
    let leading = report.leading().and_then(|finding| finding.diagnosis);
    assert_eq!(leading.map(|d| d.code()), Some("sequential"));
    assert_eq!(
        read(work.join("Cargo.lock")),
        lock,
        "nothing had to be locked anew"
    );

    let without = checker(&["verify", "ex01", "--solution"], &work);
    assert_eq!(without.status.code(), Some(2));
    let said = text(&without.stderr);
    assert!(said.contains("--with-solutions"), "{said}");
}

#[test]
fn with_solutions_the_lock_holds_too() {
    let folder = folder();
    let made = checker(&["init", "work", "--with-solutions"], folder.path());
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let work = folder.path().join("work");
    let locked = ["tree", "--workspace", "--locked", "--offline"];
    let taken = run("cargo", &locked, &work);
    assert!(taken.status.success(), "{}", text(&taken.stderr));
    assert!(text(&taken.stdout).contains("ex06-solution"));
}

#[test]
fn a_folder_with_something_else_in_it_is_refused() {
    let folder = folder();
    fs::write(folder.path().join("thesis.tex"), "mine").expect("written");
    let refused = checker(&["init", "."], folder.path());
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("is not empty"));
    let left: Vec<_> = fs::read_dir(folder.path())
        .expect("read")
        .flatten()
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn an_update_brings_back_what_is_missing_and_touches_nothing_of_the_learners() {
    let folder = folder();
    assert!(checker(&["init", "work"], folder.path()).status.success());
    let work = folder.path().join("work");
    let main = work.join("exercises/ex01-weather-client/src/main.rs");
    fs::write(&main, "fn main() {} // mine").expect("written");
    fs::remove_file(work.join("book/book.toml")).expect("removed");

    let updated = checker(&["update"], &work);
    assert_eq!(updated.status.code(), Some(0), "{}", text(&updated.stderr));
    let said = text(&updated.stdout);
    assert!(said.contains("new      book/book.toml"), "{said}");
    assert!(
        !said.contains("main.rs"),
        "the course has not changed: {said}"
    );
    assert_eq!(read(main), "fn main() {} // mine");
    assert!(text(&checker(&["update"], &work).stdout).contains("up to date"));
    // The same from outside.
    let again = checker(&["init", "work"], folder.path());
    assert!(
        text(&again.stdout).contains("up to date"),
        "{}",
        text(&again.stderr)
    );
}

#[test]
fn a_checkout_is_not_for_update() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workshop");
    let refused = checker(&["update"], root);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("git pull"));
}
