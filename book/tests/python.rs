//! The Python in the book runs.
//!
//! Where no Python is installed there is nothing to try, and a notice says so.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn python_listings_run() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: no python3 here");
        return;
    }
    let mut ran = 0;
    for page in book::PAGES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(page);
        let text = fs::read_to_string(path).expect("the page can be read");
        let listings = text.split("```python\n").skip(1);
        for listing in listings.filter_map(|rest| rest.split("```").next()) {
            // A coroutine that nobody awaits is a warning; here it is an error.
            let python = Command::new("python3")
                .args(["-W", "error", "-c", listing])
                .output()
                .expect("python3 starts");
            let told = String::from_utf8_lossy(&python.stderr);
            assert!(
                python.status.success() && told.is_empty(),
                "{page}: {told}\n{listing}"
            );
            ran += 1;
        }
    }
    assert!(ran > 0, "there are some");
}
