//! `checker solution`: our answer, beside the learner's own file.

use std::path::Path;

use anyhow::Context as _;
use clap::Args;
use similar::TextDiff;

use crate::embedded;
use crate::records::Records;
use crate::render;
use crate::standing;
use crate::workshop::{Exercise, Workshop};

/// Which answer.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// `ex02`, `2`, or an unambiguous part of its name
    pub exercise: String,
    /// Show it although the exercise has not passed
    #[arg(long)]
    pub now: bool,
    /// The answer of the bonus
    #[arg(long)]
    pub bonus: bool,
}

/// The way from the learner's file to the answer; and what is to be said about
/// the file that knows what has passed.
///
/// # Errors
/// Where it has not passed, or the learner's file cannot be read.
pub fn run(workshop: &Workshop, options: &Options) -> anyhow::Result<(String, Option<String>)> {
    let exercise = workshop.exercise(&options.exercise)?;
    let remembered = Records::of(&workshop.root).read();
    let standings = standing::all(workshop, &remembered.records);
    let standing = standings.iter().find(|one| one.exercise.id == exercise.id);
    let (theirs, binary, passed) = if options.bonus {
        let bonus = exercise.the_bonus()?;
        let passed = standing.is_some_and(|one| one.bonus_passed);
        (&bonus.binary, &bonus.solution_binary, passed)
    } else {
        let passed = standing.is_some_and(|one| one.passed);
        (&exercise.binary, &exercise.solution.binary, passed)
    };
    anyhow::ensure!(
        passed || options.now,
        "{} has not passed yet; the answer is shown once it has, or now with --now. A smaller step is `checker hint {}`.",
        exercise.id,
        exercise.id
    );
    let answer = embedded::answer(binary).with_context(|| {
        format!("this checker does not carry the answer {binary}; is it older than the checkout?")
    })?;
    let file = main_file(exercise, theirs);
    let yours = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let shown = file.strip_prefix(&workshop.root).unwrap_or(&file);
    Ok((difference(&yours, answer, shown), remembered.notice))
}

fn main_file(exercise: &Exercise, binary: &str) -> std::path::PathBuf {
    let source = exercise.folder.join("src");
    if binary == exercise.binary {
        return source.join("main.rs");
    }
    source.join("bin").join(format!("{binary}.rs"))
}

fn difference(yours: &str, answer: &str, file: &Path) -> String {
    // The book finds its listings by such lines; nobody else needs them.
    let without_anchors = |text: &str| -> String {
        text.split_inclusive('\n')
            .filter(|line| !line.trim_start().starts_with("// ANCHOR"))
            .collect()
    };
    let (yours, answer) = (&without_anchors(yours), &without_anchors(answer));
    if yours == answer {
        return format!("{} is our answer, letter by letter.\n", file.display());
    }
    let diff = TextDiff::from_lines(yours, answer);
    let text = diff
        .unified_diff()
        .context_radius(3)
        .header(&format!("{} (yours)", file.display()), "the answer")
        .to_string();
    render::difference(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_one_that_tools_understand() {
        let told = difference("a\nb\nc\n", "a\nB\nc\n", Path::new("src/main.rs"));
        let plain = anstream::adapter::strip_str(&told).to_string();
        assert_eq!(
            plain,
            "--- src/main.rs (yours)\n+++ the answer\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
        );
        assert!(told.contains("\u{1b}["), "{told}");
    }

    #[test]
    fn the_marks_of_the_book_are_left_out() {
        let answer = "// ANCHOR: handler\na\n    // ANCHOR_END: handler\nb\n";
        let told = difference("a\nb\n", answer, Path::new("src/main.rs"));
        assert!(told.contains("letter by letter"), "{told}");
        let told = difference("c\nb\n", answer, Path::new("src/main.rs"));
        assert!(told.contains("+a") && !told.contains("ANCHOR"), "{told}");
    }

    #[test]
    fn what_would_act_on_the_terminal_is_shown() {
        let told = difference("\u{1b}[2J\n", "b\n", Path::new("src/main.rs"));
        assert!(!told.contains("\u{1b}[2J"), "{told}");
    }

    #[test]
    fn the_same_is_said_to_be_the_same() {
        let told = difference("a\n", "a\n", Path::new("src/main.rs"));
        assert!(told.contains("letter by letter"), "{told}");
    }
}
