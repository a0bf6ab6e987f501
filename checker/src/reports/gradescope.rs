//! The `results.json` of Gradescope's autograder: a test per check, each worth
//! one point.
//!
//! A check that could not be judged has neither score nor status, so Gradescope
//! counts it neither as passed nor as failed, and its text says to submit again.

use serde::Serialize;

use crate::report::{Finding, Outcome, Report, Verdict};

use super::{counts, harmless, subject};

#[derive(Serialize)]
struct Results {
    /// Seconds.
    execution_time: f64,
    output: String,
    visibility: &'static str,
    stdout_visibility: &'static str,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    name: String,
    number: String,
    output: String,
    tags: Vec<String>,
    visibility: &'static str,
}

/// The reports as one object.
///
/// # Errors
/// Never for reports of this checker's.
pub(super) fn write(reports: &[Report]) -> serde_json::Result<String> {
    let seconds: f64 = reports
        .iter()
        .map(|r| r.timings.verify_ms.max(0.0) / 1e3)
        .sum();
    let results = Results {
        execution_time: (seconds * 1e3).round() / 1e3,
        output: reports.iter().map(overview).collect::<Vec<_>>().join("\n"),
        visibility: "visible",
        // Whatever else is printed there is for whoever runs the course.
        stdout_visibility: "hidden",
        tests: reports
            .iter()
            .zip(1..)
            .flat_map(|(report, nth)| {
                let findings = report.findings.iter().zip(1..);
                findings.map(move |(finding, check)| test(report, finding, nth, check))
            })
            .collect(),
    };
    Ok(serde_json::to_string_pretty(&results)? + "\n")
}

fn overview(report: &Report) -> String {
    let mut text = format!(
        "{}: {} ({})",
        subject(report),
        report.headline(),
        counts(report)
    );
    if report.verdict() == Verdict::Inconclusive {
        text.push_str(
            ". What could not be judged has no score and is no fail: please submit again.",
        );
    } else if let Some(finding) = report.told() {
        text.push_str(". Next step: ");
        text.push_str(&harmless(&finding.next_step));
    }
    text
}

fn test(report: &Report, finding: &Finding, exercise: u32, check: u32) -> Test {
    let broken = report.findings.iter().any(|f| f.outcome == Outcome::Broken);
    // What was not reached behind a broken check is not kept. Behind one that
    // could not be judged, nobody knows.
    let (score, status) = match finding.outcome {
        Outcome::Kept => (Some(1.0), Some("passed")),
        Outcome::Broken => (Some(0.0), Some("failed")),
        Outcome::NotReached if broken => (Some(0.0), Some("failed")),
        Outcome::NotReached | Outcome::Inconclusive => (None, None),
    };
    Test {
        score,
        max_score: score.map(|_| 1.0),
        status,
        name: format!("{} {}", finding.check, finding.title),
        number: format!("{exercise}.{check}"),
        output: output(finding, score.is_some()),
        tags: finding
            .diagnosis
            .iter()
            .map(|diagnosis| diagnosis.code().to_owned())
            .collect(),
        visibility: "visible",
    }
}

fn output(finding: &Finding, judged: bool) -> String {
    let mut lines = vec![];
    if !judged {
        lines.push("This could not be judged. It is no fail: please submit again.".to_owned());
    }
    if finding.outcome == Outcome::NotReached {
        lines.push("Not reached: something deeper comes first.".to_owned());
    }
    if let Some(diagnosis) = finding.diagnosis {
        lines.push(format!("{diagnosis}: {}", diagnosis.headline()));
    }
    let parts = [
        ("expected", &finding.expected),
        ("observed", &finding.observed),
        ("next step", &finding.next_step),
    ];
    if finding.outcome != Outcome::Kept {
        for (name, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
            lines.push(format!("{name}: {}", harmless(text)));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::super::render::samples;
    use super::*;

    use serde_json::Value;

    fn results(reports: &[Report]) -> Value {
        serde_json::from_str(&write(reports).expect("it is written")).expect("JSON")
    }

    /// What Gradescope's specification says of the fields that are used here.
    fn assert_fits(results: &Value) {
        let known = |object: &Value, names: &[&str]| {
            for name in object.as_object().expect("an object").keys() {
                assert!(names.contains(&name.as_str()), "{name}");
            }
        };
        const SHOWN: [&str; 4] = ["hidden", "after_due_date", "after_published", "visible"];
        let shown = |value: &Value| SHOWN.contains(&value.as_str().expect("text"));
        known(
            results,
            &[
                "execution_time",
                "output",
                "visibility",
                "stdout_visibility",
                "tests",
            ],
        );
        assert!(results["execution_time"].as_f64().expect("seconds") >= 0.0);
        assert!(results["output"].is_string());
        assert!(shown(&results["visibility"]) && shown(&results["stdout_visibility"]));
        for test in results["tests"].as_array().expect("tests") {
            known(
                test,
                &[
                    "score",
                    "max_score",
                    "status",
                    "name",
                    "number",
                    "output",
                    "tags",
                    "visibility",
                ],
            );
            for text in ["name", "number", "output"] {
                assert!(test[text].is_string(), "{test}");
            }
            assert!(
                test["tags"]
                    .as_array()
                    .expect("tags")
                    .iter()
                    .all(Value::is_string)
            );
            assert!(shown(&test["visibility"]));
            match test["status"].as_str() {
                None => assert!(test.get("score").is_none() && test.get("max_score").is_none()),
                Some(status) => {
                    let score = test["score"].as_f64().expect("a score");
                    let most = test["max_score"].as_f64().expect("the most");
                    assert!((0.0..=most).contains(&score), "{test}");
                    assert_eq!(status, if score == most { "passed" } else { "failed" });
                }
            }
        }
    }

    #[test]
    fn every_report_has_the_shape_that_gradescope_reads() {
        for report in samples::all() {
            assert_fits(&results(&[report]));
        }
        let all = results(&samples::all());
        assert_fits(&all);
        let checks: usize = samples::all().iter().map(|r| r.findings.len()).sum();
        assert_eq!(all["tests"].as_array().expect("tests").len(), checks);
    }

    #[test]
    fn a_pass_has_all_points_and_a_fail_has_those_that_were_kept() {
        let sum = |report: Report, field: &str| -> f64 {
            let results = results(&[report]);
            let tests = results["tests"].as_array().expect("tests").clone();
            tests.iter().filter_map(|test| test[field].as_f64()).sum()
        };
        assert_eq!(
            sum(samples::passed(), "score"),
            sum(samples::passed(), "max_score")
        );
        assert_eq!(sum(samples::sequential(), "score"), 2.0);
        assert_eq!(sum(samples::sequential(), "max_score"), 4.0);
    }

    #[test]
    fn what_could_not_be_judged_is_no_fail() {
        let results = results(&[samples::inconclusive()]);
        let test = &results["tests"][1];
        assert!(
            test.get("status").is_none() && test.get("score").is_none(),
            "{test}"
        );
        assert!(test["output"].as_str().expect("text").contains("no fail"));
        assert!(
            results["output"]
                .as_str()
                .expect("text")
                .contains("submit again")
        );
    }
}
