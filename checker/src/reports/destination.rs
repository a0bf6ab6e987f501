//! Where a report goes: which form its name asks for, and that it overwrites
//! nothing but an older report.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, bail};
use clap::ValueEnum as _;

use crate::replace::replace;
use crate::report::Report;

use super::Form;

/// A file for a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// What it is written as.
    pub form: Form,
    /// Where.
    pub file: PathBuf,
}

impl FromStr for Destination {
    type Err = String;

    /// `FORM:FILE`, or a file whose name says the form.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((form, file)) = text.split_once(':')
            && let Ok(form) = Form::from_str(form, true)
        {
            if file.is_empty() {
                return Err(format!("name a file after `{text}`"));
            }
            return Ok(Self {
                form,
                file: file.into(),
            });
        }
        let file = PathBuf::from(text);
        let name = file.file_name().and_then(|name| name.to_str());
        let extension = file.extension().and_then(|end| end.to_str());
        let form = match (name, extension) {
            (Some("results.json"), _) => Form::Gradescope,
            (_, Some("json")) => Form::Json,
            (_, Some("xml")) => Form::Junit,
            (_, Some("html" | "htm")) => Form::Html,
            (_, Some("md")) => Form::Markdown,
            _ => {
                return Err(
                    "its name has to end with .json, .xml (JUnit), .html or .md, or be \
                     results.json (Gradescope); or name the form first, as in junit:FILE"
                        .to_owned(),
                );
            }
        };
        Ok(Self { form, file })
    }
}

impl Destination {
    /// Whether a report can go there, as far as one can tell beforehand.
    ///
    /// # Errors
    /// Where the folder is missing, or the file is something other than a report.
    pub fn check(&self) -> anyhow::Result<()> {
        let shown = self.file.display();
        if self.file.is_dir() {
            bail!("--report: {shown} is a folder; name a file in it");
        }
        if !folder(&self.file).is_dir() {
            bail!(
                "--report: there is no folder {}; make it first",
                folder(&self.file).display()
            );
        }
        if !self.file.is_file() {
            // A pipe, a device, or nothing yet.
            return Ok(());
        }
        let old = fs::read(&self.file)
            .with_context(|| format!("--report: {shown} is there and cannot be read"))?;
        let is_report = is_report(&String::from_utf8_lossy(&old), self.form);
        if !old.is_empty() && !is_report {
            bail!("--report: {shown} is there and is no report; name another file, or remove it");
        }
        Ok(())
    }

    /// Writes the reports there; an older report stays whole until the new one is.
    ///
    /// # Errors
    /// The system's, with the file's name.
    pub fn save(&self, reports: &[Report], all: bool) -> anyhow::Result<()> {
        let text = super::write(self.form, reports, all)?;
        let shown = self.file.display();
        let written = if self.file.exists() && !self.file.is_file() {
            fs::write(&self.file, text).context("writing failed")
        } else {
            replace(&self.file, text.as_bytes()).context("its folder refuses")
        };
        written.with_context(|| {
            format!("the verdict stands, but the report {shown} could not be written")
        })
    }
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Whether this text is a report of that form.
fn is_report(text: &str, form: Form) -> bool {
    match form {
        Form::Json => {
            serde_json::from_str::<Report>(text).is_ok()
                || serde_json::from_str::<Vec<Report>>(text).is_ok()
        }
        Form::Gradescope => serde_json::from_str::<serde_json::Value>(text)
            .is_ok_and(|value| value["tests"].is_array()),
        Form::Junit => text.contains("<testsuite"),
        Form::Html => text.contains(super::html::MARK),
        Form::Markdown => text.starts_with(super::markdown::MARK),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::render::samples;
    use super::*;

    fn parse(text: &str) -> Result<Destination, String> {
        text.parse()
    }

    #[test]
    fn the_name_says_the_form_and_a_prefix_says_it_first() {
        for (text, form, file) in [
            ("out/report.json", Form::Json, "out/report.json"),
            ("report.xml", Form::Junit, "report.xml"),
            ("report.html", Form::Html, "report.html"),
            ("report.md", Form::Markdown, "report.md"),
            ("/a/results.json", Form::Gradescope, "/a/results.json"),
            ("json:results.json", Form::Json, "results.json"),
            ("junit:report", Form::Junit, "report"),
            ("GRADESCOPE:x.txt", Form::Gradescope, "x.txt"),
            // A drive of Windows is no form.
            ("C:report.md", Form::Markdown, "C:report.md"),
        ] {
            let file = file.into();
            assert_eq!(parse(text), Ok(Destination { form, file }), "{text}");
        }
        for wrong in ["report", "report.txt", "html:", "pdf:x", ""] {
            parse(wrong).expect_err(wrong);
        }
    }

    #[test]
    fn an_older_report_is_replaced_and_anything_else_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let reports = [samples::sequential()];
        for name in ["a.json", "a.xml", "a.html", "a.md", "results.json"] {
            let file = folder.path().join(name);
            let to: Destination = file.to_string_lossy().parse().expect(name);
            to.check().expect(name);
            to.save(&reports, false).expect(name);
            let once = fs::read(&file).expect(name);
            to.check().expect(name);
            to.save(&reports, false).expect(name);
            assert_eq!(fs::read(&file).expect(name), once, "{name}");

            fs::write(&file, "my notes").expect(name);
            let refused = to.check().expect_err(name).to_string();
            assert!(refused.contains("is no report"), "{refused}");
            assert_eq!(fs::read(&file).expect(name), b"my notes");
        }
        let nowhere = folder.path().join("no/such/a.md");
        let to: Destination = nowhere.to_string_lossy().parse().expect("a name");
        let refused = to.check().expect_err("no folder").to_string();
        assert!(refused.contains("there is no folder"), "{refused}");
    }

    proptest::proptest! {
        #[test]
        fn any_file_is_a_report_of_ours_or_not(text: String, json in r#"[{}\[\]:,"a-z0-9 ]{0,60}"#) {
            for form in [Form::Json, Form::Gradescope, Form::Junit, Form::Html, Form::Markdown] {
                is_report(&text, form);
                is_report(&json, form);
            }
        }
    }
}
