//! What wiremock is asked to play, and how a tap asks for it.
//!
//! A tap adds three headers to what it passes on. Mocks are mounted to answer
//! only requests that carry them, so nobody gets an answer past a tap.

use wiremock::matchers::{header, header_exists, method, path};
use wiremock::{Mock, MockBuilder, MockServer, Request, ResponseTemplate};

/// Carries the exchange's id, so that every answer can be told from every other.
pub(crate) const EXCHANGE: &str = "x-tap-exchange";
/// Carries the scene.
pub(crate) const SCENE: &str = "x-tap-scene";

/// What the service answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scene {
    /// The right answer.
    #[default]
    Well,
    /// Status 500, and a body as if all were well, where the service has one:
    /// whoever looks at the body alone is told so.
    Sick,
    /// Status 500, and a body that nobody takes for an answer.
    OutOfOrder,
    /// Status 200 and a body that is not what it says it is.
    Garbage,
    /// Auth says something that is neither yes nor no: that one of its oddities.
    Odd(u8),
}

impl Scene {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Well => "well".to_owned(),
            Self::Sick => "sick".to_owned(),
            Self::OutOfOrder => "out-of-order".to_owned(),
            Self::Garbage => "garbage".to_owned(),
            Self::Odd(nth) => format!("odd-{nth}"),
        }
    }
}

/// A mock that answers `at`, in that scene, and only through a tap.
pub(crate) fn mock(at: &str, scene: Scene) -> MockBuilder {
    Mock::given(path(at))
        .and(method("GET"))
        .and(header(SCENE, scene.name()))
        .and(header_exists(EXCHANGE))
}

/// Mounts the faults that every service can have at that path. What a service has
/// mounted before these is answered instead.
pub(crate) async fn mount_faults(server: &MockServer, at: &str) {
    for scene in [Scene::Sick, Scene::OutOfOrder] {
        mock(at, scene)
            .respond_with(ResponseTemplate::new(500).set_body_string("out of order\n"))
            .mount(server)
            .await;
    }
    mock(at, Scene::Garbage)
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_raw(r#"{"city": "Mun<br>gateway says hello"#, "application/json"),
        )
        .mount(server)
        .await;
}

/// The id of the exchange that a request belongs to.
pub(crate) fn exchange_of(request: &Request) -> u32 {
    request
        .headers
        .get(EXCHANGE)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or_default()
}

/// A wiremock server that keeps no requests: the journal does that.
pub(crate) async fn server() -> MockServer {
    MockServer::builder()
        .disable_request_recording()
        .start()
        .await
}
