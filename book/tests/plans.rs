//! The instructors' plans: each table's minutes add up to what it says.

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
