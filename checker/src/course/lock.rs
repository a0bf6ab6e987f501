//! The learner's `Cargo.lock`, which cargo takes as it is: `--locked` and
//! `--offline` hold from the first build on.
//!
//! Only cargo knows what a lock leaves out, so `checker/course.lock` is what cargo
//! made of the repository's for a workshop with all answers
//! (`checker author course-lock`). Without the answers it is less what only they
//! lead to.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde::Deserialize;

const WHOLE: &str = include_str!("../../course.lock");

const HEAD: &str = "[[package]]\n";

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// The lock of a workspace that has these packages.
///
/// # Errors
/// Where `course.lock` lacks one.
pub(super) fn pruned(roots: &[String]) -> anyhow::Result<String> {
    let (head, blocks) = WHOLE.split_once(HEAD).context("a lock has packages")?;
    let blocks: Vec<&str> = blocks.split(HEAD).collect();
    let packages: Vec<Package> = blocks
        .iter()
        .map(|block| toml::from_str(block))
        .collect::<Result<_, _>>()?;

    let mut wanted: Vec<usize> = roots
        .iter()
        .map(|root| find(&packages, root).with_context(|| format!("the lock lacks {root}")))
        .collect::<Result<_, _>>()?;
    let mut kept = BTreeSet::new();
    while let Some(one) = wanted.pop() {
        if kept.insert(one) {
            for dependency in &packages[one].dependencies {
                let found = find(&packages, dependency);
                wanted.push(found.with_context(|| format!("the lock lacks {dependency}"))?);
            }
        }
    }

    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &kept {
        *versions.entry(&packages[*one].name).or_default() += 1;
    }
    let mut text = head.to_owned();
    for one in &kept {
        text += HEAD;
        for line in blocks[*one].trim_end().lines() {
            // A dependency names its version only where there are several.
            let named = line
                .strip_prefix(" \"")
                .and_then(|line| line.strip_suffix("\","));
            match named.and_then(|named| named.split_once(' ')) {
                Some((name, _)) if versions.get(name) == Some(&1) => {
                    text += &format!(" \"{name}\",\n");
                }
                _ => {
                    text += line;
                    text += "\n";
                }
            }
        }
        text += "\n";
    }
    text.truncate(text.trim_end().len());
    Ok(text + "\n")
}

/// `name`, or `name version`, or with a source after that.
fn find(packages: &[Package], dependency: &str) -> Option<usize> {
    let mut words = dependency.split(' ');
    let name = words.next()?;
    let version = words.next();
    packages.iter().position(|package| {
        package.name == name && version.is_none_or(|version| package.version == version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_course_is_locked_to_what_the_repository_is() {
        let packages = |text: &str| -> BTreeSet<(String, String)> {
            let (_, blocks) = text.split_once(HEAD).expect("packages");
            blocks
                .split(HEAD)
                .map(|block| toml::from_str::<Package>(block).expect("a package"))
                .map(|package| (package.name, package.version))
                .collect()
        };
        let repository = packages(include_str!("../../../Cargo.lock"));
        let differ: Vec<_> = packages(WHOLE).difference(&repository).cloned().collect();
        assert!(
            differ.is_empty(),
            "run `cargo checker author course-lock`: {differ:?}"
        );
    }

    #[test]
    fn a_lock_holds_what_its_packages_lead_to_and_no_more() {
        let lock = pruned(&["callback-kit".to_owned()]).expect("a lock");
        assert!(lock.contains("name = \"mio\"") && !lock.contains("name = \"axum\""));
        assert!(pruned(&["nobody-has-this".to_owned()]).is_err());
    }
}
