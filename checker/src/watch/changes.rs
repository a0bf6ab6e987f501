//! What is not as it was one run ago, check by check.

use crate::report::{Finding, Outcome, Report};

/// `ex02/overlap was: sequential; now: kept`, in teaching order. Empty where
/// nothing changed.
pub(super) fn between(before: &Report, now: &Report) -> Vec<String> {
    now.findings
        .iter()
        .filter_map(|finding| {
            let old = before.findings.iter().find(|f| f.check == finding.check)?;
            let (was, is) = (said(old), said(finding));
            (was != is).then(|| format!("{} was: {was}; now: {is}", finding.check))
        })
        .collect()
}

fn said(finding: &Finding) -> &'static str {
    match (finding.outcome, finding.diagnosis) {
        (Outcome::Kept, _) => "kept",
        (Outcome::Broken, Some(diagnosis)) => diagnosis.code(),
        (Outcome::Broken, None) => "broken",
        (Outcome::Inconclusive, _) => "not to be judged",
        (Outcome::NotReached, _) => "not reached",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Diagnosis;
    use crate::report::Timings;

    fn report(findings: &[(&str, Outcome, Option<Diagnosis>)]) -> Report {
        Report {
            exercise: "ex02".to_owned(),
            title: String::new(),
            program: "exercise".to_owned(),
            seed: 1,
            timings: Timings::default(),
            findings: findings
                .iter()
                .map(|&(check, outcome, diagnosis)| Finding {
                    check: check.to_owned(),
                    title: String::new(),
                    outcome,
                    diagnosis,
                    advice: None,
                    expected: String::new(),
                    observed: String::new(),
                    next_step: String::new(),
                    evidence: vec![],
                })
                .collect(),
            timelines: vec![],
            output: String::new(),
        }
    }

    #[test]
    fn only_what_changed_is_named() {
        let before = report(&[
            ("ex02/answer", Outcome::Kept, None),
            ("ex02/overlap", Outcome::Broken, Some(Diagnosis::Sequential)),
            ("ex02/labels", Outcome::NotReached, None),
            ("ex02/faults", Outcome::Broken, Some(Diagnosis::FaultHidden)),
        ]);
        let now = report(&[
            ("ex02/answer", Outcome::Kept, None),
            ("ex02/overlap", Outcome::Kept, None),
            ("ex02/labels", Outcome::Broken, Some(Diagnosis::LabelsSwap)),
            ("ex02/faults", Outcome::Broken, Some(Diagnosis::FaultHidden)),
        ]);
        assert_eq!(
            between(&before, &now),
            [
                "ex02/overlap was: sequential; now: kept",
                "ex02/labels was: not reached; now: labels-swap",
            ]
        );
        assert!(between(&now, &now).is_empty());
    }
}
