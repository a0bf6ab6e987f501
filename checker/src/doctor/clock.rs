//! How finely this machine tells the time, and how late it wakes whoever sleeps.

use std::time::{Duration, Instant};

use crate::report::words;

use super::Row;

/// Recordings are in microseconds.
const COARSE: Duration = Duration::from_micros(100);

/// The checker waits longer than this before it calls anything idle.
const LATE: Duration = Duration::from_millis(20);

const NAP: Duration = Duration::from_millis(1);
const NAPS: u32 = 40;

pub(super) fn resolution() -> Row {
    let step = (0..1_000).map(|_| step()).min().unwrap_or_default();
    let seen = if step < Duration::from_micros(1) {
        format!("tells {} ns apart", step.as_nanos())
    } else {
        format!("tells {} apart", words(step))
    };
    if step > COARSE {
        let what = "timelines are coarse here; verdicts do not depend on it";
        Row::warning("clock", seen, what)
    } else {
        Row::ok("clock", seen)
    }
}

/// From one reading of the clock to the next that differs.
fn step() -> Duration {
    let first = Instant::now();
    loop {
        let step = first.elapsed();
        if !step.is_zero() {
            return step;
        }
    }
}

pub(super) fn timers() -> Row {
    let mut late: Vec<_> = (0..NAPS)
        .map(|_| {
            let began = Instant::now();
            std::thread::sleep(NAP);
            began.elapsed().saturating_sub(NAP)
        })
        .collect();
    late.sort_unstable();
    let median = late.get(late.len() / 2).copied().unwrap_or_default();
    let worst = late.last().copied().unwrap_or_default();
    let seen = format!(
        "sleepers wake {} late, {} at worst of {NAPS}",
        words(median),
        words(worst)
    );
    if worst > LATE {
        Row::warning(
            "timers",
            format!(
                "{seen}: verdicts take longer here, and may be inconclusive; they are never wrong for it"
            ),
            "close what keeps this machine busy",
        )
    } else {
        Row::ok("timers", seen)
    }
}
