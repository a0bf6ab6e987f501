//! What an exercise's server is asked and what it has to answer.

use mock_services::auth::Keys;
use mock_services::weather::Reading;

/// The contract of a server that answers one route from the services.
#[derive(Clone, Copy, Debug)]
pub struct Contract {
    /// The exercise's id: `ex02`.
    pub id: &'static str,
    /// The route that it serves: `/tomorrow`.
    pub route: &'static str,
    /// Whether a request carries a key.
    pub keyed: bool,
    /// What it asks the services for, once each, per request.
    pub asks: &'static [&'static str],
    /// Those of them that the weather answers with a reading.
    pub reads: &'static [&'static str],
    /// The right body for those readings, in the order of `reads`.
    pub body: fn(&[Reading]) -> String,
    /// Whether a body says the same as the right one.
    pub same: fn(right: &str, body: &str) -> bool,
}

impl Contract {
    /// What our own requests ask for; with a key that is allowed, where one is
    /// needed.
    pub fn target(&self, keys: &Keys) -> String {
        match keys.allowed.first() {
            Some(key) if self.keyed => with_key(self.route, key),
            _ => self.route.to_owned(),
        }
    }
}

/// A route with that key as its query.
pub fn with_key(route: &str, key: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("key", key)
        .finish();
    format!("{route}?{query}")
}

/// Who answers a route, as a sentence says it.
pub fn service_of(route: &str) -> &'static str {
    match route {
        "/auth" => "auth",
        "/services" => "discovery",
        _ => "the weather",
    }
}

/// The same at the beginning of a sentence.
pub fn service_first(route: &str) -> &'static str {
    match route {
        "/auth" => "Auth",
        "/services" => "Discovery",
        _ => "The weather",
    }
}
