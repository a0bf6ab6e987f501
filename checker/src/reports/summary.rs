//! The page that GitHub shows beside a workflow's run.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;

use crate::remedy;
use crate::report::Report;

use super::Form;

/// The variable that names its file.
const VARIABLE: &str = "GITHUB_STEP_SUMMARY";

/// Adds the reports to the summary where the variable names one. Returns what to
/// warn of: the verdict stands whatever becomes of a summary.
pub fn step_summary(reports: &[Report]) -> Option<String> {
    let file = std::env::var_os(VARIABLE).filter(|file| !file.is_empty())?;
    let warning = append(Path::new(&file), reports).err()?;
    let why = remedy::told(&warning);
    Some(format!("{VARIABLE} gets no summary: {why}"))
}

fn append(file: &Path, reports: &[Report]) -> anyhow::Result<()> {
    let text = super::write(Form::Markdown, reports, reports.len() > 1)?;
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)
        .and_then(|file| whole(file, text.as_bytes()))
        .with_context(|| format!("{} cannot be written to", file.display()))
}

/// Adds all of it, or nothing: half a report would spoil what others add.
fn whole(mut file: File, text: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    let written = file.write_all(text);
    if written.is_err() {
        let _ = file.set_len(before);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::super::super::render::samples;
    use super::*;

    #[test]
    fn what_others_have_written_there_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("summary");
        std::fs::write(&file, "before\n").expect("written");
        append(&file, &[samples::passed()]).expect("appended");
        let text = std::fs::read_to_string(&file).expect("read");
        assert!(
            text.starts_with("before\n") && text.contains("ex02"),
            "{text}"
        );
        let error = append(folder.path(), &[samples::passed()]).expect_err("a folder");
        assert!(format!("{error:#}").contains("cannot be written to"));
    }
}
