//! The auth service: `GET /auth?key=K` → `1` or `0`, always with status 200.

use std::net::SocketAddr;

use wiremock::{MockServer, Request, ResponseTemplate};

use crate::scene::{self, Scene};

/// The path that it answers at.
pub const MOUNT: &str = "/auth";

/// Where it is, unless someone says otherwise.
pub const PORT: u16 = 7002;

/// Where its redirects lead.
const ELSEWHERE: &str = "/auth/elsewhere";

/// Keys of one run, drawn from its seed: each is awkward in a way of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Auth says `1` to these.
    pub allowed: Vec<String>,
    /// Auth says `0` to these. Each looks like an allowed one that was mangled
    /// on its way.
    pub denied: Vec<String>,
}

impl Keys {
    /// The keys that belong to a seed.
    pub fn from_seed(seed: u64) -> Self {
        let mut drawn = fastrand::Rng::with_seed(seed ^ 0x6b65_7973);
        let mut word = || (0..8).map(|_| drawn.lowercase()).collect::<String>();
        let (a, b, c, d, e) = (word(), word(), word(), word(), word());
        let long = (0..15).map(|_| word()).collect::<String>();
        Self {
            allowed: vec![
                word(),
                format!("{a}&{b}=1"),
                format!("{c} + {a}%41%"),
                format!("{d}#/?{b}"),
                format!("schlüssel-{e}-鍵"),
                // Blanks at both ends, a letter beyond the first 65,536, one made of two.
                format!(" 🔑{a};\"e\u{301}' \\ "),
                long.clone(),
            ],
            denied: vec![
                word(),
                a.clone(),
                format!("{c}   {a}A%"),
                d,
                format!("{e}é"),
                format!("🔑{a};\"é' \\"),
                long[..64].to_owned(),
            ],
        }
    }
}

/// What auth says in [`Scene::Odd`]. Most of it is a yes, or a no, for somebody who looks
/// only at a part of it, and is neither; with white space around it, it is one:
/// see [`owed_for`].
pub const ODDITIES: [(u16, &str); 21] = [
    (200, "0"), // of a key that it says yes to at other times
    (200, "1\n"),
    (200, "10 failures today"),
    (200, "2"),
    (200, "true"),
    (200, "[1]"),
    (200, "\"1\""),
    (200, "01"),
    (200, "+1"),
    (200, "1.0"),
    (200, "1\n0"),
    (200, "0 of 3"),
    (200, ""),
    (201, "1"),
    (302, "1"),
    (401, "1"),
    (403, "0"),
    (404, "1"),
    (429, "1"),
    (503, "1"),
    (200, "  1\r\n"),
];

/// The status that a gateway owes its client for what auth said.
pub fn owed_for(status: u16, body: &str) -> u16 {
    match (status, body.trim()) {
        (200, "1") => 200,
        (200, "0") => 403,
        _ => 502,
    }
}

/// A running auth service. It ends when it is dropped.
#[derive(Debug)]
pub struct AuthService {
    server: MockServer,
}

impl AuthService {
    /// Starts a service that says yes to those keys (to be asked through taps only).
    pub async fn serve(keys: impl IntoIterator<Item = String>) -> Self {
        let keys: Vec<_> = keys.into_iter().collect();
        let server = scene::server().await;
        scene::mock(MOUNT, Scene::Well)
            .respond_with(move |request: &Request| {
                let allowed = asked_for(request.url.query().unwrap_or_default())
                    .is_some_and(|key| keys.contains(&key));
                ResponseTemplate::new(200).set_body_string(if allowed { "1" } else { "0" })
            })
            .mount(&server)
            .await;
        // Whoever reads the body alone takes this for a yes.
        scene::mock(MOUNT, Scene::Sick)
            .respond_with(ResponseTemplate::new(500).set_body_string("1"))
            .mount(&server)
            .await;
        // Whoever looks for anything but a no takes this for a yes.
        scene::mock(MOUNT, Scene::Garbage)
            .respond_with(
                ResponseTemplate::new(200).set_body_raw("<p>gateway 1 says hello</p>", "text/html"),
            )
            .mount(&server)
            .await;
        for (nth, (status, body)) in (0..).zip(ODDITIES) {
            let mut answer = ResponseTemplate::new(status).set_body_string(body);
            if status == 302 {
                // Whoever follows it is given a yes by somebody who is not auth.
                answer = answer.insert_header("location", ELSEWHERE);
            }
            scene::mock(MOUNT, Scene::Odd(nth))
                .respond_with(answer)
                .mount(&server)
                .await;
            scene::mock(ELSEWHERE, Scene::Odd(nth))
                .respond_with(ResponseTemplate::new(200).set_body_string("1"))
                .mount(&server)
                .await;
        }
        Self { server }
    }

    /// Where its wiremock server listens.
    pub fn address(&self) -> SocketAddr {
        *self.server.address()
    }
}

/// The key in a query, decoded as a form is.
pub fn asked_for(query: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "key")
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_both_allowed_and_denied() {
        for seed in 0..200 {
            let keys = Keys::from_seed(seed);
            assert!(keys.denied.iter().all(|key| !keys.allowed.contains(key)));
        }
    }

    #[test]
    fn a_key_comes_out_of_a_query_as_it_went_in() {
        for key in Keys::from_seed(7).allowed {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("key", &key)
                .finish();
            assert_eq!(asked_for(&query), Some(key));
        }
    }
}
