//! What each diagnosis says, in full, to whoever made that mistake. The wrong
//! programs of the corpus are graded for real; figures that differ from run to
//! run are filtered out, the words are not.

use std::collections::BTreeMap;
use std::path::Path;

use checker::author::corpus;
use checker::diagnosis::Diagnosis;
use checker::progress::Progress;
use checker::verify;
use checker::workshop::Workshop;
use futures_util::{StreamExt as _, stream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_diagnosis_explains_itself() {
    let workshop = Workshop::find(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the workshop");
    let keeper = Path::new(env!("CARGO_BIN_EXE_checker"));
    // One program for each mistake of each exercise: the one without a variant.
    let programs: Vec<_> = corpus::all(&workshop)
        .expect("the corpus")
        .into_iter()
        .filter(|entry| entry.diagnosis.is_some() && !entry.name.contains("--"))
        .collect();
    let mut prepared = Vec::new();
    for entry in programs {
        let silent = Progress::silent();
        let built = verify::prepare(&workshop, &entry.exercise, &entry.program, &silent)
            .await
            .expect("it builds, or says why not");
        prepared.push((entry, built));
    }
    let reports: Vec<_> = stream::iter(prepared.into_iter().map(|(entry, prepared)| async {
        let report = verify::grade(prepared, 1, keeper, &Progress::silent()).await;
        (entry, report.expect("no fault of ours"))
    }))
    .buffer_unordered(4)
    .collect()
    .await;

    let mut words = BTreeMap::new();
    for (entry, report) in &reports {
        let finding = report
            .leading()
            .unwrap_or_else(|| panic!("{} did not fail", entry.name));
        assert_eq!(finding.diagnosis, entry.diagnosis, "{}", entry.name);
        let observed = checker::render::clean(&strip(&finding.observed));
        words.insert(
            entry.name.clone(),
            format!("observed   {observed}\nnext step  {}\n", finding.next_step),
        );
    }
    for diagnosis in Diagnosis::ALL {
        let shown = reports.iter().any(|(e, _)| e.diagnosis == Some(diagnosis));
        assert!(
            shown || diagnosis == Diagnosis::ConnectionPerCall,
            "no program shows {diagnosis}"
        );
    }
    let text: String = words
        .into_iter()
        .map(|(name, words)| format!("# {name}\n{words}\n"))
        .collect();
    insta::with_settings!({ filters => vec![
        (r"\d+(\.\d+)? (µs|ms|s)\b", "[time]"),
        (r"-?\d+\.\d C", "[temperature]"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
        (r"PORT=\d+", "PORT=[port]"),
        (r"PORT was \d+", "PORT was [port]"),
        (r"UPSTREAM_TIMEOUT_MS was \d+", "UPSTREAM_TIMEOUT_MS was [limit]"),
        (r"While \d+ calls?", "While [some] calls"),
        (r"the weather answered `GET /(today|tomorrow)`, \[time\]", "the weather answered, [time]"),
        (r"printed \d+(\.\d+)? MiB", "printed [size] MiB"),
        (r"(before it was ready|while it answered one client after another|while clients came at once)", "[then]"),
        (r"\(\d+ earlier\)", "([some] earlier)"),
        // Where several instances run into it, any of them may be the first.
        (r"reqwest::Error \{[^\n]*", "reqwest::Error […]"),
        (r"(It listens on 127\.0\.0\.1:\[port\] instead\.|It ended because the address that it wanted was taken[^\n]*)", "[it is not there]"),
    ]}, {
        insta::assert_snapshot!(text);
    });
}

fn strip(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
