//! A small copy of the workshop, whose programs are built beside everything
//! else, so that only they are compiled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use checker::record::Record;
use checker::records::Records;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the checker lies in the workshop")
}

/// A workshop with ex01 and ex02 only, in packages of a name of their own: the
/// real ones may be under test at the same time.
pub(crate) struct Mini {
    pub(crate) root: PathBuf,
}

impl Mini {
    /// Always at the same place, so that it is compiled once.
    pub(crate) fn new(name: &str) -> Self {
        let mini = Self {
            root: Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("watch-{name}")),
        };
        let _ = fs::remove_dir_all(&mini.root);
        let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
        let manifest: String = manifest
            .lines()
            .filter(|line| !line.starts_with("default-members"))
            .map(|line| match line {
                _ if line.starts_with("members") => {
                    "members = [\"checker/unified\", \"exercises/*\"]\n".to_owned()
                }
                _ => format!("{line}\n"),
            })
            .collect();
        mini.write("Cargo.toml", &manifest);
        for file in [
            "Cargo.lock",
            "checker/unified/Cargo.toml",
            "checker/unified/src/lib.rs",
        ] {
            let text = fs::read_to_string(root().join(file)).expect("a file");
            mini.write(file, &text);
        }
        for (id, folder) in [("ex01", "ex01-weather-client"), ("ex02", "ex02-parallel")] {
            let package = format!("{name}-{id}");
            let read = |file: &str| {
                let path = root().join("checker/starters").join(folder).join(file);
                fs::read_to_string(path).expect("a starter")
            };
            let manifest = read("Cargo.toml.txt")
                .replace(&format!("\"{id}\""), &format!("\"{package}\""))
                .replace("callback-kit.workspace = true\n", "");
            mini.write(&format!("exercises/{folder}/Cargo.toml"), &manifest);
            let mut description = read("exercise.toml")
                .replace(
                    &format!("package = \"{id}\""),
                    &format!("package = \"{package}\""),
                )
                .replace(
                    &format!("binary = \"{id}\""),
                    &format!("binary = \"{package}\""),
                );
            if let Some(bonus) = description.find("\n[") {
                description.truncate(bonus + 1);
            }
            mini.write(&format!("exercises/{folder}/exercise.toml"), &description);
            mini.write(
                &format!("exercises/{folder}/src/main.rs"),
                &read("src/main.rs"),
            );
        }
        mini
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.root.join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// The exercise and the diagnosis of each attempt that is remembered.
    pub(crate) fn attempts(&self) -> Vec<(String, Option<String>)> {
        let records = Records::of(&self.root).read().records;
        let attempts = records.into_iter().filter_map(|record| match record {
            Record::Attempt(attempt) => Some((attempt.exercise, attempt.diagnosis)),
            Record::Hint(_) => None,
        });
        attempts.collect()
    }

    pub(crate) fn checker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_checker"));
        command
            .args(arguments)
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", target())
            .env("CARGO_NET_OFFLINE", "true")
            .stdin(Stdio::null());
        command
    }
}

pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the target folder")
        .to_owned()
}
