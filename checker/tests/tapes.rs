//! Judges tapes of the corpus once more: what was found then is found now. The tapes
//! of a few right programs lie beside this; `checker author tapes DIR` records those
//! of all programs, and `TAPES` says where they are.

use std::path::{Path, PathBuf};

use checker::diagnosis::Diagnosis;
use checker::exercises::Graded;
use checker::observation::Observation;
use checker::program::Exit;
use checker::report::{Finding, Outcome};
use checker::stage::Trouble;
use checker::tape::{Ruling, Tape};
use checker::verify::judge_again;

fn tapes(folder: &Path) -> Vec<Tape> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of tapes")
        .map(|entry| entry.expect("an entry of it").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no tape in {}", folder.display());
    let read = |file: &PathBuf| Tape::read(file).expect("a tape");
    files.iter().map(read).collect()
}

fn right_programs() -> Vec<Tape> {
    tapes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tapes"))
}

type Verdict = (String, Outcome, Option<Diagnosis>, Option<Diagnosis>);

fn verdicts(ruling: &Ruling) -> Vec<Verdict> {
    let what = |f: &Finding| (f.check.clone(), f.outcome, f.diagnosis, f.advice);
    ruling.findings.iter().map(what).collect()
}

/// What differs, the worst first.
fn difference(was: &Ruling, is: &Ruling) -> Option<String> {
    let (old, new) = (verdicts(was), verdicts(is));
    if old != new {
        return Some(format!("another verdict: {new:?}, was {old:?}"));
    }
    let mut findings = was.findings.iter().zip(&is.findings);
    if let Some((was, is)) = findings.find(|(was, is)| was != is) {
        return Some(format!("other words: {is:?}, was {was:?}"));
    }
    (was.gaps != is.gaps).then(|| format!("another gap: {:?}, was {:?}", is.gaps, was.gaps))
}

#[test]
fn what_was_judged_is_judged_the_same_again() {
    let Some(folder) = std::env::var_os("TAPES") else {
        println!("TAPES is not set: only the tapes of right programs are judged");
        return;
    };
    for tape in tapes(Path::new(&folder)) {
        let is = judge_again(&tape).expect("all that it takes is on the tape");
        if let Some(difference) = difference(&tape.ruling, &is) {
            panic!("{}: {difference}", tape.program);
        }
    }
}

#[test]
fn right_programs_are_judged_right_and_every_check_is_told() {
    for tape in right_programs() {
        let is = judge_again(&tape).expect("all that it takes is on the tape");
        assert_eq!(verdicts(&is), verdicts(&tape.ruling), "{}", tape.program);
        let graded = Graded::from_id(&tape.exercise).expect("an exercise");
        let told: Vec<_> = is
            .findings
            .iter()
            .skip(1)
            .map(|f| f.check.clone())
            .collect();
        let checks: Vec<_> = graded.checks().into_iter().map(|check| check.id).collect();
        assert_eq!(told, checks, "{}", tape.program);
    }
}

/// What is found where one observation was another.
fn with(tape: &Tape, nth: usize, change: impl Fn(&mut Observation)) -> Vec<Verdict> {
    let mut tape = tape.clone();
    change(&mut tape.seen[nth].observation);
    verdicts(&judge_again(&tape).expect("all that it takes is on the tape"))
}

fn any(found: &[Verdict], wanted: Outcome) -> bool {
    found.iter().any(|(_, outcome, ..)| *outcome == wanted)
}

#[test]
fn one_busy_probe_is_judged_inconclusive_and_never_broken() {
    for tape in right_programs() {
        for (nth, seen) in tape.seen.iter().enumerate() {
            let found = with(&tape, nth, |seen| seen.too_busy = true);
            let about = format!("{}, {}: {found:?}", tape.program, seen.waiting_for);
            assert!(any(&found, Outcome::Inconclusive), "{about}");
            assert!(!any(&found, Outcome::Broken), "{about}");
        }
    }
}

#[test]
fn a_program_that_ends_in_any_probe_is_judged_to_have_exited() {
    for tape in right_programs() {
        for (nth, seen) in tape.seen.iter().enumerate() {
            let found = with(&tape, nth, |seen| {
                seen.trouble = Some(Trouble::Ended(Exit::Code(1)));
            });
            let exited = |(_, _, why, _): &Verdict| *why == Some(Diagnosis::Exited);
            let about = format!("{}, {}: {found:?}", tape.program, seen.waiting_for);
            assert!(found.iter().any(exited), "{about}");
        }
    }
}

#[test]
fn what_a_program_leaves_behind_in_any_probe_is_judged() {
    for tape in right_programs() {
        for (nth, seen) in tape.seen.iter().enumerate() {
            let found = with(&tape, nth, |seen| {
                seen.left_behind = vec!["sleep (12)".to_owned()];
            });
            let left = |(check, outcome, why, _): &Verdict| {
                check.ends_with("/alive")
                    && *outcome == Outcome::Broken
                    && *why == Some(Diagnosis::ChildrenLeft)
            };
            let about = format!("{}, {}: {found:?}", tape.program, seen.waiting_for);
            assert!(found.iter().any(left), "{about}");
        }
    }
}
