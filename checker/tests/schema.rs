//! The schema of `--format json` describes every report that there can be.

use checker::diagnosis::Diagnosis;
use checker::report::{Finding, Gap, Outcome, Report, Timeline, Timings};
use mock_services::exchange::{Ending, Exchange, Frames, Way};
use mock_services::moment::Moment;
use serde_json::Value;

fn schema() -> Value {
    serde_json::from_str(include_str!("../schema/report-v1.schema.json")).expect("JSON")
}

fn errors(report: &Value) -> Vec<String> {
    jsonschema::validator_for(&schema())
        .expect("the schema is one")
        .iter_errors(report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// A WebSocket over which this went.
fn lane(frames: &[(Way, u32)]) -> Exchange {
    Exchange {
        id: 1,
        service: "you".to_owned(),
        connection: 1,
        request: "WS /ws?room=tea&name=ann".to_owned(),
        arrived: Moment::from_micros(10),
        answered: Some(Moment::from_micros(20)),
        ended: None,
        status: Some(101),
        ending: Ending::Open,
        frames: frames
            .iter()
            .zip(20..)
            .map(|(&(way, count), at)| Frames {
                at: Moment::from_micros(at),
                way,
                count,
            })
            .collect(),
    }
}

fn report(diagnosis: Diagnosis) -> Value {
    let report = Report {
        exercise: "ex05".to_owned(),
        title: "Chat".to_owned(),
        program: "exercise".to_owned(),
        seed: 7,
        timings: Timings::default(),
        findings: vec![Finding {
            check: "ex05/slow".to_owned(),
            title: "a reader that stops stops nobody else".to_owned(),
            outcome: Outcome::Broken,
            diagnosis: Some(diagnosis),
            advice: None,
            expected: String::new(),
            observed: String::new(),
            next_step: String::new(),
            evidence: vec![1],
        }],
        timelines: vec![Timeline {
            probe: "ex05/slow".to_owned(),
            title: String::new(),
            exchanges: vec![lane(&[(Way::Sent, 1), (Way::Received, 960)]), lane(&[])],
            gap: Some(Gap {
                from: Moment::from_micros(20),
                to: Moment::from_micros(30),
                exchange: 1,
                label: String::new(),
            }),
        }],
        output: String::new(),
    };
    serde_json::to_value(report).expect("a report serialises")
}

#[test]
fn every_diagnosis_is_in_the_schema_and_none_besides() {
    let listed = schema()["$defs"]["diagnosis"]["enum"].clone();
    let codes: Vec<_> = Diagnosis::ALL.iter().map(|d| d.code()).collect();
    assert_eq!(listed, Value::from(codes));
}

#[test]
fn a_report_with_websockets_fits_whatever_its_diagnosis() {
    for diagnosis in Diagnosis::ALL {
        let errors = errors(&report(diagnosis));
        assert!(errors.is_empty(), "{diagnosis}: {errors:#?}");
    }
}

#[test]
fn frames_that_make_no_sense_do_not_fit() {
    type Damage = fn(&mut Value);
    let damages: [Damage; 4] = [
        |frames| frames[0]["way"] = "sideways".into(),
        |frames| frames[0]["count"] = 0.into(),
        |frames| frames[0]["at"] = (-1).into(),
        |frames| frames[0]["length"] = 3.into(),
    ];
    for damage in damages {
        let mut bad = report(Diagnosis::SlowReaderStallsAll);
        damage(&mut bad["timelines"][0]["exchanges"][0]["frames"]);
        assert_ne!(errors(&bad), Vec::<String>::new(), "{bad}");
    }
}

#[test]
fn a_diagnosis_that_nobody_knows_does_not_fit() {
    let mut bad = report(Diagnosis::Hung);
    bad["findings"][0]["diagnosis"] = "bad-luck".into();
    assert_ne!(errors(&bad), Vec::<String>::new());
}
