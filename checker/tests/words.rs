//! What each diagnosis says, in full, to whoever made that mistake. The wrong
//! programs of the corpus are graded for real; figures that differ from run to
//! run are filtered out, the words are not. `cargo test --test words ex02` is
//! for one exercise.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use checker::author::corpus;
use checker::diagnosis::Diagnosis;
use checker::progress::Progress;
use checker::report::Report;
use checker::verify;
use checker::workshop::Workshop;
use futures_util::{StreamExt as _, stream};
use regex::Regex;
use tokio::sync::Mutex;

/// One exercise at a time: more load proves nothing, and may hide what is so.
static TURN: Mutex<()> = Mutex::const_new(());

fn workshop() -> Workshop {
    Workshop::find(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the workshop")
}

macro_rules! every_mistake_explains_itself {
    ($($(#[$attribute:meta])* $exercise:ident,)*) => {
        $(
            $(#[$attribute])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $exercise() {
                explain(stringify!($exercise)).await;
            }
        )*

        const EXERCISES: &[&str] = &[$(stringify!($exercise)),*];
    };
}

every_mistake_explains_itself! {
    ex01,
    ex02,
    ex03,
    ex04,
    ex05,
    ex06,
}

/// A verdict that takes longer is a fault of the checker's.
const LONGEST: Duration = Duration::from_secs(120);

#[test]
fn no_exercise_and_no_diagnosis_is_left_out() {
    let workshop = workshop();
    let ids: Vec<_> = workshop.exercises.iter().map(|one| &one.id).collect();
    assert_eq!(ids, EXERCISES);
    let corpus = corpus::all(&workshop).expect("the corpus");
    let unshown: Vec<_> = Diagnosis::ALL
        .into_iter()
        .filter(|diagnosis| {
            !corpus
                .iter()
                .any(|entry| entry.diagnosis == Some(*diagnosis) && is_plain(entry))
        })
        .collect();
    assert_eq!(unshown, UNSHOWN);
}

/// Diagnoses that no program of the corpus is for: this one is advice.
const UNSHOWN: [Diagnosis; 1] = [Diagnosis::ConnectionPerCall];

/// One program for each mistake of each exercise: the one without a variant; and
/// those who are told something else about it.
fn is_plain(entry: &corpus::Entry) -> bool {
    const TOLD_OTHERWISE: [&str; 5] = [
        "ex01-wrong-blocked-runtime--afterwards",
        "ex01-wrong-no-timeout--per-read",
        "ex02-wrong-labels-swap--always",
        "ex02-wrong-sequential--after-the-first",
        "ex02-wrong-slow-failure--parsed-afterwards",
    ];
    !entry.name.contains("--") || TOLD_OTHERWISE.contains(&&*entry.name)
}

async fn explain(exercise: &str) {
    let _turn = TURN.lock().await;
    let workshop = workshop();
    let keeper = Path::new(env!("CARGO_BIN_EXE_checker"));
    let programs: Vec<_> = corpus::all(&workshop)
        .expect("the corpus")
        .into_iter()
        .filter(|entry| entry.exercise.id == exercise)
        .filter(|entry| entry.diagnosis.is_some() && is_plain(entry))
        .collect();
    let prepared = corpus::prepared(&workshop, programs, &Progress::silent()).await;
    let prepared = prepared.expect("each builds, or says why not");
    let grade = async |name: &str, prepared| {
        let silent = Progress::silent();
        let grading = verify::grade(prepared, 1, keeper, &silent);
        let report = tokio::time::timeout(LONGEST, grading).await;
        let report = report.unwrap_or_else(|_| panic!("no verdict on {name}"));
        report.expect("no fault of ours")
    };
    let all_at_once = prepared.iter().map(|(entry, prepared)| {
        let grading = grade(&entry.name, prepared.clone());
        async move { (entry, grading.await) }
    });
    let reports: Vec<_> = stream::iter(all_at_once).buffered(4).collect().await;

    let filters = filters(exercise);
    let read = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/snapshots/words__{exercise}.snap"));
    let read = std::fs::read_to_string(read).unwrap_or_default() + "\n\n";
    let mut words = BTreeMap::new();
    let mut mistaken = Vec::new();
    for ((_, prepared), (entry, report)) in prepared.iter().zip(reports) {
        let mut told = tell(entry, &report, &filters);
        // Four at once may be too many for this machine to see all of a mistake: then
        // the words are those to one that is alone. How often a busy machine hides
        // something is for `author soak` to count.
        let known = |told: &String| read.contains(&format!("{told}\n"));
        if !told.as_ref().is_ok_and(known) {
            let alone = grade(&entry.name, prepared.clone()).await;
            told = tell(entry, &alone, &filters);
        }
        match told {
            Ok(told) => _ = words.insert(entry.name.clone(), told),
            Err(found) => mistaken.push(format!("{}: {found:?}", entry.name)),
        }
    }
    assert!(mistaken.is_empty(), "{mistaken:#?}");
    let text: String = words.into_values().map(|told| told + "\n").collect();
    insta::assert_snapshot!(exercise, text);
}

/// What a report says to whoever made that mistake; another diagnosis where it has one.
fn tell(
    entry: &corpus::Entry,
    report: &Report,
    filters: &[(Regex, &str)],
) -> Result<String, Option<Diagnosis>> {
    let Some(finding) = report.leading().filter(|f| f.diagnosis == entry.diagnosis) else {
        return Err(report.leading().and_then(|finding| finding.diagnosis));
    };
    let told = format!(
        "# {}\nobserved   {}\nnext step  {}\n",
        entry.name,
        checker::render::clean(&strip(&finding.observed)),
        finding.next_step
    );
    let filter =
        |told: String, (pattern, by): &(Regex, &str)| pattern.replace_all(&told, *by).into_owned();
    Ok(filters.iter().fold(told, filter))
}

/// What differs from run to run, and what stands for it.
fn filters(exercise: &str) -> Vec<(Regex, &'static str)> {
    let mut filters = vec![
        (r"\d+(\.\d+)? (µs|ms|s)\b", "[time]"),
        (r"-?\d+\.\d C", "[temperature]"),
        (r"\[temperature\] in \p{L}+", "[temperature] in [city]"),
        (r"Today in \p{L}+", "Today in [city]"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
        (r"PORT=\d+", "PORT=[port]"),
        (r"PORT was \d+", "PORT was [port]"),
        (
            r"UPSTREAM_TIMEOUT_MS was \d+",
            "UPSTREAM_TIMEOUT_MS was [limit]",
        ),
        // A thread that is blocked may have made its call by then, or not yet.
        (
            r"While \d+ (clients|calls? to (auth|the weather|the service)) waited",
            "While [some] calls waited",
        ),
        (
            r"the weather answered `GET /(today|tomorrow)`, \[time\]",
            "the weather answered, [time]",
        ),
        (r"printed \d+(\.\d+)? MiB", "printed [size] MiB"),
        (
            r"(before it was ready|while it answered one client after another|while clients came at once)",
            "[then]",
        ),
        (r"asked \d+ times? before", "asked [some] times before"),
        // Of two calls that are made at once, either may be the first.
        (
            r"The weather was asked (\[time\] after auth had been asked, and \[time\] before auth answered|\[time\] before auth was)",
            "The weather was asked [before auth answered]",
        ),
        // Where several instances run into it, any of them may be the first.
        (r"reqwest::Error \{[^\n]*", "reqwest::Error […]"),
        (
            r"(It was told to listen on \S+ \(PORT=\[port\]\)\. It listens on 127\.0\.0\.1:\[port\] instead\.|It ended because the address that it wanted was taken[^\n]*)",
            "[it is not there]",
        ),
    ];
    if matches!(exercise, "ex03" | "ex05" | "ex06") {
        // How far it came, in which of many connections, and how long it waited.
        filters.push((r"(\[time\], )+\[time\]", "[times]"));
        filters.push((
            r"`GET /proxy/[a-z0-9-]+/\w+` got no answer",
            "[a call] got no answer",
        ));
        filters.push((r"\d+(\.\d+)?", "[n]"));
    }
    let compiled = |(pattern, by)| (Regex::new(pattern).expect("a pattern"), by);
    filters.into_iter().map(compiled).collect()
}

fn strip(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
