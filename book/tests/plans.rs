//! The instructors' plans: each table's minutes add up to what it says, and
//! every chapter has its notes for instructors and leads on.

use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../src/instructors.md");

/// The minutes in each plan, and the sum that stands beneath them.
fn plans() -> Vec<(String, Vec<u32>, u32)> {
    let mut plans = vec![];
    for section in PAGE.split("\n## ").skip(1) {
        let mut minutes = vec![];
        for row in section.lines().filter(|line| line.starts_with('|')) {
            let first = row.split('|').nth(1).unwrap_or_default().trim();
            let sum = first.trim_matches('*');
            match (first.parse::<u32>(), sum.parse::<u32>()) {
                (Ok(some), _) => minutes.push(some),
                (Err(_), Ok(sum)) => {
                    let name = section.lines().next().unwrap_or_default().to_owned();
                    plans.push((name, std::mem::take(&mut minutes), sum));
                }
                (Err(_), Err(_)) => {} // the head of the table
            }
        }
        assert!(minutes.is_empty(), "a plan without a sum: {section}");
    }
    plans
}

#[test]
fn the_minutes_of_each_plan_add_up() {
    for (name, minutes, said) in plans() {
        let sum: u32 = minutes.iter().sum();
        assert_eq!(sum, said, "{name}: {minutes:?}");
    }
}

#[test]
fn there_is_a_plan_for_ninety_minutes_half_a_day_and_a_day() {
    let sums: Vec<_> = plans().iter().map(|(.., sum)| *sum).collect();
    assert_eq!(sums, [90, 210, 420]);
}

#[test]
fn a_full_day_gives_each_exercise_the_minutes_that_it_asks_for() {
    let (_, day) = PAGE.split_once("## A full day").expect("the plan");
    let exercises = Path::new(env!("CARGO_MANIFEST_DIR")).join("../exercises");
    let mut found = 0;
    for entry in fs::read_dir(exercises).expect("the exercises") {
        let file = entry.expect("an entry").path().join("exercise.toml");
        let Ok(text) = fs::read_to_string(file) else {
            continue; // callback-kit is none
        };
        let value = |name: &str| {
            let mut lines = text.lines();
            let line = lines.find_map(|line| line.strip_prefix(&format!("{name} = ")));
            line.expect("the line").trim_matches('"').to_owned()
        };
        let row = format!("| {} | [{1}]({1}.md)", value("minutes"), value("id"));
        assert!(day.contains(&row), "the full day has no row {row}");
        found += 1;
    }
    assert!(found >= 6);
}

#[test]
fn every_chapter_leads_on_and_has_notes_for_instructors() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let contents = fs::read_to_string(source.join("SUMMARY.md")).expect("the contents");
    let (chapters, _) = contents.split_once("# Appendices").expect("the appendices");
    let chapters = chapters.lines().filter(|line| line.starts_with("- ["));
    let mut count = 0;
    for line in chapters {
        let page = line.split(['(', ')']).nth(1).expect("a link");
        let text = fs::read_to_string(source.join(page)).expect("the page");
        for part in ["**Next:**", "<summary>For instructors</summary>"] {
            assert!(text.contains(part), "{page} has no {part}");
        }
        count += 1;
    }
    assert!(count >= 18, "only {count} chapters");
}
