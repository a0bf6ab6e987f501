//! Contenders side by side.
use crate::report::Timeline;
use std::time::Duration;
/// One version.
#[derive(Clone, Debug)]
pub struct Contender {
    /// Its name.
    pub name: String,
    /// What was recorded.
    pub timeline: Timeline,
    /// First request to last answer.
    pub wall: Duration,
    /// Calls under way at most.
    pub in_flight_peak: usize,
    /// Threads.
    pub threads: Option<u32>,
    /// Bytes.
    pub memory: Option<u64>,
}
/// Draws them.
pub fn draw(all: &[Contender], _sheet: &super::Sheet) -> String {
    format!(
        "{:#?}\n",
        all.iter()
            .map(|c| (&c.name, c.wall, c.in_flight_peak, c.threads, c.memory))
            .collect::<Vec<_>>()
    )
}
