//! What is not as it was one run ago, check by check.

use crate::report::{Finding, Outcome, Report};

/// `ex02/overlap was: sequential; now: kept`, in teaching order, for every check
/// that is broken or was; the others, which only follow, are counted. Empty
/// where nothing changed.
pub(super) fn between(before: &Report, now: &Report) -> Vec<String> {
    let changed: Vec<_> = now
        .findings
        .iter()
        .filter_map(|is| {
            let was = before.findings.iter().find(|f| f.check == is.check)?;
            (said(was) != said(is)).then_some((was, is))
        })
        .collect();
    let (telling, following): (Vec<_>, Vec<_>) = changed
        .into_iter()
        .partition(|(was, is)| [was, is].iter().any(|f| f.outcome == Outcome::Broken));
    let mut lines: Vec<_> = telling
        .into_iter()
        .map(|(was, is)| format!("{} was: {}; now: {}", is.check, said(was), said(is)))
        .collect();
    for (outcome, what) in [
        (Outcome::Kept, "kept"),
        (Outcome::NotReached, "no longer reached"),
        (Outcome::Inconclusive, "not to be judged this time"),
    ] {
        match following
            .iter()
            .filter(|(_, is)| is.outcome == outcome)
            .count()
        {
            0 => {}
            1 => lines.push(format!("1 more check is {what}")),
            n => lines.push(format!("{n} more checks are {what}")),
        }
    }
    lines
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
    fn what_changed_is_named_and_what_follows_is_counted() {
        let before = report(&[
            ("ex02/answer", Outcome::Kept, None),
            ("ex02/overlap", Outcome::Broken, Some(Diagnosis::Sequential)),
            ("ex02/labels", Outcome::NotReached, None),
            ("ex02/faults", Outcome::Broken, Some(Diagnosis::FaultHidden)),
            ("ex02/timeout", Outcome::NotReached, None),
            ("ex02/alive", Outcome::NotReached, None),
        ]);
        let now = report(&[
            ("ex02/answer", Outcome::Kept, None),
            ("ex02/overlap", Outcome::Kept, None),
            ("ex02/labels", Outcome::Broken, Some(Diagnosis::LabelsSwap)),
            ("ex02/faults", Outcome::Broken, Some(Diagnosis::FaultHidden)),
            ("ex02/timeout", Outcome::Kept, None),
            ("ex02/alive", Outcome::Kept, None),
        ]);
        assert_eq!(
            between(&before, &now),
            [
                "ex02/overlap was: sequential; now: kept",
                "ex02/labels was: not reached; now: labels-swap",
                "2 more checks are kept",
            ]
        );
        assert_eq!(
            between(&now, &before)[2..],
            ["2 more checks are no longer reached"]
        );
        assert!(between(&now, &now).is_empty());
    }
}
