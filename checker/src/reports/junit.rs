//! JUnit XML, as `schema/junit.xsd` and `junit-10.xsd` of Jenkins have it: a suite
//! per exercise, a case per check. What could not be judged is skipped: it is nobody's failure.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::report::{Finding, Outcome, Report};

use super::{harmless, outcome, subject};

/// The reports as one document.
///
/// # Errors
/// Never: it is written to memory.
pub(super) fn write(reports: &[Report]) -> io::Result<String> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all = || reports.iter().flat_map(|report| &report.findings);
    let seconds: f64 = reports.iter().map(seconds).sum();
    writer
        .create_element("testsuites")
        .with_attribute(("name", "async workshop"))
        .with_attribute(("tests", number(all().count()).as_str()))
        .with_attribute(("failures", number(failures(all())).as_str()))
        .with_attribute(("errors", "0"))
        .with_attribute(("time", format!("{seconds:.3}").as_str()))
        .write_inner_content(|writer| {
            reports.iter().try_for_each(|report| suite(writer, report))
        })?;
    let mut xml = writer.into_inner();
    xml.push(b'\n');
    String::from_utf8(xml).map_err(io::Error::other)
}

fn suite(writer: &mut Writer<Vec<u8>>, report: &Report) -> io::Result<()> {
    let skipped = report.findings.iter().filter(|f| is_skipped(f)).count();
    writer
        .create_element("testsuite")
        .with_attribute((
            "name",
            format!("{}: {}", subject(report), report.title).as_str(),
        ))
        .with_attribute(("tests", number(report.findings.len()).as_str()))
        .with_attribute(("failures", number(failures(&report.findings)).as_str()))
        .with_attribute(("errors", "0"))
        .with_attribute(("skipped", number(skipped).as_str()))
        .with_attribute(("time", format!("{:.3}", seconds(report)).as_str()))
        .write_inner_content(|writer| {
            writer
                .create_element("properties")
                .write_inner_content(|writer| {
                    for (name, value) in [
                        ("seed", report.seed.to_string()),
                        ("verdict", report.headline()),
                    ] {
                        writer
                            .create_element("property")
                            .with_attribute(("name", name))
                            .with_attribute(("value", value.as_str()))
                            .write_empty()?;
                    }
                    Ok(())
                })?;
            for finding in &report.findings {
                case(writer, report, finding)?;
            }
            let said = harmless(&report.output);
            if !said.is_empty() {
                text(writer, "system-out", &said)?;
            }
            Ok(())
        })?;
    Ok(())
}

fn case(writer: &mut Writer<Vec<u8>>, report: &Report, finding: &Finding) -> io::Result<()> {
    let name = finding.check.split_once('/').map_or("", |(_, name)| name);
    let case = writer
        .create_element("testcase")
        .with_attribute(("classname", report.exercise.as_str()))
        .with_attribute((
            "name",
            harmless(&format!("{name}: {}", finding.title)).as_str(),
        ));
    if finding.outcome == Outcome::Kept {
        case.write_empty()?;
        return Ok(());
    }
    case.write_inner_content(|writer| {
        if is_skipped(finding) {
            let why = if finding.observed.is_empty() {
                outcome(finding.outcome).to_owned()
            } else {
                format!("{}: {}", outcome(finding.outcome), finding.observed)
            };
            writer
                .create_element("skipped")
                .with_attribute(("message", harmless(&why).as_str()))
                .write_empty()?;
            return Ok(());
        }
        let code = finding.diagnosis.map_or("broken", |d| d.code());
        let headline = finding.diagnosis.map_or("", |d| d.headline());
        let told = format!(
            "expected: {}\nobserved: {}\nnext step: {}\n",
            finding.expected, finding.observed, finding.next_step
        );
        writer
            .create_element("failure")
            .with_attribute(("type", code))
            .with_attribute(("message", headline))
            .write_text_content(BytesText::new(&harmless(&told)))?;
        Ok(())
    })?;
    Ok(())
}

fn text(writer: &mut Writer<Vec<u8>>, name: &str, text: &str) -> io::Result<()> {
    writer
        .create_element(name)
        .write_text_content(BytesText::new(text))?;
    Ok(())
}

fn is_skipped(finding: &Finding) -> bool {
    matches!(finding.outcome, Outcome::Inconclusive | Outcome::NotReached)
}

fn failures<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> usize {
    let broken = |f: &&Finding| f.outcome == Outcome::Broken;
    findings.into_iter().filter(broken).count()
}

fn seconds(report: &Report) -> f64 {
    report.timings.verify_ms.max(0.0) / 1e3
}

fn number(count: usize) -> String {
    count.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Write as _;
    use std::path::Path;
    use std::process::Command;

    use quick_xml::Reader;

    use super::super::super::render::samples;
    use super::*;

    const NASTY: &str = "]]> <failure> & \" ' \u{1b}[31m\u{0}\u{ffff}\u{202e} \u{8} ü";

    /// What reaches others unchanged is as nasty as it can be.
    fn nasty() -> Vec<Report> {
        let mut all = samples::all();
        for report in &mut all {
            report.program = NASTY.to_owned();
            report.output = NASTY.to_owned();
            for finding in &mut report.findings {
                finding.observed = NASTY.to_owned();
                finding.next_step = NASTY.to_owned();
            }
        }
        all
    }

    struct Node {
        name: String,
        attributes: BTreeMap<String, String>,
        children: Vec<Node>,
    }

    /// Fails where it is no well-formed XML.
    fn parse(xml: &str) -> Node {
        let mut reader = Reader::from_str(xml);
        let node = |tag: &quick_xml::events::BytesStart<'_>| Node {
            name: tag.name().as_ref().to_owned(),
            attributes: tag
                .attributes()
                .map(|attribute| {
                    let attribute = attribute.expect("well-formed");
                    let value = attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0);
                    let value = value.expect("known entities").into_owned();
                    (attribute.key.as_ref().to_owned(), value)
                })
                .collect(),
            children: vec![],
        };
        let mut open = vec![Node {
            name: String::new(),
            attributes: BTreeMap::new(),
            children: vec![],
        }];
        loop {
            let closed = match reader.read_event().expect("well-formed") {
                Event::Start(tag) => {
                    open.push(node(&tag));
                    continue;
                }
                Event::Empty(tag) => node(&tag),
                Event::End(_) => open.pop().expect("it was opened"),
                Event::Eof => break,
                _ => continue,
            };
            open.last_mut().expect("a parent").children.push(closed);
        }
        assert_eq!(open.len(), 1, "all are closed");
        open.remove(0).children.remove(0)
    }

    fn names(node: &Node) -> Vec<&str> {
        node.children
            .iter()
            .map(|child| child.name.as_str())
            .collect()
    }

    fn count(node: &Node, attribute: &str) -> usize {
        node.attributes[attribute].parse().expect("a number")
    }

    /// What junit-10.xsd of Jenkins demands of the elements in use, and that the
    /// counts are those of what is there.
    fn assert_fits(xml: &str) {
        let allowed = |node: &Node, names: &[&str]| {
            for name in node.attributes.keys() {
                assert!(names.contains(&name.as_str()), "{}: {name}", node.name);
            }
        };
        let whole = parse(xml);
        assert_eq!(whole.name, "testsuites");
        allowed(&whole, &["name", "tests", "failures", "errors", "time"]);
        let (mut tests, mut failures) = (0, 0);
        for suite in &whole.children {
            assert_eq!(suite.name, "testsuite");
            allowed(
                suite,
                &["name", "tests", "failures", "errors", "skipped", "time"],
            );
            let cases: Vec<_> = suite
                .children
                .iter()
                .filter(|n| n.name == "testcase")
                .collect();
            let with = |what: &str| cases.iter().filter(|case| names(case) == [what]).count();
            assert_eq!(count(suite, "tests"), cases.len());
            assert_eq!(count(suite, "failures"), with("failure"));
            assert_eq!(count(suite, "skipped"), with("skipped"));
            assert_eq!(count(suite, "errors"), 0);
            for child in &suite.children {
                assert!(["properties", "testcase", "system-out"].contains(&child.name.as_str()));
            }
            for case in &cases {
                allowed(case, &["classname", "name"]);
                assert!(case.children.len() <= 1 && !case.attributes["name"].is_empty());
                for child in &case.children {
                    allowed(child, &["type", "message"]);
                }
            }
            tests += cases.len();
            failures += with("failure");
        }
        assert_eq!(
            (count(&whole, "tests"), count(&whole, "failures")),
            (tests, failures)
        );
    }

    #[test]
    fn every_report_is_what_jenkins_reads() {
        for report in samples::all().into_iter().chain(nasty()) {
            assert_fits(&write(&[report]).expect("written"));
        }
        assert_fits(&write(&samples::all()).expect("written"));
    }

    #[test]
    fn undecided_is_skipped_and_never_a_failure() {
        let whole = parse(&write(&[samples::inconclusive()]).expect("written"));
        assert_eq!(count(&whole, "failures"), 0);
        assert_eq!(count(&whole.children[0], "skipped"), 1);
    }

    #[test]
    fn what_xml_cannot_hold_is_shown_instead() {
        let xml = write(&nasty()).expect("written");
        let may_stand =
            |c: char| matches!(c, '\t' | '\n' | '\r') || !c.is_control() && c != '\u{ffff}';
        assert!(xml.chars().all(may_stand), "{xml:?}");
        assert!(xml.contains("␀"), "{xml}");
    }

    #[test]
    fn it_fits_its_schema() {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/junit.xsd");
        for reports in [samples::all(), nasty()] {
            let mut file = tempfile::NamedTempFile::new().expect("a file");
            file.write_all(write(&reports).expect("written").as_bytes())
                .expect("saved");
            let lint = Command::new("xmllint")
                .args(["--noout", "--nonet", "--schema"])
                .args([&schema, file.path()])
                .output();
            let Ok(lint) = lint else {
                // Not by println!, which is swallowed where a test passes.
                let _ = writeln!(io::stderr(), "skipped, as there is no xmllint");
                return;
            };
            assert!(
                lint.status.success(),
                "{}",
                String::from_utf8_lossy(&lint.stderr)
            );
        }
    }
}
