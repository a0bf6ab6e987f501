//! Rust, its linker, and the program that shows the book.

use std::path::Path;

use super::{Row, ask};

/// The oldest Rust that builds the workshop.
const NEEDED: &str = env!("CARGO_PKG_RUST_VERSION");

const RUSTUP: &str = "install Rust as https://rustup.rs says";

pub(super) async fn rows(root: &Path) -> Vec<Row> {
    let rust = match ask("rustc", &["--version"], root).await {
        None => {
            return vec![Row::missing(
                "rust",
                "there is no rustc on the PATH",
                RUSTUP,
            )];
        }
        Some(Err(said)) => {
            return vec![Row::missing(
                "rust",
                format!("rustc does not run: {said}"),
                "rustup toolchain install stable",
            )];
        }
        Some(Ok(said)) => match version(&said) {
            Some(has) if has < version(NEEDED).unwrap_or_default() => Row::missing(
                "rust",
                format!("{said}; the workshop needs {NEEDED}"),
                "rustup update stable",
            ),
            _ => Row::ok("rust", said),
        },
    };
    let cargo = match ask("cargo", &["--version"], root).await {
        None => Row::missing("cargo", "there is no cargo on the PATH", RUSTUP),
        Some(Err(said)) => Row::missing(
            "cargo",
            format!("cargo does not run: {said}"),
            "rustup toolchain install stable",
        ),
        Some(Ok(said)) => Row::ok("cargo", said),
    };
    vec![rust, cargo, linker(root).await]
}

/// The numbers of `rustc 1.95.0 (…)`.
fn version(text: &str) -> Option<(u32, u32)> {
    let number = text
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut parts = number.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// A linker is proved by linking.
async fn linker(root: &Path) -> Row {
    let mend = if cfg!(windows) {
        "install the C++ tools of Visual Studio, as https://rustup.rs says"
    } else if cfg!(target_os = "macos") {
        "xcode-select --install"
    } else {
        "sudo apt install build-essential (or your system's gcc)"
    };
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => {
            return Row::missing(
                "linker",
                format!("not tried, as no temporary folder can be made: {error}"),
                "make room, or let TMPDIR name another folder",
            );
        }
    };
    let source = folder.path().join("main.rs");
    if let Err(error) = std::fs::write(&source, "fn main() {}\n") {
        return Row::missing("linker", format!("not tried: {error}"), "make room");
    }
    let out = folder.path().join("main");
    let (source, out) = (source.to_string_lossy(), out.to_string_lossy());
    match ask("rustc", &["--edition", "2024", &source, "-o", &out], root).await {
        Some(Ok(_)) => Row::ok("linker", "an empty program links"),
        Some(Err(said)) => Row::missing(
            "linker",
            format!("an empty program does not link: {said}"),
            mend,
        ),
        None => Row::missing("linker", "not tried without rustc", RUSTUP),
    }
}

pub(super) async fn book() -> Row {
    let here = Path::new(".");
    match ask("mdbook", &["--version"], here).await {
        Some(Ok(said)) => Row::ok("book", said),
        _ => Row::ok(
            "book",
            "`checker book` serves it; there is no mdbook, which is not needed",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let rustc = |text| version(text).expect("a version");
        assert_eq!(rustc("rustc 1.95.0 (59807616e 2026-03-05)"), (1, 95));
        assert!(rustc("rustc 1.100.0-nightly") > rustc("1.95"));
        assert_eq!(version("nothing of the kind"), None);
        assert!(
            version(NEEDED).is_some(),
            "the manifest says what is needed"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_version_has_numbers_or_none(text in r"[\PC]{0,10} ?[0-9.]{0,30}[\PC]{0,5}") {
            version(&text);
        }
    }
}
