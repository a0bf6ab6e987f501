//! What the compiler cannot vouch for is in two small files, and each block of it
//! says why it is sound.

use std::fs;
use std::path::{Path, PathBuf};

/// The only files that may, and how many blocks each has. Whoever adds one changes
/// this, and is asked why.
const ALLOWED: [(&str, usize); 2] = [
    ("checker/src/program/system.rs", 5),
    ("mock-services/src/lain.rs", 1),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("it is ours").flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "target" && name != ".git" {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn unsafe_code_is_in_two_files_and_every_block_is_justified() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workshop");
    let mut all = Vec::new();
    sources(root, &mut all);
    let word = concat!("uns", "afe {");
    let lifts = concat!("allow(uns", "afe_code)");
    for file in &all {
        let text = fs::read_to_string(file).expect("a source file");
        let blocks = text.matches(word).count();
        let allowed = ALLOWED.iter().find(|(path, _)| file.ends_with(path));
        if let Some((path, wanted)) = allowed {
            assert_eq!(blocks, *wanted, "{path}");
            assert_eq!(text.matches("// SAFETY: ").count(), *wanted, "{path}");
        } else {
            assert_eq!(blocks, 0, "{}", file.display());
            assert!(!text.contains(lifts), "{}", file.display());
        }
    }
}

#[test]
fn nothing_of_ours_runs_while_it_is_built() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workshop");
    let mut all = Vec::new();
    sources(root, &mut all);
    let scripts: Vec<_> = all
        .iter()
        // Beside a manifest: elsewhere it is a module like any other.
        .filter(|file| file.ends_with("build.rs") && file.with_file_name("Cargo.toml").exists())
        .collect();
    assert!(scripts.is_empty(), "{scripts:?}");
}
