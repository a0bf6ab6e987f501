//! A source file can be written to break whoever reads it. It breaks nothing of
//! ours, and gives no hints.

use std::fs;
use std::path::Path;
use std::time::Instant;

use checker::source::{Hints, hints};

const CHECKER: &str = env!("CARGO_BIN_EXE_checker");

#[tokio::test]
async fn a_file_that_breaks_parsers_gives_no_hints() {
    const LENGTH: usize = 200_000;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("main.rs");
    for (before, piece, after) in [
        ("fn f() { ", "!", "x; }"),
        ("fn f() { ", "-&*", "x; }"),
        ("fn f() { ", "return ", "; }"),
        ("fn f() { ", "x = ", "x; }"),
        ("fn f() { ", "|x| ", "x; }"),
        ("fn f() { x", ".y()", "; }"),
        ("fn f() { ", "if x {} else ", "{} }"),
        ("fn f() { ", "(", ""),
        ("type T = ", "fn() -> ", "u8;"),
        ("type T = ", "&", "u8;"),
    ] {
        let text = format!("{before}{}{after}", piece.repeat(LENGTH / piece.len()));
        fs::write(&file, text).expect("it is ours");
        let began = Instant::now();
        let read = hints(Path::new(CHECKER), &file).await;
        assert_eq!(read, Hints::default(), "{piece}");
        println!("{piece:?}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn an_ordinary_file_gives_its_hints() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("main.rs");
    let text = "async fn ask() {}\nasync fn main() {\n    ask();\n}\n";
    fs::write(&file, text).expect("it is ours");
    let read = hints(Path::new(CHECKER), &file).await;
    assert_eq!(read.never_awaited, Some(3));
}
