//! What an exercise's server is asked and what it has to answer.

use mock_services::weather::Reading;

/// The contract of a server that answers one route from the weather.
#[derive(Clone, Copy, Debug)]
pub struct Contract {
    /// The exercise's id: `ex02`.
    pub id: &'static str,
    /// The route that it serves: `/tomorrow`.
    pub route: &'static str,
    /// What it asks the weather for, once each, per request.
    pub asks: &'static [&'static str],
    /// The right body for those readings, in the order of `asks`.
    pub body: fn(&[Reading]) -> String,
    /// Whether a body says the same as the right one.
    pub same: fn(right: &str, body: &str) -> bool,
}
