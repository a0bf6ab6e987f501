//! `checker explain` as a person calls it: anywhere, into a terminal or a pipe.

use std::process::{Command, Output};

fn explain(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_checker"))
        .arg("explain")
        .args(arguments)
        // No workshop is here, and none is needed.
        .current_dir(std::env::temp_dir())
        .env_remove("NO_COLOR")
        .output()
        .expect("the checker starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it prints UTF-8")
}

#[test]
fn a_diagnosis_is_explained_without_escapes_in_a_pipe() {
    let told = explain(&["sequential"]);
    assert_eq!(told.status.code(), Some(0));
    let told = text(&told.stdout);
    assert!(
        told.starts_with("sequential: one after the other\n\n"),
        "{told}"
    );
    assert!(told.contains("tokio::try_join!"), "{told}");
    // What is there for the compiler alone, and what acts on terminals.
    assert!(
        !told.contains("# async fn") && !told.contains('\u{1b}'),
        "{told}"
    );
}

#[test]
fn colours_come_where_they_are_asked_for() {
    let told = explain(&["sequential", "--color", "always"]);
    assert!(text(&told.stdout).contains('\u{1b}'));
}

#[test]
fn without_a_name_all_are_listed() {
    let told = explain(&[]);
    assert_eq!(told.status.code(), Some(0));
    let told = text(&told.stdout);
    for diagnosis in checker::diagnosis::Diagnosis::ALL {
        let named = |line: &str| line.split_whitespace().next() == Some(diagnosis.code());
        assert!(told.lines().any(named), "{diagnosis} is missing:\n{told}");
    }
}

#[test]
fn a_misspelt_name_is_wrong_use() {
    let told = explain(&["sequental"]);
    assert_eq!(told.status.code(), Some(2));
    assert!(told.stdout.is_empty());
    let complaint = text(&told.stderr);
    assert!(
        complaint.contains("did you mean `sequential`"),
        "{complaint}"
    );
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
}
