//! The learner's `Cargo.toml`: the repository's, less what only the checker needs.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;

use super::files::Files;

const WHOLE: &str = include_str!("../../../Cargo.toml");

/// The manifest of a workspace that has these files.
pub(super) fn workspace(files: &Files, with_solutions: bool) -> anyhow::Result<String> {
    let used = used(files)?;
    let mut members = vec![
        "checker/book",
        "checker/unified",
        "mock-services",
        "exercises/*",
    ];
    if with_solutions {
        members.push("solutions/*");
    }
    let mut text = String::new();
    let mut section = "";
    let mut comment = String::new();
    for line in WHOLE.lines() {
        if line.starts_with('[') {
            section = line;
        }
        // What a comment says of a line goes with it.
        if line.starts_with('#') {
            comment += line;
            comment += "\n";
            continue;
        }
        // Cargo warns of a profile for a package that is not there.
        if section == "[profile.dev.package.checker]" {
            comment.clear();
            continue;
        }
        let name = line.split([' ', '=', '.']).next().unwrap_or_default();
        let line = match (section, name) {
            ("[workspace]", "members") => {
                comment.clear();
                format!("members = {members:?}")
            }
            ("[workspace]", "default-members") => {
                comment = "# `cargo build` without more builds what you work on.\n".to_owned();
                "default-members = [\"mock-services\", \"exercises/*\"]".to_owned()
            }
            ("[workspace.dependencies]", name)
                if !name.is_empty() && !name.starts_with('[') && !used.contains(name) =>
            {
                comment.clear();
                continue;
            }
            _ => line.to_owned(),
        };
        text += &comment;
        comment.clear();
        text += &line;
        text += "\n";
    }
    Ok(text)
}

/// The dependencies that some manifest among these takes from the workspace.
fn used(files: &Files) -> anyhow::Result<BTreeSet<String>> {
    let mut used = BTreeSet::new();
    for manifest in manifests(files)? {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            collect(&manifest, kind, &mut used);
            let targets = manifest.get("target").and_then(toml::Value::as_table);
            for target in targets.into_iter().flat_map(toml::Table::values) {
                if let Some(target) = target.as_table() {
                    collect(target, kind, &mut used);
                }
            }
        }
    }
    Ok(used)
}

fn collect(of: &toml::Table, kind: &str, used: &mut BTreeSet<String>) {
    let all = of.get(kind).and_then(toml::Value::as_table);
    for (name, how) in all.into_iter().flatten() {
        if how.get("workspace").and_then(toml::Value::as_bool) == Some(true) {
            used.insert(name.clone());
        }
    }
}

/// The packages that these files hold, by name.
pub(super) fn packages(files: &Files) -> anyhow::Result<Vec<String>> {
    manifests(files)?
        .iter()
        .map(|manifest| {
            let name = manifest["package"]["name"].as_str();
            Ok(name.context("a package has a name")?.to_owned())
        })
        .collect()
}

/// Every manifest of a package.
fn manifests(files: &Files) -> anyhow::Result<Vec<toml::Table>> {
    files
        .iter()
        .filter(|(path, _)| {
            path.file_name().is_some_and(|name| name == "Cargo.toml")
                && path.as_path() != Path::new("Cargo.toml")
        })
        .map(|(path, contents)| {
            let text = std::str::from_utf8(contents)?;
            toml::from_str(text).with_context(|| path.display().to_string())
        })
        .collect()
}
